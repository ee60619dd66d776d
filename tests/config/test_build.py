"""Configs are either a plan that can be carried out or one line that says what is wrong."""

import json

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from ml_collections import ConfigDict

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import parts, trace
from jaxtweaks.config.build import to_dict
from jaxtweaks.config.check import check_image, check_settings, check_training_size
from jaxtweaks.config.settings import Model, Setting
from jaxtweaks.lab import experiment
from jaxtweaks.nn import models


def refused(**values) -> str:
    with pytest.raises(UserError) as caught:
        experiment.build({'name': 'x', **values})
    return str(caught.value)


# What is given, and the words the message must have.
WRONG = {
    'unknown key': ({'train': {'batchsize': 3}}, ('train.batchsize', "'batch_size'")),
    'unknown section': ({'modle': {}}, ('modle', "'model'")),
    'no section': ({'train': 5}, ('train', '5', 'dict')),
    'none': ({'train': {'epochs': None}}, ('train.epochs', 'None', 'integer')),
    'string for number': ({'optim': {'learning_rate': '0.1'}}, ("'0.1'", 'number')),
    'bool for integer': ({'seeds': True}, ('seeds', 'True', 'integer', '≥ 1')),
    'bool for number': ({'dropout': {'hidden': True}}, ('dropout.hidden', 'True', 'number')),
    'integer for bool': ({'data': {'download': 1}}, ('data.download', '1', 'True or False')),
    'float for integer': ({'train': {'epochs': 2.0}}, ('train.epochs', '2.0', 'integer')),
    'rate above 1': ({'dropout': {'hidden': 1.5}}, ('dropout.hidden', '1.5', '≥ 0 and ≤ 1')),
    'negative rate': ({'dropout': {'input': -0.1}}, ('dropout.input', '-0.1')),
    'nan': ({'optim': {'learning_rate': float('nan')}}, ('optim.learning_rate', 'nan')),
    'infinite': ({'penalty': {'l2': float('inf')}}, ('penalty.l2', 'inf', '≥ 0')),
    'beyond floats': ({'penalty': {'l2': 10**400}}, ('penalty.l2', '≥ 0')),
    'zero epsilon': ({'adam': {'epsilon': 0.0}}, ('adam.epsilon', '> 0')),
    'zero seeds': ({'seeds': 0}, ('seeds', '0', '≥ 1')),
    'negative seeds': ({'seeds': -3}, ('seeds', '-3', '≥ 1')),
    'huge seeds': ({'seeds': 10**30}, ('seeds', '≤ 10000')),
    'seed beyond 32 bits': ({'first_seed': 2**32}, ('first_seed', '4294967296')),
    'split beyond 32 bits': ({'data': {'split_seed': 2**64}}, ('data.split_seed', '≤ 4e')),
    'beyond 64 bits': ({'train': {'train_eval_size': 2**63}}, ('train.train_eval_size', '64 bits')),
    'more snapshots than epochs': (
        {'train': {'epochs': 3, 'snapshots': 10**9}},
        ('train.snapshots', '1000000000', 'train.epochs (3)'),
    ),
    'large batch': (
        {'data': {'train_size': 100}, 'train': {'batch_size': 101}},
        ('train.batch_size', '101', '≤ 100'),
    ),
    'one batch has no variance': (
        {'train': {'gradient_batches': 1}}, ('train.gradient_batches', '1', '≥ 2')
    ),
    'one fold': ({'data': {'folds': 1}}, ('data.folds', '1', '≥ 2')),
    'fold of none': ({'data': {'fold': 1}}, ('data.fold', '1', 'data.folds ≥ 2')),
    'fold beyond the last': (
        {'data': {'folds': 3}, 'sweep': ('grid', 'data.fold', (3, 4))},
        ('data.fold', '4', 'at most data.folds (3)'),
    ),
    'folds that nothing holds out': ({'data': {'folds': 3}}, ('data.folds', '3', '1 … 3')),
    'fold of a share': (
        {'data': {'folds': 3, 'fold': 1, 'share': 0.5}}, ('data.share', '0.5', 'data.fold')
    ),
    'evaluation on what may be the fold': (
        {'data': {'folds': 3, 'fold': 1}, 'train': {'train_eval_size': 1}},
        ('train.train_eval_size', '1', '≥ 2'),
    ),
    'initialiser': ({'init': {'scheme': 'glorott'}}, ('init.scheme', "'glorott'", "'glorot'")),
    'optimiser': ({'optim': {'name': 'addam'}}, ('optim.name', "'addam'", "'adam'")),
    'case': ({'optim': {'name': 'Adam'}}, ('optim.name', "'adam'")),
    'zero width': ({'model': {'hidden': (0,)}}, ('model.hidden', '0', '≥ 1')),
    'no tuple': ({'model': {'hidden': 5}}, ('model.hidden', '5', 'tuple')),
    'unread dropout': (
        {'model': {'name': 'mlp'}, 'dropout': {'conv': 0.5}},
        ('dropout.conv', '0.5', "model.name is 'mlp'", "'cnn'"),
    ),
    'unread momentum': (
        {'batch': {'momentum': 0.5}},
        ('batch.momentum', '0.5', "model.norm is 'none'", "'batch'"),
    ),
    'a place of no norm': (
        {'model': {'norm_place': 'after'}}, ('norm_place', "model.norm is 'none'")
    ),
    'batch norm as it was': (
        {'model': {'batch_norm': 'after'}}, ('model.norm', 'model.norm_place')
    ),
    'a field that has moved': (
        {'optim': {'momentum': 0.5}}, ('optim.momentum', 'nesterov.momentum')
    ),
    'unread decay': ({'adamw': {'weight_decay': 0.1}}, ('adamw.weight_decay', "'adamw'")),
    'unread sigma': ({'sigma': {'sigma': 0.1}}, ('sigma.sigma', "'sigma'")),
    'unread in a sweep': (
        {'sweep': ('grid', 'step.factor', (0.1, 0.2))},
        ('step.factor', "'step'"),
    ),
    'minimum above the rate': (
        {'schedule': {'name': 'cosine'}, 'cosine': {'minimum': 1.0}},
        ('cosine.minimum', '1.0', 'optim.learning_rate'),
    ),
    'elastic net of nothing': (
        {'penalty': {'elastic': 2.0}},
        ('penalty.elastic', '2.0', 'penalty.l1'),
    ),
    'boundaries fall': (
        {'schedule': {'name': 'step'}, 'step': {'boundaries': (2.0, 1.0)}},
        ('step.boundaries', '(2.0, 1.0)'),
    ),
    'unread ensemble': ({'ensemble': {'sizes': (2,)}}, ('ensemble.sizes', "'ensemble'")),
    'unread rules': (
        {'stopping': {'rules': ({'name': 'a', 'kind': 'epochs', 'epochs': 1},)}},
        ('stopping.rules', "'stopping'"),
    ),
    'unread samples': ({'search': {'samples': 3}}, ('search.samples', '3', 'search.rounds is 0')),
    'unread zoom': (
        {'search': {'rounds': 1, 'zoom': 0.5}, 'sweep': ('grid', 'adam.b1', (0.1, 0.2))},
        ('search.zoom', '0.5', 'search.rounds is 1'),
    ),
    'unread share': (
        {'search': {'rounds': 2, 'keep': 0.5}, 'sweep': ('grid', 'adam.b1', (0.1, 0.2))},
        ('search.keep', '0.5', 'search.rungs'),
    ),
    'unread execution': (
        {'study': {'name': 'model_summary'}, 'execution': {'group_size': 3}},
        ('execution.group_size', '3', "'model_summary'"),
    ),
    **{
        f'unread of a polynomial: {section}.{field}': (
            {'study': {'name': 'capacity'}, section: {field: value}},
            (f'{section}.{field}', 'has no effect', 'penalty.l2'),
        )
        for section, field, value in (
            ('penalty', 'l1', 0.1),
            ('optim', 'name', 'sgd'),
            ('model', 'hidden', (3,)),
            ('init', 'scheme', 'lecun'),
        )
    },
    **{
        f'unread of a gradient check: data.{field}': (
            {'study': {'name': 'gradcheck'}, 'data': {field: 0.5}},
            (f'data.{field}', 'has no effect', 'data.standardise'),
        )
        for field in ('scale', 'share', 'bootstrap', 'label_noise')
    },
    'name is a path': ({'name': '../up'}, ('name', "'../up'", 'letters')),
    'metric of the table': ({'table': ('test_acuracy',)}, ('table', "'test_accuracy'")),
    'figure': ({'figures': ({'name': 'a', 'kind': 'curve'},)}, ('figures[0]', "'curves'")),
    'figure of nothing swept': (
        {'figures': ({'name': 'a', 'kind': 'effect', 'title': 't', 'metrics': ('test_loss',),
                      'x': 'train.epochs'},)},
        ('a', "'train.epochs'", 'not swept'),
    ),
    'labels of several splits': (
        {'sweep': ('grid', 'data.validation_size', (10, 20)),
         'figures': ({'name': 'a', 'kind': 'labels', 'title': 't'},)},
        ('data.validation_size', "kind 'labels'"),
    ),
    'splits of a study': (
        {'study': {'name': 'gradcheck'}, 'sweep': ('grid', 'data.split_seed', (0, 1))},
        ('data.split_seed', "the study 'gradcheck'"),
    ),
    'claim': ({'claims': ({'sentence': 's'},)}, ('claims[0].source', 'missing')),
    'array': ({'model': {'hidden': np.ones(3)}}, ('model.hidden', 'tuple')),
    'number of numpy': ({'train': {'epochs': np.float64(3.5)}}, ('train.epochs', '3.5', 'integer')),
    'object in a claim': (
        {'claims': ({'sentence': 's', 'source': 'd', 'kind': 'greater', 'metric': 'test_loss',
                     'a': {'train.epochs': object()}},)},
        ('claims[0].a.train.epochs', 'object'),
    ),
}  # fmt: skip


