"""Does momentum help? (so small that what it leaves can be kept next to the tests)"""

import jaxtweaks as jt


def get_config(size=None):
    config = jt.default_config('network')
    config.size, config.seeds = size or 'smoke', 1
    config.data.name = 'digits'
    config.data.train_size, config.data.validation_size, config.data.test_size = 60, 20, 20
    config.model.name, config.model.hidden = 'mlp', (4,)
    config.optim.name, config.optim.learning_rate = 'momentum', 0.05
    config.train.batch_size, config.train.epochs = 20, 2
    config.sweep = jt.grid('optim.momentum', 0.5, 0.9)
    config.execution.batching, config.execution.group_size = 'map', 1
    return config
