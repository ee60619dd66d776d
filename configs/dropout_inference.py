"""Do vanilla, inverted and Monte-Carlo dropout predict the same? (GENERAL, dropout at test time)

    python main.py --config=configs/dropout_inference.py

A network with dropout p = 0.5 on its hidden layers, on MNIST, trained with each of the two forms:
vanilla dropout multiplies by the probability to keep at test, inverted dropout divides by it in
training. With a learning rate that adapts to the size of the gradients both are the same training
up to the scale of the weights; here they start from the same weights, so they are not the same
bitwise, and the claim is that they test alike. Besides the one scaled pass, class probabilities are
averaged over n masks.

Choices of this project: 4,000 images (`quick`: 2,000), hidden layers of 512 units, Adam at 1e-3, He
initialisation, batch 100, 30 epochs (`quick`: 20); "the same" is a difference in test accuracy of
less than half a percentage point; "converges to about the scaled net" is that, at the largest n.

Expected (quick, MNIST, 1 minute on two CPU cores; docs/results, 5 to 20 seeds by --until_settled):
4 of 4 claims supported. Yes: Vanilla and inverted dropout test alike (within half a point; test
accuracy, vanilla minus inverted: −0.07 points, 99.2% interval −0.40 to +0.25 points, 20 seeds); 2
further claims hold as well.

Expected (paper, 6 seeds, 14 minutes while other programs ran): 95.2% vanilla and 95.1% inverted;
all four claims supported.
"""

from configs import common
from jaxtweaks.config.expand import grid

FORM, SAMPLES = 'dropout.form', 'mc.samples'


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('dropout_inference', size)
    config.question = 'Do vanilla, inverted and Monte-Carlo dropout predict the same?'
    config.document = 'GENERAL, dropout at test time'
    config.data.name = 'mnist'
    config.data.train_size, config.data.validation_size = 4_000, 10_000
    config.model.name, config.model.hidden = 'mlp', (512, 512)
    config.dropout.hidden = 0.5
    config.train.batch_size, config.train.epochs = 100, 30
    config.train.train_eval_size = 1_000
    config.train.mc_samples = (1, 2, 5, 10, 20, 50, 100)
    if config.size == 'quick':
        config.data.train_size, config.data.validation_size = 2_000, 1_000
        config.data.test_size = 2_000
        config.train.epochs = 20
        config.seeds = 6
    elif config.size == 'smoke':
        common.smoke(config)
        config.model.hidden = (32, 32)
        config.train.mc_samples = (1, 4)
    most = config.train.mc_samples[-1]
    config.sweep = grid(FORM, 'vanilla', 'inverted')
    config.derive = ('mc',)
    config.names = (
        (FORM, 'form'),
        (SAMPLES, 'masks averaged'),
        (f'{SAMPLES}=0', 'scaled net'),
    )
    config.table = ('test_accuracy', 'test_loss')
    config.figures = _figures()
    config.claims = _claims(most)
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(config.claims, 'Vanilla and inverted', 'With ')
    return config


def _figures():
    """What is drawn."""
    return (
        {
            'name': 'masks',
            'kind': 'effect',
            'title': 'Test accuracy and loss against the number of masks averaged',
            'caption': '0 is the one pass of the scaled net; the loss is minus the log-likelihood '
            'per image.',
            'metrics': ('test_accuracy', 'test_loss'),
            'x': SAMPLES,
            'hue': FORM,
            'log_x': True,
        },
        {
            'name': 'training',
            'kind': 'curves',
            'title': 'Validation accuracy and loss by epoch',
            'metrics': ('validation_accuracy', 'validation_loss'),
            'hue': FORM,
            'where': {SAMPLES: 0},
        },
    )


def _claims(most):
    """What is claimed."""
    return (
        {
            'sentence': 'Vanilla and inverted dropout test alike (within half a point).',
            'source': 'GENERAL, inverted dropout',
            'kind': 'equivalent',
            'metric': 'test_accuracy',
            'where': {SAMPLES: 0},
            'a': {FORM: 'vanilla'},
            'b': {FORM: 'inverted'},
            'margin': 0.005,
        },
        *(
            {
                'sentence': f'With {form} dropout the average over {most} masks tests like the '
                'scaled net (within half a point).',
                'source': 'GENERAL, dropout at test time',
                'kind': 'equivalent',
                'metric': 'test_accuracy',
                'where': {FORM: form},
                'a': {SAMPLES: most},
                'b': {SAMPLES: 0},
                'margin': 0.005,
            }
            for form in ('vanilla', 'inverted')
        ),
        {
            'sentence': 'One mask alone is worse than the scaled net.',
            'source': 'beyond the document',
            'kind': 'less',
            'metric': 'test_accuracy',
            'a': {SAMPLES: 1},
            'b': {SAMPLES: 0},
        },
    )
