"""Does a plain network of 30 layers train with He's initial weights, not Glorot's? (He et al. 2015)

    python main.py --config=configs/classics/deep_init.py

K. He, X. Zhang, S. Ren, J. Sun, *Delving Deep into Rectifiers: Surpassing Human-Level Performance
on ImageNet Classification* (2015), arXiv 1502.01852. Its Figure 3: a network of 30 ReLU layers
whose initial weights have the variance 2/n learns; with that of Glorot and Bengio (2010) it stalls.

What differs from the paper: 27 convolutional layers and 3 dense ones on ImageNet there; here 29
hidden layers of 256 units (`quick`: 64) and the output layer on a part of MNIST, SGD with momentum
0.9 at 0.003 (see `common.general_mlp`), and 5 layers next to it, with which both should train.
"Stalls" is a training accuracy below 20%. Residual networks without normalisation are omitted.

Expected (quick, MNIST, about 2 minutes on two CPU cores; docs/results, 20 seeds by
--until_settled): 3 of 3 claims supported. Yes: With Glorot's weights 30 layers stall (training
accuracy below 20%; training accuracy, 30 layers, Glorot: 13.84%, 98.4% interval 9.40% to 18.28%, 20
seeds); 1 further claim holds as well.
"""

from configs import common
from jaxtweaks.config.expand import grid, product

DEPTH, SCHEME = 'model.hidden', 'init.scheme'
HE, GLOROT = {SCHEME: 'he'}, {SCHEME: 'glorot'}


def get_config(size=None):
    """See the module's docstring."""
    config = common.general_mlp('deep_init', size)
    config.question = "Does a plain network of 30 layers train with He's weights, not Glorot's?"
    config.document = 'He et al. 2015, arXiv 1502.01852'
    config.optim.learning_rate = 0.003
    width = {'smoke': 8, 'quick': 64, 'paper': 256}[config.size]
    layers = 10 if config.size == 'smoke' else 30
    shallow, deep = (width,) * 4, (width,) * (layers - 1)
    config.sweep = product(grid(DEPTH, shallow, deep), grid(SCHEME, 'he', 'glorot'))
    config.names = (
        (DEPTH, 'network'),
        (f'{DEPTH}={shallow}', '5 layers'),
        (f'{DEPTH}={deep}', f'{layers} layers'),
        (SCHEME, 'initial weights'),
        (f'{SCHEME}=he', 'He'),
        (f'{SCHEME}=glorot', 'Glorot'),
    )
    config.figures = (
        {
            'name': 'figure_3',
            'kind': 'curves',
            'title': 'Training loss and accuracy by epoch',
            'metrics': ('train_loss', 'train_accuracy'),
            'hue': SCHEME,
            'panels': DEPTH,
        },
    )
    config.claims = common.that_matter(
        (
            {
                'sentence': f"With Glorot's weights {layers} layers stall (training accuracy below "
                '20%).',
                'source': 'He et al. 2015, Figure 3',
                'kind': 'level',
                'metric': 'train_accuracy',
                'a': {DEPTH: (deep,)} | GLOROT,
                'level': 0.2,
                'direction': 'below',
                'answers': True,
            },
            {
                'sentence': "With He's they learn (training accuracy above 50%).",
                'source': 'He et al. 2015, Figure 3',
                'kind': 'level',
                'metric': 'train_accuracy',
                'a': {DEPTH: (deep,)} | HE,
                'level': 0.5,
                'direction': 'above',
                'answers': True,
            },
            {
                'sentence': "With 5 layers Glorot's weights learn too (training accuracy above "
                '50%).',
                'source': 'He et al. 2015, §2.2',
                'kind': 'level',
                'metric': 'train_accuracy',
                'a': {DEPTH: (shallow,)} | GLOROT,
                'level': 0.5,
                'direction': 'above',
            },
        )
    )
    return config
