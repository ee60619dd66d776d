"""The contract of every part and of every other field that can be off, present and future.

On, the loss stays finite and the result changes; a sweep compiles once; off as a traced number is
bitwise the program that omits it; and a run is the same alone. `jaxtweaks.testing` has the checks.
"""

import contextlib
import dataclasses
import functools

import jax.numpy as jnp
import narrow
import pytest
from tiny_training import Trained, data, differing, group_of, setting

from jaxtweaks import testing
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import parts, register, slots, trace
from jaxtweaks.config.fields import traced

ALL = frozenset(name for name, field in trace.FIELDS.items() if field.rule.off is not None)
# Rates for each layer are off when there are none, and a program with them has another shape.
OF_SETTINGS = sorted(ALL - set(parts.FIELDS) - {'dropout.by_layer'})
# What decides which images an epoch has, and their labels: integers, in which nothing is rounded.
OF_EPOCHS = ('data.share', 'data.bootstrap', 'data.label_noise', 'data.fold')
# These watch, and change nothing of the training itself.
WATCHING = ('train.patience', 'train.ema_decay', 'train.swa_start')
# At their widths these train for minutes; here they are narrow.
WIDE = ('vgg16', 'convnet1d')
# Studies train nothing.
SLOTS = [slot for slot in slots.SLOTS if slot != 'study']
PARTS = [(slot, name) for slot in SLOTS for name in parts.of_slot(slot) if name not in WIDE]
# What else is to be set for a parameter to count, or what is tried: half a pixel is no pixel.
VALUES = {
    'shift': {'pixels': (1.0, 2.0)},
    'crop': {'pixels': (1.0, 2.0)},
    'cutout': {'side': (2.0, 3.0)},
    # What acts after the first steps only; against PyTorch elsewhere.
    'radam': {'b2': (), 'epsilon': ()},
    'cosine_restarts': {'growth': ()},
    'step': {'boundaries': ((0.5,),)},
    # Small ones compile quickly.
    'resnet': {'blocks': (1,), 'width': (4,)},
    'residual_mlp': {'blocks': (1,), 'width': (8,)},
    'vit': {'depth': (1,), 'width': (8,), 'heads': (2,)},
}
SEEDS = (0, 1)


@pytest.mark.parametrize(('slot', 'name'), PARTS)
def test_every_part_keeps_the_contract(slot, name):
    testing.check_part(name, slot, values=VALUES.get(name))


@pytest.mark.parametrize('name', WIDE)
def test_a_narrow_one_of_a_wide_network_keeps_the_contract(name):
    narrow.narrow(name)
    testing.check_part(narrow.NAME, 'network')


def power(outputs, targets, *, exponent=traced(2.0, 'of the outputs', above=0.0)):
    return jnp.mean(jnp.abs(outputs) ** exponent)


def unread(outputs, targets, *, exponent=traced(2.0, 'of the outputs', above=0.0)):
    return jnp.mean(jnp.abs(outputs))


def infinite(outputs, targets):
    return jnp.mean(outputs) / 0.0


@pytest.mark.parametrize(
    ('function', 'fault'),
    [(power, ''), (unread, r'unread\.exponent = .*: changes no weight'), (infinite, 'not finite')],
)
def test_a_metric_is_evaluated(function, fault):
    register.metric(function.__name__)(function)
    refused = pytest.raises(AssertionError, match=fault) if fault else contextlib.nullcontext()
    with refused:
        testing.check_part(function)


def test_a_study_is_refused():
    with pytest.raises(UserError, match="study 'capacity': a study is not trained"):
        testing.check_part('capacity')


def test_every_field_that_can_be_off_starts_off():
    assert {'dropout.input', 'dropout.conv', 'penalty.l2', *OF_EPOCHS, *WATCHING} < set(OF_SETTINGS)
    assert {'adamw.weight_decay', 'clip.norm', 'mixup.alpha'} < ALL
    for name in ALL:
        assert trace.get(setting(), name) == trace.FIELDS[name].rule.off


@pytest.mark.parametrize('name', [n for n in OF_SETTINGS if n not in (*OF_EPOCHS, *WATCHING)])
def test_every_other_field_keeps_the_contract(name):
    base = testing.base_of(name)
    if name == 'penalty.elastic':
        base = trace.replace(base, {'penalty.l1': 0.01})  # what β multiplies
    testing.check_fields([name], base)


def test_what_decides_the_images_of_an_epoch_keeps_it():
    base = trace.replace(testing.base_of(*OF_EPOCHS), {'data.folds': 4})
    testing.check_fields(OF_EPOCHS, base, epochs=True)


def test_what_watches_keeps_it():
    testing.check_fields(WATCHING, testing.base_of(*WATCHING), epochs=True, watching=True)


@functools.cache
def omitted(one, batching):
    """The runs without any tweak."""
    group, hyper, seeds = group_of([(one, s) for s in SEEDS], batching, ALL)
    return Trained(group, hyper, seeds, data(), finish=False)


def without_averages(trained):
    """Takes the averages out; with no memory they are bitwise the iterate."""
    for name in ('initial', 'final'):
        state = getattr(trained, name)
        assert differing(state.ema, state.params) == []
        assert differing(state.swa, state.params) == []
        setattr(trained, name, dataclasses.replace(state, ema=None, swa=None))
    for metrics in trained.metrics:
        for key in ('loss', 'accuracy'):
            average = metrics.pop(f'ema_validation_{key}')
            assert average.tobytes() == metrics[f'validation_{key}'].tobytes()


def test_all_off_together_is_the_program_without_any():
    """In the group that trains: two epochs with their evaluations."""
    one = setting(optim__name='momentum')
    named = trace.replace(one, {name: trace.FIELDS[name].rule.off for name in parts.strengths()})
    for batching in ('map', 'vmap_loop'):
        group, hyper, seeds = group_of([(named, s) for s in SEEDS], batching)
        others = {one for one in parts.FIELDS if trace.FIELDS[one].rule.when}  # of parts not chosen
        assert ALL - others - {'dropout.by_layer'} <= set(hyper)
        off = Trained(group, hyper, seeds, data(), finish=False)
        without_averages(off)
        for run in range(2):
            assert differing(off.run(run), omitted(one, batching).run(run)) == [], batching


def test_rates_of_zero_for_each_layer_are_no_dropout_bitwise():
    one = setting(dropout__by_layer=(0.0,))
    group, hyper, seeds = group_of([(one, s) for s in SEEDS], off=ALL - {'dropout.by_layer'})
    off = Trained(group, hyper, seeds, data(), finish=False)
    for run in range(2):
        assert differing(off.run(run), omitted(setting(), 'vmap_loop').run(run)) == []


def test_one_rate_for_each_layer_is_the_rate_of_all_layers():
    trained = []
    for values in ({'dropout__by_layer': (0.3, 0.3)}, {'dropout__hidden': 0.3}):
        one = setting(model__hidden=(7, 5), **values)
        off = trace.off_everywhere([one])
        group, hyper, seeds = group_of([(one, 0)], off=off)
        trained.append(Trained(group, hyper, seeds, data()).run(0))
    assert differing(*trained) == []
