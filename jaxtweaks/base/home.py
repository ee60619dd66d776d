"""The user's home folder, and paths that begin with ~.

Where no home folder is known (HOME is not set, and the system has no such user, as in many
containers), Python leaves the ~ as it is, and a folder of that name would appear in the current
one.
"""

import os
from pathlib import Path

from jaxtweaks.base.errors import UserError


def folder() -> Path | None:
    """The home folder of the user; None if it is not known."""
    named = os.environ.get('HOME', os.path.expanduser('~'))
    return Path(named) if os.path.isabs(named) else None


def cache() -> Path | None:
    """The folder of what is kept between launches; None if there is no place that lasts.

    JAXTWEAKS_CACHE_DIR, or jaxtweaks/ in the user's XDG cache folder.

    Raises:
      UserError: JAXTWEAKS_CACHE_DIR begins with a ~ that stands for nothing.
    """
    if own := os.environ.get('JAXTWEAKS_CACHE_DIR'):
        return expanded(own)
    xdg = os.environ.get('XDG_CACHE_HOME', '')
    if os.path.isabs(xdg):  # the XDG standard ignores relative paths
        return Path(xdg) / 'jaxtweaks'
    known = folder()
    return None if known is None else known / '.cache' / 'jaxtweaks'


def expanded(path: str | Path) -> Path:
    """A path of the user's, with ~ and ~name as the home folders they stand for.

    Raises:
      UserError: that home folder is not known.
    """
    first, *rest = os.fspath(path).split('/', 1)
    if not first.startswith('~'):
        return Path(path)
    home = folder() if first == '~' else os.path.expanduser(first)
    if home is None or str(home) == first:
        why = 'HOME does not name one' if first == '~' else f'there is no user {first[1:]!r}'
        raise UserError(
            f'{path}: the home folder {first} is not known ({why}); give the path in full, or as '
            f'./{path} if it is called so'
        )
    return Path(home, *(part.lstrip('/') for part in rest))  # of ~//data too
