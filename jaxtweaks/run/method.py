"""How the runs of an experiment are carried out: by training, or otherwise."""

from collections.abc import Sequence
from typing import Protocol

from jaxtweaks.config.settings import Setting
from jaxtweaks.data import Dataset
from jaxtweaks.run.plan import Group, Run
from jaxtweaks.run.progress import Reporter
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.workdir import Workdir


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
        self, missing: Sequence[Run], runs: Sequence[Run], processes: int = 1
    ) -> tuple[list[Group], str]:
        """Groups of the missing runs, and what they cost, in words.

        Args:
          missing: runs that no earlier launch planned.
          runs: all runs of the experiment.
          processes: that share the work; each should have a group.
        """
        ...

    def guess(
        self, missing: Sequence[Run], runs: Sequence[Run], processes: int = 1
    ) -> tuple[list[Group], str]:
        """The same as `plan` as far as it is known, with nothing measured for it."""
        ...

    def count(self, groups: Sequence[Group], runs: Sequence[Run]) -> str:
        """How many runs there are, in words; `groups`: those of all runs."""
        ...

    def carry_out(
        self, groups: Sequence[Group], workdir: Workdir, reporter: Reporter
    ) -> list[Group]:
        """Sees to it that every group has its result in the work folder.


        Returns:
          The groups as they were carried out: one too large for the memory is halved.

        Raises:
          Interrupted: by a signal, with everything saved that a later launch needs.
        """
        ...

    def measure_again(self, group: Group, reporter: Reporter) -> GroupResult:
        """The result of a group, computed from the start and written nowhere."""
        ...
