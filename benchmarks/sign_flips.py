"""How often sign flips and Student's t err on the difference of two arms, side by side.

    python -m benchmarks.sign_flips          # 4,000 experiments a cell: a minute or two

Prints the Markdown table of docs/statistics.md, "Why Student's t", and the power of both: of every
cell the share of p ≤ 0.05 by sign flips / by Student's t.
"""

import sys

import numpy as np
from scipy import stats

from benchmarks.claims_error_rates import SHAPES
from jaxtweaks.claims import statistics

SEEDS = (15, 20, 50)
ALPHA = 0.05
# The mean difference of the table of power, in standard deviations of a run, by number of seeds.
EFFECTS = {15: 1.2, 20: 1.2, 50: 0.7}


def flips_p(d: np.ndarray, alternative: str) -> np.ndarray:
    """`statistics.permutation_p` of many samples, [N, n] to [N]; drawn where n ≤ 16 too."""
    signs, found = statistics.drawn_signs(d.shape[1]), []
    for part in np.array_split(d, max(1, len(d) // 100)):
        flipped, observed = signs @ part.T, part.sum(axis=1)
        if alternative == 'two-sided':
            flipped, observed = np.abs(flipped), np.abs(observed)
        extreme = flipped >= observed - 1e-9 * np.abs(part).sum(axis=1)
        found.append((1 + extreme.sum(axis=0)) / (1 + len(signs)))
    return np.concatenate(found)


def shares(d: np.ndarray, alternative: str = 'two-sided') -> tuple[float, float]:
    """The shares of samples [N, n] whose mean is significantly not 0: sign flips, Student's t."""
    student = stats.ttest_1samp(d, 0, axis=1, alternative=alternative).pvalue
    return float(np.mean(flips_p(d, alternative) <= ALPHA)), float(np.mean(student <= ALPHA))


def arms(shape: str, n: int, count: int, ours: int = 1, theirs: int = 1) -> np.ndarray:
    """Differences of the means over `ours` and `theirs` settings, without effect, [count, n]."""
    rng, draw = np.random.default_rng(5), SHAPES[shape]
    mean = lambda settings: sum(draw(rng, (count, n)) for _ in range(settings)) / max(1, settings)
    return mean(ours) - mean(theirs)


# By row: settings on either side (0: an arm without noise), and the alternative that is tested.
ROWS = {
    'one setting against one': (1, 1, 'two-sided'),
    'equivalent, at its margin': (
        1,
        1,
        'greater',
    ),  # of its two one-sided tests, the one that binds
    'two settings against three': (2, 3, 'two-sided'),
    'one arm without noise': (1, 0, 'two-sided'),
}


def main(count: int) -> None:
    """Prints both tables."""
    cell = lambda pair: f'{100 * pair[0]:.1f}% / {100 * pair[1]:.1f}%'
    print('| difference | n | ' + ' | '.join(SHAPES) + ' |\n' + '|---' * (2 + len(SHAPES)) + '|')
    for name, (ours, theirs, alternative) in ROWS.items():
        for n in SEEDS:
            cells = [cell(shares(arms(s, n, count, ours, theirs), alternative)) for s in SHAPES]
            print(f'| {name} | {n} | ' + ' | '.join(cells) + ' |', flush=True)
    for n, effect in EFFECTS.items():
        cells = [cell(shares(effect + arms(s, n, count))) for s in SHAPES]
        print(f'| power, effect {effect:g} | {n} | ' + ' | '.join(cells) + ' |', flush=True)


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
