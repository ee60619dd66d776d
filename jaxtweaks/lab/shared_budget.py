"""One budget for the experiments of a collection: more seeds where they settle most for their time.

Every experiment has its first look. What is left then goes to one experiment after the other:
each time to the look, of all that are to come in any of them, that is expected to settle most
claims for the seconds it takes, those besides training included. Which looks are made does not
matter to how often a claim errs (`claims.settling`), as long as the shares of α are fixed before;
they are planned for an equal part of the budget (`SharedBudget.part`), whatever an experiment
comes to.
"""

import contextlib
import dataclasses
import math
import statistics
import time
from collections.abc import Iterator

from jaxtweaks.lab.next_look import Allow, Allowed, Prospect, Standing

# About half of the experiments are settled at their first look, and leave their part to the others.
_PARTS = 2.0
# A look may take so many times longer than it is expected to.
_LATER = 1.25
_REFUSAL = '{seeds} seeds take about {cost} more, if the budget of all comes to them'


@dataclasses.dataclass(frozen=True)
class Chosen:
    """Which experiment goes on.

    Attributes:
      name: its name.
      seeds: of the look that it goes on to.
      seconds: that this is expected to take.
      left: seconds of the budget before it.
    """

    name: str
    seeds: int
    seconds: float
    left: float


class SharedBudget:
    """What is spent of a budget, by which experiments, and which of them goes on.

    Attributes:
      seconds: of training, of all experiments.
      part: the seconds that each experiment's looks are planned for, whole ones.
    """

    def __init__(self, seconds: float, experiments: int):
        """Args: `seconds`: of training in all; `experiments`: how many there are."""
        self.seconds = seconds
        self.part = float(math.ceil(min(1.0, _PARTS / experiments) * seconds))
        self._spent: dict[str, float] = {}
        self._allowed: dict[str, float] = {}
        self._prospects: dict[str, list[Prospect]] = {}
        self._besides: list[float] = []

    @property
    def left(self) -> float:
        """The seconds that are not spent."""
        return max(0.0, self.seconds - sum(self._spent.values()))

    def spend(self, name: str, seconds: float) -> None:
        """Notes what an experiment has taken so far."""
        self._spent[name] = seconds

    @contextlib.contextmanager
    def visit(self, name: str) -> Iterator[None]:
        """While an experiment is carried out: what that takes besides training is measured."""
        started, before = time.monotonic(), self._spent.get(name, 0.0)
        yield
        besides = time.monotonic() - started - (self._spent.get(name, 0.0) - before)
        if besides > 0:  # else results of an earlier launch were read
            self._besides.append(besides)

    def knows(self, name: str) -> bool:
        """Whether it is known what an experiment has taken."""
        return name in self._spent

    def for_(self, name: str) -> float:
        """The budget of an experiment's own: what its looks are planned for, until it is chosen."""
        return self._allowed.get(name, self.part)

    def allow(self, name: str) -> Allow:
        """For `laboratory.run`: how long an experiment may train. It learns how that one stands."""

        def allowed(standing: Standing) -> Allowed:
            self.spend(name, standing.spent)
            self._prospects[name] = standing.prospects()
            return Allowed(self._allowed.get(name, 0.0), _REFUSAL)

        return allowed

    def choose(self) -> Chosen | None:
        """The experiment that goes on; None if nothing that is left to do can be paid.

        It is not chosen again before `allow` has learnt what came of it.
        """
        left = self.left
        besides = statistics.median(self._besides or [0.0])
        options = [
            (one.settled / (one.seconds + besides), name, one)
            for name, prospects in self._prospects.items()
            for one in prospects
            if 0 < one.seconds <= left and one.settled > 0
        ]
        if not options:
            return None
        _, name, best = max(options, key=lambda option: option[0])
        del self._prospects[name]
        more = min(left, _LATER * best.seconds)
        self._allowed[name] = float(math.ceil(self._spent[name] + more))
        return Chosen(name, best.seeds, best.seconds, left)
