"""How often claims of nothing are found, and claims of something are missed."""

import importlib.util
import math
import pathlib

import pytest


def _simulation():
    path = pathlib.Path(__file__).parents[2] / 'benchmarks' / 'claims_error_rates.py'
    spec = importlib.util.spec_from_file_location('claims_error_rates', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SIMULATION = _simulation()


COUNT = 100


# What 100 experiments that err in exactly 5% of cases stay below, but for once in 5,000.
BOUND = 0.05 + 3.5 * math.sqrt(0.05 * 0.95 / COUNT)


@pytest.mark.parametrize('n', [SIMULATION.SEEDS[0], SIMULATION.SEEDS[-1]])
@pytest.mark.parametrize('shape', SIMULATION.SHAPES)
@pytest.mark.parametrize('name', SIMULATION.EXPERIMENTS)
def test_experiments_without_effect_err_in_five_percent(name, shape, n):
    names = SIMULATION.EXPERIMENTS[name]
    assert SIMULATION.error_rate(names, shape, n, COUNT) <= BOUND


@pytest.mark.parametrize('shape', ['normal', 'log-normal'])
@pytest.mark.parametrize('name', ['greater', 'increasing', 'level (one arm)'])
def test_single_claims_without_effect_err_in_five_percent(name, shape):
    for n in (3, 10):
        assert SIMULATION.error_rate([name], shape, n, COUNT) <= BOUND


def test_true_claims_are_found():
    assert SIMULATION.power('greater', 4.0, 6, 50) > 0.9
    assert SIMULATION.power('peak', 4.0, 10, 50) > 0.9
