"""`load`: where it looks, in which order, and what it says."""

import dataclasses

import numpy as np
import pytest
from tfds_folder import write_tfds_folder
from tiny_archives import cifar10_files, known_for, random_part, tar_gz

from jaxtweaks import data
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import settings

SMALL = settings.Data(train_size=60, validation_size=20)
NO_WEB = dataclasses.replace(SMALL, download=False)


@pytest.fixture
def reported():
    """A list that `notify` fills."""
    return []


@pytest.fixture
def mirror(server):
    """A server with a tiny CIFAR-10: (server, catalogue, training images, test images)."""
    rng = np.random.default_rng(7)
    train, test = random_part(rng, 100, (32, 32, 3)), random_part(rng, 30, (32, 32, 3))
    files = {'cifar-10-binary.tar.gz': tar_gz(cifar10_files(*train, *test))}
    server.files = files
    return server, {'cifar10': known_for('cifar10', files)}, train[0], test[0]


def test_dir_of_the_config_wins_over_the_environment(tmp_path, monkeypatch, reported):
    given = write_tfds_folder(tmp_path / 'given', seed=1)
    write_tfds_folder(tmp_path / 'other', seed=2)
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'other'))
    config = dataclasses.replace(SMALL, dir=str(tmp_path / 'given'))
    dataset = data.load(config, reported.append)
    np.testing.assert_array_equal(dataset.test.images, given.images['test'])
    np.testing.assert_array_equal(dataset.test.labels, given.labels['test'])
    assert dataset.label == 'CIFAR-10'
    assert str(given.folder) in dataset.source
    assert dataset.classes[3] == 'cat'
    assert not dataset.fallback


def test_environment_names_the_folder(tmp_path, monkeypatch, reported):
    written = write_tfds_folder(tmp_path / 'named')
    write_tfds_folder(tmp_path / 'home' / 'tensorflow_datasets', seed=2)
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'named'))
    dataset = data.load(SMALL, reported.append)
    np.testing.assert_array_equal(dataset.test.images, written.images['test'])


def test_default_folder_is_in_the_home(tmp_path, reported):
    written = write_tfds_folder(tmp_path / 'home' / 'tensorflow_datasets')
    dataset = data.load(SMALL, reported.append)
    np.testing.assert_array_equal(dataset.test.images, written.images['test'])


def test_tilde_in_dir_is_the_home(tmp_path, reported):
    write_tfds_folder(tmp_path / 'home' / 'my data')
    dataset = data.load(dataclasses.replace(SMALL, dir='~/my data'), reported.append)
    assert len(dataset.training) == 60


@pytest.mark.parametrize('exists', [False, True])
def test_dir_without_the_data_is_an_error_whatever_else_there_is(
    tmp_path, monkeypatch, reported, exists
):
    write_tfds_folder(tmp_path / 'other')
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'other'))
    given = tmp_path / 'given'
    if exists:
        given.mkdir()
    with pytest.raises(UserError) as caught:
        data.load(dataclasses.replace(SMALL, dir=str(given)), reported.append)
    message = str(caught.value)
    assert str(given) in message
    assert 'cifar10/<version>/' in message
    assert '\n' not in message


def test_download_then_cache(mirror, reported):
    server, catalogue, images, test_images = mirror
    options = {'catalogue': catalogue, 'mirror': server.address, 'timeout': 2}
    at_random = dataclasses.replace(SMALL, split='random')
    first = data.load(at_random, reported.append, **options)
    np.testing.assert_array_equal(first.test.images, test_images)
    both = np.concatenate([first.validation.images, first.training.images])
    order = np.random.Generator(np.random.PCG64(0)).permutation(100)[:80]
    np.testing.assert_array_equal(both, images[order])
    assert first.label == 'CIFAR-10'
    assert server.address in first.source
    assert any('downloading' in line for line in reported)

    reported.clear()
    server.files = {}
    second = data.load(at_random, reported.append, **options)
    assert second.fingerprint == first.fingerprint
    assert second.source == first.source
    assert server.asked == ['cifar-10-binary.tar.gz']
    assert reported == []
    offline = data.load(dataclasses.replace(at_random, download=False), reported.append, **options)
    assert offline.fingerprint == first.fingerprint


def test_mirror_of_the_environment(mirror, monkeypatch, reported):
    server, catalogue, _, test_images = mirror
    server.files = {f'sub/{name}': content for name, content in server.files.items()}
    monkeypatch.setenv('JAXTWEAKS_MIRROR', f'{server.address}/sub/')
    dataset = data.load(SMALL, reported.append, catalogue=catalogue)
    np.testing.assert_array_equal(dataset.test.images, test_images)


