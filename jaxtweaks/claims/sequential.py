"""Verdicts on claims that were looked at as seeds were added: `settling`, applied to results.

A look is made with the first seeds of the results, so that it can be made again at any time. Each
claim is known by its key: what is tested, whatever the sentence around it. Pure functions.
"""

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Collection, Mapping, Sequence

from jaxtweaks.base.numbers import percent
from jaxtweaks.claims import claims as claims_lib
from jaxtweaks.claims import settling
from jaxtweaks.claims.claim import Claim, Open, Verdict
from jaxtweaks.claims.finding import Finding
from jaxtweaks.claims.settling import GRID
from jaxtweaks.config.build import to_dict
from jaxtweaks.results.results import Results

_WORDS = ('sentence', 'source', 'answers', 'answers_no')  # of a claim, which change no test
Pair = tuple[float, float]
_NONE: Pair = (math.nan, math.nan)


@dataclasses.dataclass(frozen=True)
class Looked:
    """A look at the claims of an experiment.

    Attributes:
      seeds: of each setting.
      p: by the key of each claim looked at its two p values, see `settling.Look`.
      going: the keys of the claims that more seeds are worth training for.
      planned: the seeds of the look that was planned as the last, see `settling.shares`.
      first: the seeds of the first look.
    """

    seeds: int
    p: Mapping[str, Pair]
    going: tuple[str, ...] = ()
    planned: int = GRID[-1]
    first: int = GRID[0]

    @property
    def shares(self) -> dict[int, float]:
        """The share of α of every look, by its seeds."""
        return settling.shares(self.planned, settling.grid_from(self.first))

    @property
    def share(self) -> float:
        """Of α that the look may spend; none with a number of seeds that is not in the grid."""
        return self.shares.get(self.seeds, 0.0)


def key(claim: Claim) -> str:
    """What a claim is called in records: a digest of what is tested."""
    values = {name: value for name, value in to_dict(claim).items() if name not in _WORDS}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def subject(claim: Claim) -> str:
    """What a claim is called whatever is said to matter, which may be said with results known."""
    return key(dataclasses.replace(claim, smallest=None, margin=None))


def look(
    claims: Sequence[Claim],
    results: Results,
    before: Sequence[Looked],
    seeds: int,
    planned: int = GRID[-1],
    first: int = GRID[0],
) -> Looked:
    """The next look, with the first `seeds` seeds of the results.

    Args:
      claims: all claims of the experiment.
      results: of as many seeds, or more.
      before: the looks so far. What was settled or given up there is not looked at again.
      seeds: of the look, a number of the grid.
      planned: the seeds of the look that was planned as the last, the same at all looks.
      first: the seeds of the first look.
    """
    results = results.first_seeds(seeds)
    found = _found(claims, results, still_going(claims, before) if before else None)
    tests = {name: one.tests for name, one in found.items()}
    now = Looked(seeds, tests, planned=planned, first=first)
    names = _names(claims, results.exact)
    looks = _in_order([*before, now], names)
    places = settling.open_claims([found.get(name) for name in names], looks, now.shares)
    return dataclasses.replace(now, going=tuple(names[i] for i in places))


def still_going(claims: Sequence[Claim], looks: Sequence[Looked]) -> list[str]:
    """The keys of the claims to be looked at next.

    Those going, those that are new, and those that were settled until others were added: Holm's
    adjustment asks more of each of them since.
    """
    seen = {name for one in looks for name in one.p}
    going = {*(looks[-1].going if looks else ()), *_reopened(claims, looks)}
    return [name for name in _names(claims) if name in going or name not in seen]


def expected(
    claims: Sequence[Claim], results: Results, looks: Sequence[Looked]
) -> dict[int, float]:
    """How many of the open claims each look to come, or one before it, is expected to settle.

    Args:
      claims: all claims of the experiment.
      results: of the seeds of the last look, or more.
      looks: those so far, one at least.

    Returns:
      By the seeds of the look, growing. Each claim is forecast by itself (`settling.chances`), by
      what the seeds seen say of it.
    """
    last = looks[-1]
    going = still_going(claims, looks)
    names = _names(claims, results.exact)
    unsettled = len(names) - len(_settled(names, looks))
    total = dict.fromkeys((n for n in sorted(last.shares) if n > last.seeds), 0.0)
    for found in _found(claims, results.first_seeds(last.seeds), going).values():
        if found.rows is None or found.n < 2:
            continue
        chances = dict(settling.chances(found, last.seeds, last.shares, unsettled))
        best = itertools.accumulate((chances[n] for n in total), max)
        total = {n: so_far + more for (n, so_far), more in zip(total.items(), best, strict=True)}
    return total


def _reopened(claims: Sequence[Claim], looks: Sequence[Looked]) -> set[str]:
    """The keys of the claims that are open only because of claims that were added.

    They were settled among the claims known at a look, with nothing more seen of them since.
    """
    settled, last = set(), {}
    for at, one in enumerate(looks):
        last |= dict.fromkeys(one.p, at)
        known = [name for name in _names(claims) if name in last]
        # What was looked at once more goes by what came of it.
        settled = {name for name in settled if last[name] < at} | _settled(known, looks[: at + 1])
    return settled - _settled(_names(claims), looks)


