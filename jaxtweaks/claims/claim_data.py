"""From results to the numbers a claim is tested on: which runs, which value, which seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.base.field_names import terms
from jaxtweaks.base.words import in_common, named, of_setting, together, value_label
from jaxtweaks.claims.claim import Claim
from jaxtweaks.results import guess
from jaxtweaks.results.results import Results

MOMENTS = ('final', 'last_epoch', 'best_epoch', 'chosen_epoch', 'mean_epoch')


def group(results: Results, *conditions: dict[str, Any]) -> list[int]:
    """The indices of the settings that meet every one of `conditions`.

    Raises:
      UserError: no setting does, or a field is not swept.
    """
    chosen = list(range(len(results.settings)))
    for condition in conditions:
        for name, wanted in condition.items():
            if wrong := results.unmet({name: wanted}):
                raise UserError(wrong)
            accepted = results.select({name: wanted})
            chosen = [k for k in chosen if k in accepted]
    if not chosen:
        wanted = in_words({k: v for condition in conditions for k, v in condition.items()})
        raise UserError(f'no setting has all of {wanted}')
    return chosen


def curve_points(claim: Claim, results: Results) -> list[tuple[float, list[int], list[int]]]:
    """The points of the curve: x ascending, the settings of `a` there, and those of `b`.

    The settings of `b` are empty lists if the claim has no `b`. An x that only one of them has
    is omitted.

    Raises:
      UserError: the field is not swept or not numeric, or a condition selects nothing.
    """
    column = results.values(claim.along)
    ours = group(results, claim.where, claim.a)
    theirs = group(results, claim.where, claim.b) if claim.b else []
    values = dict.fromkeys(column[k] for k in [*ours, *theirs])
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UserError(f"along '{claim.along}': its value {value!r} is not a number")
    points = []
    for x in sorted(values):
        a, b = ([k for k in ks if column[k] == x] for ks in (ours, theirs))
        if a and (b or not claim.b):
            points.append((float(x), a, b))
    return points


def measured(claim: Claim, results: Results) -> np.ndarray:
    """The claim's metric at the claim's moment for every run, [K, S]; NaN where there is none.

    A run that diverged counts as a guess (`results.guess`) or has no value, except at an epoch
    before it did.
    """
    if claim.metric == 'diverged':
        return np.where(results.carried_out, results.diverged, np.nan)
    instead = guess.of(claim.metric, results.guesses)
    if claim.at == 'final':
        return np.where(results.diverged, instead, results.final(claim.metric))
    curve = np.asarray(results.curve(claim.metric), dtype=float)
    curve = np.where(np.isfinite(curve), curve, np.nan)
    if isinstance(claim.at, int):
        value = curve[:, :, list(results.epochs).index(claim.at)]
        return np.where(results.diverged & np.isnan(value), instead, value)
    if claim.at == 'best_epoch':
        value = best(curve, falls(claim))
    elif claim.at == 'mean_epoch':
        value = _mean(curve)
    else:
        if claim.at == 'last_epoch':
            epochs = np.arange(curve.shape[2])
            index = np.where(np.isfinite(curve), epochs, 0).max(axis=2)
        else:
            index = np.clip(results.chosen_epoch - 1, 0, curve.shape[2] - 1)
        value = np.take_along_axis(curve, index[:, :, None], axis=2)[:, :, 0]
        if claim.at == 'chosen_epoch':  # 0 where no epoch had a score to choose it by
            value = np.where(results.chosen_epoch > 0, value, np.nan)
    return np.where(results.diverged, instead, value)


def guessed(claim: Claim, results: Results) -> np.ndarray:
    """Which runs `measured` takes for guesses, bool [K, S]; none where there is no such number."""
    if not np.isfinite(guess.of(claim.metric, results.guesses)):
        return np.zeros_like(results.diverged)
    if isinstance(claim.at, int):
        place = list(results.epochs).index(claim.at)
        return results.diverged & ~np.isfinite(results.curve(claim.metric)[:, :, place])
    return results.diverged


def settings_of(claim: Claim, results: Results) -> list[int]:
    """The indices of all settings that a claim is about; `results` may be without runs."""
    if claim.along:
        points = curve_points(claim, results)
        return sorted({k for _, ours, theirs in points for k in (*ours, *theirs)})
    sides = [claim.a, claim.b] if claim.b else [claim.a]
    return sorted({k for side in sides for k in group(results, claim.where, side)})


def best(curve: np.ndarray, lower: bool) -> np.ndarray:
    """The best value of each run over its epochs, [..., E] to [...]; NaN where it has none."""
    return (np.fmin if lower else np.fmax).reduce(curve, axis=-1)


def _mean(curve: np.ndarray) -> np.ndarray:
    """The mean of each run over the epochs it has, [..., E] to [...]; NaN where it has none."""
    there = np.isfinite(curve)
    count = there.sum(axis=-1)
    total = np.where(there, curve, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def falls(claim: Claim) -> bool:
    """Whether lower is better: by `goal`, else by the metric's name.

    Raises:
      UserError: neither says.
    """
    if claim.goal:
        return claim.goal == 'min'
    sign = metrics.of(claim.metric).sign
    if not sign:
        raise UserError(
            f"whether '{claim.metric}' should be low or high: set goal to 'min' or 'max'"
        )
    return sign < 0


def complete(
    rows: np.ndarray, settings: Sequence[int], results: Results
) -> tuple[np.ndarray, int, list[str]]:
    """The seeds that have every one of the numbers compared.

    Args:
      rows: the numbers by seed, [A, S].
      settings: indices of all settings that entered them.

    Returns:
      rows without the seeds that miss a number [A, n], how many those are, and what to say of
      them.
    """
    keep = np.isfinite(rows).all(axis=0)
    dropped = int((~keep).sum())
    if not dropped:
        return rows, 0, []
    settings = sorted(set(settings))
    lost = results.diverged[settings][:, ~keep]
    diverged = int(lost.any(axis=0).sum())
    notes = []
    if diverged:
        places = [
            f'{setting_words(k, results) or "the only setting"}: {count}'
            for k, count in zip(settings, lost.sum(axis=1), strict=True)
            if count
        ]
        places = places[:3] + (['…'] if len(places) > 3 else [])
        notes.append(f'{_seeds(diverged)} omitted because a run diverged ({"; ".join(places)})')
    if dropped > diverged:
        notes.append(f'{_seeds(dropped - diverged)} omitted because a run has no value')
    return rows[:, keep], dropped, notes


def known_field(name: str, swept: Sequence[str]) -> None:
    """Raises UserError unless `name` is swept: a field, '1-field', or those joined by ' + '."""
    for term in terms(name):
        if term.field not in swept:
            raise UserError(f"'{term.field}' is not swept; {did_you_mean(term.field, swept)}")


def label(claim: Claim, results: Results) -> str:
    """The claim's metric and moment in words."""
    if claim.metric == 'diverged':
        return 'share of runs that diverged'
    name = metrics.label(claim.metric)
    if claim.at == 'mean_epoch':
        return f'{name}, mean over {results.axis}s'
    if not results.trained and claim.at != 'final':
        last = claim.at == 'last_epoch'
        return f'{name} at {f"the last {results.axis}" if last else f"{results.axis} {claim.at}"}'
    if isinstance(claim.at, int):
        return f'{name} after epoch {claim.at}'
    moments = {
        'last_epoch': ' after the last epoch',
        'best_epoch': ' in the best epoch',
        'chosen_epoch': ' in the chosen epoch',
    }
    return name + moments.get(claim.at, '')


