"""Whether what a config says of the settings of its sweep is said of settings that there are."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.field_names import split_key, terms
from jaxtweaks.claims.claim import Claim
from jaxtweaks.claims.published import PublishedNumber
from jaxtweaks.config import spell, trace
from jaxtweaks.config.expand import Point
from jaxtweaks.figures.figure_spec import Figure, kind_of
from jaxtweaks.results.results import Results, without_runs


def check_names(names: Iterable[str], points: Sequence[Point], where: str) -> None:
    """Whether each key of `names` is a field, a value that is swept, or both.

    A field that is not swept may have a name all the same: a config may sweep it at another size.

    Args:
      names: 'field', 'field=value', 'value', or the same of fields joined by ' + '.
      points: the settings, before and after derivations.
      where: what the complaint begins with.

    Raises:
      UserError: one stands for nothing; with the nearest that does.
    """
    for key in names:
        field, value = split_key(key)
        if any(key == str(one) for point in points for one in point.values()):
            continue
        swept = _values(field, points)
        if swept and (value is None or value in map(str, swept)):
            continue
        if not swept and all(term.field in trace.FIELDS for term in terms(field)):
            continue
        named = value is not None and swept
        valid = [f'{field}={one}' for one in swept] if named else _known(points)
        near = difflib.get_close_matches(key, valid, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ''
        raise UserError(
            f'{where}: {key!r} names nothing in this sweep; {hint}valid: {spell.listed(valid)}'
        )


def check_figure(figure: Figure, points: Sequence[Point], epochs: int | None) -> None:
    """Whether the conditions and marks of a figure meet what there is. Raises UserError."""
    sweep = without_runs(points)
    where = f"figure '{figure.name}'"
    kind, marks = kind_of(figure), [mark[0] for mark in figure.marks]
    for condition in (figure.where, *(mark for mark in marks if isinstance(mark, Mapping))):
        _check_conditions(condition, sweep, where)
    if kind.by_epoch and epochs is not None:
        for mark in marks:
            if not isinstance(mark, Mapping) and not 0 <= mark <= epochs:
                raise UserError(f'{where}: marks: {mark!r} is no epoch; they are 0 to {epochs}')
    if field := kind.published_at(figure):
        values = [sweep.values(field)[k] for k in sweep.select(figure.where)]
        for x, *_ in figure.published:
            if x not in values:
                raise UserError(
                    f'{where}: published: no panel has {field} = {x!r}; valid: '
                    f'{spell.listed(list(dict.fromkeys(values)))}'
                )


def check_claim(claim: Claim, points: Sequence[Point]) -> None:
    """Whether every alternative in the conditions of a claim is one. Raises UserError."""
    sweep = without_runs(points)
    for condition in (claim.where, claim.a, claim.b):
        _check_conditions(condition, sweep, f"claim '{claim.sentence}' ({claim.source})")


def check_published(number: PublishedNumber, points: Sequence[Point]) -> None:
    """Whether every alternative in the conditions of a published number is one. UserError."""
    sweep = without_runs(points)
    for condition in (number.a, number.b):
        _check_conditions(condition, sweep, f"published '{number.what}' ({number.source})")


def _check_conditions(condition: Mapping[str, Any], sweep: Results, where: str) -> None:
    for name, wanted in condition.items():
        values = list(dict.fromkeys(sweep.values(name)))
        for value in wanted if isinstance(wanted, tuple | list) else (wanted,):
            if value not in values:
                raise UserError(
                    f'{where}: no setting has {name} = {value!r}; valid: {spell.listed(values)}'
                )


def _known(points: Sequence[Point]) -> list[str]:
    """The swept fields, and their values that are words."""
    fields = dict.fromkeys(field for point in points for field in point)
    words = (value for point in points for value in point.values() if isinstance(value, str))
    return list(dict.fromkeys([*fields, *words]))


def _values(name: str, points: Sequence[Point]) -> list[Any]:
    """What a field, '1-field' or fields joined are in the settings that have them."""
    several = terms(name)
    having = [point for point in points if all(term.field in point for term in several)]
    rows = [tuple(term.of(point[term.field]) for term in several) for point in having]
    return list(dict.fromkeys(row[0] if len(several) == 1 else row for row in rows))
