"""Regression in one dimension: noisy points of a known curve, and what is fitted to them.

The curve is sin(πx) on [−1, 1]; x is uniform, the noise normal.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.polynomial import legendre

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.metrics import Metric
from jaxtweaks.base.rng import stream_key
from jaxtweaks.config import settings, trace
from jaxtweaks.config.fields import static
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn import models
from jaxtweaks.studies.study import options
from jaxtweaks.train.losses import penalty

TRAIN_ERROR, TEST_ERROR = (
    Metric(f'{split}_mse', f'{words} mean squared error', '', 'low', split, 'mse')
    for split, words in (('train', 'training'), ('test', 'test'))
)
_NETWORK_READS = ('model', 'init', 'dropout.hidden', 'dropout.form', 'optim', 'penalty')
# Of a polynomial; that no rate drops its units is said by `check`.
_POLYNOMIAL_READS = ('optim.learning_rate', 'penalty.l2', 'penalty.l2_form', 'dropout.hidden')


# The options that the studies of regression share, former fields of `study`.
REGRESSOR = static(
    'polynomial',
    'what is fitted: a polynomial of `degree`, or the network of the section `model`',
    choices=('polynomial', 'network'),
    former='study.regressor',
)
DEGREE = static(9, 'degree of the polynomial', low=0, high=30, former='study.degree')
STEPS = static(
    0,
    'steps of training on the whole sample; of a polynomial 0 means to the minimum',
    low=0,
    former='study.steps',
)
POINTS = static(30, 'points of a training sample', low=2, former='study.points')
NOISE = static(0.3, 'standard deviation of the noise on the points', low=0.0, former='study.noise')


def reads_of(setting: Setting) -> tuple[str, ...]:
    """The fields that the regressor of a setting reads, besides its options."""
    return _POLYNOMIAL_READS if options(setting).regressor == 'polynomial' else _NETWORK_READS


def truth(x: np.ndarray) -> np.ndarray:
    """The curve without noise."""
    return np.sin(np.pi * x)


@dataclasses.dataclass(frozen=True)
class Points:
    """Noisy points of the curve, float64 [samples, n] each."""

    x: np.ndarray
    y: np.ndarray


def draw(seed: int, stream: str, samples: int, count: int, noise: float) -> Points:
    """Independent samples of points.

    Args:
      seed: of the run.
      stream: 'order' for training samples, 'augment' for test points: independent draws.
      samples, count: how many samples, of how many points each.
      noise: standard deviation σ of the noise.
    """
    place, error = jax.random.split(stream_key(seed, stream))
    x = np.asarray(jax.random.uniform(place, (samples, count), minval=-1, maxval=1), np.float64)
    errors = noise * np.asarray(jax.random.normal(error, (samples, count)), np.float64)
    return Points(x, truth(x) + errors)


def fit(setting: Setting, seed: int, points: Points, at: np.ndarray) -> np.ndarray:
    """What is fitted to each sample, at the places `at`.

    Args:
      setting: the regressor and how it is fitted.
      seed: of initial weights and dropout masks.
      points: samples of n points each.
      at: [samples, places] or, the same for all samples, [places].

    Returns:
      float64 [samples, places].
    """
    at = np.broadcast_to(at, (len(points.x), at.shape[-1]))
    asked = options(setting)
    if asked.regressor == 'polynomial':
        rate, l2 = setting.optim.learning_rate, _full(setting.penalty)
        weights = polynomial(points, asked.degree, asked.steps, rate, l2)
        return np.einsum('spd,sd->sp', features(at, asked.degree), weights)
    return _networks(setting, seed, points, at)


def features(x: np.ndarray, degree: int) -> np.ndarray:
    """Legendre polynomials 0 … degree, of mean square 1 on [−1, 1]: [..., degree + 1]."""
    return legendre.legvander(x, degree) * np.sqrt(2 * np.arange(degree + 1) + 1)


def polynomial(points: Points, degree: int, steps: int, rate: float, l2: float) -> np.ndarray:
    """Coefficients that minimise the mean squared error + λΣθ² (DEEPREG), the constant omitted.

    Args:
      points: samples of n points.
      degree: of the polynomial.
      steps: of gradient descent from 0; 0 for the minimum itself (the one of least norm).
      rate: step size of gradient descent.
      l2: λ.

    Returns:
      [samples, degree + 1] for the `features`.
    """
    phi = features(points.x, degree)
    count = points.x.shape[1]
    weight = l2 * np.diag(np.arange(degree + 1) > 0)
    hessian = np.einsum('spd,spe->sde', phi, phi) / count + weight
    target = np.einsum('spd,sp->sd', phi, points.y) / count
    # In the axes of the Hessian each coordinate goes its own way: after t steps it has made
    # 1 − (1 − 2ηs)ᵗ of its way to the minimum.
    curvature, axes = np.linalg.eigh(hessian)
    nothing = curvature <= 1e-12 * curvature[:, -1:]
    safe = np.where(nothing, 1, curvature)
    way = 1 / safe
    if steps:
        way = (1 - (1 - 2 * rate * safe) ** steps) / safe
    way = np.where(nothing, 2 * rate * steps, way)
    return np.einsum('sde,se,sfe,sf->sd', axes, way, axes, target)


def _full(config: settings.Penalty) -> float:
    """λ of λΣθ², whichever form the setting has."""
    return config.l2 * (0.5 if config.l2_form == 'half' else 1.0)


def _networks(setting: Setting, seed: int, points: Points, at: np.ndarray) -> np.ndarray:
    found = jax.vmap(_network, in_axes=(None, None, None, 0, 0, 0))(
        setting, seed, options(setting).steps, *(jnp.asarray(a, jnp.float32) for a in
                                              (points.x, points.y, at))
    )  # fmt: skip
    return np.asarray(found, np.float64)


@functools.partial(jax.jit, static_argnums=(0, 2))
def _network(
    setting: Setting, seed: int, steps: int, x: jax.Array, y: jax.Array, at: jax.Array
) -> jax.Array:
    """A network trained on points x, y [n], whole sample a step, at the places [places]."""
    network = models.build(trace.as_numbers(setting), 1)
    image = lambda x: x[:, None, None, None]
    variables = network.init(stream_key(seed, 'init'), image(x), train=False)
    optimiser = trace.made(setting, 'optimiser', lambda step: setting.optim.learning_rate)

    def step(i, state):
        """Parameters and state of the optimiser after one step more."""
        params, opt_state = state

        def loss(params):
            out: Any = network.apply(
                {'params': params},
                image(x),
                train=True,
                rngs={'dropout': stream_key(seed, 'dropout', i)},
            )
            return jnp.mean(jnp.square(out[:, 0] - y)) + penalty(params, setting.penalty)

        updates, opt_state = optimiser.update(jax.grad(loss)(params), opt_state, params)
        return optax.apply_updates(params, updates), opt_state

    start = variables['params'], optimiser.init(variables['params'])
    params, _ = jax.lax.fori_loop(0, steps, step, start)
    out: Any = network.apply({'params': params}, image(at), train=False)
    return out[:, 0]


def check(setting: Setting) -> None:
    """Whether what is fitted makes sense. Raises UserError."""
    asked = options(setting)
    if asked.regressor == 'polynomial':
        if setting.dropout.hidden:
            raise UserError('dropout.hidden: a polynomial has no units to drop; it must be 0')
        return
    if setting.model.name != 'mlp':
        raise UserError(f"model.name: '{setting.model.name}' takes images; it must be 'mlp'")
    if setting.model.norm in ('batch', 'ghost_batch'):
        raise UserError(
            f"model.norm: '{setting.model.norm}' is not for these networks; it must be 'none'"
        )
    if not asked.steps:
        raise UserError(
            f'{setting.study.name}.steps: a network needs steps of training; it must be > 0'
        )
