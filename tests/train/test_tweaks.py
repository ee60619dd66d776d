"""Registered tweaks keep the contract of those that come with the package."""

import functools
import inspect
import itertools
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_training import Trained, data, differing, group_of, numbers, program, setting

from jaxtweaks import api, testing
from jaxtweaks.base import identity
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import older, parts, trace, tweaks
from jaxtweaks.config.build import to_dict
from jaxtweaks.config.expand import grid, product
from jaxtweaks.config.fields import static, traced
from jaxtweaks.config.settings import Setting
from jaxtweaks.lab import folder, stored
from jaxtweaks.lab.experiment import build, default_config
from jaxtweaks.nn import tweak as tweak_lib
from jaxtweaks.run.plan import Run

SEEDS = (0, 1)


def shrink(key, x, strength, train):
    return x * (1 - strength)


def jitter(key, x, strength, train):
    return x + strength * jax.random.normal(key, x.shape) if train else x


def soften(key, x, strength, train):
    # At strength 0 not a number, and so is its gradient.
    return strength * jnp.tanh(x / strength)


def cool(key, x, strength, train):
    return x / strength


# Name: function, how it is registered, some values at which it is on.
KINDS = {
    'shrink': (shrink, {'where': 'hidden', 'high': 1.0}, (0.1, 0.5)),
    'jitter': (jitter, {'where': 'input'}, (0.1, 1.0)),
    'soften': (soften, {'where': 'hidden'}, (1.0, 3.0)),
    'pooled': (soften, {'where': 'conv'}, (1.0, 3.0)),
    'cool': (cool, {'where': 'logits', 'off': 1.0, 'low': 0.1}, (0.5, 2.0)),
}


@pytest.fixture(autouse=True)
def registered():
    """The kinds above alone."""
    for name, (function, how, _) in KINDS.items():
        tweaks.tweak(name, **how)(function)


@functools.cache
def images(side):
    return data(side)


def base(model):
    return setting(model__name=model, optim__name='momentum')


def off_of(one, *traced):
    """All tweaks that are off, but for `traced`."""
    return trace.off_everywhere([one]) - set(traced)


def trained(one, off, side, batching='map'):
    group, hyper, seeds = group_of([(one, s) for s in SEEDS], batching, off)
    return hyper, Trained(group, hyper, seeds, images(side), finish=False)


@pytest.mark.parametrize(
    ('model', 'names'), [('mlp', ['shrink', 'jitter', 'soften', 'cool']), ('cnn', ['pooled'])]
)
def test_off_is_the_program_without_them_bitwise(model, names):
    """All of them as traced numbers; after two epochs, with their evaluations."""
    side = 4 if model == 'mlp' else 8
    one = base(model)
    fields = [f'tweaks.{name}' for name in names]
    _, plain = trained(one, off_of(one), side)
    mentioned = trace.replace(one, {name: trace.FIELDS[name].rule.off for name in fields})
    hyper, off = trained(mentioned, off_of(mentioned, *fields), side)
    assert set(fields) <= set(hyper)
    for run in range(len(SEEDS)):
        assert differing(off.run(run), plain.run(run)) == []
    # Omitted, the very same program.
    assert trace.split(mentioned, off_of(mentioned)) == trace.split(one, off_of(one))


def test_a_sweep_compiles_once_is_finite_and_every_value_counts():
    """All of them in one program: none is on, then each alone at two strengths."""
    names = ['shrink', 'jitter', 'soften', 'cool']
    off = {f'tweaks.{name}': KINDS[name][1].get('off', 0.0) for name in names}
    points = [off] + [off | {f'tweaks.{name}': v} for name in names for v in KINDS[name][2]]
    one = trace.replace(base('mlp'), off)
    p = program(one, off_of(base('mlp')))
    traces = []

    def train(hyper, state):
        traces.append(1)
        zero = np.int32(0)
        stop = np.int32(p.steps_per_epoch)
        return p.advance(hyper, np.uint32(0), state, images(4), zero, zero, stop)

    hyper = numbers(one, off_of(base('mlp')))
    assert set(off) <= set(hyper)
    state = jax.jit(p.init)(hyper, np.uint32(0), images(4))
    columns = {key: np.stack([value] * len(points)) for key, value in hyper.items()}
    columns |= {key: np.asarray([one[key] for one in points], np.float32) for key in off}
    states = jax.tree.map(lambda leaf: np.stack([leaf] * len(points)), state)
    final = jax.jit(jax.vmap(train))(columns, states)
    assert len(traces) == 1
    assert np.all(np.isfinite(final.loss_sum))
    kernels = np.asarray(final.params['Dense_0']['kernel'])
    assert np.all(np.isfinite(kernels))
    for i, j in itertools.combinations(range(len(points)), 2):
        assert not np.allclose(kernels[i], kernels[j], rtol=1e-5, atol=0), (points[i], points[j])


