"""What has no effect on a run is refused, setting by setting, with how to write what was meant."""

import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import effect, expand, parts, register, trace
from jaxtweaks.config.expand import grid, points, product, rounds, union, zipped
from jaxtweaks.config.fields import traced
from jaxtweaks.config.settings import DATASETS, GENERATED, Setting
from jaxtweaks.config.tweaks import tweak
from jaxtweaks.data.generated import WORLDS
from jaxtweaks.lab import experiment

NAME, MOMENTUM, DECAY = 'optim.name', 'momentum.momentum', 'adamw.weight_decay'
L1, L2, BETA, FORM = 'penalty.l1', 'penalty.l2', 'penalty.elastic', 'penalty.l2_form'
SCHEDULE, FACTOR, BOUNDARIES = 'schedule.name', 'step.factor', 'step.boundaries'
NET, HIDDEN, WIDTH, CONV = 'model.name', 'model.hidden', 'model.width', 'dropout.conv'
DROPPED, DROP_FORM = 'dropout.hidden', 'dropout.form'
STEP = {SCHEDULE: 'step', BOUNDARIES: (3.0,)}


def build(sweep, **values):
    return experiment.build({'name': 'x', 'seeds': 1, 'sweep': sweep, **values})


def refusal(sweep, **values) -> str:
    with pytest.raises(UserError) as caught:
        build(sweep, **values)
    return str(caught.value)


def meant(message):
    """The sweep that a refusal says was meant."""
    written = message.partition('config.sweep = ')[2]
    functions = {name: getattr(expand, name) for name in ('grid', 'points', 'product', 'zipped')}
    return eval(written, {'union': expand.union, **functions})


# A sweep, what the complaint has, and what was meant.
UNREAD = {
    'momentum of SGD': (
        product(grid(NAME, 'sgd', 'momentum'), grid(MOMENTUM, 0.0, 0.5, 0.9)),
        (
            "momentum.momentum = 0.0 has no effect with optim.name = 'sgd'",
            "one where optim.name is 'momentum'",
        ),
        union(grid(NAME, 'sgd'), product(grid(NAME, 'momentum'), grid(MOMENTUM, 0.0, 0.5, 0.9))),
    ),
    'weight decay of momentum': (
        product(grid(DECAY, 0.0, 0.1), grid(NAME, 'momentum', 'adamw')),
        ("adamw.weight_decay = 0.0 has no effect with optim.name = 'momentum'", "'adamw'"),
        union(grid(NAME, 'momentum'), product(grid(DECAY, 0.0, 0.1), grid(NAME, 'adamw'))),
    ),
    'dropout after the pools of an MLP': (
        zipped(grid(NET, 'mlp', 'cnn', 'local'), grid(CONV, 0.0, 0.1, 0.2)),
        ("dropout.conv = 0.0 has no effect with model.name = 'mlp'",),
        union(
            grid(NET, 'mlp'),
            points({NET: 'cnn', CONV: 0.1}, {NET: 'local', CONV: 0.2}),
        ),
    ),
    'dropout without hidden layers': (
        product(grid(NET, 'mlp'), grid(HIDDEN, (), (8,)), grid(DROPPED, 0.0, 0.5)),
        ('dropout.hidden = 0.0 has no effect', 'no hidden dense layers'),
        union(
            points({NET: 'mlp', HIDDEN: ()}),
            product(grid(NET, 'mlp'), grid(HIDDEN, (8,)), grid(DROPPED, 0.0, 0.5)),
        ),
    ),
    'a point that says more than it needs': (
        points({NAME: 'sgd', MOMENTUM: 0.9}, {NAME: 'momentum', MOMENTUM: 0.9}),
        ("momentum.momentum = 0.9 has no effect with optim.name = 'sgd'",),
        union(grid(NAME, 'sgd'), points({NAME: 'momentum', MOMENTUM: 0.9})),
    ),
    'of a study': (
        product(grid('capacity.regressor', 'polynomial', 'network'), grid('capacity.degree', 1, 3)),
        ("capacity.degree = 1 has no effect with capacity.regressor = 'network'",),
        union(
            product(grid('capacity.regressor', 'polynomial'), grid('capacity.degree', 1, 3)),
            grid('capacity.regressor', 'network'),
        ),
    ),
}