@pytest.mark.parametrize('case', WRONG)
def test_a_wrong_setting_is_named_with_what_is_right(case):
    values, words = WRONG[case]
    message = refused(**values)
    assert all(word in message for word in words), message


def test_one_line_of_one_error():
    assert '\n' not in refused(train={'epochs': 'a\nb'})


def test_the_config_of_every_default_is_valid_and_comes_back_from_json():
    found = experiment.build(experiment.default_config('x'))
    named = {name: parts.default(name) for name in parts.FIELDS}
    assert found.base == trace.replace(Setting(), named)
    again = experiment.build(json.loads(json.dumps(to_dict(found))) | {'sweep': ()})
    assert again == found


def test_a_config_dict_and_a_dict_are_the_same():
    values = {'name': 'x', 'train': {'epochs': 3}, 'model': {'hidden': (4, 5)}}
    assert experiment.build(ConfigDict(values)) == experiment.build(values)


def test_an_integer_is_a_number():
    found = experiment.build({'name': 'x', 'optim': {'learning_rate': 1}})
    assert type(found.base.optim.learning_rate) is float


def test_values_of_numpy_in_a_claim_become_plain():
    found = experiment.build(
        {
            'name': 'x',
            'sweep': ('grid', 'train.batch_size', (8, 16)),
            'claims': (
                {
                    'sentence': 's',
                    'source': 'd',
                    'kind': 'greater',
                    'metric': 'test_loss',
                    'a': {'train.batch_size': np.int64(8)},
                    'b': {'train.batch_size': 16},
                },
            ),
        }
    )
    assert json.loads(json.dumps(to_dict(found)))['claims'][0]['a'] == {'train.batch_size': 8}


