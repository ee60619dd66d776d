"""Figures of fake results, and what their sheets show."""

from jaxtweaks.config.build import from_dict
from jaxtweaks.figures.figures import Figure

ON_OFF = {'model.norm': ('none', 'batch')}


def figure(**values) -> Figure:
    return from_dict(Figure, {'name': 'it', 'kind': 'curves', 'title': 'A title', **values})


def lines(axes, label):
    return [line for line in axes.get_lines() if line.get_label() == label]


def text_of(sheet) -> str:
    return '\n'.join(text.get_text() for text in sheet.texts)
