"""The claim that one arm reaches a level in fewer epochs than another: sooner."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxtweaks.base.numbers import number
from jaxtweaks.base.words import level_value
from jaxtweaks.claims import claim_data, finding
from jaxtweaks.claims.claim import Claim
from jaxtweaks.claims.finding import Finding
from jaxtweaks.claims.kind import Kind, Say
from jaxtweaks.claims.register import claim
from jaxtweaks.claims.statistics import Test
from jaxtweaks.results.results import Results

_EPOCHS = 'train.epochs'  # which settings may have different numbers of
_UNKNOWN = 'when a run that never reaches the level would have reached it is not known'


@claim('sooner', needs=('a', 'b'), reads=('goal', 'level', 'smallest'))
class Sooner(Kind):
    """The metric of a reaches a level (or the best value that both reach) before that of b."""

    by_epoch = True
    with_goal = True

    def test(self, claim: Claim, results: Results, alpha: float) -> Finding:
        """Restricted mean epochs to a level (Royston and Parmar 2013): b's minus a's.

        The time of a run that never reaches the level is at least what it counts as: a difference
        of such times may be shown to be large, but not to be small.
        """
        settings = [claim_data.group(results, claim.where, side) for side in (claim.a, claim.b)]
        both = [*settings[0], *settings[1]]
        epochs, never, words = _epochs(claim, results, both)
        rows = np.stack([epochs[ks].mean(axis=0) for ks in settings])
        kept = np.isfinite(rows).all(axis=0)
        rows, dropped, notes = claim_data.complete(rows, both, results)
        lost = [epochs[ks][:, kept] == never for ks in settings]
        counts = [int(runs.sum()) for runs in lost]
        common, sides = claim_data.sides(claim, results)
        if any(counts):
            what = f'{words} and count{"s" if sum(counts) == 1 else ""} as {results.axis} {never:g}'
            totals = [len(ks) * int(kept.sum()) for ks in settings]
            notes.append(_censored(sides, counts, totals, what))
            if claim.smallest is not None:
                # Of a bound there is no test that the time itself is near.
                claim = dataclasses.replace(claim, smallest=None)
                notes.append(f'it cannot be negligible, because {_UNKNOWN}')
        d = rows[1] - rows[0]
        reached = f'{results.axis}s until {claim_data.label(claim, results)} reaches {words}'
        what = claim_data.contrast(reached, common, sides[::-1])
        ways, test = finding.directional(claim.smallest), Test(grain=1.0)
        toward = _known(d, *(runs.any(axis=0) for runs in lost))
        found = finding.of_mean(d, toward, d[None], test, ways, what, dropped, notes)
        return finding.with_means(finding.with_small(found, claim, d[None]), sides, rows)

    def amount(self, claim: Claim, size: float) -> str:
        """See `Kind`."""
        return f'{number(size)} epochs'

    def effect(self, metric: str, verdict: Mapping[str, Any]) -> tuple[Say, str]:
        """Epochs."""
        return (lambda value: number(value, 3, '+')), ' epochs'

    def measured(self, metric: str) -> Say:
        """Epochs."""
        return number


def _known(d: np.ndarray, a_lost: np.ndarray, b_lost: np.ndarray) -> np.ndarray:
    """The differences [S], b's minus a's time, with NaN where the sign may be another.

    It may be where the arm that seems no later never reaches the level in some run, [S] each.
    """
    return np.where(np.where(d > 0, a_lost, b_lost), np.nan, d)


def _censored(sides: Sequence[str], counts: Sequence[int], totals: Sequence[int], what: str) -> str:
    """How many runs of each arm never reach the level, and what that means for the effect."""
    lost = [
        f'{lost} of {total} runs ({side})'
        for side, lost, total in zip(sides, counts, totals, strict=True)
        if lost
    ]
    words = f'{" and ".join(lost)} never {"reaches" if sum(counts) == 1 else "reach"} {what}'
    if counts == totals:
        return f'{words}: nothing is known of the difference'
    if 0 in counts and any(n == m for n, m in zip(counts, totals, strict=True)):
        return f'{words}: the effect is at least that large'
    return f'{words}, a lower bound'


def _epochs(claim: Claim, results: Results, settings: list[int]) -> tuple[np.ndarray, float, str]:
    """The epoch in which each run reaches the level, [K, S]; that of never; the level in words."""
    curve = np.asarray(results.curve(claim.metric), dtype=float)
    sign = -1.0 if claim_data.falls(claim) else 1.0
    risen = sign * np.where(np.isfinite(curve), curve, np.nan)
    # As long as the shortest were trained: else one could only be sooner by being given less time.
    length = min(int(results.settings[k].get(_EPOCHS) or len(results.epochs)) for k in settings)
    risen = risen[:, :, :length]
    never = float(results.epochs[length - 1] + 1)
    if claim.level is None:
        # The worse of the best values of a seed's runs: every one of them reaches it.
        reached = claim_data.best(risen, lower=False)
        reached = np.where(results.diverged, np.nan, reached)
        target = reached[settings].min(axis=0)[None, :, None]
        words = 'the best value that both reach'
    else:
        target = np.array(sign * claim.level)
        words = level_value(claim.metric, claim.level)
    hit = risen >= target
    epochs = np.where(hit.any(axis=2), results.epochs[hit.argmax(axis=2)], never)
    if claim.level is None:
        epochs = np.where(np.isnan(target[:, :, 0]), np.nan, epochs)
    missing = np.isnan(risen).all(axis=2) & ~results.diverged
    return np.where(missing, np.nan, epochs), never, words
