"""Files of a group that are sent, because a worker does not see the work folder.

Such a worker trains in a folder of its own. It asks for the state of the group first, announces
the states that it saves, and returns the files of its result. Who made the plan sends and fetches
states when it has time to, and writes what arrives where a worker that sees the folder would have
written. Files travel with their checksums, and are believed only if those are right on arrival.
"""

import contextlib
import shutil
import time
import uuid
from pathlib import Path
from typing import Any

from jaxtweaks.run import files, trained
from jaxtweaks.run.cluster import Here, Left
from jaxtweaks.run.plan import Group
from jaxtweaks.run.workdir import Workdir
from jaxtweaks.run.workers import Forwarding

Files = dict[str, bytes]  # by what they are called in a work folder

ASKS, SAVES = 'asks', 'saves'  # what such a worker says besides the kinds of an `Event`
GIVE, TAKE = 'jaxtweaks.run.sent:give', 'jaxtweaks.run.sent:take'  # what it is called for
_GIVEN, _TAKEN = 'given', 'taken'  # files that say what has happened
_LEAVING_SECONDS = 10.0  # that one who is asked to leave waits for its state to be fetched
_ASKING_SECONDS = 300.0
_POLL_SECONDS = 0.02


def state(workdir: Workdir, group: Group) -> Files:
    """The newest good state of a group, if there is one."""
    return _state(workdir.checkpoint_path(group))


def result(workdir: Workdir, group: Group) -> Files:
    """What a finished group leaves: its result, and the networks that are kept."""
    there = {name: workdir.path / name for name in _names(workdir, group)}
    return {name: path.read_bytes() for name, path in there.items() if path.exists()}


def put_state(workdir: Workdir, group: Group, sent: Files) -> None:
    """Writes what `state` returned; the state before it stays until the next.

    Raises:
      files.DamagedFile: it is not what was sent.
    """
    path = workdir.checkpoint_path(group)
    if path.name in sent:
        files.put_generation(path, sent[path.name])


def put_result(workdir: Workdir, group: Group, sent: Files) -> None:
    """Writes what `result` returned, and deletes the state. Raises files.DamagedFile."""
    names = _names(workdir, group)
    if names[-1] not in sent:
        raise files.DamagedFile(f'{Path(names[-1]).name} did not arrive')
    for name in names:
        if name in sent:
            files.put_tree(workdir.path / name, sent[name])
    files.remove_generations(workdir.checkpoint_path(group))


def give(folder: str, sent: Files) -> None:
    """On the worker: takes the state of the group that it asked for. Raises files.DamagedFile."""
    path = Path(folder)
    if path.is_dir():  # else it has given up meanwhile
        for name, stored in sent.items():
            files.put_generation(_checkpoint(path, name), stored)
        (path / _GIVEN).touch()


def take(folder: str, name: str) -> dict[str, Any]:
    """On the worker: the newest state of the group of its folder, and when that was looked up.

    Of one that is done, its result.
    """
    at = time.monotonic()
    found = _finished(Path(folder))
    done = bool(found)
    found = found or _state(_checkpoint(Path(folder), name))
    with contextlib.suppress(OSError):
        (Path(folder) / _TAKEN).write_text(repr(at))
    return {'files': found, 'at': at, 'done': done}


class Apart:
    """The folder of a worker that does not see the work folder, for one group."""

    def __init__(self, here: Here, group: Group):
        """Deletes what the worker had of other groups."""
        shutil.rmtree(here.folder, ignore_errors=True)
        self._folder = here.folder / uuid.uuid4().hex
        self._folder.mkdir(parents=True)
        self._here, self._group = here, group
        self.workdir = Workdir(self._folder)
        self._saved: tuple[int, int] | None = None
        self._announced = 0.0

    def begin(self) -> None:
        """Asks for the state of the group, and waits for it.

        Raises:
          Left: it is asked to stop.
          TimeoutError: nothing arrives.
        """
        self._here.say(kind=ASKS, folder=str(self._folder))
        deadline = time.monotonic() + _ASKING_SECONDS
        while not (self._folder / _GIVEN).exists():
            if self._here.asked_to_stop():
                raise Left()
            if time.monotonic() > deadline:
                raise TimeoutError(f'{self._here.host} was not sent the state of the group')
            time.sleep(_POLL_SECONDS)
        self._saved = self._stamp()

    def announce(self) -> None:
        """Says so if a state was saved since the last time."""
        stamp = self._stamp()
        if stamp is not None and stamp != self._saved:
            self._saved, self._announced = stamp, time.monotonic()
            self._here.say(kind=SAVES, folder=str(self._folder), at=self._announced)

    def leave(self) -> None:
        """Waits until the last state is fetched, but not for long; at once if nobody wants it."""
        self.announce()
        deadline = time.monotonic() + _LEAVING_SECONDS
        while self._here.wanted() and time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                if float((self._folder / _TAKEN).read_text()) >= self._announced:
                    return
            time.sleep(_POLL_SECONDS)

    def end(self, done: bool) -> Files:
        """What is to be sent at the end: the result, or the state of a group that waits.

        It stays here until the next group, for if who made the plan is asked to stop meanwhile,
        what is sent may not arrive, and is fetched.
        """
        return (result if done else state)(self.workdir, self._group)

    def _stamp(self) -> tuple[int, int] | None:
        """Another after each save."""
        try:
            found = self.workdir.checkpoint_path(self._group).stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns


class Announcing(Forwarding):
    """The reporter of such a worker: a state is announced after the chunk that follows it."""

    def __init__(self, here: Here, apart: Apart):
        """`here`: where it is reported; `apart`: what is looked at."""
        super().__init__(here.say)
        self._apart = apart

    def advance(self, work, now):
        """See `Reporter`."""
        self._apart.announce()
        super().advance(work, now)


def _names(workdir: Workdir, group: Group) -> list[str]:
    """What a finished group may leave; the result is the last."""
    parameters = [trained.path_of(workdir.path, run.id) for run in group.runs]
    paths = [*parameters, workdir.result_path(group)]
    return [path.relative_to(workdir.path).as_posix() for path in paths]


def _finished(folder: Path) -> Files:
    """What `result` returns, of the only group of a folder; nothing if it is not done."""
    if not any((folder / 'results').glob('*.result')):
        return {}
    paths = [path for name in ('results', trained.FOLDER) for path in (folder / name).glob('[!.]*')]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _state(path: Path) -> Files:
    stored = files.copied_generation(path)
    return {} if stored is None else {path.name: stored}


def _checkpoint(folder: Path, name: str) -> Path:
    return folder / 'checkpoints' / name
