"""Does stopping early act like an L2 penalty on a linear model? (GENERAL, early stopping)

    python main.py --config=configs/early_stopping_linear.py

"The weights don't have time to become large": softmax regression from weights 0 with plain SGD at
a small rate η, without a penalty and with several, to the end. Where the loss is quadratic, what is
stopped after t steps is about what is trained to the end with ½λΣw² for λ = 1/(ηt) (Goodfellow,
Bengio and Courville 2016, §7.8, equation 7.45). So the path of training, by norm of the weights and
loss, is laid over the ends that the penalties lead to, and each of these is compared with the
network stopped after the epochs that belong to it.

Choices of this project: CIFAR-10, 2,000 images to train on (`quick`: 1,000), to validate and to
test on, since all are looked at after each of many epochs; rate 1e-3, batch 50, 100 epochs; "acts
like" is read as a validation loss within 0.05.

Expected (quick, CIFAR-10 (JPEG q75), 6 seeds, 2 minutes on two CPU cores): the path of training
leads past where every penalty ends; stopped after 2, 5, 10 and 25 epochs, the validation loss is
within 0.02 of that of λ = 25, 10, 5 and 2 (all supported).
Expected (paper, 6 seeds, 2 minutes): the same for λ = 12.5, 5, 2.5 and 1.
"""

from configs import common
from jaxtweaks.config.expand import grid

L2, RULE = 'penalty.l2', 'stopping.rule'
END = 'last epoch'


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('early_stopping_linear', size)
    config.question = 'Does stopping early act like an L2 penalty on a linear model?'
    config.document = 'GENERAL, early stopping'
    config.data.train_size = config.train.train_eval_size = 2_000
    config.data.validation_size = config.data.test_size = 2_000
    config.model.name, config.model.hidden = 'mlp', ()
    config.init.scheme, config.sigma.sigma = 'sigma', 0.0
    config.optim.name, config.optim.learning_rate = 'sgd', 1e-3
    config.train.batch_size, config.train.epochs = 50, 100
    config.train.test_curve = True
    stops = (2, 5, 10, 25)
    if config.size == 'quick':
        config.seeds = 6
        config.data.train_size = config.train.train_eval_size = 1_000
    elif config.size == 'smoke':
        common.smoke(config)
        config.train.epochs, stops = 6, (1, 3)
    steps = config.data.train_size // config.train.batch_size
    penalties = {n: 1 / (config.optim.learning_rate * steps * n) for n in stops}
    config.sweep = grid(L2, 0.0, *penalties.values())
    config.derive = ('stopping',)
    after = {n: f'stopped after epoch {n}' for n in stops}
    config.stopping.rules = (
        {'name': END, 'kind': 'epochs', 'epochs': config.train.epochs},
        *({'name': name, 'kind': 'epochs', 'epochs': n} for n, name in after.items()),
    )
    config.names = ((RULE, 'training'), (L2, 'L2 penalty λ'), (f'{L2}=0.0', 'no penalty'))
    config.table = ('weight_norm', 'validation_loss', 'test_error')
    config.figures = (
        {
            'name': 'paths',
            'kind': 'paths',
            'title': 'The path of training, and where penalties lead',
            'x': 'weight_norm',
            'metrics': ('train_loss', 'validation_loss'),
            'hue': L2,
            'where': {RULE: END},
        },
        {
            'name': 'by_epoch',
            'kind': 'curves',
            'title': 'Norm of the weights and validation loss by epoch',
            'metrics': ('weight_norm', 'validation_loss'),
            'hue': L2,
            'where': {RULE: END},
        },
    )
    config.claims = tuple(
        {
            'sentence': f'Stopping after {n} epochs acts like L2 with λ = {weight:g}: the '
            'validation loss is the same (within 0.05).',
            'source': 'GENERAL, early stopping',
            'kind': 'equivalent',
            'metric': 'validation_loss',
            'a': {L2: 0.0, RULE: after[n]},
            'b': {L2: weight, RULE: END},
            'margin': 0.05,
        }
        for n, weight in penalties.items()
    )
    config.claims = common.that_matter(config.claims)
    return config
