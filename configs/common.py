"""What the configs share: sizes, and the networks of the documents."""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ml_collections import ConfigDict

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.claims import published
from jaxtweaks.claims.claim import Claim
from jaxtweaks.config import config_file
from jaxtweaks.config.build import from_dict
from jaxtweaks.config.config_time import measured
from jaxtweaks.config.expand import points
from jaxtweaks.config.settings import Model
from jaxtweaks.lab.experiment import SIZES, default_config
from jaxtweaks.run import trainers

BATCH_NORM_WORDS = (
    ('model.norm', 'batch norm'),
    ('model.norm=batch', 'with BN'),
    ('model.norm=none', 'without BN'),
)

# Batch norm after the ReLU, as the text of ROLE has it ("on its activation values"), before it, as
# Ioffe and Szegedy have it, and none.
BN_AND_PLACE = 'model.norm + model.norm_place'
BATCH_NORM = {
    'after': {'model.norm': 'batch', 'model.norm_place': 'after'},
    'before': {'model.norm': 'batch', 'model.norm_place': 'before'},
    'none': {'model.norm': 'none', 'model.norm_place': 'before'},
}
BATCH_NORM_PLACES = (
    (BN_AND_PLACE, 'batch norm'),
    (f'{BN_AND_PLACE}={("batch", "after")}', 'BN after ReLU'),
    (f'{BN_AND_PLACE}={("batch", "before")}', 'BN before ReLU'),
    (f'{BN_AND_PLACE}={("none", "before")}', 'without BN'),
)


# What is to be known of an answer at sizes smaller than `paper`.
CAUTIONS = {
    'smoke': 'Of size smoke, which only shows that everything works: no result on the question.',
    'quick': 'Of size quick: less data, fewer epochs or a smaller network than at paper, which is '
    "the document's own size or the nearest to it. The answer may be another there.",
}


def start(name: str, size: str | None, study: str = 'training') -> ConfigDict:
    """A config with every key at its default, and its size.

    Args:
      name: that of the file.
      size: see `size_of`.
      study: the function called for each run in place of training, no smaller at `quick`.
    """
    config = default_config(name)
    config.size, config.study.name = size_of(size), study
    if study == 'training' or config.size == 'smoke':
        config.caution = CAUTIONS.get(config.size, '')
    paper = 6 if on_a_cpu() else 10
    config.seeds = {'smoke': 2, 'quick': 5, 'paper': paper}[config.size]
    return config


def propagation(name: str, size: str | None, quick: int, paper: int) -> ConfigDict:
    """A config of how signals and gradients go through networks that are not trained.

    Args:
      name, size: see `start`.
      quick, paper: how many seeds at these sizes.
    """
    config = start(name, size, 'signal_propagation')
    vectors = {'smoke': 20, 'quick': 200, 'paper': 2_000}
    config.signal_propagation.vectors = vectors[config.size]
    config.seeds = {'smoke': 2, 'quick': quick, 'paper': paper}[config.size]
    return config


def size_of(size: str | None) -> str:
    """The size that is meant by what stands after the colon of `--config=file.py:size`.

    None or '' means 'paper' if who trains has an accelerator, else 'quick'. Raises UserError.
    """
    size = size or ('quick' if on_a_cpu() else 'paper')
    if size not in SIZES:
        raise UserError(f"--config: unknown size '{size}'; {did_you_mean(size, SIZES)}")
    return size


def on_a_cpu() -> bool:
    """Whether who trains has no accelerator: then `paper` has fewer seeds, and some images."""
    return not trainers.accelerated()


# The smallest difference that matters, by the end of a metric's name; fixed before any run of the
# published results. Less is "negligible".
#
# Accuracies and their kin: half a point. The documents give their figures to a tenth or a whole
# point and speak of differences of one point or more; a test set of 2,000 to 10,000 images has a
# standard error of 0.5 to 1 points itself, and a second seed of the same setting is as far away.
# Losses: 0.02 nats, by which the probability of the right class changes by 2% of itself; half a
# point of accuracy goes with about as much in these networks. Of log10 of a loss 0.02 is 5% of it.
# Epochs until a level: half an epoch, as an epoch is the step of the measurement.
SMALLEST = {'accuracy': 0.005, 'error': 0.005, 'gain': 0.005, 'regret': 0.005,
            'overconfidence': 0.005, 'loss': 0.02}  # fmt: skip
