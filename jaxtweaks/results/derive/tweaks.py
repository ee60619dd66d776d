"""`tweaks`: a setting called by the tweaks that are on in it.

The swept fields of dropout, penalty, augmentation, noise and registered tweaks go; 'tweaks.on'
comes: the names of those that are on, as 'flip + shift', or 'none'. For sweeps over which tweak,
not over how much.
"""

import dataclasses
from collections.abc import Sequence

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import parts, trace
from jaxtweaks.config.expand import Point
from jaxtweaks.config.settings import Setting
from jaxtweaks.results.derive.derivation import Derivation, derivation
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

FIELD = 'tweaks.on'
_SECTIONS = ('dropout', 'penalty', 'noise')


@derivation('tweaks')
class NamedByTweaks(Derivation):
    """Calls each setting by the tweaks that are on in it."""

    def points(self, points: Sequence[Point], base: Setting) -> list[Point]:
        """Each setting by its tweaks. Raises UserError if two would have the same name."""
        found = [_renamed(point) for point in points]
        for i, point in enumerate(found):
            if point in found[:i]:
                raise UserError(
                    f"derive: 'tweaks' would call two settings {point[FIELD]!r}; each tweak may "
                    'have one value besides off'
                )
        return found

    def recorded(self, recorded: Recorded, base: Setting) -> Recorded:
        """The same as before."""
        return recorded

    def results(self, results: Results, base: Setting) -> Results:
        """The same results under new names."""
        return dataclasses.replace(results, settings=tuple(self.points(results.settings, base)))


def _renamed(point: Point) -> Point:
    tweaks = [name for name in point if _is_tweak(name)]
    on = [name for name in tweaks if point[name] != trace.FIELDS[name].rule.off]
    rest = {name: value for name, value in point.items() if name not in tweaks}
    return rest | {FIELD: ' + '.join(map(_called, on)) or 'none'}


def _called(name: str) -> str:
    """A tweak in a word: the end of its field's name, or the name of the part it switches on."""
    part = parts.strengths().get(name)
    return part.name if part else name.partition('.')[2]


def _is_tweak(name: str) -> bool:
    return (
        name in trace.FIELDS
        and (name.partition('.')[0] in _SECTIONS or name in parts.strengths())
        and trace.FIELDS[name].rule.off is not None
    )
