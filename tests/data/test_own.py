"""Data sets from outside: arrays, image folders, any TFDS folder, and names for them."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from tfds_folder import encode, example, write_shard, write_tfds_folder

from jaxtweaks import data
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import settings
from jaxtweaks.data import catalogue, own, tfds_records
from jaxtweaks.data.image_folder import from_folder
from jaxtweaks.data.load import from_tfds
from jaxtweaks.data.own import from_arrays
from jaxtweaks.lab.experiment import build

SMALL = settings.Data(train_size=6, validation_size=2)


def images(count=10, shape=(4, 5, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def labels(count=10, classes=2):
    return np.arange(count) % classes


def test_a_fifth_is_held_out_and_nothing_is_lost():
    whole = images()
    source = from_arrays(whole, labels())
    assert (len(source.training), len(source.test)) == (8, 2)
    both = np.concatenate([source.training.images, source.test.images])
    assert sorted(both.reshape(10, -1).tolist()) == sorted(whole.reshape(10, -1).tolist())
    again = from_arrays(whole, labels())
    np.testing.assert_array_equal(source.test.images, again.test.images)
    for split in (source.training, source.test):  # each image kept its label
        for image, label in zip(split.images, split.labels, strict=True):
            index = next(i for i in range(10) if (whole[i] == image).all())
            assert label == labels()[index]


def test_what_the_caller_does_to_its_arrays_later_changes_nothing():
    mine = images()
    source = from_arrays(mine, labels(), (mine, labels()))
    before = source.training.images.copy()
    mine[:] = 0
    np.testing.assert_array_equal(source.training.images, before)


@pytest.mark.parametrize(
    ('given', 'shape', 'dtype'),
    [
        (images(shape=(4, 5)), (4, 5, 1), np.uint8),
        (np.linspace(0, 1, 30).reshape(10, 3), (1, 1, 3), np.float32),
        (np.arange(30).reshape(10, 3), (1, 1, 3), np.float32),
    ],
)
def test_shapes_and_types(given, shape, dtype):
    source = from_arrays(given, labels())
    assert source.training.images.shape[1:] == shape
    assert source.training.images.dtype == dtype


def test_words_for_labels():
    words = ['dog', 'cat', 'dog', 'ant']
    source = from_arrays(images(4), words, (images(1), ['cat']))
    assert source.classes == ('ant', 'cat', 'dog')
    assert source.training.labels.tolist() == [2, 1, 2, 0]
    assert source.test.labels.tolist() == [1]
    ordered = from_arrays(images(4), words, (images(1), ['cat']), classes=['dog', 'cat', 'ant'])
    assert (ordered.classes, ordered.test.labels.tolist()) == (('dog', 'cat', 'ant'), [1])
    assert ordered.training.labels.tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        ((images(), labels(9)), ['10 images', '[9]']),
        ((images(), labels() - 1), ['integers from 0']),
        ((images(), labels() / 2), ['integers from 0']),
        ((np.zeros((10, 2, 2, 2, 2)), labels()), ['[10, 2, 2, 2, 2]', 'height']),
        ((np.full((10, 3), np.nan), labels()), ['30 of 30', 'not finite', 'row 0, feature 0']),
        ((images(2), [0, 0]), ['1 class', "'0'"]),
        ((images(2), labels(2)), ['no two of the 2 images', 'not identifiers']),
        ((images(), labels(), (images(shape=(4, 4, 3)), labels())), ['[4, 5, 3]', '[4, 4, 3]']),
        ((images(), labels(), (images() / 255, labels())), ['uint8', 'float64', 'or neither']),
        (
            (images(4), ['a', 'b'] * 2, (images(), labels())),
            ['labels are words', 'test labels numbers'],
        ),
        ((images(), labels(classes=1)), ["1 class, '0'", 'at least 2']),
    ],
)
def test_what_does_not_fit_is_named(arguments, words):
    with pytest.raises(UserError) as caught:
        from_arrays(*arguments, title='mine')
    assert all(word in str(caught.value) for word in ['mine', *words]), caught.value


def test_labels_beyond_the_classes_are_named():
    with pytest.raises(UserError, match=r'from 0 to 1 \(5 images\); with 1 classes'):
        from_arrays(images(), labels(), classes=['only'])
    with pytest.raises(UserError, match=r"'cat' \(2 images\) is a label but not among the classes"):
        from_arrays(images(4), ['cat', 'dog'] * 2, classes=['dog', 'elk'])


@pytest.mark.parametrize(
    ('classes', 'words'),
    [
        ('ab', "the word 'ab'"),
        (['cat', 'cat'], "'cat' twice"),
        (['only'], "1 class, 'only'"),
    ],
)
def test_classes_are_two_names_or_more(classes, words):
    with pytest.raises(UserError, match=words):
        from_arrays(images(), labels(classes=1), classes=classes)


def test_a_registered_name_is_a_data_set():
    own.dataset('mine')(lambda: (images(), labels()))
    assert build({'name': 'x', 'data': {'name': 'mine'}}).base.data.name == 'mine'
    found = data.load(dataclasses.replace(SMALL, name='mine'))
    assert (found.label, len(found.training), len(found.test)) == ('mine', 6, 2)
    first = found.fingerprint
    own.dataset('mine')(lambda: (images(seed=1), labels()))
    assert data.load(dataclasses.replace(SMALL, name='mine')).fingerprint != first


def test_mistakes_of_registering_are_named():
    with pytest.raises(UserError, match="'mnist': comes with jaxtweaks"):
        own.dataset('mnist')
    with pytest.raises(UserError, match='letters'):
        own.dataset('a/b')
    own.dataset('mine')(lambda: ([[1, 2], [3]], [0, 1]))
    with pytest.raises(UserError, match=r'mine: images are not of one shape'):
        data.load(dataclasses.replace(SMALL, name='mine'))
    own.dataset('mine')(lambda: 1 / 0)
    with pytest.raises(UserError, match=r"'mine': .*test_own\.py:\d+: ZeroDivisionError"):
        data.load(dataclasses.replace(SMALL, name='mine'))
    own.dataset('mine')(lambda: images())
    with pytest.raises(UserError, match='its function gave ndarray'):
        data.load(dataclasses.replace(SMALL, name='mine'))
    with pytest.raises(UserError, match=r"did you mean 'mine'\? .*folder:PATH"):
        build({'name': 'x', 'data': {'name': 'mne'}})
    with pytest.raises(UserError, match='tfds:NAME'):
        build({'name': 'x', 'data': {'name': 'tfds:'}})


def write_images(folder, count=5, shape=(4, 5, 3), ending='png'):
    """One folder for each of two classes; returns the images by class."""
    written = {}
    for seed, name in enumerate(('cat', 'dog')):
        (folder / name).mkdir(parents=True)
        written[name] = images(count, shape, seed)
        for i, image in enumerate(written[name]):
            pixels = image[..., 0] if shape[-1] == 1 else image
            Image.fromarray(pixels).save(folder / name / f'{i}.{ending}')
    return written


def test_an_image_folder_by_its_path(tmp_path):
    written = write_images(tmp_path / 'pets')
    reported = []
    config = dataclasses.replace(SMALL, name=f'folder:{tmp_path / "pets"}')
    found = data.load(config, reported.append)
    assert (found.label, found.classes) == ('pets', ('cat', 'dog'))
    assert (len(found.training), len(found.validation), len(found.test)) == (6, 2, 2)
    for image, label in zip(found.test.images, found.test.labels, strict=True):
        assert any((image == one).all() for one in written[found.classes[label]])
    assert [text for text in reported if 'decoding 10 images' in text]


def test_an_image_folder_is_decoded_once_until_a_file_changes(tmp_path):
    write_images(tmp_path)
    reported = []
    first = from_folder(tmp_path, notify=reported.append)
    again = from_folder(tmp_path, notify=reported.append)
    assert len(reported) == 1
    np.testing.assert_array_equal(first.training.images, again.training.images)
    Image.fromarray(images(1, (4, 5, 3), 9)[0]).save(tmp_path / 'dog' / '0.png')
    changed = from_folder(tmp_path, notify=reported.append)
    assert len(reported) == 2
    both = [np.concatenate([s.training.images, s.test.images]) for s in (first, changed)]
    assert not np.array_equal(*both)


def test_grey_images_and_parts(tmp_path):
    train = write_images(tmp_path / 'train', 3, (4, 5, 1))
    test = write_images(tmp_path / 'test', 2, (4, 5, 1))
    source = from_folder(tmp_path, title='pets')
    assert source.label == 'pets'
    np.testing.assert_array_equal(source.training.images, np.concatenate([*train.values()]))
    np.testing.assert_array_equal(source.test.images, np.concatenate([*test.values()]))
    assert source.test.labels.tolist() == [0, 0, 1, 1]


def test_images_of_several_sizes_are_scaled_if_asked(tmp_path):
    write_images(tmp_path)
    Image.fromarray(images(1, (9, 7, 3))[0]).save(tmp_path / 'cat' / '9.png')
    with pytest.raises(UserError, match=r'9\.png: is 9 × 7, cat/0\.png is 4 × 5.*size='):
        from_folder(tmp_path)
    assert from_folder(tmp_path, size=(8, 6)).training.images.shape[1:] == (8, 6, 3)


def test_mistakes_in_an_image_folder_are_named(tmp_path):
    with pytest.raises(UserError, match='there is no such folder'):
        from_folder(tmp_path / 'no')
    with pytest.raises(UserError, match='holds no images'):
        from_folder(tmp_path)
    write_images(tmp_path)
    (tmp_path / 'cat' / '7.png').write_bytes(b'no image')
    with pytest.raises(UserError, match=r'7\.png: cannot be decoded'):
        from_folder(tmp_path)
    shutil.rmtree(tmp_path / 'cat')
    with pytest.raises(UserError, match='1 folder with images, dog/'):
        from_folder(tmp_path)
    (tmp_path / 'dog').rename(tmp_path / 'd\udcff')
    with pytest.raises(UserError, match=r"/d\\udcff': the name is not valid UTF-8"):
        from_folder(tmp_path)


@pytest.mark.parametrize(('dtype', 'ending'), [('uint16', 'png'), ('int32', 'tif'), ('f4', 'tif')])
def test_images_of_more_than_8_bits_are_refused_not_clipped(tmp_path, dtype, ending):
    write_images(tmp_path)
    deep = Image.fromarray(np.full((4, 5), 300, dtype))
    deep.save(tmp_path / 'cat' / f'9.{ending}')
    with pytest.raises(UserError, match=rf'cat/9\.{ending}: .*mode {deep.mode}\).*convert it'):
        from_folder(tmp_path)


def test_what_is_hidden_in_an_image_folder_is_no_class(tmp_path):
    write_images(tmp_path)
    for name in ('.ipynb_checkpoints', '__MACOSX'):
        shutil.copytree(tmp_path / 'dog', tmp_path / name)
    (tmp_path / 'cat' / '._1.png').write_bytes(b'no image')
    source = from_folder(tmp_path)
    assert source.classes == ('cat', 'dog')
    assert len(source.training) + len(source.test) == 10


def write_fashion(root, names=None, splits=('train', 'test'), renamed=()):
    """A TFDS data set that is not in the catalogue, of these splits under these names."""
    renamed = dict(renamed)
    written = write_tfds_folder(root, name='mnist')
    folder = root / 'fashion_mnist' / '3.0.1'
    folder.mkdir(parents=True)
    for path in written.folder.iterdir():
        name = path.name.replace('mnist', 'fashion_mnist')
        for old, new in renamed.items():
            name = name.replace(f'-{old}.', f'-{new}.')
        shutil.copy(path, folder / name)
    info = json.loads((folder / 'dataset_info.json').read_text())
    info['name'] = 'fashion_mnist'
    info['splits'] = [split for split in info['splits'] if split['name'] in splits]
    for split in info['splits']:
        split['name'] = renamed.get(split['name'], split['name'])
    (folder / 'dataset_info.json').write_text(json.dumps(info))
    if names:
        (folder / 'label.labels.txt').write_text('\n'.join(names) + '\n')
    return written, folder


CLOTHES = ('T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker',
           'Bag', 'Ankle boot')  # fmt: skip


def test_any_name_in_a_tfds_folder(tmp_path, monkeypatch):
    written, folder = write_fashion(tmp_path, CLOTHES)
    config = settings.Data(name='tfds:fashion_mnist', train_size=60, validation_size=20)
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path))
    found = data.load(config, lambda text: None)
    assert (found.label, found.classes) == ('fashion_mnist', CLOTHES)
    assert str(folder) in found.source
    np.testing.assert_array_equal(found.test.images, written.images['test'])
    np.testing.assert_array_equal(found.test.labels, written.labels['test'])
    # From the cache, and by data.dir.
    monkeypatch.delenv('TFDS_DATA_DIR')
    reported = []
    again = data.load(dataclasses.replace(config, dir=str(tmp_path)), reported.append)
    assert (again.fingerprint, reported) == (found.fingerprint, [])


def test_without_a_test_split_some_images_are_held_out(tmp_path):
    written, _ = write_fashion(tmp_path, splits=('train',))
    source = from_tfds('fashion_mnist', str(tmp_path), lambda text: None)
    assert (len(source.training), len(source.test)) == (80, 20)
    both = np.concatenate([source.training.images, source.test.images]).reshape(100, -1)
    assert sorted(both.tolist()) == sorted(written.images['train'].reshape(100, -1).tolist())
    assert source.classes == tuple('0123456789')


def test_a_validation_split_is_the_validation_set(tmp_path):
    written, _ = write_fashion(tmp_path, renamed={'test': 'validation'})
    reported = []
    source = from_tfds('fashion_mnist', str(tmp_path), reported.append)
    np.testing.assert_array_equal(source.validation.images, written.images['test'])
    assert (len(source.training), len(source.test)) == (80, 20)
    assert reported[1:] == [f'notice: fashion_mnist: {source.notices[0]}']
    assert "no test split; a fifth of 'train'" in source.notices[0]
    config = settings.Data(name='tfds:fashion_mnist', dir=str(tmp_path), train_size=80)
    reported.clear()
    found = data.load(dataclasses.replace(config, validation_size=40), reported.append)
    assert sorted(found.validation.images.sum((1, 2, 3))) == sorted(
        written.images['test'].sum((1, 2, 3))
    )
    assert (len(found.training), len(found.test), found.notices) == (80, 20, source.notices)
    assert len(reported) == 1  # from the cache, with what is to be known
    with pytest.raises(UserError, match=r'41 is more than the 40 validation images'):
        data.load(dataclasses.replace(config, validation_size=41), reported.append)


@pytest.mark.parametrize(
    ('splits', 'renamed', 'listed'),
    [
        (('test',), {}, 'test (40 images)'),
        (('train',), {'train': 'full'}, 'full (100 images)'),
        (('train', 'test'), {'train': 'train_labelled', 'test': 'dev'},
         'train_labelled (100 images), dev (40 images)'),
    ],
)  # fmt: skip
def test_splits_of_other_names_are_listed_and_can_be_named(tmp_path, splits, renamed, listed):
    written, _ = write_fashion(tmp_path, splits=splits, renamed=renamed)
    with pytest.raises(UserError) as caught:
        from_tfds('fashion_mnist', str(tmp_path), print)
    assert f"has no split 'train'; its splits are {listed}" in str(caught.value)
    assert "training='…'" in str(caught.value)
    assert 'tfds build' not in str(caught.value)
    training = renamed.get(splits[0], splits[0])
    test = renamed.get('test') if len(splits) > 1 else ''
    source = from_tfds('fashion_mnist', str(tmp_path), print, training=training, test=test)
    both = [source.training.images] if test else [source.training.images, source.test.images]
    assert np.concatenate(both).sum() == written.images[splits[0]].sum()
    with pytest.raises(UserError, match="has no split 'none'"):
        from_tfds('fashion_mnist', str(tmp_path), print, training=training, validation='none')
    with pytest.raises(UserError, match='can only be one of the parts'):
        from_tfds('fashion_mnist', str(tmp_path), print, training=training, test=training)


def test_splits_that_are_not_used_are_said(tmp_path):
    write_fashion(tmp_path, CLOTHES[:9] + CLOTHES[:1], renamed={'test': 'unsupervised'})
    source = from_tfds('fashion_mnist', str(tmp_path), lambda text: None)
    assert "of its splits 'unsupervised' (40 images) is not used" in source.notices
    assert "2 classes are called 'T-shirt/top'" in source.notices


def test_unlabelled_test_images_are_refused(tmp_path, monkeypatch):
    write_fashion(tmp_path)
    records = tfds_records.array_records

    def unlabelled(builder, split, shards):
        for path, image, label in records(builder, split, shards):
            yield path, image, -1 if split == 'test' else label

    monkeypatch.setattr(tfds_records, 'array_records', unlabelled)
    with pytest.raises(UserError, match=r"40 of 40 labels are -1.*test=''"):
        from_tfds('fashion_mnist', str(tmp_path), lambda text: None)
    assert len(from_tfds('fashion_mnist', str(tmp_path), lambda text: None, test='').test) == 20


def test_a_class_that_only_the_test_split_has_is_an_error(tmp_path):
    written, folder = write_fashion(tmp_path)
    images, tested = written.images['train'], written.labels['train'] % 9
    examples = [example(encode(image), label) for image, label in zip(images, tested, strict=True)]
    write_shard(folder / 'fashion_mnist-train.array_record-00000-of-00001', examples)
    with pytest.raises(UserError, match=r"class '9' has 4 test images but no training images"):
        from_tfds('fashion_mnist', str(tmp_path), lambda text: None)


@pytest.mark.parametrize(
    ('names', 'message'), [(CLOTHES[:9], '9 names, there should be 10'), (CLOTHES, None)]
)
def test_class_names_are_one_a_class(tmp_path, names, message):
    write_fashion(tmp_path, names)
    if message:
        with pytest.raises(UserError, match=rf'label\.labels\.txt: {message}'):
            from_tfds('fashion_mnist', str(tmp_path), lambda text: None)
    else:
        assert from_tfds('fashion_mnist', str(tmp_path), lambda text: None).classes == names


def test_configs_and_odd_versions_are_listed(tmp_path):
    _, folder = write_fashion(tmp_path)
    config = folder.parent / 'bright' / folder.name
    config.parent.mkdir()
    folder.rename(config)
    with pytest.raises(UserError, match=r'has configs \(bright\); name one'):
        from_tfds('fashion_mnist', str(tmp_path), lambda text: None)
    config.rename(folder.parent / '3.0.1-rc1')
    with pytest.raises(UserError, match=r'holds no version, only 3\.0\.1-rc1, bright'):
        from_tfds('fashion_mnist', str(tmp_path), lambda text: None)


def test_a_tfds_name_that_is_not_there_has_no_stand_in(tmp_path):
    config = dataclasses.replace(SMALL, name='tfds:fashion_mnist', dir=str(tmp_path))
    with pytest.raises(UserError, match='holds no fashion_mnist'):
        data.load(config, lambda text: None)
    _, folder = write_fashion(tmp_path)
    features = json.loads((folder / 'features.json').read_text())
    image = features['featuresDict']['features']['image']['image']
    image['shape']['dimensions'] = ['-1', '-1', '3']
    (folder / 'features.json').write_text(json.dumps(features))
    with pytest.raises(UserError, match='no fixed size'):
        data.load(config, lambda text: None)
    del features['featuresDict']['features']['label']
    (folder / 'features.json').write_text(json.dumps(features))
    with pytest.raises(UserError, match="a class 'label'"):
        data.load(config, lambda text: None)


def test_the_names_of_data_sets_are_those_of_the_catalogue():
    names = [name for name in settings.DATASETS if ':' not in name]
    assert names == [*catalogue.CATALOGUE, *catalogue.TABLES]
    forms = {'tfds:NAME', 'folder:PATH', 'csv:PATH?target=NAME'}
    assert set(settings.DATASETS) - set(names) == forms
    assert 'tfds:anything' in settings.DATASETS
    assert 'tfds:' not in settings.DATASETS
