"""Folders prepared by TFDS: whole, in several files, altered, incomplete, damaged."""

import importlib.util
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from tensorflow_datasets.proto import tf_example_pb2
from tfds_folder import encode, example, features, write_shard, write_tfds_folder

from jaxtweaks.base.errors import UserError
from jaxtweaks.data import cache, tfds_folder, tfds_records
from jaxtweaks.data.catalogue import CATALOGUE

CIFAR10, MNIST = CATALOGUE['cifar10'], CATALOGUE['mnist']
SHARD = 'cifar10-train.array_record-00000-of-00001'


def ignore(_message):
    pass


def edit(path, change):
    """Applies `change` to the object in a JSON file."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def refused(root, known=CIFAR10) -> str:
    """The one-line message with which the folder is refused."""
    with pytest.raises(UserError) as caught:
        tfds_folder.load(known, root, ignore)
    message = str(caught.value)
    assert '\n' not in message
    assert not cache.folder().exists()
    return message


@pytest.mark.parametrize('known', [CIFAR10, MNIST])
@pytest.mark.parametrize('shards', [1, 3])
def test_images_and_labels_in_order(tmp_path, known, shards):
    written = write_tfds_folder(tmp_path, known.name, train=25, test=12, shards=shards)
    source = tfds_folder.load(known, tmp_path, ignore)
    for part, name in ((source.training, 'train'), (source.test, 'test')):
        np.testing.assert_array_equal(part.images, written.images[name])
        np.testing.assert_array_equal(part.labels, written.labels[name])
        assert part.labels.dtype == np.int32
    assert source.label == known.title
    assert source.classes == known.classes
    assert source.source == f'TFDS folder {written.folder}'


@pytest.mark.parametrize('known', [CIFAR10, MNIST])
def test_sizes_are_known_without_decoding(tmp_path, monkeypatch, known):
    write_tfds_folder(tmp_path, known.name, train=25, test=12, shards=3)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, 'tensorflow_datasets', None)  # importing it would fail
        outline = tfds_folder.load(known, tmp_path, ignore, decode=False)
    assert not cache.folder().exists()
    source = tfds_folder.load(known, tmp_path, ignore)
    for part, whole in ((outline.training, source.training), (outline.test, source.test)):
        assert part.images.shape == whole.images.shape
        assert part.images.dtype == whole.images.dtype
        assert part.labels.dtype == whole.labels.dtype
        assert part.labels.max() < len(known.classes)
    assert outline.label == f'{known.title} (not decoded yet)'
    with monkeypatch.context() as patch:
        patch.setattr(cache, 'read', None)  # nor is it read from the cache, where it is now
        again = tfds_folder.load(known, tmp_path, ignore, decode=False)
    assert (again.label, again.training.images.max()) == (source.label, 0)
    (kept,) = cache.folder().iterdir()
    before = kept.stat().st_mtime - 60
    os.utime(kept, (before, before))  # as if the folder had been changed since
    again = tfds_folder.load(known, tmp_path, ignore, decode=False)
    assert again.label == outline.label


def test_second_time_comes_from_the_cache(tmp_path, monkeypatch):
    write_tfds_folder(tmp_path, train=20, description='As JPEG (quality 75).')
    reported = []
    first = tfds_folder.load(CIFAR10, tmp_path, reported.append)
    assert reported == [f'decoding CIFAR-10 from {tmp_path}/cifar10/3.0.2 (once): 60 images']
    monkeypatch.setitem(sys.modules, 'tensorflow_datasets', None)  # importing it would fail
    second = tfds_folder.load(CIFAR10, tmp_path, reported.append)
    assert len(reported) == 1
    for a, b in ((first.training, second.training), (first.test, second.test)):
        np.testing.assert_array_equal(a.images, b.images)
        np.testing.assert_array_equal(a.labels, b.labels)
    assert second.label == first.label == 'CIFAR-10 (JPEG q75)'
    assert second.source == first.source


def test_changed_folder_is_decoded_again(tmp_path):
    folder = write_tfds_folder(tmp_path, train=10, test=10).folder
    tfds_folder.load(CIFAR10, tmp_path, ignore)
    new = np.full((10, 32, 32, 3), 7, np.uint8)
    before = (folder / SHARD).stat()
    write_shard(folder / SHARD, [example(encode(image), 9) for image in new])
    os.utime(folder / SHARD, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    source = tfds_folder.load(CIFAR10, tmp_path, ignore)
    np.testing.assert_array_equal(source.training.images, new)
    assert len(list(cache.folder().iterdir())) == 1


def test_folder_that_changes_while_it_is_decoded_is_not_kept(tmp_path, monkeypatch):
    folder = write_tfds_folder(tmp_path, train=10, test=10).folder
    before, reported = (folder / SHARD).read_bytes(), []

    read = tfds_records.part

    def late(*args):
        part = read(*args)
        new = np.full((10, 32, 32, 3), 7, np.uint8)
        write_shard(folder / SHARD, [example(encode(image), 9) for image in new])
        return part

    with monkeypatch.context() as patch:
        patch.setattr(tfds_records, 'part', late)
        old = tfds_folder.load(CIFAR10, tmp_path, reported.append)
    assert 'changed while they were decoded' in reported[-1]
    assert not cache.folder().exists()
    (folder / SHARD).write_bytes(before)
    again = tfds_folder.load(CIFAR10, tmp_path, ignore)
    np.testing.assert_array_equal(again.training.images, old.training.images)


def test_labels_mended_in_place_are_noticed(tmp_path):
    """Of the same size and time, as an archive may give them."""
    written = write_tfds_folder(tmp_path, train=10, test=10)
    shard = written.folder / SHARD
    before, labels = shard.stat(), (written.labels['train'] + 1) % 10
    tfds_folder.load(CIFAR10, tmp_path, ignore)
    images = map(encode, written.images['train'])
    write_shard(shard, [example(*pair) for pair in zip(images, labels.tolist(), strict=True)])
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert shard.stat().st_size == before.st_size
    source = tfds_folder.load(CIFAR10, tmp_path, ignore)
    np.testing.assert_array_equal(source.training.labels, labels)


def test_two_folders_do_not_share_a_cache(tmp_path):
    for seed in (0, 1):
        write_tfds_folder(tmp_path / str(seed), train=10, seed=seed)
    images = [
        tfds_folder.load(CIFAR10, tmp_path / str(seed), ignore).training.images for seed in (0, 1)
    ]
    assert not np.array_equal(*images)


def test_large_folders_tell_their_progress():
    reported = []
    progress = tfds_records.Progress('decoding', 60_000, reported.append)
    for _ in range(60_000):
        progress.advance()
    assert reported == [
        'decoding: 60,000 images',
        'decoding: 12,000 of 60,000 images',
        'decoding: 24,000 of 60,000 images',
        'decoding: 36,000 of 60,000 images',
        'decoding: 48,000 of 60,000 images',
    ]


def test_jpeg_is_reported_and_read(tmp_path):
    written = write_tfds_folder(tmp_path, train=10, test=10, encoding='JPEG', quality=95)
    source = tfds_folder.load(CIFAR10, tmp_path, ignore)
    assert source.label == 'CIFAR-10 (JPEG)'
    for image, original in zip(source.test.images, written.images['test'], strict=True):
        with Image.open(io.BytesIO(encode(original, 'JPEG', 95))) as decoded:
            np.testing.assert_array_equal(image, np.asarray(decoded))
    assert not np.array_equal(source.test.images, written.images['test'])


@pytest.mark.parametrize(
    ('description', 'label'),
    [
        ('CIFAR-10 images re-encoded as JPEG (quality 75); same splits.', 'CIFAR-10 (JPEG q75)'),
        ('jpeg, quality=90', 'CIFAR-10 (JPEG q90)'),
        ('JPEG q50', 'CIFAR-10 (JPEG q50)'),
        ('stored as jpg', 'CIFAR-10 (JPEG)'),
        ('60000 images of good quality 32x32', 'CIFAR-10'),
    ],
)
def test_description_tells_of_jpeg(tmp_path, description, label):
    write_tfds_folder(tmp_path, train=10, test=10, description=description)
    assert tfds_folder.load(CIFAR10, tmp_path, ignore).label == label


def test_one_jpeg_among_pngs_is_reported(tmp_path):
    written = write_tfds_folder(tmp_path, train=10, test=10)
    kinds = ['PNG'] * 9 + ['JPEG']
    write_shard(
        written.folder / SHARD,
        [example(encode(i, k), 0) for i, k in zip(written.images['train'], kinds, strict=True)],
    )
    assert tfds_folder.load(CIFAR10, tmp_path, ignore).label == 'CIFAR-10 (JPEG)'


def test_highest_version_is_read(tmp_path):
    for seed, version in enumerate(('3.0.2', '3.0.10', '3.0.9')):
        write_tfds_folder(tmp_path, train=10, seed=seed, version=version)
    assert tfds_folder.find(CIFAR10, tmp_path).name == '3.0.10'


def test_no_folder_and_no_data_set_are_not_there(tmp_path):
    for root in (tmp_path / 'none', tmp_path):
        with pytest.raises(tfds_folder.NotThere, match=r'cifar10/<version>/'):
            tfds_folder.load(CIFAR10, root, ignore)
    (tmp_path / 'cifar10').mkdir()
    with pytest.raises(tfds_folder.NotThere, match='holds no version'):
        tfds_folder.load(CIFAR10, tmp_path, ignore)


def test_unfinished_preparation(tmp_path):
    (tmp_path / 'cifar10' / '3.0.2.incompleteA1B2C3').mkdir(parents=True)
    message = refused(tmp_path)
    assert '3.0.2.incompleteA1B2C3: left by a preparation that did not finish' in message
    assert '--file_format=array_record' in message


@pytest.mark.parametrize('name', ['dataset_info.json', 'features.json', SHARD])
def test_missing_file(tmp_path, name):
    folder = write_tfds_folder(tmp_path, train=10).folder
    (folder / name).unlink()
    assert f'{folder / name}: this file is missing' in refused(tmp_path)


@pytest.mark.parametrize('name', ['dataset_info.json', 'features.json'])
@pytest.mark.parametrize('content', [b'{"splits": [', b'\xff\xfe', b'[]'])
def test_json_that_is_none(tmp_path, name, content):
    folder = write_tfds_folder(tmp_path, train=10).folder
    (folder / name).write_bytes(content)
    assert refused(tmp_path).startswith(f'{folder / name}: ')


@pytest.mark.parametrize(
    'change',
    [
        lambda info: info.pop('splits'),
        lambda info: info['splits'].pop(),
        lambda info: info.update(splits='none'),
        lambda info: info.update(fileFormat='papyrus'),
    ],
)
def test_info_without_sense(tmp_path, change):
    folder = write_tfds_folder(tmp_path, train=10).folder
    edit(folder / 'dataset_info.json', change)
    message = refused(tmp_path)
    assert str(folder) in message
    assert 'dataset_info.json' in message


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (features((28, 28, 1)), r'uint8 [28, 28, 1], they should be uint8 [32, 32, 3]'),
        (features((32, 32, 3), dtype='uint16'), 'uint16 [32, 32, 3], they should be uint8'),
        (features((32, 32, 3), classes=100), '100 classes, there should be 10'),
    ],
)
def test_other_features(tmp_path, content, message):
    folder = write_tfds_folder(tmp_path, train=10).folder
    (folder / 'features.json').write_text(json.dumps(content))
    refusal = refused(tmp_path)
    assert f'{folder / "features.json"}: ' in refusal
    assert message in refusal


def test_features_without_labels(tmp_path):
    folder = write_tfds_folder(tmp_path, train=10).folder
    edit(folder / 'features.json', lambda c: c['featuresDict']['features'].pop('label'))
    assert "should declare the features 'image' and 'label'" in refused(tmp_path)


def test_images_of_another_shape_than_declared(tmp_path):
    folder = write_tfds_folder(tmp_path, train=10, shape=(32, 30, 3)).folder
    message = f'{folder / SHARD}: image 0 is uint8 [32, 30, 3], it should be uint8 [32, 32, 3]'
    assert message in refused(tmp_path)


def test_grey_images_where_colour_is_declared(tmp_path):
    write_tfds_folder(tmp_path, train=10, shape=(32, 32, 1))
    assert 'image 0 is uint8 [32, 32, 1]' in refused(tmp_path)


def test_image_that_cannot_be_decoded(tmp_path):
    written = write_tfds_folder(tmp_path, train=10)
    encoded = [encode(image) for image in written.images['train']]
    encoded[4] = encoded[4][:100]
    write_shard(written.folder / SHARD, [example(image, 0) for image in encoded])
    assert f'{written.folder / SHARD}: image 4 cannot be decoded' in refused(tmp_path)


@pytest.mark.parametrize('label', [-1, 10])
def test_label_out_of_range(tmp_path, label):
    folder = write_tfds_folder(tmp_path, train=3, labels=[0, label, 9]).folder
    message = f'{folder / SHARD}: a label is {label}, labels should be 0 to 9'
    assert message in refused(tmp_path)


def test_other_classes(tmp_path):
    folder = write_tfds_folder(tmp_path, train=10).folder
    names = list(CIFAR10.classes)
    (folder / 'label.labels.txt').write_text('\n'.join(names))
    assert tfds_folder.load(CIFAR10, tmp_path, ignore).classes == CIFAR10.classes
    (folder / 'label.labels.txt').write_text('\n'.join(names[1:] + names[:1]))
    with pytest.raises(UserError, match=r'label\.labels\.txt: the classes are automobile bird'):
        tfds_folder.load(CIFAR10, tmp_path, ignore)


@pytest.mark.parametrize('promised', [9, 11])
def test_other_count_than_promised(tmp_path, promised):
    folder = write_tfds_folder(tmp_path, train=10).folder
    edit(
        folder / 'dataset_info.json',
        lambda info: info['splits'][0].update(shardLengths=[str(promised)]),
    )
    message = f'{folder / SHARD}: holds 10 records, dataset_info.json promises {promised}'
    assert message in refused(tmp_path)


@pytest.mark.parametrize('damage', ['cut', 'empty', 'text'])
def test_damaged_shard(tmp_path, damage):
    path = write_tfds_folder(tmp_path, train=50).folder / SHARD
    whole = path.read_bytes()
    path.write_bytes(
        {'cut': whole[: len(whole) // 2], 'empty': b'', 'text': b'hello\n' * 9}[damage]
    )
    assert f'{path}: is damaged' in refused(tmp_path)


def test_flipped_bit_in_a_shard(tmp_path):
    path = write_tfds_folder(tmp_path, train=50).folder / SHARD
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 3] ^= 1
    path.write_bytes(damaged)
    assert f'{path}: is damaged' in refused(tmp_path)


@pytest.mark.parametrize('missing', ['image', 'label'])
def test_record_without_a_feature(tmp_path, missing):
    written = write_tfds_folder(tmp_path, train=2)
    whole = example(encode(written.images['train'][0]), 3)
    proto = tf_example_pb2.Example.FromString(whole)
    del proto.features.feature[missing]
    write_shard(written.folder / SHARD, [whole, proto.SerializeToString()])
    message = f'{written.folder / SHARD}: record 1 has no image or no label'
    assert message in refused(tmp_path)


def test_record_that_is_no_example(tmp_path):
    written = write_tfds_folder(tmp_path, train=1)
    write_shard(written.folder / SHARD, [b'\xff\xff'])
    assert f'{written.folder / SHARD}: is damaged' in refused(tmp_path)


def test_tfrecord_without_tensorflow(tmp_path, monkeypatch):
    folder = write_tfds_folder(tmp_path, train=10, file_format='tfrecord').folder
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda n, *a: None if n == 'tensorflow' else find_spec(n, *a)
    )
    message = refused(tmp_path)
    assert f'{folder}: is in TFRECORD format' in message
    assert 'tfds build cifar10 --file_format=array_record' in message
    assert 'install tensorflow' in message


def test_tfrecord_with_tensorflow(tmp_path):
    tf = pytest.importorskip('tensorflow', reason='TFRECORD folders are read by TensorFlow')
    written = write_tfds_folder(tmp_path, train=30, shards=3, file_format='tfrecord')
    for name, shards in (('train', 3), ('test', 1)):
        for i, piece in enumerate(np.array_split(np.arange(len(written.labels[name])), shards)):
            path = written.folder / f'cifar10-{name}.tfrecord-{i:05d}-of-{shards:05d}'
            with tf.io.TFRecordWriter(str(path)) as writer:
                for j in piece:
                    image, label = written.images[name][j], written.labels[name][j]
                    writer.write(example(encode(image), label))
    source = tfds_folder.load(CIFAR10, tmp_path, ignore)
    np.testing.assert_array_equal(source.training.images, written.images['train'])
    np.testing.assert_array_equal(source.training.labels, written.labels['train'])
    np.testing.assert_array_equal(source.test.images, written.images['test'])


def test_tfds_is_imported_only_when_needed(tmp_path):
    script = (
        'import sys; import jaxtweaks.data as d; from jaxtweaks.config import settings; '
        "d.load(settings.Data(name='digits', train_size=10, validation_size=10)); "
        "print([m for m in ('tensorflow_datasets', 'jax') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=True
    )
    assert done.stdout == '[]\n'
