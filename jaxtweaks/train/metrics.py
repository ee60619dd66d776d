"""Metrics of whole splits.

The built-in ones are registered here as a user's are. A function takes all outputs and targets of
a split, both [N, outputs]: numbers in the unit of the target; or, of several labels, logits and
0 or 1. Of classes it takes logits [N, classes] and labels [N].
"""

import jax
import jax.numpy as jnp
import optax

from jaxtweaks.config.register import metric


@metric('mse', label='mean squared error', better='low', targets='float')
def mse(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean of the squared errors, over all examples and outputs; in the unit of the target²."""
    return jnp.mean(jnp.square(outputs - targets))


@metric('rmse', label='RMSE', better='low', targets='float')
def rmse(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Root of the mean squared error; in the unit of the target."""
    return jnp.sqrt(mse(outputs, targets))


@metric('mae', label='mean absolute error', better='low', targets='float')
def mae(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean of the absolute errors, over all examples and outputs; in the unit of the target."""
    return jnp.mean(jnp.abs(outputs - targets))


@metric('r2', label='R²', better='high', targets='float')
def r2(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Share of the variance explained, 1 − Σ(y − ŷ)² / Σ(y − ȳ)², the mean over outputs.

    0 is a network that always says the mean of the split; below 0 it is worse than that.
    """
    spread = jnp.sum(jnp.square(targets - jnp.mean(targets, 0, keepdims=True)), 0)
    return jnp.mean(1 - jnp.sum(jnp.square(outputs - targets), 0) / spread)


@metric(
    'label_accuracy',
    label='accuracy of single labels',
    unit='%',
    better='high',
    targets='multilabel',
)
def label_accuracy(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Share of all labels of all examples that are right, a label being 1 above probability ½."""
    return jnp.mean((outputs > 0) == (targets > 0.5))


@metric(
    'exact_match', label='share with all labels right', unit='%', better='high',
    targets='multilabel',
)  # fmt: skip
def exact_match(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Share of the examples of which every label is right."""
    return jnp.mean(jnp.all((outputs > 0) == (targets > 0.5), -1))


@metric('micro_f1', label='F₁ over all labels', unit='%', better='high', targets='multilabel')
def micro_f1(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """2 tp / (2 tp + fp + fn), counted over all labels of all examples; 0 where there is none."""
    said, true = outputs > 0, targets > 0.5
    hits, wrong = jnp.sum(said & true), jnp.sum(said != true)
    return 2 * hits / jnp.maximum(2 * hits + wrong, 1)


@metric(
    'loss_deviation',
    label='standard deviation of the loss over examples',
    better='low',
    targets='classes',
)
def loss_deviation(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """How unevenly examples are fitted: of their cross-entropy, in nats."""
    return jnp.std(optax.softmax_cross_entropy_with_integer_labels(outputs, targets))


@metric(
    'loss_variation',
    label='standard deviation of the loss over examples, divided by its mean',
    better='low',
    targets='classes',
)
def loss_variation(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """`loss_deviation` as a multiple of the mean cross-entropy; 0 where all losses are 0."""
    losses = optax.softmax_cross_entropy_with_integer_labels(outputs, targets)
    return jnp.std(losses) / jnp.maximum(jnp.mean(losses), jnp.finfo(losses.dtype).tiny)
