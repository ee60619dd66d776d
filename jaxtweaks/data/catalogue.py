"""What is publicly known about the data sets: shapes, class names, addresses, checksums.

Sizes and SHA-256 of the archives are those that tensorflow-datasets publishes in its own
checksum lists.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from jaxtweaks.base import metrics
from jaxtweaks.config.settings import DATASETS, GENERATED, LOOKED_FOR
from jaxtweaks.data import patterns, waveforms


@dataclasses.dataclass(frozen=True)
class Archive:
    """One file to download: its name, its size in bytes, its SHA-256 in hex."""

    name: str
    size: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Known:
    """A data set that can be looked for.

    Attributes:
      name: its name in TFDS and in `data.name`.
      title: its name in figures and tables.
      shape: [H, W, C] of one image.
      classes: the name of each label, in order.
      address: the web folder that holds `archives`; a mirror replaces it.
      archives: what must be downloaded; none for embedded, generated or changed data.
      made_of: the name of the data set this one is made of by a change, or ''.
      generated: whether it is drawn from a known distribution (`generated.WORLDS`).
    """

    name: str
    title: str
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    address: str
    archives: tuple[Archive, ...]
    made_of: str = ''
    generated: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """A table that comes with scikit-learn, or that it finds on disk (`data/tables.py`).

    Attributes:
      about: what it is of, for listings.
      loader: the function of `sklearn.datasets` that returns it.
      options: what that is called with.
      number: what is to be learned, if that is a number; '' if it is a class.
    """

    about: str
    loader: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    number: str = ''


def _generated(name: str, title: str, shape: tuple[int, int, int], classes: Iterable[str]) -> Known:
    return Known(name, title, shape, tuple(classes), address='', archives=(), generated=True)


_DIGITS = tuple('0123456789')

CATALOGUE = {
    'cifar10': Known(
        name='cifar10',
        title='CIFAR-10',
        shape=(32, 32, 3),
        classes=(
            'airplane',
            'automobile',
            'bird',
            'cat',
            'deer',
            'dog',
            'frog',
            'horse',
            'ship',
            'truck',
        ),
        address='https://www.cs.toronto.edu/~kriz',
        archives=(
            Archive(  # the binary version: the others are pickles, which could run code
                'cifar-10-binary.tar.gz',
                170_052_171,
                'c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd',
            ),
        ),
    ),
    'mnist': Known(
        name='mnist',
        title='MNIST',
        shape=(28, 28, 1),
        classes=_DIGITS,
        address='https://storage.googleapis.com/cvdf-datasets/mnist',
        archives=(
            Archive(
                'train-images-idx3-ubyte.gz',
                9_912_422,
                '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
            ),
            Archive(
                'train-labels-idx1-ubyte.gz',
                28_881,
                '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
            ),
            Archive(
                't10k-images-idx3-ubyte.gz',
                1_648_877,
                '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
            ),
            Archive(
                't10k-labels-idx1-ubyte.gz',
                4_542,
                'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6',
            ),
        ),
    ),
    'digits': Known(
        name='digits',
        title='digits',
        shape=(8, 8, 1),
        classes=_DIGITS,
        address='',
        archives=(),
    ),
    'circles': _generated('circles', 'circles', (1, 1, 2), ('outer', 'inner')),
    'rings': _generated('rings', 'rings', (1, 1, 2), ('outer', 'inner')),
    'waveforms': _generated(
        'waveforms',
        'generated waveforms',
        (waveforms.LENGTH, 1, 1),
        (str(i) for i in range(waveforms.CLASSES)),
    ),
    'patterns': _generated(
        'patterns',
        'patterns P and Q',
        (1, 1, patterns.P_DIMENSIONS + patterns.Q_DIMENSIONS),
        ('−1', '+1'),
    ),
}
CATALOGUE['cifar10_patch'] = dataclasses.replace(
    CATALOGUE['cifar10'],
    name='cifar10_patch',
    title='CIFAR-10 with patches',
    address='',
    archives=(),
    made_of='cifar10',
)

TABLES = {
    'diabetes': Table(
        'a table of patients; how far a disease progresses, a number',
        'load_diabetes',
        # In the units that were measured: what is scaled leaves nothing to `data.standardise`.
        {'scaled': False},
        number='progression of the disease after a year',
    ),
    'breast_cancer': Table('a table of tumours in 2 classes', 'load_breast_cancer'),
    'wine': Table('a table of wines in 3 classes', 'load_wine'),
    'california_housing': Table(
        'a table of districts, if it is on disk; the value of a house, a number',
        'fetch_california_housing',
        {'download_if_missing': False},
        number='median value of a house in 100,000 $',
    ),
}
DATASETS.add(*CATALOGUE, *TABLES)
LOOKED_FOR.add(*(name for name, one in CATALOGUE.items() if one.archives or one.made_of))
GENERATED.add(*(name for name, one in CATALOGUE.items() if one.generated))

# Further images that come with a data set, on which networks are evaluated by epoch
# (`Dataset.probes`), each with what a label calls it, and the data sets that come with a grid for
# decision boundaries. A user's may have the names too, so the words must fit them as well.
PROBES = {
    'patterns': {'p_only': 'P alone', 'q_only': 'Q alone', 'both': 'both'},
    'cifar10_patch': {'clean': 'clean images', 'patch_only': 'patches alone'},
}
for _words in PROBES.values():
    metrics.add_probes(_words)
GRIDS = ('circles', 'rings')
