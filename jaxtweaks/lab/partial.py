"""What can be said of a sweep that is not finished: which runs are, which claims can be tested."""

from collections.abc import Iterable, Sequence

import numpy as np

from jaxtweaks.base.metrics import label
from jaxtweaks.base.words import ABSENT, count, metric_interval, together
from jaxtweaks.claims import claims as claims_lib
from jaxtweaks.claims import remarks
from jaxtweaks.claims.claim import Claim, Verdict
from jaxtweaks.claims.claim_data import settings_of
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.report.table import Table
from jaxtweaks.results.intervals import mean_interval
from jaxtweaks.results.results import Results
from jaxtweaks.run.result import GroupResult

# What a table of means so far shows, if it is measured: nothing of the test set.
_METRICS = ('running_loss', 'validation_loss', 'validation_accuracy')
_ROWS = 200


def finished(results: Results, found: Iterable[GroupResult]) -> np.ndarray:
    """Which runs are finished, bool [K, S]; `found`: the results of those that are."""
    done = [run for group in found for run in group.runs]
    assert results.ids is not None  # runs have ids
    return np.isin(results.ids, done)


def testable(claims: Sequence[Claim], results: Results, done: np.ndarray) -> list[bool]:
    """Of each claim, whether every run that it speaks of is finished; `done`: see `finished`."""
    return [bool(done[settings_of(claim, results)].all()) for claim in claims]


def verdicts(
    experiment: Experiment, results: Results, done: np.ndarray
) -> tuple[list[Verdict], list[Claim]]:
    """The verdicts on the claims that can be tested so far, and the claims that cannot.

    The latter count among all claims, so that no verdict is surer now than at the end.

    Args:
      experiment: what was asked.
      results: before its derivations; with derivations no claim is tested before the end.
      done: see `finished`.
    """
    if experiment.derive:
        return [], list(experiment.claims)
    ready = testable(experiment.claims, results, done)
    pairs = list(zip(experiment.claims, ready, strict=True))
    tested = [claim for claim, yes in pairs if yes]
    waiting = [claim for claim, yes in pairs if not yes]
    found = claims_lib.evaluate(tested, results, waiting=waiting) if tested else []
    return [remarks.remarked(one, results) for one in found], waiting


def means(results: Results, done: np.ndarray) -> Table:
    """A row for each setting: how far its runs are, and the means over seeds so far.

    A mean is over the runs that have not diverged, each after its last epoch so far.
    """
    curves = [metric for metric in _METRICS if metric in results.curves]
    finals = [] if results.trained else list(results.finals)[:4]
    columns = ('setting', 'runs finished', *([results.axis] if curves else []))
    rows, raw = [], []
    for k in range(len(results.settings)):
        values = {
            metric: np.where(results.diverged[k], np.nan, _last(results.curves[metric][k]))
            for metric in curves
        }
        values |= {metric: results.finals[metric][k] for metric in finals}
        words = {name: results.settings[k].get(name) for name in results.varied}
        cells = [together(words, results.words) or 'the one setting']
        cells.append(f'{int(done[k].sum())} of {done.shape[1]}')
        keys = [cells[0], int(done[k].sum())]
        if curves:
            epochs = [_epochs(results.curves[curves[0]][k][s]) for s in range(done.shape[1])]
            cells.append(_span(epochs))
            keys.append(max(epochs))
        for metric in (*curves, *finals):
            known = values[metric][np.isfinite(values[metric])]
            mean, half = (float(x) for x in mean_interval(known))
            cells.append(metric_interval(metric, mean, half) if len(known) else ABSENT)
            keys.append(mean if len(known) else None)
        rows.append(tuple(cells))
        raw.append(tuple(keys))
    table = Table(
        'Means so far',
        (*columns, *(label(metric) for metric in (*curves, *finals))),
        tuple(rows),
        tuple(raw),
        'Each run after its last epoch so far; mean over its seeds ± half the 95% interval.'
        if curves
        else '',
    )
    return table.first(_ROWS, 'the final report')


def said(results: Results, done: np.ndarray, claims: int, tested: int) -> str:
    """How far a sweep is, in a sentence; `claims`: how many, of which `tested` can be tested."""
    runs = f'{int(done.sum())} of {count(done.size, "run")} are finished'
    return f'{runs}; {tested} of {count(claims, "claim")} can be tested so far' if claims else runs


def _last(curves: np.ndarray) -> np.ndarray:
    """The last finite value of each curve, [S, E] to [S]; NaN where there is none."""
    return np.array([next((v for v in run[::-1] if np.isfinite(v)), np.nan) for run in curves])


def _epochs(curve: np.ndarray) -> int:
    """How many epochs a run has so far."""
    known = np.flatnonzero(np.isfinite(curve))
    return int(known[-1]) + 1 if len(known) else 0


def _span(epochs: Sequence[int]) -> str:
    low, high = min(epochs), max(epochs)
    return str(low) if low == high else f'{low}–{high}'
