"""Learning rates computed by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtweaks.config import parts, trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.train.schedules import Time, learning_rate

SCHEDULES = [name for name, part in parts.of_slot('schedule').items() if part.built_in]


def of(name, peak=1.0, warmup_epochs=0.0, **numbers):
    """A setting with this schedule; numbers that it does not have are passed over."""
    has = parts.get('schedule', name).parameters
    given = {f'{name}.{key}': value for key, value in numbers.items() if key in has}
    values = {'schedule.name': name, 'schedule.warmup_epochs': warmup_epochs}
    return trace.replace(Setting(), values | {'optim.learning_rate': peak} | given)


def rates(steps, setting, per_epoch, epochs):
    """By a compiled function of the step, as in training."""
    f = jax.jit(jax.vmap(lambda step: learning_rate(setting, Time(step, per_epoch, epochs))))
    return np.asarray(f(jnp.asarray(steps, jnp.int32)), np.float64)


def test_constant():
    assert np.array_equal(rates([0, 5, 99], of('constant', 0.25), 10, 10), [0.25] * 3)


def test_step_with_two_boundaries():
    config = of('step', 0.8, boundaries=(2.0, 3.5), factor=0.5)
    steps = [0, 19, 20, 34, 35, 99]
    expected = [0.8, 0.8, 0.4, 0.4, 0.2, 0.2]
    np.testing.assert_allclose(rates(steps, config, 10, 10), expected, rtol=1e-6)
    nothing = of('step', 0.5, boundaries=(2.0,), factor=0.0)
    assert np.array_equal(rates([19, 20], nothing, 10, 10), [0.5, 0.0])
    assert np.array_equal(rates([0, 50], of('step', 0.5), 10, 10), [0.5, 0.5])


@pytest.mark.parametrize('per_epoch', [3, 7, 41, 47, 49, 94, 235, 313, 1250, 1563])
def test_a_boundary_falls_on_the_first_step_of_its_epoch(per_epoch):
    config = of('step', 1.0, boundaries=(1.0, 3.0, 7.0), factor=0.1)
    for index, boundary in enumerate((1, 3, 7)):
        first = boundary * per_epoch
        got = rates([first - 1, first], config, per_epoch, 10)
        np.testing.assert_allclose(got, [0.1**index, 0.1 ** (index + 1)], rtol=1e-6)


def test_a_boundary_within_an_epoch_is_not_a_step_late():
    config = of('step', 1.0, boundaries=(0.2, 1.4), factor=0.5)  # steps 47 and 329 of 235
    found = rates([46, 47, 328, 329], config, 235, 10)
    np.testing.assert_allclose(found, [1.0, 0.5, 0.5, 0.25], rtol=1e-6)


@pytest.mark.parametrize('per_epoch', [1, 41, 47, 235, 313])
def test_epochs_are_whole_at_their_first_step(per_epoch):
    steps = np.arange(70) * per_epoch
    found = jax.jit(jax.vmap(lambda step: Time(step, per_epoch, 70).epoch))(steps)
    np.testing.assert_array_equal(found, np.arange(70))


@pytest.mark.parametrize('period', [1.0, 41.0, 47.0])
def test_a_restart_falls_on_the_first_step_of_its_epoch(period):
    config = of('cosine_restarts', 1.0, period=period)
    for number in (1, 2):
        first = int(number * period) * 235
        last, start = rates([first - 1, first], config, 235, 200)
        assert last < 0.01
        assert start == 1.0


def test_triangular_of_the_document():
    """MLP-BN: 1e-5 to 1e-1 in 2250 steps (5 epochs of 45,000/100) and back, twice."""
    config = of('triangular', 0.1, minimum=1e-5, half_cycle_epochs=5.0)
    expected = {
        0: 1e-5,
        1: 5.444e-5,  # 1e-5 + 0.09999/2250
        1125: 0.050005,
        2250: 0.1,
        2251: 0.09995556,
        3375: 0.050005,
        4500: 1e-5,
        5625: 0.050005,
        6750: 0.1,
        8999: 5.444e-5,
    }
    got = rates(list(expected), config, 450, 20)
    np.testing.assert_allclose(got, list(expected.values()), rtol=1e-5, atol=2e-8)


def test_triangular_with_half_an_epoch():
    config = of('triangular', 5.0, minimum=1.0, half_cycle_epochs=0.5)
    got = rates(range(9), config, 8, 2)
    np.testing.assert_allclose(got, [1, 2, 3, 4, 5, 4, 3, 2, 1], rtol=1e-6)


def test_cosine():
    config = of('cosine', 0.9, minimum=0.1)
    got = rates([0, 10, 20, 30, 40], config, 10, 4)
    quarter = 0.5 * (1 + 0.5**0.5)
    expected = [0.9, 0.1 + 0.8 * quarter, 0.5, 0.9 - 0.8 * quarter, 0.1]
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def by_pytorch(torch, kind, steps, rate=0.4, per_epoch=1, **values):
    """The rates of a schedule of PyTorch, which counts in steps or, with `per_epoch`, in epochs."""
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    schedule = getattr(torch.optim.lr_scheduler, kind)(optimiser, **values)
    found = []
    for step in range(steps):
        if per_epoch > 1:
            schedule.step(step / per_epoch)
        found.append(optimiser.param_groups[0]['lr'])
        if per_epoch == 1:
            optimiser.step()
            schedule.step()
    return found


@pytest.mark.parametrize(
    ('rise', 'start', 'end'), [(0.3, 0.04, 4e-6), (0.5, 0.1, 0.01), (0.25, 0.5, 0)]
)
def test_one_cycle_is_that_of_pytorch(torch, rise, start, end):
    expected = by_pytorch(
        torch,
        'OneCycleLR',
        40,
        max_lr=0.4,
        total_steps=40,
        pct_start=rise,
        div_factor=1 / start,
        final_div_factor=start / end if end else 1e12,
    )
    got = rates(range(40), of('one_cycle', 0.4, rise=rise, start=start, end=end), 10, 4)
    np.testing.assert_allclose(got, expected, rtol=2e-4, atol=1e-7)


def test_one_cycle_by_hand():
    """41 steps: up from 0.016 to the peak at step 10, and down to 0.04 at step 40."""
    config = of('one_cycle', 0.4, rise=11 / 41, start=0.04, end=0.1)
    found = rates([0, 5, 10, 25, 40], config, 41, 1)
    np.testing.assert_allclose(found, [0.016, 0.208, 0.4, 0.22, 0.04], rtol=1e-5)


@pytest.mark.parametrize(('period', 'growth'), [(3, 1), (1, 2), (2, 3), (1, 1)])
def test_cosine_with_restarts_is_that_of_pytorch(torch, period, growth):
    """At the first step of a period, too: a restart is not missed by a rounding."""
    kind = 'CosineAnnealingWarmRestarts'
    expected = by_pytorch(torch, kind, 32 * 7, per_epoch=7, T_0=period, T_mult=growth, eta_min=0.01)
    config = of('cosine_restarts', 0.4, minimum=0.01, period=float(period), growth=float(growth))
    np.testing.assert_allclose(rates(range(32 * 7), config, 7, 32), expected, rtol=1e-3, atol=1e-6)


def test_cosine_with_restarts_of_lengths_in_between():
    config = of('cosine_restarts', 1.0, period=1.0, growth=1.5)
    got = rates([0, 4, 8, 14, 20, 29], config, 8, 8)  # periods end at 8, 20 and 38
    np.testing.assert_allclose(got, [1, 0.5, 1, 0.5, 1, 0.5], atol=1e-6)


def test_polynomial_by_hand():
    config = of('polynomial', 0.4, power=2.0, minimum=0.1)
    found = rates([0, 10, 20, 30], config, 10, 4)
    np.testing.assert_allclose(found, [0.4, 0.1 + 0.3 * 9 / 16, 0.175, 0.1 + 0.3 / 16], rtol=1e-5)


@pytest.mark.parametrize('power', [0.5, 1.0, 2.0])
def test_polynomial_is_that_of_pytorch(torch, power):
    expected = by_pytorch(torch, 'PolynomialLR', 40, total_iters=40, power=power)
    got = rates(range(40), of('polynomial', 0.4, power=power), 10, 4)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize('name', SCHEDULES)
def test_warm_up_multiplies_what_follows(name):
    config = {
        'name': name,
        'boundaries': (0.25,),
        'factor': 0.5,
        'minimum': 0.01,
        'half_cycle_epochs': 1.0,
    }
    without = rates(range(12), of(**config, peak=0.4), 8, 2)
    got = rates(range(12), of(**config, peak=0.4, warmup_epochs=0.5), 8, 2)
    rise = [0.25, 0.5, 0.75] + [1.0] * 9
    np.testing.assert_allclose(got, without * rise, rtol=1e-6)
    if name == 'constant':
        np.testing.assert_allclose(got[:5], [0.1, 0.2, 0.3, 0.4, 0.4], rtol=1e-6)


@pytest.mark.parametrize('name', SCHEDULES)
def test_traced_numbers_compile_once_and_equal_python_ones(name):
    def f(step, peak, warmup, factor, minimum, half):
        numbers = {'factor': factor, 'minimum': minimum, 'half_cycle_epochs': half}
        setting = of(name, peak, warmup, boundaries=(1.0,), **numbers)
        return learning_rate(setting, Time(step, 8, 3))

    compiled = jax.jit(f)
    for args in (
        (3, 0.5, 0.0, 0.1, 0.0, 1.0),
        (9, 0.1, 1.5, 0.5, 0.01, 0.7),
        (17, 1, 0.1, 2, 0.1, 5),
    ):
        got, expected = compiled(*map(np.float32, args)), f(*args)
        assert float(got) == pytest.approx(float(expected), rel=2e-6)
        assert got.dtype == jnp.float32
    assert compiled._cache_size() == 1


@pytest.mark.usefixtures('optimised')
@pytest.mark.parametrize('name', SCHEDULES)
def test_no_warm_up_is_exact(name):
    config = {
        'name': name,
        'boundaries': (1.0,),
        'factor': 0.3,
        'minimum': 0.01,
        'half_cycle_epochs': 0.7,
    }
    each = lambda steps, warmup: jax.vmap(
        lambda s: learning_rate(of(**config, peak=0.3, warmup_epochs=warmup), Time(s, 8, 3))
    )(steps)
    omitted = jax.jit(lambda steps: each(steps, 0.0))
    assert np.array_equal(jax.jit(each)(jnp.arange(24), 0.0), omitted(jnp.arange(24)))
