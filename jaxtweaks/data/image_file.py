"""Decoding an image file by Pillow to 8 bits a channel, and what was done to it on the way."""

import dataclasses
import re
from pathlib import Path

import numpy as np

# Pillow has no decoder of its own for these, or (EPS, WMF) has another program draw them.
_NOT_READ = {'EPS', 'WMF', 'MPEG', 'BUFR', 'GRIB', 'HDF5'}
# These begin in a way that no other file does, so they are known without an ending.
_UNMISTAKABLE = ('PNG', 'JPEG', 'GIF', 'WEBP', 'AVIF', 'TIFF', 'BMP', 'PPM', 'JPEG2000', 'QOI')

# What may be done to an image, as the end of a sentence 'N images …'.
REMARKS = {
    'transparent': '{has} transparent pixels, which are shown on white',
    'turned': '{is_} turned upright, as the EXIF orientation says',
    'frames': '{has} several frames or pages, of which the first is used',
    'deep': '{has} 16 bits a channel, of which the upper 8 are used',
}


class Unreadable(Exception):
    """Why an image cannot be used, for the end of a sentence."""


@dataclasses.dataclass(frozen=True)
class Decoded:
    """An image, uint8 [height, width, 3], and which of `REMARKS` hold of it."""

    pixels: np.ndarray
    remarks: tuple[str, ...]


def versions() -> list[str | None]:
    """The versions of what decides the pixels of an image."""
    import PIL
    from PIL import features

    return [PIL.__version__, *map(features.version, ('jpg', 'jpg_2000', 'webp', 'avif', 'libtiff'))]


def is_image(path: Path) -> bool:
    """Whether a file is to be decoded: by its ending, or if that is no image's, by its content."""
    from PIL import Image

    kind = _endings().get(path.suffix.lower())
    if kind is not None:
        return kind in _formats()
    try:
        with Image.open(path, formats=[name for name in _UNMISTAKABLE if name in _formats()]):
            return True
    except Exception:  # Pillow raises many kinds on what is no image
        return False


def decode(path: Path, size: tuple[int, int] | None) -> Decoded:
    """The image, upright, the transparent parts on white, scaled to `size` (height, width).

    Raises:
      Unreadable: damaged, or of one channel of more than 8 bits, which Pillow would clip.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=_formats()) as opened:
            if opened.mode.startswith(('I', 'F')):
                raise Unreadable(
                    f"has more than 8 bits a channel (Pillow's mode {opened.mode}); convert it to "
                    '8 bits, or give the numbers as arrays by jaxtweaks.dataset'
                )
            remarks = {
                'frames': getattr(opened, 'n_frames', 1) > 1,
                'deep': any(_is_deep(tile) for tile in opened.tile),
                'turned': opened.getexif().get(_ORIENTATION, 1) in range(2, 9),
            }
            upright = ImageOps.exif_transpose(opened)
            whole, remarks['transparent'] = _on_white(upright)
            if size is not None:
                whole = whole.resize(size[::-1], Image.Resampling.BILINEAR)
            held = tuple(name for name in REMARKS if remarks[name])
            return Decoded(np.asarray(whole), held)
    except Unreadable:
        raise
    except Image.UnidentifiedImageError:
        empty = path.stat().st_size == 0
        reason = 'it is empty' if empty else 'its content is no known kind of image'
        raise Unreadable(f'cannot be decoded ({reason})') from None
    except Exception as error:  # Pillow raises many kinds on damaged images
        raise Unreadable(f'cannot be decoded ({error})') from error


_ORIENTATION = 0x0112  # EXIF's tag


def _is_deep(tile: tuple) -> bool:
    """Whether a part of a file, as Pillow describes it, has more bits than Pillow keeps."""
    codec, how = tile[0], tile[3]
    if codec == 'ppm':
        return how[1] > 255
    # With the order of the bytes of a channel: 'BGR;16' is 16 bits a pixel.
    return re.search(r';16[BLN]', str(how)) is not None


def _on_white(image) -> tuple:
    """A Pillow image as RGB, and whether white shows through any of its pixels."""
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert('RGB'), False
    image = image.convert('RGBA')
    if image.getextrema()[3][0] == 255:
        return image.convert('RGB'), False
    white = Image.new('RGBA', image.size, 'white')
    return Image.alpha_composite(white, image).convert('RGB'), True


def _formats() -> tuple[str, ...]:
    """The formats that are read."""
    from PIL import Image

    Image.init()
    return tuple(name for name in Image.OPEN if name not in _NOT_READ)


def _endings() -> dict[str, str]:
    """The format that each ending in lower case says."""
    from PIL import Image

    return Image.registered_extensions()