@pytest.mark.usefixtures('optimised')
def test_one_tweak_does_not_change_the_random_numbers_of_another():
    """Nor of dropout: with a tweak that changes nothing next to them all stays as it is."""
    tweaks.tweak('a_first', where='input')(lambda key, x, strength, train: x)
    one = trace.replace(base('mlp'), {'tweaks.jitter': 0.5, 'dropout.hidden': 0.3})
    split = images(4).training
    x, y = images(4).standardised(split.images[:8]), split.labels[:8]
    after = []
    for given in (one, trace.replace(one, {'tweaks.a_first': 1.0})):
        p, hyper = program(given, off_of(given)), numbers(given, off_of(given))
        state = jax.jit(p.init)(hyper, np.uint32(0), images(4))
        after.append(jax.jit(p.step)(hyper, np.uint32(0), state, x, y))
    assert differing(*after) == []


def test_each_place_sees_what_it_says():
    seen = {}

    def watch(key, x, strength, train):
        seen.setdefault(bool(train), []).append((x.shape, key is None))
        return x

    for where in tweaks.PLACES:
        tweaks.tweak(f'at_{where}', where=where)(watch)
    on = {f'tweaks.at_{where}': 1.0 for where in tweaks.PLACES}
    one = trace.replace(base('cnn'), on)
    p = program(one)
    hyper = numbers(one)
    state = jax.eval_shape(p.init, hyper, np.uint32(0), images(8))
    x, y = images(8).standardised(images(8).training.images[:8]), images(8).training.labels[:8]
    seen.clear()
    jax.eval_shape(p.step, hyper, np.uint32(0), state, x, y)
    shapes = [(8, 8, 8, 1), (8, 3, 3, 2), (8, 7), (8, 3)]
    assert sorted(set(seen[True])) == sorted((shape, False) for shape in shapes)
    assert False not in seen
    jax.eval_shape(p.finish, hyper, np.uint32(0), state, images(8))
    assert {key_missing for _, key_missing in seen[False]} == {True}


def declared_jitter(key, x, train, *, sigma=traced(0.0, 'standard deviation', low=0.0, off=0.0)):
    return jitter(key, x, sigma, train)


def declared_soften(
    key,
    x,
    train,
    *,
    scale=traced(0.0, 'where it begins to bend', low=0.0, off=0.0),
    power=traced(1.0, 'of the result', above=0.0),
    form=static('tanh', 'of the bend', choices=('tanh', 'sin')),
):
    return getattr(jnp, form)(soften(key, x, scale, train)) * power


@pytest.mark.usefixtures('optimised')
def test_declared_it_is_what_it_was_with_a_strength_alone_bitwise():
    one, after = base('mlp'), []
    split = images(4).training
    x, y = images(4).standardised(split.images[:8]), split.labels[:8]
    for field in ('tweaks.jitter', 'jitter.sigma'):
        if field == 'jitter.sigma':
            tweaks.tweak('jitter', where='input')(declared_jitter)
            assert 'tweaks.jitter' not in trace.FIELDS
        given = trace.replace(one, {field: 0.5})
        p, hyper = program(given, off_of(given)), numbers(given, off_of(given))
        assert field in hyper
        state = jax.jit(p.init)(hyper, np.uint32(0), images(4))
        after.append(jax.jit(p.step)(hyper, np.uint32(0), state, x, y))
    assert differing(*after) == []
    for values in ({'sweep': grid('tweaks.jitter', 0.5)}, {'tweaks': {'jitter': 0.5}}):
        with pytest.raises(UserError, match=r'its strength is jitter\.sigma, not tweaks\.jitter$'):
            build({'name': 'it', 'train': {'batch_size': 8}} | values)
    tweaks.tweak('jitter', where='input')(jitter)
    assert 'jitter.sigma' not in trace.FIELDS


