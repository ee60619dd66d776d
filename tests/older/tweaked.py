"""Does shrinking the hidden units help? (with a tweak of its own, known by its source then)"""

import jaxtweaks as jt


@jt.tweak('shrink', where='hidden', high=1.0)
def shrink(key, x, strength, train):
    return x * (1 - strength)


def get_config(size=None):
    config = jt.default_config('tweaked')
    config.size, config.seeds = size or 'smoke', 1
    config.data.name = 'digits'
    config.data.train_size, config.data.validation_size, config.data.test_size = 60, 20, 20
    config.model.name, config.model.hidden = 'mlp', (4,)
    config.optim.learning_rate = 0.05
    config.train.batch_size, config.train.epochs = 20, 2
    config.sweep = jt.grid('tweaks.shrink', 0.0, 0.5)
    config.execution.batching, config.execution.group_size = 'map', 1
    return config
