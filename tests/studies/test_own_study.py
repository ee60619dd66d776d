"""A study that a config registers, where it is not as it should be."""

import numpy as np
import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import trace
from jaxtweaks.config.fields import static
from jaxtweaks.config.settings import Setting
from jaxtweaks.data import nothing
from jaxtweaks.lab import experiment
from jaxtweaks.studies.study import measured, options, study

KNOWN = {'finals': ('total',), 'curves': {'height': 'height'}, 'axis': 'layer', 'generated': 'it'}


def setting_of(**values):
    fields = {name.replace('__', '.'): value for name, value in values.items()}
    return trace.replace(Setting(), {'study.name': 'stairs', **fields})


def test_its_options_are_fields_and_what_it_returns_is_sorted():
    @study('stairs', **KNOWN)
    def stairs(setting, seed, *, steps=static(2, 'steps', low=1)):
        return {'height': np.arange(steps) + seed, 'total': steps * setting.train.epochs}

    setting = setting_of(stairs__steps=3)
    assert options(setting).steps == 3
    found = measured(setting, 5, nothing('it'))
    assert found.curves['height'].tolist() == [5, 6, 7]
    assert found.finals == {'total': 30.0}
    asked = experiment.build({'name': 'x', 'study': {'name': 'stairs'}, 'stairs': {'steps': 4}})
    assert (
        asked.runs[0].id != experiment.build({'name': 'x', 'study': {'name': 'stairs'}}).runs[0].id
    )
    with pytest.raises(UserError, match=r'stairs\.steps: 0 is not allowed; it must be ≥ 1'):
        experiment.build({'name': 'x', 'study': {'name': 'stairs'}, 'stairs': {'steps': 0}})
    with pytest.raises(UserError, match=r'stairs\.steps: 4 has no effect because study\.name is'):
        experiment.build({'name': 'x', 'stairs': {'steps': 4}})
    with pytest.raises(UserError, match="no study 'stair' is registered; did you mean 'stairs'"):
        experiment.build({'name': 'x', 'study': {'name': 'stair'}})


@pytest.mark.parametrize(
    ('found', 'words'),
    [
        ({'height': [1.0]}, 'returned height; it is registered with height, total'),
        ({'height': [1.0], 'total': 1.0, 'more': 1.0}, 'returned height, more, total'),
        ({'height': 1.0, 'total': 1.0}, 'height is 1.0; it must be a curve'),
        ({'height': [1.0], 'total': [1.0]}, r'total is \[1.0\]; it must be a number'),
        ({'height': [1.0], 'total': 'much'}, "total is 'much'; it must be a number"),
        (1.0, 'returned 1.0; it must be numbers and curves by name'),
    ],
)
def test_what_it_should_not_return_is_one_line(found, words):
    study('stairs', **KNOWN)(lambda setting, seed: found)
    with pytest.raises(UserError, match=f"study 'stairs': {words}") as error:
        measured(setting_of(), 0, nothing('it'))
    assert '\n' not in str(error.value)


def test_what_cannot_be_registered_is_refused():
    with pytest.raises(UserError, match='axis must say what they run over'):
        study('stairs', curves=('height',))
    with pytest.raises(UserError, match="no 'red'; it takes arrays, axis"):
        study('stairs', finals=('total',), red=('model',))
    with pytest.raises(UserError, match='too many positional arguments'):
        study('stairs', finals=('total',))(lambda setting, seed: {})  # the data are given, too
    with pytest.raises(UserError, match='is the name of a built-in part'):
        study('capacity', **KNOWN)(lambda setting, seed: {})
