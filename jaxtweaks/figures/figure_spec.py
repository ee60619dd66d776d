"""What a figure shows, as a config says it, and whether the sweep can show it."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.base.field_names import terms
from jaxtweaks.base.registry import Registry
from jaxtweaks.config.fields import Rule, plain, required
from jaxtweaks.figures.figure_data import arrange, column
from jaxtweaks.figures.figure_style import is_number
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results, without_runs

if TYPE_CHECKING:
    from jaxtweaks.figures.kind import Kind

_WHERE = Rule('plain', 'swept fields and the value, or tuple of values, to be shown')
_NAMES = Rule('plain', "words for 'field', 'field=value' or 'value'")
# By name; a config registers further ones by `jt.figure`, and all of them are listed by --parts.
KINDS: 'Registry[Kind]' = Registry(
    'figure',
    'a function (axes, panel) that draws, or a class that inherits from Kind',
    "a figure's kind",
    tuple(
        f'jaxtweaks.figures.kinds.{name}'
        for name in ('lines', 'counts', 'fit', 'arrays', 'boundary')
    ),
)
_ALWAYS_READ = ('name', 'kind', 'title', 'caption', 'names')
# Of published values, by their length.
_FORMS = {2: '(value, label)', 3: '(x, value, label)', 4: '(x, hue, value, label)'}
_LONGEST = 100  # letters of a name, so that its files have one that every system takes


def _anything() -> Recorded:
    """All that is recorded anywhere."""
    arrays = dict.fromkeys(name for kind in KINDS.values() for name in kind.arrays)
    return Recorded(metrics.known(), metrics.known(), tuple(arrays))


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure of a study. Fields of a setting go by their dotted name.

    A swept field may be given as '1-field', its complement (see `Results.values`). Settings that
    agree in `hue`, `panels` and `x` but differ elsewhere are refused, not averaged.
    """

    name: str = required("the file's name without ending: letters, digits, - and _")
    kind: str = required('what is drawn; --parts lists the kinds', choices=KINDS.names)
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
        'vertical lines: (epoch, label), or (conditions, label) at the mean `stop_epoch` of the '
        'settings with these values (curves); (x, label) (effect)',
    )
    published: tuple[tuple[Any, ...], ...] = plain(
        (),
        'published values of the first metric: (value, label) is a horizontal line; (x, value, '
        'label) a mark at x (effect), or a line of the title of the panel x (confusion); (x, hue, '
        'value, label) a mark at x in the colour of a hue (effect)',
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
      recorded: what the runs will record; None for anything.

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


def kind_of(figure: Figure) -> 'Kind':
    """The kind of a figure. Raises UserError, naming the nearest."""
    return KINDS.find(figure.kind)


def fields_of(figure: Figure) -> tuple[str, str, str]:
    """The fields that tell the settings of a figure apart: panels, hue, x ('' for none)."""
    return kind_of(figure).fields(figure)


def _check_one(figure: Figure, results: Results, recorded: Recorded) -> None:
    kind = kind_of(figure)
    _check_read(figure, kind)
    known = recorded.all_curves if kind.by_epoch else recorded.all_finals
    against = (figure.x,) if figure.x and kind.x_is == 'a metric by epoch' else ()
    for metric in (*figure.metrics, *against):
        if metric not in known:
            which = f'no {"metric by epoch" if kind.by_epoch else "final metric"}'
            raise UserError(f"{which} '{metric}'; {did_you_mean(metric, known)}")
    if not kind.shows_settings:
        return
    for name in kind.arrays:
        if name not in recorded.arrays:
            raise UserError(f"kind '{figure.kind}': no run records {name.replace('_', ' ')}")
    fields = [name for name in fields_of(figure) if name]
    for name in fields:
        column(results, name)
    plain = {tuple(term.field for term in terms(name)) for name in fields}
    if len(plain) < len(fields):
        raise UserError(f'{", ".join(fields)}: the same field is named twice')
    for name in kind.needs:
        if not getattr(figure, name):
            words = f', {kind.x_is}' if name == 'x' else ''
            raise UserError(f"kind '{figure.kind}' needs {name}{words}")
    _check_marks(figure, results, recorded)
    _check_published(figure, kind)
    arrange(results, fields_of(figure), figure.where, figure.name)
    kind.check(figure, results, recorded)


def _check_read(figure: Figure, kind: 'Kind') -> None:
    """Whether its kind reads all that a figure sets. Raises UserError."""
    if figure.published and 'published' not in kind.reads:
        raise UserError(f"published: kind '{figure.kind}' does not show published values")
    for field in dataclasses.fields(figure):
        if field.name in _ALWAYS_READ or field.name in kind.reads:
            continue
        if getattr(figure, field.name):
            reads = ', '.join(kind.reads) or 'title and caption'
            raise UserError(f"kind '{figure.kind}' does not read {field.name}; it reads {reads}")


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


def _check_published(figure: Figure, kind: 'Kind') -> None:
    for item in figure.published:
        form = _FORMS.get(len(item))
        fits = form in kind.published and is_number(item[-2]) and isinstance(item[-1], str)
        if not fits:
            raise UserError(f'published: {item!r} is not {" or ".join(kind.published)}')
