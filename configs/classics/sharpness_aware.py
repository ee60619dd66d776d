"""Does sharpness-aware minimisation test better, most of all with wrong labels? (Foret et al. 2021)

    python main.py --config=configs/classics/sharpness_aware.py

P. Foret, A. Kleiner, H. Mobahi, B. Neyshabur, *Sharpness-Aware Minimization for Efficiently
Improving Generalization* (2021), arXiv 2010.01412. SGD with momentum, and the same with the
gradient at w + ρ g/‖g‖ (SAM), with the labels as they are and with 20% and 40% of them replaced.

What differs from the paper: WRN-28-10 for 200 epochs there, and a ResNet-32 for the wrong labels;
`common.classic_cnn` here. ρ is 0.1 throughout; the paper has 0.05 for clean labels and 0.1 for
wrong ones. A step of SAM computes two gradients; both have the same number of epochs here, where
the paper gives SGD up to twice as many. None of its figures was found in a copy; the claims are of
direction.

Expected (quick, CIFAR-10 (JPEG q75), about 10 minutes on two CPU cores; docs/results, 5 seeds by
--until_settled): 2 of 3 claims supported, 1 open. Yes: SAM tests better than SGD (+1.60 points, 96%
interval +0.77 to +2.43 points, 5 seeds), 1 of 2 not settled.
"""

from configs import common
from jaxtweaks.config.expand import grid, product

RHO, LABELS = 'sam.rho', 'data.label_noise'
SGD, SAM = {RHO: 0.0}, {RHO: 0.1}


def get_config(size=None):
    """See the module's docstring."""
    config = common.classic_cnn('sharpness_aware', size)
    config.question = (
        'Does sharpness-aware minimisation test better, most of all with wrong labels?'
    )
    config.document = 'Foret et al. 2021, arXiv 2010.01412'
    shares = (0.0, 0.4) if config.size == 'smoke' else (0.0, 0.2, 0.4)
    config.sweep = product(grid(LABELS, *shares), grid(RHO, 0.0, 0.1))
    config.names = (
        (RHO, 'training'),
        (f'{RHO}=0.0', 'SGD'),
        (f'{RHO}=0.1', 'SAM'),
        (LABELS, 'share of wrong labels'),
    )
    config.figures = (
        {
            'name': 'test_error',
            'kind': 'effect',
            'title': 'Test error against the share of wrong labels',
            'metrics': ('1-test_accuracy',),
            'x': LABELS,
            'hue': RHO,
        },
        {
            'name': 'by_epoch',
            'kind': 'curves',
            'title': 'Validation accuracy by epoch',
            'metrics': ('validation_accuracy',),
            'hue': RHO,
            'panels': LABELS,
        },
    )
    better = {'kind': 'greater', 'metric': 'test_accuracy'}
    clean, wrong = {LABELS: 0.0}, {LABELS: 0.4}
    config.claims = common.that_matter(
        (
            {
                'sentence': 'SAM tests better than SGD.',
                'source': 'Foret et al. 2021, Table 1',
                'a': clean | SAM,
                'b': clean | SGD,
                'answers': True,
                **better,
            },
            {
                'sentence': 'SAM tests better than SGD with 40% of the labels wrong too.',
                'source': 'Foret et al. 2021, Table 4',
                'a': wrong | SAM,
                'b': wrong | SGD,
                **better,
            },
            {
                'sentence': 'The more labels are wrong, the more SAM gains.',
                'source': 'Foret et al. 2021, Table 4',
                'kind': 'increasing',
                'metric': 'test_accuracy',
                'along': LABELS,
                'a': SAM,
                'b': SGD,
                'answers': True,
            },
        )
    )
    return config
