"""What a study is that is a plain function and not a training sweep."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxtweaks.config import effect, parts, trace
from jaxtweaks.config.effect import Reason
from jaxtweaks.config.settings import Setting
from jaxtweaks.data import Dataset


@dataclasses.dataclass(frozen=True)
class Measured:
    """What one run of a study found.

    Attributes:
      curves: metric to values along the study's axis, [A]; NaN where there is none.
      finals: metric to a number.
      arrays: whatever else figures need, by name.
    """

    curves: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    finals: Mapping[str, float] = dataclasses.field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A table of a study's own, besides the one with a row for each setting.

    Attributes:
      title: what it shows.
      columns: the headings.
      rows: cells, strings or numbers.
      note: what to know when reading it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ''


@dataclasses.dataclass(frozen=True)
class Study:
    """A question answered by calling a function once for each setting and seed.

    Attributes:
      measure: (setting, seed, data) to what was found; bitwise the same for the same arguments.
        The seed is a uint32; `data` is the data set of the setting, or an empty one if the study
        generates its own.
      finals: the metrics that are a number a run, with their words.
      curves: the metrics that are a curve a run, with their words.
      reads: the fields of a setting that matter (dotted), or whole sections of it. Any other must
        have its default.
      reads_of: the same for one setting, in place of `reads` where settings differ in it.
      axis: what the curves run over, counted from 1, as 'layer'; '' if there are none.
      generated: what the study works on, in words, if it generates it; '' if it reads the data set.
      exact: whether no seed changes the result, so that a claim is true or false and not likely.
      check: complains (UserError) about settings the study cannot take.
      check_data: the same about a setting and the data it is measured on.
      sheets: tables of the study's own, from all settings with the words that tell them apart.
      arrays: names of what else it keeps for figures.
    """

    measure: Callable[[Setting, int, Dataset], Measured]
    finals: Mapping[str, str]
    curves: Mapping[str, str] = dataclasses.field(default_factory=dict)
    reads: tuple[str, ...] = ()
    reads_of: Callable[[Setting], tuple[str, ...]] | None = None
    axis: str = ''
    generated: str = ''
    exact: bool = False
    check: Callable[[Setting], None] = lambda setting: None
    check_data: Callable[[Setting, Dataset], None] = lambda setting, data: None
    sheets: Callable[[Mapping[str, Setting]], Sequence[Sheet]] = lambda settings: ()
    arrays: tuple[str, ...] = ()

    @property
    def labels(self) -> dict[str, str]:
        """Every metric in words."""
        return {**self.curves, **self.finals}

    def reason(self, setting: Setting, name: str) -> Reason | None:
        """Why a field has no effect on a run of this study, see `effect.reason`."""
        read = ('study', *self._read(setting))
        when = trace.FIELDS[name][1].when if name in parts.FIELDS else None
        # What a part is given is read with the choice of the part.
        for field in (name, *(when[:1] if when else ())):
            if field in read or field.partition('.')[0] in read:
                return effect.reason(setting, name)
        study = setting.study.name
        return Reason(f"the study '{study}' does not read it; it reads {', '.join(read)}")

    def _read(self, setting: Setting) -> tuple[str, ...]:
        return self.reads_of(setting) if self.reads_of else self.reads