def test_the_batch_must_fit_the_real_training_set():
    with pytest.raises(UserError, match=r'train\.batch_size: 32 .*20 images of digits.*≤ 20'):
        check_training_size([Setting()], 20, 'digits')
    check_training_size([Setting()], 32, 'digits')


def test_the_folds_must_fit_the_real_training_set():
    setting = trace.replace(Setting(), {'data.folds': 33, 'data.fold': 1})
    with pytest.raises(UserError, match=r'data\.folds: 33 .*32 training images of digits'):
        check_training_size([setting], 32, 'digits')
    check_training_size([setting], 33, 'digits')


def test_images_must_survive_the_pools():
    check_image([Setting()], (32, 32))
    for name in ('cnn', 'local'):
        one = Setting(model=Model(name))
        with pytest.raises(UserError, match=r'model\.channels: block 2 of 2 .* 8 × 32'):
            check_image([one], (8, 32))


def test_linearity_is_that_of_hidden_units():
    asked = {'train.linearity': True, 'model.name': 'mlp'}
    check_settings([trace.replace(Setting(), asked)])
    with pytest.raises(UserError, match=r'train\.linearity: .*no hidden units'):
        check_settings([trace.replace(Setting(), {**asked, 'model.hidden': ()})])


@pytest.mark.parametrize(('name', 'least'), [('vgg16', (32, 32)), ('convnet1d', (260, 1))])
def test_published_networks_need_images_of_some_size(name, least):
    """What is refused is what leaves the dense layers no inputs."""
    one = Setting(model=Model(name))
    check_image([one], least)
    with pytest.raises(UserError, match=rf"model\.name: '{name}' .* {least[0]} × {least[1]}"):
        check_image([one], (least[0] - 1, least[1]))

    def inputs_of_the_dense_layers(height):
        x = jax.ShapeDtypeStruct((2, height, least[1], 1), np.float32)
        network = models.build(trace.join(*trace.split(one)), 3)
        init = lambda x: network.init(jax.random.key(0), x, train=False)
        return jax.eval_shape(init, x)['params']['Dense_0']['kernel'].shape[0]

    assert inputs_of_the_dense_layers(least[0]) > 0
    with pytest.raises(UserError, match='ZeroDivisionError'):  # no fan-in
        inputs_of_the_dense_layers(least[0] - 1)


