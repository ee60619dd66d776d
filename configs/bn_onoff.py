"""What does batch norm change in a small CNN? (ROLE §5.3 and §5.4, Figures 3 and 5)

    python main.py --config=configs/bn_onoff.py

The CNN of ROLE §2 in three arms: with batch norm after each ReLU, which is what the document writes
("on its activation values", "the input of each hidden layer"); with batch norm before each ReLU, as
Ioffe and Szegedy (2015) have it, whom the document cites; and without. As in the document's Figure
3 test accuracy is followed by epoch; nothing is chosen by it.

The document's figures are curves, so each of its sentences is asked of the mean over epochs, and of
the epoch with the lowest validation loss, which is the network one would keep. That training is
faster is asked of the mean over epochs of the training loss of Figure 5: it is lower where one
curve lies below another, and does not count in whole epochs.

Choices of this project: see `common.role_cnn`; momentum 0.9 and ε = 1e-5 of batch norm. `quick` has
8,000 images and 7 epochs, and the opposite answer to what `paper`, the document's own size, has:
there batch norm after the ReLU raises test accuracy, and does not speed up training (docs/results).

Expected (quick, about 3 minutes on two CPU cores; docs/results, 5 to 32 seeds by --until_settled):
2 of 8 claims supported, 3 contradicted, 1 negligible, 2 open. In part as claimed: 1 of 3 claims
that answer the question holds, 2 do not. What holds: Batch norm after the ReLU speeds up training:
a lower training loss, mean over epochs (training loss [as trained, mean over the epoch], mean over
epochs, BN after ReLU minus without BN: −0.1333, 99.4% interval −0.2056 to −0.06087, 5 seeds). What
does not: Batch norm after the ReLU raises test accuracy (test accuracy, BN after ReLU minus without
BN: −2.00 points, 99% interval −3.21 to −0.78 points, 20 seeds).
"""

from configs import common
from jaxtweaks.config.expand import points


def get_config(size=None):
    """See the module's docstring."""
    config = common.role_cnn('bn_onoff', size)
    config.question = 'What does batch norm change in a small CNN?'
    config.document = 'ROLE §5.3-5.4, Figures 3 and 5'
    if config.size == 'quick':
        config.data.train_size = 8_000
        config.train.epochs = 7
    config.train.test_curve = True
    config.train.select = 'best_loss'
    after, before, none = (common.BATCH_NORM[arm] for arm in ('after', 'before', 'none'))
    config.sweep = points(after, before, none)
    config.names = common.BATCH_NORM_PLACES
    config.figures = (
        {
            'name': 'figure_3',
            'kind': 'curves',
            'title': 'Test accuracy and validation loss, with and without batch norm',
            'metrics': ('test_accuracy', 'validation_loss'),
            'hue': common.BN_AND_PLACE,
        },
        {
            'name': 'figure_5',
            'kind': 'curves',
            'title': 'Training loss, with and without batch norm',
            'metrics': ('running_loss',),
            'hue': common.BN_AND_PLACE,
        },
    )
    beyond = 'beyond the document (Ioffe and Szegedy 2015)'
    config.claims = (
        *_claims(after, none, 'Batch norm after the ReLU', 'ROLE', answers=True),
        *_claims(before, none, 'Batch norm before the ReLU', beyond, answers=False),
    )
    config.claims = common.that_matter(config.claims)
    return config


def _claims(a, b, subject, document, answers):
    """The document's three sentences of one arm; the text's also as a mean over the curves."""
    sides = {'a': a, 'b': b}
    in_document = document == 'ROLE'
    source = lambda section: f'ROLE {section}' if in_document else document
    accuracy = {'kind': 'greater', 'metric': 'test_accuracy', 'source': source('§5.3, Figure 3')}
    loss = {'kind': 'less', 'metric': 'validation_loss', 'source': source('§5.3, Figure 3')}
    chosen = (
        {'sentence': f'{subject} raises test accuracy.', **accuracy},
        {'sentence': f'{subject} lowers validation loss.', **loss},
        {
            'sentence': f'{subject} speeds up training: a lower training loss, mean over epochs.',
            'source': source('§5.4, Figure 5'),
            'kind': 'less',
            'metric': 'running_loss',
            'at': 'mean_epoch',
        },
    )
    mean = (
        {'sentence': f'{subject} raises test accuracy, mean over epochs.', **accuracy},
        {'sentence': f'{subject} lowers validation loss, mean over epochs.', **loss},
    )
    return (
        *({**claim, **sides, 'answers': answers} for claim in chosen),
        *({**claim, **sides, 'at': 'mean_epoch'} for claim in mean if in_document),
    )
