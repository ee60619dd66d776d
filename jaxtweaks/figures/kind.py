"""What a kind of figure is: what it reads and needs, how it is checked, drawn and described."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from jaxtweaks.figures.figure_spec import Figure
from jaxtweaks.results.recorded import Recorded
from jaxtweaks.results.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Sheet

# What a kind may read besides name, kind, title, caption and names.
OPTIONS = ('metrics', 'hue', 'panels', 'x', 'where', 'log_x', 'log_y', 'marks', 'published')
PANELS = 24  # of a figure; of more, as many are chosen

# What `figures.draw` does with the page and the legend of a figure that is drawn.
Finish = Callable[..., 'Sheet']


@dataclasses.dataclass(frozen=True)
class Kind(abc.ABC):
    """A kind of figure; each built-in one is a class that inherits from this.

    Attributes:
      name: by which figures name it.
      reads: the fields of a figure that it reads, of `OPTIONS`.
      needs: those of them that must be set.
      arrays: what it needs of `Results.arrays` and the like, see `Recorded.arrays`.
      by_epoch: whether its metrics are curves, not numbers of the chosen parameters.
      x_is: what its x is, in words: 'a swept field' or something else.
      shows_settings: whether it is of the settings of the sweep, not of the data alone.
      of_one_split: whether it shows data, so that all settings must have the same split.
      reports_test: whether it reports the test set, whatever its metrics are.
      published: how published values are given, in words.
      lost: how it shows runs that diverged, in words after 'diverged and left the means'.
    """

    name: str
    reads: tuple[str, ...]
    needs: tuple[str, ...] = ()
    arrays: tuple[str, ...] = ()

    by_epoch: ClassVar[bool] = False
    x_is: ClassVar[str] = 'a swept field'
    shows_settings: ClassVar[bool] = True
    of_one_split: ClassVar[bool] = False
    reports_test: ClassVar[bool] = False
    published: ClassVar[tuple[str, ...]] = ()
    lost: ClassVar[str] = ''

    def fields(self, figure: Figure) -> tuple[str, str, str]:
        """The fields that tell its settings apart: panels, hue, x ('' for none)."""
        return figure.panels, figure.hue, figure.x if self.x_is == 'a swept field' else ''

    def published_at(self, figure: Figure) -> str:
        """The field whose values must have what (x, value, label) names; '' for any value."""
        return ''

    def check(  # noqa: B027  (most kinds have nothing to check)
        self, figure: Figure, results: Results, recorded: Recorded
    ) -> None:
        """Whether what it alone reads can be drawn. Raises UserError."""

    @abc.abstractmethod
    def draw(self, figure: Figure, results: Results, finish: Finish) -> Sheet:
        """Draws the panels on a page and returns what `finish(page, key)` makes of it."""

    def most_panels(self, figure: Figure, results: Results) -> dict[int, int]:
        """How many values there may be of each of `fields` that has panels, by its place there."""
        return {0: max(1, PANELS // max(1, len(figure.metrics)))}

    def is_crowded(self, figure: Figure, results: Results) -> bool:
        """Whether its lines are too many to have bands, bars or single runs."""
        return False

    def notes(self, figure: Figure, results: Results) -> list[str]:
        """What stands below it, of results that chance has a say in."""
        return []


def to_the_edge(interval: str) -> str:
    """What it means that an interval, drawn as 'a band', say, has no end on a logarithmic axis."""
    return f'{interval.capitalize()} that runs to the lower edge reaches 0 or below.'


def means(results: Results, interval: str) -> str:
    """What the means in a figure are, whose intervals are drawn as 'the band', say."""
    if len(results.seeds) > 1:
        return f'the mean over seeds, with its 95% Student-t interval as {interval}'
    return 'the one seed; with one seed there is no interval'
