"""What a figure shows, as a config says it, and whether the sweep can show it."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config.fields import Rule, plain, required
from jaxtweaks.figures.figure_data import arrange, column
from jaxtweaks.figures.figure_style import is_number
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results, without_runs

_WHERE = Rule('plain', 'swept fields and the value, or tuple of values, to be shown')
_NAMES = Rule('plain', "words for 'field', 'field=value' or 'value'")
KINDS = (
    'curves', 'paths', 'effect', 'confusion', 'labels', 'fit', 'reliability', 'boundary',
    'histogram',
)  # fmt: skip
# What a kind of figure needs of `Results.arrays` and the like, see `Recorded.arrays`.
_ARRAYS = {
    'confusion': ('confusion',),
    'fit': ('fit_x', 'fit_truth', 'fit', 'points_x', 'points_y'),
    'reliability': ('calibration',),
    'boundary': ('grid_probabilities',),
    'histogram': ('weight_histogram', 'weight_edges'),
}
# What each kind reads, besides name, kind, title, caption and names.
_READS = {
    'curves': ('metrics', 'hue', 'panels', 'where', 'log_y', 'marks', 'published'),
    'paths': ('metrics', 'hue', 'panels', 'x', 'where', 'log_y'),
    'effect': ('metrics', 'hue', 'panels', 'x', 'where', 'log_x', 'log_y', 'published'),
    'confusion': ('hue', 'where', 'published'),
    'labels': (),
    'fit': ('panels', 'where'),
    'reliability': ('hue', 'panels', 'where'),
    'boundary': ('hue', 'panels', 'where'),
    'histogram': ('hue', 'panels', 'where', 'log_y'),
}
_OPTIONS = ('metrics', 'hue', 'panels', 'x', 'where', 'log_x', 'log_y', 'marks', 'published')
_LONGEST = 100  # letters of a name, so that its files have one that every system takes


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure of a study. Fields of a setting go by their dotted name.

    A swept field may be given as '1-field', its complement (see `Results.values`). Settings that
    agree in `hue`, `panels` and `x` but differ elsewhere are refused, not averaged.
    """

    name: str = required("the file's name without ending: letters, digits, - and _")
    kind: str = required(
        'curves: metrics by epoch; paths: metrics by epoch against another one; effect: final '
        'metrics against a swept field; '
        'confusion: classes told from classes; labels: share of each class by split; '
        'fit: curves fitted to points; '
        'reliability: share correct against confidence; boundary: class probabilities over the '
        'plane; histogram: the final weights',
        choices=KINDS,
    )
    title: str = required('what the figure shows')
    caption: str = plain('', 'a sentence printed under the figure')
    metrics: tuple[str, ...] = plain((), 'metrics, one panel each (curves, paths, effect)')
    hue: str = plain('', "the swept field that tells lines apart; '' for one line")
    panels: str = plain('', 'the swept field with one panel for each value')
    x: str = plain('', 'what is on the x axis: a swept field (effect), a metric by epoch (paths)')
    where: dict = dataclasses.field(default_factory=dict, metadata={'rule': _WHERE})
    names: dict = dataclasses.field(default_factory=dict, metadata={'rule': _NAMES})
    log_x: bool = plain(False, 'logarithmic x axis (effect); 0 stands apart at its left')
    log_y: bool = plain(False, 'logarithmic y axis (curves, paths, effect, histogram)')
    marks: tuple[tuple[Any, ...], ...] = plain(
        (),
        'vertical lines (curves): (epoch, label), or (conditions, label) at the mean `stop_epoch` '
        'of the settings with these values',
    )
    published: tuple[tuple[Any, ...], ...] = plain(
        (),
        'published values of the first metric: (value, label) is a horizontal line; (x, value, '
        'label) a mark at x (effect), or a line of the title of the panel x (confusion)',
    )


def check(
    figures: Iterable[Figure],
    settings: Sequence[dict[str, Any]],
    recorded: Recorded | None = None,
) -> None:
    """Whether the sweep can show the figures; to be asked before anything is trained.

    Args:
      figures: the figures of the config.
      settings: the swept values of each setting, as in `Results.settings`.
      recorded: what the runs will record; None for all that may be.

    Raises:
      UserError: a figure names a field that is not swept or a metric that is not measured,
        selects nothing, would average settings that differ, sets what its kind does not read, has
        no title, or has a name twice.
    """
    results = without_runs(settings)
    seen: set[str] = set()
    for figure in figures:
        if not re.fullmatch(r'[A-Za-z0-9][A-Za-z0-9_-]*', figure.name):
            raise UserError(
                f'figure {figure.name!r}: the name of a file may have letters, digits, - and _'
            )
        if len(figure.name) > _LONGEST:
            raise UserError(
                f"figure '{figure.name}': the name has {len(figure.name)} letters; it may have at "
                f'most {_LONGEST}'
            )
        if not figure.title.strip():
            raise UserError(f"figure '{figure.name}': title is empty; it must say what is shown")
        if figure.name in seen:
            raise UserError(f"figure '{figure.name}': two figures have this name")
        seen.add(figure.name)
        check_one(figure, results, recorded)


