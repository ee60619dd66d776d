"""The optimisers: parts that give Optax transformations of traced numbers.

Each takes the learning rate, a function of the step, and returns what is added to the parameters.
"""

import jax
import jax.numpy as jnp
import optax

from jaxtweaks.config.fields import traced
from jaxtweaks.config.register import optimiser
from jaxtweaks.nn.dropout import is_off
from jaxtweaks.nn.weights import is_weight

Schedule = optax.Schedule
Number = jax.Array | float

_MOMENTUM = traced(
    0.9,
    'μ, the share of the velocity kept',
    low=0.0,
    high=1.0,
    words='momentum',
    former='optim.momentum',
)
_B1 = traced(
    0.9,
    'β₁, decay of the mean of gradients',
    low=0.0,
    high=1.0,
    words='β₁',
    former='optim.momentum',
)
_B2 = traced(
    0.999,
    'β₂, decay of the mean of squared gradients',
    low=0.0,
    high=1.0,
    words='β₂',
    former='optim.beta2',
)
_EPSILON = traced(1e-8, 'ε, added to the denominator', above=0.0, words='ε', former='optim.epsilon')


# Of optimisers that came later: no older folder has their numbers under other names.
_LATER_B1 = traced(0.9, 'β₁, decay of the mean of gradients', low=0.0, high=1.0, words='β₁')
_LATER_B2 = traced(
    0.999, 'β₂, decay of the mean of squared gradients', low=0.0, high=1.0, words='β₂'
)
_LATER_EPSILON = traced(1e-8, 'ε, added to the denominator', above=0.0, words='ε')
_LION_B1 = traced(0.9, 'β₁, weight of the mean in the sign', low=0.0, high=1.0, words='β₁')
_LION_B2 = traced(0.99, 'β₂, decay of the mean of gradients', low=0.0, high=1.0, words='β₂')
_WEIGHT_DECAY = traced(0.0, 'λ, decoupled weight decay', low=0.0, off=0.0, words='weight decay')


def _rounded(updates: optax.Updates, params: optax.Params | None = None) -> optax.Updates:
    """Updates that are rounded before a weight is added to them.

    LLVM makes one operation of a product and a sum, or two, by what else it compiles with them:
    what is off as a number that a program is given would have other last bits than the program
    without it. A barrier does not help, for XLA's CPU backend drops it before that; a choice
    between a product and the NaN that it is does.
    """
    del params
    return jax.tree.map(lambda u: jnp.where(jnp.isnan(u), jnp.nan, u), updates)


@optimiser('sgd', words='SGD')
def sgd(learning_rate: Schedule) -> optax.GradientTransformation:
    """−η g."""
    return optax.chain(optax.identity(), optax.scale_by_learning_rate(learning_rate))


@optimiser('sgd_shrink', words='SGD that shrinks weights')
def sgd_shrink(
    learning_rate: Schedule,
    *,
    shrink: Number = traced(
        0.0, 'λ: a step multiplies weights by 1 − 2λ', low=0.0, high=0.5, off=0.0, words='λ'
    ),
) -> optax.GradientTransformation:
    """W ← W(1 − 2λ) − η g, biases and normalisations' numbers without λ (GENERAL, weight decay).

    λ is not times η: a step on J = L + λ‖W‖² shrinks by 1 − 2ηλ.
    """

    def shrunk(updates: optax.Updates, params: optax.Params | None) -> optax.Updates:
        updates = _rounded(updates)
        if is_off(shrink):
            return updates

        def of_leaf(path, update, param):
            if not is_weight(path, param):
                return update
            return jnp.where(shrink > 0, update - 2 * shrink * param, update)

        return jax.tree_util.tree_map_with_path(of_leaf, updates, params)

    direction = optax.scale_by_learning_rate(learning_rate)
    return optax.chain(direction, optax.stateless(shrunk))


@optimiser('momentum', words='SGD with momentum')
def momentum(
    learning_rate: Schedule, *, momentum: Number = _MOMENTUM
) -> optax.GradientTransformation:
    """v ← μ v + g, then −η v (Polyak 1964)."""
    return optax.chain(optax.trace(momentum), optax.scale_by_learning_rate(learning_rate))


@optimiser('nesterov', words='Nesterov momentum')
def nesterov(
    learning_rate: Schedule, *, momentum: Number = _MOMENTUM
) -> optax.GradientTransformation:
    """v ← μ v + g, then −η (g + μ v) (Nesterov 1983, as in Sutskever et al. 2013)."""
    direction = optax.trace(momentum, nesterov=True)
    return optax.chain(direction, optax.scale_by_learning_rate(learning_rate))


