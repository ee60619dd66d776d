"""Parts from outside: their signature is the schema of their fields."""

import dataclasses

import flax.linen as nn
import jax.numpy as jnp
import optax
import optax.contrib
import pytest

from jaxtweaks.base import words
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.metrics import Metric
from jaxtweaks.config import parts, register, slots, trace
from jaxtweaks.config.fields import static, traced
from jaxtweaks.config.settings import Setting
from jaxtweaks.lab import experiment
from jaxtweaks.run.group import Execution
from jaxtweaks.run.plan import Run
from jaxtweaks.run.search import Search
from jaxtweaks.run.training import Training

EVERY = frozenset(name for name, field in trace.FIELDS.items() if field.rule.off is not None)


def signum(b1=0.9, off=None):
    @register.optimiser('signum', words='Signum')
    def signum(
        learning_rate,
        *,
        b1=traced(b1, 'β₁', low=0.0, high=1.0, off=off),
        nesterov=static(False, 'whether it looks ahead'),
    ):
        return optax.chain(optax.scale_by_lion(b1), optax.scale_by_learning_rate(learning_rate))

    return signum


def setting(**values):
    named = {name.replace('__', '.'): value for name, value in values.items()}
    return trace.replace(Setting(), {'optim.name': 'signum'} | named)


def test_its_parameters_are_fields_of_every_setting():
    signum()
    assert trace.FIELDS['signum.b1'].type is float
    assert trace.FIELDS['signum.b1'].rule.when == ('optim.name', ('signum',))
    assert trace.get(Setting(), 'signum.b1') == 0.9
    assert experiment.default_config('x').signum.to_dict() == {'b1': 0.9, 'nesterov': False}
    values = {'name': 'x', 'optim': {'name': 'signum'}, 'sweep': ('grid', 'signum.b1', (0.5, 0.9))}
    built = experiment.build(values)
    assert [trace.get(run.setting, 'signum.b1') for run in built.runs[::3]] == [0.5, 0.9]
    assert words.field_label('signum.b1') == 'b1 of Signum'
    assert words.value_label('optim.name', 'signum') == 'Signum'
    assert words.tweaks_of(['signum.b1']) == ['optimiser']


def test_traced_parameters_share_a_program_and_static_ones_do_not():
    signum()
    split = lambda **values: trace.split(setting(**values), EVERY)
    (a, first), (b, second) = split(signum__b1=0.5), split(signum__b1=0.7)
    assert a == b
    assert hash(a) == hash(b)
    assert (first['signum.b1'], second['signum.b1']) == (0.5, 0.7)
    assert split(signum__nesterov=True)[0] != a
    assert 'adam.b1' not in first
    back = trace.join(a, first)
    assert trace.get(back, 'signum.b1') == 0.5


def test_what_is_omitted_keeps_its_off_value():
    signum(b1=0.9, off=0.0)
    static_part, hyper = trace.split(setting(signum__b1=0.0), frozenset({'signum.b1'}))
    assert 'signum.b1' not in hyper
    assert trace.get(static_part, 'signum.b1') == 0.0


def test_the_chosen_part_is_built_with_what_the_setting_says():
    signum()
    chain = trace.made(setting(signum__b1=0.25), 'optimiser', lambda step: 1.0)
    gradient = jnp.float32(3.0)
    update, _ = chain.update(gradient, chain.init(gradient), gradient)
    assert float(update) == -1.0  # the sign


def test_a_part_that_is_registered_again_is_another_program_and_another_run():
    signum()
    first = trace.split(setting(), EVERY)[0]
    run = Run({}, setting(), 0).id
    signum()
    assert trace.split(setting(), EVERY)[0] == first
    assert Run({}, setting(), 0).id == run

    @register.optimiser('signum')
    def another(learning_rate, *, b1=traced(0.9, 'β₁')):
        return optax.sgd(learning_rate)

    assert trace.split(setting(), EVERY)[0] != first
    assert Run({}, setting(), 0).id != run
    assert 'signum.nesterov' not in trace.FIELDS
    # A program keeps the one that it was made of.
    assert trace.part(trace.join(first, {}), 'optimiser') != parts.get('optimiser', 'signum')


