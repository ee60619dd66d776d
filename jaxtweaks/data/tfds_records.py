"""Reading the records of a TFDS folder (`tfds_folder.py`), and decoding their images."""

import io
import pathlib
import re
from collections.abc import Callable, Iterator

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.data.catalogue import Known
from jaxtweaks.data.dataset import Split, checked

_BATCH = 1_000  # records read at once

# A record: the file (or folder) to name in errors, the encoded image, the label.
Record = tuple[pathlib.Path, bytes | None, int | None]


def array_records(builder, split: str, shards) -> Iterator[Record]:
    """The records of a split in array_record format, in the order of the files."""
    import tensorflow_datasets as tfds
    from array_record.python import (
        array_record_module,  # pyright: ignore[reportAttributeAccessIssue]: compiled, without a stub
    )

    # The images stay encoded: how they are encoded is itself a fact that has to be reported.
    decoders = {'image': tfds.decode.SkipDecoding()}
    data = builder.as_data_source(split=split, decoders=decoders)
    start = 0
    for path, length in shards:
        try:
            reader = array_record_module.ArrayRecordReader(str(path))
            readable, found = reader.ok(), reader.num_records()
            reader.close()
        except RuntimeError:
            readable, found = False, 0
        if not readable:
            raise UserError(f'{path}: is damaged or cut off, not a whole array_record file')
        if found != length:
            raise UserError(f'{path}: holds {found} records, dataset_info.json promises {length}')
        for first in range(start, start + length, _BATCH):
            batch = list(range(first, min(first + _BATCH, start + length)))
            try:
                examples = data.__getitems__(batch)
            except Exception as error:  # array_record and protobuf have no common base
                raise UserError(f'{path}: is damaged ({brief(error)})') from error
            for example in examples:
                yield path, example['image'], example['label']
        start += length


def tfrecords(builder, split: str, shards) -> Iterator[Record]:
    """The records of a split in TFRECORD format, in the order of the files; needs TensorFlow."""
    import tensorflow as tf  # pyright: ignore[reportMissingModuleSource]: an extra
    import tensorflow_datasets as tfds

    # TensorFlow would take the whole memory of every GPU, which JAX is about to need.
    tf.config.set_visible_devices([], 'GPU')
    folder = pathlib.Path(shards[0][0]).parent
    found = 0
    try:
        decoders = {'image': tfds.decode.SkipDecoding()}
        # One file at a time: TFDS interleaves files by default.
        config = tfds.ReadConfig(interleave_cycle_length=1)
        data = builder.as_dataset(
            split=split, decoders=decoders, shuffle_files=False, read_config=config
        )
        for example in tfds.as_numpy(data):
            found += 1
            yield folder, example['image'], int(example['label'])
    except Exception as error:  # TensorFlow's errors, of many kinds
        raise UserError(f'{folder}: cannot be read by TensorFlow ({brief(error)})') from error
    promised = sum(length for _, length in shards)
    if found != promised:
        raise UserError(
            f'{folder}: {split} holds {found} records, dataset_info.json promises {promised}'
        )


def part(
    known: Known, records: Iterator[Record], progress: 'Progress', name: str
) -> tuple[Split, bool]:
    """A decoded part, and whether any of its images is a JPEG."""
    images, labels, is_jpeg = [], [], False
    path = None
    for path, encoded, label in records:
        if encoded is None or label is None:  # TFDS lets records without a feature pass
            raise UserError(f'{path}: record {len(images)} has no image or no label')
        images.append(_image(known, encoded, f'{path}: image {len(images)}'))
        labels.append(label)
        is_jpeg = is_jpeg or encoded.startswith(b'\xff\xd8\xff')
        progress.advance()
    if not images:
        raise UserError(f'{progress.what}: a split holds no images')
    stacked = np.stack(images)
    labels = np.array(labels, np.int64)
    if name == 'test' and not known.archives and (labels == -1).any():
        raise UserError(
            f'{path}: {int((labels == -1).sum()):,} of {len(labels):,} labels are -1, as of '
            "unlabelled images; jaxtweaks.from_tfds(name, test='') in a registered data set uses "
            'no test split, but holds a part of the training images out'
        )
    return checked(stacked, labels, known.shape, len(known.classes), str(path)), is_jpeg


def _image(known: Known, encoded: bytes, where: str) -> np.ndarray:
    """An encoded image as uint8 [H, W, C]."""
    # Not TFDS's own decoder: that is OpenCV or Pillow, whichever is installed, and they need not
    # agree bitwise on a JPEG.
    from PIL import Image

    try:
        with Image.open(io.BytesIO(encoded)) as opened:
            pixels = np.asarray(opened)
    except Image.UnidentifiedImageError as error:
        raise UserError(f'{where} cannot be decoded (it is no known kind of image)') from error
    except Exception as error:  # Pillow raises many kinds on damaged images
        raise UserError(f'{where} cannot be decoded ({brief(error)})') from error
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.shape != known.shape or pixels.dtype != np.uint8:
        raise UserError(
            f'{where} is {pixels.dtype} {list(pixels.shape)}, '
            f'it should be uint8 {list(known.shape)}'
        )
    return pixels


class Progress:
    """Reports how many images are decoded: at the start, and at every fifth of a large data set."""

    def __init__(self, what: str, total: int, notify: Callable[[str], None]):
        self.what = what
        self._total = total
        self._notify = notify
        self._done = 0
        notify(f'{what}: {total:,} images')

    def advance(self) -> None:
        self._done += 1
        step = max(self._total // 5, 5_000)
        if self._done % step == 0 and self._done < self._total:
            self._notify(f'{self.what}: {self._done:,} of {self._total:,} images')


def brief(error: Exception) -> str:
    """An error of somebody else's in one short line."""
    text = re.sub(r'\{\{.*?\}\}', '', str(error))  # where in its graph TensorFlow failed
    text = ' '.join(text.split()) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + '...'
