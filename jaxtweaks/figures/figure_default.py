"""The figure of an experiment whose config has none: what varies against what is asked for most."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import field_label
from jaxtweaks.figures.figure_spec import Figure, check_one
from jaxtweaks.figures.figure_style import is_number
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results, without_runs

_MANY = 3  # numbers from which on a field is an axis rather than a colour


def default(
    settings: Sequence[dict[str, Any]],
    recorded: Recorded,
    names: Mapping[str, str],
    usual: str = 'accuracy',
    with_test: bool = True,
) -> tuple[Figure, ...]:
    """One figure that the settings can show; none if there is no such figure.

    Args:
      settings: the swept values of each, after derivations.
      recorded: what the runs will record.
      names: the config's words for fields and values.
      usual: what of a split says how good a network is.
      with_test: whether it may show the test set, which a search looks at only at its end.
    """
    results = without_runs(settings)
    for given in _candidates(results, recorded, usual, with_test):
        metric, *_ = given['metrics']
        against = field_label(given['x'], names) if given.get('x') else results.axis
        label = metrics.label(metric)
        title = f'{label[0].upper()}{label[1:]} against {against}'
        figure = Figure(name='overview', title=title, names=dict(names), **given)
        try:
            check_one(figure, results, recorded)
        except UserError:
            continue
        return (figure,)
    return ()


def _candidates(
    results: Results, recorded: Recorded, usual: str, with_test: bool
) -> list[dict[str, Any]]:
    """What a figure may show, the most telling first."""
    fields = sorted(results.varied, key=lambda name: not _is_axis(results.values(name)))
    shown = lambda known: [one for one in known if with_test or not metrics.is_of_test(one)]
    finals, curves = shown(recorded.all_finals), shown(recorded.curves)
    final = next((one for one in _finals(usual) if one in finals), None)
    final = final or next(iter(shown(recorded.finals)), None)
    curve = next((one for one in _curves(usual) if one in curves), None)
    curve = curve or next(iter(curves), None)
    by_epoch = {'kind': 'curves', 'metrics': (curve,), **_as(fields, 'hue', 'panels')}
    effect = {'kind': 'effect', 'metrics': (final,), **_as(fields, 'x', 'hue', 'panels')}
    if fields and _is_axis(results.values(fields[0])):
        values = results.values(fields[0])
        wide = min(values) > 0 and max(values) / min(values) >= 20
        both = [{**effect, 'log_x': wide}, by_epoch]
    else:
        both = [by_epoch, effect]
    return [one for one in both if one['metrics'] != (None,)]


def _finals(usual: str) -> tuple[str, ...]:
    on = metrics.measure(usual).on
    return on('test'), 'test_error', on('validation')


def _curves(usual: str) -> tuple[str, ...]:
    return metrics.measure(usual).on('validation'), metrics.LOSS.on('validation')


def _is_axis(values: Sequence[Any]) -> bool:
    return all(map(is_number, values)) and len(set(values)) >= _MANY


def _as(fields: Sequence[str], *roles: str) -> dict[str, str]:
    return dict(zip(roles, fields, strict=False))