def test_the_same_function_registered_to_do_something_else_is_another_run():
    def halved(tree, other, *, by=traced(1.0, 'factor', off=1.0)):
        return tree

    found = set()
    for on in ('gradients', 'point'):
        register.transform('halved', on=on)(halved)
        found.add(parts.get('transform', 'halved').digest)
    assert len(found) == 2


def test_a_network_that_is_given_more_is_another_run():
    def small(outputs, dropout=0.5):
        return nn.Dense(outputs)

    found = set()
    for reads in ((), ('dropout.hidden',)):
        register.network('small', reads=reads)(small)
        found.add(Run({}, trace.replace(Setting(), {'model.name': 'small'}), 0).id)
    assert len(found) == 2


def within(outputs, targets, *, top=static(5, 'classes that count', low=1)):
    order = jnp.argsort(outputs, -1)[:, -top:]
    return jnp.mean(jnp.any(order == targets[:, None], -1))


def test_a_metric_is_part_of_the_runs_that_it_is_measured_in():
    register.metric('within', unit='%', better='high')(within)
    values = {'name': 'x', 'seeds': 1, 'train': {'metrics': ('within',)}}
    swept = experiment.build(values | {'sweep': ('grid', 'within.top', (1, 3, 5))})
    assert len({run.id for run in swept.runs}) == 3
    assert list(swept.digests) == ['metric within']

    def run_id():
        return experiment.build(values).runs[0].id

    found = {run_id(), experiment.build({'name': 'x', 'seeds': 1}).runs[0].id}
    register.metric('within', unit='%', better='low')(within)  # the other end of the epochs
    found.add(run_id())
    register.metric('within', better='low')(lambda outputs, targets: jnp.float32(0))
    found.add(run_id())
    assert len(found) == 4
    words = {'label': 'share within', 'unit': '%'}
    register.metric('within', better='low', **words)(lambda outputs, targets: jnp.float32(0))
    assert run_id() in found


def squared(outputs, targets):
    return jnp.sum((outputs - targets) ** 2, -1)


def test_what_a_loss_brings_is_part_of_the_runs_that_it_is_the_loss_of():
    def built(*metrics, **facts):
        register.loss('own', metrics=metrics, **facts)(squared)
        return experiment.build({'name': 'x', 'loss': {'name': 'own'}})

    itself = lambda better, **words: Metric('own', better=better, **words)
    register.metric('within', better='high')(within)
    ids = [
        built().runs[0].id,
        built(itself('low')).runs[0].id,
        built(itself('high')).runs[0].id,
        built(itself('low'), 'within').runs[0].id,
        built('within', itself('low')).runs[0].id,  # the first chooses settings
        built(itself('low'), targets='float').runs[0].id,
        built(itself('low'), targets='multilabel').runs[0].id,
    ]
    assert len(set(ids)) == len(ids)
    assert built(itself('low', label='how far')).runs[0].id == ids[1]
    assert list(built(itself('low'), 'within').digests) == ['loss own', 'metric within']


def test_what_is_not_read_is_refused():
    signum()
    with pytest.raises(UserError, match=r"signum\.b1: 0\.5 .*optim\.name is 'adam'"):
        experiment.build({'name': 'x', 'signum': {'b1': 0.5}})


COMPLAINTS = {
    'a built-in name': ('adam', lambda learning_rate: None, ['adam', 'built-in']),
    'a name of two words': ('my part', lambda learning_rate: None, ['my part', 'letters']),
    'another signature': ('x', lambda: None, ['x', 'learning_rate']),
    'an undeclared parameter': ('x', lambda learning_rate, b1: None, ['b1', 'traced']),
}


@pytest.mark.parametrize('case', COMPLAINTS)
def test_what_cannot_be_a_part_is_refused(case):
    name, function, expected = COMPLAINTS[case]
    with pytest.raises(UserError) as raised:
        register.optimiser(name)(function)
    assert all(words in str(raised.value) for words in expected)
    assert '\n' not in str(raised.value)


