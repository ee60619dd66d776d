"""How the runs of an experiment are carried out: by training, or otherwise."""

from collections.abc import Callable, Sequence
from typing import Protocol

from jaxtweaks.config.settings import Setting
from jaxtweaks.data import Dataset
from jaxtweaks.run.plan import ALONE, Group, Processes, Run
from jaxtweaks.run.progress import Reporter
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.workdir import Workdir
from jaxtweaks.run.workers import Workers


class Method(Protocol):
    """What turns runs into results in a work folder."""

    dataset: Dataset
    # For the record: the ways of carrying it out that do not work here, and why; and of each family
    # of programs with several ways the seconds an image of each.
    failed: dict[str, str]
    measured: list[dict[str, float]]
    seconds: float | None  # that the missing runs of the last plan take; None if it is not known

    def check(self, settings: Sequence[Setting]) -> None:
        """Whether the data there really are suit the settings. Raises UserError."""
        ...

    def plan(
        self, missing: Sequence[Run], runs: Sequence[Run], processes: Processes = ALONE
    ) -> tuple[list[Group], str]:
        """Groups of the missing runs, and what they cost, in words.

        Args:
          missing: runs that no earlier launch planned.
          runs: all runs of the experiment.
          processes: that do the work.
        """
        ...

    def guess(
        self, missing: Sequence[Run], runs: Sequence[Run], processes: Processes = ALONE
    ) -> tuple[list[Group], str]:
        """The same as `plan` as far as it is known, with nothing measured for it."""
        ...

    def count(self, groups: Sequence[Group], runs: Sequence[Run]) -> str:
        """How many runs there are, in words; `groups`: those of all runs."""
        ...

    def carry_out(
        self,
        groups: Sequence[Group],
        workdir: Workdir,
        reporter: Reporter,
        workers: Workers | None = None,
    ) -> list[Group]:
        """Sees to it that every group has its result in the work folder.

        Args:
          groups: all of them.
          workdir: the folder.
          reporter: reports the progress.
          workers: who does it; None for this process.

        Returns:
          The groups as they were carried out: one too large for the memory is halved.

        Raises:
          Interrupted: by a signal, with everything saved that a later launch needs.
          Unfinished: some groups failed on workers, or the engine is gone.
        """
        ...

    def carry_out_one(
        self,
        group: Group,
        workdir: Workdir,
        reporter: Reporter,
        asked_to_stop: Callable[[], int],
        until: int | None,
    ) -> bool:
        """The part of a worker: one group, up to the epoch `until` if it waits for others there.

        Returns:
          Whether its result is in the work folder; if not, its state is.

        Raises:
          Interrupted: `asked_to_stop` said so; the state is saved.
        """
        ...

    def measure_again(self, group: Group, reporter: Reporter) -> GroupResult:
        """The result of a group, computed from the start and written nowhere.

        Raises:
          UserError: it does not fit in the memory: as other groups its runs would have other bits.
        """
        ...
