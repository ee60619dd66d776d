"""Does a small learning rate memorise a patch that a large one passes over? (ROLE §4.1)

    python main.py --config=configs/lr_patterns_cifar.py

CIFAR-10 with a small patch that reveals the class on 80% of the images, 16% being nothing but
the patch (Li, Wei and Ma 2019, arXiv 1907.04595, §5; jaxtweaks/data/patch.py). The patch is the
component Q, with little noise but hard to fit; the image is P. The schedules S, LS and L are those
of `lr_large_initial`. Measured after each epoch on images without patches, and on patches without
images.

Choices of this project: those of `lr_large_initial`; at `quick` 4,000 images for 16 epochs. So few
steps leave every schedule at chance on patches alone (9 to 10%), so what is said of the patch is
asked at `paper` only; before that was seen it was asked at `quick` too, and was not settled. The
question at `quick` is whether a large initial rate learns more of the images.

Expected (quick, CIFAR-10 (JPEG q75) with patches, 5 minutes on two CPU cores; docs/results, 5 seeds
by --until_settled): 1 of 1 claims supported. Yes: At the end the large initial rate is more
accurate on images without patches (P; accuracy on clean images after the last epoch, LS: 0.1,
annealed to 0.004 minus S: small rate 0.004: +5.64 points, 96% interval +2.25 to +9.03 points, 5
seeds).
"""

from configs import common

QUESTION = 'Does a small learning rate memorise a patch that a large one passes over?'


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('lr_patterns_cifar', size)
    config.document = 'ROLE §4.1'
    if config.size == 'smoke':
        # The patch needs large images: digits in the shape of CIFAR-10, without asking the web.
        config.data.download = False
        config.data.train_size, config.data.validation_size, config.data.test_size = 128, 64, 64
        config.train.train_eval_size = 64
    config.data.name = 'cifar10_patch'
    common.cnn_to_anneal(config)
    if config.size == 'quick':
        config.data.train_size, config.train.epochs = 4_000, 16
    schedules, annealed, by_epoch = common.large_and_small(config, 0.1, 0.004)
    config.figures = (
        {
            'name': 'accuracy_by_epoch',
            'title': 'Accuracy on images without patches and on patches without images',
            'metrics': ('clean_accuracy', 'patch_only_accuracy'),
            **by_epoch,
        },
        {
            'name': 'mixed_accuracy_by_epoch',
            'title': 'Accuracy on data like those trained on',
            'metrics': ('train_accuracy', 'validation_accuracy'),
            **by_epoch,
        },
    )
    before, at_the_end, annealing = _claims(schedules, annealed)
    if config.size == 'quick':  # which ends before any rate has learned the patch
        config.question = (
            'Does a large initial rate learn more of the images, where a patch reveals the class?'
        )
        config.claims, answer = (at_the_end,), 'At the end the large'
    else:
        config.question = QUESTION
        config.claims, answer = (before, at_the_end, annealing), 'Before the annealing'
    config.claims = common.that_answer(common.that_matter(config.claims), answer)
    return config


def _claims(schedules, annealed):
    """What is claimed of the patch before the annealing and at the end, and of the images."""
    source = 'ROLE §4.1; Li, Wei and Ma 2019, §5'
    return (
        {
            'sentence': 'Before the annealing the small rate has fitted the patch (Q) better than '
            'the large one.',
            'source': source,
            'kind': 'greater',
            'metric': 'patch_only_accuracy',
            'at': annealed,
            'a': schedules['S'],
            'b': schedules['LS'],
        },
        {
            'sentence': 'At the end the large initial rate is more accurate on images without '
            'patches (P).',
            'source': source,
            'kind': 'greater',
            'metric': 'clean_accuracy',
            'at': 'last_epoch',
            'a': schedules['LS'],
            'b': schedules['S'],
        },
        {
            'sentence': 'The annealing lets the large initial rate fit the patch (Q): at the end '
            'it is more accurate on patches than the rate that stays large.',
            'source': source,
            'kind': 'greater',
            'metric': 'patch_only_accuracy',
            'at': 'last_epoch',
            'a': schedules['LS'],
            'b': schedules['L'],
        },
    )
