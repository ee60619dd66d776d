"""What every derivation is: a frozen dataclass whose fields are its options."""

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from jaxtweaks.config.expand import Point
from jaxtweaks.config.settings import Setting
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results


class Derivation(Protocol):
    """Turns results into results with further fields.

    It reads its own options and the base setting, which has the fields that no point names, and
    nothing else of an experiment. Each method keeps to the order of the settings it is given.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def points(self, points: Sequence[Point], base: Setting) -> list[Point]:
        """What the settings become, known before training. Raises UserError if it cannot be."""
        ...

    def recorded(self, recorded: Recorded, base: Setting) -> Recorded:
        """What there will be of each of them. Raises UserError if something that it needs lacks."""
        ...

    def results(self, results: Results, base: Setting) -> Results:
        """The results themselves, of the settings that `points` returns."""
        ...
