"""Claims: checked before a run, tested after it.

`check` finds every mistake of a claim that can be found without results, so that it is found
before training; `evaluate` returns the verdicts. What is tested how: docs/statistics.md.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.claims import claim_data, power, selection, settling, statistics
from jaxtweaks.claims.claim import KINDS, Claim, Open, Verdict
from jaxtweaks.claims.finding import TWO_VALUED, Finding
from jaxtweaks.claims.kind import OPTIONS, Kind
from jaxtweaks.results.derive.derivation import Selected
from jaxtweaks.results.results import Results, without_runs

__all__ = ['KINDS', 'Claim', 'Verdict', 'check', 'evaluate', 'find', 'seeds_needed']


def check(
    claims: Sequence[Claim],
    settings: Sequence[dict[str, Any]],
    *,
    curves: Iterable[str] | None = None,
    finals: Iterable[str] | None = None,
    epochs: int | None = None,
    selected: Sequence[Selected | None] = (),
) -> None:
    """Complains about the first claim that cannot be tested on these settings.

    Args:
      claims: the experiment's claims.
      settings: for each setting of the sweep the values of the swept fields.
      curves, finals: the metrics there will be by epoch and of the chosen parameters; None for
        all that may be.
      epochs: the number of epochs, if known.
      selected: for each setting by what it was chosen among others; () if that is not known.

    Raises:
      UserError: naming the claim, what is wrong, and what would be right.
    """
    sweep = without_runs(settings)
    curves, finals = (metrics.known() if one is None else tuple(one) for one in (curves, finals))
    for claim in claims:
        try:
            _check_options(claim)
            _check_metric(claim, curves, finals, epochs)
            _check_conditions(claim, sweep)
            selection.check(claim, sweep, selected)
        except UserError as error:
            raise UserError(f"claim '{claim.sentence}' ({claim.source}): {error}") from None


def check_sentences(claims: Sequence[Claim]) -> None:
    """Whether each claim reads differently, so that two verdicts cannot be taken for one another.

    Raises:
      UserError: naming the sentence that comes again.
    """
    seen: dict[str, Claim] = {}
    for claim in claims:
        words = ' '.join(claim.sentence.split())
        if first := seen.get(words):
            raise UserError(
                f"claim '{words}' ({first.source}) comes again ({claim.source});"
                ' say in the sentence what differs'
            )
        seen[words] = claim


def with_smallest(claims: Sequence[Claim], smallest: Mapping[str, float]) -> tuple[Claim, ...]:
    """The claims, with the smallest difference that matters of their metrics.

    One that names its own keeps it; one that cannot be negligible (see `docs/statistics.md`) has
    none, nor has one whose numbers are epochs, which are no differences of its metric.

    Raises:
      UserError: there is a metric of which no claim can be negligible.
    """
    known = [claim.metric for claim in claims if _in_its_unit(claim)]
    for metric in smallest:
        if metric not in known:
            raise UserError(
                f"smallest: no claim that may be negligible has the metric '{metric}'; "
                f'{did_you_mean(metric, dict.fromkeys(known))}'
            )
    return tuple(
        dataclasses.replace(claim, smallest=smallest[claim.metric])
        if claim.metric in smallest and claim.smallest is None and _in_its_unit(claim)
        else claim
        for claim in claims
    )


def _in_its_unit(claim: Claim) -> bool:
    """Whether a claim may be too small to matter, by a size in the unit of its metric."""
    kind = KINDS.find(claim.kind)
    return kind.may_be_negligible(claim) and not kind.by_epoch and claim.metric not in TWO_VALUED


def find(claim: Claim, results: Results, alpha: float = 0.05) -> Finding:
    """Tests a claim that has passed `check`."""
    return KINDS.find(claim.kind).test(claim, results, alpha)


def evaluate(
    claims: Sequence[Claim],
    results: Results,
    alpha: float = 0.05,
    waiting: Sequence[Claim] = (),
) -> list[Verdict]:
    """The verdict on every claim of an experiment.

    Holm's adjustment runs over the p values that decide the claims given here, so give all
    claims of the experiment at once: as `waiting` those that cannot be tested yet, which get no
    verdict.

    Raises:
      UserError: as `check`.
    """
    _check_on(claims, results)
    findings = [find(claim, results, alpha) for claim in claims]
    tested = with_chance(claims, results.exact)
    unknown = [(math.nan, math.nan)] * len(with_chance(waiting, results.exact))
    adjusted = statistics.holm(np.array([*(findings[i].tests for i in tested), *unknown]))
    verdicts = [_exact(claim, found) for claim, found in zip(claims, findings, strict=True)]
    for i, p_adjusted in zip(tested, adjusted[: len(tested)].tolist(), strict=True):
        verdicts[i] = _verdict(claims[i], findings[i], p_adjusted, alpha, len(adjusted))
    return verdicts


def untested(claims: Sequence[Claim], results: Results) -> list[Verdict]:
    """The verdicts on the claims as if chance had no say: right for those of `identical`.

    Raises:
      UserError: as `check`.
    """
    _check_on(claims, results)
    return [_exact(claim, find(claim, results)) for claim in claims]


def _check_on(claims: Sequence[Claim], results: Results) -> None:
    check(
        claims,
        results.settings,
        curves=(*results.curves, *metrics.derived(results.curves)),
        finals=(*results.finals, *metrics.derived(results.finals)),
        epochs=len(results.epochs),
    )


def with_chance(claims: Sequence[Claim], exact: bool = False) -> list[int]:
    """The places of the claims that chance has a say in; none if the results are exact."""
    return [] if exact else [i for i, claim in enumerate(claims) if _is_tested(claim)]


def first_look(claims: Sequence[Claim], exact: bool = False) -> int:
    """The seeds of the first look at claims, see `settling.first_look`."""
    tested = [claims[i] for i in with_chance(claims, exact)]
    return settling.first_look(sum(KINDS.find(one.kind).by_flips(one) for one in tested))


def _is_tested(claim: Claim) -> bool:
    """Whether chance has a say in it."""
    return KINDS.find(claim.kind).tested


def _verdict(
    claim: Claim, found: Finding, adjusted: Sequence[float], alpha: float, claims: int
) -> Verdict:
    """The verdict on one of so many claims, whose p values are known after Holm's adjustment."""
    verdict = verdict_by(claim, found, adjusted, alpha)
    if verdict.verdict != 'inconclusive' or found.n < 2:
        return verdict
    notes = [verdict.note, *_settling(found, alpha / claims)]
    return dataclasses.replace(verdict, note='; '.join(filter(None, notes)))


