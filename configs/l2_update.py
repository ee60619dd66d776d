"""Is the lecture's update of L2 a step of gradient descent on its objective? (GENERAL, L2)

    python main.py --config=configs/l2_update.py

The lecture has J(W) = L(W) + λ‖W‖² and writes the update as W ← W(1 − 2λ) − α∇L(W). Gradient
descent on J at rate α is W ← W(1 − 2αλ) − α∇L(W): it shrinks by a factor that depends on the rate.
Both are trained, with the same λ; and the lecture's with αλ in place of λ, which is the same
arithmetic, up to rounding. Biases are not shrunk ("usually applied to the weights but not the
biases").

Choices of this project: see `common.general_mlp`, but plain SGD, as the formula has it, at 0.1; λ
of 1e-4 and 5e-4; that two trainings are the same is read as: the norm of the weights at the end
differs by less than 0.1.

Expected (quick, MNIST, about 1 minute on two CPU cores; docs/results, 12 seeds by --until_settled):
2 of 4 claims supported, 2 contradicted. No, this is contradicted: W ← W(1 − 2λ) − α∇L is the step
on J = L + λ‖W‖², λ = 0.0001: the norm of the weights ends the same (within 0.1; measured: −2.949,
99.5% interval −2.962 to −2.936, 5 seeds); 1 further claim does not hold either.
"""

from configs import common
from jaxtweaks.config.expand import points

NAME, L2, SHRINK = 'optim.name', 'penalty.l2', 'sgd_shrink.shrink'
ARM = f'{NAME} + {L2} + {SHRINK}'
# Their ratio is not the rate: W(1 − 2λ) with the one would be W(1 − 2αλ) with the other.
WEIGHTS = (1e-4, 5e-4)
RATE = 0.1


def get_config(size=None):
    """See the module's docstring."""
    config = common.general_mlp('l2_update', size)
    config.question = "Is the lecture's update of L2 a step of gradient descent on its objective?"
    config.document = 'GENERAL, L2 regularization'
    config.optim.learning_rate = RATE
    config.penalty.l2_form = 'full'
    arms = {'no penalty': ('sgd', 0.0, 0.0)}
    for weight in WEIGHTS:
        arms |= {
            f'descent on J, λ = {weight:g}': ('sgd', weight, 0.0),
            f'W(1 − 2λ) − α∇L, λ = {weight:g}': ('sgd_shrink', 0.0, weight),
            f'W(1 − 2αλ) − α∇L, λ = {weight:g}': ('sgd_shrink', 0.0, RATE * weight),
        }
    config.sweep = points(*map(_arm, arms.values()))
    config.names = ((ARM, 'update'), *((f'{ARM}={arm}', words) for words, arm in arms.items()))
    config.table = ('test_accuracy', 'train_loss', 'gap_accuracy', 'weight_norm')
    config.figures = (
        {
            'name': 'by_epoch',
            'kind': 'curves',
            'title': 'Norm of the weights and training loss by epoch',
            'metrics': ('weight_norm', 'train_loss'),
            'hue': ARM,
        },
        {
            'name': 'at_the_end',
            'kind': 'effect',
            'title': 'Norm of the weights and test error at the end',
            'metrics': ('weight_norm', '1-test_accuracy'),
            'x': ARM,
        },
    )
    config.claims = tuple(
        {
            'sentence': f'{update} is the step on J = L + λ‖W‖², λ = {weight:g}: the norm of the '
            'weights ends the same (within 0.1).',
            'source': source,
            'kind': 'equivalent',
            'metric': 'weight_norm',
            'a': {ARM: (('sgd_shrink', 0.0, factor * weight),)},
            'b': {ARM: (('sgd', weight, 0.0),)},
            'margin': 0.1,
        }
        for weight in WEIGHTS
        for update, factor, source in (
            ('W ← W(1 − 2λ) − α∇L', 1, 'GENERAL, L2 regularization'),
            ('W ← W(1 − 2αλ) − α∇L', RATE, 'beyond the document (with λ times α)'),
        )
    )
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(config.claims, 'W ← W(1 − 2λ)')
    return config


def _arm(values):
    """The setting of these values; plain SGD does not read the last."""
    found = dict(zip((NAME, L2, SHRINK), values, strict=True))
    return found if found[NAME] == 'sgd_shrink' else {NAME: found[NAME], L2: found[L2]}
