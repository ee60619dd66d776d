"""A disk that is full from some operation on: what was saved stays, and with room it goes on.

    python -m benchmarks.faults.disk [--points 40] [--seed 0] [--out disk.json]

"No space left on device" is raised by every operation of the writing of files (opening, writing
half of the bytes, flushing to the disk, renaming) from a random one on. The launch must end with
exit code 1 and one line that names the file; the same command, with room, must end with bitwise
the results of a launch that never lacked any.
"""

import argparse
import builtins
import contextlib
import errno
import io
import os
import random
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import setup
from benchmarks.faults import launches
from jaxtweaks import app
from jaxtweaks.base import atomic


class Killed(BaseException):
    """A process comes to this instead of being killed."""


class Disk:
    """Counts the operations of writing, and fails those from the `full_from`-th on."""

    _unlinks = False  # whether deleting is one of them

    def __init__(self, full_from: float = float('inf')):
        self.operations = 0
        self._full_from = full_from

    def use(self, path: object) -> None:
        """One more operation."""
        self.operations += 1
        if self.operations > self._full_from:
            self.fail(path)

    def fail(self, path: object) -> None:
        """What comes of an operation for which there is no room."""
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    @contextlib.contextmanager
    def mounted(self) -> Iterator[None]:
        """Everything `jaxtweaks.base.atomic` writes meanwhile goes to this disk."""
        fsync, replace, unlink = os.fsync, os.replace, os.unlink

        def replaced(old, new):
            self.use(old)
            replace(old, new)

        def synced(handle):
            self.use(None)
            fsync(handle)

        def unlinked(path, **options):
            if self._unlinks:
                self.use(path)
            unlink(path, **options)

        atomic.open = self._open
        os.fsync, os.replace, os.unlink = synced, replaced, unlinked
        try:
            yield
        finally:
            del atomic.open
            os.fsync, os.replace, os.unlink = fsync, replace, unlink

    def _open(self, path: Path, mode: str) -> '_File':
        self.use(str(path))
        return _File(builtins.open(path, mode, buffering=0), self)


class LastDisk(Disk):
    """The disk as a process sees it that is killed at an operation: nothing changes any more."""

    _unlinks = True

    def fail(self, path: object) -> None:
        """Ends the process, as the disk sees it."""
        raise Killed


class _File:
    """A file of which half of a write is done before the disk is found to be full."""

    def __init__(self, file: io.RawIOBase, disk: Disk):
        self._file, self._disk = file, disk

    def write(self, data: bytes) -> None:
        try:
            self._disk.use(None)
        except (OSError, Killed):
            self._file.write(data[: len(data) // 2])
            raise
        self._file.write(data)

    def __getattr__(self, name: str):
        return getattr(self._file, name)

    def __enter__(self) -> '_File':
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Fills the disk, makes room, compares and prints; returns how often it was not right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--points', type=int, default=40)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', help='a JSON file')
    flags = parser.parse_args(argv)
    rng = random.Random(flags.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reference, disk = folder / 'reference', Disk()
        code, said = launch(reference, disk)
        if code:
            raise SystemExit(said)
        points = sorted(rng.randrange(disk.operations) for _ in range(flags.points))
        wrong = []
        for point in points:
            found = at(point, folder / 'w', reference)
            wrong += [(point, found)] * bool(found)
            print(
                f'full from operation {point} of {disk.operations}: {found or "right"}', flush=True
            )
            shutil.rmtree(folder / 'w')
    print(f'{len(points)} points, {len(wrong)} wrong')
    setup.write(flags.out, operations=disk.operations, points=points, wrong=wrong)
    return len(wrong)


def at(point: int, workdir: Path, reference: Path) -> list[str]:
    """What is wrong after a disk that is full from an operation on, and then is not any more."""
    found = []
    code, said = launch(workdir, Disk(point))
    if code != 1 or said.count('\n') != 1:
        found.append(f'exit code {code}: {said}')
    if f'error: {workdir}' not in said or 'No space left on device; what was fin' not in said:
        found.append(f'message: {said}')
    if left := [path.name for path in workdir.rglob('*.tmp')]:
        found.append(f'left behind: {left}')
    code, said = launch(workdir, Disk())
    if code or 'damaged' in said:
        return [*found, f'with room: exit code {code}: {said}']
    return found + launches.differing(workdir, reference)


def launch(workdir: Path, disk: Disk) -> tuple[int, str]:
    """Exit code of a launch in this process, and what it said on stderr and stdout."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), disk.mounted():
        code = app.main(launches.arguments(workdir, '--quiet'))
    return code, out.getvalue()


if __name__ == '__main__':
    raise SystemExit(main())