def verdict_by(
    claim: Claim, found: Finding, adjusted: Sequence[float], alpha: float = 0.05
) -> Verdict:
    """The verdict by the p values of `found.tests` after every adjustment."""
    sided, small = (p <= alpha for p in adjusted)
    # A look of an earlier version has p where there is no such test (of runs that get nowhere).
    small = small and not math.isnan(found.p_negligible)
    # Less than what matters is negligible, be it significant or not.
    verdict = 'negligible' if small else found.side if sided else 'inconclusive'
    # Adjusted, both may be 1: then p before it says which test came nearer.
    of_side, of_small = zip(adjusted, found.tests, strict=True)
    test = 1 if small or (not sided and of_small < of_side) else 0
    p, p_adjusted = found.tests[test], adjusted[test]
    one_sided = test == 1 or KINDS.find(claim.kind).two_sided(claim)  # tests within a margin are
    enough = statistics.seeds_for_permutation(2 * alpha if one_sided else alpha)
    notes = list(found.notes)
    if verdict == 'negligible':
        notes.append(_negligible(claim, found, sided))
    if found.n < 2:
        notes.append(f'{found.n or "no"} seed is left: at least two are needed')
    elif verdict == 'inconclusive' and found.flips and found.n < enough:
        notes.append(
            f'with {found.n} seeds no permutation test can reach {alpha:g}; {enough} would'
        )
    return dataclasses.replace(
        _untested(claim, found, verdict, '; '.join(notes)),
        low=found.low,
        high=found.high,
        p=p,
        p_adjusted=p_adjusted,
        p_permutation=found.p_permutation,
        smallest_permutation_p=statistics.smallest_permutation_p(found.n),
        seeds_for_permutation=enough,
        open_because=(Open.TOO_FEW,) if verdict == 'inconclusive' and found.n < 2 else (),
    )


