"""Does variance grow and bias fall with the capacity? (GENERAL, bias-variance trade-off)

    python main.py --config=configs/bias_variance.py

The same model is fitted to many training samples: 30 noisy points (σ = 0.3) of sin(πx) on [−1, 1].
Bias² is the squared distance of the mean fit from the curve, variance that of the fits from their
mean, both averaged over x. Capacity is the degree of a polynomial, or, at degree 9, the number of
steps of gradient descent, or the weight of an L2 penalty, which lowers it. Degrees are odd: sin(πx)
is an odd function, of which an even Legendre polynomial explains nothing, so an even degree would
be more capacity on paper only.

Choices of this project: everything but the question. The polynomials are Legendre's, scaled to mean
square 1; gradient descent starts at 0 with the rate 0.01; the penalty is λΣθ² without the constant.
A seed is a repetition of the whole estimate: 200 samples at `quick`, 1,000 at `paper`.

Expected (quick, 10 seconds on two CPU cores; docs/results, 8 seeds by --until_settled): 5 of 6
claims supported, 1 contradicted. It depends: 3 of 4 claims that answer the question hold, 1 does
not. What holds: Bias² falls with the degree of the polynomial (−0.4449, 99.5% interval −0.6159 to
−0.2738, 5 seeds). What does not: Variance grows with the degree of the polynomial (+25.55, 99.7%
interval −39.08 to +90.19, 8 seeds). It rises a thousandfold on the whole, but falls from 0.022 to
0.017 between degree 1 and 3: with x drawn again for each sample, what a line misses of the curve is
variance as well.
"""

from configs import common
from jaxtweaks.config.expand import grid, union

DEGREE, STEPS, L2 = 'bias_variance.degree', 'bias_variance.steps', 'penalty.l2'


def get_config(size=None):
    """See the module's docstring."""
    config = common.start('bias_variance', size, study='bias_variance')
    config.question = 'Does variance grow and bias fall with the capacity?'
    config.document = 'GENERAL, bias-variance trade-off'
    config.bias_variance.samples = {'smoke': 20, 'quick': 200, 'paper': 1_000}[config.size]
    config.seeds = {'smoke': 2, 'quick': 10, 'paper': 10}[config.size]
    config.optim.learning_rate = 0.01
    config.penalty.l2_form = 'full'
    degrees, steps, weights = common.CAPACITIES[config.size]
    degrees = tuple(degree for degree in degrees if degree % 2 or not degree)
    config.sweep = union(grid(DEGREE, *degrees), grid(STEPS, *steps), grid(L2, *weights))
    config.table = ('bias_squared', 'variance', 'test_mse')
    config.names = common.capacity_words('bias_variance')
    panels = common.capacity_panels('bias_variance', degrees, steps, weights)
    config.figures = tuple(
        {
            'name': f'{kind}_{name}',
            'kind': 'effect',
            'title': f'{title} against {words}',
            'metrics': metrics,
            'x': field,
            'where': where,
            'log_x': field != DEGREE,
            # Bias² is estimated without bias, and so falls below 0 where it is small.
            'log_y': kind != 'bias',
        }
        for name, field, words, where in panels
        for kind, title, metrics in (
            ('bias', 'Bias', ('bias_squared',)),
            ('variance', 'Variance and test error', ('variance', 'test_mse')),
        )
    )
    config.claims = tuple(
        {
            'sentence': f'{what} {"grows" if kind == "increasing" else "falls"} with {words}.',
            'source': 'GENERAL, bias-variance trade-off',
            'kind': kind,
            'metric': metric,
            'along': field,
            'where': where,
        }
        for name, field, words, where in panels
        for what, metric, kind in (
            ('Variance', 'variance', 'decreasing' if field == L2 else 'increasing'),
            ('Bias²', 'bias_squared', 'increasing' if field == L2 else 'decreasing'),
        )
    )
    config.claims = common.that_matter(config.claims)
    config.claims = common.that_answer(
        config.claims,
        *(
            f'{what} {does} with {words}'
            for what, does in (('Variance', 'grows'), ('Bias²', 'falls'))
            for words in ('the degree', 'the steps')
        ),
    )
    return config
