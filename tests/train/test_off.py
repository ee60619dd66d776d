"""The contract of every traced tweak, present and future.

A tweak is a traced field with an `off` value. On, the loss stays finite and the result changes;
a sweep over it compiles once; and off as a traced number is bitwise the program that omits
it.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_training import Trained, data, differing, group_of, numbers, program, setting

from jaxtweaks.config import parts, trace
from jaxtweaks.data.split import folds_of

ALL = frozenset(name for name, (_, rule) in trace.FIELDS.items() if rule.off is not None)
# Rates for each layer are off when there are none, and a program with them has another shape.
TWEAKS = [name for name in trace.FIELDS if name in ALL and name != 'dropout.by_layer']
# These watch, and change nothing of the training itself.
WATCHING = ('train.patience', 'train.ema_decay')
# Where half a pixel is no pixel, and half a fold is none.
STRENGTHS = {'shift.pixels': [1.0, 2.0], 'cutout.side': [2.0, 3.0], 'data.fold': [1, 2]}
SEEDS = (0, 1)
FOLDS = 4


@functools.cache
def images(side):
    """With folds, which are read where `data.folds` makes some."""
    found = data(side)
    folds = folds_of(np.asarray(found.training.labels), FOLDS, 'stratified')
    return dataclasses.replace(found, folds=jnp.asarray(folds))


def base(name):
    """A setting in which the field is read and everything else is off, and its images.

    With momentum in the optimiser, so that its state holds every gradient so far.
    """
    rule = trace.FIELDS[name][1]
    values = {'optim__name': 'momentum'}
    if name == 'data.fold':
        values['data__folds'] = FOLDS  # which it is one of
    if name == 'penalty.elastic':
        values['penalty__l1'] = 0.01  # what β multiplies
    if rule.when is not None:
        values[rule.when[0].replace('.', '__')] = rule.when[1][0]
    if name in parts.strengths():
        values[name.replace('.', '__')] = rule.off  # a part that acts with others is named
    one = setting(**values)
    return one, images(8 if one.model.name == 'cnn' else 4)


def strengths(name):
    """Some values at which the tweak is on; of a rate also 1, which drops everything."""
    rule = trace.FIELDS[name][1]
    if name in STRENGTHS:
        return STRENGTHS[name]
    candidates = (rule.off + d for d in (0.5, 1.0, 0.1, -0.5, -0.1))
    return [value for value in candidates if rule.admits(value) and value != rule.off]


OFF_VALUES = {name: trace.FIELDS[name][1].off for name in TWEAKS}


@functools.cache
def left_out(one, batching):
    """The programs without any tweak; shared by all tweaks of one base setting."""
    group, hyper, seeds = group_of([(one, s) for s in SEEDS], batching, ALL)
    return Trained(group, hyper, seeds, images(8 if one.model.name == 'cnn' else 4), finish=False)


def test_there_are_tweaks_and_all_start_off():
    assert {'dropout.input', 'dropout.conv', 'dropout.hidden', 'penalty.l2'} <= set(TWEAKS)
    assert {'adamw.weight_decay', 'schedule.warmup_epochs'} <= set(TWEAKS)
    for name in TWEAKS:
        assert trace.get(setting(), name) == trace.FIELDS[name][1].off
        assert strengths(name)


@pytest.mark.parametrize('name', TWEAKS)
def test_off_is_the_program_without_it_to_the_bit(name):
    """After two epochs: parameters, gradients (as momentum), batch_stats, losses, evaluation."""
    one, batch_data = base(name)
    others = ALL - {name}
    batching = 'vmap_loop' if one.model.name == 'mlp' else 'vmap_matmul'
    group, hyper, seeds = group_of([(one, s) for s in SEEDS], batching, others)
    assert list(hyper[name]) == [OFF_VALUES[name]] * 2
    off = Trained(group, hyper, seeds, batch_data, finish=False)
    if name == 'train.ema_decay':
        without_average(off)
    for run in range(2):
        assert differing(off.run(run), left_out(one, batching).run(run)) == []


def without_average(trained):
    """Takes the running average out; with no memory it is bitwise the iterate."""
    for name in ('initial', 'final'):
        state = getattr(trained, name)
        assert differing(state.ema, state.params) == []
        setattr(trained, name, dataclasses.replace(state, ema=None))
    for metrics in trained.metrics:
        for key in ('loss', 'accuracy'):
            average = metrics.pop(f'ema_validation_{key}')
            assert np.array_equal(average, metrics[f'validation_{key}'])


def test_all_off_together_is_the_program_without_any():
    one, batch_data = base('dropout.hidden')
    named = trace.replace(one, {name: OFF_VALUES[name] for name in parts.strengths()})
    for batching in ('map', 'vmap_loop'):
        group, hyper, seeds = group_of([(named, s) for s in SEEDS], batching)
        others = {one for one in parts.FIELDS if trace.FIELDS[one][1].when}  # of parts not chosen
        assert set(TWEAKS) - others <= set(hyper)
        off = Trained(group, hyper, seeds, batch_data, finish=False)
        without_average(off)
        for run in range(2):
            assert differing(off.run(run), left_out(one, batching).run(run)) == [], batching


@pytest.mark.parametrize('name', TWEAKS)
def test_a_sweep_compiles_once_is_finite_and_every_value_counts(name):
    one, batch_data = base(name)
    p = program(one, ALL - {name})
    traces = []

    def train(hyper, seed, state):
        traces.append(name)
        zero = np.int32(0)
        return p.advance(hyper, seed, state, batch_data, zero, zero, np.int32(p.steps_per_epoch))

    hyper = numbers(one, ALL - {name})
    seeds = np.zeros(2, np.uint32)
    state = jax.jit(p.init)(hyper, seeds[0], batch_data)
    states = jax.tree.map(lambda leaf: np.stack([leaf] * 2), state)
    sweep = jax.jit(jax.vmap(train))
    off = OFF_VALUES[name]
    kernels = []
    for values in ((off, strengths(name)[0]), (strengths(name)[0], strengths(name)[1])):
        columns = {key: np.stack([value] * 2) for key, value in hyper.items()}
        columns[name] = np.asarray(values, columns[name].dtype)
        final = sweep(columns, seeds, states)
        assert np.all(np.isfinite(final.loss_sum))
        assert np.all(np.asarray(final.diverged_at) == -1)
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(final.params))
        kernels.append(np.asarray(final.params['Dense_0']['kernel']))
    assert len(traces) == 1
    assert sweep._cache_size() == 1
    if name in WATCHING:
        assert np.array_equal(kernels[0][0], kernels[0][1])
        return
    assert not np.allclose(kernels[0][0], kernels[0][1], rtol=1e-5, atol=0)
    assert not np.allclose(kernels[1][0], kernels[1][1], rtol=1e-5, atol=0)
    # The same value at another place in the sweep is the same run.
    assert np.array_equal(kernels[0][1], kernels[1][0])


def test_rates_of_zero_for_each_layer_are_no_dropout_to_the_bit():
    one = setting(dropout__by_layer=(0.0,))
    group, hyper, seeds = group_of([(one, s) for s in SEEDS], off=ALL - {'dropout.by_layer'})
    off = Trained(group, hyper, seeds, images(4), finish=False)
    for run in range(2):
        assert differing(off.run(run), left_out(setting(), 'vmap_loop').run(run)) == []


def test_one_rate_for_each_layer_is_the_rate_of_all_layers():
    trained = []
    for values in ({'dropout__by_layer': (0.3, 0.3)}, {'dropout__hidden': 0.3}):
        one = setting(model__hidden=(7, 5), **values)
        off = trace.off_everywhere([one])
        group, hyper, seeds = group_of([(one, 0)], off=off)
        trained.append(Trained(group, hyper, seeds, images(4)).run(0))
    assert differing(*trained) == []
