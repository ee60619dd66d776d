"""The part of a worker: it makes the experiment again, and plans or trains a group of it."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxtweaks.base import provenance, surroundings
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.pinned import pinned
from jaxtweaks.config import config_file
from jaxtweaks.lab import stored
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.lab.methods import method_of
from jaxtweaks.run import compile_cache, memory, sent, version, workers
from jaxtweaks.run import manifest as manifest_lib
from jaxtweaks.run.cluster import Here, Left
from jaxtweaks.run.group import Interrupted
from jaxtweaks.run.manifest import GroupRecord, Manifest, describe_groups
from jaxtweaks.run.method import Method
from jaxtweaks.run.plan import Processes, Run
from jaxtweaks.run.workdir import Workdir

_NO_FILE = (
    '; what a notebook registers is not known on workers: register it in a config file, and give '
    'its path'
)


def plan(
    here: Here,
    asked: Mapping[str, Any],
    missing: Sequence[str],
    runs: Sequence[str],
    workers: Sequence[int],
) -> dict[str, Any]:
    """Groups of the missing runs, see `Method.plan`, and what it cost; or why not, 'refused'.

    Args:
      here: see `cluster`.
      asked: see `crew.Crew.asked`.
      missing, runs: ids.
      workers: the fields of `plan.Processes`.
    """
    try:
        with _bench(here, asked) as bench:
            wanted = [bench.runs[run] for run in missing]
            every = [bench.runs[run] for run in runs]
            groups, cost = bench.method.plan(wanted, every, Processes(*workers))
            return {
                'groups': [one.to_json() for one in describe_groups(groups)],
                'cost': cost,
                'failed': bench.method.failed,
                'measured': bench.method.measured,
                'seconds': bench.method.seconds,
            }
    except UserError as error:
        return {'refused': str(error), 'worker': here.worker}


def train(
    here: Here, asked: Mapping[str, Any], group: Mapping[str, Any], until: int | None
) -> tuple[str, str, str, sent.Files]:
    """Trains a group of runs as far as it goes, and saves.

    Returns:
      How that ended, one of `workers.ENDS`; the name of this worker; what there is to say; and the
      files, if it does not see the work folder.

    Raises:
      Left: it was asked to stop, and has saved.
    """
    end = lambda kind, text='', files=None: (kind, here.worker, text, files or {})
    try:
        with _bench(here, asked) as bench:
            whole = GroupRecord.from_json(group).group(bench.runs)
            apart = None if _sees_folder(asked) else sent.Apart(here, whole)
            workdir = Workdir(Path(asked['path'])) if apart is None else apart.workdir
            if workdir.has_result(whole):  # saved by one that died before it could say so
                return end(workers.SAVED)
            if apart is not None:
                apart.begin()
            here.say(kind='began', where=f'{here.host}: {provenance.device()}')
            reporter = sent.Announcing(here, apart) if apart else workers.Forwarding(here.say)
            try:
                done = bench.method.carry_out_one(
                    whole, workdir, reporter, here.asked_to_stop, until
                )
            except Interrupted:
                if apart is not None:
                    apart.leave()
                raise Left() from None
            except Exception as error:
                if not memory.is_exhausted(error):
                    raise
                if whole.size == 1:
                    raise memory.one_run_too_large(error) from None
                state = apart.end(False) if apart else None  # for groups of fewer runs
                return end(workers.TOO_LARGE, memory.first_line(error), state)
            kind = workers.SAVED if done else workers.WAITS
            return end(kind, files=apart.end(done) if apart else None)
    except UserError as error:
        return end(workers.REFUSED, str(error))
    except Left:
        raise
    except Exception as error:
        import traceback

        traceback.print_exc()  # in the log of the worker
        return end(workers.FAILED, config_file.complaint(error, Path('training')))


@dataclasses.dataclass(frozen=True)
class _Bench:
    """What a worker keeps from group to group.

    Attributes:
      of: the launch and the config.
      experiment: as the driver has it.
      method: with the data and the programs.
      runs: by id.
    """

    of: tuple[Any, ...]
    experiment: Experiment
    method: Method
    runs: Mapping[str, Run]


_kept: list[_Bench] = []  # the one of the call before, if any
_seen: set[tuple[str, float]] = set()  # the work folders that were found here, and their launches
_set: dict[str, str] = {}  # variables that the worker had not itself


def _set_variables(wanted: Mapping[str, str]) -> None:
    """Sets variables of the driver's that the worker lacks, in place of an earlier one's."""
    for name in [name for name, value in _set.items() if os.environ.get(name) == value]:
        del os.environ[name]
    _set.clear()
    _set.update({name: value for name, value in wanted.items() if name not in os.environ})
    os.environ.update(_set)


@contextlib.contextmanager
def _bench(here: Here, asked: Mapping[str, Any]) -> Iterator[_Bench]:
    """What is needed to train; JAX has its options meanwhile, and the config's folder is there.

    Raises:
      UserError: the worker does not have what it takes: the config, the code, the flags, the data.
    """
    with contextlib.suppress(OSError):  # what is named relative to it is then not to be found
        os.chdir(asked['folder'])
    _set_variables(asked['variables'])
    notify = lambda text: here.say(kind='note', text=text)
    around = contextlib.nullcontext()
    if asked['file'] is not None:
        around = config_file.neighbours(Path(asked['file']))
    with around, pinned():
        of = asked['path'], asked['started'], asked['values'], asked['manifest']
        if not _kept or _kept[0].of != of:
            compile_cache.enable(notify)
            before = _kept.pop() if _kept else None
            _kept.append(_made(here, asked, of, before, notify))
        yield _kept[0]


def _made(here: Here, asked: Mapping[str, Any], of: tuple, before: _Bench | None, notify) -> _Bench:
    same_launch = before is not None and before.of[:2] == of[:2]
    if asked['file'] is not None and not same_launch:  # it may have been changed since
        config_file.load(Path(asked['file']), asked['size'])
    try:
        experiment = stored.rebuilt(json.loads(asked['values']))
    except UserError as error:
        raise UserError(f'{error}{"" if asked["file"] else _NO_FILE}') from None
    manifest = None
    if asked['manifest'] is not None:
        manifest = Manifest.from_json(json.loads(asked['manifest']))
        experiment = experiment.grown(manifest.rounds)
    experiment = experiment.as_now()
    if manifest is not None:
        experiment = stored.as_recorded(experiment, manifest, lambda text: None)
    _check_code(here, asked, experiment)
    if before is not None and same_launch and _is_alike(before.experiment, experiment):
        method = before.method
    else:
        method = method_of(experiment, notify)
        _check_data(here, asked, method)
    return _Bench(of, experiment, method, {run.id: run for run in experiment.runs})


def _is_alike(one: Experiment, other: Experiment) -> bool:
    """Whether data and programs of one are those of another."""
    what = lambda of: (of.base, of.execution, of.search)
    return what(one) == what(other)


def _sees_folder(asked: Mapping[str, Any]) -> bool:
    """Whether the work folder is here under its path, and can be written.

    It is if it has the record of this launch: another one may have the same path. Once it was found
    it is not looked for again: the record has every group, and is read as a whole.
    """
    of = asked['path'], asked['started']
    if of in _seen:
        return True
    path = Path(asked['path'])
    launches = ()
    with contextlib.suppress(UserError):
        launches = manifest_lib.current(Workdir(path)).launches
    mine = any(one.started == asked['started'] for one in launches)
    if found := mine and os.access(path, os.W_OK):
        _seen.add(of)
    return found


def _check_code(here: Here, asked: Mapping[str, Any], experiment: Experiment) -> None:
    """Whether it would train by the same code, with the same flags."""
    install = 'install the same everywhere, and start the workers again'
    if (found := stored.code_of(experiment)) != asked['code']:
        raise UserError(
            f'{here.host} has version {found} of the training code, and {asked["code"]} is asked '
            f'for: {install}'
        )
    if version.engine() != asked.get('engine'):
        raise UserError(
            f'{here.host} has another version of jaxtweaks than where the plan is made: {install}'
        )
    then = json.loads(asked['surroundings'])
    if changed := surroundings.differences(then, surroundings.current()):
        raise UserError(
            f'{here.host} has other surroundings than where the plan is made '
            f'({"; ".join(changed)}), which can change numbers; start the workers with the same'
        )


def _check_data(here: Here, asked: Mapping[str, Any], method: Method) -> None:
    fingerprint, label, source = asked['data']
    if method.dataset.fingerprint != fingerprint:
        raise UserError(
            f'{here.host} finds other data ({method.dataset.label}, from {method.dataset.source}) '
            f'than there are where the plan is made ({label}, from {source}): put the same where '
            'workers find them, as in a folder that all share'
        )
