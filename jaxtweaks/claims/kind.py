"""What a kind of claim is: what it needs, how it is checked and tested, how it reads."""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from jaxtweaks.base import metrics, numbers
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.numbers import number
from jaxtweaks.base.words import amount, is_share, metric_value
from jaxtweaks.claims.claim import Claim
from jaxtweaks.claims.finding import TWO_VALUED, Finding
from jaxtweaks.results.results import Results

# What a kind may need or read besides sentence, source, metric, where and published.
OPTIONS = ('at', 'a', 'b', 'along', 'within', 'goal', 'margin', 'smallest', 'level', 'direction')

# A number of a verdict in words.
Say = Callable[[float], str]


class Words:
    """How a verdict reads; of a stored one whose kind is not registered here, as a difference."""

    def effect(self, metric: str, verdict: Mapping[str, Any]) -> tuple[Say, str]:
        """How the effect and the ends of its interval read, and their unit; here a difference."""
        if is_share(metric):
            return (lambda value: numbers.percent(value, sign='+')), ' points'
        one = metrics.of(metric)
        unit = '' if one.is_share or not one.unit else f' {one.unit}'
        return (lambda value: number(value, 4, '+')), unit

    def measured(self, metric: str) -> Say:
        """How the means read that were compared."""
        return lambda value: metric_value(metric, value)

    def published(self, metric: str, verdict: Mapping[str, Any]) -> Say:
        """How published figures read."""
        return lambda value: metric_value(metric, value)


@dataclasses.dataclass(frozen=True)
class Kind(Words, abc.ABC):
    """A kind of claim; each built-in one is a class that inherits from this.

    Attributes:
      name: by which claims name it.
      needs: the fields of a claim that must be set, of `OPTIONS`; with 'along' it is of a curve.
      reads: those that may be set besides; with 'smallest' the verdict may be 'negligible'.
      by_epoch: whether it goes by the whole curve by epoch, so that `at` has no meaning, and its
        numbers are epochs, not the metric's.
      with_goal: whether it needs to know which end is better at any epoch, not at the best alone.
      tested: whether chance has a say in it; otherwise it is so for every seed, or not.
      least_points: of its curve.
    """

    name: str
    needs: tuple[str, ...]
    reads: tuple[str, ...] = ('at', 'goal')

    by_epoch: ClassVar[bool] = False
    with_goal: ClassVar[bool] = False
    tested: ClassVar[bool] = True
    least_points: ClassVar[int] = 2

    def two_sided(self, claim: Claim) -> bool:
        """Whether the claim is about the range ±`margin`, which then must be given."""
        return False

    def may_be_negligible(self, claim: Claim) -> bool:
        """Whether `smallest` means something: a margin says already what does not matter."""
        return (
            'smallest' in self.reads + self.needs
            and claim.margin is None
            and not self.two_sided(claim)
        )

    def by_flips(self, claim: Claim) -> bool:
        """Whether sign flips decide the claim, of which few seeds have too few."""
        return claim.metric in TWO_VALUED

    def check(self, claim: Claim) -> None:
        """Whether the fields of a claim go together, as far as this kind knows. UserError."""

    def check_curve(self, claim: Claim, xs: Sequence[float]) -> None:
        """Whether the curve has the points that the claim needs, ascending. Raises UserError."""
        if len(xs) < self.least_points:
            raise UserError(
                f"along '{claim.along}' has {len(xs)} values here; it needs {self.least_points}"
            )

    @abc.abstractmethod
    def test(self, claim: Claim, results: Results, alpha: float) -> Finding:
        """Tests a claim that has passed `claims.check`."""

    def amount(self, claim: Claim, size: float) -> str:
        """How large a difference is, in words."""
        return amount(claim.metric, size)
