"""Does a large learning rate at the start generalise better than a small one? (ROLE §4)

    python main.py --config=configs/lr_large_initial.py

The CNN of ROLE §2 with three schedules: S, a small rate throughout; LS, a large rate and then, from
one epoch on, that small one; L, the large rate throughout. The document says that large rates
"allow to reduce overfitting" and that small ones "stick closer to the provided data"; it follows
Li, Wei and Ma (2019, arXiv 1907.04595): S leads until LS is annealed, and LS generalises better
after that. Overfitting is the gap between training and validation accuracy at the end.

Choices of this project: SGD with momentum 0.9, an L2 penalty of 5e-4 and the rates 0.1 and 0.004,
which are those of that paper's published program; batch norm before the ReLU, as its network has
it; annealing after half the epochs (10 at `quick`, 60 at `paper`); see `common.role_cnn`. `quick`
has 3,000 images.

Expected (quick, about 2 minutes on two CPU cores; docs/results, 5 to 12 seeds by --until_settled):
3 of 6 claims supported, 3 open. Yes: Large learning rates reduce overfitting: a large initial rate
ends with a smaller generalisation gap than the small rate (generalisation gap, LS: 0.1, annealed to
0.004 minus S: small rate 0.004: −7.62 points, 98.3% interval −10.87 to −4.37 points, 5 seeds); 1
further claim holds as well.
"""

from configs import common


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('lr_large_initial', size)
    config.question = 'Does a large learning rate at the start generalise better than a small one?'
    config.document = 'ROLE §4'
    common.cnn_to_anneal(config)
    schedules, annealed, by_epoch = common.large_and_small(config, 0.1, 0.004)
    config.figures = _figures(by_epoch)
    config.claims = _claims(schedules, annealed)
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(
        config.claims,
        'Large learning rates reduce overfitting: a large initial',
        'After the annealing',
    )
    return config


def _figures(by_epoch):
    """What is drawn."""
    return (
        {
            'name': 'accuracy_by_epoch',
            'title': 'Training and validation accuracy by epoch',
            'metrics': ('train_accuracy', 'validation_accuracy'),
            **by_epoch,
        },
        {
            'name': 'loss_by_epoch',
            'title': 'Training and validation loss by epoch',
            'metrics': ('train_loss', 'validation_loss'),
            **by_epoch,
        },
        {
            'name': 'test_accuracy',
            'kind': 'effect',
            'title': 'Test accuracy and generalisation gap at the end',
            'metrics': ('test_accuracy', 'gap_accuracy'),
            'x': common.RATES,
        },
    )


def _claims(schedules, annealed):
    """What is claimed."""
    return (
        *(
            {
                'sentence': f'Large learning rates reduce overfitting: {words} ends with a smaller '
                'generalisation gap than the small rate.',
                'source': 'ROLE §4.1',
                'kind': 'less',
                'metric': 'gap_accuracy',
                'a': schedules[name],
                'b': schedules['S'],
            }
            for name, words in (('LS', 'a large initial rate'), ('L', 'a large rate throughout'))
        ),
        {
            'sentence': 'A small rate converges faster: a lower training loss than the large one, '
            'mean over epochs.',
            'source': 'ROLE §4.1',
            'kind': 'less',
            'metric': 'running_loss',
            'at': 'mean_epoch',
            'a': schedules['S'],
            'b': schedules['L'],
        },
        {
            'sentence': 'Before the annealing the small rate leads: higher validation accuracy '
            'than the large one.',
            'source': 'beyond the document (Li, Wei and Ma 2019, Figure 1)',
            'kind': 'greater',
            'metric': 'validation_accuracy',
            'at': annealed,
            'a': schedules['S'],
            'b': schedules['LS'],
        },
        {
            'sentence': 'After the annealing the large initial rate has the higher test accuracy.',
            'source': 'ROLE §4.1; Li, Wei and Ma 2019, Figure 1',
            'kind': 'greater',
            'metric': 'test_accuracy',
            'a': schedules['LS'],
            'b': schedules['S'],
        },
        {
            'sentence': 'A large rate to the end has a lower test accuracy than one that is '
            'annealed: it takes the annealing.',
            'source': 'beyond the document',
            'kind': 'less',
            'metric': 'test_accuracy',
            'a': schedules['L'],
            'b': schedules['LS'],
        },
    )
