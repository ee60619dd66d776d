"""Claims on the very data by which one of their arms was chosen.

The best of several settings on validation looks better there than it is, by luck that no other
images repeat. So a metric of those data differs between such an arm and one that was not chosen,
or not among as many, without any effect (double dipping).
"""

import collections
import itertools
from collections.abc import Sequence

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError
from jaxtweaks.claims import claim_data
from jaxtweaks.claims.claim import KINDS, Claim
from jaxtweaks.results.derive.derivation import Selected
from jaxtweaks.results.results import Results

_DATA = {'train': 'the training set', 'fold': 'the held-out fold'}


def check(claim: Claim, sweep: Results, selected: Sequence[Selected | None]) -> None:
    """Whether what a claim compares was chosen alike, if it was by data that are in its metric.

    Args:
      claim: with conditions that select something.
      sweep: the settings, without runs.
      selected: of each setting by what it was selected; () if that is not known.

    Raises:
      UserError: naming the setting that was chosen, and what would be right.
    """
    data = metrics.splits(claim.metric)
    by = [one if one is not None and one.on in data else None for one in selected]
    if not any(by) or not KINDS[claim.kind].tested:
        return
    for arms in _compared(claim, sweep):
        counts = [collections.Counter(by[k] for k in arm) if arm else {None: 1} for arm in arms]
        if counts[0] != counts[1] and len({*counts[0], *counts[1]}) > 1:
            chosen = next(k for arm in arms for k in arm if by[k] is not None)
            raise UserError(_refusal(claim.metric, sweep, chosen, by[chosen]))


def _compared(claim: Claim, sweep: Results) -> list[tuple[list[int], list[int]]]:
    """The pairs of arms, as indices of settings, whose means are compared; [] is a fixed number."""
    if claim.along:
        points = claim_data.curve_points(claim, sweep)
        if claim.b:
            return [(ours, theirs) for _, ours, theirs in points]
        return list(itertools.pairwise(ours for _, ours, _ in points))
    ours = claim_data.group(sweep, claim.where, claim.a)
    if claim.b:
        return [(ours, claim_data.group(sweep, claim.where, claim.b))]
    # A document's number may have been chosen as the measured one was.
    return [] if claim.kind == 'published' else [(ours, [])]


def _refusal(metric: str, sweep: Results, chosen: int, by: Selected | None) -> str:
    assert by is not None, 'the setting was chosen'
    setting = {name: value for name, value in sweep.settings[chosen].items() if value is not None}
    best = 'the best' if by.kept == 1 else f'one of the best {by.kept}'
    test = metrics.on(metric, 'test')
    if by.on in metrics.splits(test):  # of a gap to the data that chose, the other end
        test = next(iter(metrics.parents(test)[1]), metric)
    as_this = f", as '{test}'" if test != metric else ''
    return (
        f"'{metric}' is of the data that chose the setting {claim_data.in_words(setting)} "
        f'({best} of {by.among} on {_DATA.get(by.on, by.on)}), and what it is compared with was '
        'not chosen so: being chosen moves the metric without any effect; take one of data that '
        f'did not choose{as_this}, or compare what was chosen alike out of equally many'
    )
