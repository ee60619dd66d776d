"""Reading the published archives of CIFAR-10 and MNIST; nothing is unpacked to disk."""

import gzip
import io
import math
import tarfile
import zlib
from collections.abc import Callable, Mapping

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.data.catalogue import Known
from jaxtweaks.data.dataset import Split, checked

# To be raised when the arrays that are made of an archive change. The text of this file does not
# count: the archives are not kept, so a comment here would cost who is offline the data.
VERSION = 1

_BROKEN = (tarfile.TarError, OSError, EOFError, zlib.error)


def parse(known: Known, files: Mapping[str, bytes]) -> tuple[Split, Split]:
    """The training and test part in `files` (name of an archive to its bytes).

    Raises:
      UserError: naming the archive, if its content is not what it should be.
    """
    return _PARSERS[known.name](known, files)


def _cifar10(known: Known, files: Mapping[str, bytes]) -> tuple[Split, Split]:
    """From a tar of six batches; each image is a byte of label and [C, H, W] bytes of pixels."""
    (name,) = (archive.name for archive in known.archives)
    training = [f'data_batch_{i}.bin' for i in range(1, 6)]
    batches: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(files[name]), mode='r:gz') as tar:
            for member in tar:
                base = member.name.rpartition('/')[2]
                if not member.isfile() or base not in (*training, 'test_batch.bin'):
                    continue
                if (file := tar.extractfile(member)) is not None:
                    batches[base] = file.read()
    except _BROKEN as error:
        raise UserError(f'{name}: not a readable tar.gz archive ({error})') from error

    def part(names: list[str]) -> Split:
        """The images of these files of the archive. Raises UserError: one is missing or cut."""
        for base in names:
            if base not in batches:
                raise UserError(f'{name}: holds no {base}')
            if len(batches[base]) % (1 + math.prod(known.shape)):
                raise UserError(
                    f'{name}: {base} has {len(batches[base])} bytes, which is no whole number of '
                    f'images of {1 + math.prod(known.shape)} bytes'
                )
        height, width, channels = known.shape
        rows = np.frombuffer(b''.join(batches[base] for base in names), np.uint8)
        rows = rows.reshape(-1, 1 + math.prod(known.shape))
        images = rows[:, 1:].reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        where = f'{name}: {names[0]}' if len(names) == 1 else f'{name}: data_batch_*.bin'
        labels = rows[:, 0].astype(np.int32)
        return checked(np.ascontiguousarray(images), labels, known.shape, len(known.classes), where)

    return part(training), part(['test_batch.bin'])


def _mnist(known: Known, files: Mapping[str, bytes]) -> tuple[Split, Split]:
    """From four gzipped idx files."""

    def part(prefix: str) -> Split:
        images_name, labels_name = (
            f'{prefix}-{kind}-ubyte.gz' for kind in ('images-idx3', 'labels-idx1')
        )
        images = _idx(images_name, files[images_name], 3)[..., None]
        labels = _idx(labels_name, files[labels_name], 1).astype(np.int32)
        return checked(images, labels, known.shape, len(known.classes), images_name)

    return part('train'), part('t10k')


def _idx(name: str, packed: bytes, dimensions: int) -> np.ndarray:
    """The uint8 array in a gzipped idx file: 0, 0, type, rank; rank lengths; the bytes."""
    try:
        data = gzip.decompress(packed)
    except _BROKEN as error:
        raise UserError(f'{name}: not a readable gzip file ({error})') from error
    start = 4 + 4 * dimensions
    if len(data) < start or data[:4] != bytes((0, 0, 8, dimensions)):
        raise UserError(f'{name}: not an idx file of bytes in {dimensions} dimensions')
    shape = tuple(int(n) for n in np.frombuffer(data, '>u4', dimensions, 4))
    if len(data) != start + math.prod(shape):
        raise UserError(f'{name}: {len(data) - start} bytes of data, its header says {shape}')
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


_PARSERS: dict[str, Callable[[Known, Mapping[str, bytes]], tuple[Split, Split]]] = {
    'cifar10': _cifar10,
    'mnist': _mnist,
}