WRONG = {
    'off that is not allowed': (traced(0.5, 'x', low=0.1, off=0.0), 'off=0.0 must be a number'),
    'off that is a word': (traced('a', 'x', off='a', choices=('a', 'b')), "off='a' must be"),
    'a traced word': (traced('a', 'x'), 'declare it with static'),
    'a dict': (static({'k': 1}, 'x'), 'must be a number, a string'),
    'none': (traced(None, 'x'), 'must be a number, a string'),
}


@pytest.mark.parametrize('case', WRONG)
def test_a_parameter_that_cannot_be_is_refused(case):
    declared, words = WRONG[case]
    with pytest.raises(UserError, match=words):

        @register.activation('x')
        def x(x, *, a=declared): ...


def test_an_augmentation_is_off_by_itself():
    with pytest.raises(UserError, match=r'default 1\.0 must be its off value 0\.0'):

        @register.augment('on')
        def on(key, images, *, a=traced(1.0, 'x', off=0.0)): ...


@pytest.mark.parametrize('build', [None, 3, type('Plain', (), {})])
def test_what_cannot_be_called_is_refused(build):
    with pytest.raises(UserError, match='it must be a function'):
        register.activation('x')(build)


def test_a_decorator_without_a_name_is_named():
    with pytest.raises(UserError, match=r"@jt\.activation\('mine'\)"):

        @register.activation
        def x(x): ...


def test_a_global_that_a_part_reads_is_counted_at_each_launch():
    state = {'k': 1.0}
    register.activation('scaled')(lambda x: x * state['k'])
    built = experiment.build({'name': 'x', 'model': {'activation': 'scaled'}})
    first = built.as_now().runs[0].id
    assert built.as_now().runs[0].id == first
    state['k'] = 2.0
    assert built.as_now().runs[0].id != first
    assert list(built.as_now().digests) == ['activation scaled']


def test_the_words_of_a_declaration_do_not_matter():
    def run_of(doc, low):
        @register.activation('scaled')
        def scaled(x, *, a=traced(1.0, doc, low=low)):
            return a * x

        return Run({}, trace.replace(Setting(), {'model.activation': 'scaled'}), 0).id

    assert run_of('a', None) == run_of('another', 0.0)


def test_what_fails_is_named_with_its_line():
    register.optimiser('wrong')(lambda learning_rate: undefined)  # noqa: F821
    with pytest.raises(UserError, match=r"optimiser 'wrong': .*NameError.*undefined"):
        trace.made(trace.replace(Setting(), {'optim.name': 'wrong'}), 'optimiser', lambda step: 1.0)


def test_a_default_beyond_its_bounds_is_refused():
    with pytest.raises(UserError, match=r'decay.*2\.0.*≤ 1'):

        @register.optimiser('x')
        def x(learning_rate, *, decay=traced(2.0, 'decay', high=1.0)): ...


def test_a_part_does_not_take_the_place_of_a_section():
    @register.optimiser('train')
    def train(learning_rate, *, epochs=traced(0.9, 'x')): ...

    for call in (lambda: experiment.default_config('x'), lambda: experiment.build({'name': 'x'})):
        with pytest.raises(UserError, match="'train' is the name of a part"):
            call()


def test_two_slots_do_not_share_the_name_of_fields():
    signum()
    with pytest.raises(UserError, match=r"schedule 'signum'.*slot optimiser"):

        @register.schedule('signum')
        def rate(time, peak, *, depth=traced(0.5, 'depth')): ...


def test_an_unknown_field_of_a_part_names_the_nearest():
    with pytest.raises(UserError, match=r"adam\.b3.*'adam\.b[12]'"):
        experiment.build({'name': 'x', 'adam': {'b3': 0.5}})


def test_every_field_of_a_built_in_part_that_was_elsewhere_says_where():
    moved = {name: one.rule.former for name, one in parts.FIELDS.items() if one.rule.former}
    assert moved['adam.b1'] == 'optim.momentum'
    assert moved['cosine.minimum'] == 'schedule.minimum'
    with pytest.raises(
        UserError, match=r'config\.optim\.beta2: .* adam\.b2 or adamw\.b2 or rmsprop'
    ):
        experiment.check_key('optim.beta2')
    with pytest.raises(UserError, match=r'sweep: schedule\.factor is .*: step\.factor'):
        experiment.build({'name': 'x', 'sweep': ('grid', 'schedule.factor', (0.1, 0.2))})


