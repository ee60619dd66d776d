"""The studies that are plain functions, by the name in `study.name`."""

from jaxtweaks.config import parts
from jaxtweaks.studies.study import SLOT, Measured, Study, measured, of, options, study

__all__ = ['Measured', 'Study', 'label', 'measured', 'of', 'options', 'study']


def label(metric: str) -> str | None:
    """A metric of a study in words; None if no study measures it."""
    for part in parts.of_slot(SLOT).values():
        if words := part.facts['study'].labels.get(metric):
            return words
    return None
