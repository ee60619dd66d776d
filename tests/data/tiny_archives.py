"""Tiny archives in the published formats of CIFAR-10 and MNIST, and their catalogue entries."""

import dataclasses
import gzip
import hashlib
import io
import tarfile

import numpy as np

from jaxtweaks.data.catalogue import CATALOGUE, Archive, Known


def random_part(rng, count, shape):
    """Images, uint8 [count, *shape], and labels, uint8 [count]."""
    images = rng.integers(0, 256, size=(count, *shape), dtype=np.uint8)
    return images, (np.arange(count) % 10).astype(np.uint8)


def cifar10_batch(images, labels) -> bytes:
    """The content of a data_batch_*.bin."""
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.concatenate([labels[:, None], planes], axis=1).astype(np.uint8).tobytes()


def tar_gz(files: dict[str, bytes]) -> bytes:
    """A tar.gz of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w:gz') as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def cifar10_files(images, labels, test_images, test_labels) -> dict[str, bytes]:
    """The files of the CIFAR-10 tar, the training images spread over five batches."""
    folder = 'cifar-10-batches-bin'
    files = {f'{folder}/batches.meta.txt': b'airplane\n'}
    for i, piece in enumerate(np.array_split(np.arange(len(images)), 5), 1):
        files[f'{folder}/data_batch_{i}.bin'] = cifar10_batch(images[piece], labels[piece])
    files[f'{folder}/test_batch.bin'] = cifar10_batch(test_images, test_labels)
    return files


def idx(array: np.ndarray) -> bytes:
    """A gzipped idx file of a uint8 array."""
    header = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, '>u4').tobytes()
    return gzip.compress(header + array.tobytes(), mtime=0)


def mnist_files(images, labels, test_images, test_labels) -> dict[str, bytes]:
    """The four files of MNIST."""
    return {
        'train-images-idx3-ubyte.gz': idx(images[..., 0]),
        'train-labels-idx1-ubyte.gz': idx(labels),
        't10k-images-idx3-ubyte.gz': idx(test_images[..., 0]),
        't10k-labels-idx1-ubyte.gz': idx(test_labels),
    }


def known_for(name: str, files: dict[str, bytes]) -> Known:
    """The catalogue's entry of `name` with the sizes and checksums of `files`."""
    archives = tuple(
        Archive(file, len(content), hashlib.sha256(content).hexdigest())
        for file, content in files.items()
    )
    return dataclasses.replace(CATALOGUE[name], archives=archives)
