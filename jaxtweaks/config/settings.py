"""The settings of one training run: every field, its type, and whether it is static or traced.

The fields that belong to a part (an optimiser, a schedule, ...) are declared with it (`parts.py`),
all others here. `Setting`
is what a sweep varies; the sections group the fields by the part of the program that reads them.
See `fields.py` for what static and traced mean.
"""

import dataclasses

from jaxtweaks.config.choices import Choices, Selections
from jaxtweaks.config.fields import Names, static, traced
from jaxtweaks.config.parts import Parts

# Those of the catalogue, any on disk, and what is registered (`data/own.py`).
DATASETS = Names(
    'jaxtweaks.data.catalogue', forms=('tfds:NAME', 'folder:PATH', 'csv:PATH?target=NAME')
)
# Of these: those that are looked for, on disk, in the cache and on the web; and those whose parts
# are each drawn for themselves.
LOOKED_FOR = Names('jaxtweaks.data.catalogue')
GENERATED = Names('jaxtweaks.data.catalogue')
# How class predictions are averaged over dropout masks, before or after the softmax.
MASKS_BY = ('probabilities', 'logits')
PRECISIONS = ('float32', 'tf32', 'bf16')
DISTRIBUTIONS = ('normal', 'uniform', 'constant')

# When a field is read.
_SELECTING = ('train.select', Selections(last=False))


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
    split: str = static(
        'stratified',
        'how images are held out, and folds and parts of them are chosen: with the shares of the '
        'classes kept, or at random',
        choices=('stratified', 'random'),
        older='random',
    )
    split_seed: int = static(0, 'seed of the split, the same for every run', low=0, high=4e9)
    standardise: str = static(
        'channel',
        'mean and standard deviation of the training set by channel or by pixel; only divide by '
        '255 (unit); or leave as they are (none)',
        choices=('channel', 'pixel', 'unit', 'none'),
    )
    standardise_targets: bool = static(
        True,
        'whether targets that are numbers are standardised for training, by mean and '
        'standard deviation of the training set; metrics but for the loss are in the unit of '
        'the target',
    )
    scale: float = static(1.0, 'by what standardised inputs are multiplied', above=0.0)
    share: float = traced(
        1.0,
        'share of the training images that are used; an epoch keeps its number of steps, and '
        'inputs and targets are standardised by all training images, unused ones too',
        above=0.0,
        high=1.0,
        off=1.0,
    )
    bootstrap: float = traced(
        0.0,
        'share of the training images replaced by ones drawn again; 1 is a bootstrap sample',
        low=0.0,
        high=1.0,
        off=0.0,
    )
    label_noise: float = traced(
        0.0,
        'share of the training labels that are replaced by another class for good',
        low=0.0,
        high=1.0,
        off=0.0,
    )
    folds: int = static(
        0, 'equal parts of the training images, for cross-validation; 0 makes none', low=0
    )
    fold: int = traced(
        0,
        'the part (1 … data.folds) that is not trained on, but measured at the end; 0: none; an '
        'epoch keeps its number of steps, and inputs and targets are standardised by all',
        low=0,
        high=65_535,
        off=0,
    )


@dataclasses.dataclass(frozen=True)
class Model:
    """The network."""

    name: str = static('cnn', 'the architecture', choices=Choices('network'))
    channels: tuple[int, ...] = static(
        (32, 64),
        'channels of each block of two convolutions (cnn, local)',
        low=1,
    )
    hidden: tuple[int, ...] = static((512,), 'widths of the hidden dense layers', low=1)
    width: int = static(
        0,
        'width of every hidden dense layer in place of those of `hidden`; 0 keeps them',
        low=0,
    )
    activation: str = static('relu', 'the nonlinearity', choices=Choices('activation'))
    norm: str = static('none', 'the normalisation of hidden layers', choices=Choices('norm'))
    norm_place: str = static(
        'before',
        'whether hidden layers are normalised before or after the activation',
        choices=('before', 'after'),
    )
    weight_standardisation: bool = static(
        False,
        'whether each output of a convolution (not of a dense layer or of attention) has a kernel '
        'of mean 0 and variance 1 (Qiao et al. 2019, arXiv 1903.10520)',
    )


