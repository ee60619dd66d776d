"""The settings of one training run: every field, its type, and whether it is static or traced.

This is the one place that says so. `Setting` is what a sweep varies; the sections group the
fields by the part of the program that reads them. See `fields.py` for what static and traced
mean.
"""

import dataclasses

from jaxtweaks.config.fields import static, traced

DATASETS = ('cifar10', 'mnist', 'digits')
OPTIMISERS = ('sgd', 'momentum', 'nesterov', 'adam', 'adamw', 'rmsprop')
SCHEDULES = ('constant', 'step', 'triangular', 'cosine')
SCHEMES = ('sigma', 'lecun', 'glorot', 'he', 'he_2_over_sqrt_n', 'heuristic')
DISTRIBUTIONS = ('normal', 'uniform', 'constant')

# When a field is read.
_CNN = ('model.name', ('cnn',))
_BATCH_NORM = ('model.batch_norm', ('before', 'after'))
_ADAPTIVE = ('optim.name', ('adam', 'adamw', 'rmsprop'))
_STEP = ('schedule.name', ('step',))
_TRIANGULAR = ('schedule.name', ('triangular',))


@dataclasses.dataclass(frozen=True)
class Data:
    """Which images, how they are split, and how they are standardised."""

    name: str = static('cifar10', 'the data set', choices=DATASETS)
    dir: str = static('', "TFDS's data folder; '' means TFDS_DATA_DIR, then TFDS's default")
    download: bool = static(True, 'whether missing data may be downloaded')
    fallback: str = static(
        'digits', 'what stands in for data that cannot be had', choices=('digits', 'none')
    )
    train_size: int = static(40_000, 'training images', low=1)
    validation_size: int = static(10_000, 'validation images', low=1)
    test_size: int = static(0, 'test images; 0 means all', low=0)
    split_seed: int = static(0, 'seed of the split, the same for every run', low=0)
    standardise: str = static(
        'channel',
        'mean and deviation of the training set by channel or by pixel; or only divide by 255',
        choices=('channel', 'pixel', 'unit'),
    )


@dataclasses.dataclass(frozen=True)
class Model:
    """The network."""

    name: str = static('cnn', 'the architecture', choices=('mlp', 'cnn'))
    channels: tuple[int, ...] = static(
        (32, 64),
        'channels of each block of two convolutions (cnn)',
        low=1,
        when=_CNN,
    )
    hidden: tuple[int, ...] = static((512,), 'widths of the hidden dense layers', low=1)
    activation: str = static('relu', 'the nonlinearity', choices=('relu', 'tanh', 'sigmoid'))
    batch_norm: str = static(
        'none',
        'batch norm before or after the activation of every hidden layer',
        choices=('none', 'before', 'after'),
    )
    bn_momentum: float = traced(
        0.9,
        'share of the old running average kept at each step',
        low=0.0,
        high=1.0,
        when=_BATCH_NORM,
    )
    bn_epsilon: float = static(1e-5, 'added to the variance', above=0.0, when=_BATCH_NORM)
    bn_running_variance: str = static(
        'unbiased',
        'the batch variance that enters the running average',
        choices=('unbiased', 'biased'),
        when=_BATCH_NORM,
    )


@dataclasses.dataclass(frozen=True)
class Init:
    """The initial weights. Biases start at 0, batch norm at scale 1 and shift 0."""

    scheme: str = traced('he', "the rule for the weights' deviation σ", choices=SCHEMES)
    distribution: str = traced(
        'normal', 'the law of the weights; constant sets all to σ', choices=DISTRIBUTIONS
    )
    sigma: float = traced(
        0.05, "σ of the scheme 'sigma'", low=0.0, when=('init.scheme', ('sigma',))
    )


@dataclasses.dataclass(frozen=True)
class Dropout:
    """The probability with which units are dropped (not kept)."""

    form: str = static(
        'inverted',
        'scale by 1/keep in training, or (vanilla) by keep at test',
        choices=('inverted', 'vanilla'),
    )
    input: float = traced(0.0, 'drop rate of the input', low=0.0, high=1.0, off=0.0)
    conv: float = traced(
        0.0, 'drop rate after each max-pool (cnn)', low=0.0, high=1.0, off=0.0, when=_CNN
    )
    hidden: float = traced(
        0.0, 'drop rate after each hidden dense layer', low=0.0, high=1.0, off=0.0
    )


@dataclasses.dataclass(frozen=True)
class Optim:
    """The optimiser."""

    name: str = static('adam', 'the update rule', choices=OPTIMISERS)
    learning_rate: float = traced(1e-3, 'step size at the top of the schedule', low=0.0)
    momentum: float = traced(
        0.9,
        'momentum, or β₁ of Adam',
        low=0.0,
        high=1.0,
        when=('optim.name', ('momentum', 'nesterov', 'adam', 'adamw')),
    )
    beta2: float = traced(
        0.999, 'β₂ of Adam, the decay of RMSprop', low=0.0, high=1.0, when=_ADAPTIVE
    )
    epsilon: float = traced(
        1e-8, 'added to the denominator (Adam, RMSprop)', above=0.0, when=_ADAPTIVE
    )
    weight_decay: float = traced(
        0.0, 'decoupled weight decay', low=0.0, off=0.0, when=('optim.name', ('adamw',))
    )


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The step size over time, as a factor of `optim.learning_rate`. Times are in epochs."""

    name: str = static('constant', 'the shape', choices=SCHEDULES)
    warmup_epochs: float = traced(0.0, 'linear rise from 0 before all else', low=0.0, off=0.0)
    boundaries: tuple[float, ...] = static(
        (), 'when the rate is multiplied (step)', low=0.0, when=_STEP
    )
    factor: float = traced(
        0.1, 'by what it is multiplied at each boundary (step)', low=0.0, when=_STEP
    )
    minimum: float = traced(
        0.0,
        'lowest rate, absolute (triangular, cosine)',
        low=0.0,
        when=('schedule.name', ('triangular', 'cosine')),
    )
    half_cycle_epochs: float = traced(
        5.0, 'from the lowest rate to the highest (triangular)', above=0.0, when=_TRIANGULAR
    )


@dataclasses.dataclass(frozen=True)
class Penalty:
    """What is added to the loss."""

    l2: float = traced(0.0, 'weight λ of the squared norm', low=0.0, off=0.0)
    l2_form: str = static(
        'half', 'half: ½λΣw² (ROLE §7.1); full: λΣ‖W‖² (MLP-BN eq. 10)', choices=('half', 'full')
    )
    l2_scope: str = static(
        'weights',
        'weight matrices and kernels only, or every parameter',
        choices=('weights', 'all'),
    )


@dataclasses.dataclass(frozen=True)
class Train:
    """How long, in which batches, and which parameters are kept."""

    batch_size: int = static(32, 'images a step', low=1)
    epochs: int = static(10, 'passes over the training set', low=1)
    select: str = static(
        'last',
        'the parameters tested at the end: the last, or the best epoch on validation',
        choices=('last', 'best_loss', 'best_accuracy'),
    )
    train_eval_size: int = static(
        2_000, 'training images on which the network is evaluated after each epoch', low=1
    )


@dataclasses.dataclass(frozen=True)
class Setting:
    """Everything that defines one training run but its seed."""

    data: Data = Data()
    model: Model = Model()
    init: Init = Init()
    dropout: Dropout = Dropout()
    optim: Optim = Optim()
    schedule: Schedule = Schedule()
    penalty: Penalty = Penalty()
    train: Train = Train()
