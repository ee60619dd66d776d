"""The folder a sweep leaves behind: what it is of, and what is done."""

import errno
import fcntl
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtweaks.base import atomic, sealed
from jaxtweaks.base.errors import OF_DISK, UserError
from jaxtweaks.base.words import count
from jaxtweaks.run import files, trained
from jaxtweaks.run.plan import Group
from jaxtweaks.run.result import GroupResult

_SHOWN_WHOLE = 80  # letters of a value in an error message


class Workdir:
    """Paths and records of one sweep; see README for what each file holds."""

    def __init__(self, path: Path):
        """`path` need not exist; nothing is written before `lock`."""
        self.path = path
        self.started = time.time()  # by which the manifest tells the launches apart
        self._lock: int | None = None

    @property
    def figures(self) -> Path:
        """The folder of the figures."""
        return self.path / 'figures'

    def checkpoint_path(self, group: Group) -> Path:
        """The state of a group under way."""
        return self.checkpoint_path_of(group.id)

    def checkpoint_path_of(self, group: str) -> Path:
        """The same of the group with this id."""
        return self.path / 'checkpoints' / f'{group}.ckpt'

    def with_checkpoints(self) -> set[str]:
        """The ids of all groups that have a file of a state, or of one before it."""
        return {path.name.partition('.')[0] for path in (self.path / 'checkpoints').glob('*.ckpt*')}

    def has_checkpoint(self, group: Group) -> bool:
        """Whether there is a state of a group under way; it may be damaged."""
        return files.has_generation(self.checkpoint_path(group))

    def result_path(self, group: Group) -> Path:
        """What a finished group found."""
        return self._result_path(group.id)

    def lock(self) -> None:
        """Makes the folder and takes it for this process, until the process ends.

        Workers of its own write results and states in it besides.

        Raises:
          UserError: another process is at work in it, or it cannot be written or locked.
          OSError: the disk is full or fails.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path / '.lock', os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            if error.errno in OF_DISK:
                raise
            raise UserError(
                f'{self.path}: cannot be written ({error.strerror}); choose another --workdir'
            ) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            if error.errno == errno.EWOULDBLOCK:
                raise UserError(
                    f'{self.path}: another process is at work here; wait for it or choose another '
                    '--workdir (for more workers on one sweep, see --workers)'
                ) from None
            raise UserError(
                f'{self.path}: cannot be locked ({error.strerror}), so another process could '
                'be at work here unnoticed; choose a --workdir on another file system'
            ) from None
        self._lock = handle
        try:
            self.remove_leftovers()
        except BaseException:  # a notebook lives on, and would keep the folder to itself
            self.unlock()
            raise

    def remove_leftovers(self) -> None:
        """Deletes what processes left half-written that were killed; nobody may be writing."""
        inside = (self.path / name for name in ('results', 'checkpoints', trained.FOLDER))
        for folder in (self.path, self.figures, *inside):
            atomic.remove_leftovers(folder)

    def unlock(self) -> None:
        """Gives the folder back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read_json(self, name: str) -> dict[str, Any] | None:
        """The content of a JSON file in the folder, None if there is none.

        Raises:
          UserError: it cannot be read as JSON, or is not what `write_json` wrote.
        """
        path = self.path / name
        try:
            content = sealed.parse_json(path.read_bytes())
            if not isinstance(content, dict):
                raise ValueError('it is not a set of keys')
            return content
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise UserError(
                f'{path}: cannot be read ({error}); restore it or choose another --workdir'
            ) from None

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Writes a JSON file with its checksum; what is not finite is refused: JSON has no word."""
        sealed.write_json(self.path / name, content)

    def save_result(self, group: Group, result: GroupResult) -> None:
        """Writes what a finished group found."""
        files.save_tree(self._result_path(group.id), result.to_tree())

    def has_result(self, group: Group) -> bool:
        """Whether there is a file of what a group found; it may be damaged."""
        return self._result_path(group.id).exists()

    def with_results(self) -> set[str]:
        """The ids of all groups that have a file of what they found."""
        return {path.stem for path in (self.path / 'results').glob('*.result')}

    def load_result(
        self, group: Group, notify: Any, *, discard: bool = False, networks: bool = True
    ) -> GroupResult | None:
        """What a group found; None if it is not finished or a file of it is damaged.

        Args:
          group: whose result.
          notify: is called with a sentence if a file is damaged.
          discard: delete it then. At once: later it may be a good one, of a worker.
          networks: whether a result counts only with the networks that are to be kept with it.
        """
        found = self.load_result_of(group.id, notify, discard=discard)
        if found is None or not networks or not group.runs[0].setting.train.keep_parameters:
            return found
        lacking = self._first_lacking(found)
        if not lacking:
            return found
        if discard:
            self._result_path(group.id).unlink(missing_ok=True)
        notify(f'{lacking}; its runs are trained again')
        return None

    def _first_lacking(self, found: GroupResult) -> str:
        """What is wrong with the first network of a result that is not there, '' if all are."""
        for run_id in found.runs:
            try:
                trained.load(self.path, run_id)
            except FileNotFoundError:
                return f'{trained.path_of(self.path, run_id)} is missing'
            except files.DamagedFile as damage:
                return str(damage)
        return ''

    def load_result_of(
        self, group: str, notify: Any, *, discard: bool = False
    ) -> GroupResult | None:
        """The same of the group with this id."""
        path = self._result_path(group)
        try:
            return GroupResult.from_tree(files.load_tree(path))
        except FileNotFoundError:
            return None
        except files.DamagedFile as damage:
            damaged = str(damage)
        except ValueError as error:
            damaged = f'{path} is damaged ({error})'
        if discard:
            path.unlink(missing_ok=True)
        notify(f'{damaged}; its runs are trained again')
        return None

    def save_summary(self, tree: dict[str, Any]) -> None:
        """Writes what results say of their data, see `data.summary`."""
        files.save_tree(self.path / 'data.summary', tree)

    def load_summary(self) -> dict[str, Any] | None:
        """What `save_summary` wrote; None if there is none or it is damaged."""
        try:
            return files.load_tree(self.path / 'data.summary')
        except (FileNotFoundError, files.DamagedFile):
            return None

    def _result_path(self, group: str) -> Path:
        return self.path / 'results' / f'{group}.result'


def as_given(value: Any) -> Any:
    """What was read from JSON, with its lists as the tuples they were."""
    if isinstance(value, dict):
        return {key: as_given(item) for key, item in value.items()}
    return tuple(map(as_given, value)) if isinstance(value, list) else value


def differences(old: Any, new: Any, where: str = '') -> list[str]:
    """The leaves in which two nested dicts differ, a line each; of long lists their items."""
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in dict.fromkeys([*old, *new]):
            path = f'{where}.{key}' if where else key
            found += differences(old.get(key), new.get(key), path)
        return found
    if old == new:
        return []
    there, now = repr(old), repr(new)
    if max(len(there), len(now)) > _SHOWN_WHOLE:
        if isinstance(old, list | tuple) and isinstance(new, list | tuple):
            return _of_lists(old, new, where)
        pairs = enumerate(zip(there, now, strict=False))
        shorter = min(len(there), len(now))
        same = next((i for i, (one, other) in pairs if one != other), shorter)
        there, now = (_around(text, same) for text in (there, now))
    return [f'{where}: {there} there, {now} now']


def _of_lists(old: Sequence[Any], new: Sequence[Any], where: str) -> list[str]:
    if len(old) != len(new):
        return [f'{where}: {count(len(old), "item")} there, {len(new)} now']
    pairs = enumerate(zip(old, new, strict=True))
    return [line for i, pair in pairs for line in differences(*pair, f'{where}[{i}]')]


def _around(text: str, at: int) -> str:
    """What stands in a long text around a place."""
    begin, end = max(0, at - _SHOWN_WHOLE // 4), at + _SHOWN_WHOLE // 2
    return ('…' if begin else '') + text[begin:end] + ('…' if end < len(text) else '')
