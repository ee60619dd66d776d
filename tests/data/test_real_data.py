"""The real CIFAR-10 and MNIST, where they are on disk."""

import json

import numpy as np
import pytest

from jaxtweaks import data
from jaxtweaks.config import settings

pytestmark = pytest.mark.real_data


@pytest.fixture
def load(real_data_dir, session_cache_dir, monkeypatch):
    """Loads from the real folder, decoding it once in a session."""
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(session_cache_dir))

    def load(name, **changes):
        if not (real_data_dir / name).is_dir():
            pytest.skip(f'no real data: {real_data_dir} holds no {name}')
        return data.load(
            settings.Data(name=name, dir=str(real_data_dir), **changes), lambda _: None
        )

    return load


def test_cifar10(load, real_data_dir):
    dataset = load('cifar10')
    assert dataset.training.images.shape == (40_000, 32, 32, 3)
    assert dataset.validation.images.shape == (10_000, 32, 32, 3)
    assert dataset.test.images.shape == (10_000, 32, 32, 3)
    labels = np.concatenate([dataset.training.labels, dataset.validation.labels])
    np.testing.assert_array_equal(np.bincount(labels), np.full(10, 5_000))
    np.testing.assert_array_equal(np.bincount(dataset.test.labels), np.full(10, 1_000))
    (info,) = (real_data_dir / 'cifar10').glob('*/dataset_info.json')
    altered = 'JPEG' in json.loads(info.read_text())['description']
    assert dataset.label == ('CIFAR-10 (JPEG q75)' if altered else 'CIFAR-10')
    assert not dataset.fallback


def test_cifar10_moments_of_the_whole_training_part(load):
    dataset = load('cifar10', train_size=49_999, validation_size=1)
    mean, inverse = data.standardiser(dataset.training.images, 'channel')
    altered = 'JPEG' in dataset.label
    std = [0.2452, 0.2428, 0.2606] if altered else [0.2470, 0.2435, 0.2616]
    expected = [0.4913, 0.4821, 0.4465] if altered else [0.4914, 0.4822, 0.4465]
    np.testing.assert_allclose(mean[0, 0] / 255, expected, atol=1e-4)
    np.testing.assert_allclose(1 / inverse[0, 0] / 255, std, atol=1e-4)


def test_mnist(load):
    dataset = load('mnist', train_size=50_000, validation_size=10_000)
    labels = np.concatenate([dataset.training.labels, dataset.validation.labels])
    np.testing.assert_array_equal(
        np.bincount(labels), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    )
    np.testing.assert_array_equal(
        np.bincount(dataset.test.labels), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    )
    images = np.concatenate([dataset.training.images, dataset.validation.images])
    mean, inverse = data.standardiser(images, 'channel')
    # The published mean and standard deviation of MNIST's 60,000 training images.
    assert mean[0, 0, 0] / 255 == pytest.approx(0.1307, abs=1e-4)
    assert 1 / inverse[0, 0, 0] / 255 == pytest.approx(0.3081, abs=1e-4)
    assert dataset.label == 'MNIST'


def test_same_split_every_time(load):
    assert load('mnist').fingerprint == load('mnist').fingerprint
    assert load('mnist').fingerprint != load('mnist', split_seed=1).fingerprint