SMALLEST_EPOCHS = 0.5
# What may be negligible; margins say themselves what does not matter, `optimum` and `peak` are
# about places.
_MAY_BE_SMALL = ('greater', 'less', 'increasing', 'decreasing', 'sooner', 'level')


def that_matter(claims: tuple[dict, ...]) -> tuple[dict, ...]:
    """The claims, each with the smallest difference that matters, unless it names its own.

    Of other metrics (norms, variances, the accuracy of gradients) nothing can be said for all.
    """
    return tuple(_that_matters(claim) for claim in claims)


def _that_matters(claim: dict) -> dict:
    kind = claim['metric'].rpartition('_')[2]
    size = SMALLEST_EPOCHS if claim['kind'] == 'sooner' else SMALLEST.get(kind)
    named = any(key in claim for key in ('smallest', 'margin')) or claim.get('direction') == 'equal'
    if claim['kind'] not in _MAY_BE_SMALL or size is None or named:
        return claim
    return {**claim, 'smallest': size}


def that_answer(claims: tuple[dict, ...], *beginnings: str) -> tuple[dict, ...]:
    """The claims, of which those whose sentence begins with one of these answer the question.

    Raises:
      ValueError: no sentence begins with one of them.
    """
    for beginning in beginnings:
        if not any(claim['sentence'].startswith(beginning) for claim in claims):
            raise ValueError(f'no claim begins with {beginning!r}')
    return tuple(
        {**claim, 'answers': True} if claim['sentence'].startswith(beginnings) else claim
        for claim in claims
    )


def shown_only(claims: Iterable[dict], differs: str) -> tuple[dict, ...]:
    """The published numbers of claims that are asked at `paper` alone, to be shown at other sizes.

    `differs`: why they are not compared there.
    """
    found = published.of_claims(from_dict(Claim, claim) for claim in claims)
    return tuple({**dataclasses.asdict(one), 'differs': differs} for one in found)


def at_least_eight_seeds(config: ConfigDict) -> None:
    """But at `smoke`: what sign flips decide (a share of runs, what is alike in all) needs them."""
    if config.size != 'smoke':
        config.seeds = max(config.seeds, 8)


def names_of_arms(word: str, arms: Mapping[str, Mapping[str, object]]) -> tuple:
    """For a config's `names`: `word` for fields that are set together, and a word for each value.

    `arms`: the settings by that word, all of the same fields.
    """
    fields = ' + '.join(next(iter(arms.values())))
    values = ((f'{fields}={tuple(arm.values())}', name) for name, arm in arms.items())
    return (fields, word), *values


RATES = 'optim.learning_rate + step.factor'


def large_and_small(
    config: ConfigDict, large: float, small: float
) -> tuple[dict[str, dict], int, dict]:
    """Makes `config` a comparison of three schedules (ROLE §4.1).

    S has the small rate throughout, LS the large one and from the middle of training on the small
    one, L the large one throughout.

    Returns:
      The settings of each schedule by its name, the epoch after which LS is annealed, and what
      figures of curves by epoch have in common.
    """
    annealed = config.train.epochs // 2
    rate, factor = RATES.split(' + ')
    schedules = {
        'S': {rate: small, factor: 1.0},
        'LS': {rate: large, factor: small / large},
        'L': {rate: large, factor: 1.0},
    }
    words = {
        'S': f'S: small rate {small:g}',
        'LS': f'LS: {large:g}, annealed to {small:g}',
        'L': f'L: large rate {large:g}',
    }
    config.schedule.name, config.step.boundaries = 'step', (float(annealed),)
    config.sweep = points(*schedules.values())
    config.names = names_of_arms(
        'learning rate', {words[name]: setting for name, setting in schedules.items()}
    )
    by_epoch = {'kind': 'curves', 'hue': RATES, 'marks': ((annealed, 'LS is annealed'),)}
    return schedules, annealed, by_epoch


def cnn_to_anneal(config: ConfigDict) -> None:
    """The training of a CNN in which a large rate is to be annealed (ROLE §4.1)."""
    config.model.norm = 'batch'
    config.optim.name, config.penalty.l2 = 'momentum', 5e-4
    if config.size == 'quick':
        config.data.train_size = 3_000
    config.train.epochs = {'smoke': 2, 'quick': 10, 'paper': 60}[config.size]