def check_one(figure: Figure, results: Results, recorded: Recorded | None = None) -> None:
    """Whether a figure can be drawn; see `check`. `results` may be without runs."""
    try:
        _check_one(figure, results, recorded or _anything())
    except UserError as error:
        where = f"figure '{figure.name}': "
        raise UserError(where + str(error).removeprefix(where)) from None


def fields_of(figure: Figure) -> tuple[str, ...]:
    """The fields that tell the settings of a figure apart: panels, hue, x ('' for none)."""
    if figure.kind == 'effect':
        return figure.panels, figure.hue, figure.x
    if figure.kind in ('curves', 'paths', 'reliability', 'boundary', 'histogram'):
        return figure.panels, figure.hue, ''
    if figure.kind == 'fit':
        return figure.panels, '', ''
    return '', figure.hue, ''


def _anything() -> Recorded:
    known = metrics.known()
    return Recorded(known, known, tuple(name for some in _ARRAYS.values() for name in some))


def _check_one(figure: Figure, results: Results, recorded: Recorded) -> None:
    _check_read(figure)
    curves = figure.kind in ('curves', 'paths')
    known = recorded.all_curves if curves else recorded.all_finals
    against = (figure.x,) if figure.kind == 'paths' and figure.x else ()
    for metric in (*figure.metrics, *against):
        if metric not in known:
            which = f'no {"metric by epoch" if curves else "final metric"}'
            raise UserError(f"{which} '{metric}'; {did_you_mean(metric, known)}")
    if figure.kind == 'labels':
        return
    for name in _ARRAYS.get(figure.kind, ()):
        if name not in recorded.arrays:
            raise UserError(f"kind '{figure.kind}': no run records {name.replace('_', ' ')}")
    fields = [name for name in fields_of(figure) if name]
    for name in fields:
        column(results, name)
    if len({name.removeprefix('1-') for name in fields}) < len(fields):
        raise UserError(f'{", ".join(fields)}: the same field is named twice')
    if figure.kind in ('curves', 'paths', 'effect') and not figure.metrics:
        raise UserError(f"kind '{figure.kind}' needs metrics")
    if figure.kind == 'effect' and not figure.x:
        raise UserError("kind 'effect' needs x, a swept field")
    if figure.kind == 'paths' and not figure.x:
        raise UserError("kind 'paths' needs x, a metric by epoch")
    _check_marks(figure, results, recorded)
    arrange(results, fields_of(figure), figure.where, figure.name)
    if figure.kind == 'effect' and figure.log_x:
        chosen = [column(results, figure.x)[k] for k in results.select(figure.where)]
        chosen += [item[0] for item in figure.published if len(item) == 3]
        wrong = [value for value in chosen if not is_number(value) or value < 0]
        if wrong:
            raise UserError(f'log_x needs numbers ≥ 0 on the x axis, not {wrong[0]!r}')


def _check_read(figure: Figure) -> None:
    """Whether its kind reads all that a figure sets. Raises UserError."""
    read = _READS[figure.kind]
    if figure.published and 'published' not in read:
        raise UserError(f"published: kind '{figure.kind}' does not show published values")
    for name in _OPTIONS:
        if getattr(figure, name) and name not in read:
            reads = ', '.join(read) or 'title and caption'
            raise UserError(f"kind '{figure.kind}' does not read {name}; it reads {reads}")


def _check_marks(figure: Figure, results: Results, recorded: Recorded) -> None:
    for mark in figure.marks:
        place = mark[0] if len(mark) == 2 and isinstance(mark[1], str) else None
        if isinstance(place, Mapping):
            if 'stop_epoch' not in recorded.all_finals:
                raise UserError(f"marks: {mark!r}: no run records stop_epoch; derive 'stopping'")
            if not results.select(place):
                raise UserError(f'marks: no setting of the sweep has {place}')
        elif not is_number(place):
            raise UserError(f'marks: {mark!r} is not (epoch, label), nor (conditions, label)')
    for item in figure.published:
        line = len(item) == 2 and figure.kind in ('curves', 'effect')
        point = len(item) == 3 and figure.kind in ('effect', 'confusion')
        if not (line or point) or not is_number(item[-2]) or not isinstance(item[-1], str):
            forms = {
                'curves': '(value, label)',
                'effect': '(value, label) or (x, value, label)',
                'confusion': '(x, value, label)',
            }
            raise UserError(f'published: {item!r} is not {forms[figure.kind]}')
