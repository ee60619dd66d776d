"""Does SGD generalise better than adaptive methods, each at its best rate? (Wilson et al. 2017)

    python main.py --config=configs/classics/adaptive_methods.py

A. C. Wilson, R. Roelofs, M. Stern, N. Srebro, B. Recht, *The Marginal Value of Adaptive Gradient
Methods in Machine Learning* (2017), arXiv 1705.08292. Five optimisers, each at several learning
rates that include the one the paper chose for it; the rate of each is then chosen by the validation
accuracy, seed by seed, as the derivation `tuned` of this file does it.

What differs from the paper: VGG with batch norm and dropout on all of CIFAR-10 for 250 epochs
there, the CNN of ROLE §2 with batch norm here, 40 epochs (`quick`: a quarter of its channels, 2,000
images, 10 epochs); the rate is constant and not decayed; the grids of rates are ours, by factors of
about three.

Expected: not measured yet.
"""

import dataclasses

import numpy as np

import jaxtweaks as jt
from configs import common
from jaxtweaks.config.expand import grid, product, union

NAME, RATE, CHOSEN = 'optim.name', 'optim.learning_rate', 'tuned.setting'
RATES = {
    'sgd': (0.05, 0.15, 0.5, 1.5),
    'momentum': (0.015, 0.05, 0.15, 0.5),
    'adagrad': (0.003, 0.01, 0.03, 0.1),
    'rmsprop': (0.0003, 0.001, 0.003, 0.01),
    'adam': (0.0003, 0.001, 0.003, 0.01),
}
WORDS = {
    'sgd': 'SGD', 'momentum': 'heavy ball', 'adagrad': 'AdaGrad', 'rmsprop': 'RMSProp',
    'adam': 'Adam',
}  # fmt: skip


@jt.derivation('tuned')
class Tuned(jt.Derivation):
    """Adds each optimiser at the rate of its highest validation accuracy, seed by seed."""

    def points(self, points, base):
        """Each setting, and of each optimiser the tuned one, whose rate has no value."""
        return [
            *(point | {CHOSEN: 'each'} for point in points),
            *({NAME: name, RATE: None, CHOSEN: 'tuned'} for name in _optimisers(points)),
        ]

    def results(self, results, base):
        """With the run of each seed that is best on validation; the first of equals."""
        score = np.where(results.diverged, -np.inf, results.final('validation_accuracy'))
        score = np.where(np.isfinite(score), score, -np.inf)
        rows = []
        for name in _optimisers(results.settings):
            own = np.array([k for k, p in enumerate(results.settings) if p[NAME] == name])
            rows.append(own[score[own].argmax(axis=0)])
        chosen, seeds = np.stack(rows), np.arange(len(results.seeds))

        def more(values):
            return np.concatenate([values, values[chosen, seeds]])

        return dataclasses.replace(
            results,
            settings=tuple(self.points(results.settings, base)),
            curves={name: more(values) for name, values in results.curves.items()},
            finals={name: more(values) for name, values in results.finals.items()},
            confusion=more(results.confusion),
            chosen_epoch=more(results.chosen_epoch),
            diverged_at=more(results.diverged_at),
            arrays={name: more(values) for name, values in results.arrays.items()},
        )


def _optimisers(points):
    return list(dict.fromkeys(point[NAME] for point in points))


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('adaptive_methods', size)
    config.question = 'Does SGD generalise better than adaptive methods, each at its best rate?'
    config.document = 'Wilson et al. 2017, arXiv 1705.08292'
    config.model.norm = 'batch'
    rates = RATES
    if config.size == 'quick':
        config.data.train_size, config.train.epochs = 2_000, 10
    elif config.size == 'paper':
        config.train.epochs = 40
    else:
        common.as_mlp(config)
        rates = {name: RATES[name][1:3] for name in ('momentum', 'adam')}
    config.sweep = union(
        *(product(grid(NAME, name), grid(RATE, *values)) for name, values in rates.items())
    )
    config.derive = ('tuned',)
    config.names = (
        (NAME, 'optimiser'),
        *((f'{NAME}={name}', WORDS[name]) for name in rates),
        (RATE, 'learning rate'),
        (CHOSEN, 'rate'),
    )
    config.figures = (
        common.error_by_rate(NAME, where={CHOSEN: 'each'}),
        {
            'name': 'tuned',
            'kind': 'curves',
            'title': 'Accuracy by epoch, each optimiser at its best rate',
            'metrics': ('train_accuracy', 'validation_accuracy'),
            'hue': NAME,
            'where': {CHOSEN: 'tuned'},
        },
    )
    published = {'rmsprop': {'SGD': 0.9235, 'RMSProp': 0.9040}}
    config.claims = common.that_matter(
        tuple(
            {
                'sentence': f'At their best rates {WORDS[one]} tests better than {WORDS[other]}.',
                'source': 'Wilson et al. 2017, §4.2',
                'kind': 'greater',
                'metric': 'test_accuracy',
                'a': {CHOSEN: 'tuned', NAME: one},
                'b': {CHOSEN: 'tuned', NAME: other},
                'answers': True,
                **({'published': published[other]} if one == 'sgd' and other in published else {}),
            }
            for one in ('sgd', 'momentum')
            for other in ('adagrad', 'rmsprop', 'adam')
            if {one, other} <= set(rates)
        )
    )
    return config
