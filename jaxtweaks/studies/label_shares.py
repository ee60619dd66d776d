"""How evenly are the classes spread over the images of a split? (MLP-BN §1)"""

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.metrics import SHARE, Metric
from jaxtweaks.config.fields import static
from jaxtweaks.config.parts import CLASSES
from jaxtweaks.config.settings import Setting
from jaxtweaks.data import Dataset
from jaxtweaks.studies.study import Measured, study

SPLITS = ('training', 'validation', 'test')


def check_data(setting: Setting, data: Dataset) -> None:
    """Whether there are classes to count. Raises UserError."""
    if data.targets != CLASSES:
        raise UserError(
            f"the study 'label_shares' counts classes, and the targets of {data.label} are none"
        )


@study(
    'label_shares',
    finals={
        name: Metric(name, words, SHARE)
        for name, words in (
            ('smallest_share', 'share of the images in the smallest class'),
            ('largest_share', 'share of the images in the largest class'),
            ('imbalance', 'furthest that the share of a class is from that of an even split'),
        )
    },
    reads=(
        'data.name',
        'data.dir',
        'data.download',
        'data.fallback',
        'data.train_size',
        'data.validation_size',
        'data.test_size',
        'data.split',
        'data.split_seed',
    ),
    check_data=check_data,
    exact=True,
)
def measure(
    setting: Setting,
    seed: int,
    data: Dataset,
    *,
    split: str = static('training', 'whose labels are counted', choices=SPLITS),
) -> Measured:
    """Counts the labels of a split."""
    labels = getattr(data, split).labels
    shares = np.bincount(labels, minlength=len(data.classes)) / max(1, len(labels))
    return Measured(
        finals={
            'smallest_share': float(shares.min()),
            'largest_share': float(shares.max()),
            'imbalance': float(np.abs(shares - 1 / len(shares)).max()),
        }
    )
