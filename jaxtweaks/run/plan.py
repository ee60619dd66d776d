"""Which runs there are, which of them share a program, and which are trained side by side."""

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from jaxtweaks.config import older, trace
from jaxtweaks.config.build import to_dict
from jaxtweaks.config.expand import Point
from jaxtweaks.config.settings import Setting

# Fields that say where data lie, not what they are.
_NOT_IDENTITY = (('data', 'dir'), ('data', 'download'))


class Processes(NamedTuple):
    """The processes that share the work.

    Attributes:
      number: how many there are; each should have a group.
      sharing: how many of them share the memory of a device, and its time.
    """

    number: int = 1
    sharing: int = 1

    def at_once(self, groups: int) -> int:
        """How many of so many groups are trained at the speed of one alone, at most.

        Those that share a device are together as fast as one (docs/scaling.md).
        """
        return max(1, min(self.number // self.sharing, groups))


ALONE = Processes()


class Identity:
    """What names the runs of one setting, found once for all of its seeds."""

    def __init__(self, setting: Setting):
        self._setting = setting

    @functools.cached_property
    def digest(self) -> str:
        """A hash of the setting, in hex."""
        values = to_dict(self._setting)
        for section, field in _NOT_IDENTITY:
            del values[section][field]
        # Where a field that there was not always says what was done before, a run keeps its name.
        for name, before in older.LATER.items():
            section, field = name.split('.')
            if values[section][field] == before:
                del values[section][field]
                if not values[section]:  # that there was not always either
                    del values[section]
        del values['parts']
        older.put_former(values, self._setting)
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclasses.dataclass(frozen=True)
class Run:
    """One network: a setting and a seed.

    Attributes:
      point: the swept fields of the setting, by dotted name.
      setting: all fields.
      seed: of its random keys.
      identity: of the setting, which other seeds of it share; None for one of its own.
    """

    point: Point
    setting: Setting
    seed: int
    identity: Identity | None = dataclasses.field(default=None, compare=False, repr=False)

    @functools.cached_property
    def id(self) -> str:
        """Names the run in every file: a hash of the setting, and the seed."""
        return f'{(self.identity or Identity(self.setting)).digest}-s{self.seed}'


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs trained side by side by one call of a compiled program.

    Attributes:
      runs: at most `size` · `shares`, all with the same static part.
      size: the number of runs compiled for, which a device trains side by side. It decides the
        last bits of a result, so it is part of the record, and a smaller group is padded to it.
      batching: how the runs share a program, one of `compiled.BATCHINGS`.
      off: the traced tweaks omitted from the program, see `config.trace.off_everywhere`.
      shares: parts of `size` runs, for as many devices. With fewer devices each trains several,
        one after the other, to the same bits.
      stage: the epoch after which its runs were regrouped, see `compaction`; 0 for never.
      leaves: whether its runs end there, while others go on.
    """

    runs: tuple[Run, ...]
    size: int
    batching: str
    off: frozenset[str]
    shares: int = 1
    stage: int = 0
    leaves: bool = False

    @functools.cached_property
    def static(self) -> Setting:
        """What is compiled in."""
        return trace.split(self.runs[0].setting, self.off)[0]

    @property
    def program(self) -> tuple[Setting, int, str]:
        """What groups that are trained by the same executables have in common."""
        return self.static, self.size, self.batching

    @functools.cached_property
    def id(self) -> str:
        """Names the group's files."""
        parts = [run.id for run in self.runs] + [str(self.size), self.batching, *sorted(self.off)]
        parts += [f'{self.shares} shares'] if self.shares > 1 else []
        parts += [f'{"leave" if self.leaves else "go on"} at {self.stage}'] if self.stage else []
        return hashlib.sha256(' '.join(parts).encode()).hexdigest()[:12]

    def padded(self) -> tuple[Run, ...]:
        """The runs, the last one repeated until there are `size` · `shares`."""
        return self.runs + (self.runs[-1],) * (self.size * self.shares - len(self.runs))


def halved(group: Group) -> list[Group]:
    """The runs of a group of two or more in groups of half its size."""
    size = math.ceil(group.size / 2)
    halves = into_groups(group.runs, size, group.batching, group.off, group.shares)
    return [dataclasses.replace(one, stage=group.stage, leaves=group.leaves) for one in halves]


def replaced(groups: Iterable[Group], new: Mapping[str, Sequence[Group]]) -> list[Group]:
    """The groups, with others in the place of those whose ids `new` has."""
    return [one for group in groups for one in new.get(group.id, [group])]


def all_runs(base: Setting, points: Sequence[Point], seeds: Iterable[int]) -> list[Run]:
    """Every setting with every seed, settings first."""
    settings = [(point, trace.replace(base, point)) for point in points]
    known = [(point, setting, Identity(setting)) for point, setting in settings]
    return [Run(point, one, seed, identity) for point, one, identity in known for seed in seeds]


def by_program(runs: Sequence[Run], off: frozenset[str]) -> dict[Setting, list[Run]]:
    """The runs that share each program, by its static part, in order of first appearance."""
    programs: dict[Setting, list[Run]] = {}
    for run in runs:
        programs.setdefault(trace.split(run.setting, off)[0], []).append(run)
    return programs


def into_groups(
    runs: Sequence[Run], largest: int, batching: str, off: frozenset[str], devices: int = 1
) -> list[Group]:
    """Cuts the runs of one program into as few groups as allowed, of sizes as equal as can be.

    Args:
      runs: with the same static part.
      largest: the most runs that a device may train side by side.
      batching, off: see `Group`.
      devices: how many there are; a group has up to a share for each.
    """
    shares = math.ceil(len(runs) / largest)
    size = math.ceil(len(runs) / shares)
    cuts = range(0, len(runs), size * devices)
    parts = [tuple(runs[i : i + size * devices]) for i in cuts]
    return [Group(part, size, batching, off, math.ceil(len(part) / size)) for part in parts]