def test_slots_say_what_their_parts_are():
    for slot in slots.SLOTS.values():
        assert slot.doc
        assert not slot.field or slot.field in trace.FIELDS
    assert dataclasses.is_dataclass(slots.Slot)


BUILT_WRONG = {
    'a section of parts that is no dict': ({'parts': 3}, r'parts: 3 is not a set of keys'),
    'a part that is no dict': ({'adam': 3}, r'adam: 3 is not .* adam\.b1 or adam\.b2 or adam\.eps'),
    'a misspelt part': ({'adamm': {'b1': 0.5}}, "unknown key 'adamm'; did you mean 'adam'"),
    'a field that has moved': (
        {'optim': {'momentum': 0.5}},
        r'optim\.momentum is .* chosen part now: momentum\.momentum or',
    ),
    'a part that is not registered': (
        {'optim': {'name': 'mine'}},
        r"optim\.name: no optimiser 'mine' is registered; .* import that first",
    ),
    'a field of a part that is not registered': (
        {'parts': {'mine.b1': 0.5}},
        r"mine\.b1: no part 'mine' is registered; .* import that first",
    ),
    'what an augmentation that is off reads': (
        {'erasing': {'aspect': 0.5}},
        r'erasing\.aspect: 0\.5 has no effect because erasing\.probability is 0',
    ),
}


@pytest.mark.parametrize('case', BUILT_WRONG)
def test_what_a_config_says_of_parts_is_checked(case):
    values, words = BUILT_WRONG[case]
    with pytest.raises(UserError, match=words) as raised:
        experiment.build({'name': 'x'} | values)
    assert '\n' not in str(raised.value)


def test_a_misspelt_part_on_the_command_line_is_named():
    with pytest.raises(UserError, match=r"config\.adamm\.b1: .* did you mean 'adam\.b1'"):
        experiment.check_key('adamm.b1')


@pytest.mark.parametrize('name', ['items', 'keys', 'experiments', 'update'])
def test_a_part_has_no_name_that_a_config_uses_itself(name):
    with pytest.raises(UserError, match=rf"'config\.{name}' means something else"):

        @register.optimiser(name)
        def part(learning_rate, *, b1=traced(0.9, 'x')): ...

    register.activation(name)(lambda x: x)  # without a section it is in nobody's way


GIVEN_WRONG = {
    'value': ('optimiser', optax.contrib.reduce_on_plateau, "optimiser 'wrong': .*value"),
    'no chain': (
        'optimiser',
        lambda learning_rate: 3,
        "optimiser 'wrong': returns 3; it must",
    ),
    'a vector': (
        'schedule',
        lambda time, peak: jnp.ones(3),
        r'returns float32 \[3\]; it must return',
    ),
    'nothing': ('schedule', lambda time, peak: None, "schedule 'wrong': returns None"),
    'another shape': (
        'activation',
        lambda x: x[:1],
        r"activation 'wrong': returns float32 \[1, 8\]",
    ),
    'another type': ('activation', lambda x: x > 0, r"activation 'wrong': returns bool \[32, 8\]"),
    'a metric of each example': (
        'metric',
        lambda outputs, targets: outputs[:, 0],
        r"metric 'wrong': returns float32 \[32\] for \[32, 10\] outputs",
    ),
}


@pytest.mark.parametrize('case', GIVEN_WRONG)
def test_what_a_part_gives_is_checked_before_training(case):
    slot, function, words = GIVEN_WRONG[case]
    if case == 'value':
        plateau = function()
        function = lambda learning_rate: optax.chain(optax.identity(), plateau)
    getattr(register, slot)('wrong')(function)
    chosen = ('wrong',) if slots.SLOTS[slot].several else 'wrong'
    values = {slots.SLOTS[slot].field: chosen, 'model.name': 'mlp', 'model.hidden': (8,)}
    data = {'data.name': 'digits', 'data.train_size': 100, 'data.validation_size': 100}
    one = trace.replace(Setting(), values | data)
    with pytest.raises(UserError, match=words) as raised:
        Training(one.data, Execution(), Search(), print).check([one])
    assert '\n' not in str(raised.value)
