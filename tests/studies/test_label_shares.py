"""The shares of the classes, next to counts by hand."""

import dataclasses

import numpy as np
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.data import dataset
from jaxtweaks.studies import label_shares, measured


def split_of(*labels):
    return dataset.Split(np.zeros((len(labels), 1, 1, 1), np.uint8), np.array(labels, np.int32))


DATA = dataclasses.replace(
    dataset.nothing('made up'),
    training=split_of(0, 0, 0, 1, 2, 2, 0, 1),
    validation=split_of(0, 1),
    test=split_of(2, 1, 0),
    classes=('a', 'b', 'c'),
    targets='classes',
)


@pytest.mark.parametrize(
    ('split', 'expected'),
    [
        ('training', (1 / 4, 1 / 2, 1 / 6)),
        ('validation', (0, 1 / 2, 1 / 3)),  # a class of which there is none counts
        ('test', (1 / 3, 1 / 3, 0)),
    ],
)
def test_shares_by_hand(split, expected):
    setting = trace.replace(Setting(), {'study.name': 'label_shares', 'label_shares.split': split})
    found = measured(setting, 0, DATA).finals
    names = ('smallest_share', 'largest_share', 'imbalance')
    assert [found[name] for name in names] == pytest.approx(expected)


def test_targets_that_are_no_classes_are_refused():
    numbers = dataclasses.replace(DATA, targets='float')
    with pytest.raises(UserError, match='counts classes, and the targets of made up are none'):
        label_shares.check_data(Setting(), numbers)
