"""Single bits flipped and files cut short, anywhere in a work folder: refused by name, or healed.

    python -m benchmarks.faults.damage [--flips 1000] [--truncations 200] [--seed 0] [--out d.json]

Half of the damage is done to a finished work folder, half to one that was interrupted. Then the
same command is given again. Either it refuses and names the file; or it ends with bitwise the
results, rows, figures and verdicts of the undamaged folder. Anything else is counted as silent.
"""

import argparse
import collections
import contextlib
import io
import os
import random
import shutil
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

from benchmarks import setup
from benchmarks.faults import launches
from jaxtweaks import app
from jaxtweaks.run import checkpoint

# Of the damage, what is done to files that are only written, never read: they are drawn again.
_OUTPUTS = 0.1
_READ = ('.json', '.copy', '.result', '.ckpt', '.previous')


def main(argv: Sequence[str] | None = None) -> int:
    """Damages, launches, compares and prints; returns how much was silent."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--flips', type=int, default=1000)
    parser.add_argument('--truncations', type=int, default=200)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', help='a JSON file')
    flags = parser.parse_args(argv)
    rng = random.Random(flags.seed)
    kinds = ['flip'] * flags.flips + ['truncation'] * flags.truncations
    rng.shuffle(kinds)
    counts: collections.Counter[str] = collections.Counter()
    silent = []
    with tempfile.TemporaryDirectory() as name, _cache(Path(name) / 'cache'):
        folder = Path(name)
        finished, interrupted = folder / 'finished', folder / 'interrupted'
        _launch(finished)
        _interrupt(interrupted)
        for number, kind in enumerate(kinds):
            source = (finished, interrupted)[number % 2]
            workdir = shutil.copytree(source, folder / 'damaged')
            place, path = damage(workdir, kind, rng)
            outcome = after(workdir, path, finished)
            counts[f'{kind} in {place}: {outcome}'] += 1
            if outcome.startswith('SILENT'):
                silent.append(f'{source.name}: {kind} in {place}: {outcome}')
                print(silent[-1], flush=True)
            if number % 20 == 19 or number == len(kinds) - 1:
                print(f'{number + 1} of {len(kinds)}, {len(silent)} silent', flush=True)
            shutil.rmtree(workdir)
    for line, count in sorted(counts.items()):
        print(f'{count:5} {line}')
    setup.write(flags.out, damages=len(kinds), counts=dict(sorted(counts.items())), silent=silent)
    return len(silent)


def damage(workdir: Path, kind: str, rng: random.Random) -> tuple[str, Path]:
    """Does it to a file drawn at random; returns what kind of file it was, and its path."""
    paths = sorted(path for path in workdir.rglob('*') if path.is_file() and path.stat().st_size)
    read = [path for path in paths if path.suffix in _READ]
    outputs = [path for path in paths if path.suffix not in _READ]
    path = rng.choice(outputs if outputs and rng.random() < _OUTPUTS else read)
    content = bytearray(path.read_bytes())
    if kind == 'flip':
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    else:
        del content[rng.randrange(len(content)) :]
    path.write_bytes(content)
    hashed = path.suffix in ('.result', '.ckpt') or path.name.endswith('.ckpt.previous')
    return '*' + ''.join(path.suffixes) if hashed else path.name, path


def after(workdir: Path, path: Path, reference: Path) -> str:
    """What comes of the same command after damage to `path`."""
    code, said = _launch(workdir, check=False)
    named = path.name in said
    if code == 2 and named and said.count('error: ') == 1 and 'Traceback' not in said:
        return 'refused by name'
    if code != 0:
        return f'SILENT (exit code {code}: {said[-500:]})'
    different = launches.differing(workdir, reference)
    if different:
        return f'SILENT ({different})'
    return 'healed, and said so' if named else 'healed'


def _launch(workdir: Path, check: bool = True) -> tuple[int, str]:
    """Exit code of a launch in this process, and what it printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = app.main(launches.arguments(workdir, '--quiet'))
    if check and code:
        raise SystemExit(out.getvalue())
    return code, out.getvalue()


def _interrupt(workdir: Path) -> None:
    """Leaves a folder with a finished group and one under way, saved twice."""

    save, done = checkpoint.save, []

    def interrupting(*args) -> None:
        save(*args)
        if list(workdir.glob('results/*.result')) and list(workdir.glob('*/*.previous')):
            if not done:  # a second signal would end this process at once
                os.kill(os.getpid(), signal.SIGTERM)
            done.append(args)

    with mock.patch.object(checkpoint, 'save', interrupting):
        code, said = _launch(workdir, check=False)
    if code != 128 + signal.SIGTERM:
        raise SystemExit(f'was not interrupted: {code} {said}')


@contextlib.contextmanager
def _cache(folder: Path):
    """The caches in a folder of their own."""
    before = os.environ.get('JAXTWEAKS_CACHE_DIR')
    os.environ['JAXTWEAKS_CACHE_DIR'] = str(folder)
    try:
        yield
    finally:
        del os.environ['JAXTWEAKS_CACHE_DIR']
        if before is not None:
            os.environ['JAXTWEAKS_CACHE_DIR'] = before


if __name__ == '__main__':
    raise SystemExit(main())
