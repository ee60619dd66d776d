"""The studies that are plain functions, by the name in `study.name`."""

from jaxtweaks.studies.study import Measured, Study, measured, of, options, study

__all__ = ['Measured', 'Study', 'measured', 'of', 'options', 'study']
