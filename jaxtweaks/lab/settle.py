"""Seeds added look by look until every claim is settled: `--until_settled`, `--budget`.

A work folder grows as if its user had raised `seeds`, along the grid of `claims.settling`. After
each number of seeds the claims are looked at; what was found goes into the manifest before the next
seeds are trained, so that an interruption may come anywhere. Settings that no open claim needs get
no more seeds. A look with a number of seeds that the user chose is recorded as well.
"""

import dataclasses
import re
from collections.abc import Iterable, Sequence

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.numbers import percent
from jaxtweaks.base.words import count
from jaxtweaks.claims import claim_data, claims, remarks, sequential, settling
from jaxtweaks.claims.claim import Claim, Verdict
from jaxtweaks.claims.sequential import Looked
from jaxtweaks.claims.settling import GRID
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.results.results import Results, without_runs
from jaxtweaks.run import manifest as manifest_lib
from jaxtweaks.run.manifest import Launch, LookRecord
from jaxtweaks.run.plan import Run
from jaxtweaks.run.progress import duration
from jaxtweaks.run.workdir import Workdir

BUDGET, OF_ALL = '30m', '2h'  # of an experiment, of a collection
FIXED, SETTLED = 'fixed', 'settled'
_UNITS = {'h': 3600.0, 'm': 60.0, 's': 1.0}


def seconds_of(budget: str) -> float:
    """The seconds of a budget such as '30m', '90s' or '1h30m'. Raises UserError."""
    parts = re.findall(r'(\d+(?:\.\d+)?)([hms])', str(budget))
    written = ''.join(number + unit for number, unit in parts)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if written != budget or not seconds:
        raise UserError(
            f"budget: {budget!r} is not allowed; it must be a time with its unit, as '30m', "
            "'90s' or '1h30m'"
        )
    return seconds


def budget_of(until_settled: bool, budget: str, default: str = BUDGET) -> float | None:
    """The seconds of the budget; None if no seeds are to be added. Raises UserError."""
    if budget and not until_settled:
        raise UserError(
            f'budget: {budget!r} has no effect because until_settled is not given; give both'
        )
    return seconds_of(budget or default) if until_settled else None


def check(experiment: Experiment, chosen: bool = False) -> None:
    """Whether seeds can be added until the claims of an experiment are settled.

    Args:
      experiment: what is asked.
      chosen: whether the user chose the number of seeds as well.

    Raises:
      UserError: they cannot, or the number of seeds has no effect.
    """
    if not experiment.claims:
        raise UserError('--until_settled: the config has no claims to settle; omit it')
    if experiment.search.rounds:
        raise UserError(
            '--until_settled: a search chooses by the seeds there are, so none can be added; omit '
            'it, or set search.rounds to 0'
        )
    if chosen:
        raise UserError(
            f'seeds: have no effect because --until_settled adds them by itself, {_grid()}; omit '
            'one of the two'
        )


def possible(experiment: Experiment) -> bool:
    """Whether chance has a say in any of the claims, so that seeds would settle something."""
    exact = experiment.plain is not None and experiment.plain.exact
    return bool(claims.with_chance(experiment.claims, exact))


def grown(experiment: Experiment, looks: Sequence[LookRecord], there: int) -> Experiment:
    """The experiment with the seeds that the folder has come to, or is to come to.

    Args:
      experiment: as its config has it.
      looks: of the manifest.
      there: seeds that the folder was asked for before, 0 if there is no folder.
    """
    ahead = [one.next for one in settled(looks) if one.next]
    first = grid_of(experiment, looks)[0]
    return dataclasses.replace(experiment, seeds=max([first, there, *ahead]))


def wanted(experiment: Experiment, looks: Sequence[LookRecord]) -> list[Run]:
    """The runs of an experiment without those whose seeds no open claim needed.

    A claim that comes later, or is open once more, needs the seeds that its settings were spared
    before, too: which seeds a look rests on must not depend on how claims stood.
    """
    runs = experiment.runs
    spared = [one for one in settled(looks) if one.next]
    if not spared or looks[-1].design != SETTLED or experiment.derive:
        return runs
    needed, later = [], set()
    for one in reversed(spared):
        going = one.going or ()
        later |= _settings_of(experiment, going)
        needed.append((one.seeds, one.next or 0, _needed(experiment, going) | later))
    first = experiment.first_seed
    places = [place for place in range(len(experiment.points)) for _ in range(experiment.seeds)]
    return [
        run
        for place, run in zip(places, runs, strict=True)
        if all(
            place in settings or not low <= run.seed - first < high
            for low, high, settings in needed
        )
    ]


def _needed(experiment: Experiment, going: Sequence[str]) -> set[int]:
    """The places of the settings that claims with these keys are about; all if one was changed."""
    if not set(going) <= {sequential.key(one) for one in experiment.claims}:
        return set(range(len(experiment.points)))
    return _settings_of(experiment, going)


