"""The look of the figures: colours that the colour-blind and a grey printer can tell apart."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

# Okabe and Ito's colours (2008), the darkest first; their yellow is too pale for a line.
OKABE_ITO = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#56B4E9', '#E69F00', '#000000')
# What comes after them, of Paul Tol's (2021): each far from the colours whose line it shares.
FURTHER = ('#882255', '#999933', '#332288', '#7f7f88', '#661100')
LINES = (
    '-',
    (0, (5, 1.6)),
    (0, (1.2, 1.2)),
    (0, (5, 1.4, 1.2, 1.4)),
    (0, (6, 1.2, 1.2, 1.2, 1.2, 1.2)),
)
MARKERS = ('o', 's', '^', 'D', 'v', 'P', 'X', '<', '>', 'p', 'h', '*')
HATCHES = ('', '///', '...', 'xxx', '\\\\\\')
PUBLISHED_MARKERS = ('*', 'd', 'p', 'H')
PUBLISHED_LINES = ((0, (4, 3)), (0, (1, 2)), (0, (6, 2, 1, 2)))
INK, MUTED, WARNING = '#1b1b1f', '#55555e', '#9c1c00'
MOST_NUMBERED = 20  # classes whose numbers are written out, in a figure as in a table
LETTERS = 22  # of a class next to an axis
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 12.0, 9.5, 8.0

_RC = {
    'font.family': 'DejaVu Sans',  # comes with matplotlib: the same on every machine
    'font.size': TEXT_SIZE,
    'axes.titlesize': 10,
    'axes.labelsize': TEXT_SIZE,
    'axes.edgecolor': '#77777f',
    'axes.labelcolor': INK,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.grid': True,
    'axes.axisbelow': True,
    'grid.color': '#e4e4ea',
    'grid.linewidth': 0.8,
    'xtick.color': MUTED,
    'ytick.color': MUTED,
    'xtick.labelcolor': INK,
    'ytick.labelcolor': INK,
    'xtick.labelsize': 8.5,
    'ytick.labelsize': 8.5,
    'legend.frameon': False,
    'legend.fontsize': 8.5,
    'legend.title_fontsize': 8.5,
    'lines.linewidth': 1.7,
    'lines.markersize': 5,
    'text.color': INK,
    'text.parse_math': False,  # a $ in the words of a config is a $
    'savefig.dpi': 150,
    'svg.hashsalt': 'jaxtweaks',  # without it the ids in an SVG are new each time
    'svg.fonttype': 'path',
    'hatch.linewidth': 0.6,
}


@contextlib.contextmanager
def look() -> Iterator[None]:
    """Draws and saves with this project's style, whatever the user's matplotlibrc says."""
    import matplotlib
    from matplotlib import style

    with style.context(_RC, after_reset=True), matplotlib.rc_context({'backend': 'agg'}):
        yield


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_order(values: Sequence[Any]) -> bool:
    """Whether these are numbers, three or more, so that colours run from dark to light."""
    return len(values) >= 3 and all(is_number(value) for value in values)


def styles(values: Sequence[Any]) -> list[dict[str, Any]]:
    """Colour, line and marker for each value of a hue, [len(values)].

    Three or more numbers are an order, so they take a run of dark to light; anything else takes
    colours that differ. Markers (and, for categories, lines) differ as well, for grey prints.
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    n = len(values)
    ordered = is_order(values)
    colors = (*OKABE_ITO, *FURTHER)
    chosen = []
    for i in range(n):
        if ordered:
            color = to_hex(colormaps['plasma'](0.8 * i / (n - 1)))
            line = LINES[0]
        else:
            color = colors[i % len(colors)]
            line = LINES[(i + i // len(colors)) % len(LINES)]
        chosen.append({'color': color, 'linestyle': line, 'marker': MARKERS[i % len(MARKERS)]})
    return chosen
