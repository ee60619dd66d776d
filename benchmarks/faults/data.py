"""Generated data: each is read whole, refused in a line that says why, or read with a notice.

    pip install -e '.[test]'
    python -m benchmarks.faults.data [--count 2000] [--seed 0] [--only 17]

Image folders, arrays of images and tables of features in turn, nearly right, with a few oddities
and often something that is wrong. Whoever writes them (`folders.py`, `arrays.py`) knows what is in
them and what must come of it; that is compared with what was read and said. Each follows from its
number and the seed: `--only` makes one again.
"""

import argparse
import collections
import os
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from benchmarks.faults import arrays, folders
from jaxtweaks.base.errors import UserError
from jaxtweaks.config.config_file import one_line
from jaxtweaks.data.image_folder import from_folder

KINDS = ('folder', 'images', 'table')


def folder(rng: random.Random, place: Path) -> str:
    """What came of a generated image folder in the empty folder `place`.

    Raises:
      AssertionError: it should have been something else.
    """
    made = folders.make(place / 'pets', rng)
    reported: list[str] = []
    try:
        source = from_folder(made.root, made.scale, notify=reported.append)
    except UserError as error:
        said = one_line(error)
        fitting = [words for words in made.refusals if all(word in said for word in words)]
        assert fitting, (said, made.refusals)
        return 'refused'
    assert not made.refusals, (made.refusals, reported)
    folders.check(made, source)
    assert [text.removeprefix('notice: ') for text in reported[1:]] == list(source.notices)
    again = from_folder(made.root, made.scale, notify=lambda text: None)  # from the cache
    folders.check(made, again)
    return 'read with a notice' if source.notices else 'read'


def check(count: int, seed: int, only: int | None = None) -> collections.Counter[tuple[str, str]]:
    """Generates and checks; returns how many of each of `KINDS` came to what.

    Raises:
      AssertionError: with the number of the first that came to something else than it should.
    """
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for number in range(count) if only is None else [only]:
        kind = KINDS[number % len(KINDS)]
        rng = random.Random(f'{seed} {number}')
        with tempfile.TemporaryDirectory() as place:
            cache = {'JAXTWEAKS_CACHE_DIR': str(Path(place, 'cache'))}
            try:
                # Nothing here is about a loss of power, and waiting for the disk takes longest.
                with mock.patch.dict(os.environ, cache), mock.patch('os.fsync'):
                    if kind == 'folder':
                        outcome = folder(rng, Path(place, 'data'))
                    else:
                        outcome = arrays.outcome(rng, table=kind == 'table')
            except Exception as error:
                raise AssertionError(
                    f'number {number} of seed {seed}, {kind}: {type(error).__name__}: {error}'
                ) from error
        counts[kind, outcome] += 1
    return counts


def main(argv: Sequence[str] | None = None) -> None:
    """Prints how many came to what; raises at the first that came to what it should not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--count', type=int, default=2000)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--only', type=int, help='the number of one to make again')
    flags = parser.parse_args(argv)
    counts = check(flags.count, flags.seed, flags.only)
    for (kind, outcome), number in sorted(counts.items()):
        print(f'{kind:8}{outcome:20}{number:6,}')


if __name__ == '__main__':
    main()