def _negligible(claim: Claim, found: Finding, sided: bool) -> str:
    """What a negligible effect is smaller than, and by which test; `sided`: significant, too."""
    assert claim.smallest is not None, 'else nothing is negligible'
    size = KINDS.find(claim.kind).amount(claim, claim.smallest)
    what = 'the difference of every two points' if claim.along else 'the difference'
    note = f'by two one-sided tests {what} is less than {size} either way'
    if sided:
        side = 'as claimed' if found.side == 'supported' else 'the other way'
        note += f', though significantly {side}'
    return note


def _exact(claim: Claim, found: Finding) -> Verdict:
    """The verdict where chance has no say: a claim is so, for every seed, or it is not."""
    because: tuple[Open, ...] = ()
    if found.deciding is None:
        verdict, because = 'inconclusive', (Open.NOT_EXACT,)
        note = f"kind '{claim.kind}' is not for exact results"
    elif not len(found.deciding):
        verdict, because, note = 'inconclusive', (Open.TOO_FEW,), 'no seed is left'
    elif np.isnan(found.deciding).any():
        verdict, because = 'inconclusive', (Open.NOT_REACHED,)
        note = 'not every run that decides it reaches the level'
    else:
        verdict = 'supported' if (found.deciding > 0).all() else 'contradicted'
        verdict = 'negligible' if found.small else verdict
        note = 'exact: nothing here is left to chance'
    if not _is_tested(claim):  # else the notes are of tests
        note = '; '.join([*found.notes, note])
    untested = _untested(claim, found, verdict, note)
    return dataclasses.replace(untested, open_because=because)


def _untested(claim: Claim, found: Finding, verdict: str, note: str) -> Verdict:
    """A verdict with what was measured, and nothing of intervals and tests."""
    return Verdict(
        claim=claim,
        verdict=verdict,
        effect=found.effect,
        low=math.nan,
        high=math.nan,
        what=found.what,
        n=found.n,
        dropped=found.dropped,
        p=math.nan,
        p_adjusted=math.nan,
        p_permutation=math.nan,
        smallest_permutation_p=math.nan,
        seeds_for_permutation=0,
        measured=dict(found.measured),
        published=dict(claim.published),
        note=note,
    )


def seeds_needed(
    claims: Sequence[Claim], results: Results, alpha: float = 0.05
) -> list[power.Need | None]:
    """How many seeds would settle each claim of an experiment; None where nothing is known.

    Arguments as of `evaluate`; the claims have passed `check`. Each is held to α/m, which is what
    Holm's adjustment of m claims asks of the smallest p value.
    """
    if results.exact:
        return [None] * len(claims)
    tested = sum(map(_is_tested, claims))
    return [
        power.need(find(claim, results, alpha), alpha / tested) if _is_tested(claim) else None
        for claim in claims
    ]


def _settling(found: Finding, alpha: float) -> list[str]:
    needed = power.need(found, alpha)
    if needed is None or (needed.seeds is None and _nothing_seen(found)):
        return []  # no effect was seen that more seeds could settle
    if needed.seeds is None:
        return [f'not even {power.MOST:,} seeds would settle it at the effect seen']
    if needed.seeds <= found.n:
        return []
    return [f'about {needed.seeds} seeds would settle it at the effect seen']


def _nothing_seen(found: Finding) -> bool:
    """Whether the numbers tested have a mean of zero, or those of a curve do not differ.

    The effect does not say it: it may be a place.
    """
    assert found.rows is not None, 'else nothing is known of the seeds needed'
    means = found.rows.mean(axis=1)
    seen = np.ptp(means) if len(means) > 1 else abs(means[0])
    return bool(seen <= 1e-12 * np.abs(found.rows).max())  # what adding up leaves over


def _check_options(claim: Claim) -> None:
    if claim.kind not in KINDS:
        raise UserError(f"unknown kind '{claim.kind}'; {did_you_mean(claim.kind, KINDS)}")
    kind = KINDS[claim.kind]
    _check_read(claim, kind)
    if claim.goal and not kind.with_goal and claim.at != 'best_epoch':
        raise UserError(f"kind '{claim.kind}' reads goal only with at='best_epoch'; omit goal")
    if kind.two_sided(claim) and (claim.margin is None or not claim.margin > 0):
        raise UserError(f'margin must be a number > 0, not {claim.margin}')
    if claim.smallest is not None:
        _check_smallest(claim, claim.smallest)
    kind.check(claim)
    for name, value in claim.published.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UserError(f"published['{name}'] is {value!r}; it must be a number")
    if claim.within is not None and claim.within[0] > claim.within[1]:
        raise UserError(f'within is {claim.within}; the lower end comes first')


