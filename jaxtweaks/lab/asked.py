"""What is asked besides a config: further axes of its sweep, and the folder for what changes."""

import ast
import functools
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import expand, parts, trace
from jaxtweaks.figures.figure_spec import KINDS
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.results.derive import DERIVATIONS

_LONGEST = 100  # letters of what is changed in a folder's name
_ROOM = 255  # bytes of a name on most file systems; a letter takes up to four
# Keys, and sections of them, that change no run: the same folder goes on with them.
_SAME_RUNS = (
    *('seeds', 'name', 'size', 'question', 'document', 'caution', 'table', 'names', 'figures'),
    *('claims', 'smallest', 'derive', 'ensemble', 'stopping', 'execution', 'data.dir'),
    *('data.download', 'published', 'diverged'),
)

EXTENDED = ('sweep', 'figures', 'claims', 'published')  # what a further axis makes something of


def axis(text: str) -> tuple[str, tuple[Any, ...]]:
    """The field and the values of 'FIELD=VALUE,VALUE,…'.

    A value is a number, a word, or a tuple in its brackets: 'model.hidden=(64,),(64,64)'.

    Raises:
      UserError: it is nothing of the kind.
    """
    field, equals, values = text.partition('=')
    pieces = [piece.strip() for piece in _split(values)]
    if not (field.strip() and equals and all(pieces)):
        raise UserError(
            f'--sweep={text}: must be a field and its values, as '
            '--sweep=optim.learning_rate=0.1,0.01'
        )
    return field.strip().removeprefix('config.'), tuple(map(_value, pieces))


def with_axes(values: Mapping[str, Any], axes: Sequence[str]) -> dict[str, Any]:
    """A config whose sweep has further axes, each as `axis` takes it.

    Its figures get panels for them, and each claim is tested at each of their values, where what a
    document has published is not counted: it is of its own value.

    Raises:
      UserError: one of them is no axis, or there already.
    """
    values = dict(values)
    for text in axes:
        field, given = axis(text)
        sweep = values.get('sweep') or ()
        if field in {name for point in expand.expand(sweep) for name in point}:
            raise UserError(
                f'--sweep={text}: {field} is swept already; put the whole sweep in its place with '
                '--config.sweep, or change it in the config'
            )
        further = expand.grid(field, *given)
        points = expand.expand(further, '--sweep')
        figures, claims = values.get('figures') or (), values.get('claims') or ()
        values |= {
            'sweep': expand.product(sweep, further) if sweep else further,
            'figures': tuple(_with_panels(figure, field) for figure in figures),
            'claims': tuple(_at(claim, point) for claim in claims for point in points),
            'published': tuple(
                _published_at(number, point)
                for number in values.get('published') or ()
                for point in points
            ),
        }
    return values


def _with_panels(figure: Mapping[str, Any], field: str) -> dict[str, Any]:
    """A figure with panels for a further field, or lines where its kind has no panels."""
    kind = KINDS.get(figure.get('kind', ''))
    reads = ('panels',) if kind is None else kind.reads  # one that is not there is reported later
    key = next((one for one in ('panels', 'hue') if one in reads), '')
    known = [figure[key]] if figure.get(key) else []
    return {**figure, key: ' + '.join([*known, field])} if key else dict(figure)


def _at(claim: Mapping[str, Any], point: Mapping[str, Any]) -> dict[str, Any]:
    """A claim about the settings of a further axis at one of its values."""
    words = ', '.join(f'{field} = {value}' for field, value in point.items())
    where = {**claim.get('where', {}), **_as_condition(point)}
    return {**claim, 'sentence': f'{claim.get("sentence", "")} [{words}]', 'where': where}


def _published_at(number: Mapping[str, Any], point: Mapping[str, Any]) -> dict[str, Any]:
    """A published number next to what was measured at one value of a further axis."""
    words = ', '.join(f'{field} = {value}' for field, value in point.items())
    differs = '; '.join(filter(None, [number.get('differs', ''), words]))
    at = _as_condition(point)
    sides = {side: {**number[side], **at} for side in ('a', 'b') if number.get(side)}
    return {**number, 'a': at, **sides, 'differs': differs}


def _as_condition(point: Mapping[str, Any]) -> dict[str, Any]:
    """A point as the condition that it meets, where a tuple means any of its items."""
    return {name: (one,) if isinstance(one, tuple) else one for name, one in point.items()}


def changes(
    experiment: Experiment, keys: Iterable[str], axes: Sequence[str] = ()
) -> dict[str, str]:
    """What makes the runs others than the config's own: by key, or by sweep.FIELD for an axis.

    Args:
      experiment: as it is asked; a value is that of the experiment, however it was typed.
      keys: what was set, by dotted names.
      axes: see `axis`.
    """
    names = (name.removeprefix(f'{parts.SECTION}.') for name in keys)
    found = {name: _text(_value_of(experiment, name)) for name in names if _changes_runs(name)}
    for field, values in map(axis, axes):
        as_taken = (trace.checked(field, value, '--sweep') for value in values)
        found[f'sweep.{field}'] = ','.join(map(_text, as_taken))
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value).replace(', ', ',')


def _value_of(experiment: Experiment, key: str) -> Any:
    if key in trace.FIELDS:
        return trace.get(experiment.base, key)
    return functools.reduce(getattr, key.split('.'), experiment)


def folder(name: str, size: str, changed: Mapping[str, str]) -> Path:
    """The work folder of an experiment that the user has named no folder for.

    Args:
      name: of the experiment.
      size: of the experiment.
      changed: see `changes`; the order of its keys does not matter.
    """
    whole = ','.join(f'{key}={changed[key]}' for key in sorted(changed))
    shown = re.sub(r'[^\w.=,+-]+', '-', whole).strip('-')
    room = _ROOM - len(f'{name}-{size},'.encode())
    if len(shown) > _LONGEST or len(shown.encode()) > room:
        digest = f'-{hashlib.sha256(whole.encode(errors="backslashreplace")).hexdigest()[:8]}'
        cut = shown[:_LONGEST].encode()[: max(0, room - len(digest))]
        shown = f'{cut.decode(errors="ignore")}{digest}'
    return Path('runs') / ','.join([f'{name}-{size}', *([shown] if shown else [])])


def _changes_runs(key: str) -> bool:
    same = (*_SAME_RUNS, *DERIVATIONS.names)
    return not any(key == one or key.startswith(f'{one}.') for one in same)


def _split(text: str) -> list[str]:
    """The pieces between commas that are in no brackets."""
    pieces, depth = [''], 0
    for letter in text:
        depth += (letter in '([{') - (letter in ')]}')
        if letter == ',' and depth == 0:
            pieces.append('')
        else:
            pieces[-1] += letter
    return pieces


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return text  # a word