def test_folder_wins_over_the_cached_download(mirror, tmp_path, monkeypatch, reported):
    server, catalogue, _, _ = mirror
    data.load(SMALL, reported.append, catalogue=catalogue, mirror=server.address)
    written = write_tfds_folder(tmp_path / 'named')
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'named'))
    dataset = data.load(SMALL, reported.append, catalogue=catalogue, mirror=server.address)
    np.testing.assert_array_equal(dataset.test.images, written.images['test'])


def test_broken_folder_is_announced_before_going_on(mirror, tmp_path, monkeypatch, reported):
    server, catalogue, _, test_images = mirror
    written = write_tfds_folder(tmp_path / 'named')
    (written.folder / 'features.json').unlink()
    monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'named'))
    dataset = data.load(SMALL, reported.append, catalogue=catalogue, mirror=server.address)
    np.testing.assert_array_equal(dataset.test.images, test_images)
    assert any('features.json: this file is missing' in line for line in reported)


def test_fallback_says_so_loudly(server, tmp_path, reported):
    config = settings.Data()  # 40,000 + 10,000, which the digits do not have
    dataset = data.load(config, reported.append, mirror=server.address)
    assert dataset.fallback
    assert dataset.label == 'digits (stand-in for CIFAR-10)'
    assert dataset.training.images.shape == (1150, 32, 32, 3)
    assert dataset.validation.images.shape == (287, 32, 32, 3)
    assert dataset.test.images.shape == (360, 32, 32, 3)
    message = reported[-1]
    assert message.startswith('!!!!')
    assert 'CIFAR-10 IS NOT USED' in message
    assert str(tmp_path / 'home' / 'tensorflow_datasets') in message
    assert f'{server.address}/cifar-10-binary.tar.gz: the server answers 404' in message
    assert '1150 training, 287 validation and 360 test images' in message
    assert 'scaled down from 40000, 10000 and all' in message
    assert 'TFDS_DATA_DIR' in message


def test_fallback_keeps_sizes_that_fit(reported):
    config = dataclasses.replace(NO_WEB, test_size=50, name='mnist')
    dataset = data.load(config, reported.append)
    assert dataset.training.images.shape == (60, 28, 28, 1)
    assert dataset.validation.images.shape == (20, 28, 28, 1)
    assert dataset.test.images.shape == (50, 28, 28, 1)
    assert 'scaled down' not in reported[-1]
    assert 'data.download is off' in reported[-1]


def test_fallback_cuts_the_test_size(reported):
    dataset = data.load(dataclasses.replace(NO_WEB, test_size=361), reported.append)
    assert len(dataset.test) == 360
    assert 'scaled down from 60, 20 and 361' in reported[-1]


def test_no_fallback_is_one_line_with_all_reasons(server, reported):
    config = dataclasses.replace(SMALL, fallback='none')
    with pytest.raises(UserError) as caught:
        data.load(config, reported.append, mirror=server.address)
    message = str(caught.value)
    assert '\n' not in message
    for part in ('CIFAR-10 was not found', 'tensorflow_datasets', '404', 'TFDS_DATA_DIR'):
        assert part in message


def test_data_that_is_there_never_falls_back_because_of_its_sizes(tmp_path, reported):
    write_tfds_folder(tmp_path)
    config = settings.Data(dir=str(tmp_path), train_size=90, validation_size=11)
    with pytest.raises(UserError, match=r'90 .* 11 = 101 is more than the 100 training images'):
        data.load(config, reported.append)


def test_digits_asked_for(reported):
    config = settings.Data(name='digits', train_size=1200, validation_size=237)
    dataset = data.load(config, reported.append)
    assert dataset.label == 'digits'
    assert not dataset.fallback
    assert dataset.training.images.shape == (1200, 8, 8, 1)
    assert reported == []
    data.load(dataclasses.replace(config, dir='/somewhere'), reported.append)
    assert len(reported) == 1
    assert 'data.dir is not used' in reported[0]


def test_digits_asked_for_with_too_many_images(reported):
    config = settings.Data(name='digits', train_size=1200, validation_size=238)
    with pytest.raises(UserError, match='1438 is more than the 1437 training images of digits'):
        data.load(config, reported.append)


def test_unknown_name(reported):
    with pytest.raises(UserError, match="did you mean 'cifar10'"):
        data.load(settings.Data(name='cifar-10'), reported.append)


@pytest.mark.parametrize(
    'mirror',
    ['ftp://host/x', 'host/x', 'http://me:secret@host/x', 'http://host/x?a=b', 'http://host:x/'],
)
def test_bad_mirror_is_an_error_that_keeps_secrets(reported, mirror, monkeypatch):
    monkeypatch.setenv('JAXTWEAKS_MIRROR', mirror)
    with pytest.raises(UserError, match='JAXTWEAKS_MIRROR') as caught:
        data.load(SMALL, reported.append)
    assert 'secret' not in str(caught.value)
