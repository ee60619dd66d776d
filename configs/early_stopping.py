"""Does it pay to stop training early? (GENERAL, early stopping)

    python main.py --config=configs/early_stopping.py

A network with far more weights than it has images, trained for long without any penalty: how
training, validation and test error go on, and where early stopping with various patience would
have stopped, by validation loss and by validation error. Each rule is judged in the unit that it
watches, the loss by the test loss and the error by the test error: the document speaks of one
"performance", and in a network that overfits the loss rises long before the error does. The rules
are applied to the recorded curves of one and the same training, so that they are compared on the
same runs; stopping while training (`train.patience`) finds the same epochs (tested).

"Acts like L2": the weights have not had time to grow. Shown here by the norm of the weights in the
epoch that the rule keeps, which is the best of those before it stops, and by a second arm that is
trained to the end with an L2 penalty. That the norm is smaller at the stop could hardly be
otherwise; what can fail is the statement on the paths of a linear model, which are laid over each
other in configs/early_stopping_linear.py.

Choices of this project: CIFAR-10, 2,000 training images, one hidden layer of 512 units, Adam at
1e-3, batch 50, 40 epochs (`quick`: 1,000 images, 256 units, 30 epochs); patience 3 and 10 stand
for "one of several criteria".

Expected (quick, 44 seconds on two CPU cores; docs/results, 5 to 50 seeds by --until_settled): 3 of
6 claims supported, 2 contradicted, 1 open. It depends: 1 of 3 claims that answer the question
holds, 1 does not, 1 is not settled. What holds: Stopping early (patience 10 on the validation loss)
gives a lower test loss than the last epoch (test loss, loss, patience 10 minus last epoch: −1.03,
99.6% interval −1.735 to −0.3255, 8 seeds). What does not: Stopping early (patience 3 on the
validation error) gives a lower test error than the last epoch (test error, error, patience 3 minus
last epoch: +1.58 points, 99% interval +0.65 to +2.50 points, 20 seeds).
"""

from configs import common
from jaxtweaks.config.expand import grid

PATIENCE = (1, 3, 5, 10)
L2, RULE = 'penalty.l2', 'stopping.rule'


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('early_stopping', size)
    config.question = 'Does it pay to stop training early?'
    config.document = 'GENERAL, early stopping'
    config.data.train_size, config.data.validation_size = 2_000, 5_000
    config.model.name, config.model.hidden = 'mlp', (512,)
    config.train.batch_size, config.train.epochs = 50, 40
    config.train.test_curve = True
    if config.size == 'quick':
        config.data.train_size, config.data.validation_size = 1_000, 2_000
        config.data.test_size = 2_000
        config.model.hidden, config.train.epochs = (256,), 30
        config.train.train_eval_size = 1_000
        config.seeds = 6
    elif config.size == 'smoke':
        common.smoke(config)
        config.model.hidden, config.train.epochs = (16,), 4
    config.sweep = grid(L2, 0.0, 0.01)
    config.derive = ('stopping',)
    rules = [
        {'name': 'last epoch', 'kind': 'epochs', 'epochs': config.train.epochs},
        *(
            {'name': _rule(n, words), 'kind': 'patience', 'metric': metric, 'patience': n}
            for metric, words in (
                ('validation_loss', 'loss'),
                ('1-validation_accuracy', 'error'),
            )
            for n in PATIENCE
        ),
    ]
    config.stopping.rules = tuple(rules)
    config.names = (
        (RULE, 'criterion'),
        (L2, 'L2 penalty λ'),
        (f'{L2}=0.0', 'no penalty'),
        (f'{L2}=0.01', 'λ = 0.01'),
    )
    config.table = ('stop_epoch', 'test_loss', 'test_error', 'regret')
    plain, end = {L2: 0.0}, {RULE: 'last epoch'}
    patient = {RULE: _rule(3, 'loss')}
    config.figures = _figures(plain, end)
    config.claims = _claims(patient, plain, end)
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(config.claims, 'Stopping early (')
    return config


def _rule(patience, criterion):
    """The name of a rule."""
    return f'patience {patience} on the {criterion}'


def _figures(plain, end):
    """What is drawn."""
    return (
        {
            'name': 'errors',
            'kind': 'curves',
            'title': 'Training and validation error, and validation loss, by epoch',
            'metrics': ('1-train_accuracy', '1-validation_accuracy', 'validation_loss'),
            'hue': L2,
            'where': end,
            'marks': tuple(
                (plain | {RULE: rule}, f'no penalty: {rule}, stops')
                for rule in (_rule(3, 'loss'), _rule(10, 'error'))
            ),
        },
        {
            'name': 'weights',
            'kind': 'curves',
            'title': 'Norm of the weights by epoch',
            'metrics': ('weight_norm',),
            'hue': L2,
            'where': end,
        },
        {
            'name': 'criteria',
            'kind': 'effect',
            'title': 'Where each criterion stops, and the test loss and error there',
            'metrics': ('stop_epoch', 'test_loss', 'test_error'),
            'x': RULE,
            'where': plain,
        },
    )


def _claims(patient, plain, end):
    """What is claimed."""
    return (
        {
            'sentence': 'Continued training overfits: while the training loss falls, the test loss '
            'rises from the epoch that patience 3 on the validation loss keeps to the end.',
            'source': 'GENERAL, early stopping',
            'kind': 'greater',
            'metric': 'test_loss',
            'where': plain,
            'a': end,
            'b': patient,
        },
        {
            'sentence': 'Stopping early acts like L2: the weights are smaller than at the end.',
            'source': 'GENERAL, early stopping (can hardly fail)',
            'kind': 'less',
            'metric': 'weight_norm',
            'where': plain,
            'a': patient,
            'b': end,
        },
        *(
            {
                'sentence': f'Stopping early (patience {patience} on the validation {criterion}) '
                f'gives a lower test {criterion} than the last epoch.',
                'source': 'GENERAL, early stopping',
                'kind': 'less',
                'metric': f'test_{criterion}',
                'where': plain,
                'a': {RULE: _rule(patience, criterion)},
                'b': end,
            }
            for criterion, patience in (('loss', 10), ('error', 3), ('error', 10))
        ),
        {
            'sentence': 'With an L2 penalty there is less to gain from stopping early.',
            'source': 'beyond the document (early stopping as L2 regularization)',
            'kind': 'less',
            'metric': 'regret',
            'where': end,
            'a': {L2: 0.01},
            'b': {L2: 0.0},
        },
    )