@optimiser('adam', words='Adam')
def adam(
    learning_rate: Schedule,
    *,
    b1: Number = _B1,
    b2: Number = _B2,
    epsilon: Number = _EPSILON,
) -> optax.GradientTransformation:
    """Kingma and Ba 2014 (arXiv 1412.6980), Algorithm 1."""
    direction = optax.scale_by_adam(b1, b2, epsilon)
    return optax.chain(direction, optax.scale_by_learning_rate(learning_rate))


@optimiser('adamw', words='AdamW')
def adamw(
    learning_rate: Schedule,
    *,
    b1: Number = _B1,
    b2: Number = _B2,
    epsilon: Number = _EPSILON,
    weight_decay: Number = traced(
        0.0,
        'λ, decoupled weight decay',
        low=0.0,
        off=0.0,
        words='weight decay',
        former='optim.weight_decay',
    ),
) -> optax.GradientTransformation:
    """Adam plus −η λ w (Loshchilov and Hutter 2017, arXiv 1711.05101); λ not times η's peak."""
    direction = optax.scale_by_adam(b1, b2, epsilon)
    if not is_off(weight_decay):
        direction = optax.chain(direction, optax.add_decayed_weights(weight_decay))
    return optax.chain(
        direction, optax.scale_by_learning_rate(learning_rate), optax.stateless(_rounded)
    )


@optimiser('nadam', words='NAdam')
def nadam(
    learning_rate: Schedule,
    *,
    b1: Number = _LATER_B1,
    b2: Number = _LATER_B2,
    epsilon: Number = _LATER_EPSILON,
) -> optax.GradientTransformation:
    """Adam with Nesterov momentum (Dozat 2016), β₁ the same at all steps."""
    direction = optax.scale_by_adam(b1, b2, epsilon, nesterov=True)
    return optax.chain(direction, optax.scale_by_learning_rate(learning_rate))


@optimiser('radam', words='RAdam')
def radam(
    learning_rate: Schedule,
    *,
    b1: Number = _LATER_B1,
    b2: Number = _LATER_B2,
    epsilon: Number = _LATER_EPSILON,
) -> optax.GradientTransformation:
    """Rectified Adam (Liu et al. 2019, arXiv 1908.03265, Algorithm 2).

    The mean of gradients alone until the variance of the step is known: while ρ < 5, as in the
    authors' code (4 in the paper).
    """
    direction = optax.scale_by_radam(b1, b2, epsilon)
    return optax.chain(direction, optax.scale_by_learning_rate(learning_rate))


@optimiser('lamb', words='LAMB')
def lamb(
    learning_rate: Schedule,
    *,
    b1: Number = _LATER_B1,
    b2: Number = _LATER_B2,
    epsilon: Number = _LATER_EPSILON,
    weight_decay: Number = _WEIGHT_DECAY,
) -> optax.GradientTransformation:
    """AdamW's step times ‖w‖ / ‖step‖, array by array (You et al. 2019, arXiv 1904.00962).

    Times 1 where one of the two norms is 0.
    """
    direction = optax.scale_by_adam(b1, b2, epsilon)
    if not is_off(weight_decay):
        direction = optax.chain(direction, optax.add_decayed_weights(weight_decay))
    by_norm = optax.scale_by_trust_ratio()
    return optax.chain(direction, by_norm, optax.scale_by_learning_rate(learning_rate))


@optimiser('lion', words='Lion')
def lion(
    learning_rate: Schedule,
    *,
    b1: Number = _LION_B1,
    b2: Number = _LION_B2,
    weight_decay: Number = _WEIGHT_DECAY,
) -> optax.GradientTransformation:
    """The sign of β₁ m + (1 − β₁) g, plus λ w (Chen et al. 2023, arXiv 2302.06675, Program 1)."""
    direction = optax.scale_by_lion(b1, b2)
    if not is_off(weight_decay):
        direction = optax.chain(direction, optax.add_decayed_weights(weight_decay))
    return optax.chain(direction, optax.scale_by_learning_rate(learning_rate))


@optimiser('adagrad', words='AdaGrad')
def adagrad(
    learning_rate: Schedule,
    *,
    start: Number = traced(0.1, 'what the sum of squared gradients starts at', low=0.0),
    epsilon: Number = traced(1e-7, 'ε, added under the root', above=0.0, words='ε'),
) -> optax.GradientTransformation:
    """v ← v + g², then −η g / √(v + ε) (Duchi et al. 2011)."""
    direction = optax.scale_by_rss(start, epsilon)
    return optax.chain(direction, optax.scale_by_learning_rate(learning_rate))


@optimiser('rmsprop', words='RMSprop')
def rmsprop(
    learning_rate: Schedule, *, decay: Number = _B2, epsilon: Number = _EPSILON
) -> optax.GradientTransformation:
    """v ← β₂ v + (1 − β₂) g², then −η g / (√v + ε) (Hinton's lecture 6e)."""
    direction = optax.scale_by_rms(decay, epsilon, eps_in_sqrt=False)
    return optax.chain(direction, optax.scale_by_learning_rate(learning_rate))
