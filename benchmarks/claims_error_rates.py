"""How often the claims engine errs when there is no effect, and how often it finds one.

    python -m benchmarks.claims_error_rates          # 2,000 experiments a cell
    python -m benchmarks.claims_error_rates 200      # 200 experiments a cell: a quick look

Prints Markdown tables: for each shape of the seeds' noise and each number of seeds, the share
of simulated experiments with at least one wrong verdict (at α = 0.05), and the share of true
claims that are supported. docs/statistics.md shows them.
"""

import contextlib
import sys
from unittest import mock

import numpy as np

from jaxtweaks.claims import claims, finding, statistics
from jaxtweaks.claims import power as power_lib
from jaxtweaks.claims.claim import Claim
from jaxtweaks.claims.statistics import Test
from jaxtweaks.results.results import Results

SHAPES = {
    'normal': lambda rng, size: rng.standard_normal(size),
    'exponential': lambda rng, size: rng.exponential(size=size) - 1,
    'log-normal': lambda rng, size: (
        (np.exp(rng.standard_normal(size)) - np.exp(0.5)) / np.sqrt((np.e - 1) * np.e)
    ),
    't, 2 df': lambda rng, size: rng.standard_t(2, size),
}
SEEDS = (3, 6, 10, 20)
SETTINGS = 5
EPOCHS = 12
# The margin of equivalence, in standard deviations of a run's noise.
MARGIN = 2.0


def claim(kind: str, **given) -> Claim:
    """A claim on the settings x = 0 … 4 of `simulate`."""
    given = {'metric': 'test_accuracy', 'sentence': kind, 'source': 'simulation', **given}
    return Claim(kind=kind, **given)


ARMS = {'a': {'x': 0}, 'b': {'x': 1}}
# Claims that are false (or empty) in `simulate` without effects; the verdicts that are wrong.
BOTH = ('supported', 'contradicted')
NULL = {
    'greater': (claim('greater', **ARMS), BOTH),
    'less, 2 against 3 settings': (claim('less', a={'x': (0, 1)}, b={'x': (2, 3, 4)}), BOTH),
    'equivalent at its margin': (
        claim('equivalent', metric='test_loss', margin=MARGIN, **ARMS),
        ('supported',),
    ),
    'equivalent, no difference': (claim('equivalent', margin=0.5, **ARMS), ('contradicted',)),
    'different at its margin': (
        claim('different', metric='test_loss', margin=MARGIN, **ARMS),
        ('supported',),
    ),
    'increasing': (claim('increasing', along='x'), BOTH),
    'optimum in 1 of 5': (claim('optimum', along='x', within=(2.0, 2.0)), BOTH),
    'optimum in 3 of 5': (claim('optimum', along='x', within=(1.0, 3.0)), BOTH),
    'peak': (claim('peak', along='x'), BOTH),
    'sooner to a level': (
        claim('sooner', metric='validation_accuracy', level=5.0, **ARMS),
        BOTH,
    ),
    'sooner to the common level': (claim('sooner', metric='validation_accuracy', **ARMS), BOTH),
    'level (one arm)': (claim('level', level=0.0, direction='above', a={'x': 0}), BOTH),
    'published at its margin (one arm)': (
        claim('published', level=MARGIN, margin=MARGIN, a={'x': 0}),
        ('supported',),
    ),
    'published at its other margin (one arm)': (
        claim('published', level=-MARGIN, margin=MARGIN, a={'x': 0}),
        ('supported',),
    ),
    # The truth lies on the end of what does not matter, so that two verdicts of three are wrong.
    'greater at its smallest': (
        claim('greater', metric='test_loss', smallest=MARGIN, **ARMS),
        ('contradicted', 'negligible'),
    ),
    'greater, no difference, smallest 2': (claim('greater', smallest=MARGIN, **ARMS), BOTH),
    'decreasing at its smallest': (
        claim('decreasing', metric='test_loss', along='x', smallest=MARGIN),
        ('contradicted', 'negligible'),
    ),
    'sooner, no difference, smallest 2': (
        claim('sooner', metric='validation_accuracy', level=5.0, smallest=2.0, **ARMS),
        BOTH,
    ),
    'level at its smallest (one arm)': (
        claim(
            'level', metric='test_loss', level=0.0, direction='above', smallest=MARGIN, a={'x': 0}
        ),
        ('contradicted', 'negligible'),
    ),
}
EXPERIMENTS = {
    'four claims, paired': ['greater', 'increasing', 'optimum in 3 of 5', 'sooner to a level'],
    'four claims, with one arm': [
        'equivalent at its margin',
        'peak',
        'less, 2 against 3 settings',
        'level (one arm)',
    ],
    'four claims with a smallest': [
        'greater at its smallest',
        'greater, no difference, smallest 2',
        'decreasing at its smallest',
        'sooner, no difference, smallest 2',
    ],
}


