"""What the configs share: sizes, and the two networks of the documents."""

import jax
from ml_collections import ConfigDict

from jaxtweaks.errors import UserError, did_you_mean
from jaxtweaks.experiment import SIZES, default_config

BATCH_NORM_WORDS = (
    ('model.batch_norm', 'batch norm'),
    ('model.batch_norm=before', 'with BN'),
    ('model.batch_norm=none', 'without BN'),
)


def start(name: str, size: str | None) -> ConfigDict:
    """A config with every key at its default, and its size.

    Args:
      name: the config's name, as its file's.
      size: what stands after the colon of `--config=file.py:size`; None or '' means 'quick' on a
        CPU and 'paper' on an accelerator.

    Raises:
      UserError: there is no such size.
    """
    on_cpu = jax.default_backend() == 'cpu'
    size = size or ('quick' if on_cpu else 'paper')
    if size not in SIZES:
        raise UserError(f"--config: unknown size '{size}'; {did_you_mean(size, SIZES)}")
    config = default_config(name)
    config.size = size
    config.seeds = {'smoke': 2, 'quick': 3, 'paper': 6 if on_cpu else 10}[size]
    return config


def role_cnn(name: str, size: str | None) -> ConfigDict:
    """The CNN of ROLE §2 on CIFAR-10: 40,000/10,000/10,000 images, batch 32, 10 epochs.

    The document does not name optimiser, rate or initialisation; Adam at 1e-3 and Glorot uniform
    are what the well-known Keras example of this network comes with. `quick` has a quarter of the
    channels and an eighth of the images.
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


def mlp_bn(name: str, size: str | None, hidden: tuple[int, ...]) -> ConfigDict:
    """The network and training of MLP-BN §1 and §4.

    CIFAR-10 45,000/5,000/10,000, standardised by pixel; batch 100; triangular cyclical learning
    rate 1e-5 … 1e-1 with half a cycle of 5 epochs, 2 cycles; J = L + λΣ‖W‖² with λ = 0.005; weights
    N(0, (2/√d)²), which is what the document writes (`he` would be He et al.'s √2/√d). `quick` has
    20,000 training images; the schedule counts in epochs and stays the same.
    """
    config = start(name, size)
    config.model.name, config.model.hidden = 'mlp', hidden
    config.data.train_size, config.data.validation_size = 45_000, 5_000
    config.data.standardise = 'pixel'
    config.init.scheme = 'he_2_over_sqrt_n'
    config.optim.name, config.optim.learning_rate = 'sgd', 0.1
    config.schedule.name, config.schedule.minimum = 'triangular', 1e-5
    config.penalty.l2, config.penalty.l2_form = 0.005, 'full'
    config.train.batch_size, config.train.epochs = 100, 20
    config.train.train_eval_size = 5_000
    if config.size == 'paper':
        config.seeds = 10
    elif config.size == 'quick':
        config.data.train_size = 20_000
    else:
        smoke(config)
    return config


def smoke(config: ConfigDict) -> None:
    """Seconds on two cores, with the embedded digits."""
    config.data.name = 'digits'
    config.data.train_size, config.data.validation_size, config.data.test_size = 512, 128, 128
    config.train.batch_size, config.train.epochs = 32, 2
    config.train.train_eval_size = 128
    config.execution.batching = 'map'  # nothing to gain from measuring