def _settings_of(experiment: Experiment, going: Sequence[str]) -> set[int]:
    """The places of the settings that the experiment's claims with these keys are about."""
    points = without_runs(experiment.points)
    open_claims = [one for one in experiment.claims if sequential.key(one) in going]
    return {k for claim in open_claims for k in claim_data.settings_of(claim, points)}


def plan_of(
    looks: Sequence[LookRecord],
    launches: Sequence[Launch],
    there: int,
    spent: float,
    first: int = GRID[0],
) -> int:
    """The seeds of the look that is planned as the last, see `settling.shares`.

    Fixed at the first look, by the time that the seeds there are took, and by the budget of the
    folder's first launch: whoever gives another one later may know how the claims stand. A folder
    that began without a budget is planned for all looks.

    Args:
      looks: of the manifest.
      launches: of the manifest.
      there: the seeds there are.
      spent: the seconds that they took.
      first: the seeds of the first look.
    """
    if before := looked(settled(looks)):
        return before[0].planned
    budget = launches[0].budget if launches else None
    if budget is None:
        return GRID[-1]
    return settling.affordable(spent / max(there, 1), budget, first)


def look(
    experiment: Experiment, results: Results, looks: Sequence[LookRecord], planned: int
) -> list[LookRecord]:
    """The looks that are still to be made with the seeds there are, for the manifest.

    Args:
      experiment: whose claims are looked at.
      results: of the seeds there are.
      looks: of the manifest.
      planned: the seeds of the look that is planned as the last (`plan_of`).
    """
    done = looked(settled(looks))
    most = max((one.seeds for one in done), default=0)
    grid, new = grid_of(experiment, looks), []
    for seeds in grid:
        if most < seeds <= len(results.seeds):
            now = sequential.look(experiment.claims, results, done, seeds, planned, grid[0])
            done.append(now)
            new.append(
                LookRecord(
                    seeds=seeds,
                    design=SETTLED,
                    p=sequential.as_plain(now.p),
                    seen=_subjects(
                        one for one in experiment.claims if sequential.key(one) in now.p
                    ),
                    going=now.going,
                    planned=now.planned,
                )
            )
    return new


@dataclasses.dataclass(frozen=True)
class UnderWay:
    """The look at the claims that is trained for.

    Attributes:
      words: which it is, and how many claims are open.
      going: the sentences of those.
    """

    words: str
    going: tuple[str, ...]

    @property
    def line(self) -> str:
        """All of it in a line, with the first of the claims."""
        return f'{self.words} ({named(self.going)})' if self.going else self.words


def under_way(experiment: Experiment, looks: Sequence[LookRecord]) -> UnderWay:
    """Which look comes next with the seeds that an experiment has grown to; `looks`: so far."""
    grid = grid_of(experiment, looks)
    seeds = max((n for n in grid if n <= experiment.seeds), default=grid[0])
    keys = sequential.still_going(experiment.claims, looked(settled(looks)))
    going = tuple(one.sentence for one in experiment.claims if sequential.key(one) in keys)
    total = count(len(claims.with_chance(experiment.claims, exact=False)), 'claim')
    which = f'look {grid.index(seeds) + 1} of at most {len(grid)}, at {seeds} seeds'
    return UnderWay(f'{which}: {len(going)} of {total} open', going)


def record_fixed(experiment: Experiment, results: Results, workdir: Workdir) -> None:
    """Writes down a look with a number of seeds that the user chose."""
    tested = claims.with_chance(experiment.claims, results.exact)
    seen = _subjects(experiment.claims[i] for i in tested)
    manifest_lib.add_look(
        workdir, LookRecord(seeds=len(results.seeds), design=FIXED, p={}, seen=seen)
    )


def _subjects(looked_at: Iterable[Claim]) -> tuple[str, ...]:
    return tuple(sorted({sequential.subject(one) for one in looked_at}))


def _saw(look: LookRecord, claim: Claim) -> bool:
    """Whether a claim was looked at, whatever was said to matter."""
    if look.seen is None:
        ways = claim, dataclasses.replace(claim, smallest=None)
        return any(sequential.key(one) in look.p for one in ways)
    return sequential.subject(claim) in look.seen


def goes_by(experiment: Experiment, looks: Sequence[LookRecord]) -> bool:
    """Whether verdicts go by looks at the claims: the latest is of --until_settled."""
    return bool(looks) and looks[-1].design == SETTLED and possible(experiment)


def looked_at(claim: Claim, looks: Sequence[LookRecord]) -> int | None:
    """With how many seeds a claim was last looked at; None if it was not."""
    seeds = [one.seeds for one in settled(looks) if sequential.key(claim) in one.p]
    return max(seeds, default=None)