def simulate(
    shape: str, n: int, rng: np.random.Generator, effect: np.ndarray | None = None
) -> Results:
    """Results of 5 settings and n seeds, noise of standard deviation 1, no effect but `effect`.

    `test_loss` of x = 0 lies higher by the margin; `validation_accuracy` rises by 1 an epoch
    from a start with the noise, so that epochs to a level differ between runs.

    Args:
      effect: what is added to each setting, [5].
    """
    effect = np.zeros(SETTINGS) if effect is None else effect
    draw = SHAPES[shape]
    noise = draw(rng, (SETTINGS, n)) + effect[:, None]
    shift = np.zeros((SETTINGS, 1))
    shift[0] = MARGIN
    curve = np.arange(EPOCHS) + 2 * draw(rng, (SETTINGS, n, 1)) + effect[:, None, None]
    curve = curve + 0.5 * draw(rng, (SETTINGS, n, EPOCHS))
    runs = (SETTINGS, n)
    return Results(
        settings=tuple({'x': x} for x in range(SETTINGS)),
        seeds=np.arange(n),
        epochs=np.arange(1, EPOCHS + 1),
        curves={'validation_accuracy': curve},
        finals={'test_accuracy': noise, 'test_loss': draw(rng, runs) + shift},
        confusion=np.zeros((*runs, 2, 2), int),
        chosen_epoch=np.full(runs, EPOCHS),
        diverged_at=np.full(runs, -1),
        classes=('no', 'yes'),
        label_counts={},
        data_label='simulated',
        fallback=False,
    )


def error_rate(names: list[str], shape: str, n: int, count: int, seed: int = 0) -> float:
    """Share of `count` experiments with at least one wrong verdict on the claims `names`."""
    rng = np.random.default_rng(seed)
    tested = [NULL[name][0] for name in names]
    wrong = [NULL[name][1] for name in names]
    errors = 0
    with verdicts_only():
        for _ in range(count):
            verdicts = claims.evaluate(tested, simulate(shape, n, rng))
            errors += any(v.verdict in w for v, w in zip(verdicts, wrong, strict=True))
    return errors / count


POWER = {
    'greater': (ARMS, lambda size: np.array([size, 0, 0, 0, 0])),
    'equivalent': ({**ARMS, 'margin': MARGIN}, lambda size: np.zeros(SETTINGS)),
    'increasing': ({'along': 'x'}, lambda size: np.linspace(0, size, SETTINGS)),
    'optimum': (
        {'along': 'x', 'within': (2.0, 2.0)},
        lambda size: np.array([0, 0, size, 0, 0]),
    ),
    'peak': ({'along': 'x'}, lambda size: np.array([0, 0, size, 0, 0])),
    'sooner': (
        {**ARMS, 'metric': 'validation_accuracy', 'level': 5.0},
        lambda size: np.array([size, 0, 0, 0, 0]),
    ),
    'level': (
        {'a': {'x': 0}, 'level': 0.0, 'direction': 'above'},
        lambda size: np.full(SETTINGS, size),
    ),
    'published': (
        {'a': {'x': 0}, 'level': 0.0, 'margin': MARGIN},
        lambda size: np.zeros(SETTINGS),
    ),
}