def role_cnn(name: str, size: str | None) -> ConfigDict:
    """The CNN of ROLE §2 on CIFAR-10: 40,000/10,000/10,000 images, batch 32, 10 epochs.

    The document does not name optimiser, rate, initialisation or scaling of the images. Adam at its
    default of 1e-3, Glorot uniform (Keras's default) and images standardised by channel are chosen;
    the Keras example with this network has RMSprop at 1e-4 and pixels in [0, 1]. Where there is
    batch norm it has momentum 0.9 and ε = 1e-5, not Keras's 0.99 and 1e-3: at `quick` an epoch has
    too few steps for running averages that take hundreds of them. `quick` has a quarter of the
    channels, an eighth of the images and 5 epochs, where a config does not say other ones.

    ROLE's "training loss" is what Keras prints, the mean over an epoch's batches (`running_loss`),
    where dropout or batch norm make it another one (Figures 1 and 5), and the loss after the epoch
    elsewhere. This, the training accuracy and so the gap are measured on 2,000 of the training
    images (`quick`: 1,000).
    """
    config = start(name, size)
    config.init.scheme, config.init.distribution = 'glorot', 'uniform'
    if config.size == 'quick':
        config.data.train_size, config.data.validation_size = 5_000, 2_000
        config.data.test_size = 2_000
        config.model.channels, config.model.hidden = (8, 16), (128,)
        config.train.epochs = 5
        config.train.train_eval_size = 1_000
    elif config.size == 'smoke':
        smoke(config)
        config.model.channels, config.model.hidden = (4,), (16,)
    return config


def sigma_scale(config: ConfigDict) -> float:
    """By what ROLE's σ are multiplied in `role_cnn`, so that σ√N is what it is in its network.

    The variance that a layer passes on goes with Nσ², N being its inputs (ROLE §6.1). All layers
    but the first have a quarter of the inputs at `quick`, so a σ there does what half of it does in
    the document's network.
    """
    return {'quick': 2.0}.get(config.size, 1.0)


# Of `mlp_bn`, for `shown_only`.
SMALLER = {'quick': '20,000 of the 45,000 training images', 'smoke': 'a small network on digits'}


def mlp_bn(name: str, size: str | None, hidden: tuple[int, ...]) -> ConfigDict:
    """The network and training of MLP-BN §1 and §4.

    CIFAR-10 45,000/5,000/10,000, standardised by pixel; batch 100; triangular cyclical learning
    rate 1e-5 … 1e-1 with half a cycle of 5 epochs, 2 cycles; J = L + λΣ‖W‖² with λ = 0.005; weights
    N(0, (2/√d)²), which is what the document writes (`he` would be He et al.'s √2/√d). Batch norm
    divides by √(σ² + ε) and keeps the unbiased variance for the test, as is usual; the document has
    σ + ε (equation 7) and 1/n (9). Its training curves are of all 45,000 images, presumably; here
    of 5,000. `quick` has 20,000 training images; the schedule counts in epochs and stays the same.
    `smoke` has one cycle in its two epochs.
    """
    config = start(name, size)
    config.model.name, config.model.hidden = 'mlp', hidden
    config.data.train_size, config.data.validation_size = 45_000, 5_000
    config.data.standardise = 'pixel'
    config.init.scheme = 'he_2_over_sqrt_n'
    config.optim.name, config.optim.learning_rate = 'sgd', 0.1
    config.schedule.name, config.triangular.minimum = 'triangular', 1e-5
    config.penalty.l2, config.penalty.l2_form = 0.005, 'full'
    config.train.batch_size, config.train.epochs = 100, 20
    config.train.train_eval_size = 5_000
    if config.size == 'paper':
        config.seeds = 10
    elif config.size == 'quick':
        config.data.train_size = 20_000
    else:
        smoke(config)
        config.triangular.half_cycle_epochs = 1.0  # of two epochs
    return config


