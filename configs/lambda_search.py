"""Which weight of the L2 penalty is best? (MLP-BN §5, Figures 10 and 11)

    python main.py --config=configs/lambda_search.py

The 3-layer network with batch norm at 10 random λ = 10^u, u ~ Uniform(−5, −1), beside the
document's default λ = 0.005. The document finds the best validation accuracy near λ = 0.0015, with
53% on test: no better than the default.

Choices of this project: see `common.mlp_bn`; the sample's seed. The document's
Figure 11, the confusion matrix at the best λ, is not drawn.
"""

from configs import common
from jaxtweaks.sweep.expand import grid, log_uniform, union

LAMBDA = 'penalty.l2'


def get_config(size=None):
    """See the module's docstring."""
    config = common.mlp_bn('lambda_search', size, hidden=(50, 50))
    config.question = 'Which weight of the L2 penalty is best?'
    config.document = 'MLP-BN §5, Figures 10 and 11'
    config.model.batch_norm = 'before'
    config.sweep = union(grid(LAMBDA, 0.005), log_uniform(LAMBDA, 1e-5, 1e-1, count=10, seed=0))
    config.names = ((LAMBDA, 'weight λ of the penalty'),)
    published = ((0.0015, 0.53, 'MLP-BN'),) if config.size == 'paper' else ()
    config.figures = (
        {
            'name': 'figure_10',
            'kind': 'effect',
            'title': 'Validation accuracy and loss against λ',
            'metrics': ('validation_accuracy', 'validation_loss'),
            'x': LAMBDA,
            'log_x': True,
        },
        {
            'name': 'test',
            'kind': 'effect',
            'title': 'Test accuracy against λ',
            'metrics': ('test_accuracy',),
            'x': LAMBDA,
            'log_x': True,
            'published': published,
        },
    )
    config.claims = (
        {
            'sentence': 'There is a region of best λ inside the range for validation accuracy.',
            'source': 'MLP-BN §5, Figure 10',
            'kind': 'peak',
            'metric': 'validation_accuracy',
            'along': LAMBDA,
            'goal': 'max',
        },
        {
            'sentence': 'The lower λ, the better the validation loss.',
            'source': 'MLP-BN §5, Figure 10',
            'kind': 'increasing',
            'metric': 'validation_loss',
            'along': LAMBDA,
        },
    )
    return config
