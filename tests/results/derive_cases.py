"""What tests of derivations share: an experiment, what is recorded of it, a row by its fields."""

from jaxtweaks.lab import experiment
from jaxtweaks.results.recorded import metrics_of


def config(**values):
    values = {'name': 'it', **values}
    return experiment.build(values)


def recorded_of(asked):
    return metrics_of([run.setting for run in asked.runs])


def row_of(found, **fields):
    wanted = {name.replace('__', '.'): value for name, value in fields.items()}
    (k,) = found.select(wanted)
    return k
