"""Images in folders: one folder for each class, in it, at any depth, images that Pillow reads."""

import collections
import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from jaxtweaks.base import home
from jaxtweaks.base.errors import UserError
from jaxtweaks.data import cache, folder_layout, folder_listing, image_file
from jaxtweaks.data.dataset import Source, Split
from jaxtweaks.data.folder_layout import Layout, lay_out
from jaxtweaks.data.folder_listing import Listing, Place, shown, such_as
from jaxtweaks.data.own import assembled


def from_folder(
    path: str | Path,
    size: tuple[int, int] | None = None,
    *,
    title: str = '',
    notify: Callable[[str], None] = print,
) -> Source:
    """A data set of the images in `path`/CLASS/, or in `path`/train/CLASS/ and so on.

    The parts are train/ (or training/), with or without validation/ (or val/, valid/) and test/ (or
    testing/), in upper or lower case. Without test/ a fifth of the training images, always the same
    ones, is held out. A class is the first folder below that; folders in it only group its images.

    What Pillow reads is an image, whatever its ending. Images become RGB, or grey if all of them
    are, of 8 bits a channel, upright, on white where they are transparent. Decoded once, they are
    kept in the cache until a file changes. What is omitted or altered is said by `notify` and kept
    in the source's `notices`; system files of macOS and Windows are passed over.

    Args:
      path: the folder.
      size: height and width to which every image is scaled; None if they have one size already.
      title: what figures and tables call it; '' for the folder's name.
      notify: reports when images are decoded, and what to know of them.

    Raises:
      UserError: no folder, no images, an image that cannot be read, of one channel of more than 8
        bits, or of another size; or classes and parts that do not fit, see `folder_layout.lay_out`.
    """
    folder, size = _folder(path), _size(size)
    arrays, facts = _read(folder_listing.listing(folder, cache.folder()), size, notify)
    for text in facts['notices']:
        notify(f'notice: {text}')
    parts = {
        name: Split(arrays[f'{name}_images'], arrays[f'{name}_labels'])
        for name in ('train', 'validation', 'test')
        if f'{name}_images' in arrays
    }
    test = parts.get('test')
    source = assembled(
        parts['train'].images,
        parts['train'].labels,
        None if test is None else (test.images, test.labels),
        tuple(facts['classes']),
        title or folder.resolve().name,
        f'image folder {folder}',
        channels_last=True,
    )
    notices = tuple(facts['notices'])
    return dataclasses.replace(source, validation=parts.get('validation'), notices=notices)


def _folder(path: str | Path) -> Path:
    """The folder. Raises UserError if there is none."""
    if not isinstance(path, str | os.PathLike):
        raise UserError(f'from_folder: the path is {path!r}; it must be the name of a folder')
    folder = home.expanded(path)
    try:
        if folder.is_file():
            raise UserError(f'{folder}: is a file; it must be a folder (unpack an archive first)')
        if not folder.is_dir():
            raise UserError(f'{folder}: there is no such folder')
    except OSError as error:  # of a name that is too long, or a folder above that may not be read
        raise UserError(f'{folder}: cannot be read ({error.strerror})') from error
    return folder


def _size(size: tuple[int, int] | None) -> tuple[int, int] | None:
    """The size to scale to. Raises UserError if it is none."""
    if size is None:
        return None
    try:
        height, width = (int(n) for n in size if n == int(n) and n >= 1)
    except (TypeError, ValueError, OverflowError):
        raise UserError(
            f'from_folder: size is {size!r}; it must be height and width, as (32, 32)'
        ) from None
    return height, width


def _read(
    listing: Listing, size: tuple[int, int] | None, notify: Callable[[str], None]
) -> tuple[dict[str, np.ndarray], dict]:
    """'train_images', 'train_labels' and so on, and the facts 'classes' and 'notices'.

    From the cache if nothing that decides them has changed.
    """
    place = hashlib.sha256(f'{listing.folder.resolve()} {size}'.encode(errors='surrogateescape'))
    name = f'folder-{place.hexdigest()[:12]}.arrays'

    def make() -> cache.Made:
        images = [file for file in listing.files if image_file.is_image(listing.path(file))]
        layout = lay_out(listing, images)
        total = sum(map(len, layout.parts.values()))
        notify(f'decoding {total:,} images from {listing.folder} (once)')
        arrays, notices = _decoded(listing, layout, size)
        return arrays, {'classes': list(layout.classes), 'notices': [*layout.notices, *notices]}

    again = lambda: _key(folder_listing.listing(listing.folder, cache.folder()), size)
    return cache.made(name, _key(listing, size), make, again, listing.folder, notify)