def test_bounds_are_allowed():
    found = experiment.build(
        {'name': 'x', 'dropout': {'hidden': 1.0, 'input': 0.0}, 'optim': {'learning_rate': 0.0}}
    )
    assert found.base.dropout.hidden == 1.0


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 40),
    st.sampled_from([10**400, -(2**63), 2**31, -0.0, float('nan'), float('inf'), 1e-320]),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(['a\nb', '', 'adam', 'cnn', 'train.epochs', 'grid', 'zip', 'points']),
    st.binary(max_size=2),
    st.sampled_from([np.float32(1), np.int64(2), np.bool_(True), np.zeros(2), object(), set()]),
)
things = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.one_of(st.text(max_size=4), st.integers()), inner, max_size=2),
    ),
    max_leaves=6,
)
SECTIONS = {name.split('.')[0] for name in trace.FIELDS}
fields = st.sampled_from(sorted(trace.FIELDS))


def section(name):
    keys = [field.split('.')[1] for field in trace.FIELDS if field.startswith(f'{name}.')]
    return st.dictionaries(st.sampled_from([*keys, 'no\nsuch']), things, max_size=2)


sweeps = st.recursive(
    st.one_of(
        st.tuples(st.just('grid'), fields, st.lists(scalars, max_size=3)),
        st.tuples(st.just('points'), st.lists(st.tuples(fields, scalars), max_size=2)),
        st.tuples(st.just('log_uniform'), fields, scalars, scalars, scalars, scalars),
        things,
    ),
    lambda inner: st.tuples(st.sampled_from(['product', 'zip', 'union', 'unoin']), inner, inner),
    max_leaves=4,
)
figure = st.fixed_dictionaries(
    {'name': st.just('f'), 'kind': st.sampled_from(['curves', 'labels']), 'title': st.just('t')},
    optional={'where': things, 'names': things, 'metrics': things, 'marks': things, 'hue': fields},
)
configs = st.fixed_dictionaries(
    {'name': st.just('x')},
    optional={name: st.one_of(section(name), section(name), things) for name in SECTIONS}
    | {'sweep': sweeps, 'seeds': scalars, 'first_seed': scalars, 'table': things}
    | {'names': things, 'figures': st.one_of(things, st.tuples(figure)), 'claims': things}
    | {'no such': things},
)


@given(values=configs)
@example(values={'name': 'x', 'sweep': ([1],)})
@example(values={'name': 'x', 'sweep': ('log_uniform', 'penalty.l2', 1, 10**400, 2, 0)})
@example(values={'name': 'x', 'penalty': {'l2': 10**400}})
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_given_is_a_plan_or_a_user_error(values):
    try:
        found = experiment.build(values)
    except UserError:
        return
    json.dumps(to_dict(found), allow_nan=False)  # what is believed can be written down
    assert found.runs


def test_the_keys_of_the_base_setting_stand_next_to_those_of_the_experiment():
    found = experiment.build({'name': 'x', 'train': {'epochs': 7}, 'seeds': 4})
    assert (found.base.train.epochs, found.seeds) == (7, 4)
    written = to_dict(found)
    assert list(written)[: len(to_dict(found.base))] == list(to_dict(found.base))
    assert (written['train']['epochs'], written['name']) == (7, 'x')
    assert 'base' not in written
    assert 'base' not in experiment.default_config('x')
    assert experiment.build(written | {'sweep': ()}) == found
    with pytest.raises(UserError, match="unknown key 'base'"):
        experiment.build({'name': 'x', 'base': {}})
    with pytest.raises(UserError, match="unknown key 'base'"):
        experiment.check_key('base.train.epochs')
