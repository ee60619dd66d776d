"""Does the best decay stay where it is when the rate changes? (Loshchilov and Hutter 2019)

    python main.py --config=configs/classics/decoupled_decay.py

I. Loshchilov, F. Hutter, *Decoupled Weight Decay Regularization* (2019), arXiv 1711.05101. Adam
with an L2 penalty against AdamW, each at every pair of a learning rate and a decay λ. The paper's
Figure 2 shows that the best λ depends on the rate with the penalty and not with AdamW. Here the
derivation `best_decay` of this file finds log10 of the λ of the lowest validation loss, for each
optimiser, rate and seed.

What differs from the paper: a ResNet 26 2×64d on CIFAR-10 for 100 epochs there, an MLP on a part of
MNIST here (see `common.general_mlp`). AdamW of this package multiplies its λ by the rate, that of
the paper does not; so its λ here is the paper's divided by the rate, and the figures have the
paper's. "Does not move" is read as: by less than half a decade, one step of the grid, when the rate
grows tenfold. The λ of the penalty go up to 0.3, those of AdamW to 0.01: at first both ended at
0.01, where the penalty at the smallest rate was best with all five seeds. The paper's rates follow
a cosine and its λ is chosen by the test error; here the rate is constant, and validation decides.

Expected (quick, MNIST, about 6 minutes on two CPU cores; docs/results, 5 seeds by --until_settled):
0 of 2 claims supported, 2 open. Not settled: With AdamW the best decay does not move with the rate
(best decay, AdamW, learning rate 0.003 minus learning rate 0.0003: +0.6998, 96% interval +0.3323 to
+1.067, 5 seeds); 2 of 2 claims are open.
"""

import dataclasses
import itertools
import math

import numpy as np

import jaxtweaks as jt
from configs import common
from jaxtweaks.config.expand import grid, points, product, union

NAME, RATE, DECAY = 'optim.name', 'optim.learning_rate', 'decay'
L2, ADAMW, BEST = 'penalty.l2', 'adamw.weight_decay', 'best_decay'


@jt.derivation('best_decay')
class BestDecay(jt.Derivation):
    """Adds the decay of the paper as a field, and log10 of the best one as a metric."""

    def points(self, points, base):
        """With the decay that is not multiplied by the rate."""
        return [point | {DECAY: _decay(point)} for point in points]

    def recorded(self, recorded, base):
        """With the new metric."""
        return dataclasses.replace(recorded, finals=(*recorded.finals, BEST))

    def results(self, results, base):
        """The same number for all decays of an optimiser and a rate."""
        found = self.points(results.settings, base)
        loss = results.final('validation_loss')
        loss = np.where(results.diverged | ~np.isfinite(loss), np.inf, loss)
        best = np.empty_like(loss)
        for key in {(point[NAME], point[RATE]) for point in found}:
            rows = [k for k, point in enumerate(found) if (point[NAME], point[RATE]) == key]
            decays = np.log10([found[k][DECAY] for k in rows])
            best[rows] = decays[loss[rows].argmin(axis=0)]
        finals = {**results.finals, BEST: best}
        return dataclasses.replace(results, settings=tuple(found), finals=finals)


def _decays(decades, step):
    """λ from 1e-5 on over so many decades, in steps of so many."""
    return [10.0 ** (-5 + k * step) for k in range(math.floor(decades / step) + 1)]


def _for_adamw(decay, rate):
    """λ of this package for one of the paper; with four digits, which tables can show."""
    return float(f'{decay / rate:.4g}')


def _decay(point):
    """λ of the paper, with three digits: what is divided and multiplied again is rounded."""
    decay = point[L2] if point[NAME] == 'adam' else point[ADAMW] * point[RATE]
    return float(f'{decay:.2e}')


def get_config(size=None):
    """See the module's docstring."""
    config = common.general_mlp('decoupled_decay', size)
    config.question = 'Does the best decay stay where it is when the rate changes?'
    config.document = 'Loshchilov and Hutter 2019, arXiv 1711.05101'
    rates, step = (3e-4, 1e-3, 3e-3), 0.5
    if config.size == 'smoke':
        rates, step = (1e-3, 3e-3), 1.5
    config.sweep = union(_of_adam(rates, step), _of_adamw(rates, step))
    config.derive = ('best_decay',)
    config.names = (
        (NAME, 'optimiser'),
        (f'{NAME}=adam', 'Adam + L2'),
        (f'{NAME}=adamw', 'AdamW'),
        (RATE, 'learning rate'),
        (DECAY, 'decay λ'),
    )
    config.table = ('test_accuracy', 'validation_loss', 'test_loss', BEST)
    config.figures = _figures()
    config.claims = common.that_matter(_claims(rates))
    return config


def _of_adam(rates, step):
    """Adam with every λ of the penalty; `step`: decades from one to the next."""
    return product(grid(NAME, 'adam'), grid(RATE, *rates), grid(L2, *_decays(4.5, step)))


def _of_adamw(rates, step):
    """AdamW with every λ of the paper."""
    pairs = itertools.product(rates, _decays(3, step))
    decayed = ({RATE: rate, ADAMW: _for_adamw(decay, rate)} for rate, decay in pairs)
    return product(grid(NAME, 'adamw'), points(*decayed))


def _figures():
    """What is drawn."""
    of_each = {'kind': 'effect', 'x': DECAY, 'hue': RATE, 'panels': NAME, 'log_x': True}
    return (
        {
            'name': 'figure_2',
            'title': 'Validation loss against the decay, for each learning rate',
            'metrics': ('validation_loss',),
            **of_each,
        },
        {
            'name': 'test_error',
            'title': 'Test error against the decay, for each learning rate',
            'metrics': ('1-test_accuracy',),
            **of_each,
        },
    )


def _claims(rates):
    """What is claimed, of the largest rate next to the smallest."""
    return tuple(
        {
            'sentence': sentence,
            'source': 'Loshchilov and Hutter 2019, Figure 2',
            'kind': kind,
            'metric': BEST,
            'a': {NAME: name, RATE: rates[-1]},
            'b': {NAME: name, RATE: rates[0]},
            'margin': 0.5,
            'answers': True,
        }
        for name, kind, sentence in (
            ('adamw', 'equivalent', 'With AdamW the best decay does not move with the rate.'),
            ('adam', 'different', 'With Adam and an L2 penalty the best decay moves with it.'),
        )
    )
