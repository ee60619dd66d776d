"""Images of every form that Pillow reads, as bytes, and the pixels that are right."""

import io
import random
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image


class Picture(NamedTuple):
    """An image as a file's bytes, and the pixels that are right, uint8 [height, width, 3].

    `tolerance` is the largest error of a pixel; `said` what is to be said of it, '' for nothing.
    """

    content: bytes
    pixels: np.ndarray
    endings: Sequence[str]
    tolerance: int = 0
    said: str = ''


def encoded(image: Image.Image, format: str, **options) -> bytes:
    """The bytes of an image's file."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def noise(rng: random.Random, size: tuple[int, int], channels: int = 3) -> np.ndarray:
    """Random pixels, uint8 [height, width, channels]."""
    height, width = size
    values = rng.randbytes(height * width * channels)
    return np.frombuffer(values, np.uint8).reshape(height, width, channels)


def lossless(rng: random.Random, size: tuple[int, int]) -> Picture:
    """One of which every pixel is kept, in some format."""
    pixels = noise(rng, size)
    format, endings, options = rng.choice(
        [
            ('PNG', ('.png', '', '.dat', '.bmp'), {}),
            ('BMP', ('.bmp', '', '.png'), {}),
            ('TIFF', ('.tif', '.tiff', ''), {}),
            ('PPM', ('.ppm', '.pnm', ''), {}),
            ('TGA', ('.tga',), {}),
            ('WEBP', ('.webp', ''), {'lossless': True}),
            ('JPEG2000', ('.jp2', '.j2k', ''), {}),
            ('SGI', ('.rgb', '.sgi'), {}),
            ('PCX', ('.pcx',), {}),
        ]
    )
    return Picture(encoded(Image.fromarray(pixels), format, **options), pixels, endings)


def _grey(rng: random.Random, size: tuple[int, int]) -> Picture:
    pixels = noise(rng, size, 1)
    format, ending = rng.choice(
        [('PNG', '.png'), ('GIF', '.gif'), ('PPM', '.pgm'), ('BMP', '.bmp')]
    )
    image = Image.fromarray(pixels[..., 0])
    return Picture(encoded(image, format), pixels.repeat(3, 2), (ending, ''))


def _one_bit(rng: random.Random, size: tuple[int, int]) -> Picture:
    pixels = 255 * (noise(rng, size, 1) % 2)
    image = Image.fromarray(pixels[..., 0]).convert('1')
    return Picture(encoded(image, 'PNG'), pixels.repeat(3, 2), ('.png',))


def _jpeg(rng: random.Random, size: tuple[int, int]) -> Picture:
    pixels = np.broadcast_to(noise(rng, (1, 1)), (*size, 3))
    content = encoded(Image.fromarray(pixels), 'JPEG', quality=95)
    return Picture(content, pixels, ('.jpg', '.jpeg', '.jfif', '.jpe', ''), tolerance=5)


def _cmyk(rng: random.Random, size: tuple[int, int]) -> Picture:
    inks = noise(rng, size, 4).copy()
    inks[..., 3] = 0
    image = Image.frombytes('CMYK', size[::-1], inks.tobytes())
    return Picture(encoded(image, 'TIFF'), 255 - inks[..., :3], ('.tif',))


def _alpha(rng: random.Random, size: tuple[int, int]) -> Picture:
    """Colour or grey with alpha that is 0 or 255, anything, or 255 throughout."""
    grey, how = rng.random() < 0.3, rng.choice(['hard', 'soft', 'opaque'])
    colour = noise(rng, size, 1 if grey else 3)
    alpha = noise(rng, size, 1).copy()
    if how == 'hard':
        alpha = 255 * (alpha % 2)
        alpha[0, 0] = 0
    elif how == 'opaque':
        alpha[:] = 255
    image = Image.fromarray(np.concatenate([colour, alpha], -1))
    share = alpha / 255
    pixels = np.rint(colour * share + 255 * (1 - share)).astype(np.uint8)
    pixels = pixels.repeat(3, 2) if grey else pixels
    said = 'transparent pixels' if (alpha < 255).any() else ''
    return Picture(encoded(image, 'PNG'), pixels, ('.png',), int(how == 'soft'), said)


def _palette(rng: random.Random, size: tuple[int, int]) -> Picture:
    """A palette, of which one colour may be transparent."""
    colours = np.frombuffer(rng.randbytes(12), np.uint8).reshape(4, 3).copy()
    index = noise(rng, size, 1)[..., 0] % 4
    image = Image.fromarray(index).convert('P')
    image.putpalette(colours.tobytes())
    options, said = {}, ''
    if rng.random() < 0.5:
        options['transparency'] = int(index[0, 0])
        colours[index[0, 0]] = 255
        said = 'transparent pixels'
    return Picture(encoded(image, 'PNG', **options), colours[index], ('.png',), 0, said)


def _turned(rng: random.Random, size: tuple[int, int]) -> Picture:
    """Turned by half or a quarter, which EXIF says."""
    pixels, exif = noise(rng, size), Image.Exif()
    exif[0x0112], turns = rng.choice([(3, 2), (6, 1), (8, -1)])
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(pixels, turns)))
    return Picture(encoded(stored, 'PNG', exif=exif), pixels, ('.png', ''), said='turned upright')


def _frames(rng: random.Random, size: tuple[int, int]) -> Picture:
    pixels = noise(rng, size, 1)
    first, second = (Image.fromarray(a[..., 0]) for a in (pixels, noise(rng, size, 1)))
    format, ending = rng.choice([('GIF', '.gif'), ('TIFF', '.tif'), ('PNG', '.png')])
    content = encoded(first, format, save_all=True, append_images=[second])
    return Picture(content, pixels.repeat(3, 2), (ending,), said='several frames')


def _deep(rng: random.Random, size: tuple[int, int]) -> Picture:
    """A PNG of three channels of 16 bits."""
    height, width = size
    high = noise(rng, size)
    values = np.stack([high, noise(rng, size)], -1).reshape(height, -1)  # big-endian
    rows = b''.join(b'\0' + row.tobytes() for row in values)
    head = struct.pack('>IIBBBBB', width, height, 16, 2, 0, 0, 0)
    content = b'\x89PNG\r\n\x1a\n'
    for name, body in ((b'IHDR', head), (b'IDAT', zlib.compress(rows)), (b'IEND', b'')):
        check = struct.pack('>I', zlib.crc32(name + body))
        content += struct.pack('>I', len(body)) + name + body + check
    return Picture(content, high, ('.png',), said='16 bits a channel')


_Form = Callable[[random.Random, tuple[int, int]], Picture]
FORMS: Sequence[_Form] = (
    *(lossless,) * 6,
    *(_grey, _one_bit, _jpeg, _cmyk, _alpha, _palette, _turned, _frames, _deep),
)
