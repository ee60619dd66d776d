"""Which scaled initialisation is best? (ROLE §6.2, Figure 7)

    python main.py --config=configs/init_scaled.py

The CNN of ROLE §2 with LeCun (σ² = 1/N), Glorot (2/(N_in + N_out)) and He (2/N) weights, normal and
uniform, next to plain random weights with σ = 0.05, the middle of the document's good range.

Figure 7 is lost from the text, and nothing says what it draws. As Figure 6 it may be the training
loss; as the document is about generalisation, the validation loss. Each sentence is asked of both:
of the training loss at the end, and of the least validation loss of a run.

Choices of this project: see `common.role_cnn`; "a little bit the same" is read as a difference
below 0.05 in the loss. At `quick` the network is narrower and the plain σ is twice as large
(`common.sigma_scale`), or it would be worse by construction; it has 6 epochs.

Expected (quick, about 2 minutes on two CPU cores; docs/results, 5 to 32 seeds by --until_settled):
4 of 12 claims supported, 4 contradicted, 2 negligible, 2 open. In part as claimed: 1 of 4 claims
that answer the question holds, 2 do not, 1 is not settled. What holds: LeCun generalises better
than He (validation loss in the best epoch, LeCun minus He: −0.08633, 99.6% interval −0.1259 to
−0.04679, 8 seeds). What does not: LeCun trains better than He (training loss, LeCun minus He:
+0.1162, 99.4% interval +0.07155 to +0.1608, 5 seeds).
"""

from configs import common
from jaxtweaks.config.expand import grid, product

SCHEME, DISTRIBUTION = 'init.scheme', 'init.distribution'
SCALED = {'lecun': 'LeCun', 'glorot': 'Glorot', 'he': 'He'}


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('init_scaled', size)
    config.question = 'Which scaled initialisation is best?'
    config.document = 'ROLE §6.2, Figure 7'
    sigma = 0.05 * common.sigma_scale(config)
    config.sigma.sigma = sigma
    config.sweep = product(grid(SCHEME, *SCALED, 'sigma'), grid(DISTRIBUTION, 'normal', 'uniform'))
    if config.size == 'quick':
        config.train.epochs = 6
    config.names = (
        (SCHEME, 'scheme'),
        (DISTRIBUTION, 'distribution'),
        *((f'{SCHEME}={scheme}', words) for scheme, words in SCALED.items()),
        (f'{SCHEME}=sigma', f'σ = {sigma:g}'),
    )
    config.figures = (
        {
            'name': 'figure_7',
            'kind': 'curves',
            'title': 'Training loss by epoch',
            'metrics': ('train_loss',),
            'hue': SCHEME,
            'panels': DISTRIBUTION,
        },
        {
            'name': 'validation',
            'kind': 'curves',
            'title': 'Validation loss by epoch',
            'metrics': ('validation_loss',),
            'hue': SCHEME,
            'panels': DISTRIBUTION,
        },
        {
            'name': 'by_scheme',
            'kind': 'effect',
            'title': 'Training loss and test accuracy at the end',
            'metrics': ('train_loss', 'test_accuracy'),
            'x': SCHEME,
            'hue': DISTRIBUTION,
        },
    )
    config.claims = (
        *_claims('trains', 'the training loss', {'metric': 'train_loss'}),
        *_claims(
            'generalises',
            'the least validation loss',
            {'metric': 'validation_loss', 'at': 'best_epoch'},
        ),
    )
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(config.claims, 'LeCun')
    return config


def _claims(does, words, loss):
    """The document's sentences of one loss."""
    loss = loss | {'source': f'ROLE §6.2, Figure 7 (read as {words})'}
    return (
        *(
            {
                'sentence': f'Scaled variance {does} better than plain random weights ({name}).',
                'kind': 'less',
                'a': {SCHEME: scheme},
                'b': {SCHEME: 'sigma'},
                **loss,
            }
            for scheme, name in SCALED.items()
        ),
        *(
            {
                'sentence': f'LeCun {does} better than {SCALED[scheme]}.',
                'kind': 'less',
                'a': {SCHEME: 'lecun'},
                'b': {SCHEME: scheme},
                **loss,
            }
            for scheme in ('glorot', 'he')
        ),
        {
            'sentence': f'Glorot and He give a little bit the same results: in {words}.',
            'kind': 'equivalent',
            'a': {SCHEME: 'glorot'},
            'b': {SCHEME: 'he'},
            'margin': 0.05,
            **loss,
        },
    )