def initreg_mnist(name: str, size: str | None, train_size: int) -> ConfigDict:
    """The network and training of INITREG §III: 784-800-800-10 on MNIST, AdamW at 3e-4.

    Weights N(0, variance 0.1), no nonlinearity: the document names none ("two hidden linear
    layers"). "Parameters" are read as weights: biases start at 0, as in its Section I. Other
    readings: `initreg_readings`. Batches of 128, weight decay 0.01 (PyTorch's default of AdamW) and
    100 epochs are choices; `quick` has 20.

    Args:
      name, size: as for `start`.
      train_size: training images.
    """
    config = start(name, size)
    config.data.name = 'mnist'
    config.data.train_size, config.data.validation_size = train_size, 10_000
    config.model.name, config.model.hidden = 'mlp', (800, 800)
    config.model.activation = 'identity'
    config.init.scheme, config.sigma.sigma = 'sigma', 0.1**0.5
    config.optim.name, config.optim.learning_rate = 'adamw', 3e-4
    config.adamw.weight_decay = 0.01
    config.train.batch_size, config.train.epochs = 128, 100
    config.train.train_eval_size = 1_000
    if config.size == 'quick':
        config.data.validation_size, config.data.test_size = 2_000, 5_000
        config.train.epochs = 20
    elif config.size == 'smoke':
        smoke(config)
        config.model.hidden = (32, 32)
    return config


_READ = ('model.activation', 'sigma.sigma', 'train.batch_size')
INITREG_READING = ' + '.join(_READ)
AS_WRITTEN = 'as written'


def initreg_readings(config: ConfigDict) -> dict[str, dict]:
    """How INITREG §III can be read, by words: the settings of each; the first is the literal one.

    ReLU, because Section II has it and a network without one is linear. σ = 0.1, should the
    document's variance be the standard deviation, as in a public program that probably belongs to
    it. "The same training setup as in Section II, i.e. AdamW optimizer and … 0.0003": whole
    batches, should more than optimiser and rate be meant; the program has batches of 8, 5,000
    images and 70 epochs. `quick` has the first two, `smoke` one more.
    """
    size, epochs = 'data.train_size', 'train.epochs'
    batch = config.train.batch_size
    ours = {size: config.data.train_size, epochs: config.train.epochs}
    wide, narrow = config.sigma.sigma, 0.1
    given = lambda *values: dict(zip(_READ, values, strict=True))
    found = {
        AS_WRITTEN: given('identity', wide, batch) | ours,
        'ReLU': given('relu', wide, batch) | ours,
        'σ = 0.1': given('identity', narrow, batch) | ours,
        'ReLU, σ = 0.1': given('relu', narrow, batch) | ours,
        'whole batches': given('identity', wide, ours[size]) | {size: ours[size], epochs: 300},
        'σ = 0.1, batches of 8': given('identity', narrow, 8) | {size: 5_000, epochs: 70},
    }
    kept = {'smoke': 3, 'quick': 2, 'paper': len(found)}[config.size]
    return dict(list(found.items())[:kept])


def initreg_names(readings: dict[str, dict]) -> tuple:
    """Words for the readings, for a config's `names`."""
    return (
        (INITREG_READING, 'reading'),
        *(
            (f'{INITREG_READING}={tuple(setting[name] for name in _READ)}', words)
            for words, setting in readings.items()
        ),
    )


def initreg_of(setting: dict) -> dict:
    """The conditions by which claims and figures find a reading."""
    return {INITREG_READING: (tuple(setting[name] for name in _READ),)}


def general_mlp(name: str, size: str | None) -> ConfigDict:
    """A network that overfits, for the experiments of GENERAL, which names neither net nor data.

    MNIST, 4,000 training images; two hidden layers of 256 ReLU units, He initialisation; SGD with
    momentum 0.9 at 0.05, batch 50, 40 epochs: hundreds of such runs take two CPU cores half an
    hour. `quick` has a quarter of the images and half of the units.
    """
    config = start(name, size)
    config.data.name = 'mnist'
    config.data.train_size, config.data.validation_size = 4_000, 5_000
    config.model.name, config.model.hidden = 'mlp', (256, 256)
    config.optim.name, config.optim.learning_rate = 'momentum', 0.05
    config.train.batch_size, config.train.epochs = 50, 40
    config.train.train_eval_size = 4_000
    if config.size == 'quick':
        config.data.train_size, config.data.validation_size = 1_000, 2_000
        config.data.test_size = 5_000
        config.model.hidden = (128, 128)
        config.train.train_eval_size = 1_000
    elif config.size == 'smoke':
        smoke(config)
        config.model.hidden = (16, 16)
    return config


def smoke(config: ConfigDict) -> None:
    """Seconds on two cores, with the embedded digits."""
    config.data.name = 'digits'
    config.data.train_size, config.data.validation_size, config.data.test_size = 512, 128, 128
    config.train.batch_size, config.train.epochs = 32, 2
    config.train.train_eval_size = 128
    config.execution.batching = 'map'  # nothing to gain from measuring


