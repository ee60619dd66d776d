"""The manifest of a work folder: which groups its sweep has, of which data, and every launch.

Without it no result could be distinguished from those of another group size, so it is kept twice.
"""

import dataclasses
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.expand import Sweep
from jaxtweaks.run import version
from jaxtweaks.run.plan import Group, Run
from jaxtweaks.run.workdir import Workdir, as_given

NAME = 'manifest.json'
# Of work folders. A folder keeps the one it was made with; one without a number is of format 1,
# where a tweak is known by its source text and nothing says which version of the code trained what.
FORMAT = 2
COPY = 'manifest.json.copy'
APART = ', without the work folder'  # after the host and the device of a worker

# What is read of it: a dict by its keys, a list by what all its items are. Keys with ? may lack.
_GROUP = {
    'id': str,
    'size': int,
    'shares?': int,
    'batching': str,
    'off': [str],
    'runs': [str],
    'stage?': int,
    'code?': [str],  # versions of the training code that trained it, the latest last
}
_SHAPE = {
    'launches': [{}],
    'data': {'label': str, 'source': str, 'fingerprint': str},
    'groups': [_GROUP],
    'rounds?': [list],
    'looks?': [
        {
            'seeds': int,
            'design': str,
            'p': {},
            'seen?': [str],
            'going?': [str],
            'next?': int,
            'planned?': int,
        }
    ],
    'surroundings?': {},
    'tweaks?': {'python': str, 'digests': {}},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Record:
    """A part of the manifest; a field that is None is not in the file.

    Attributes:
      also: what else the file has there, written by another version; it is kept.
    """

    also: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `to_json` returned, or an earlier version."""
        names = {field.name for field in dataclasses.fields(cls)} - {'also'}
        known = {name: as_given(value) for name, value in content.items() if name in names}
        also = {name: value for name, value in content.items() if name not in names}
        return cls(**known, also=also)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        names = [field.name for field in dataclasses.fields(self) if field.name != 'also']
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None} | {**self.also}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Launch(_Record):
    """What there is to know of one launch; what an earlier version did not record is None.

    Attributes:
      command: as the user gave it.
      started: seconds since 1970, by which launches are distinguished.
      code: the version of the training code, see `version`.
      commit, versions, host: what it ran on.
      device, devices: what this process trained on; None if workers did.
      bf16: what multiplies bfloat16 there in custom kernels, if it was asked for.
      config: the config file.
      mix_versions: whether groups might be trained by another version than those there were.
      batchings_measured, batchings_that_failed: see `method.Method`.
      regrouped: what happened to groups while it ran.
      workers: by name the host and the device of those that trained, if it was not this process.
      budget: the seconds of training until which seeds might be added; None if none were.
      redrawn: True if nothing was left to train, so that only the report was made again.
    """

    command: str | None = None
    started: float | None = None
    code: str | None = None
    commit: str | None = None
    versions: Mapping[str, str] | None = None
    device: str | None = None
    devices: int | None = None
    host: str | None = None
    bf16: str | None = None
    config: str | None = None
    mix_versions: bool | None = None
    batchings_measured: Sequence[Mapping[str, float]] | None = None
    batchings_that_failed: Mapping[str, str] | None = None
    regrouped: tuple[Mapping[str, Any], ...] | None = None
    workers: Mapping[str, str] | None = None
    budget: float | None = None
    redrawn: bool | None = None

    @property
    def trained_on(self) -> dict[str, list[str]]:
        """By device, in words, the hosts of the workers that had it; none for this process."""
        if not self.workers:
            return {self.device: []} if self.device else {}
        found: dict[str, list[str]] = {}
        for where in self.workers.values():
            host, _, device = where.removesuffix(APART).partition(': ')
            found.setdefault(device, []).append(host)
        return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataRecord(_Record):
    """What the results are of; see `data.Dataset`."""

    label: str
    source: str
    sizes: Mapping[str, int] | None = None  # images by split
    fingerprint: str
    notices: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class GroupRecord(_Record):
    """A `plan.Group` by the ids of its runs.

    Attributes:
      code: versions of the training code that trained it, the latest last.
    """

    id: str
    size: int
    shares: int = 1
    batching: str
    off: tuple[str, ...]
    runs: tuple[str, ...]
    code: tuple[str, ...] | None = None
    stage: int | None = None
    leaves: bool | None = None

    @classmethod
    def of(cls, group: Group, code: Sequence[str] | None) -> 'GroupRecord':
        """For the manifest; `code`: see `GroupRecord`."""
        return cls(
            id=group.id,
            size=group.size,
            shares=group.shares,
            batching=group.batching,
            off=tuple(sorted(group.off)),
            runs=tuple(run.id for run in group.runs),
            code=None if code is None else tuple(code),
            stage=group.stage or None,
            leaves=group.leaves if group.stage else None,
        )

    def group(self, runs: Mapping[str, Run]) -> Group:
        """The group, of runs by their ids.

        Raises:
          UserError: it is not what its id says.
        """
        members = tuple(runs[run] for run in self.runs)
        stage, leaves = self.stage or 0, bool(self.leaves)
        off = frozenset(self.off)
        group = Group(members, self.size, self.batching, off, self.shares, stage, leaves)
        if group.id != self.id:
            raise UserError(
                f'manifest.json: group {self.id} is not what its id says; restore the file or '
                'choose another --workdir'
            )
        return group


@dataclasses.dataclass(frozen=True, kw_only=True)
class TweaksRecord(_Record):
    """By what the folder knows the registered tweaks: digests of what Python made of them."""

    python: str
    digests: Mapping[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LookRecord(_Record):
    """A look at the claims, see `claims.sequential`.

    Attributes:
      seeds: of a setting.
      design: 'fixed', a number of seeds that the user chose, or 'settled', one of the grid.
      p: of 'settled': by the key of each claim looked at its two p values, None for NaN.
      seen: the claims looked at, as `sequential.subject` calls them; None in a folder that has
        their keys in `p` alone.
      going: of 'settled': the keys of the claims that more seeds are worth training for.
      next: how many seeds it was decided to go on to; None if it was not.
      planned: of 'settled': the seeds of the look that was planned as the last, the same at all
        looks, see `settle.plan_of`; None in a folder without a plan, which is as one for 50.
    """

    seeds: int
    design: str
    p: Mapping[str, tuple[float | None, float | None]]
    seen: tuple[str, ...] | None = None
    going: tuple[str, ...] | None = None
    next: int | None = None
    planned: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest(_Record):
    """What a work folder says of itself.

    Attributes:
      format: of the folder.
      launches: the latest last.
      tweaks: None if the folder has none, or does not say.
      data: what the results are of.
      groups: all of them.
      rounds: the further rounds that a search has come to.
      surroundings: flags of XLA that can change a number; None if the folder does not say.
      looks: at the claims, the latest last; none in a folder that kept none.
    """

    format: int = 1
    launches: tuple[Launch, ...]
    tweaks: TweaksRecord | None = None
    data: DataRecord
    groups: tuple[GroupRecord, ...]
    rounds: tuple[Sweep, ...] = ()
    surroundings: Mapping[str, Any] | None = None
    looks: tuple[LookRecord, ...] = ()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> 'Manifest':
        """The content of the file, which must be of the shape of one, see `read`."""
        tweaks = content.get('tweaks')
        return super().from_json(
            {
                **content,
                'launches': tuple(map(Launch.from_json, content['launches'])),
                'tweaks': None if tweaks is None else TweaksRecord.from_json(tweaks),
                'data': DataRecord.from_json(content['data']),
                'groups': tuple(map(GroupRecord.from_json, content['groups'])),
                'looks': tuple(map(LookRecord.from_json, content.get('looks', ()))),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """The content of the file."""
        content = super().to_json()
        for name in ('launches', 'groups', 'looks'):
            content[name] = [one.to_json() for one in content[name]]
        parts = {name: content[name].to_json() for name in ('tweaks', 'data') if name in content}
        return content | parts

    @property
    def training(self) -> tuple[Launch, ...]:
        """The launches that trained; all of them if each is known to have trained nothing."""
        return tuple(one for one in self.launches if not one.redrawn) or self.launches

    @property
    def codes(self) -> dict[str, tuple[str, ...]]:
        """By the id of a group the versions of the training code that trained it."""
        unrecorded = (version.UNRECORDED,)
        return {one.id: unrecorded if one.code is None else one.code for one in self.groups}


def describe_groups(
    groups: Sequence[Group], codes: Mapping[str, Sequence[str]] = types.MappingProxyType({})
) -> tuple[GroupRecord, ...]:
    """The groups for the manifest; `codes`: by id, see `GroupRecord`."""
    return tuple(GroupRecord.of(group, codes.get(group.id)) for group in groups)


def restore_groups(described: Sequence[GroupRecord], runs: Sequence[Run]) -> list[Group] | None:
    """The groups of a manifest, None if it has runs that are not among `runs`.

    Raises:
      UserError: a group is not what its id says.
    """
    by_id = {run.id: run for run in runs}
    if any(run not in by_id for group in described for run in group.runs):
        return None
    return [group.group(by_id) for group in described]


def read(workdir: Workdir, notify: Callable[[str], None]) -> Manifest | None:
    """The manifest, None if the folder has none.

    Args:
      workdir: the folder.
      notify: reports if the copy had to be taken.

    Raises:
      UserError: it is damaged, and so is its copy, or there is none.
    """
    try:
        found = _checked(workdir, NAME)
        if found is not None:
            return found
        lost = f'{workdir.path / NAME}: is missing'
    except UserError as error:
        lost = str(error)
        found = None
    try:
        found = _checked(workdir, COPY)
    except UserError as error:
        if lost.endswith('is missing'):  # else it is said of the manifest itself
            raise UserError(f'{lost}; {error}') from None
        found = None
    if found is not None:
        notify(f'{lost}; its copy is used')
    elif not lost.endswith('is missing'):
        raise UserError(lost)
    return found


def current(workdir: Workdir) -> Manifest:
    """The manifest of a folder that has one, as it is now.

    Raises:
      UserError: it is damaged or gone.
    """
    found = _checked(workdir, NAME)
    if found is None:
        raise UserError(f'{workdir.path / NAME}: is missing; restore it')
    return found


def write(workdir: Workdir, manifest: Manifest) -> None:
    """Writes the manifest and its copy."""
    content = manifest.to_json()
    for name in (NAME, COPY):
        workdir.write_json(name, content)


def add_workers(workdir: Workdir, workers: Mapping[str, str]) -> None:
    """Adds workers to the record of this launch, see `Launch`."""
    now = current(workdir)
    add = lambda one: dataclasses.replace(one, workers={**(one.workers or {}), **workers})
    mine = lambda one: one.started == workdir.started
    launches = tuple(add(one) if mine(one) else one for one in now.launches)
    write(workdir, dataclasses.replace(now, launches=launches))


def add_round(workdir: Workdir, number: int, sweep: Sweep) -> None:
    """Adds the round of this number to a search, unless it has it."""
    now = current(workdir)
    if len(now.rounds) < number - 1:
        write(workdir, dataclasses.replace(now, rounds=(*now.rounds, sweep)))


def add_look(workdir: Workdir, look: LookRecord) -> None:
    """Adds a look at the claims, in the place of one with as many seeds and of the same design.

    What that one saw of other claims was seen all the same, and stays.
    """
    now = current(workdir)
    alike = lambda one: (one.seeds, one.design) == (look.seeds, look.design)
    before = tuple(one for one in now.looks if not alike(one))
    p = {name: p for one in [*filter(alike, now.looks), look] for name, p in one.p.items()}
    seen = {name for one in [*filter(alike, now.looks), look] for name in one.seen or ()}
    looks = (*before, dataclasses.replace(look, p=p, seen=tuple(sorted(seen)) or None))
    if looks != now.looks:
        write(workdir, dataclasses.replace(now, looks=looks))


def regroup(
    workdir: Workdir, replaced: Mapping[str, Sequence[Group]], event: dict[str, Any]
) -> None:
    """Puts other groups in the place of some of those of the manifest.

    Args:
      workdir: with a manifest.
      replaced: what is in the place of a group from now on, by its id. Those that it does
        not have stay as they are.
      event: what happened, for the record of this launch, under 'regrouped'.
    """
    now = current(workdir)
    launches, codes = list(now.launches), now.codes
    mine = [i for i, one in enumerate(launches) if one.started == workdir.started]
    place = mine[0] if mine else len(launches) - 1
    events = (*(launches[place].regrouped or ()), event)
    launches[place] = dataclasses.replace(launches[place], regrouped=events)
    # What runs of several groups are put together was trained by all that trained one of them.
    code = list(dict.fromkeys(one for name in replaced for one in codes.get(name, ())))
    groups: list[GroupRecord] = []
    for one in now.groups:
        new = replaced.get(one.id)
        groups += [one] if new is None else [GroupRecord.of(part, code) for part in new]
    write(workdir, dataclasses.replace(now, launches=tuple(launches), groups=tuple(groups)))


def _checked(workdir: Workdir, name: str) -> Manifest | None:
    found = workdir.read_json(name)
    if found is None:
        return None
    made = found.get('format', 1)
    if not isinstance(made, int) or made > FORMAT:
        raise UserError(
            f'{workdir.path}: is of format {made!r}, made by a newer version of jaxtweaks; this '
            f'one knows formats up to {FORMAT}; install a newer one or choose another --workdir'
        )
    wrong = _complaint(found, _SHAPE, '')
    if not wrong and not found['launches']:
        wrong = 'launches is empty'
    for group in found['groups'] if not wrong else ():
        if not group['size'] * group.get('shares', 1) >= len(group['runs']) > 0:
            wrong = 'a group has no runs, or more than its size'
    if wrong:
        raise UserError(
            f'{workdir.path / name}: is not a manifest ({wrong}); restore it or choose another '
            '--workdir'
        )
    return Manifest.from_json(found)


def _complaint(found: Any, shape: Any, where: str) -> str:
    """The first thing in which `found` is not of a shape, '' if there is none."""
    if isinstance(shape, type):
        fits = isinstance(found, shape) and not isinstance(found, bool)
        return '' if fits else f'{where} is not of type {shape.__name__}'
    if not isinstance(found, type(shape)):
        return f'{where or "it"} is not a {type(shape).__name__}'
    if isinstance(shape, list):
        inside = [(item, shape[0], f'{where}[{i}]') for i, item in enumerate(found)]
    else:
        prefix, inside = f'{where}.' if where else '', []
        for key, kind in shape.items():
            name = key.removesuffix('?')
            if name in found:
                inside.append((found[name], kind, f'{prefix}{name}'))
            elif name == key:
                return f'{prefix}{key} is missing'
    return next(filter(None, (_complaint(*one) for one in inside)), '')
