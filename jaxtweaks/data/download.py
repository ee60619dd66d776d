"""Downloading the published archives, verified before anything looks inside."""

import hashlib
import http.client
import io
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable

from jaxtweaks.base.errors import UserError
from jaxtweaks.data import archives, cache
from jaxtweaks.data.catalogue import Archive, Known
from jaxtweaks.data.dataset import Source, arrays_of, parts_of

# Seconds to connect, and seconds without a byte. Short, so that a machine without a network falls
# back soon.
TIMEOUT = 10.0
_PROGRESS = 5.0  # seconds between notices
_PIECE = 1 << 18  # bytes read at once


def cached(known: Known, notify: Callable[[str], None]) -> Source | None:
    """What an earlier download left in the cache, or None."""
    found = cache.read(_cache_name(known), _key(known), notify)
    if found is None:
        return None
    arrays, facts = found
    parts = parts_of(arrays)
    return Source(known.title, parts['training'], parts['test'], known.classes, facts['source'])


def load(
    known: Known,
    notify: Callable[[str], None],
    *,
    mirror: str | None = None,
    timeout: float = TIMEOUT,
) -> Source:
    """Downloads, verifies, parses and caches a data set.

    The archives are held in memory, never on disk: only arrays that came out of archives with the
    right SHA-256 reach the cache.

    Args:
      known: the data set.
      notify: reports the progress.
      mirror: a web folder to use instead of the published one; None means JAXTWEAKS_MIRROR.
      timeout: seconds to connect, and seconds to wait for the next byte.

    Raises:
      UserError: naming the address and what went wrong there.
    """
    base = base_address(known, mirror)
    files = {
        archive.name: fetch(f'{base}/{archive.name}', archive, notify, timeout=timeout)
        for archive in known.archives
    }
    training, test = archives.parse(known, files)
    names = ', '.join(archive.name for archive in known.archives)
    source = f'downloaded from {base} ({names})'
    arrays = arrays_of({'training': training, 'test': test})
    cache.write(_cache_name(known), _key(known), arrays, {'source': source}, notify)
    return Source(known.title, training, test, known.classes, source)


def base_address(known: Known, mirror: str | None = None) -> str:
    """The web folder of a data set's archives, without a final slash.

    Raises:
      UserError: if the mirror is no plain http or https address. One with a password is refused,
        because the address is written into results.
    """
    mirror = os.environ.get('JAXTWEAKS_MIRROR', '') if mirror is None else mirror
    if not mirror:
        return known.address
    try:
        parts = urllib.parse.urlsplit(mirror)
        plain = parts.scheme in ('http', 'https') and parts.hostname and parts.port != 0
    except ValueError:
        plain = False
    if (
        not plain
        or '@' in parts.netloc
        or parts.query
        or parts.fragment
        or not mirror.isprintable()
    ):
        raise UserError(
            'JAXTWEAKS_MIRROR is not a plain web address: it should be http(s)://host/folder, '
            'without user name, password or question mark'
        )
    return mirror.rstrip('/')


def fetch(
    address: str, archive: Archive, notify: Callable[[str], None], *, timeout: float = TIMEOUT
) -> bytes:
    """The bytes at `address`, which are those of `archive`, verified.

    Raises:
      UserError: naming the address, if nothing answers, if what is there is not the archive, or if
        it ends early, stalls or has the wrong size or SHA-256.
    """
    request = urllib.request.Request(address, headers={'User-Agent': 'jaxtweaks'})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            data = _body(response, address, archive, notify)
    except urllib.error.HTTPError as error:
        error.close()  # it is also the open connection
        raise UserError(f'{address}: the server answers {error.code} {error.reason}') from error
    except TimeoutError as error:
        raise UserError(f'{address}: nothing came for {timeout:g} s') from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise UserError(f'{address}: no answer within {timeout:g} s') from error
        raise UserError(f'{address}: cannot be reached ({error.reason})') from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UserError(f'{address}: the connection broke ({error!r})') from error
    found = hashlib.sha256(data).hexdigest()
    if found != archive.sha256:
        raise UserError(
            f'{address}: what came is corrupted or another file '
            f'(SHA-256 {found[:12]}…, should be {archive.sha256[:12]}…)'
        )
    return data


def _body(response, address: str, archive: Archive, notify) -> bytes:
    """All bytes of an answer; UserError as soon as it cannot be `archive`."""
    kind = response.headers.get_content_type()
    if kind in ('text/html', 'application/xhtml+xml'):
        raise UserError(
            f'{address}: the answer is a web page, not {archive.name} '
            f'(perhaps a sign-in page of the network)'
        )
    received = io.BytesIO()
    reported = time.monotonic()
    notify(f'downloading {address} ({_megabytes(archive.size)})')
    # read1 returns what is there: `read` would wait for a whole piece, and a trickle of bytes
    # would show no progress.
    while piece := response.read1(_PIECE):
        received.write(piece)
        if received.tell() > archive.size:
            raise UserError(
                f'{address}: larger than {archive.name} should be ({archive.size} bytes)'
            )
        if time.monotonic() - reported > _PROGRESS:
            reported = time.monotonic()
            notify(
                f'downloading {archive.name}: {_megabytes(received.tell())} '
                f'of {_megabytes(archive.size)}'
            )
    if received.tell() < archive.size:
        raise UserError(
            f'{address}: the download ended early, after {received.tell()} of {archive.size} bytes'
        )
    return received.getvalue()


def _megabytes(size: int) -> str:
    return f'{size / 1e6:.1f} MB'


def _cache_name(known: Known) -> str:
    return f'{known.name}-download.arrays'


def _key(known: Known) -> str:
    """Changes when the archives do, or what is made of them."""
    hashes = [archive.sha256 for archive in known.archives]
    return cache.key({}, [*hashes, archives.VERSION], code=[])
