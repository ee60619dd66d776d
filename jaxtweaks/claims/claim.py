"""A claim of a document as data, and the verdict on it."""

import dataclasses
import enum
import math
from typing import TYPE_CHECKING, Any

from jaxtweaks.base.registry import Registry
from jaxtweaks.config import build
from jaxtweaks.config.fields import Rule, plain, required

if TYPE_CHECKING:
    from jaxtweaks.claims.kind import Kind

# By name; a config registers further ones by `jt.claim`, and all of them are listed by --parts.
KINDS: 'Registry[Kind]' = Registry(
    'claim',
    'a function (arms, test) to (p_support, p_contradict), or a class that inherits from Kind',
    "a claim's kind",
    tuple(
        f'jaxtweaks.claims.kinds.{name}'
        for name in ('difference', 'trend', 'optimum', 'sooner', 'constant', 'share')
    ),
)


def _rule(doc: str) -> dict[str, Rule]:
    return {'rule': Rule('plain', doc)}


@dataclasses.dataclass(frozen=True)
class Claim:
    """A sentence of a document turned into a statistic over seeds.

    Conditions (`a`, `b`, `where`) are dotted field name to value, as `Results.select` takes
    them: a tuple means any of its items, '1-field' the complement of a field, and 'field + field'
    pairs of values.
    """

    sentence: str = required('the claim in words')
    source: str = required("where it stands, as 'ROLE §5.3'")
    kind: str = required('what is tested', choices=KINDS.names)
    metric: str = required("a metric's name, or 'diverged' for the share of diverged runs")
    at: str | int = plain(
        'final',
        "'final', 'last_epoch', 'best_epoch', 'chosen_epoch', the number of an epoch, or "
        "'mean_epoch', the mean over epochs",
    )
    a: dict[str, Any] = dataclasses.field(
        default_factory=dict,
        metadata=_rule('conditions of the settings the sentence speaks of'),
    )
    b: dict[str, Any] = dataclasses.field(
        default_factory=dict,
        metadata=_rule('conditions of those they are compared with'),
    )
    along: str = plain('', "the swept number along which the curve runs, or '1-field'")
    where: dict[str, Any] = dataclasses.field(
        default_factory=dict,
        metadata=_rule('conditions of all settings considered'),
    )
    within: tuple[float, float] | None = plain(None, 'where along the curve the optimum is')
    goal: str = plain(
        '', "which end is better; '' goes by the metric's name", choices=('', 'min', 'max')
    )
    margin: float | None = plain(
        None, "in the metric's unit: the difference that does not matter (or must be exceeded)"
    )
    smallest: float | None = plain(
        None,
        "in the metric's unit ('sooner': in epochs), the smallest difference that matters; less is "
        "'negligible'",
    )
    level: float | None = plain(None, "the value to reach or compare with, in the metric's unit")
    direction: str = plain(
        '', 'how the metric lies to the level', choices=('', 'above', 'below', 'equal')
    )
    published: dict[str, float] = dataclasses.field(
        default_factory=dict,
        metadata=_rule('published figures, by label'),
    )
    answers: bool = plain(
        False, "whether it answers the experiment's question; if none does, all do"
    )
    answers_no: bool = plain(False, 'whether it answers the question with no where it holds')


class Open(enum.StrEnum):
    """Why a claim is open, in the words in which an overview counts it; `remarks` says more."""

    # Why it was given no more seeds, or not yet.
    NEXT_LOOK = 'next look under way'
    BUDGET = 'budget spent'
    LAST_LOOK = 'last look made'
    GIVEN_UP = 'given up as hopeless'
    NOT_LOOKED_AT = 'not looked at'
    # What its numbers leave open.
    TOO_FEW = 'too few seeds'
    CORRECTED = 'significant only without correction'
    STEP = 'a step goes the other way'
    PLACE = 'no setting beats all its rivals'
    MARGIN = 'interval holds the margin'
    ZERO = 'interval holds no difference'
    NOT_EXACT = 'not for exact results'
    NOT_REACHED = 'level not reached'
    # What its runs were.
    UNFINISHED = 'not finished learning'


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the runs say about a claim.

    Attributes:
      verdict: 'supported', 'contradicted', 'negligible' or 'inconclusive'.
      effect: its size, in the unit `what` names; NaN if there is none.
      low, high: the confidence interval of the effect at `level` (not adjusted for other claims).
      what: what the effect is, in words.
      n: seeds used.
      dropped: seeds omitted because a run they need diverged or has no value.
      p: of the test that decides, two-sided or of equivalence (two one-sided).
      p_adjusted: p after Holm over the experiment's claims; the verdict goes by it.
      p_permutation: the same by sign flips.
      smallest_permutation_p: the least that n seeds can give.
      seeds_for_permutation: seeds that would make α attainable by sign flips.
      measured: means of what is compared, by what it is of, in words.
      published: the published figures, as given.
      note: what else to know, in plain words; '' for nothing.
      level: of the interval; of a claim that was looked at as seeds were added, that of its look.
      looks: the seeds of the looks at it, if it was.
      rests_on: the seeds of the look whose effect and interval these are, which need not be the
        last one; 0 where there are no looks.
      open_because: of an inconclusive verdict all that keeps it open, in the order of `Open`; none
        of another verdict, or in a record of before there were reasons. A count goes by the first.
      against: the step of a trend that goes significantly the other way, in words; '' for none.
    """

    claim: Claim
    verdict: str
    effect: float
    low: float
    high: float
    what: str
    n: int
    dropped: int
    p: float
    p_adjusted: float
    p_permutation: float
    smallest_permutation_p: float
    seeds_for_permutation: int
    measured: dict[str, float]
    published: dict[str, float]
    note: str
    level: float = 0.95
    looks: tuple[int, ...] = ()
    rests_on: int = 0
    open_because: tuple[Open, ...] = ()
    against: str = ''

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON; None where a number is not finite."""
        return finite(build.to_dict(self))


def finite(value: Any) -> Any:
    """Plain values for JSON, with None where a number is not finite."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
