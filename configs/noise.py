"""Does a little noise on inputs, weights or labels regularise? (GENERAL, applying noise)

    python main.py --config=configs/noise.py

Four kinds, each alone at several levels, drawn again at every step: normal noise on the
standardised inputs; normal noise on the weights; labels replaced by another class; and label
smoothing, which is what replaced labels are on average and is not in the document. Labels are taken
to counter overconfidence: that of the network is its mean confidence less its accuracy on the test
set, shown as a reliability diagram. Many wrong labels make it underconfident, which is as wrong; so
the claims are of the expected calibration error, which is large either way. That noise on the
weights "encourages sensible predictions even for small perturbations of the weights" is asked of
the networks as they are with such noise at test.

Choices of this project: see `common.general_mlp`; the levels; "a little" is the smallest of them;
"regularises" is read as: the test loss is lower than without; a small perturbation has σ = 0.03,
which is about half of the spread of the initial weights of the first layer.

Expected (quick, MNIST, 3 minutes on two CPU cores; docs/results, 5 to 12 seeds by --until_settled):
1 of 7 claims supported, 1 contradicted, 5 open. Not settled: A little noise regularises: noise on
the inputs (σ), 0.1 against none (test loss, noise on the inputs [σ] 0.1 minus noise on the inputs
[σ] 0: +0.01004, 99.9% interval −0.06725 to +0.08732, 12 seeds); 3 of 3 claims that answer the
question are open.
"""

from configs import common
from jaxtweaks.config.expand import grid, union

KINDS = {
    'noise.input': ('noise on the inputs (σ)', (0.1, 0.3, 0.6, 1.0)),
    'noise.weights': ('noise on the weights (σ)', (0.01, 0.03, 0.06, 0.1)),
    'noise.labels': ('labels replaced', (0.05, 0.1, 0.2, 0.4)),
    'cross_entropy.smoothing': ('label smoothing ε', (0.05, 0.1, 0.2, 0.4)),
}
WEIGHTS, PERTURBED = 'noise.weights', 0.03
LABELS, SMOOTHING = 'noise.labels', 'cross_entropy.smoothing'


def get_config(size=None):
    """See the module's docstring."""
    config = common.general_mlp('noise', size)
    config.question = 'Does a little noise on inputs, weights or labels regularise?'
    config.document = 'GENERAL, applying noise'
    config.train.perturbation = PERTURBED
    some = slice(2) if config.size == 'smoke' else slice(None)
    config.sweep = union(*(grid(name, 0.0, *levels[some]) for name, (_, levels) in KINDS.items()))
    config.names = tuple((name, words) for name, (words, _) in KINDS.items())
    config.table = (
        'test_accuracy', 'test_loss', 'validation_loss', 'gap_accuracy', 'test_overconfidence',
        'test_calibration_error', 'perturbed_test_loss',
    )  # fmt: skip
    config.figures = _figures()
    config.claims = _claims()
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(
        config.claims,
        *(
            f'A little noise regularises: {words},'
            for name, (words, _) in KINDS.items()
            if name != SMOOTHING
        ),
    )
    return config


def _figures():
    """What is drawn."""
    return (
        *(
            {
                'name': name.partition('.')[2],
                'kind': 'effect',
                'title': f'Test error and loss against {words}',
                'metrics': ('1-test_accuracy', 'test_loss'),
                'x': name,
                'where': _alone(name),
            }
            for name, (words, _) in KINDS.items()
        ),
        {
            'name': 'perturbed',
            'kind': 'effect',
            'title': f'Test loss with noise on the weights (σ = {PERTURBED:g}) and without',
            'metrics': ('perturbed_test_loss', 'test_loss'),
            'x': WEIGHTS,
            'where': _alone(WEIGHTS),
        },
        *(
            {
                'name': f'reliability_{name.partition(".")[2]}',
                'kind': 'reliability',
                'title': f'Reliability on the test set: {KINDS[name][0]}',
                'hue': name,
                'where': _alone(name),
            }
            for name in (LABELS, SMOOTHING)
        ),
        {
            'name': 'overconfidence',
            'kind': 'effect',
            'title': 'Overconfidence on the test set against the share of replaced labels',
            'metrics': ('test_overconfidence', 'test_calibration_error'),
            'x': LABELS,
            'where': _alone(LABELS),
        },
    )


def _claims():
    """What is claimed."""
    return (
        *(
            {
                'sentence': f'A little noise regularises: {words}, {levels[0]:g} against none.',
                'source': _source(name),
                'kind': 'less',
                'metric': 'test_loss',
                **_little(name),
            }
            for name, (words, levels) in KINDS.items()
        ),
        *(
            {
                'sentence': f'{words} ({KINDS[name][1][0]:g} against none) lower overconfidence, '
                'as calibration error.',
                'source': _source(name),
                'kind': 'less',
                'metric': 'test_calibration_error',
                **_little(name),
            }
            for name, words in ((LABELS, 'Replaced labels'), (SMOOTHING, 'Smoothed labels'))
        ),
        {
            'sentence': 'Noise on the weights encourages sensible predictions for small '
            f'perturbations of them (σ = {PERTURBED:g} in training and at test, against none in '
            'training).',
            'source': 'GENERAL, applying noise',
            'kind': 'less',
            'metric': 'perturbed_test_loss',
            'where': _alone(WEIGHTS),
            'a': {WEIGHTS: PERTURBED},
            'b': {WEIGHTS: 0.0},
        },
    )


def _little(name):
    """The smallest level of one kind of noise against none, without the other kinds."""
    return {'where': _alone(name), 'a': {name: KINDS[name][1][0]}, 'b': {name: 0.0}}


def _source(name):
    """Where the document speaks of a kind of noise."""
    return 'beyond the document' if name == SMOOTHING else 'GENERAL, applying noise'


def _alone(name):
    """The settings without any other kind of noise."""
    return {other: 0.0 for other in KINDS if other != name}