def verdicts(
    experiment: Experiment,
    results: Results,
    looks: Sequence[LookRecord] = (),
    waiting: Sequence[Claim] = (),
) -> list[Verdict]:
    """The verdicts on all claims, by the looks that were made, with what is to be remarked.

    `waiting`: further claims that cannot be tested yet, see `claims.evaluate`.
    """
    by_looks = goes_by(experiment, looks)
    if by_looks and not results.exact:
        done = looked(settled(looks))
        every = [*experiment.claims, *waiting]
        found = sequential.evaluate(every, results, done, ahead=looks[-1].next)
        found = found[: len(experiment.claims)]
    else:
        found = claims.evaluate(experiment.claims, results, waiting=waiting)
    there = looks[-1].seeds if by_looks else len(results.seeds)
    return [_with_earlier(remarks.remarked(one, results), looks, there) for one in found]


def _with_earlier(verdict: Verdict, looks: Sequence[LookRecord], there: int) -> Verdict:
    """The verdict, with a note of the looks before it that it was not corrected for.

    `there`: the seeds that it rests on, unless it says so itself.
    """
    own = verdict.rests_on or there
    earlier = [one for one in looks if one.seeds < own and _saw(one, verdict.claim)]
    corrected = [one for one in settled(earlier) if one.seeds in verdict.looks]
    if not (before := sorted({one.seeds for one in earlier if one not in corrected})):
        return verdict
    listed = ' and '.join(map(str, before))
    note = f'not corrected for an earlier look at {listed} seeds, after which seeds were added'
    return dataclasses.replace(verdict, note='; '.join(filter(None, [verdict.note, note])))


def remarks_of(looks: Sequence[LookRecord]) -> list[str]:
    """What a report says of seeds that were added until the claims were settled."""
    if not looks or looks[-1].design != SETTLED:
        return []
    done = looked(settled(looks))
    seeds, planned = ', '.join(str(one.seeds) for one in done), done[0].planned
    plan = (
        f' Before a claim was tested, {planned} seeds were planned for by the budget: up to there '
        f'they are looked at with {percent(1 - settling.RESERVE, 0)}% of α.'
        if planned < GRID[-1]
        else ''
    )
    return [
        f'Seeds were added until the claims were settled: looks at {seeds} of up to {GRID[-1]} '
        f'seeds, which verdicts and their intervals are corrected for.{plan} Settings that no open '
        'claim needed have fewer. An early stop overestimates the effect.'
    ]


def plan_words(
    experiment: Experiment, budget: float, each: float | None, there: int, shared: bool = False
) -> str:
    """The grid, the budget and what a look costs, for the plan.

    Args:
      experiment: what is asked.
      budget: in seconds.
      each: the seconds of a run, None if they are not known.
      there: the seeds that are trained already.
      shared: whether the budget is only what looks are planned for: a collection has one of all.
    """
    of = 'planned for' if shared else 'budget'
    looks, before = [], 0
    for seeds in grid_of(experiment):
        more = seeds - max(before, min(there, seeds))
        cost = each * more * len(experiment.points) if each else 0
        looks.append(f'{seeds} (+{duration(cost)})' if cost else str(seeds))
        before = seeds
    return (
        f'until settled: looks at {", ".join(looks[:-1])} and at most {looks[-1]} seeds, less for '
        f'settings that no open claim needs; {of} {duration(budget)} of training'
    )


def settled(looks: Sequence[LookRecord]) -> list[LookRecord]:
    """Those of the looks that are corrected for looking."""
    return [one for one in looks if one.design == SETTLED]


def looked(looks: Sequence[LookRecord]) -> list[Looked]:
    """Looks of --until_settled for `sequential`, all with the plan of the first."""
    planned = (looks[0].planned if looks else None) or GRID[-1]
    first = looks[0].seeds if looks else GRID[0]
    if planned not in GRID:
        raise UserError(
            f'manifest.json: looks planned for {planned} seeds are not allowed; restore the file '
            'or choose another --workdir'
        )
    return [
        Looked(one.seeds, sequential.as_numbers(one.p), one.going or (), planned, first)
        for one in looks
    ]


def grid_of(experiment: Experiment, looks: Sequence[LookRecord] = ()) -> tuple[int, ...]:
    """The seeds of the looks: from the first one made on, or from where claims can be settled.

    A folder of an earlier version began with 5 seeds whatever its claims, and claims that come
    later leave the shares of α as they are.
    """
    done = settled(looks)
    exact = experiment.plain is not None and experiment.plain.exact
    first = done[0].seeds if done else claims.first_look(experiment.claims, exact)
    return settling.grid_from(first)


def _grid() -> str:
    return f'{", ".join(map(str, GRID[:-1]))} and {GRID[-1]}'


def named(going: Sequence[str]) -> str:
    """The sentences of claims in a line, the first three of them."""
    shown = [sentence.rstrip('.') for sentence in going[:3]]
    return '; '.join([*shown, *([f'and {len(going) - 3} more'] if len(going) > 3 else [])])
