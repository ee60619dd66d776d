"""How many seeds an experiment needs: from what its work folder holds, or from a pilot."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import count
from jaxtweaks.claims import claims
from jaxtweaks.claims.power import MOST, Need
from jaxtweaks.lab import laboratory, stored
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.report import tables
from jaxtweaks.run import manifest as manifest_lib
from jaxtweaks.run.progress import duration, notice
from jaxtweaks.run.workdir import Workdir

PILOT = 3  # seeds: with two, the scatter is hardly known at all


def run(
    experiment: Experiment,
    path: Path,
    console: Console,
    more: Callable[[int], str],
    *,
    dry_run: bool | str = False,
    **how: Any,
) -> list[Need | None]:
    """Says how many seeds would settle each claim of an experiment.

    The seeds are those the folder `path` was last asked for; if there is no such folder, a pilot
    of `PILOT` seeds is trained in it, which a later run with more seeds builds on.

    Args:
      experiment: what is planned; its own number of seeds does not matter.
      path: the work folder.
      console: where to say it.
      more: what to type to carry the experiment out with a number of seeds.
      dry_run: stop after the plan of the pilot, if one is needed.
      how: what else `laboratory.run` takes, for the pilot.

    Returns:
      What each claim needs; nothing after a dry run that found no results.

    Raises:
      UserError: there are no claims, or as `laboratory.run`.
      Interrupted: as `laboratory.run`.
    """
    if not experiment.claims:
        raise UserError('--plan_seeds: the config has no claims to settle')
    workdir, notify = Workdir(path), functools.partial(notice, console)
    pilot = dataclasses.replace(experiment, **_asked_for(workdir))
    there = stored.read(pilot, workdir, notify)
    if there is None or there.missing:
        if pilot.seeds > experiment.seeds:
            console.print(Text(_too_many(pilot.seeds, experiment.seeds, more)), soft_wrap=True)
        laboratory.run(pilot, path, console, dry_run=dry_run, **how)
        if dry_run:
            return []
        there = stored.read(pilot, workdir, notify)
        assert there is not None  # it was just written
    answer = stored.answer(path, there, notify)
    verdicts, needs = answer.verdicts, claims.seeds_needed(experiment.claims, answer.results)
    table = tables.seeds_table([verdict.to_dict() for verdict in verdicts], needs)
    console.print(table.to_rich(console.width))
    unsettled = [
        need
        for need, verdict in zip(needs, verdicts, strict=True)
        if verdict.verdict == 'inconclusive'
    ]
    for line in _advice(unsettled, pilot.seeds, there.seconds, more):
        console.print(Text(line), soft_wrap=True)
    return needs


def _asked_for(workdir: Workdir) -> dict[str, int]:
    """The seeds that a folder was last asked for, those of a pilot if it holds nothing.

    None are said of a folder whose config.json is lost: then they are the experiment's own.
    """
    frozen = workdir.read_json('config.json') or {}
    known: dict[str, Any] = {key: frozen.get(key) for key in ('seeds', 'first_seed')}
    if all(type(value) is int and value >= 0 for value in known.values()) and known['seeds']:
        return known
    return {} if (workdir.path / manifest_lib.NAME).exists() else {'seeds': PILOT}


def _too_many(pilot: int, asked: int, more: Callable[[int], str]) -> str:
    """What to say beforehand, since a folder with more seeds than asked for is refused later."""
    return (
        f'the folder gets {count(pilot, "seed")}, where the config has {asked}; to go on in it, '
        f'ask for as many: {more(pilot)}'
    )


def _advice(
    needs: Sequence[Need | None], seeds: int, seconds: float, more: Callable[[int], str]
) -> list[str]:
    """What follows from the needs of the claims not settled, where `seeds` seeds took `seconds`."""
    wanted = [need.seeds for need in needs if need and need.seeds]
    hopeless = sum(need is not None and need.seeds is None for need in needs)
    lines = [] if needs else ['all claims are settled']
    if hopeless:
        lines.append(
            f'{count(hopeless, "claim")} would not be settled by {MOST:,} seeds: what was seen is '
            'too near to where the verdict turns'
        )
    if wanted and max(wanted) > seeds:
        time = duration(seconds / seeds * (max(wanted) - seeds))
        lines.append(
            f'to settle {"the other" if hopeless else "every"} open claim, {max(wanted):,} seeds, '
            f'which take about {time} more than the {seeds} there are: {more(max(wanted))}'
        )
    elif wanted:
        lines.append(f'as many seeds as there are, {seeds}, should have settled the open claims')
    return lines
