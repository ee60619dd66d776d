"""The workers of a launch: sent what is asked, and a group at a time.

What a worker is given is plain data: the config as the work folder has it, and the group by the ids
of its runs. It loads the config file, so that what that registers is there too, and the data. So
nothing of a function is sent, and what a worker would train by other code, other data or other
flags of XLA than the driver knows is refused there, see `worker`.
"""

import contextlib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxtweaks.base import surroundings
from jaxtweaks.base.errors import Unfinished, UserError
from jaxtweaks.base.words import count
from jaxtweaks.config.build import to_dict
from jaxtweaks.config.config_file import one_line
from jaxtweaks.lab import stored
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.run import manifest as manifest_lib
from jaxtweaks.run import sent, version, workers
from jaxtweaks.run.cluster import Cluster
from jaxtweaks.run.files import DamagedFile
from jaxtweaks.run.manifest import GroupRecord, Manifest, restore_groups
from jaxtweaks.run.method import Method
from jaxtweaks.run.plan import Group, Processes, Run
from jaxtweaks.run.workdir import Workdir
from jaxtweaks.run.workers import SECONDS, Event

_TRAIN, _PLAN = 'jaxtweaks.lab.worker:train', 'jaxtweaks.lab.worker:plan'
# Where the user's data are, as variables say; a worker that has them set goes by its own.
_VARIABLES = ('TFDS_DATA_DIR',)


