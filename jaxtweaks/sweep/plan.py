"""Which runs there are, which of them share a program, and which are trained side by side."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Sequence

from jaxtweaks.config import trace
from jaxtweaks.config.build import to_dict
from jaxtweaks.config.settings import Setting
from jaxtweaks.sweep.expand import Point

# Fields that say where data lie, not what they are.
_NOT_IDENTITY = (('data', 'dir'), ('data', 'download'))


@dataclasses.dataclass(frozen=True)
class Run:
    """One network: a setting and a seed.

    Attributes:
      point: the swept fields of the setting, by dotted name.
      setting: all fields.
      seed: of its random keys.
    """

    point: Point
    setting: Setting
    seed: int

    @property
    def id(self) -> str:
        """Names the run in every file: a hash of the setting, and the seed."""
        values = to_dict(self.setting)
        for section, field in _NOT_IDENTITY:
            del values[section][field]
        text = json.dumps(values, sort_keys=True)
        return f'{hashlib.sha256(text.encode()).hexdigest()[:12]}-s{self.seed}'


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs trained side by side by one call of a compiled program.

    Attributes:
      runs: at most `size`, all with the same static part.
      size: the number of runs compiled for. It decides the last bits of a result, so it is part
        of the record, and a smaller group is padded to it.
      batching: how the runs share a program, one of `compiled.BATCHINGS`.
      off: the traced tweaks left out of the program, see `config.trace.off_everywhere`.
    """

    runs: tuple[Run, ...]
    size: int
    batching: str
    off: frozenset[str]

    @property
    def static(self) -> Setting:
        """What is compiled in."""
        return trace.split(self.runs[0].setting, self.off)[0]

    @property
    def id(self) -> str:
        """Names the group's files."""
        parts = [run.id for run in self.runs] + [str(self.size), self.batching, *sorted(self.off)]
        return hashlib.sha256(' '.join(parts).encode()).hexdigest()[:12]

    def padded(self) -> tuple[Run, ...]:
        """The runs, the last one repeated until there are `size`."""
        return self.runs + (self.runs[-1],) * (self.size - len(self.runs))


def halved(group: Group) -> list[Group]:
    """The runs of a group of two or more in groups of half its size."""
    return into_groups(group.runs, math.ceil(group.size / 2), group.batching, group.off)


def all_runs(base: Setting, points: Sequence[Point], seeds: Iterable[int]) -> list[Run]:
    """Every setting with every seed, settings first."""
    settings = [(point, trace.replace(base, point)) for point in points]
    return [Run(point, setting, seed) for point, setting in settings for seed in seeds]


def by_program(runs: Sequence[Run], off: frozenset[str]) -> dict[Setting, list[Run]]:
    """The runs that share each program, by its static part, in order of first appearance."""
    programs: dict[Setting, list[Run]] = {}
    for run in runs:
        programs.setdefault(trace.split(run.setting, off)[0], []).append(run)
    return programs


def into_groups(
    runs: Sequence[Run], largest: int, batching: str, off: frozenset[str]
) -> list[Group]:
    """Cuts the runs of one program into as few groups as allowed, of sizes as equal as can be.

    Args:
      runs: with the same static part.
      largest: the most runs that may be trained side by side.
      batching, off: see `Group`.
    """
    count = math.ceil(len(runs) / largest)
    size = math.ceil(len(runs) / count)
    return [
        Group(tuple(runs[i : i + size]), size, batching, off) for i in range(0, len(runs), size)
    ]
