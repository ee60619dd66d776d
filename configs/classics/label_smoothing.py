"""Does label smoothing make a network better calibrated? (Müller et al. 2019)

    python main.py --config=configs/classics/label_smoothing.py

R. Müller, S. Kornblith, G. Hinton, *When Does Label Smoothing Help?* (2019), arXiv 1906.02629. The
share ε of each target that is spread over all classes, from 0 to 0.2, and the expected calibration
error on the test set.

What differs from the paper: its Table 3 is of a ResNet-56 on CIFAR-100, ε = 0.05, and of an
Inception-v4 on ImageNet, ε = 0.1; `common.classic_cnn` on CIFAR-10 is chosen. The paper takes ε by
the calibration error; the claim here is of ε = 0.05, chosen before. Its other claim, that a teacher
trained with smoothing teaches less, needs distillation and is omitted. No figure of the paper was
found in a copy; the claims are of direction.

Expected (quick, CIFAR-10 (JPEG q75), about 3 minutes on two CPU cores; docs/results, 5 seeds by
--until_settled): 2 of 3 claims supported, 1 open. Yes: Smoothing by 0.05 lowers the expected
calibration error (expected calibration error on the test set, label smoothing ε 0.05 minus label
smoothing ε 0: −6.62 points, 96% interval −8.90 to −4.33 points, 5 seeds).
"""

from configs import common
from jaxtweaks.config.expand import grid

SMOOTHING = 'cross_entropy.smoothing'
HARD, SOFT = {SMOOTHING: 0.0}, {SMOOTHING: 0.05}


def get_config(size=None):
    """See the module's docstring."""
    config = common.classic_cnn('label_smoothing', size)
    config.question = 'Does label smoothing make a network better calibrated?'
    config.document = 'Müller et al. 2019, arXiv 1906.02629'
    shares = (0.0, 0.05) if config.size == 'smoke' else (0.0, 0.05, 0.1, 0.2)
    config.sweep = grid(SMOOTHING, *shares)
    config.names = ((SMOOTHING, 'label smoothing ε'),)
    config.table = (
        'test_accuracy', 'test_loss', 'test_calibration_error', 'test_overconfidence',
    )  # fmt: skip
    config.figures = (
        {
            'name': 'reliability',
            'kind': 'reliability',
            'title': 'Reliability on the test set',
            'hue': SMOOTHING,
        },
        {
            'name': 'by_smoothing',
            'kind': 'effect',
            'title': 'Calibration and test error against label smoothing',
            'metrics': ('test_calibration_error', '1-test_accuracy'),
            'x': SMOOTHING,
        },
    )
    config.claims = common.that_matter(
        (
            {
                'sentence': 'Smoothing by 0.05 lowers the expected calibration error.',
                'source': 'Müller et al. 2019, Table 3',
                'kind': 'less',
                'metric': 'test_calibration_error',
                'a': SOFT,
                'b': HARD,
                'answers': True,
            },
            {
                'sentence': 'Smoothing the labels makes the network less overconfident.',
                'source': 'Müller et al. 2019, §3 (can hardly fail)',
                'kind': 'less',
                'metric': 'test_overconfidence',
                'a': SOFT,
                'b': HARD,
            },
            {
                'sentence': 'Smoothing the labels improves the test accuracy.',
                'source': 'Müller et al. 2019, §1',
                'kind': 'greater',
                'metric': 'test_accuracy',
                'a': SOFT,
                'b': HARD,
            },
        )
    )
    return config
