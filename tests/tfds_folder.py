"""Writes tiny data sets in the layout of tensorflow-datasets, without TensorFlow."""

import dataclasses
import io
import json
import pathlib

import numpy as np
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image
from tensorflow_datasets.proto import tf_example_pb2

SHAPES = {'cifar10': (32, 32, 3), 'mnist': (28, 28, 1)}
VERSIONS = {'cifar10': '3.0.2', 'mnist': '3.0.1'}


@dataclasses.dataclass(frozen=True)
class Written:
    """What was written: the folder of the version, and for each split ('train', 'test') the images,
    uint8 [N, H, W, C], and labels, int64 [N], as they were before encoding."""

    folder: pathlib.Path
    images: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]


def write_tfds_folder(
    root,
    name='cifar10',
    train=100,
    test=40,
    seed=0,
    *,
    shards=1,
    encoding='PNG',
    quality=75,
    description='Tiny images for tests.',
    version=None,
    file_format='array_record',
    shape=None,
    labels=None,
) -> Written:
    """Writes `<root>/<name>/<version>/` with `train` and `test` images.

    The images are learnable: each is the pattern of its class plus noise, the same patterns in both
    splits. Labels go round the ten classes.

    Args:
      root: the data folder, made if it is missing.
      name: 'cifar10' or 'mnist'.
      train, test: numbers of images.
      seed: of the patterns and the noise.
      shards: files of the training split.
      encoding: 'PNG' or 'JPEG' (of `quality`).
      description: goes into dataset_info.json.
      version: the folder's name; None means TFDS's own.
      file_format: what dataset_info.json declares; the files are array_record all the same.
      shape: (H, W, C) of the images written; None means the shape that is declared.
      labels: the labels of the training split; None means 0, 1, … 9, 0, 1, …
    """
    declared = SHAPES[name]
    shape = declared if shape is None else shape
    version = VERSIONS[name] if version is None else version
    folder = pathlib.Path(root) / name / version
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    patterns = rng.integers(40, 216, size=(10, *shape))
    written = Written(folder, {}, {})
    splits = []
    for split, count in (('train', train), ('test', test)):
        of_split = np.arange(count) % 10
        if labels is not None and split == 'train':
            of_split = np.asarray(labels)
        noise = rng.integers(-40, 40, size=(count, *shape))
        images = (patterns[of_split % 10] + noise).astype(np.uint8)
        written.images[split], written.labels[split] = images, of_split
        examples = [
            example(encode(image, encoding, quality), label)
            for image, label in zip(images, of_split, strict=True)
        ]
        pieces = np.array_split(np.arange(count), shards if split == 'train' else 1)
        for i, piece in enumerate(pieces):
            file = f'{name}-{split}.{file_format}-{i:05d}-of-{len(pieces):05d}'
            write_shard(folder / file, [examples[j] for j in piece])
        splits.append(
            {
                'filepathTemplate': '{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}',
                'name': split,
                'numBytes': str(sum(map(len, examples))),
                'shardLengths': [str(len(piece)) for piece in pieces],
            }
        )
    info = {
        'description': description,
        'fileFormat': file_format,
        'moduleName': '__main__',
        'name': name,
        'splits': splits,
        'version': version,
    }
    (folder / 'dataset_info.json').write_text(json.dumps(info))
    (folder / 'features.json').write_text(json.dumps(features(declared)))
    return written


def features(shape, classes=10, dtype='uint8') -> dict:
    """The content of features.json."""
    package = 'tensorflow_datasets.core.features'
    image = {'dtype': dtype, 'shape': {'dimensions': [str(n) for n in shape]}}
    return {
        'featuresDict': {
            'features': {
                'image': {
                    'image': image,
                    'pythonClassName': f'{package}.image_feature.Image',
                },
                'label': {
                    'classLabel': {'numClasses': str(classes)},
                    'pythonClassName': f'{package}.class_label_feature.ClassLabel',
                },
            }
        },
        'pythonClassName': f'{package}.features_dict.FeaturesDict',
    }


def encode(image, encoding='PNG', quality=75) -> bytes:
    """An image, uint8 [H, W, C], as a PNG or JPEG file."""
    options = {'quality': quality} if encoding == 'JPEG' else {}
    buffer = io.BytesIO()
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    Image.fromarray(pixels).save(buffer, encoding, **options)
    return buffer.getvalue()


def example(encoded: bytes, label: int) -> bytes:
    """A serialised `tf.train.Example` of an encoded image and its label."""
    proto = tf_example_pb2.Example()
    proto.features.feature['image'].bytes_list.value.append(encoded)
    proto.features.feature['label'].int64_list.value.append(int(label))
    return proto.SerializeToString()


def write_shard(path, examples) -> None:
    """One array_record file."""
    writer = ArrayRecordWriter(str(path), 'group_size:1')
    for record in examples:
        writer.write(record)
    writer.close()