@pytest.mark.parametrize('case', UNREAD)
def test_a_swept_field_that_one_setting_does_not_read_is_refused_with_what_was_meant(case):
    sweep, words, wanted = UNREAD[case]
    network = {'study': {'name': 'capacity'}, 'capacity': {'steps': 5}, 'model': {'name': 'mlp'}}
    study = network if case == 'of a study' else {}
    message = refusal(sweep, **study)
    assert message.startswith('sweep: ')
    assert '\n' not in message
    assert all(word in message for word in words), message
    mended, intended = build(meant(message), **study), build(wanted, **study)
    assert {run.id for run in mended.runs} == {run.id for run in intended.runs}


def test_no_two_settings_of_what_was_meant_are_the_same_run():
    found = build(UNREAD['momentum of SGD'][2])
    assert [(point[NAME], point[MOMENTUM]) for point in found.points] == [
        ('sgd', 0.9),  # the config's own, which nothing reads
        ('momentum', 0.0),
        ('momentum', 0.5),
        ('momentum', 0.9),
    ]


def test_a_long_sweep_is_spelled_out_in_short():
    many = product(grid(NAME, 'sgd', 'momentum'), grid(MOMENTUM, *(i / 1000 for i in range(999))))
    message = refusal(many)
    assert len(message) < 600
    assert "grid('momentum.momentum', 0.0, 0.001, 0.002, 0.003, …)" in message


@pytest.mark.parametrize(
    ('sweep', 'name'),
    [
        (grid(FACTOR, 0.1, 0.2), FACTOR),
        (product(grid(FORM, 'half', 'full'), grid('train.batch_size', 8, 16)), FORM),
        (grid(DROP_FORM, 'vanilla', 'inverted'), DROP_FORM),
        (grid(BETA, 1.0, 2.0), BETA),
        (grid('penalty.scope', 'weights', 'all'), 'penalty.scope'),
        (grid('data.folds', 2, 3), 'data.folds'),
    ],
)
def test_a_field_that_no_setting_reads_is_to_be_omitted(sweep, name):
    message = refusal(sweep)
    assert message.startswith(f'sweep: {name} = ')
    assert f'no setting reads {name}, so omit it from the sweep' in message


@pytest.mark.parametrize(
    'sweep',
    [
        product(grid(DROP_FORM, 'vanilla', 'inverted'), grid(DROPPED, 0.0, 0.5)),
        product(grid(BETA, 0.0, 10.0), grid(L1, 0.0, 1e-3)),
        product(grid(FORM, 'half', 'full'), grid(L2, 0.0, 1e-3)),
        points({**STEP, FACTOR: 1.0}, {**STEP, FACTOR: 0.1}),
    ],
)
def test_a_weight_of_0_is_a_point_that_curves_have_in_common(sweep):
    assert build(sweep).points


def test_but_each_value_must_be_read_somewhere():
    lonely = union(
        points({FORM: 'full', L2: 0.0}), product(grid(FORM, 'half'), grid(L2, 0.0, 1e-3))
    )
    assert "penalty.l2_form = 'full' has no effect with penalty.l2 = 0.0" in refusal(lonely)


def test_widths_that_another_stands_for_are_the_same_run():
    sweep = product(grid(NET, 'mlp'), grid(HIDDEN, (8,), (16,)), grid(WIDTH, 0, 4))
    message = refusal(sweep)
    assert 'are the same run, because model.width stands in the place' in message
    assert build(product(grid(NET, 'mlp'), grid(HIDDEN, (8,), (16, 16)), grid(WIDTH, 0, 4))).points


@pytest.mark.parametrize('given', ['hidden', 'setting'])
def test_a_network_of_a_users_is_swept_over_its_widths(given):
    functions = {
        'hidden': lambda outputs, hidden: None,
        'setting': lambda outputs, setting: None,
    }
    reads = (HIDDEN, WIDTH) if given == 'setting' else ()
    register.network('by_widths', reads=reads)(functions[given])
    of = lambda *sweeps: product(grid(NET, 'by_widths'), *sweeps)
    assert len(build(of(grid(HIDDEN, (8,), (16,), (16, 16)))).points) == 3
    assert len(build(of(grid(WIDTH, 0, 4, 8))).points) == 3
    both = of(grid(HIDDEN, (8,), (16,)), grid(WIDTH, 0, 4))
    if given == 'hidden':  # it is given (4,) twice
        assert 'are the same run, because model.width stands in the place' in refusal(both)
    else:
        assert len(build(both).points) == 4