def _key(listing: Listing, size: tuple[int, int] | None) -> str:
    """Changes when a file of the folder does, or what else decides the arrays made of them."""
    others = {
        field.name: getattr(listing, field.name)
        for field in dataclasses.fields(listing)
        if field.name not in ('folder', 'files')
    }
    return cache.key(
        {'/'.join(file): listing.path(file) for file in listing.files},
        [size, others, image_file.versions()],
        code=(__name__, folder_layout.__name__, folder_listing.__name__, image_file.__name__),
    )


def _decoded(
    listing: Listing, layout: Layout, size: tuple[int, int] | None
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays of all parts, and what was done to images, in sentences."""
    files = [place for part in layout.parts.values() for place, _ in part]
    images, unreadable = [], []
    altered: dict[str, list[Place]] = {remark: [] for remark in image_file.REMARKS}
    for place in files:
        try:
            one = image_file.decode(listing.path(place), size)
        except image_file.Unreadable as error:
            unreadable.append(f'{listing.folder}/{shown(place)}: {error}')
            continue
        images.append(one.pixels)
        for remark in one.remarks:
            altered[remark].append(place)
    if unreadable:
        more = f' (and {len(unreadable) - 1} more of {len(files)})' if len(unreadable) > 1 else ''
        raise UserError(unreadable[0] + more)
    _check_one_size(listing, files, images)
    grey = all((image[..., :1] == image).all() for image in images)
    notices = []
    for remark, places in altered.items():
        notices += such_as(places, f'image{{s}} {image_file.REMARKS[remark]}')
    notices += _copies(layout, images)
    arrays, start = {}, 0
    for part, members in layout.parts.items():
        stacked = np.stack(images[start : start + len(members)])
        labels = [layout.classes.index(name) for _, name in members]
        arrays[f'{part}_images'] = stacked[..., : 1 if grey else 3]
        arrays[f'{part}_labels'] = np.array(labels, np.int32)
        start += len(members)
    return arrays, notices


def _check_one_size(listing: Listing, files: Sequence[Place], images: Sequence[np.ndarray]) -> None:
    """Whether all images have one size. Raises UserError."""
    for place, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            one, other = (f'{a.shape[0]} × {a.shape[1]}' for a in (images[0], image))
            raise UserError(
                f'{listing.folder}/{shown(place)}: is {other}, {shown(files[0])} is {one}; to '
                "scale all images, register the folder with a size: jaxtweaks.dataset('mine')"
                '(lambda: jaxtweaks.from_folder(path, size=(32, 32)))'
            )


def _copies(layout: Layout, images: Sequence[np.ndarray]) -> list[str]:
    """Which images are there more than once, in a sentence."""
    members = [(part, *file) for part, files in layout.parts.items() for file in files]
    seen: dict[bytes, tuple[str, Place, str]] = {}
    copies: list[tuple[Place, Place]] = []
    counts: Mapping[str, int] = collections.Counter()
    for member, image in zip(members, images, strict=True):
        first = seen.setdefault(hashlib.sha256(image.tobytes()).digest(), member)
        if first is member:
            continue
        (part, place, name), (first_part, first_place, first_name) = member, first
        copies.append((place, first_place))
        counts['of another class'] += name != first_name
        counts['in another part'] += part != first_part
    if not copies:
        return []
    detail = ', '.join(f'{n:,} {words}' for words, n in counts.items() if n)
    one, other = (shown(place) for place in copies[0])
    return [
        f'{len(copies):,} of {len(images):,} images are pixel for pixel copies of others'
        f'{f" ({detail})" if detail else ""}, such as {one} of {other}'
    ]
