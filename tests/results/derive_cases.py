"""What tests of derivations share: an experiment, what becomes of it, a row by its fields."""

from jaxtweaks.lab import experiment
from jaxtweaks.results import derive
from jaxtweaks.results.recorded import metrics_of


def config(**values):
    values = {'name': 'it', **values}
    return experiment.build(values)


def planned(asked):
    recorded = metrics_of([run.setting for run in asked.runs])
    return derive.plan(asked.points, recorded, asked.derivations, asked.base)


def derived(results, asked):
    return derive.derived(results, asked.derivations, asked.base)


def row_of(found, **fields):
    wanted = {name.replace('__', '.'): value for name, value in fields.items()}
    (k,) = found.select(wanted)
    return k
