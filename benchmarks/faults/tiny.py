"""A question so small that it can be asked hundreds of times, of everything that has a state."""

from jaxtweaks.config.expand import grid
from jaxtweaks.lab.experiment import default_config

EPOCHS = 8


def get_config(size=None):
    """Three groups of two runs of one program: digits, an MLP, saved after every step."""
    config = default_config('tiny')
    config.size, config.seeds = 'smoke', 2
    config.question = 'Is it all there?'
    config.data.name = 'digits'
    config.data.train_size, config.data.validation_size, config.data.test_size = 60, 40, 30
    config.model.name, config.model.hidden, config.model.norm = 'mlp', (8,), 'batch'
    config.dropout.hidden = 0.2
    config.optim.name, config.optim.learning_rate = 'momentum', 0.05
    config.schedule.name, config.schedule.warmup_epochs = 'cosine', 1.5
    config.shift.pixels = 1.0
    config.noise.labels = 0.1
    config.train.batch_size, config.train.epochs = 20, EPOCHS
    config.train.select, config.train.patience = 'best_loss', 2.0
    config.train.min_improvement = 0.05
    config.train.ema_decay, config.train.snapshots = 0.9, 3
    config.train.keep_logits = True  # the parameters that were chosen, as the results show them
    config.sweep = grid('momentum.momentum', 0.5, 0.9, 1.0)
    config.execution.batching, config.execution.group_size = 'map', 2
    config.execution.chunk_seconds, config.execution.checkpoint_seconds = 1e-9, 0.0
    config.figures = (
        {
            'name': 'curves',
            'kind': 'curves',
            'title': 'By epoch',
            'metrics': ('validation_loss',),
            'hue': 'momentum.momentum',
        },
    )
    config.claims = (
        {
            'sentence': 'More momentum helps.',
            'source': '§1',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'a': {'momentum.momentum': 0.9},
            'b': {'momentum.momentum': 0.5},
        },
    )
    return config
