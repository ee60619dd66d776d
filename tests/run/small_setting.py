"""A network that trains in a moment, with 4 steps an epoch: 50 images in batches of 16."""

from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting

SMALL = trace.replace(
    Setting(),
    {
        'data.name': 'digits',
        'data.split': 'random',  # some tests go by which runs stop when
        'data.train_size': 50,
        'data.validation_size': 40,
        'data.test_size': 40,
        'model.name': 'mlp',
        'model.hidden': (6,),
        'model.norm': 'batch',
        'dropout.hidden': 0.3,
        'train.batch_size': 16,
        'train.select': 'best_loss',
        'train.train_eval_size': 20,
    },
)