@pytest.mark.parametrize('where', ['conv', 'logits'])
def test_a_declared_tweak_keeps_the_contract(where):
    tweaks.tweak('bend', where=where)(declared_soften)
    testing.check_part('bend', values={'scale': (1.0, 3.0), 'form': ('sin',)})


def test_what_a_declared_tweak_does_where_is_which_run_it_is():
    def run(**values):
        given = {f'bend.{name}': value for name, value in values.items()}
        return Run({}, trace.replace(Setting(), given), 0).id

    tweaks.tweak('bend')(declared_soften)
    assert run() == run(scale=0.0) == run(power=2.0) == run_id()
    on = [run(scale=1.0), run(scale=2.0), run(scale=1.0, power=2.0), run(scale=1.0, form='sin')]
    tweaks.tweak('bend', where='logits')(declared_soften)
    on.append(run(scale=1.0))
    tweaks.tweak('bend', where='logits')(lambda key, x, train, *, scale=traced(0.0, '', off=0.0): x)
    on.append(run(scale=1.0))
    assert len({*on, run()}) == 7


@pytest.mark.parametrize(
    ('function', 'how', 'words'),
    [
        (declared_jitter, {'low': None}, "tweak 'it': low is said of a strength"),
        (lambda key, x, train, *, a=traced(0.0, 'a'): x, {}, "tweak 'it': has no strength"),
        (lambda key, x, *, a=traced(0.0, 'a', off=0.0): x, {}, r"tweak 'it': .*\(key, x, train\)"),
        (lambda key, x, train: x, {}, r'\(key, x, strength, train\), or \(key, x, train\) with'),
    ],
)
def test_mistakes_of_declaring_are_named_and_nothing_is_registered(function, how, words):
    with pytest.raises(UserError, match=words):
        tweaks.tweak('it', **how)(function)
    assert 'it' not in parts.of_slot('tweak')


def applied(name, x, strength):
    part = parts.get('tweak', name)
    return tweak_lib.apply(part, {'strength': strength}, None, x, True)


def test_half_precision_stays_half_precision():
    x = jnp.ones((2, 3), jnp.bfloat16)
    y = applied('shrink', x, jnp.float32(0.5))
    assert (y.dtype, float(y[0, 0])) == (jnp.bfloat16, 0.5)


@pytest.mark.parametrize(
    'function',
    [
        lambda key, x, strength, train: x.sum(),
        lambda key, x, strength, train: None,
        lambda key, x, strength, train: x > 0,
    ],
)
def test_what_a_function_gives_must_be_like_its_input(function):
    tweaks.tweak('wrong')(function)
    with pytest.raises(UserError, match=r"tweak 'wrong'.*like the one it is given"):
        applied('wrong', jnp.ones((2, 3)), 0.5)


def test_a_python_if_on_the_strength_is_the_users_mistake_and_has_its_line():
    tweaks.tweak('wrong')(lambda key, x, strength, train: 2 * x if strength > 0 else x)
    apply = functools.partial(applied, 'wrong')
    with pytest.raises(UserError, match=r"tweak 'wrong': .*test_tweaks\.py:\d+: TracerBool"):
        jax.eval_shape(apply, jnp.ones((2, 3)), jnp.float32(0.5))


def config(**values):
    given = default_config('it')
    given.train.batch_size = 8
    for name, value in values.items():
        setattr(given, name, value)
    return given


