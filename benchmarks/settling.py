"""How often seeds added until claims are settled err, what they find, and what they cost.

    python -m benchmarks.settling          # 4,000 experiments a cell, 400 where `evaluate` tests
    python -m benchmarks.settling 400      # a tenth of them: a quick look

Prints the Markdown tables of docs/statistics.md, "Adding seeds until it is settled". Effects are in
standard deviations of the paired difference; each experiment stops at the first look that leaves
no claim open, or at the last.
"""

import dataclasses
import sys
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from benchmarks import claims_error_rates
from benchmarks.claims_error_rates import SHAPES
from jaxtweaks.claims import claims, finding, sequential, settling
from jaxtweaks.claims.settling import GRID, Look
from jaxtweaks.claims.statistics import Test
from jaxtweaks.results.results import Results

ALPHA = 0.05
EFFECTS = (0.0, 0.5, 0.8, 1.2, 2.0)
# Seeds that a budget is for.
BUDGETS = (5, 8, 12, 20)
# Of eight claims, each a setting against one baseline; in the same unit as EFFECTS.
MIXED = (0.0, 0.0, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0)


def paths(d: np.ndarray) -> np.ndarray:
    """Two-sided p by Student's t of the first seeds of each look, [..., 50] to [..., looks]."""
    return np.stack([stats.ttest_1samp(d[..., :n], 0, axis=-1).pvalue for n in GRID], axis=-1)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one experiment of m claims ended.

    Attributes:
      settled: whether each claim was, bool [m].
      seeds: how many each claim was given, [m].
    """

    settled: np.ndarray
    seeds: np.ndarray


Hopeless = Callable[[int, int, int], bool]


def until_settled(
    p: np.ndarray,
    first: bool = False,
    hopeless: Hopeless | None = None,
    planned: int = GRID[-1],
    last: int = GRID[-1],
) -> Outcome:
    """The procedure on the p values of each look, [looks, m].

    Args:
      first: stop as soon as any claim is settled, which is what tempts most to err.
      hopeless: of a claim, the number of the look, and how many claims are open, whether to give
        the claim up.
      planned: the seeds of the look that was planned as the last.
      last: those at which the budget is spent.
    """
    share = settling.shares(planned)
    looks: list[Look] = []
    going = np.ones(p.shape[1], bool)
    seeds = np.zeros(p.shape[1], int)
    settled = ~going
    for at, n in enumerate(GRID):
        seeds[going] = n
        # A claim that gets no more seeds is not looked at again.
        tested = tuple((one, np.nan) for one in np.where(going, p[at], np.nan))
        looks.append(Look(n, tested, share[n]))
        settled = np.array([rests_on is not None for rests_on in settling.settled(looks)])
        going = going & ~settled
        if hopeless:
            left = int((~settled).sum())
            going = going & ~np.array([go and hopeless(i, at, left) for i, go in enumerate(going)])
        if n == last or not going.any() or (first and settled.any()):
            break
    return Outcome(settled, seeds)


def one_claim(effect: float, count: int) -> dict[str, tuple[float, float]]:
    """Share settled and mean seeds of one claim, by way of choosing the seeds."""
    d = effect + np.random.default_rng(7).standard_normal((count, GRID[-1]))
    p = paths(d)
    looked = p <= ALPHA
    first = np.where(looked.any(axis=1), np.array(GRID)[looked.argmax(axis=1)], GRID[-1])
    ends = [until_settled(one[:, None]) for one in p]
    some = d[: max(100, count // 10)]
    given_up = [
        until_settled(path[:, None], hopeless=_hopeless(one))
        for one, path in zip(some, p, strict=False)
    ]
    share = lambda ends: float(np.mean([end.settled[0] for end in ends]))
    cost = lambda ends: float(np.mean([end.seeds[0] for end in ends]))
    return {
        'fixed 50': (float(np.mean(p[:, -1] <= ALPHA)), GRID[-1]),
        'looking without correction': (float(np.mean(looked.any(axis=1))), float(first.mean())),
        'until settled': (share(ends), cost(ends)),
        'until settled or hopeless': (share(given_up), cost(given_up)),
    }


def with_a_budget(effect: float, count: int) -> dict[str, float]:
    """Share of one claim settled when a budget ends it, and when another follows, by the plan."""
    p = paths(effect + np.random.default_rng(11).standard_normal((count, GRID[-1])))
    share = lambda planned, last: float(
        np.mean([until_settled(one[:, None], planned=planned, last=last).settled[0] for one in p])
    )
    found = {}
    for last in BUDGETS:
        found[f'for {last} seeds, planned'] = share(last, last)
        found[f'for {last} seeds, planned for {GRID[-1]}'] = share(GRID[-1], last)
        found[f'for {last} seeds, raised to {GRID[-1]}'] = share(last, GRID[-1])
    return found


def _hopeless(d: np.ndarray) -> Hopeless:
    """Whether the first seeds of `d` [50] give no hope, as `settling.open_claims` says it."""

    def hopeless(_: int, at: int, tests: int) -> bool:
        seen = d[: GRID[at]]
        found = finding.Finding(
            effect=float(seen.mean()), low=np.nan, high=np.nan, what='', n=len(seen), dropped=0,
            p_support=np.nan, p_contradict=np.nan, p_permutation=np.nan,
            rows=seen[None], test=Test(), ways=finding.directional(),
        )  # fmt: skip
        return settling.hopeless(found, len(seen), settling.shares(), tests)

    return hopeless


def shared_baseline(shape: str, effects: Sequence[float], count: int, **options) -> list[Outcome]:
    """Experiments of claims that each set one setting against the same baseline."""
    rng, size = np.random.default_rng(8), (count, len(effects), GRID[-1])
    draw = SHAPES[shape]
    spread = np.sqrt(2) if shape != 't, 2 df' else 1.0  # that of t, 2 df is infinite
    arms = draw(rng, size) + spread * np.asarray(effects)[:, None]
    p = paths(arms - draw(rng, (count, 1, GRID[-1])))
    return [until_settled(one.T, **options) for one in p]


def every_kind(name: str, shape: str, count: int, planned: int = GRID[-1]) -> float:
    """Share of experiments whose claim is settled wrongly, tested at every look by its own test."""
    claim, wrong = claims_error_rates.NULL[name]
    rng, errors = np.random.default_rng(9), 0
    for _ in range(count):
        results = claims_error_rates.simulate(shape, GRID[-1], rng)
        looks: list[Look] = []
        for n in GRID:
            found = _found(claim, results.first_seeds(n))
            looks.append(Look(n, (found.tests,), settling.shares(planned)[n]))
            (rests_on,) = settling.settled(looks)
            if rests_on:
                errors += ('negligible' if rests_on[1] else found.side) in wrong
                break
    return errors / count


def _found(claim: claims_error_rates.Claim, results: Results) -> finding.Finding:
    with claims_error_rates.verdicts_only():
        return claims.find(claim, results)


def whole_procedure(
    names: Sequence[str], shape: str, count: int, planned: int = GRID[-1]
) -> tuple[float, float]:
    """Share of experiments with any wrong verdict, and mean seeds of a claim.

    All claims of an experiment together, as `--until_settled` does it: looks, Holm, and claims that
    are given up, each tested by its own test.
    """
    tested = [claims_error_rates.NULL[name] for name in names]
    asked, rng = [claim for claim, _ in tested], np.random.default_rng(10)
    errors, seeds = 0, []
    with claims_error_rates.verdicts_only():
        for _ in range(count):
            results = claims_error_rates.simulate(shape, GRID[-1], rng)
            looks: list[sequential.Looked] = []
            while len(looks) < len(GRID) and (not looks or looks[-1].going):
                looks.append(sequential.look(asked, results, looks, GRID[len(looks)], planned))
            found = sequential.evaluate(asked, results, looks)
            errors += any(v.verdict in wrong for v, (_, wrong) in zip(found, tested, strict=True))
            seeds += [verdict.looks[-1] for verdict in found]
    return errors / count, float(np.mean(seeds))


def main(count: int) -> None:
    """Prints every table."""
    table = claims_error_rates.table
    percent = lambda share: f'{100 * share:.1f}%'
    print('One claim, normal noise: share settled / mean seeds, by the effect:\n')
    found = [one_claim(effect, count) for effect in EFFECTS]
    cell = lambda pair: f'{percent(pair[0])} / {pair[1]:.1f}'
    rows = [[name, *[cell(one[name]) for one in found]] for name in found[0]]
    table(['', *[f'{effect:g}' for effect in EFFECTS]], rows)

    print('One claim, normal noise, with a budget: share settled, by the effect:\n')
    budgets = [with_a_budget(effect, count) for effect in EFFECTS]
    rows = [[name, *[percent(one[name]) for one in budgets]] for name in budgets[0]]
    table(['budget', *[f'{effect:g}' for effect in EFFECTS]], rows)

    print('Four claims without effect that share a baseline, stopped when any is settled:\n')
    ends = [shared_baseline(shape, [0.0] * 4, count, first=True) for shape in SHAPES]
    wrong = [percent(np.mean([end.settled.any() for end in one])) for one in ends]
    table(list(SHAPES), [wrong])

    print('Eight claims of mixed effect that share a baseline, normal noise:\n')
    ends = shared_baseline('normal', MIXED, count)
    settled, seeds = (np.mean([getattr(end, name) for end in ends], axis=0)
                      for name in ('settled', 'seeds'))  # fmt: skip
    rows = [['settled', *map(percent, settled)], ['mean seeds', *[f'{n:.1f}' for n in seeds]]]
    table(['effect', *[f'{effect:g}' for effect in MIXED]], rows)
    # The baseline has as many seeds as the claim with the most.
    runs = np.mean([end.seeds.sum() + end.seeds.max() for end in ends])
    print(
        f'They cost {percent(runs / (len(MIXED) + 1) / GRID[-1])} of the runs of 50 seeds each.\n'
    )

    print('The whole procedure: experiments with any wrong verdict / mean seeds of a claim:\n')
    some = max(40, count // 10)
    rows = []
    for name, members in claims_error_rates.EXPERIMENTS.items():
        for planned in (GRID[-1], 8):
            ends = [whole_procedure(members, shape, some, planned) for shape in SHAPES]
            rows.append([f'{name}, planned for {planned}', *[cell(one) for one in ends]])
    table(['claims', *SHAPES], rows)

    print('Every kind of claim, without effect: share settled wrongly:\n')
    rows = [
        [name, *[percent(every_kind(name, shape, max(50, count // 10))) for shape in SHAPES]]
        for name in claims_error_rates.NULL
    ]
    table(['claim', *SHAPES], rows)


if __name__ == '__main__':
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
