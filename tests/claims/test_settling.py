"""Adding seeds until claims are settled errs no more often than it says, and finds what it says."""

import math

import numpy as np
import pytest
from claim_cases import ARMS, claim, results_of

from benchmarks import settling as simulation
from jaxtweaks.claims import claims, power, settling, statistics
from jaxtweaks.claims.settling import GRID, Look

NAN = math.nan


def test_shares_by_hand():
    share = settling.shares()
    assert list(share) == [5, 8, 12, 20, 32, 50]
    assert list(share.values()) == pytest.approx([0.1, 0.06, 0.08, 0.16, 0.24, 0.36])
    # Planned for 8 seeds: 5/8 and 3/8 of 80%, and 20% for the 42 seeds that may follow.
    share = settling.shares(8)
    beyond = [0.2 * more / 42 for more in (4, 8, 12, 18)]
    assert list(share.values()) == pytest.approx([0.5, 0.3, *beyond])
    assert settling.shares(5)[5] == pytest.approx(0.8)
    for planned in GRID:
        assert sum(settling.shares(planned).values()) == pytest.approx(1)
    for planned, grid in ((5, ()), (5, (5, 5)), (5, (8, 5)), (5, (0, 5)), (6, GRID)):
        with pytest.raises(ValueError, match='no growing seeds'):
            settling.shares(planned, grid)


@pytest.mark.parametrize(
    ('a_seed', 'budget', 'last'),
    [(60.0, 1.0, 5), (60.0, 479.0, 5), (60.0, 480.0, 8), (60.0, 1e6, 50), (0.0, 1.0, 50)],
)
def test_the_last_look_that_a_budget_reaches(a_seed, budget, last):
    assert settling.affordable(a_seed, budget) == last


def test_the_last_look_is_not_before_the_first():
    assert settling.affordable(60.0, 1.0, first=12) == 12
    assert settling.affordable(60.0, 1e6, first=12) == 50


@pytest.mark.parametrize(('by_flips', 'seeds'), [(0, 5), (1, 8), (5, 8), (6, 12), (81, 12)])
def test_the_first_look_can_settle_what_sign_flips_decide(by_flips, seeds):
    # The least p of n seeds is 2/2ⁿ, and Holm's method may ask for 80% of 5% over so many claims.
    assert settling.first_look(by_flips) == seeds
    grid = settling.grid_from(seeds)
    assert settling.shares(seeds, grid)[seeds] == pytest.approx(0.8)
    if by_flips:
        assert 2 / 2**seeds <= 0.05 * 0.8 / by_flips


def looks_of(*looks, planned=GRID[-1]):
    """Looks (seeds, p of each claim); a p alone is of a claim that cannot be negligible."""
    pair = lambda p: p if isinstance(p, tuple) else (p, NAN)
    share = settling.shares(planned)
    return [Look(seeds, tuple(map(pair, p)), share.get(seeds, 0.0)) for seeds, *p in looks]


def test_q_is_the_smallest_p_over_its_share():
    looks = looks_of((5, 0.004, 0.5), (8, 0.03, 0.003), (12, 0.9, NAN))
    assert settling.q_values(looks[:1])[:, 0] == pytest.approx([0.04, 1.0])
    assert settling.q_values(looks)[:, 0] == pytest.approx([0.04, 0.05])
    # Holm over two claims: 2 · 0.04 and 0.05, made monotone.
    assert settling.adjusted(looks)[:, 0] == pytest.approx([0.08, 0.08])
    assert settling.settled(looks) == [None, None]
    assert settling.settled(looks, alpha=0.1) == [(0, 0), (1, 0)]
    assert settling.settled(looks_of((5, NAN))) == [None]
    assert np.isnan(settling.q_values(looks_of((5, NAN)))).all()


def test_what_a_budget_was_planned_for_is_what_its_looks_may_spend():
    looks = looks_of((5, 0.02), (8, 0.02), planned=8)
    assert settling.q_values(looks)[:, 0] == pytest.approx([0.04])
    assert settling.settled(looks) == [(0, 0)]
    # Beyond the plan little is left: 0.2 · 4 / 42 of α for the look at 12.
    looks = looks_of((5, 0.5), (8, 0.5), (12, 0.001), planned=8)
    assert settling.q_values(looks)[:, 0] == pytest.approx([0.0525])
    assert settling.settled(looks) == [None]