def test_weights_that_a_rule_draws_itself_have_no_other_distribution():
    @register.init('drawn')
    def drawn(key, shape, fan_in, fan_out):
        return None

    @register.init('scaled')
    def scaled(fan_in, fan_out):
        return 1 / fan_in

    scheme, shape = 'init.scheme', 'init.distribution'
    every = product(grid(scheme, 'scaled', 'drawn'), grid(shape, 'normal', 'uniform'))
    message = refusal(every)
    assert "init.distribution = 'normal' has no effect with init.scheme = 'drawn'" in message
    assert "init.scheme is 'drawn', which draws the weights itself" in message
    assert len(build(meant(message)).points) == 3
    assert "init.distribution: 'uniform' has no effect" in refusal(
        (), init={'scheme': 'drawn', 'distribution': 'uniform'}
    )


@pytest.mark.parametrize(
    ('data', 'words'),
    [
        ({'name': 'digits', 'fallback': 'none'}, "data.fallback: 'none' has no effect because"),
        ({'name': 'circles', 'download': False}, "'circles', which is not looked for; it has one"),
        ({'name': 'wine', 'download': False}, "one where that is 'cifar10' or 'mnist' or"),
        ({'name': 'csv:x.csv?target=y', 'fallback': 'none'}, 'which is not looked for'),
        (
            {'name': 'of_mine', 'fallback': 'none'},
            "data.name is 'of_mine', which is not looked for",
        ),
        ({'name': 'rings', 'split': 'random'}, "'rings', of which each part is generated"),
        ({'name': 'rings', 'split': 'random', 'folds': 3}, ''),
        ({'name': 'digits', 'split': 'random'}, ''),
        ({'name': 'mnist', 'fallback': 'none', 'download': False}, ''),
        ({'name': 'cifar10_patch', 'fallback': 'none', 'download': False}, ''),
        ({'name': 'digits', 'dir': '/data'}, ''),  # a notice
    ],
)
def test_how_data_are_had_decides_what_is_read_of_it(monkeypatch, data, words):
    monkeypatch.setattr(DATASETS, '_names', [*DATASETS, 'of_mine'])
    sweep = grid('data.fold', 1, 2) if 'folds' in data else ()
    sizes = {'train_size': 60, 'validation_size': 20}
    if words:
        assert words in refusal(sweep, data=sizes | data)
    else:
        assert build(sweep, data=sizes | data)


def test_the_generated_data_sets_are_known():
    assert set(GENERATED) == set(WORLDS)


def test_what_the_base_says_need_be_read_by_one_setting_only():
    found = build(grid(NAME, 'sgd', 'momentum'), momentum={'momentum': 0.5})
    assert len(found.points) == 2
    assert 'momentum.momentum: 0.5 has no effect because optim.name is' in refusal(
        grid(NAME, 'sgd', 'rmsprop'), momentum={'momentum': 0.5}
    )


def test_masks_are_averaged_over_where_units_are_dropped():
    masks = {'train': {'mc_samples': (5,)}}
    assert 'train.mc_samples: (5,) has no effect because no unit is dropped' in refusal((), **masks)
    assert build(grid(DROPPED, 0.0, 0.5), **masks).points
    ways = grid('train.mc_combine', ('probabilities',), ('logits',))
    message = refusal(ways, dropout={'hidden': 0.5})
    assert 'has no effect because train.mc_samples is ()' in message


def test_rounds_that_a_search_added_have_every_field_of_the_best():
    sweep = union(grid(NAME, 'sgd'), product(grid(NAME, 'momentum'), grid(MOMENTUM, 0.5, 0.9)))
    grown = rounds(sweep, points({NAME: 'sgd', MOMENTUM: 0.9, 'penalty.l2': 0.1}))
    effect.check_swept(Setting(), grown)