# Degree of a polynomial, steps of gradient descent and weights of the L2 penalty, by size.
CAPACITIES = {
    'smoke': ((0, 3, 9), (10, 100, 1_000), (1e-4, 1e-2, 1.0)),
    'quick': (
        (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
        (1, 10, 30, 100, 300, 1_000, 10_000, 100_000),
        (1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 10.0),
    ),
}
CAPACITIES['paper'] = CAPACITIES['quick']


def capacity_words(study):
    """Words for the fields that change the capacity, of one of the two studies of regression."""
    return (
        (f'{study}.degree', 'degree of the polynomial'),
        (f'{study}.steps', 'steps of gradient descent'),
        ('penalty.l2', 'weight λ of the L2 penalty'),
    )


def capacity_panels(study, degrees, steps, weights):
    """Name, field, words and conditions of each of three ways to change the capacity.

    The base is degree 9 at the minimum of the error, without a penalty.
    """
    degree, step, l2 = f'{study}.degree', f'{study}.steps', 'penalty.l2'
    return (
        ('degree', degree, 'the degree of the polynomial', {degree: degrees, step: 0, l2: 0.0}),
        ('steps', step, 'the steps of gradient descent', {step: steps, degree: 9, l2: 0.0}),
        ('penalty', l2, 'the weight of the L2 penalty', {l2: weights, degree: 9, step: 0}),
    )


def classic_cnn(name: str, size: str | None) -> ConfigDict:
    """A network with batch norm on CIFAR-10, as the papers of the classics have it.

    SGD with momentum 0.9, cosine schedule, penalty ½·5e-4·Σw². `paper` is a ResNet-20 on 45,000
    images with flips and crops, batch 128, rate 0.1, 100 epochs: smaller and shorter than what most
    of the papers train. `quick` is the CNN of ROLE §2 with a quarter of its channels on 3,000
    images, batch 32, rate 0.05, 12 epochs, without augmentation; `smoke` an MLP, for time.
    """
    config = role_cnn(name, size)
    if config.size == 'smoke':
        as_mlp(config)
    config.init.scheme, config.init.distribution = 'he', 'normal'
    config.model.norm, config.optim.name = 'batch', 'momentum'
    config.optim.learning_rate, config.schedule.name = 0.05, 'cosine'
    config.penalty.l2 = 5e-4
    if config.size == 'quick':
        config.data.train_size, config.train.epochs = 3_000, 12
    elif config.size == 'paper':
        config.model.name, config.optim.learning_rate = 'resnet', 0.1
        config.data.train_size, config.data.validation_size = 45_000, 5_000
        config.train.batch_size, config.train.epochs = 128, 100
        config.flip.probability, config.crop.pixels = 0.5, 4.0
    return config


def error_by_rate(hue: str, **options: object) -> dict:
    """A figure: the test error against the learning rate, a line for each value of `hue`."""
    return {
        'name': 'by_rate',
        'kind': 'effect',
        'title': 'Test error against the learning rate',
        'metrics': ('1-test_accuracy',),
        'x': 'optim.learning_rate',
        'hue': hue,
        'log_x': True,
        **options,
    }


def as_mlp(config: ConfigDict) -> None:
    """A tiny MLP in place of the CNN, which takes longer to compile than to train at `smoke`."""
    config.model.name, config.model.hidden = 'mlp', (16,)
    config.model.channels = Model.channels


def collection(name: str, size: str | None, folder: Path, but: tuple[str, ...] = ()) -> ConfigDict:
    """All experiments of a folder, those that took least time first (see `configs/all.py`).

    Args:
      name: of the collection.
      size: see `size_of`.
      folder: of config files.
      but: names of those that are no experiments.
    """
    names = {path.stem for path in config_file.in_folder(folder)} - set(but)
    ordered = sorted(names, key=lambda one: (_seconds(folder / f'{one}.py'), one))
    paths = tuple(os.path.relpath(folder / f'{one}.py') for one in ordered)
    return ConfigDict({'name': name, 'size': size_of(size), 'first_seed': 0, 'experiments': paths})


def _seconds(path: Path) -> float:
    """What an experiment took at `quick`, as its docstring says."""
    found = measured(path)
    return found.seconds if found and found.size in ('quick', 'any') else float('inf')
