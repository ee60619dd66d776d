"""One run of a sweep trained again, alone, and held against what the sweep recorded of it.

The setting is that of the frozen config; the group has the size, the way of batching and the
omitted tweaks of the group the run was in, filled up with copies of it. So every bit must be the
same, or something else is not: the code, the versions, the machine, or the record. If another
version of the training code trained it, or a larger group that was halved on the way, that is said.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
from rich.console import Console
from rich.text import Text

from jaxtweaks.base import provenance, surroundings
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.base.pinned import pinned
from jaxtweaks.base.words import count
from jaxtweaks.lab import stored
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.lab.methods import method_of
from jaxtweaks.nn import bf16_native
from jaxtweaks.run import trained
from jaxtweaks.run.files import DamagedFile
from jaxtweaks.run.manifest import Manifest
from jaxtweaks.run.plan import Group
from jaxtweaks.run.progress import for_console, notice
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.workdir import Workdir

_LISTED = 12


@pinned()
def run(
    path: Path, run_id: str, console: Console, *, data_dir: str = '', quiet: bool = False
) -> bool:
    """Trains a run again and says whether it is bitwise what is on record; writes nothing.

    Args:
      path: the work folder of its sweep.
      run_id: as in the column 'run' of runs.parquet; its beginning is enough.
      console: where to say what happens.
      data_dir: where the data lie, if not where they did.
      quiet: show no progress.

    Raises:
      UserError: there is no such run, it is not finished, or its record or data cannot be had.
    """
    notify = functools.partial(notice, console)
    workdir = Workdir(path)
    experiment = stored.frozen(workdir)
    if data_dir:
        data = dataclasses.replace(experiment.base.data, dir=data_dir)
        base = dataclasses.replace(experiment.base, data=data)
        experiment = dataclasses.replace(experiment, base=base)
    there = stored.read(experiment, workdir, notify)
    if there is None:
        raise UserError(f'{path}: has no manifest.json; --workdir must be that of a sweep')
    experiment = there.experiment
    number, column = _find(there.groups, run_id)
    group, result = there.groups[number], there.found[number]
    if result is None:
        raise UserError(f'{path}: there is no result of {run_id} yet; finish the sweep first')
    method = method_of(experiment, notify)
    stored.check_same_data(workdir, there.manifest, method.dataset)
    run = group.runs[column]
    alone = dataclasses.replace(group, runs=(run,), shares=1)
    if not quiet:
        fields = ', '.join(f'{name}={value}' for name, value in run.point.items())
        console.print(
            f'run {run.id}: {fields or "the only setting"}, seed {run.seed}; group of '
            f'{group.size}, batching {group.batching}',
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    code = _other_code(experiment, there.manifest, group)
    code += _begun_in_larger(there.manifest, run.id)
    for line in code:
        notify(f'{line}; bits that differ may be due to that')
    again = method.measure_again(alone, for_console(console, quiet))
    recorded = _with_network(result, column, path, notify)
    if recorded.variables is None:
        again = dataclasses.replace(again, variables=None)
    found = list(differences(recorded, column, again))
    _say(run.id, found, [*code, *_moved(there.manifest)], console)
    return not found


def differences(recorded: GroupResult, column: int, again: GroupResult) -> Iterator[str]:
    """In what the result of a group of one run differs from a column of another, a line each.

    Args:
      recorded: on record.
      column: which of its runs.
      again: of one run.
    """
    old, new = arrays_of(recorded, column), arrays_of(again, 0)
    for name in dict.fromkeys([*old, *new]):
        if name not in new or name not in old:
            yield f'{name}: only {"on record" if name in old else "found now"}'
            continue
        a, b = old[name], new[name]
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            yield f'{name}: {a.dtype} {list(a.shape)} on record, {b.dtype} {list(b.shape)} now'
        elif a.tobytes() != b.tobytes():
            bits = [np.ascontiguousarray(x).reshape(-1).view(np.uint8) for x in (a, b)]
            wrong = (bits[0] != bits[1]).reshape(a.size, -1).any(1)
            first = int(wrong.argmax())
            where = f' ({wrong.sum()} of {a.size} values, the first at {first})' if a.ndim else ''
            yield f'{name}: {a.flat[first]!s} on record, {b.flat[first]!s} now{where}'


def arrays_of(result: GroupResult, column: int) -> dict[str, np.ndarray]:
    """The arrays of one run of a group's result, by name."""
    found = {}
    for name, values in result.history.items():
        found[f'history of {name}'] = np.asarray(values)[:, column]
    own = {} if result.confusion is None else {'confusion': result.confusion}
    own |= {'chosen_epoch': result.chosen_epoch, 'diverged_at': result.diverged_at}
    for name, values in (*result.finals.items(), *result.arrays.items(), *own.items()):
        found[name] = np.asarray(values)[column]
    for name, values in trained.by_place(result.variables or {}).items():
        found[f'parameters, {name}'] = values[column]
    return found