def power(kind: str, size: float, n: int, count: int, seed: int = 0) -> float:
    """Share of `count` experiments with normal noise that support a true claim."""
    rng = np.random.default_rng(seed)
    given, effect = POWER[kind]
    tested = [claim(kind, **given)]
    with verdicts_only():
        supported = [
            claims.evaluate(tested, simulate('normal', n, rng, effect(size)))[0].verdict
            == 'supported'
            for _ in range(count)
        ]
    return float(np.mean(supported))


@contextlib.contextmanager
def verdicts_only():
    """Skips what takes much time and decides no verdict: seeds needed, sign flips next to t."""
    with (
        mock.patch.object(power_lib, 'need', return_value=None),
        mock.patch.object(finding, 'by_sign_flips', return_value=np.nan),
    ):
        yield


def coverage(n: int, shape: str, paired: bool, count: int) -> dict[str, float]:
    """Share of 95% intervals that hold the mean 0."""
    rng = np.random.default_rng(1)
    kinds = {
        "Student's t": statistics.paired_interval,
        'used here': Test('paired' if paired else 'single').interval,
    }
    held = dict.fromkeys(kinds, 0)
    for _ in range(count):
        d = SHAPES[shape](rng, n)
        d = d - SHAPES[shape](rng, n) if paired else d
        for name, interval in kinds.items():
            low, high = interval(d, 0.95)
            held[name] += low <= 0 <= high
    return {name: hits / count for name, hits in held.items()}


def unequal_noise(shape: str, n: int, count: int) -> float:
    """Share of wrong verdicts on a difference where only one of the two arms has noise."""
    rng = np.random.default_rng(2)
    tested, wrong = NULL['greater']
    errors = 0
    with verdicts_only():
        for _ in range(count):
            results = simulate(shape, n, rng)
            results.finals['test_accuracy'][1] *= 1e-3
            errors += claims.evaluate([tested], results)[0].verdict in wrong
    return errors / count


def table(head: list[str], rows: list[list[str]]) -> None:
    print('| ' + ' | '.join(head) + ' |')
    print('|---' * len(head) + '|')
    for row in rows:
        print('| ' + ' | '.join(row) + ' |', flush=True)
    print()


def main(count: int) -> None:
    """Prints every table."""
    experiments = {name: [name] for name in NULL} | EXPERIMENTS
    print(f'Share of {count} experiments with a wrong verdict:\n')
    head = ['claims', 'n', *SHAPES]
    rows = []
    for name, members in experiments.items():
        for n in SEEDS:
            rates = [error_rate(members, shape, n, count) for shape in SHAPES]
            rows.append([name, str(n), *[f'{100 * rate:.1f}%' for rate in rates]])
            print('…', *rows[-1], file=sys.stderr, flush=True)
    table(head, rows)

    print('The same for a difference where one arm has no noise (a limit of the engine):\n')
    rows = [
        [str(n), *[f'{100 * unequal_noise(shape, n, count):.1f}%' for shape in SHAPES]]
        for n in SEEDS
    ]
    table(['n', *SHAPES], rows)

    print('Share of true claims supported, normal noise, effect in standard deviations of a run:\n')
    rows = []
    for kind in POWER:
        sizes = (0.0,) if kind in ('equivalent', 'published') else (1.0, 2.0, 4.0)
        for size in sizes:
            shares = [power(kind, size, n, max(50, count // 4)) for n in SEEDS]
            rows.append([kind, f'{size:g}', *[f'{share:.0%}' for share in shares]])
    table(['claim', 'effect', *[f'n = {n}' for n in SEEDS]], rows)

    print('Share of 95% intervals that hold the mean:\n')
    rows = []
    for paired in (True, False):
        for shape in SHAPES:
            for n in (3, 6, 10, 20):
                held = coverage(n, shape, paired, count)
                cells = [f'{share:.0%}' for share in held.values()]
                rows.append(['paired' if paired else 'one arm', shape, str(n), *cells])
    table(['numbers', 'noise', 'n', "Student's t", 'used here'], rows)


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