def test_negligible_has_a_p_of_its_own_and_comes_first():
    # Significant with 5 seeds; with 8 seen to be less than what matters.
    looks = looks_of((5, (0.001, 0.2)), (8, (0.001, 0.002)))
    assert settling.settled(looks[:1]) == [(0, 0)]
    assert settling.settled(looks) == [(1, 1)]


def test_a_look_outside_the_grid_does_not_count():
    looks = looks_of((3, 1e-9), (10, 1e-9))
    assert np.isnan(settling.q_values(looks)).all()
    assert settling.settled(looks) == [None]
    looks += looks_of((50, 0.009))
    assert settling.q_values(looks)[0, 0] == pytest.approx(0.025)
    assert settling.settled(looks) == [(2, 0)]
    assert settling.confidence(0.0) == 1


def test_what_is_settled_stays_so():
    rng = np.random.default_rng(0)
    for p in rng.random((200, len(GRID), 3, 2)) ** 4:
        looks = looks_of(*[(n, *map(tuple, one)) for n, one in zip(GRID, p, strict=True)])
        steps = np.array([settling.adjusted(looks[: i + 1]) for i in range(len(looks))])
        assert (np.diff(steps, axis=0) <= 1e-15).all()


def test_a_verdict_and_the_interval_of_its_look_agree():
    """Alone, a claim is settled exactly if the interval at the look's level excludes zero."""
    rng, seen = np.random.default_rng(1), set()
    share = settling.shares()
    assert settling.confidence(share[5]) == pytest.approx(0.995)
    for d in rng.normal(0.9, 1, (40, GRID[-1])):
        for n in GRID:
            low, high = statistics.Test().interval(d[:n], settling.confidence(share[n]))
            (rests_on,) = settling.settled(looks_of((n, statistics.Test().differs(d[:n]))))
            seen.add(rests_on)
            assert (rests_on is not None) == (not low <= 0 <= high)
    assert seen == {None, (0, 0)}


@pytest.mark.parametrize('shape', simulation.SHAPES)
def test_without_effect_no_more_than_five_percent_are_settled(shape):
    count = 1500
    ends = simulation.shared_baseline(shape, [0.0] * 4, count, first=True)
    bound = 0.05 + 3 * math.sqrt(0.05 * 0.95 / count)
    assert np.mean([end.settled.any() for end in ends]) <= bound


def ends_of(p, planned=GRID[-1], last=GRID[-1]):
    """`until_settled` of experiments [N, looks] of one claim each: if it is settled, and seeds."""
    looks = GRID[: GRID.index(last) + 1]
    share = settling.shares(planned)
    small = p[:, : len(looks)] <= 0.05 * np.array([share[n] for n in looks])
    settled = small.any(axis=1)
    return settled, np.where(settled, np.array(looks)[small.argmax(axis=1)], last)


@pytest.mark.parametrize(('planned', 'last'), [(50, 50), (8, 8), (8, 50), (50, 20)])
def test_one_claim_ends_at_the_first_look_whose_p_is_within_its_share(planned, last):
    d = 0.8 + np.random.default_rng(5).standard_normal((50, GRID[-1]))
    p = simulation.paths(d)
    settled, seeds = ends_of(p, planned, last)
    ends = [simulation.until_settled(one[:, None], planned=planned, last=last) for one in p]
    assert [end.settled[0] for end in ends] == settled.tolist()
    assert [end.seeds[0] for end in ends] == seeds.tolist()
    assert last == 50 or 0 < settled.sum() < 50


def test_looking_without_correction_errs_in_a_fifth_and_this_does_not():
    rng = np.random.default_rng(2)
    p = simulation.paths(rng.standard_normal((3000, GRID[-1])))
    assert (p <= 0.05).any(axis=1).mean() > 0.15
    settled, _ = ends_of(p)
    assert 0.02 < settled.mean() <= 0.05


