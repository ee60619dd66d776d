"""One budget for the experiments of a collection: more seeds where they settle most for their time.

Every experiment has its first look. What is left then goes to one experiment after the other:
each time to the look, of all that are to come in any of them, that is expected to settle most
claims for the seconds it takes, those besides training included. Which looks are made does not
matter to how often a claim errs (`claims.settling`), as long as the shares of α are fixed before;
they are planned for twice an equal part of the budget (`SharedBudget.part`), whatever an experiment
comes to.
"""

import contextlib
import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Iterator

from jaxtweaks.lab.next_look import Allow, Allowed, Prospect, Standing

# What is settled early leaves its part to the others: of the 46 at `quick` 21 took less than an
# equal part of 95 minutes, and 43 less than two.
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
        self._prospects: dict[str, list[Prospect]] = {}
        self._besides: list[float] = []
        self._allowed: dict[str, tuple[int, float]] = {}  # up to which look, and for how long

    @property
    def left(self) -> float:
        """The seconds that are not spent."""
        return max(0.0, self.seconds - sum(self._spent.values()))

    @property
    def wanted(self) -> int:
        """How many experiments have a look to come that may settle something."""
        return sum(any(one.settled > 0 for one in found) for found in self._prospects.values())

    @contextlib.contextmanager
    def visit(self, name: str, trained: Callable[[], float], alone: bool = True) -> Iterator[None]:
        """While an experiment is carried out: notes what that takes, if it fails too.

        Args:
          name: of the experiment. If it fails, it is not chosen any more.
          trained: the seconds of training of which its folder has results.
          alone: whether this process trains. Of several that train at once the seconds are added
            up, so that a clock does not show what there is besides.
        """
        started, before = time.monotonic(), trained()
        try:
            yield
        except BaseException:
            self._prospects.pop(name, None)
            raise
        finally:
            self._spent[name] = max(before, trained())
        if alone:
            took = time.monotonic() - started
            self._besides.append(max(0.0, took - (self._spent[name] - before)))

    def allow(self, name: str) -> Allow:
        """For `laboratory.run`: how long an experiment may train. It learns how that one stands."""

        def allowed(standing: Standing) -> Allowed:
            self._prospects[name] = standing.prospects()
            seeds, seconds = self._allowed.get(name, (0, 0.0))
            return Allowed(seconds if standing.seeds < seeds else 0.0, _REFUSAL)

        return allowed

    def choose(self) -> Chosen | None:
        """The experiment that goes on; None if nothing that is left to do can be paid.

        It is not chosen again before `allow` has learnt what came of it, and not if it failed.
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
        self._allowed[name] = best.seeds, self._spent[name] + more
        return Chosen(name, best.seeds, best.seconds, left)
