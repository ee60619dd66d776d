"""Does momentum help, by a loss and a metric of its own? (the metric was no part of a run then)"""

import jax.numpy as jnp

import jaxtweaks as jt


@jt.metric('spread', better='high')
def spread(outputs, targets):
    return jnp.mean(jnp.max(outputs, axis=-1) - jnp.min(outputs, axis=-1))


@jt.loss('brier', metrics=jt.CLASSIFICATION)
def brier(outputs, targets):
    return jnp.sum((jnp.exp(outputs) / jnp.exp(outputs).sum(-1, keepdims=True) - targets) ** 2, -1)


def get_config(size=None):
    config = jt.default_config('measured')
    config.size, config.seeds = size or 'smoke', 1
    config.data.name = 'digits'
    config.data.train_size, config.data.validation_size, config.data.test_size = 60, 20, 20
    config.model.name, config.model.hidden = 'mlp', (4,)
    config.loss.name = 'brier'
    config.optim.name, config.optim.learning_rate = 'momentum', 0.05
    config.train.batch_size, config.train.epochs = 20, 2
    config.train.metrics = ('spread',)
    config.sweep = jt.grid('momentum.momentum', 0.5, 0.9)
    config.execution.batching, config.execution.group_size = 'map', 1
    return config