def test_a_config_takes_it_like_any_field():
    given = config(sweep=product(grid('tweaks.shrink', 0.0, 0.5), grid('tweaks.cool', 1.0, 2.0)))
    assert given.tweaks.to_dict() == {
        name: how.get('off', 0.0) for name, (_, how, _) in KINDS.items()
    }
    asked = build(given)
    assert stored.rebuilt(to_dict(asked)) == asked
    assert [point['tweaks.shrink'] for point in asked.points] == [0.0, 0.0, 0.5, 0.5]
    off = trace.off_everywhere(run.setting for run in asked.runs)
    assert {'tweaks.jitter', 'tweaks.soften'} <= off
    assert not {'tweaks.shrink', 'tweaks.cool'} & off


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'sweep': grid('tweaks.shrnk', 0.5)}, ["no tweak 'shrnk'", "'shrink'"]),
        ({'sweep': grid('tweaks.shrink', 1.5)}, ['1.5', '≥ 0 and ≤ 1']),
        ({'tweaks': {'shrnk': 0.5}}, ["'shrnk'", "'shrink'"]),
        ({'tweaks': {'shrink': 'much'}}, ['tweaks.shrink', "'much'", 'a number']),
        ({'tweaks': 3}, ['tweaks', '3', 'set of keys']),
    ],
)
def test_mistakes_in_a_config_are_named(values, words):
    plain = {'name': 'it', 'train': {'batch_size': 8}} | values
    with pytest.raises(UserError) as caught:
        build(plain)
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ('name', 'how', 'words'),
    [
        ('a b', {}, 'letters'),
        ('on', {}, "not 'on'"),
        ('items', {}, r"'config\.tweaks\.items' means something else"),
        ('it', {'where': 'hiden'}, "'hidden'"),
        ('it', {'low': 1.0}, '≥ 1'),
    ],
)
def test_mistakes_of_registering_are_named(name, how, words):
    with pytest.raises(UserError, match=words):
        tweaks.tweak(name, **how)(shrink)


def test_a_function_of_other_arguments_is_refused():
    with pytest.raises(UserError, match=r'\(key, x, strength, train\)'):
        tweaks.tweak('it')(lambda x: x)


def run_id(**strengths):
    values = {f'tweaks.{name}': strength for name, strength in strengths.items()}
    return Run({}, trace.replace(Setting(), values), 0).id


def test_off_it_does_not_change_which_run_it_is_and_rewritten_it_does():
    assert run_id() == run_id(shrink=0.0) == run_id(shrink=0.0, cool=1.0)
    before = run_id(shrink=0.5)
    assert before not in (run_id(), run_id(shrink=0.4))
    tweaks.tweak('shrink', high=1.0)(shrink)  # the same again
    assert run_id(shrink=0.5) == before
    tweaks.tweak('shrink', high=1.0)(lambda key, x, strength, train: x * (1 - strength) ** 2)
    assert run_id(shrink=0.5) != before


def test_its_run_is_the_one_of_earlier_versions(monkeypatch):
    """Noted at fff9976, where a tweak with a strength alone was no part."""
    monkeypatch.setattr(identity, 'digest', lambda *given: 'does')
    tweaks.tweak('shrink', high=1.0)(shrink)
    before = {name: older.value(name) for name in older.LATER}
    setting = trace.replace(Setting(), before | {'tweaks.shrink': 0.5})
    assert Run({}, setting, 0).id == '49915b08b0e6-s0'


def test_those_of_a_place_act_by_their_names_however_they_are_registered():
    """The order of registration is no part of a run's identity."""
    on, found = {'tweaks.add': 1.0, 'double.by': 2.0}, []
    how = {
        'add': lambda key, x, strength, train: x + strength,
        'double': lambda key, x, train, *, by=traced(1.0, 'by what', off=1.0): x * by,
    }
    for order in (('add', 'double'), ('double', 'add')):
        parts._REGISTRY['tweak'].clear()
        for name in order:
            tweaks.tweak(name)(how[name])
        setting = trace.as_numbers(trace.replace(Setting(), on))
        found.append(tweak_lib.applied(setting, 'hidden', jnp.ones(()), {}.get, False))
    assert found == [4.0, 4.0]


def test_one_that_is_off_asks_for_no_random_key():
    """Plain functions apply networks without any."""
    setting, x = trace.replace(Setting(), {'tweaks.jitter': 0.0}), jnp.ones(())
    assert tweak_lib.applied(setting, 'input', x, {}.__getitem__, True) is x


def test_without_its_source_it_is_known_by_its_code():
    def typed(body):
        space = {}
        exec(f'def f(key, x, strength, train):\n    return {body}', space)
        with pytest.raises(OSError, match='source'):
            inspect.getsource(space['f'])
        tweaks.tweak('f')(space['f'])
        return parts.get('tweak', 'f').digest

    assert typed('x * strength') == typed('x * strength')
    assert len({typed('x * strength'), typed('x + strength'), typed('x * strength * 2')}) == 3


