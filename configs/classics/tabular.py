"""Do regularisers together make a plain network good on a small table? (Kadra et al. 2021)

    python main.py --config=configs/classics/tabular.py

A. Kadra, M. Lindauer, F. Hutter, J. Grabocka, *Well-tuned Simple Nets Excel on Tabular Datasets*
(2021), arXiv 2106.11189. A plain MLP is to be brought up to the best methods for tables by several
regularisers at once. Here it predicts how far a disease progresses from ten numbers of 442 patients
(`diabetes`, embedded in scikit-learn): without regularisers, with weight decay, dropout or early
stopping (the epoch that is best on validation), and with all three; and next to it the network
without regularisers and nonlinearities, which is linear regression. The error is the root of the
mean square, in the unit of the table, whose standard deviation is 77.

What differs from the paper: 40 tables of classes, 13 regularisers chosen by a search, and gradient
boosting to compare with there; one table of numbers, three regularisers of one strength and no
search here. Two hidden layers of 256 ReLU units, 300 epochs (`quick`: 64 units, 150 epochs), AdamW
at 0.001 with a decay of 1, a drop rate of 0.3. What
so few patients say is a matter of luck: of the 354 that are not the test set 290 are held out once
each, by tenths (`quick`: quarters), and each seed has the mean error over these folds; 64 are there
to stop by. Seeds differ in their initial weights and batches, not in the folds, so that the claims
are of these patients. The smallest difference that matters is 0.5, about 1% of the error.

Expected (quick, diabetes, about 1 minute on two CPU cores; docs/results, 8 seeds by
--until_settled): 8 of 8 claims supported. Yes: Weight decay, dropout and early stopping together
lower the error of a plain network on the held-out folds (RMSE on the held-out fold, all three minus
no regulariser: −14.78, 99% interval −16.41 to −13.15, 5 seeds); 1 further claim holds as well.
"""

from configs import common
from jaxtweaks.config.expand import grid, points, product

FOLD, UNIT = 'data.fold', 'model.activation'
DECAY, DROP, SELECT = 'adamw.weight_decay', 'dropout.hidden', 'train.select'
RECIPE = f'{UNIT} + {DECAY} + {DROP} + {SELECT}'
TOGETHER = 'all three'
SINGLY = ('weight decay', 'dropout', 'early stopping')
ERROR = 'fold_rmse'
# By words, the values of the fields of `RECIPE`.
RECIPES = {
    'no regulariser': ('relu', 0.0, 0.0, 'last'),
    'weight decay': ('relu', 1.0, 0.0, 'last'),
    'dropout': ('relu', 0.0, 0.3, 'last'),
    'early stopping': ('relu', 0.0, 0.0, 'best_rmse'),
    TOGETHER: ('relu', 1.0, 0.3, 'best_rmse'),
    'linear regression': ('identity', 0.0, 0.0, 'last'),
}


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('tabular', size)
    config.question = 'Do regularisers together make a plain network good on a small table?'
    config.document = 'Kadra et al. 2021, arXiv 2106.11189'
    config.data.name, config.loss.name, config.model.name = 'diabetes', 'mse', 'mlp'
    config.data.train_size, config.data.validation_size = 290, 64
    config.optim.name = 'adamw'
    config.train.train_eval_size = 290
    folds, config.model.hidden, config.train.epochs = {
        'smoke': (2, (8,), 2),
        'quick': (4, (64, 64), 150),
        'paper': (10, (256, 256), 300),
    }[config.size]
    config.data.folds = folds
    config.sweep = product(
        grid(FOLD, *range(1, folds + 1)),
        points(*(dict(zip(RECIPE.split(' + '), one, strict=True)) for one in RECIPES.values())),
    )
    config.names = (
        (RECIPE, 'network'),
        *((f'{RECIPE}={one}', words) for words, one in RECIPES.items()),
        (FOLD, 'held-out fold'),
    )
    config.table = (ERROR, 'train_rmse', 'test_rmse')
    config.figures = (
        {
            'name': 'error',
            'kind': 'effect',
            'title': 'Error of each network on the held-out fold and in training',
            'metrics': (ERROR, 'train_rmse'),
            'x': RECIPE,
            'hue': FOLD,
        },
        {
            'name': 'by_epoch',
            'kind': 'curves',
            'title': 'Validation error by epoch, without the first fold',
            'metrics': ('validation_rmse',),
            'hue': RECIPE,
            'where': {FOLD: 1},
        },
    )
    config.claims = _claims({words: {RECIPE: (one,)} for words, one in RECIPES.items()})
    return config


def _claims(recipes):
    """What is claimed; `recipes`: the conditions of each, by words."""
    less = {'kind': 'less', 'metric': ERROR, 'smallest': 0.5}
    together, none = recipes[TOGETHER], recipes['no regulariser']
    return (
        {
            'sentence': 'Weight decay, dropout and early stopping together lower the error of a '
            'plain network on the held-out folds.',
            'source': 'Kadra et al. 2021',
            'a': together,
            'b': none,
            'answers': True,
            **less,
        },
        {
            'sentence': 'With all three its error on the held-out folds is lower than that of '
            'linear regression.',
            'source': 'Kadra et al. 2021 (gradient boosting there)',
            'a': together,
            'b': recipes['linear regression'],
            'answers': True,
            **less,
        },
        *(
            {
                'sentence': f'Alone {words} lowers the error on the held-out folds.',
                'source': 'beyond the paper',
                'a': recipes[words],
                'b': none,
                **less,
            }
            for words in SINGLY
        ),
        *(
            {
                'sentence': f'All three lower the error on the held-out folds more than '
                f'{words} alone.',
                'source': 'Kadra et al. 2021',
                'a': together,
                'b': recipes[words],
                **less,
            }
            for words in SINGLY
        ),
    )
