"""Results can be read where their data are not: what they need of them is kept."""

import numpy as np
import pytest

from jaxtweaks import data
from jaxtweaks.config import settings
from jaxtweaks.data.summary import summary, without_images
from jaxtweaks.results.collect import collect
from jaxtweaks.run import files


@pytest.mark.parametrize('name', ['circles', 'digits'])
def test_what_results_say_of_their_data_is_kept(tmp_path, name):
    dataset = data.load(settings.Data(name=name, train_size=30, validation_size=20, test_size=10))
    files.save_tree(tmp_path / 'summary', summary(dataset))
    kept = without_images(files.load_tree(tmp_path / 'summary'))
    for field in ('label', 'source', 'fingerprint', 'fallback', 'classes'):
        assert getattr(kept, field) == getattr(dataset, field)
    before, after = (collect([], [], one) for one in (dataset, kept))
    assert after.classes == before.classes
    for split, counts in before.label_counts.items():
        np.testing.assert_array_equal(after.label_counts[split], counts)
    for split, labels in before.labels.items():
        np.testing.assert_array_equal(after.labels[split], labels)
    assert (before.plane is None) == (name == 'digits')
    if before.plane is not None:
        for part in ('grid', 'points', 'classes'):
            np.testing.assert_array_equal(getattr(after.plane, part), getattr(before.plane, part))


def test_images_are_not_kept(tmp_path):
    dataset = data.load(
        settings.Data(name='digits', train_size=500, validation_size=100), lambda text: None
    )
    files.save_tree(tmp_path / 'summary', summary(dataset))
    assert (tmp_path / 'summary').stat().st_size < dataset.training.images.nbytes / 4
    assert [len(getattr(without_images(summary(dataset)), s)) for s in ('training', 'test')] == [
        500,
        360,
    ]