def _check_read(claim: Claim, kind: Kind) -> None:
    """Whether a claim sets what its kind needs, and nothing that it does not read. UserError."""
    defaults = {
        field.name: field.default if field.default_factory is dataclasses.MISSING else {}
        for field in dataclasses.fields(claim)
        if field.name in OPTIONS
    }
    given = [name for name, default in defaults.items() if getattr(claim, name) != default]
    for name in kind.needs:
        if name not in given:
            raise UserError(f"kind '{claim.kind}' needs {name}")
    read = kind.needs + kind.reads
    for name in given:
        if name not in read:
            raise UserError(f"kind '{claim.kind}' does not read {name}; it reads {_listed(read)}")


def _check_smallest(claim: Claim, smallest: float) -> None:
    if not smallest > 0:
        raise UserError(f'smallest must be a number > 0, not {smallest}')
    if claim.margin is not None:
        raise UserError('smallest does not go with margin, which says itself what matters')


def _check_metric(
    claim: Claim, curves: tuple[str, ...], finals: tuple[str, ...], epochs: int | None
) -> None:
    if claim.metric in TWO_VALUED:
        _check_two_valued(claim)
    if isinstance(claim.at, str) and claim.at not in claim_data.MOMENTS:
        raise UserError(f"at is '{claim.at}'; {did_you_mean(claim.at, claim_data.MOMENTS)}")
    if isinstance(claim.at, int) and not 1 <= claim.at <= (epochs or claim.at):
        raise UserError(f'at is {claim.at}; the epochs are 1 to {epochs or "the last"}')
    kind = KINDS[claim.kind]
    by_epoch = kind.by_epoch or claim.at != 'final'
    if claim.metric == 'diverged' and not by_epoch:
        return
    known = curves if by_epoch else (*finals, 'diverged')
    if claim.metric not in known or (by_epoch and claim.metric == 'diverged'):
        which = 'metric by epoch' if by_epoch else 'final metric'
        raise UserError(f"no {which} '{claim.metric}'; {did_you_mean(claim.metric, known)}")
    if claim.at == 'best_epoch' and metrics.is_of_test(claim.metric):
        raise UserError(
            "at 'best_epoch' would choose on the test set; 'chosen_epoch' is chosen on validation"
        )
    if kind.with_goal or claim.at == 'best_epoch':
        claim_data.falls(claim)


def _check_two_valued(claim: Claim) -> None:
    """Sign flips compare a share of runs with another, or with one half, and with nothing else."""
    if claim.margin or claim.smallest:
        raise UserError(
            f"'{claim.metric}' is 0 or 1 of a run, for which there is no test within or beyond a"
            " margin; compare two shares with 'greater' or 'less' and no margin"
        )
    half = 0.0 if claim.b else 0.5
    if 'level' in KINDS[claim.kind].needs and claim.level != half:
        raise UserError(
            f"'{claim.metric}' is 0 or 1 of a run, which is tested against {half:g} only, not"
            f' {claim.level}; give level={half:g}, or compare with another setting'
        )


def _check_conditions(claim: Claim, sweep: Results) -> None:
    names = [*claim.where, *claim.a, *claim.b, *([claim.along] if claim.along else [])]
    for name in names:
        claim_data.known_field(name, sweep.swept)
    ours = claim_data.group(sweep, claim.where, claim.a)
    if claim.b:
        theirs = claim_data.group(sweep, claim.where, claim.b)
        shared = set(ours) & set(theirs)
        if shared:
            words = claim_data.in_words(sweep.settings[min(shared)])
            raise UserError(f'a and b both select the setting {words}; they must not overlap')
    kind = KINDS[claim.kind]
    if 'along' in kind.needs:
        kind.check_curve(claim, [x for x, _, _ in claim_data.curve_points(claim, sweep)])


def _listed(names: Sequence[str]) -> str:
    return ', '.join(sorted(dict.fromkeys(names)))
