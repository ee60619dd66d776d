"""Numbers that a document prints, to be shown next to what was measured; nothing is tested on them.

Those that a claim of kind 'published' tests, and those that a config lists besides. No number of a
document changes a verdict, a run or what a claim is called in records.
"""

import dataclasses
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.claims import claim_data, claims, finding
from jaxtweaks.claims.claim import Claim, finite
from jaxtweaks.config import build
from jaxtweaks.config.fields import Rule, plain, required
from jaxtweaks.results.intervals import mean_interval
from jaxtweaks.results.results import Results

_CONDITIONS = {'rule': Rule('plain', 'conditions of the settings it is of, as in a claim')}
# '(within 1 percentage point; logits)', '(to 1%)': how a claim reads its number.
_READ = re.compile(r' \((?:within|to) [^()]*?(?:; ([^()]*))?\)')


@dataclasses.dataclass(frozen=True)
class PublishedNumber:
    """A number of a document, and what was measured of the same.

    Conditions are those of a `Claim`.
    """

    value: float = required("the number, in the metric's unit")
    what: str = required('what it is of, in words')
    source: str = required("where it stands, as 'MLP-BN §2'")
    metric: str = required("a metric's name")
    at: str | int = plain('final', "as in a claim: 'final', 'last_epoch', the number of an epoch …")
    a: dict[str, Any] = dataclasses.field(default_factory=dict, metadata=_CONDITIONS)
    b: dict[str, Any] = dataclasses.field(
        default_factory=dict,
        metadata={'rule': Rule('plain', 'of those that are subtracted, for a difference')},
    )
    along: str = plain('', 'the swept number that is published where the metric is best')
    goal: str = plain(
        '', 'which end of the metric is better, with along', choices=('', 'min', 'max')
    )
    margin: float = plain(0.0, 'how far off an exact count may be, for the rounding of the number')
    reading: str = plain(
        '', "the reading of the document that it is measured by; '' for as written"
    )
    differs: str = plain('', 'why it cannot be compared here (other data, size, network), in words')

    def claim(self) -> Claim:
        """A claim on the same settings and metric, to be checked and to read like; not tested."""
        shared = {'sentence': self.what, 'source': self.source, 'metric': self.metric}
        given = {**shared, 'at': self.at, 'a': self.a, 'b': self.b}
        if self.along:
            given |= {'kind': 'optimum', 'along': self.along, 'goal': self.goal}
            return Claim(**given, within=(self.value, self.value))
        if self.b:
            return Claim(**given, kind='greater')
        return Claim(**given, kind='level', level=self.value, direction='above')


def check(
    numbers: Sequence[PublishedNumber], settings: Sequence[dict[str, Any]], **known: Any
) -> None:
    """Complains about the first number that cannot be measured on these settings.

    Arguments and errors as of `claims.check`.
    """
    for number in numbers:
        if number.goal and not number.along:
            raise UserError(f"published '{number.what}' ({number.source}): goal goes with along")
        claim = number.claim()
        # Whether the range holds a place of the sweep means nothing: it is one point.
        if number.along:
            claim = dataclasses.replace(claim, kind='peak', within=None)
        try:
            claims.check([claim], settings, **known)
        except UserError as error:
            words = str(error).removeprefix('claim ')
            raise UserError(f'published {words}') from None


def of_claims(tested: Iterable[Claim]) -> list[PublishedNumber]:
    """The numbers that claims of kind 'published' are tested on, each by the reading it names.

    A reading is what the source says after 'read as'. Where several claims are about one number in
    the same reading, the first counts as that reading and the others by their own words.
    """
    found, seen = [], set()
    for claim in tested:
        if claim.kind != 'published' or len(claim.published) != 1:
            continue
        (value,) = claim.published.values()
        match = _READ.search(claim.sentence)
        way = (match[1] if match else '') or ''
        what, reading = _READ.sub('', claim.sentence).removesuffix('.'), _reading(claim.source)
        again = (reading, what, value) in seen
        seen.add((reading, what, value))
        found.append(
            PublishedNumber(
                value=value,
                what=f'{what} ({way})' if way else what,
                source=claim.source,
                metric=claim.metric,
                at=claim.at,
                a={**claim.where, **claim.a},
                b={**claim.where, **claim.b} if claim.b else {},
                margin=claim.margin or 0.0,
                reading=', '.join(filter(None, [reading, way or 'again'])) if again else reading,
            )
        )
    return found


def _reading(source: str) -> str:
    """By which reading of the document, as the source says; '' for as written."""
    named = re.search(r'\bread as:? ([^()]*)', source)
    words = named[1].strip() if named else ''
    return '' if words == 'as written' else words


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A published number next to what was measured.

    Attributes:
      number: the published one.
      claim: what it reads like, see `PublishedNumber.claim`.
      effect: the mean over seeds; of a difference or a place, of theirs.
      low, high: the 95% interval of the mean; NaN if no seed changes it, or with fewer than two.
      n, dropped: seeds used; seeds omitted, because a run they need has no value.
      exact: whether nothing is left to chance.
    """

    number: PublishedNumber
    claim: Claim
    effect: float
    low: float
    high: float
    n: int
    dropped: int
    exact: bool

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON; None where a number is not finite."""
        return finite(build.to_dict(self))


def measure(number: PublishedNumber, results: Results) -> Comparison:
    """What was measured of the same as a published number that has passed `check`.

    The mean over seeds with its Student-t interval, as in tables of settings; a verdict on one arm
    has a wider one, which holds for skewed noise too. As there, a seed with a diverged run is
    omitted and counted: a document's number is of a run that did not diverge, and a guess among
    the seeds would widen the interval until it holds any number.
    """
    results = dataclasses.replace(results, guesses={})
    claim = number.claim()
    if number.along:
        xs, rows, dropped, _ = finding.curve(claim, results)
        better = -rows if claim_data.falls(claim) else rows
        x = xs[better.argmax(axis=0)] if rows.shape[1] else np.array([])
    else:
        arms = finding.arms(claim, results)
        rows, dropped = arms.rows, arms.dropped
        x = rows[0] - rows[1] if number.b else rows[0]
    mean, half = map(float, mean_interval(x))
    half = math.nan if results.exact else half
    return Comparison(number, claim, mean, mean - half, mean + half, len(x), dropped, results.exact)
