"""Downloads: good, and in every way bad; the cache is never poisoned."""

import dataclasses
import hashlib
import socket

import numpy as np
import pytest
from tiny_archives import cifar10_files, known_for, mnist_files, random_part, tar_gz

from jaxtweaks.base.errors import UserError
from jaxtweaks.data import archives, cache, download
from jaxtweaks.data.catalogue import CATALOGUE, Archive

NAME = 'cifar-10-binary.tar.gz'


def ignore(_message):
    pass


@pytest.fixture
def parts():
    rng = np.random.default_rng(0)
    return random_part(rng, 20, (32, 32, 3)), random_part(rng, 10, (32, 32, 3))


@pytest.fixture
def known(server, parts):
    """The catalogue's entry of the tiny CIFAR-10 that the server offers."""
    server.files = {NAME: tar_gz(cifar10_files(*parts[0], *parts[1]))}
    return known_for('cifar10', server.files)


def refused(known, server, timeout=30.0) -> str:
    """The message with which the download fails; nothing may be cached."""
    with pytest.raises(UserError) as caught:
        download.load(known, ignore, mirror=server.address, timeout=timeout)
    message = str(caught.value)
    assert '\n' not in message
    assert message.startswith(f'{server.address}/')
    assert not cache.folder().exists()
    assert download.cached(known, ignore) is None
    return message


def test_good(known, server, parts):
    reported = []
    source = download.load(known, reported.append, mirror=f'{server.address}/')
    (images, labels), (test_images, test_labels) = parts
    np.testing.assert_array_equal(source.training.images, images)
    np.testing.assert_array_equal(source.training.labels, labels)
    np.testing.assert_array_equal(source.test.images, test_images)
    np.testing.assert_array_equal(source.test.labels, test_labels)
    assert reported[0].startswith(f'downloading {server.address}/{NAME} (')
    again = download.cached(known, ignore)
    np.testing.assert_array_equal(again.training.images, images)
    np.testing.assert_array_equal(again.test.labels, test_labels)
    assert again.source == source.source
    assert server.asked == [NAME]


def test_mnist_needs_all_four(server):
    rng = np.random.default_rng(0)
    train, test = random_part(rng, 20, (28, 28, 1)), random_part(rng, 10, (28, 28, 1))
    server.files = mnist_files(*train, *test)
    known = known_for('mnist', server.files)
    source = download.load(known, ignore, mirror=server.address)
    np.testing.assert_array_equal(source.training.images, train[0])
    np.testing.assert_array_equal(source.test.labels, test[1])
    assert source.label == 'MNIST'


def test_third_of_four_missing(server):
    rng = np.random.default_rng(0)
    train, test = random_part(rng, 20, (28, 28, 1)), random_part(rng, 10, (28, 28, 1))
    server.files = mnist_files(*train, *test)
    known = known_for('mnist', server.files)
    del server.files['t10k-images-idx3-ubyte.gz']
    assert 't10k-images-idx3-ubyte.gz: the server answers 404' in refused(known, server)


def test_not_found(known, server):
    server.files = {}
    assert f'{NAME}: the server answers 404' in refused(known, server)


def test_web_page_instead(known, server):
    server.fault = 'html'
    assert 'the answer is a web page' in refused(known, server)


def test_cut(known, server):
    server.fault = 'cut'
    size = known.archives[0].size
    assert f'ended early, after {size // 2} of {size} bytes' in refused(known, server)


@pytest.mark.parametrize('fault', ['stall', 'silent'])
def test_stalled(known, server, fault):
    server.fault = fault
    assert '0.3 s' in refused(known, server, timeout=0.3)


def test_larger_than_it_should_be(known, server):
    server.fault = 'endless'
    assert f'larger than {NAME} should be' in refused(known, server)


def test_wrong_checksum(known, server):
    damaged = bytearray(server.files[NAME])
    damaged[len(damaged) // 2] ^= 1
    server.files[NAME] = bytes(damaged)
    assert 'corrupted or another file (SHA-256' in refused(known, server)


def test_nobody_listens(known, server):
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(('127.0.0.1', 0))
        server.address = f'http://127.0.0.1:{taken.getsockname()[1]}'
        assert 'cannot be reached' in refused(known, server)


def test_archive_with_the_right_checksum_and_wrong_content(server):
    server.files = {NAME: b'not a tar'}
    known = known_for('cifar10', server.files)
    with pytest.raises(UserError, match=r'not a readable tar\.gz'):
        download.load(known, ignore, mirror=server.address)
    assert not cache.folder().exists()


def test_damaged_cache_is_downloaded_again(known, server, parts):
    download.load(known, ignore, mirror=server.address)
    (path,) = cache.folder().iterdir()
    content = bytearray(path.read_bytes())
    content[-5] ^= 4
    path.write_bytes(content)
    reported = []
    assert download.cached(known, reported.append) is None
    assert 'damaged' in reported[0]
    source = download.load(known, ignore, mirror=server.address)
    np.testing.assert_array_equal(source.training.images, parts[0][0])
    assert download.cached(known, ignore) is not None


def test_cache_of_other_archives_is_not_used(known, server):
    download.load(known, ignore, mirror=server.address)
    changed = dataclasses.replace(known.archives[0], sha256='0' * 64)
    assert download.cached(dataclasses.replace(known, archives=(changed,)), ignore) is None


def test_the_cache_is_lost_to_other_arrays_and_not_to_other_text(known, server, monkeypatch):
    """The archives are not kept: who is offline has nothing else."""
    download.load(known, ignore, mirror=server.address)
    digest = cache._digest
    monkeypatch.setattr(cache, '_digest', lambda path: f'other {digest(path)}')
    assert download.cached(known, ignore) is not None
    monkeypatch.setattr(archives, 'VERSION', archives.VERSION + 1)
    assert download.cached(known, ignore) is None


def test_cache_that_cannot_be_written_is_a_notice(known, server, parts, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(tmp_path / 'file'))
    reported = []
    source = download.load(known, reported.append, mirror=server.address)
    np.testing.assert_array_equal(source.test.images, parts[1][0])
    assert any('cannot be written' in line for line in reported)


def test_progress_is_reported(server, monkeypatch):
    content = bytes(1_500_000)
    server.files = {'zeros': content}
    archive = Archive('zeros', len(content), hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(download, '_PROGRESS', 0.0)
    reported = []
    assert download.fetch(f'{server.address}/zeros', archive, reported.append) == content
    assert reported[-1] == 'downloading zeros: 1.5 MB of 1.5 MB'


def test_published_addresses_without_a_mirror(monkeypatch):
    monkeypatch.delenv('JAXTWEAKS_MIRROR')
    assert download.base_address(CATALOGUE['cifar10']) == CATALOGUE['cifar10'].address
    monkeypatch.setenv('JAXTWEAKS_MIRROR', 'https://host:8080/a/')
    assert download.base_address(CATALOGUE['cifar10']) == 'https://host:8080/a'


@pytest.mark.parametrize('name', ['cifar10', 'mnist'])
def test_checksums_are_those_of_tfds(name, tmp_path):
    import tensorflow_datasets as tfds

    published = tfds.builder(name, data_dir=tmp_path).url_infos
    known = CATALOGUE[name]
    ours = {f'{known.address}/{a.name}': (a.size, a.sha256) for a in known.archives}
    assert ours == {url: (int(info.size), info.checksum) for url, info in published.items()}
