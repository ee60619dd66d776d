"""An array with names for its axes and labels along them.

As much of it as reading results in a notebook needs: select by label, average over seeds, subtract
what is paired. `np.asarray` gives the plain numbers, `to_dict` columns for any data frame.
"""

import dataclasses
import html
import itertools
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.base.numbers import apart, number
from jaxtweaks.results.intervals import mean_interval
from jaxtweaks.results.results import Results

SETTING, SEED = 'setting', 'seed'
_SHOWN = 12  # rows of a picture in a notebook


@dataclasses.dataclass(frozen=True, eq=False)
class Labelled:
    """Numbers on named axes.

    Attributes:
      name: what was measured.
      values: float64.
      axes: for each axis of `values`, in order, its name and the labels along it. The labels of the
        axis 'setting' are the settings themselves, dicts by field.
    """

    name: str
    values: np.ndarray
    axes: Mapping[str, tuple[Any, ...]]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of labels along each axis."""
        return self.values.shape

    def sel(self, where: Mapping[str, Any] | None = None, /, **more: Any) -> 'Labelled':
        """The part with these labels: `sel(batch_norm='before', seed=0)`.

        A field goes by its dotted name (in `where`) or the end of it, if no other ends so. An axis
        of which one label is asked for is gone from the result; with a list or tuple of labels it
        stays.

        Raises:
          UserError: there is no such axis, field or label.
        """
        found = self
        for name, wanted in {**(where or {}), **more}.items():
            found = found._one(name, wanted)
        return found

    def mean(self, axis: str = SEED) -> 'Labelled':
        """The mean over an axis; what is missing there (NaN: a run that diverged) is left out."""
        place = self._place(axis)
        valid = np.isfinite(self.values)
        count = valid.sum(place)
        total = np.where(valid, self.values, 0).sum(place)
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return Labelled(self.name, mean, _without(self.axes, axis))

    def interval(self, axis: str = SEED) -> tuple['Labelled', 'Labelled']:
        """The mean and half the width of its 95% Student-t interval over an axis, by default seeds.

        The half width is NaN where there are fewer than two values.
        """
        moved = np.moveaxis(self.values, self._place(axis), -1)
        pairs = [
            mean_interval(moved[index][np.isfinite(moved[index])])
            for index in np.ndindex(moved.shape[:-1])
        ]
        rest = _without(self.axes, axis)
        shape = moved.shape[:-1]
        mean, half = (
            Labelled(self.name, np.array([float(pair[i]) for pair in pairs]).reshape(shape), rest)
            for i in (0, 1)
        )
        return mean, half

    def to_dict(self) -> dict[str, list[Any]]:
        """Columns: a field or axis each, and the values, for `pandas.DataFrame` and the like."""
        rows = list(itertools.product(*self.axes.values()))
        columns: dict[str, list[Any]] = {}
        for place, (axis, labels) in enumerate(self.axes.items()):
            if axis == SETTING:
                for field in dict.fromkeys(field for setting in labels for field in setting):
                    columns[field] = [row[place].get(field) for row in rows]
            else:
                columns[axis] = [row[place] for row in rows]
        return columns | {self.name: self.values.reshape(-1).tolist()}

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype)

    def __float__(self) -> float:
        return float(self.values)

    def __add__(self, other: Any) -> 'Labelled':
        return self._with(other, operator.add, '+')

    def __sub__(self, other: Any) -> 'Labelled':
        return self._with(other, operator.sub, '−')

    def __mul__(self, other: Any) -> 'Labelled':
        return self._with(other, operator.mul, '×')

    def __truediv__(self, other: Any) -> 'Labelled':
        return self._with(other, operator.truediv, '/')

    def __repr__(self) -> str:
        axes = ', '.join(f'{name}: {len(labels)}' for name, labels in self.axes.items())
        return f'{self.name} ({axes})\n{self.values}'

    def _repr_html_(self) -> str:
        columns = self.to_dict()
        rows = list(zip(*columns.values(), strict=True))
        words = {name: apart(filter(_is_float, column)) for name, column in columns.items()}
        words[self.name] = {}  # measured, not chosen

        def cell(name: str, value: Any) -> str:
            if not _is_float(value):
                return str(value)
            return words[name][value] if value in words[name] else number(value, 6)

        line = lambda tag, cells: (
            '<tr>' + ''.join(f'<{tag}>{html.escape(text)}</{tag}>' for text in cells) + '</tr>'
        )
        body = ''.join(line('td', map(cell, columns, row)) for row in rows[:_SHOWN])
        more = f'<p>… and {len(rows) - _SHOWN} more</p>' if len(rows) > _SHOWN else ''
        return f'<table>{line("th", columns)}{body}</table>{more}'

    def _with(self, other: Any, how: Callable[[Any, Any], Any], sign: str) -> 'Labelled':
        if not isinstance(other, Labelled):
            return Labelled(self.name, how(self.values, other), self.axes)
        if dict(self.axes) != dict(other.axes) or list(self.axes) != list(other.axes):
            raise UserError(
                f'{self.name} {sign} {other.name}: the axes are not the same: '
                f'{_described(self.axes)} and {_described(other.axes)}'
            )
        name = self.name if self.name == other.name else f'{self.name} {sign} {other.name}'
        return Labelled(name, how(self.values, other.values), self.axes)

    def _one(self, name: str, wanted: Any) -> 'Labelled':
        """The part with one label, or some, along an axis or of a field of the settings."""
        several = isinstance(wanted, list | tuple)
        accepted = list(wanted) if several else [wanted]
        fields = _fields(self.axes)
        name = _resolved(name, [*self.axes, *fields])
        axis = name if name in self.axes else SETTING
        labels = self.axes[axis]
        given = [label[name] for label in labels] if axis != name else list(labels)
        # A value that is a tuple itself, as widths of layers, is one label.
        if several and tuple(wanted) in given:
            several, accepted = False, [tuple(wanted)]
        missing = [value for value in accepted if value not in given]
        if missing:
            known = ', '.join(map(repr, dict.fromkeys(given)))
            raise UserError(f'{name}: nothing at {missing[0]!r}; there is {known}')
        chosen = [i for i, label in enumerate(given) if label in accepted]
        place = list(self.axes).index(axis)
        if not several and len(chosen) == 1:
            values = np.take(self.values, chosen[0], place)
            return Labelled(self.name, values, _without(self.axes, axis))
        kept = tuple(labels[i] for i in chosen)
        if axis != name and not several:
            kept = tuple(_without(label, name) for label in kept)
        axes = {key: kept if key == axis else old for key, old in self.axes.items()}
        return Labelled(self.name, np.take(self.values, chosen, place), axes)

    def _place(self, axis: str) -> int:
        return list(self.axes).index(_resolved(axis, list(self.axes)))


def labelled(name: str, values: np.ndarray, results: Results, curve: bool) -> Labelled:
    """Measurements with the axes of results.

    Args:
      name: the metric.
      values: [K, S], or [K, S, E] if `curve`.
      results: K settings, S seeds, E epochs.
      curve: whether there is an axis of epochs.

    Returns:
      With an axis for each field, if the settings are a full grid of their values, in the order of
      the sweep; otherwise with one axis 'setting'. Then 'seed', then what curves run over.
    """
    axes = _of_fields(results)
    if axes is None:
        axes = {SETTING: tuple(results.settings)}
        order = list(range(len(results.settings)))
    else:
        grid = itertools.product(*axes.values())
        points = [dict(zip(axes, values, strict=True)) for values in grid]
        places = {_key(point): k for k, point in enumerate(results.settings)}
        order = [places[_key(point)] for point in points]
    values = values[order].reshape(*map(len, axes.values()), *values.shape[1:])
    axes = {**axes, SEED: tuple(results.seeds.tolist())}
    if curve:
        axes[results.axis] = tuple(results.epochs.tolist())
    return Labelled(name, values, axes)


def _of_fields(results: Results) -> dict[str, tuple[Any, ...]] | None:
    """The values of each swept field, None if the settings are not all of their combinations."""
    try:
        axes = {name: tuple(dict.fromkeys(results.values(name))) for name in results.swept}
        there = set(map(_key, results.settings))
    except TypeError:  # a value that cannot be a label
        return None
    # Counted before it is made: that of settings drawn at random would have no end.
    if math.prod(map(len, axes.values())) != len(results.settings):
        return None
    grid = itertools.product(*axes.values())
    full = all(_key(dict(zip(axes, point, strict=True))) in there for point in grid)
    return axes if full else None


def _key(point: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
    """A setting, to be looked up."""
    return frozenset(point.items())


def _is_float(value: Any) -> bool:
    return isinstance(value, float)


def _fields(axes: Mapping[str, Sequence[Any]]) -> list[str]:
    """The fields that every label of the axis 'setting' has."""
    settings = axes.get(SETTING, ())
    found = dict.fromkeys(field for setting in settings for field in setting)
    return [field for field in found if all(field in setting for setting in settings)]


def _resolved(name: str, known: list[str]) -> str:
    """The axis or field that is meant: by its whole name, or by the end of it."""
    if name in known:
        return name
    ends = [other for other in known if other.rpartition('.')[2] == name]
    if len(ends) == 1:
        return ends[0]
    if ends:
        raise UserError(f"'{name}' may be {' or '.join(ends)}; give the whole name")
    raise UserError(f"no axis '{name}'; {did_you_mean(name, known)}")


def _without(items: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in items.items() if key != name}


def _described(axes: Mapping[str, Sequence[Any]]) -> str:
    return ' × '.join(f'{name} ({len(labels)})' for name, labels in axes.items())