@dataclasses.dataclass(frozen=True)
class Init:
    """The initial weights. Biases start at 0, normalisations at scale 1 and shift 0."""

    scheme: str = traced(
        'he', "the rule for the weights' standard deviation σ", choices=Choices('init')
    )
    distribution: str = traced(
        'normal', 'the distribution of the weights; constant sets all to σ', choices=DISTRIBUTIONS
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
    conv: float = traced(0.0, 'drop rate after each max-pool', low=0.0, high=1.0, off=0.0)
    hidden: float = traced(
        0.0, 'drop rate after each hidden dense layer', low=0.0, high=1.0, off=0.0
    )
    by_layer: tuple[float, ...] = traced(
        (),
        'drop rate after each hidden dense layer, one for each, in place of `hidden`',
        low=0.0,
        high=1.0,
        off=(),
    )


@dataclasses.dataclass(frozen=True)
class Optim:
    """The optimiser; its own numbers are fields of its part (`train/optimisers.py`)."""

    name: str = static('adam', 'the update rule', choices=Choices('optimiser'))
    learning_rate: float = traced(1e-3, 'step size at the top of the schedule', low=0.0)


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The step size over time; the numbers of a shape are fields of its part."""

    name: str = static('constant', 'the shape', choices=Choices('schedule'))
    warmup_epochs: float = traced(
        0.0,
        'epochs in which the rate of the schedule is multiplied by a line from 0 to 1; the '
        'schedule does not wait for its end (a cosine has fallen by then)',
        low=0.0,
        off=0.0,
    )


@dataclasses.dataclass(frozen=True)
class Penalty:
    """What is added to the loss."""

    l1: float = traced(0.0, 'weight λ of the sum of absolute values', low=0.0, off=0.0)
    elastic: float = traced(
        0.0, 'β of the elastic net λΣ(βw² + |w|), with λ = `l1`', low=0.0, off=0.0
    )
    l2: float = traced(0.0, 'weight λ of the squared norm', low=0.0, off=0.0)
    l2_form: str = static(
        'half', 'half: ½λΣw² (ROLE §7.1); full: λΣ‖W‖² (MLP-BN eq. 10)', choices=('half', 'full')
    )
    scope: str = static(
        'weights',
        'weight matrices and kernels only, or every parameter',
        choices=('weights', 'all'),
    )


@dataclasses.dataclass(frozen=True)
class Loss:
    """What is minimised; the numbers of a loss are fields of its part (`train/losses.py`)."""

    name: str = static('cross_entropy', 'the loss of an image', choices=Choices('loss'))


@dataclasses.dataclass(frozen=True)
class Noise:
    """Random disturbances of training, drawn again at each step."""

    input: float = traced(
        0.0,
        "standard deviation of normal noise on the network's inputs, in their unit",
        low=0.0,
        off=0.0,
    )
    weights: float = traced(
        0.0,
        'standard deviation of normal noise on the weights, for one step each',
        low=0.0,
        off=0.0,
    )
    labels: float = traced(
        0.0, 'probability that a label is replaced by another class', low=0.0, high=1.0, off=0.0
    )


@dataclasses.dataclass(frozen=True)
class Train:
    """How long, in which batches, and which parameters are kept."""

    batch_size: int = static(32, 'images a step', low=1)
    epochs: int = static(10, 'passes over the training set', low=1)
    select: str = static(
        'last',
        'the parameters tested at the end: the last, or those of the epoch that is best on '
        'validation, by the loss, the accuracy or another metric',
        choices=Selections(),
    )
    metrics: tuple[str, ...] = static(
        (), 'metrics that are measured besides those of the loss', choices=Choices('metric')
    )
    train_eval_size: int = static(
        2_000, 'training images on which the network is evaluated after each epoch', low=1
    )
    precision: str = static(
        'float32',
        'products in full float32, with operands rounded to TF32, or of bfloat16 numbers',
        choices=PRECISIONS,
    )
    member: int = traced(
        0, 'which member of an ensemble: other random numbers for the same seed', low=0, high=65_535
    )
    patience: float = traced(
        0.0,
        'stop after so many epochs without a better score on validation; 0 never stops',
        low=0.0,
        off=0.0,
        when=_SELECTING,
    )
    min_improvement: float = traced(
        0.0, 'by how much a score must be better to count', low=0.0, when=_SELECTING
    )
    ema_decay: float = traced(
        0.0,
        'decay by step of a running average of the parameters, tested next to them; 0 for none',
        low=0.0,
        high=1.0,
        off=0.0,
    )
    swa_start: int = traced(
        0,
        'the first epoch (from 1) whose last parameters enter an average, tested next to them with '
        'batch statistics of its own; 0 for none',
        low=0,
        off=0,
    )
    snapshots: int = static(
        0, 'parameters kept along the way, at equal distances, the last ones being one', low=0
    )
    mc_samples: tuple[int, ...] = static(
        (), 'numbers of dropout masks over which predictions are averaged at test', low=1
    )
    mc_combine: tuple[str, ...] = static(
        ('probabilities',),
        'what of them is averaged, of classes: probabilities, or what stands before the softmax',
        choices=MASKS_BY,
    )
    test_curve: bool = static(
        False, 'whether the test set is evaluated after each epoch; nothing is chosen by it'
    )
    keep_logits: bool = static(
        False, 'whether the logits of validation and test images are kept with the results'
    )
    keep_parameters: bool = static(
        False,
        'whether the chosen parameters of each run are kept in the work folder, a file each; '
        'answer.parameters and answer.predict read them',
    )
    gradient_batches: int = static(
        0, 'batches over whose gradients the variance is measured at the end; 0 for none', low=0
    )
    weight_bins: int = static(0, 'bins of the histogram of the final weights; 0 for none', low=0)
    unit_spread: bool = static(
        False, 'whether it is measured after each epoch how much the units of a layer differ'
    )
    linearity: bool = static(
        False, 'whether it is measured at the end how near to linear the hidden units are'
    )
    sensitivity: bool = static(
        False,
        'whether it is measured at the end how steeply the outputs change with the inputs: the '
        'mean norm of the Jacobian on validation images, of classes that of their probabilities',
    )
    perturbation: float = static(
        0.0,
        'standard deviation of normal noise on the weights of the network with which it is also '
        'tested, the mean over a few draws; 0 for none',
        low=0.0,
    )
    lost_units: float = static(
        0.0,
        'share of the hidden units without which the network is also tested, others for each '
        'image, the rest scaled up; 0 for none',
        low=0.0,
        high=0.99,
    )


@dataclasses.dataclass(frozen=True)
class Study:
    """What is done with a setting, if not training; its options are fields of its part."""

    name: str = static(
        'training', 'training, or the name of a plain function (studies)', choices=Choices('study')
    )


@dataclasses.dataclass(frozen=True)
class Setting:
    """Everything that defines one run but its seed."""

    data: Data = Data()
    model: Model = Model()
    init: Init = Init()
    dropout: Dropout = Dropout()
    optim: Optim = Optim()
    schedule: Schedule = Schedule()
    loss: Loss = Loss()
    penalty: Penalty = Penalty()
    noise: Noise = Noise()
    train: Train = Train()
    study: Study = Study()
    parts: Parts = dataclasses.field(default_factory=Parts)