def setting_words(k: int, results: Results) -> str:
    """A setting in words, by what differs between the settings; '' if nothing does."""
    return of_setting(results.settings[k], results.varied, results.words)


def spoken(conditions: dict[str, Any], results: Results) -> str:
    """`{'train.batch_size': (8, 16)}` as 'batch size 8 or 16', or by the config's own words."""
    return together(conditions, results.words, _alternatives)


def sides(claim: Claim, results: Results) -> tuple[str, list[str]]:
    """What `a` and `b` of a claim have in common, '' for nothing; and each in words without it."""
    both = [claim.a, claim.b] if claim.b else [claim.a]
    common = in_common(claim.a, claim.b, results.words) if claim.b else {}
    own = [{name: value for name, value in one.items() if name not in common} for one in both]
    if not all(own):
        common, own = {}, both
    words = [spoken(one, results) or 'all settings' for one in own]
    return spoken(common, results), words


def contrast(subject: str, common: str, words: Sequence[str]) -> str:
    """'test accuracy, batch size 8: with BN minus without BN'; of one arm without the minus."""
    return f'{", ".join(filter(None, [subject, common]))}: {" minus ".join(words)}'


def _alternatives(name: str, value: Any, names: Mapping[str, str] | None) -> str:
    """A condition's value: of a tuple, the one or the other."""
    first, *others = value if isinstance(value, tuple | list) and value else (value,)
    words = [named(name, first, names), *(value_label(name, other, names) for other in others)]
    return ' or '.join(words)


def in_words(conditions: dict[str, Any]) -> str:
    """`{'train.batch_size': (8, 16)}` as 'train.batch_size = 8 or 16', to be found in a config."""
    parts = []
    for name, value in conditions.items():
        items = value if isinstance(value, tuple | list) else (value,)
        parts.append(f'{name} = {" or ".join(map(str, items))}')
    return ', '.join(parts)


def _seeds(count: int) -> str:
    return f'{count} seed' if count == 1 else f'{count} seeds'
