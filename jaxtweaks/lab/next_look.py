"""Whether a folder goes on to a further look at its claims: its cost, and what it may settle."""

import dataclasses
import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any

from jaxtweaks.base.words import count
from jaxtweaks.claims import claims, sequential
from jaxtweaks.claims.settling import GRID
from jaxtweaks.lab import settle
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.results.results import Results
from jaxtweaks.run import manifest as manifest_lib
from jaxtweaks.run.manifest import LookRecord
from jaxtweaks.run.progress import duration
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.workdir import Workdir


@dataclasses.dataclass(frozen=True)
class Prospect:
    """What it is to go on to one of the looks to come.

    Attributes:
      seeds: of the look.
      seconds: of training that it takes.
      settled: how many of the open claims it, or a look before it, is expected to settle.
    """

    seeds: int
    seconds: float
    settled: float


@dataclasses.dataclass(frozen=True)
class Standing:
    """How far a folder has come with the looks at its claims.

    Attributes:
      experiment: with the seeds there are.
      results: of them, after derivations.
      looks: those of until_settled, the one with these seeds last.
      spent: the seconds that all results took.
      finished: the ids of the runs that they are of.
    """

    experiment: Experiment
    results: Results
    looks: Sequence[LookRecord]
    spent: float
    finished: Collection[str]

    @property
    def seeds(self) -> int:
        """The seeds there are."""
        return self.experiment.seeds

    @functools.cached_property
    def going(self) -> tuple[str, ...]:
        """The keys of the claims that are open."""
        done = settle.looked(self.looks)
        return tuple(sequential.still_going(self.experiment.claims, done))

    @property
    def later(self) -> list[int]:
        """The seeds of the looks to come."""
        return [n for n in GRID if n > self.seeds]

    def runs_to(self, seeds: int) -> int:
        """The runs that are missing for a look with so many seeds."""
        then = dataclasses.replace(self.experiment, seeds=seeds)
        last = dataclasses.replace(self.looks[-1], next=seeds, going=self.going)
        wanted = settle.wanted(then, [*self.looks[:-1], last])
        return len({run.id for run in wanted}.difference(self.finished))

    def seconds_of(self, runs: int) -> float:
        """What so many runs take, by what those that are finished took."""
        return self.spent / max(len(self.finished), 1) * runs

    def prospects(self) -> list[Prospect]:
        """What each look to come costs and may settle; none if no claim is open."""
        if not (self.going and self.later):
            return []
        done = settle.looked(self.looks)
        expected = sequential.expected(self.experiment.claims, self.results, done)
        cost = {n: self.seconds_of(self.runs_to(n)) for n in self.later}
        return [Prospect(n, cost[n], expected[n]) for n in self.later]


@dataclasses.dataclass(frozen=True)
class Allowed:
    """How long the training of a folder may take.

    Attributes:
      seconds: in all.
      refusal: what to say where a look takes longer, with {spent}, {budget}, {seeds} and {cost}.
    """

    seconds: float
    refusal: str = (
        '{spent} of the budget of {budget} are spent, and {seeds} seeds take about {cost} more: '
        'raise --budget to go on'
    )


Allow = Callable[[Standing], Allowed]


@dataclasses.dataclass(frozen=True)
class Step:
    """What follows from the looks so far.

    Attributes:
      seeds: how many to go on to; None to stop.
      words: why, for the user.
    """

    seeds: int | None
    words: str


def step(standing: Standing, allowed: Allowed) -> Step:
    """Whether to go on, and to how many seeds."""
    experiment, going, later = standing.experiment, standing.going, standing.later
    total = count(len(claims.with_chance(experiment.claims, exact=False)), 'claim')
    said = f'look at {count(standing.looks[-1].seeds, "seed")}: '
    if not going:
        return Step(None, f'{said}none of {total} is open')
    sentences = [one.sentence for one in experiment.claims if sequential.key(one) in going]
    said += f'{len(going)} of {total} open ({settle.named(sentences)})'
    if not later:
        return Step(None, f'{said}; {GRID[-1]} seeds are the last look')
    seeds = later[0]
    runs = standing.runs_to(seeds)
    cost = standing.seconds_of(runs)
    if standing.spent + cost > allowed.seconds:
        spent, budget = duration(standing.spent), duration(allowed.seconds)
        refusal = allowed.refusal.format(
            spent=spent, budget=budget, seeds=seeds, cost=duration(cost)
        )
        return Step(None, f'{said}; {refusal}')
    words = f'{said}; next look at {seeds} seeds: {count(runs, "run")}, about {duration(cost)}'
    return Step(seeds, words)


def decide(
    experiment: Experiment,
    results: Results,
    workdir: Workdir,
    found: Sequence[GroupResult],
    allow: Allow,
    notify: Callable[[str], Any],
    may_train: Callable[[], None] = lambda: None,
) -> bool:
    """Looks at the claims; whether more seeds are to be trained. All of it is in the manifest.

    Args:
      experiment: with the seeds there are.
      results: of them, after derivations.
      workdir: with its manifest.
      found: the results of all groups.
      allow: how long training may take, by how far it has come.
      notify: reports how the claims stand.
      may_train: raises UserError if nothing must be added to the folder.
    """
    now = manifest_lib.current(workdir)
    spent = sum(float(group.seconds) for group in found)
    finished = {run for group in found for run in group.runs}
    first = settle.grid_of(experiment, now.looks)[0]
    planned = settle.plan_of(now.looks, now.launches, len(results.seeds), spent, first)
    new = settle.look(experiment, results, now.looks, planned)
    looks = settle.settled([*now.looks, *new])
    standing = Standing(experiment, results, looks, spent, finished)
    then = step(standing, allow(standing))
    # Also one that is known: it is the latest now, and verdicts go by it.
    for one in new or [looks[-1]]:
        manifest_lib.add_look(workdir, one)
    notify(then.words)
    if then.seeds is None:
        return False
    may_train()
    ahead = dataclasses.replace(looks[-1], next=then.seeds, going=standing.going)
    manifest_lib.add_look(workdir, ahead)
    return True