class Crew:
    """See `run.workers.Workers`."""

    def __init__(
        self, cluster: Cluster, workdir: Workdir, file: str | None, notify: Callable[[str], None]
    ):
        """
        Args:
          cluster: where they are.
          workdir: where they save.
          file: the config file; None if there is none.
          notify: is called with what happens while they plan.
        """
        self._cluster, self._workdir = cluster, workdir
        self._file, self._notify = file, notify
        self._given: dict[str, Any] = {}
        self._groups: dict[str, Group] = {}  # by id those that were started
        # By id who has a group without seeing the work folder: the address, and the folder there.
        self._apart: dict[str, tuple[str, str]] = {}
        self._taken: dict[str, float] = {}  # by such a folder when it was looked at
        self._said = False  # that there is such a worker
        self.trained: dict[str, str] = {}  # by name the host and the device of those that began

    def expected(self) -> Processes:
        """The workers that there will be."""
        return Processes(self._cluster.expected(), self._cluster.sharing())

    def asked(self, experiment: Experiment, manifest: Manifest | None, method: Method) -> None:
        """Says what it is all about from now on; `manifest`: of the folder, None if there is none.

        They need not know what became of other groups and launches.
        """
        kept = None
        if manifest is not None:
            kept = manifest.to_json() | {'groups': [], 'launches': [{}], 'looks': []}
        self._given = {
            'path': str(self._workdir.path.resolve()),
            'started': self._workdir.started,
            'values': json.dumps(to_dict(experiment.asked)),
            'manifest': None if kept is None else json.dumps(kept),
            'file': self._file,
            'size': experiment.size,
            'code': stored.code_of(experiment),
            'engine': version.engine(),
            'surroundings': json.dumps(surroundings.current()),
            'data': [method.dataset.fingerprint, method.dataset.label, method.dataset.source],
            'folder': os.getcwd(),
            'variables': {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        }

    def plan(
        self, missing: Sequence[Run], runs: Sequence[Run], method: Method
    ) -> tuple[list[Group], str]:
        """See `Method.plan`: measured by a worker, on the device that trains."""
        ids = {'missing': [run.id for run in missing], 'runs': [run.id for run in runs]}
        self._cluster.start(
            'plan', _PLAN, {'asked': self._given, **ids, 'workers': list(self.expected())}
        )
        presence = workers.Presence(self._notify)
        while True:
            presence.seen(self._cluster.count())
            said = self._cluster.next(SECONDS)
            if said is None:
                continue
            if said.get('kind') == 'note':
                self._notify(f'worker {said["worker"]}: {said["text"]}')
            if 'error' in said:
                break
        if said['error'] is not None:
            raise Unfinished(f'the plan could not be made: {_why(said["error"])}')
        found = said['returned']
        if 'refused' in found:
            raise UserError(f'worker {found["worker"]}: {found["refused"]}')
        method.failed, method.measured = found['failed'], found['measured']
        method.seconds = found['seconds']
        records = [GroupRecord.from_json(one) for one in found['groups']]
        groups = restore_groups(records, runs)
        assert groups is not None  # of the runs that were given
        return groups, found['cost']

    def count(self) -> int:
        """See `Workers`."""
        return self._cluster.count()

    def start(self, group: Group, until: int | None) -> None:
        """See `Workers`."""
        self._groups[group.id] = group
        record = GroupRecord.of(group, None).to_json()
        given = {'asked': self._given, 'group': record, 'until': until}
        self._cluster.start(group.id, _TRAIN, given)

    def event(self, seconds: float) -> Event | None:
        """See `Workers`."""
        said = self._cluster.next(seconds)
        if said is None:
            return None
        if said.get('kind') in (sent.ASKS, sent.SAVES):
            return self._exchange(said)
        if 'error' not in said:
            where = said.pop('where', None)
            if where:
                apart = '' if said['group'] not in self._apart else manifest_lib.APART
                self.trained[said['worker']] = f'{where}{apart}'
            del said['address']
            return workers.from_plain(said)
        self._apart.pop(said['group'], None)
        if (error := said['error']) is None:
            return self._received(said['group'], *said['returned'])
        # What is not there for any worker: the package itself.
        kind = workers.REFUSED if isinstance(error, ImportError) else workers.FAILED
        return Event(said['group'], kind, '', text=_why(error))

    def _exchange(self, said: Mapping[str, Any]) -> Event | None:
        """Sends the state of a group to a worker that asks for it, or fetches what it has saved."""
        group, worker, folder = said['group'], said['worker'], said['folder']
        if said['kind'] == sent.SAVES:
            mine = self._apart.get(group) == (said['address'], folder)
            if mine and said['at'] > self._taken.get(folder, -math.inf):
                self._fetch(group)
            return None
        if group not in self._groups:
            return None
        self._apart[group] = said['address'], folder
        state = sent.state(self._workdir, self._groups[group])
        self._cluster.aside(said['address'], sent.GIVE, {'folder': folder, 'sent': state})
        if self._said:
            return None
        self._said = True
        text = (
            f'does not see {self._workdir.path}, so states and results are sent here from it, and '
            'from any other that does not'
        )
        return Event(group, 'note', worker, text=text)

    def _fetch(self, group: str) -> None:
        """Writes the newest state of a group, or its result, into the work folder."""
        address, folder = self._apart[group]
        name = self._workdir.checkpoint_path(self._groups[group]).name
        found = self._cluster.aside(address, sent.TAKE, {'folder': folder, 'name': name})
        if found is None:  # the worker is gone
            return
        self._taken[folder] = found['at']
        put = sent.put_result if found['done'] else sent.put_state
        try:
            put(self._workdir, self._groups[group], found['files'])
        except DamagedFile as damage:
            self._notify(f'{damage}; it is fetched again when the next is saved')

    def _received(self, group: str, kind: str, worker: str, text: str, files: sent.Files) -> Event:
        """Writes what was sent at the end of a group into the work folder."""
        put = sent.put_result if kind == workers.SAVED else sent.put_state
        try:
            if files:
                put(self._workdir, self._groups[group], files)
        except DamagedFile as damage:
            return Event(group, workers.FAILED, worker, text=str(damage))
        return Event(group, kind, worker, text=text)

    def stop(self) -> None:
        """See `Workers`; what has come back meanwhile, and what comes now, is written."""
        for said in self._cluster.stop():
            if said['error'] is None and said['group'] in self._groups:
                self._received(said['group'], *said['returned'])
        with contextlib.suppress(Unfinished):  # then what was fetched before is what there is
            for group in self._apart:
                if not self._workdir.has_result(self._groups[group]):
                    self._fetch(group)

    def record(self) -> None:
        """Writes into the manifest which workers trained."""
        if self.trained:
            manifest_lib.add_workers(self._workdir, self.trained)

    def close(self) -> None:
        """Leaves the cluster, or ends one of this host's own."""
        self._cluster.close()


def _why(error: BaseException) -> str:
    """What to say of an error that came from a worker, or of its end."""
    if type(error).__name__ == 'KilledWorker':
        died = getattr(error, 'allowed_failures', 0) + 1
        return (
            f'it ended {count(died, "worker")} that had it, one after the other (killed for want '
            'of memory, or a crash in native code?)'
        )
    return f'{type(error).__name__}: {one_line(error)}'