def made(power):
    def shrink(key, x, strength, train):
        return x * (1 - strength * (1 - 0.1**power))

    return shrink


def with_power(key, x, strength, train, *, power):
    return x * (1 - strength * (1 - 0.1**power))


class Powered:
    def __init__(self, power):
        self.power = power

    def __call__(self, key, x, strength, train):
        return x * (1 - strength * (1 - 0.1**self.power))


POWER = 0
WAYS = {
    'a factory': made,
    'partial': lambda power: functools.partial(with_power, power=power),
    'an object': Powered,
    'a method': lambda power: Powered(power).__call__,
    'a default': lambda power: lambda key, x, strength, train, p=power: x * strength**p,
    'one line': lambda p: (lambda key, x, s, train: x * s, lambda key, x, s, train: x - s)[p // 2],
}


@pytest.mark.parametrize('way', WAYS)
def test_however_it_is_made_what_it_does_is_which_run_it_is(way):
    ids = []
    for power in (0, 2, 0):
        tweaks.tweak('shrink', high=1.0)(WAYS[way](power))
        ids.append(run_id(shrink=0.5))
    assert ids[0] == ids[2] != ids[1]


def test_where_it_acts_and_is_off_is_which_run_it_is():
    digests = []
    for where, off in (('hidden', 0.0), ('input', 0.0), ('hidden', 1.0), ('hidden', -0.0)):
        tweaks.tweak('f', where=where, off=off)(shrink)
        digests.append(parts.get('tweak', 'f').digest)
    assert len(set(digests)) == 3
    assert digests[3] == digests[0]  # −0 in a config is 0


def test_a_global_that_is_changed_makes_another_run_though_nothing_is_registered_again(monkeypatch):
    def shrink(key, x, strength, train):
        return x * (1 - strength * POWER)

    tweaks.tweak('shrink', high=1.0)(shrink)
    asked = build({'name': 'x', 'sweep': grid('tweaks.shrink', 0.0, 0.5)})
    ids = lambda one: [run.id for run in one.as_now().runs[:: one.seeds]]
    before = ids(asked)
    assert ids(asked) == before
    monkeypatch.setitem(globals(), 'POWER', 2)
    assert ids(asked)[0] == before[0]  # off
    assert ids(asked)[1] != before[1]


def test_a_function_that_jax_has_traced_is_traced_again_when_it_does_something_else(monkeypatch):
    @jax.jit
    def helper(x):
        return x * POWER

    x = jnp.ones(())
    monkeypatch.setitem(globals(), 'POWER', 3)
    folder.forget_traces({'shrink': 'a'})
    assert helper(x) == 3
    monkeypatch.setitem(globals(), 'POWER', 4)
    folder.forget_traces({'shrink': 'a', 'other': 'c'})
    assert helper(x) == 3  # as JAX has it
    folder.forget_traces({'shrink': 'b'})
    assert helper(x) == 4


@pytest.mark.parametrize(
    ('thing', 'words'),
    [
        (np.random.default_rng(0), 'random numbers'),
        ((i for i in range(3)), 'read only once'),
        (threading.Lock(), 'its own code'),
    ],
)
def test_what_cannot_be_known_is_refused_and_no_folder_is_made(tmp_path, monkeypatch, thing, words):
    monkeypatch.setitem(globals(), 'POWER', thing)

    def known(key, x, strength, train):
        return x * strength if POWER is None else x

    tweaks.tweak('shrink', high=1.0)(known)
    values = {'name': 'x', 'data': {'name': 'digits', 'train_size': 60, 'validation_size': 20}}
    values |= {'model': {'name': 'mlp', 'hidden': (4,)}, 'train': {'batch_size': 20}}
    values |= {'sweep': grid('tweaks.shrink', 0.0, 0.5)}
    with pytest.raises(UserError, match=rf"^tweak 'shrink' → POWER: .*{words}"):
        api.run(values, tmp_path / 'w', quiet=True)
    assert not (tmp_path / 'w').exists()
    off = build(values | {'sweep': ()})
    assert off.digests == {}
