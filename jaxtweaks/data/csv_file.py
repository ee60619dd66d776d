"""CSV files as data sets: `data.name` 'csv:PATH?target=NAME'."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from jaxtweaks.base import home
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.data.columns import Reading, of_texts
from jaxtweaks.data.dataset import Source
from jaxtweaks.data.frame import of_columns

# What stands for no value, besides blank texts.
_NO_VALUE = ('na', 'n/a', 'nan', 'null', 'none')
# The options, which begin behind the first ? that one of them follows.
_OPTIONS = ('target', 'targets', 'missing', 'columns', 'na_values', 'words')
_SINGLE = ('targets', 'missing')  # those that have one value
_QUERY = re.compile(rf'\?(?=({"|".join(_OPTIONS)})=)')


def from_csv(text: str, notify: Callable[[str], None] = print) -> Source:
    """The table that `data.name` 'csv:PATH?target=NAME' says; further options with & between.

    The file is in UTF-8, has commas between and the names of its columns in the first line. A
    column is of numbers if every value in it is one. No value is an empty one, NA, N/A, NaN, null
    or none in any case; with `na_values=?,-` an empty one and these. `%26` stands for & in a name
    and `%2C` for a comma, as on the web. The options are those of `from_frame`.

    Args:
      text: what stands behind 'csv:'.
      notify: reports what to know of the data.

    Raises:
      UserError: the file or an option is not what it should be.
    """
    path, query = split_query(text)
    where = f"data.name 'csv:{text}'"
    options = _options(query, where)
    if not any(options.get('target', ())):
        raise UserError(f"{where}: which column is predicted? write 'csv:PATH?target=NAME'")
    one = lambda name, default: options.get(name, (default,))[0]
    file = Path(home.expanded(path))
    return of_columns(
        read_csv(file),
        of_texts,
        target=options['target'],
        targets=one('targets', ''),
        missing=one('missing', 'error'),
        columns=options.get('columns'),
        reading=Reading(
            options.get('na_values', ()), options.get('words', ()), otherwise=_NO_VALUE
        ),
        title=file.name,
        source=f'the file {file.name}',
        notify=notify,
    )


def _options(query: str, where: str) -> dict[str, tuple[str, ...]]:
    """The values of each option. Raises UserError: one is unknown, twice, or has too many."""
    options: dict[str, tuple[str, ...]] = {}
    for pair in query.split('&') if query else ():
        name, _, value = pair.partition('=')
        if name not in _OPTIONS:
            raise UserError(f"{where}: unknown option '{name}'; {did_you_mean(name, _OPTIONS)}")
        if name in options:
            raise UserError(
                f"{where}: the option '{name}' is there twice; it must be there once"
                + ('' if name in _SINGLE else ', with commas between several names')
            )
        options[name] = tuple(map(unquote, value.split(',')))
        if name in _SINGLE and len(options[name]) > 1:
            raise UserError(f"{where}: '{name}' is {value!r}; it must be one word")
    return options


def split_query(text: str) -> tuple[str, str]:
    """The path and the options in what stands behind 'csv:'."""
    found = _QUERY.search(text)
    if found:
        return text[: found.start()], text[found.end() :]
    path, _, query = text.rpartition('?')
    return (path, query) if path else (text, '')


def read_csv(path: Path) -> dict[str, list[str]]:
    """The texts of the columns of a CSV file by name. Raises UserError naming the line."""
    reader = csv.reader(io.StringIO(_text(path), newline=''), strict=True)
    rows = []
    try:
        header = [name.strip() for name in next(reader, [])]
        for row in reader:
            if row and len(row) != len(header):
                raise UserError(
                    f'{path}: line {reader.line_num} has {len(row)} values, the first line '
                    f'{len(header)} names; every line must have as many'
                )
            rows += [row] if row else []
    except csv.Error as error:
        raise UserError(f'{path}: line {reader.line_num}: {error}') from None
    if not rows:
        raise UserError(f'{path}: has no rows; its first line must be the names of its columns')
    if twice := [name for name in header if header.count(name) > 1 or not name]:
        which = f'the name {twice[0]!r} twice' if twice[0] else 'a column without a name'
        raise UserError(f'{path}: the first line has {which}; each column must have its own')
    return {name: [row[i].strip() for row in rows] for i, name in enumerate(header)}


def _text(path: Path) -> str:
    """What is in a file. Raises UserError naming the line that is not UTF-8."""
    try:
        return path.read_bytes().decode('utf-8-sig')
    except OSError as error:
        raise UserError(f'{path}: {error.strerror}') from None
    except UnicodeDecodeError as error:
        lines = error.object[: error.start + 1].splitlines()
        raise UserError(
            f'{path}: line {len(lines)} is not UTF-8 (byte 0x{error.object[error.start]:02x}); '
            'save the file in that encoding'
        ) from None
