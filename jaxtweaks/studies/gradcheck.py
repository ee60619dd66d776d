"""Are the gradients of a whole network right? (MLP-BN §2 and §3)"""

import dataclasses
import functools
import math
import weakref
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtweaks import data as data_lib
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.base.rng import stream_key
from jaxtweaks.config import measured, trace
from jaxtweaks.config.check import check_image
from jaxtweaks.config.fields import static
from jaxtweaks.config.reach import check_batch_norm
from jaxtweaks.config.settings import Setting
from jaxtweaks.data import Dataset
from jaxtweaks.nn import models
from jaxtweaks.nn.norm import standardised_kernels
from jaxtweaks.studies import gradients
from jaxtweaks.studies.study import Measured, options, study
from jaxtweaks.train.applied import besides
from jaxtweaks.train.losses import losses_of, penalty

_DATA = tuple(
    f'data.{field}'
    for field in (
        'name',
        'dir',
        'download',
        'fallback',
        'train_size',
        'validation_size',
        'test_size',
        'split',
        'split_seed',
        'standardise',
    )
)

_STANDARDISERS: weakref.WeakKeyDictionary[Dataset, dict[str, tuple[np.ndarray, np.ndarray]]] = (
    weakref.WeakKeyDictionary()
)


def check_data(setting: Setting, data: Dataset) -> None:
    """Whether the images survive the layers, and there is such a parameter. Raises UserError."""
    check_image([setting], data.training.images.shape[1:3])
    measured.check_data(setting, data.targets, data.label)
    count, *image = data.training.images.shape
    asked = options(setting)
    flat = [1, 1, min(math.prod(image), asked.inputs)]
    shape = (min(count, asked.images), *(flat if setting.model.name == 'mlp' else image))
    places = _places(_network(setting, data), shape)
    if asked.parameter not in places:
        raise UserError(
            f"gradcheck.parameter: this network has no '{asked.parameter}'; "
            f'{did_you_mean(asked.parameter, places)}'
        )


@functools.cache
def _places(network: '_Network', shape: tuple[int, ...]) -> dict[str, slice]:
    """Where each parameter lies among all of them, for inputs of this shape."""
    with gradients.float64():
        x = jax.ShapeDtypeStruct(shape, jnp.float64)
        return gradients.places(jax.eval_shape(network.variables, x, 0)['params'])


def _network(setting: Setting, data: Dataset) -> '_Network':
    """The same whichever parameter is checked, so that it is compiled once."""
    setting = trace.replace(trace.as_numbers(setting), {'gradcheck.parameter': ''})
    return _Network(setting, len(data.classes))


@dataclasses.dataclass(frozen=True)
class _Network:
    """What is compiled in."""

    setting: Setting
    classes: int

    def variables(self, x: jax.Array, seed: jax.Array | int) -> dict[str, Any]:
        """Initial parameters and batch statistics, float64."""
        module = models.build(self.setting, self.classes)
        # Initialised on float32, as in training.
        found = module.init(stream_key(seed, 'init'), x.astype(jnp.float32), train=False)
        return gradients.wide(found)

    def loss(
        self, params: Any, others: Any, seed: jax.Array | int, x: jax.Array, y: jax.Array
    ) -> jax.Array:
        """The training loss, scalar."""
        standard = self.setting.model.weight_standardisation
        logits, _ = models.build(self.setting, self.classes).apply(
            {'params': standardised_kernels(params) if standard else params, **others},
            x,
            train=True,
            rngs={'dropout': stream_key(seed, 'dropout')},
            mutable=list(others),
        )
        losses = losses_of(self.setting, logits, y)
        return jnp.mean(losses) + penalty(params, self.setting.penalty)


@functools.partial(jax.jit, static_argnums=0)
def _both(
    network: _Network, seed: int, x: jax.Array, y: jax.Array, start: int, stop: int
) -> tuple[jax.Array, jax.Array]:
    """See `gradients.both`."""
    variables = network.variables(x, seed)
    others = besides(variables)
    loss = lambda params: network.loss(params, others, seed, x, y)
    asked = options(network.setting)
    return gradients.both(loss, variables['params'], asked.step, start, stop, asked.differences)


def _inputs(setting: Setting, data: Dataset) -> tuple[jax.Array, jax.Array]:
    """Images float64 [N, height, width, channels] and labels [N]; for an MLP [N, 1, 1, inputs]."""
    mean, inverse = _standardiser(data, setting.data.standardise)
    asked = options(setting)
    count = asked.images
    x = data.training.images[:count].astype(np.float64)
    x = (x - mean) * inverse
    if setting.model.name == 'mlp':
        x = x.reshape(len(x), 1, 1, -1)[..., : asked.inputs]
    return jnp.asarray(x, jnp.float64), jnp.asarray(data.training.labels[:count])


def _standardiser(data: Dataset, how: str) -> tuple[np.ndarray, np.ndarray]:
    """See `data.standardiser`; the same whatever the run, and most of what a run takes."""
    known = _STANDARDISERS.setdefault(data, {})
    if how not in known:
        known[how] = data_lib.standardiser(data.training.images, how)
    return known[how]


def check(setting: Setting) -> None:
    """Whether batch norm has a variance. Raises UserError."""
    check_batch_norm(setting.model, 'gradcheck.images', options(setting).images)


@study(
    'gradcheck',
    finals=gradients.FINALS,
    check=check,
    check_data=check_data,
    reads=(*_DATA, 'model', 'init', 'dropout', 'penalty', 'loss', 'cross_entropy.smoothing'),
    threads=True,
)
def measure(
    setting: Setting,
    seed: int,
    data: Dataset,
    *,
    images: int = static(5, 'training images in the loss', low=1, former='study.images'),
    inputs: int = static(
        10,
        'how many of the first input dimensions an MLP sees',
        low=1,
        former='study.inputs',
    ),
    parameter: str = static(
        '',
        "the parameter that is checked, as 'Dense_0/kernel'; '' for all of them",
        former='study.parameter',
    ),
    differences: str = gradients.DIFFERENCES,
    step: float = gradients.STEP,
    tolerance: float = gradients.TOLERANCE,
) -> Measured:
    """Compares the gradient of the training loss, at the initial weights of this seed.

    The loss is the mean cross entropy, label smoothing included, of the first images of the
    training set, standardised by the whole of it, plus the penalty; batch norm has the moments of
    these images and dropout one fixed mask.
    """
    with gradients.float64():
        x, y = _inputs(setting, data)
        network = _network(setting, data)
        place = _places(network, x.shape)[parameter]
        gradient, found = _both(network, seed, x, y, place.start, place.stop)
        return gradients.compared(gradient[place], found[place], tolerance)
