"""Does mixup lower the test error, and the memorising of wrong labels? (Zhang et al. 2018)

    python main.py --config=configs/classics/mixup.py

H. Zhang, M. Cissé, Y. N. Dauphin, D. Lopez-Paz, *mixup: Beyond Empirical Risk Minimization* (2018),
arXiv 1710.09412. Without mixup and with it, with the labels as they are and with half of them
replaced.

What differs from the paper: a PreAct ResNet-18 for 200 epochs there, `common.classic_cnn` here; one
α, 1, for both, where the paper has 1 for clean labels and up to 32 for corrupt ones; a replaced
label is always wrong, in the paper it is drawn from all classes. "Memorises" is the accuracy on
training images, by the labels they are trained with; as mixup lowers it with right labels too, the
claim is that it does more so with wrong ones among them.

Expected (quick, CIFAR-10 (JPEG q75), about 4 minutes on two CPU cores; docs/results, 5 seeds by
--until_settled): 2 of 3 claims supported, 1 open. In part yes: Mixup memorises fewer wrong labels:
it lowers the accuracy by the labels that are trained on more where half of them are wrong (training
accuracy [without mixup minus α = 1], fitted change from share of wrong labels 0 to 0.5: +16.60
points, 96% interval +9.63 to +23.57 points, 5 seeds); 1 of 2 claims that answer the question is not
settled.
"""

from configs import common
from jaxtweaks.config.expand import grid, product

ALPHA, LABELS = 'mixup.alpha', 'data.label_noise'
PLAIN, MIXED = {ALPHA: 0.0}, {ALPHA: 1.0}
CLEAN, CORRUPT = {LABELS: 0.0}, {LABELS: 0.5}


def get_config(size=None):
    """See the module's docstring."""
    config = common.classic_cnn('mixup', size)
    config.question = 'Does mixup lower the test error, and the memorising of wrong labels?'
    config.document = 'Zhang et al. 2018, arXiv 1710.09412'
    config.sweep = product(grid(LABELS, 0.0, 0.5), grid(ALPHA, 0.0, 1.0))
    config.names = (
        (ALPHA, 'mixup'),
        (f'{ALPHA}=0.0', 'without mixup'),
        (f'{ALPHA}=1.0', 'α = 1'),
        (LABELS, 'share of wrong labels'),
    )
    config.figures = (
        {
            'name': 'by_epoch',
            'kind': 'curves',
            'title': 'Training and validation accuracy by epoch',
            'metrics': ('train_accuracy', 'validation_accuracy'),
            'hue': ALPHA,
            'panels': LABELS,
        },
        {
            'name': 'test_error',
            'kind': 'effect',
            'title': 'Test error against the share of wrong labels',
            'metrics': ('1-test_accuracy',),
            'x': LABELS,
            'hue': ALPHA,
        },
    )
    config.claims = common.that_matter(
        (
            {
                'sentence': 'Mixup lowers the test error.',
                'source': 'Zhang et al. 2018, Figure 3',
                'kind': 'less',
                'metric': '1-test_accuracy',
                'a': CLEAN | MIXED,
                'b': CLEAN | PLAIN,
                'published': {'mixup, PreAct ResNet-18': 0.042, 'without': 0.056},
                'answers': True,
            },
            {
                'sentence': 'With half of the labels wrong mixup lowers the test error of the '
                'last epoch.',
                'source': 'Zhang et al. 2018, Table 2',
                'kind': 'less',
                'metric': '1-test_accuracy',
                'a': CORRUPT | MIXED,
                'b': CORRUPT | PLAIN,
            },
            {
                'sentence': 'Mixup memorises fewer wrong labels: it lowers the accuracy by the '
                'labels that are trained on more where half of them are wrong.',
                'source': 'Zhang et al. 2018, §3.4 (there of right and of wrong labels apart)',
                'kind': 'increasing',
                'metric': 'train_accuracy',
                'along': LABELS,
                'a': PLAIN,
                'b': MIXED,
                'answers': True,
            },
        )
    )
    return config
