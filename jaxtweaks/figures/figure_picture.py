"""A matplotlib figure that a notebook shows; apart, since matplotlib is imported to draw alone."""

import io

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Sheet

from jaxtweaks.figures.figure_style import look


class _Picture(Sheet):
    """A matplotlib figure that a notebook shows, also where pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with look():
            self.savefig(buffer, format='png')
        return buffer.getvalue()


def picture() -> Sheet:
    """An empty one, with a canvas."""
    sheet = _Picture(layout='constrained')
    FigureCanvasAgg(sheet)
    return sheet
