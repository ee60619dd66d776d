"""Does augmentation help, and more so with little data? (GENERAL, data augmentation)

    python main.py --config=configs/augmentation.py

The CNN of ROLE §2 on parts of the training set of several sizes, with each way of changing images
alone, and with all of them. An epoch has the same number of steps whatever the part, so that small
parts are seen more often and not trained for less.

Choices of this project: see `common.role_cnn`, but 20 epochs (`quick`: 8); at `quick` flips and
shifts are the only ways tried alone, for time; the strengths; brightness and contrast together
stand for colour; "more so" is read as: the gain in test accuracy by all of them together falls as
the training set grows.

Expected (quick, CIFAR-10 (JPEG q75), 5 seeds, 4 minutes on two CPU cores): all supported. Over
three training-set sizes flips add 3.0 ± 0.7 points of test accuracy, shifts 4.1 ± 0.9, all together
5.3 ± 1.7; what they add falls by 6.6 ± 2.7 points from 250 images to 2,500.
"""

from configs import common
from jaxtweaks.config.expand import grid, points, product

SHARE, ARM = 'data.share', 'tweaks.on'
STRENGTHS = {
    'flip': 0.5,
    'shift': 3.0,
    'rotate': 15.0,
    'brightness': 0.5,
    'contrast': 0.5,
    'cutout': 8.0,
}
FIELDS = {
    'flip': 'flip.probability',
    'shift': 'shift.pixels',
    'rotate': 'rotate.degrees',
    'brightness': 'brightness.change',
    'contrast': 'contrast.change',
    'cutout': 'cutout.side',
}
ARMS = {
    'none': (),
    'flip': ('flip',),
    'shift': ('shift',),
    'rotation': ('rotate',),
    'colour': ('brightness', 'contrast'),
    'cutout': ('cutout',),
    'all': tuple(STRENGTHS),
}


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('augmentation', size)
    config.question = 'Does augmentation help, and more so with little data?'
    config.document = 'GENERAL, data augmentation'
    shares = {'smoke': (0.25, 1.0), 'quick': (0.1, 0.3, 1.0), 'paper': (0.025, 0.1, 0.3, 1.0)}
    arms = ARMS
    if config.size == 'quick':
        config.data.train_size = 2_500
        config.train.epochs = 8
    elif config.size == 'paper':
        config.train.epochs = 20
    if config.size != 'paper':
        arms = {name: ARMS[name] for name in ('none', 'flip', 'shift', 'all')}
    config.sweep = product(grid(SHARE, *shares[config.size]), points(*map(_arm, arms.values())))
    config.derive = ('tweaks',)
    images = config.data.train_size
    config.names = (
        (ARM, 'augmentation'),
        *((f'{ARM}={_together(on)}', name) for name, on in arms.items()),
        (SHARE, f'share of {images:,} training images'),
    )
    config.figures = (
        {
            'name': 'test_error',
            'kind': 'effect',
            'title': 'Test error against the size of the training set',
            'metrics': ('1-test_accuracy',),
            'x': SHARE,
            'hue': ARM,
            'log_x': True,
        },
        {
            'name': 'gap',
            'kind': 'effect',
            'title': 'Generalisation gap against the size of the training set',
            'metrics': ('gap_accuracy',),
            'x': SHARE,
            'hue': ARM,
            'log_x': True,
        },
    )
    none, everything = {ARM: _together(())}, {ARM: _together(ARMS['all'])}
    accuracy = {'metric': 'test_accuracy', 'source': 'GENERAL, data augmentation'}
    config.claims = (
        *(
            {
                'sentence': f'Augmentation helps: {name}.',
                'kind': 'greater',
                'a': {ARM: _together(on)},
                'b': none,
                **accuracy,
            }
            for name, on in arms.items()
            if on
        ),
        {
            'sentence': 'The less data, the more augmentation (all of it) helps.',
            'kind': 'decreasing',
            'along': SHARE,
            'a': everything,
            'b': none,
            **accuracy,
        },
    )
    config.claims = common.that_matter(config.claims)
    return config


def _arm(on):
    """The setting with these changes at their strengths and no others."""
    return {FIELDS[name]: value if name in on else 0.0 for name, value in STRENGTHS.items()}


def _together(on):
    """What the derivation `tweaks` calls them."""
    return ' + '.join(on) or 'none'