def _with_network(
    result: GroupResult, column: int, path: Path, notify: Callable[[str], None]
) -> GroupResult:
    """The result with the variables of one of its runs in its column, if they can be read."""
    try:
        kept = trained.load(path, result.runs[column]).variables
    except FileNotFoundError:
        return result
    except DamagedFile as damage:
        notify(f'{damage}; its parameters are not compared')
        return result
    alone = lambda leaf: np.broadcast_to(leaf, (len(result.runs), *np.shape(leaf)))
    return dataclasses.replace(result, variables=jax.tree.map(alone, kept))


def _find(groups: list[Group], run_id: str) -> tuple[int, int]:
    """Which group a run is in, and its place in it."""
    places = {
        run.id: (number, i)
        for number, group in enumerate(groups)
        for i, run in enumerate(group.runs)
    }
    found = [name for name in places if name.startswith(run_id)]
    if run_id in places:
        return places[run_id]
    if len(found) == 1 and run_id:
        return places[found[0]]
    what = 'begins the ids of several runs' if found and run_id else 'is no run of this sweep'
    shown = sorted(found or places)
    listed = did_you_mean(run_id, shown[:_LISTED]) + (', …' if len(shown) > _LISTED else '')
    raise UserError(f"--replay: '{run_id}' {what} (see the column run of runs.parquet); {listed}")


def _other_code(experiment: Experiment, manifest: Manifest, group: Group) -> list[str]:
    """In a line, if another version of the training code than that of now trained a group."""
    then, now = manifest.codes[group.id], stored.code_of(experiment)
    return [] if then == (now,) else [f'{stored.trained_by(then, manifest)}, now it is {now}']


def _begun_in_larger(manifest: Manifest, run_id: str) -> list[str]:
    """A line for each larger group that a run was trained in until it lacked memory."""
    events = [event for launch in manifest.launches for event in launch.regrouped or ()]
    found = [event['went_on'][run_id] for event in events if run_id in event.get('went_on', ())]
    return [
        f'until {count(epoch, "epoch")} and {count(done, "step")}'
        + ''.join(f' and {count(averaged, "dropout mask")}' for averaged in masks)
        + f' it was trained in a group of {size}, which then lacked memory'
        for size, epoch, done, *masks in found
    ]


def _moved(manifest: Manifest) -> list[str]:
    """What is not as it was at any launch that trained: versions, device, commit, flags of XLA."""
    device = provenance.device()
    of_code = {'device': device, 'commit': provenance.commit()}
    now = {**of_code, 'bf16': bf16_native.kind() or None, **provenance.versions()}
    changes = []
    for launch in manifest.training:
        had = launch.trained_on
        where = device if device in had else ' or '.join(had) or 'not recorded'
        of_code = {'device': where, 'commit': launch.commit, 'bf16': launch.bf16}
        then = {**of_code, **(launch.versions or {})}
        changes.append(
            [f'{name}: {then.get(name)} then, {now[name]} now' for name in now
             if then.get(name) != now[name]]
        )  # fmt: skip
    around = manifest.surroundings  # a folder of an earlier version does not say
    other = [] if around is None else surroundings.differences(around, surroundings.current())
    return other + min(changes, key=len)


def _say(run_id: str, found: list[str], moved: list[str], console: Console) -> None:
    if not found:
        text = f'{run_id}: bitwise the same'
        console.print(Text(text, style='green'), soft_wrap=True)
        return
    console.print(Text(f'{run_id}: NOT the same', style='bold red'), soft_wrap=True)
    for line in found[:_LISTED]:
        console.print(f'  {line}', highlight=False, markup=False, soft_wrap=True)
    if len(found) > _LISTED:
        console.print(f'  … and {len(found) - _LISTED} more')
    why = '; '.join(moved) or 'code, versions, device, commit and flags of XLA are those of then'
    console.print(f'  {why}', highlight=False, markup=False, soft_wrap=True)