@pytest.mark.parametrize('planned', [5, 8, 20])
def test_a_plan_errs_no_more_often_and_finds_more_within_its_budget(planned):
    rng, count = np.random.default_rng(6), 2000
    bound = 0.05 + 3 * math.sqrt(0.05 * 0.95 / count)
    none, some = (simulation.paths(d + rng.standard_normal((count, GRID[-1]))) for d in (0, 1.2))
    share = lambda p, **plan: ends_of(p, **plan)[0].mean()
    assert 0.02 < share(none, planned=planned, last=planned) <= bound
    assert share(none, planned=planned) <= bound  # the budget was raised
    found = share(some, planned=planned, last=planned)
    assert found > share(some, last=planned) + (0.04 if planned < 20 else 0)


# Of settled.md: effect in standard deviations, share settled, mean seeds.
@pytest.mark.parametrize(
    ('effect', 'share', 'seeds'), [(0.5, 0.87, 35), (0.8, 1.0, 21), (1.2, 1.0, 13), (2.0, 1.0, 8)]
)
def test_the_power_and_the_cost(effect, share, seeds):
    p = simulation.paths(effect + np.random.default_rng(3).standard_normal((1000, GRID[-1])))
    settled, needed = ends_of(p)
    assert settled.mean() == pytest.approx(share, abs=0.04)
    assert needed.mean() == pytest.approx(seeds, abs=1.5)


@pytest.mark.parametrize('planned', [5, 50])
@pytest.mark.parametrize('name', ['increasing', 'peak', 'level (one arm)'])
def test_other_kinds_may_be_looked_at_too(name, planned):
    count = 60
    bound = 0.05 + 3.5 * math.sqrt(0.05 * 0.95 / count)
    assert simulation.every_kind(name, 'log-normal', count, planned) <= bound


def found(difference, n, **given):
    """The finding of a claim whose settings differ by `difference` standard deviations."""
    noise = np.random.default_rng(4).standard_normal(n)
    noise = np.stack([(noise - noise.mean()) / noise.std(ddof=1), np.zeros(n)])
    results = results_of([difference, 0.0], n, noise=noise)
    return claims.find(claim('greater', **ARMS, **given), results)


def test_what_no_look_would_settle_is_given_up_and_nothing_else():
    nothing, much, some = found(0.0, 32), found(3.0, 32), found(0.4, 32)
    share = settling.shares()
    looks = [Look(32, (nothing.tests, much.tests, some.tests), share[32])]
    assert settling.open_claims([nothing, much, some], looks, share) == [2]
    # With five seeds it is too early to say.
    early = [Look(5, (found(0.1, 5).tests,), share[5])]
    assert settling.open_claims([found(0.1, 5)], early, share) == [0]
    # Nothing at all is an answer to a claim that says what matters.
    small = found(0.0, 20, smallest=1.0)
    assert not settling.hopeless(small, 20, share)
    assert settling.hopeless(found(0.0, 20), 20, share)
    last = looks_of((50, 0.9))
    assert settling.open_claims([found(0.0, 50)], last, share) == []


def test_a_claim_without_a_number_gets_more_seeds_unless_it_is_no_matter_of_chance():
    empty = claims.find(claim('greater', **ARMS), results_of([1.0, 0.0], 1))
    same = claims.find(claim('identical', **ARMS), results_of([1.0, 0.0], 5))
    looks, share = [Look(5, (empty.tests, same.tests), 0.1)], settling.shares()
    assert settling.open_claims([empty, same], looks, share) == [0]


def test_a_forecast_knows_what_is_not_known():
    seen = found(0.5, 5)
    alone = power._powers(seen, 50, 0.01)[0]
    assert alone > 0.75  # if the five seeds were all there is to it
    assert 0.4 < power.forecast(seen, 50, 0.01) < alone - 0.05
    assert power.forecast(found(3.0, 20), 32, 0.01) == 1
    assert power.forecast(seen, 5, 1.0) == 1  # no more than those seen
