"""What a study is that is a plain function and not a training sweep.

It is a part of a setting: its options are declared in its signature, as those of every part.
"""

import dataclasses
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from jaxtweaks.base import metrics as metrics_lib
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.metrics import Metric
from jaxtweaks.config import effect, parts, slots, trace
from jaxtweaks.config.effect import Reason
from jaxtweaks.config.settings import Setting
from jaxtweaks.data import Dataset

F = TypeVar('F', bound=Callable[..., Any])
SLOT = 'study'


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
    """What is known of a study before its function is called: once for each setting and seed.

    Attributes:
      finals: the metrics that are a number a run, with their words, or as a whole `Metric`.
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
      threads: whether it may be called in several threads at once, one for each core of a CPU.
    """

    finals: Mapping[str, str | Metric]
    curves: Mapping[str, str | Metric] = dataclasses.field(default_factory=dict)
    reads: tuple[str, ...] = ()
    reads_of: Callable[[Setting], tuple[str, ...]] | None = None
    axis: str = ''
    generated: str = ''
    exact: bool = False
    check: Callable[[Setting], None] = lambda setting: None
    check_data: Callable[[Setting, Dataset], None] = lambda setting, data: None
    sheets: Callable[[Mapping[str, Setting]], Sequence[Sheet]] = lambda settings: ()
    arrays: tuple[str, ...] = ()
    threads: bool = False

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Every metric, with its words."""
        every = {**self.curves, **self.finals}
        return tuple(
            one if isinstance(one, Metric) else Metric(name, one) for name, one in every.items()
        )

    def reason(self, setting: Setting, name: str) -> Reason | None:
        """Why a field has no effect on a run of this study, see `effect.reason`."""
        read = (SLOT, setting.study.name, *self._read(setting))
        when = trace.FIELDS[name].rule.when if name in parts.FIELDS else None
        # What a part is given is read with the choice of the part.
        for field in (name, *(when[:1] if when and when[0] != f'{SLOT}.name' else ())):
            if field in read or field.partition('.')[0] in read:
                return effect.reason(setting, name)
        study = setting.study.name
        return Reason(f"the study '{study}' does not read it; it reads {', '.join(read)}")

    def _read(self, setting: Setting) -> tuple[str, ...]:
        return self.reads_of(setting) if self.reads_of else self.reads


def study(
    name: str,
    *,
    finals: Mapping[str, str | Metric] | Sequence[str] = (),
    curves: Mapping[str, str | Metric] | Sequence[str] = (),
    words: str = '',
    **known: Any,
) -> Callable[[F], F]:
    """Registers a study: a function of a setting and a seed, see `config.parts.register`.

    It returns numbers and curves by name, or `Measured`; bitwise the same for the same arguments.
    The seed is a uint32. Unless the study says what it generates it is given the data set as well.

    Args:
      name: of the study; its options are fields `<name>.<parameter>`.
      finals, curves: the metrics it measures, as in `Study`; or their names alone.
      words: how it reads in tables and figures.
      known: the other attributes of `Study`, `reads` and `generated` among them.

    Raises:
      UserError: see `config.parts.register`; or something else than `Study` has is known.
    """
    attributes = {field.name for field in dataclasses.fields(Study)}
    for given in known:
        if given not in attributes:
            valid = ', '.join(sorted(attributes))
            raise UserError(f"study '{name}': no '{given}'; it takes {valid}")
    about = Study(_in_words(finals), _in_words(curves), **known)
    if about.curves and not about.axis:
        raise UserError(f"study '{name}': has curves; axis must say what they run over, as 'layer'")
    metrics_lib.add_whole(*about.metrics)
    return parts.register(SLOT, name, words, study=about, data=not about.generated)


def _in_words(metrics: Mapping[str, str | Metric] | Sequence[str]) -> Mapping[str, str | Metric]:
    if isinstance(metrics, Mapping):
        return metrics
    return {name: name.replace('_', ' ') for name in metrics}


def of(setting: Setting) -> Study | None:
    """The study of a setting; None if it is trained."""
    if setting.study.name == slots.SLOTS[SLOT].none:
        return None
    return trace.part(setting, SLOT).facts['study']


def options(setting: Setting) -> Any:
    """What a setting says of the options of its study, as attributes."""
    return types.SimpleNamespace(**trace.arguments(setting, trace.part(setting, SLOT)))


def measured(setting: Setting, seed: Any, data: Dataset) -> Measured:
    """What the study of a setting finds. Raises UserError if a user's study fails."""
    part = trace.part(setting, SLOT)
    given = (data,) if part.facts['data'] else ()
    if part.built_in:
        return part.build(setting, seed, *given, **trace.arguments(setting, part))
    found = trace.made(setting, SLOT, setting, seed, *given)
    about = part.facts['study']
    if not isinstance(found, Measured):
        found = _sorted(part.name, about, found)
    said = {**about.curves, **about.finals, **dict.fromkeys(about.arrays)}
    names = {**found.curves, **found.finals, **found.arrays}
    if set(said) != set(names):
        raise UserError(
            f"study '{part.name}': returned {', '.join(sorted(names)) or 'nothing'}; it is "
            f'registered with {", ".join(sorted(said))}'
        )
    return found


def _sorted(name: str, about: Study, found: Any) -> Measured:
    """Numbers and curves of a user's function by what they are. Raises UserError."""
    if not isinstance(found, Mapping):
        raise UserError(
            f"study '{name}': returned {found!r}; it must be numbers and curves by name"
        )
    arrays = {metric: np.asarray(values) for metric, values in found.items()}
    for metric, values in arrays.items():
        dimensions = 1 if metric in about.curves else 0
        if values.dtype.kind not in 'uifb' or values.ndim != dimensions:
            what = 'a curve, one number after another' if dimensions else 'a number'
            raise UserError(f"study '{name}': {metric} is {found[metric]!r}; it must be {what}")
    return Measured(
        curves={metric: values for metric, values in arrays.items() if metric in about.curves},
        finals={m: float(values) for m, values in arrays.items() if m not in about.curves},
    )