def test_a_registered_tweak_has_an_effect_where_it_has_a_place():
    @tweak('of_pools', where='conv')
    def of_pools(key, x, strength, train):
        return x * (1 - strength)

    @tweak('declared', where='conv')
    def declared(key, x, train, *, by=traced(0.0, 'how much', off=0.0)):
        return x * (1 - by)

    for field in ('tweaks.of_pools', 'declared.by'):
        sweep = product(grid(NET, 'mlp', 'cnn'), grid(field, 0.0, 0.5))
        assert "model.name is 'mlp'; it has one where model.name is 'cnn' or" in refusal(sweep)
        build(meant(refusal(sweep)))


def test_a_parameter_of_a_part_that_is_off_has_no_effect():
    @register.augment('noisy')
    def noisy(key, images, *, a=traced(0.0, 'a', off=0.0), b=traced(1.0, 'b')):
        return images * (1 + a * b)

    sweep = product(grid('noisy.a', 0.0, 0.5), grid('noisy.b', 1.0, 2.0))
    message = refusal(sweep)
    assert 'noisy.b = 1.0 has no effect' in message
    assert 'noisy.a is 0.0' in message
    assert len(build(meant(message)).points) == 3
    assert 'noisy.b = 1.0' in refusal(grid('noisy.b', 1.0, 2.0))
    assert 'noisy.b: 2.0 has no effect because noisy.a is 0.0' in refusal((), noisy={'b': 2.0})


def test_a_record_of_such_runs_is_still_read():
    values = {'name': 'x', 'sweep': UNREAD['momentum of SGD'][0], 'names': (('no', 'x'),)}
    assert len(experiment.build(values, on_record=True).points) == 6


OVERRIDES = {
    'optim.learning_rate': ('is swept (0.1, 0.2), so that to set it would change nothing',),
    'train.batch_size': ('is swept (8), so that to set it would change only some settings',),
    'step.factor': ('0.1 has no effect because schedule.name is', "'step'"),
    'adamw.weight_decay': ('0.0 has no effect because optim.name is', "'adamw'"),
}


@pytest.mark.parametrize('name', OVERRIDES)
def test_an_override_without_effect_is_an_error_that_says_so(name):
    rates = grid('optim.learning_rate', 0.1, 0.2)
    sweep = union(rates, product(rates, grid('train.batch_size', 8)))
    with pytest.raises(UserError) as caught:
        experiment.build({'name': 'x', 'sweep': sweep}, overrides=[name])
    assert str(caught.value).startswith(f'config.{name}: ')
    assert all(word in str(caught.value) for word in OVERRIDES[name])


def test_an_override_of_all_else_is_taken():
    values = {'name': 'x', 'sweep': grid('optim.learning_rate', 0.1, 0.2), 'seeds': 7}
    names = ['seeds', 'train.epochs', 'sweep', 'execution.batching']
    assert experiment.build(values, overrides=names).seeds == 7


@pytest.mark.parametrize('name', [name for name in trace.FIELDS if name != 'study.name'])
def test_every_field_can_have_an_effect(name):
    """What is refused somewhere is taken somewhere else."""
    settings = [
        Setting(),
        trace.replace(
            Setting(),
            {
                'optim.name': 'adamw',
                NET: 'mlp',
                FACTOR: 0.5,
                'train.select': 'best_loss',
                'init.scheme': 'sigma',
                'model.norm': 'batch',
                'data.folds': 2,
                'data.fold': 1,
                L1: 0.1,
                L2: 0.1,
                DROPPED: 0.5,
                'train.mc_samples': (5,),
                **STEP,
            },
        ),
    ]
    when = trace.FIELDS[name].rule.when if name in parts.FIELDS else None
    settings += [trace.replace(Setting(), {when[0]: when[1][0], **STEP})] if when else []
    settings.append(trace.replace(Setting(), {'loss.name': 'mse'}))
    settings += [trace.replace(Setting(), {SCHEDULE: one}) for one in parts.of_slot('schedule')]
    settings += [
        trace.replace(Setting(), {field: 0.5})
        for field, part in parts.strengths().items()
        if name in part.fields
    ]
    settings += [trace.replace(Setting(), {'study.name': study, NET: 'mlp'})
                 for study in ('gradcheck', 'gradcheck_layers', 'signal_propagation',
                               'dropout_linear', 'model_summary', 'bias_variance')]  # fmt: skip
    assert any(effect.reason(setting, name) is None for setting in settings)
