"""Images in folders: one folder for each class, in it the images, of any format Pillow reads."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxtweaks.base import home
from jaxtweaks.base.errors import UserError
from jaxtweaks.data import cache
from jaxtweaks.data.dataset import Source, Split
from jaxtweaks.data.own import from_arrays

_ENDINGS = ('.png', '.jpg', '.jpeg', '.bmp', '.gif', '.webp', '.tif', '.tiff', '.ppm', '.pgm')


def from_folder(
    path: str | Path,
    size: tuple[int, int] | None = None,
    *,
    title: str = '',
    notify: Callable[[str], None] = print,
) -> Source:
    """A data set of the images in `path`/CLASS/, or in `path`/train/CLASS/ and `path`/test/CLASS/.

    Without a folder test/ a fifth of the images, always the same ones, is held out. Images are RGB,
    or grey if all of them are, of 8 bits a channel. Decoded once, they are kept in the cache until
    a file changes. What is hidden (names that begin with '.', and __MACOSX) is passed over.

    Args:
      path: the folder.
      size: height and width to which every image is scaled; None if they have one size already.
      title: what figures and tables call it; '' for the folder's name.
      notify: is told when images are decoded.

    Raises:
      UserError: no folder, no images, an image that cannot be read, of more than 8 bits, or of
        another size.
    """
    folder = home.expanded(path)
    if not folder.is_dir():
        raise UserError(f'{folder}: there is no such folder')
    title = title or folder.resolve().name
    parted = (folder / 'train').is_dir() and (folder / 'test').is_dir()
    parts = {name: _files(folder / name) for name in ('train', 'test')} if parted else {}
    parts = parts or {'train': _files(folder)}
    classes = tuple(sorted({name for files in parts.values() for _, name in files}))
    if len(classes) < 2:
        raise UserError(
            f'{folder}: {len(classes)} folders with images; there must be one for each class'
        )
    arrays = _decoded(folder, parts, classes, size, notify)
    splits = {name: Split(arrays[f'{name}_images'], arrays[f'{name}_labels']) for name in parts}
    test = splits.get('test')
    return from_arrays(
        splits['train'].images,
        splits['train'].labels,
        None if test is None else (test.images, test.labels),
        classes=classes,
        title=title,
        source=f'image folder {folder}',
    )


# Path and class of an image.
_File = tuple[Path, str]


def _files(folder: Path) -> list[_File]:
    """The images of every class, in the order of their names; nothing that is hidden."""
    found = [
        (path, path.parent.name)
        for path in sorted(folder.glob('*/*'))
        if path.suffix.lower() in _ENDINGS
        and not _is_hidden(path)
        and not _is_hidden(path.parent)
        and path.is_file()
    ]
    if not found:
        raise UserError(
            f'{folder}: holds no images; they must be in {folder}/CLASS/, such as '
            f'{folder}/cat/1.png'
        )
    for place in dict.fromkeys(path.parent for path, _ in found):
        _check_utf8(place.absolute())
    return found


def _is_hidden(path: Path) -> bool:
    """Whether it is none of the user's images, but left by notebooks, macOS and the like."""
    return path.name.startswith('.') or path.name == '__MACOSX'


def _check_utf8(folder: Path) -> None:
    """Whether reports can name a folder. Raises UserError."""
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise UserError(f'{str(folder)!r}: the name is not valid UTF-8; rename it') from None


def _decoded(
    folder: Path,
    parts: dict[str, list[_File]],
    classes: tuple[str, ...],
    size: tuple[int, int] | None,
    notify: Callable[[str], None],
) -> dict[str, np.ndarray]:
    """'train_images', 'train_labels' and so on, from the cache if no file has changed."""
    place = hashlib.sha256(f'{folder.resolve()} {size}'.encode()).hexdigest()[:12]
    stats = [(str(path), path.stat()) for files in parts.values() for path, _ in files]
    listing = [[path, stat.st_size, stat.st_mtime_ns] for path, stat in stats]
    # What was decoded before images of more than 8 bits were refused may be clipped.
    key = hashlib.sha256(json.dumps(['8 bits', *listing]).encode()).hexdigest()
    name = f'folder-{place}.arrays'
    if found := cache.read(name, key, notify):
        return found[0]
    notify(f'decoding {len(stats):,} images from {folder} (once)')
    images = {name: [_image(path, size) for path, _ in files] for name, files in parts.items()}
    grey = all((image[..., :1] == image).all() for part in images.values() for image in part)
    arrays = {}
    for name_of_part, files in parts.items():
        arrays[f'{name_of_part}_images'] = _stacked(files, images[name_of_part], grey)
        labels = [classes.index(name) for _, name in files]
        arrays[f'{name_of_part}_labels'] = np.array(labels, np.int32)
    cache.write(name, key, arrays, {}, notify)
    return arrays


def _image(path: Path, size: tuple[int, int] | None) -> np.ndarray:
    """An image as uint8 [height, width, 3]."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            _check_depth(path, opened.mode)
            upright = ImageOps.exif_transpose(opened).convert('RGB')
            if size is not None:
                upright = upright.resize(size[::-1], Image.Resampling.BILINEAR)
            return np.asarray(upright)
    except UserError:
        raise
    except Exception as error:  # Pillow raises many kinds on damaged images
        raise UserError(f'{path}: cannot be decoded ({error})') from error


def _check_depth(path: Path, mode: str) -> None:
    """Whether Pillow's mode has 8 bits a channel: it clips others. Raises UserError."""
    if mode.startswith(('I', 'F')):
        raise UserError(
            f"{path}: has more than 8 bits a channel (Pillow's mode {mode}); convert it to 8 bits, "
            'or give the numbers as arrays by jaxtweaks.dataset'
        )


def _stacked(files: list[_File], images: list[np.ndarray], grey: bool) -> np.ndarray:
    """[N, height, width, 3 or 1]."""
    for (path, _), image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            one, other = (f'{a.shape[0]} × {a.shape[1]}' for a in (images[0], image))
            raise UserError(
                f'{path}: is {other}, {files[0][0].name} is {one}; to scale all images, register '
                "the folder with a size: jaxtweaks.dataset('mine')(lambda: "
                'jaxtweaks.from_folder(path, size=(32, 32)))'
            )
    return np.stack(images)[..., : 1 if grey else 3]