def _settled(names: Sequence[str], looks: Sequence[Looked]) -> set[str]:
    """The keys of the claims that these looks settle, if there are no others."""
    if not (looks and names):
        return set()
    found = settling.settled(_in_order(looks, names))
    return {name for name, rests_on in zip(names, found, strict=True) if rests_on}


def evaluate(
    claims: Sequence[Claim],
    results: Results,
    looks: Sequence[Looked],
    alpha: float = 0.05,
    ahead: int | None = None,
) -> list[Verdict]:
    """The verdict on every claim after these looks, the last one last.

    A claim that is settled has the effect and the interval of the look that settled it, any other
    those of the last look at it. `ahead`: the seeds of the look that is trained for, if one is.
    """
    verdicts = claims_lib.untested(claims, results)
    tested = claims_lib.with_chance(claims, results.exact)
    going = still_going(claims, looks)
    in_order = _in_order(looks, [key(claims[i]) for i in tested])
    settled = settling.settled(in_order, alpha=alpha)
    adjusted = settling.adjusted(in_order).tolist()
    for place, i in enumerate(tested):
        name = key(claims[i])
        seen = [at for at, one in enumerate(looks) if name in one.p]
        rests_on = settled[place]
        at = rests_on[0] if rests_on else seen[-1] if seen else len(looks) - 1
        found, level = _at_look(claims[i], results, looks[at])
        verdict = claims_lib.verdict_by(claims[i], found, adjusted[place], alpha)
        seeds = tuple(looks[at].seeds for at in seen)
        note = _note(verdict, seeds, looks[at], level)
        if verdict.verdict == 'inconclusive':
            stopped = _stopped(seeds, name in going, looks[-1].seeds, ahead)
            if stopped == Open.NEXT_LOOK:
                note = f'{note}; the next look is at {ahead} seeds'
            verdict = dataclasses.replace(verdict, open_because=(stopped, *verdict.open_because))
        verdicts[i] = dataclasses.replace(
            verdict,
            level=level,
            looks=seeds,
            rests_on=looks[at].seeds,
            note='; '.join(filter(None, [verdict.note, note])),
        )
    return verdicts


def _at_look(claim: Claim, results: Results, at: Looked) -> tuple[Finding, float]:
    """The finding with the first seeds, and the level of its interval: that of the look.

    A kind that has no interval at other levels keeps the one at 95%.
    """
    found, level = claims_lib.find(claim, results.first_seeds(at.seeds)), _level(at)
    if found.n < 2:  # there is none
        return found, level
    if found.at_level is None:
        return found, Verdict.level
    low, high = found.at_level(level)
    return dataclasses.replace(found, low=low, high=high), level


def _note(verdict: Verdict, seeds: Sequence[int], at: Looked, level: float) -> str:
    """How often it was looked at, with how many seeds each, and at which it was settled.

    `at`: the look that it rests on; `level`: of the interval.
    """
    if not seeds:
        return ''
    own = '' if level == _level(at) else 'but not its '
    interval = f'{own}interval at {percent(level, 1)}%'
    note = f'looked at with {_listed(seeds)} seeds, and corrected for it ({interval})'
    if verdict.verdict in ('supported', 'contradicted') and at.seeds < GRID[-1]:
        note += f'; settled at {at.seeds}: an early stop overestimates the effect'
    return note


def _level(at: Looked) -> float:
    return settling.confidence(at.share)


def _stopped(seeds: Sequence[int], going: bool, last: int, ahead: int | None) -> Open:
    """Why an open claim has no more seeds, or not yet.

    Args:
      seeds: of the looks at it.
      going: whether it is to be looked at next.
      last: the seeds of the last look at any claim.
      ahead: those of the next, if there is one.
    """
    if not seeds:
        return Open.NOT_LOOKED_AT
    if (last if going else seeds[-1]) >= GRID[-1]:
        return Open.LAST_LOOK
    if going:
        return Open.NEXT_LOOK if ahead else Open.BUDGET
    return Open.GIVEN_UP


def _listed(seeds: Sequence[int]) -> str:
    *most, last = map(str, seeds)
    return f'{", ".join(most)} and {last}' if most else last


def _names(claims: Sequence[Claim], exact: bool = False) -> list[str]:
    return [key(claims[i]) for i in claims_lib.with_chance(claims, exact)]


def _found(
    claims: Sequence[Claim], results: Results, among: Collection[str] | None
) -> dict[str, Finding]:
    tested = [claims[i] for i in claims_lib.with_chance(claims, results.exact)]
    return {
        key(claim): claims_lib.find(claim, results)
        for claim in tested
        if among is None or key(claim) in among
    }


def _in_order(looks: Sequence[Looked], names: Sequence[str]) -> list[settling.Look]:
    """The looks with their p values in the order of the claims."""
    return [
        settling.Look(one.seeds, tuple(one.p.get(name, _NONE) for name in names), one.share)
        for one in looks
    ]


def as_numbers(p: Mapping[str, Sequence[float | None]]) -> dict[str, Pair]:
    """The p values of a look as a manifest has them: None is NaN."""
    number = lambda value: math.nan if value is None else float(value)
    return {name: (number(sided), number(small)) for name, (sided, small) in p.items()}


def as_plain(p: Mapping[str, Pair]) -> dict[str, tuple[float | None, float | None]]:
    """The opposite of `as_numbers`."""
    plain = lambda value: float(value) if math.isfinite(value) else None
    return {name: (plain(sided), plain(small)) for name, (sided, small) in p.items()}
