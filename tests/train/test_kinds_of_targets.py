"""Every loss and metric of every kind of targets against independent references."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import metrics as reference

from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.metrics import Metric
from jaxtweaks.config import measured, parts, register, trace
from jaxtweaks.config.fields import traced
from jaxtweaks.config.settings import Setting
from jaxtweaks.train import evaluate
from jaxtweaks.train.data import DeviceData, DeviceSplit
from jaxtweaks.train.losses import losses_of
from jaxtweaks.train.measures import measures_of
from jaxtweaks.train.targets import KINDS

COUNT, WIDTH = 23, 4
_rng = np.random.default_rng(0)
OUTPUTS = 2 * _rng.normal(size=(COUNT, WIDTH))
TARGETS = {
    'classes': _rng.integers(0, WIDTH, COUNT),
    'float': OUTPUTS + _rng.normal(size=(COUNT, WIDTH)),
    'multilabel': (_rng.random((COUNT, WIDTH)) < 0.4).astype(float),
}
LOSSES = parts.of_slot('loss')
METRICS = parts.of_slot('metric')


def setting(loss, **values):
    return trace.replace(Setting(), {'loss.name': loss} | values)


def kind_of(name):
    return measured.targets_of(setting(name))


def single(array):
    kind = jnp.int32 if array.dtype.kind == 'i' else jnp.float32
    return jnp.asarray(array, kind)


TORCH = {
    'mse': (lambda torch, z, y: torch.mse_loss(z, y, reduction='none'), {}),
    'mae': (lambda torch, z, y: torch.l1_loss(z, y, reduction='none'), {}),
    'huber': (
        lambda torch, z, y: torch.huber_loss(z, y, reduction='none', delta=0.7),
        {'huber.delta': 0.7},
    ),
    'binary_cross_entropy': (
        lambda torch, z, y: torch.binary_cross_entropy_with_logits(z, y, reduction='none'), {},
    ),
}  # fmt: skip


@pytest.mark.parametrize('name', TORCH)
def test_a_loss_and_its_gradient_are_those_of_pytorch(torch, name):
    function, values = TORCH[name]
    targets = TARGETS[kind_of(name)]
    z = torch.tensor(OUTPUTS, requires_grad=True)
    expected = function(torch.nn.functional, z, torch.tensor(targets)).mean(1)
    expected.sum().backward()
    one = setting(name, **values)
    with jax.enable_x64(True):
        given = jnp.asarray(OUTPUTS), jnp.asarray(targets)
        found, pull = jax.vjp(lambda z: losses_of(one, z, given[1]), given[0])
        np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-12)
        (gradient,) = pull(jnp.ones(COUNT))
        np.testing.assert_allclose(gradient, z.grad.numpy(), rtol=1e-12, atol=1e-14)


# Of the errors ½ and −2: Huber's with δ = 0.7 is ½ · ½² = 0.125 and 0.7 · (2 − 0.35) = 1.155.
BY_HAND = {
    'mse': ((0.25 + 4) / 2, [0.5, -2]),
    'mae': ((0.5 + 2) / 2, [0.5, -0.5]),
    'huber': ((0.125 + 1.155) / 2, [0.25, -0.35]),
}


@pytest.mark.parametrize('name', BY_HAND)
def test_a_loss_of_numbers_and_its_gradient_by_hand(name):
    one = setting(name, **TORCH[name][1])
    loss = lambda z: losses_of(one, z, jnp.array([[1.0, 1.0]]))[0]
    found = jax.value_and_grad(loss)(jnp.array([[1.5, -1.0]]))
    np.testing.assert_allclose(found[0], BY_HAND[name][0], rtol=1e-6)
    np.testing.assert_allclose(found[1], [BY_HAND[name][1]], rtol=1e-6)


@pytest.mark.parametrize('name', LOSSES)
def test_the_contract_of_losses(name):
    """Finite with its gradient, vmapped as alone, and one program for its traced numbers."""
    part, kind = LOSSES[name], kind_of(name)
    labels = single(TARGETS[kind])
    fields = [field for field, one in part.fields.items() if one.rule.kind == 'traced']
    compiled = 0

    @jax.jit
    def loss(hyper, z):
        nonlocal compiled
        compiled += 1
        return jnp.mean(losses_of(trace.replace(setting(name), hyper), z, labels))

    values = {field: parts.default(field) for field in fields}
    hypers = [values, {field: value + 0.5 for field, value in values.items()}]
    alone = [jax.value_and_grad(loss, 1)(hyper, 100 * single(OUTPUTS)) for hyper in hypers]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(alone))
    assert compiled == 1
    both = {field: jnp.asarray([hyper[field] for hyper in hypers]) for field in fields}
    if fields:
        together = jax.vmap(loss, (0, None))(both, single(OUTPUTS))
        plain = [float(loss(hyper, single(OUTPUTS))) for hyper in hypers]
        np.testing.assert_allclose(together, plain, rtol=1e-6)
        assert plain[0] != plain[1]


@pytest.mark.parametrize('name', METRICS)
def test_the_contract_of_metrics(name):
    """A number of whole splits that has words, whatever the order, and vmapped as alone."""
    part = METRICS[name]
    kind = part.facts['targets']
    given = single(OUTPUTS), single(TARGETS[kind])
    value = float(part.build(*given))
    order = np.random.default_rng(1).permutation(COUNT)
    assert float(part.build(*(one[order] for one in given))) == pytest.approx(value, rel=1e-5)
    two = [jnp.stack([one, one[::-1]]) for one in given]
    np.testing.assert_allclose(jax.vmap(part.build)(*two), value, rtol=1e-5)
    one = metrics.of(f'test_{name}')
    assert one.sign != 0
    assert one.split == 'test'
    assert one.label.startswith('test ')


def _losses(y, z):
    """Cross-entropy of each example, in float64."""
    z = z - z.max(1, keepdims=True)
    return np.log(np.exp(z).sum(1)) - z[np.arange(len(z)), y]


SKLEARN = {
    'loss_deviation': lambda y, z: _losses(y, z).std(),
    'loss_variation': lambda y, z: (
        _losses(y, z).std()
        / reference.log_loss(y, np.exp(z) / np.exp(z).sum(1, keepdims=True), labels=range(WIDTH))
    ),
    'mse': reference.mean_squared_error,
    'rmse': lambda y, z: np.sqrt(reference.mean_squared_error(y, z)),
    'mae': reference.mean_absolute_error,
    'r2': reference.r2_score,
    'label_accuracy': lambda y, z: 1 - reference.hamming_loss(y, z > 0),
    'exact_match': lambda y, z: reference.accuracy_score(y, z > 0),
    'micro_f1': lambda y, z: reference.f1_score(y, z > 0, average='micro'),
}


@pytest.mark.parametrize('name', METRICS)
def test_a_metric_is_that_of_scikit_learn(name):
    targets = TARGETS[METRICS[name].facts['targets']]
    found = METRICS[name].build(single(OUTPUTS), single(targets))
    assert float(found) == pytest.approx(SKLEARN[name](targets, OUTPUTS), rel=1e-5)


@pytest.mark.parametrize('kind', KINDS)
def test_the_mean_of_several_outputs(kind):
    several = np.random.default_rng(2).normal(size=(3, 5, WIDTH)) * [[[1.0]], [[5.0]], [[300.0]]]
    found = KINDS[kind].mean(single(several))
    if kind == 'float':
        np.testing.assert_allclose(found, several.mean(0), rtol=1e-4, atol=1e-4)
        return
    if kind == 'classes':
        e = np.exp(several - several.max(-1, keepdims=True))
        mean = (e / e.sum(-1, keepdims=True)).mean(0)
        np.testing.assert_allclose(np.exp(found), mean, rtol=1e-4, atol=1e-6)
        return
    mean = (1 / (1 + np.exp(-several))).mean(0)
    np.testing.assert_allclose(1 / (1 + np.exp(-np.asarray(found, float))), mean, rtol=1e-4)


def data(kind, mean=None, std=None):
    images = single(OUTPUTS[:, None, None, :])
    split = DeviceSplit(images, single(TARGETS[kind]))
    zero, one = jnp.zeros((1, 1, WIDTH)), jnp.ones((1, 1, WIDTH))
    return DeviceData(split, split, split, zero, one, target_mean=mean, target_std=std)


def network(x):
    """The outputs that the images hold."""
    return x[:, 0, 0]


def test_metrics_of_numbers_are_in_their_unit_and_the_loss_is_not():
    mean, std = jnp.array([100.0, 0, 0, 0]), jnp.array([10.0, 1, 1, 1])
    given = data('float', mean, std)
    measures = measures_of(setting('mse'))
    # Batches that do not divide the split, so that a mean over them would be another.
    found = evaluate.evaluate(
        network, given, given.test, WIDTH, keep_logits=True, batch=5, measures=measures
    )
    error = (OUTPUTS - TARGETS['float']) * np.asarray(std)
    assert float(found['loss']) == pytest.approx(
        np.square(OUTPUTS - TARGETS['float']).mean(), rel=1e-5
    )
    assert float(found['mse']) == pytest.approx(np.square(error).mean(), rel=1e-4)
    unit = OUTPUTS * np.asarray(std) + np.asarray(mean)
    np.testing.assert_allclose(found['logits'], unit, rtol=1e-6)
    assert set(evaluate.scalars(found)) == {'loss', 'mse', 'rmse', 'mae', 'r2'}


def test_what_counts_several_times_is_there_several_times():
    given, measures = data('float'), measures_of(setting('mse'))
    times = np.zeros(COUNT, np.int32)
    times[[1, 4]] = COUNT - 3, 3
    found = evaluate.evaluate(
        network, given, given.test, WIDTH, times=jnp.asarray(times), measures=measures
    )
    error = np.repeat(OUTPUTS - TARGETS['float'], times, axis=0)
    assert float(found['mae']) == pytest.approx(abs(error).mean(), rel=1e-5)
    assert float(found['loss']) == pytest.approx(np.square(error).mean(), rel=1e-5)


def test_a_network_that_diverged_has_no_metrics():
    given = data('float')
    broken = lambda x: network(x).at[0, 0].set(jnp.inf)
    found = evaluate.evaluate(
        broken, given, given.test, WIDTH, measures=measures_of(setting('mae'))
    )
    assert np.isnan(float(found['r2']))


def test_a_metric_of_ones_own_is_measured_of_classes_next_to_the_accuracy():
    @register.metric('sharpness', label='mean of the highest logit', better='high')
    def sharpness(outputs, labels, *, scale=traced(1.0, 'a factor')):
        assert outputs.shape == (COUNT, WIDTH)
        assert labels.shape == (COUNT,)
        return scale * jnp.mean(jnp.max(outputs, 1))

    one = setting('cross_entropy', **{'train.metrics': ('sharpness',), 'sharpness.scale': 2.0})
    measured.check(one)
    given = data('classes')
    run = functools.partial(evaluate.evaluate, network, given, given.test, WIDTH)
    found, plain = run(measures=measures_of(one), batch=5), run()
    assert float(found['sharpness']) == pytest.approx(2 * OUTPUTS.max(1).mean(), rel=1e-5)
    assert 'logits' not in found
    assert 'sharpness' not in plain
    assert float(found['accuracy']) == float(plain['accuracy'])
    assert 'best_sharpness' in trace.FIELDS['train.select'].rule.choices
    assert metrics.of('log_validation_sharpness').signed


LOSS_COMPLAINTS = {
    'an unknown kind': ({'targets': 'number'}, "targets is 'number'"),
    'an unknown metric': ({'metrics': ('mze',)}, "no metric 'mze'; did you mean 'mse'"),
    'no metric': ({'metrics': (3,)}, 'metrics has 3'),
    'accuracy of numbers': (
        {'targets': 'float', 'metrics': register.CLASSIFICATION}, 'accuracy is of classes',
    ),
    'another of the name': ({'metrics': (Metric('mse', 'x', better='high'),)}, 'of this name'),
}  # fmt: skip


@pytest.mark.parametrize('case', LOSS_COMPLAINTS)
def test_what_a_loss_cannot_be_is_refused(case):
    facts, message = LOSS_COMPLAINTS[case]
    with pytest.raises(UserError, match=message):
        register.loss('mine', **facts)(lambda outputs, targets: outputs[:, 0])


METRIC_COMPLAINTS = {
    'a built-in name': ('accuracy', {}, 'built-in metric'),
    'a taken name': ('calibration', {}, 'something else'),
    'the name of another metric': ('calibration_error', {}, "'test_calibration_error' means"),
    'two words': ('my metric', {}, 'letters'),
    'an unknown end': ('mine', {'better': 'up'}, "'low', 'high'"),
    'an unknown kind': ('mine', {'targets': 'x'}, "targets is 'x'"),
    'a built-in part': ('r2', {'label': 'R²', 'better': 'high'}, 'built-in part'),
}


@pytest.mark.parametrize('case', METRIC_COMPLAINTS)
def test_what_a_metric_cannot_be_is_refused(case):
    name, facts, message = METRIC_COMPLAINTS[case]
    with pytest.raises(UserError, match=message):
        register.metric(name, **facts)(lambda outputs, targets: 0.0)
    assert metrics.measure('r2').label == 'R²'


def test_a_metric_has_no_name_that_would_be_a_gap():
    message = "metric 'gap_loss': 'test_gap_loss' would be a gap too"
    with pytest.raises(UserError, match=message):
        register.metric('gap_loss', better='high')(lambda outputs, targets: 0.0)
    assert metrics.of('test_gap_loss').better == 'low'
    register.metric('gap_inside', better='high')(lambda outputs, targets: 0.0)
    with pytest.raises(UserError, match="metric 'inside': 'test_gap_inside' would be a gap too"):
        register.metric('inside', better='high')(lambda outputs, targets: 0.0)
    register.metric('gap_inside', better='low')(lambda outputs, targets: 0.0)


def test_a_metric_must_give_a_number():
    register.metric('errors', better='low', targets='float')(lambda z, y: z - y)
    one = setting('mse', **{'train.metrics': ('errors',)})
    with pytest.raises(UserError, match=r"metric 'errors': returns float32 \[23, 4\]"):
        dict(measures_of(one).functions)['errors'](single(OUTPUTS), single(TARGETS['float']))


def test_the_loss_under_a_name_of_its_own_is_in_the_unit_of_the_target():
    register.loss('cubic', targets='float', metrics=(Metric('cubed', 'error³', 'm³', 'low'),))(
        lambda z, y: jnp.mean(jnp.abs(z - y) ** 3, -1)
    )
    given = data('float', jnp.zeros(WIDTH), jnp.full(WIDTH, 10.0))
    found = evaluate.evaluate(
        network, given, given.test, WIDTH, measures=measures_of(setting('cubic'))
    )
    assert float(found['cubed']) == pytest.approx(1000 * float(found['loss']), rel=1e-4)
    assert measured.usual(setting('cubic')).name == 'cubed'
    assert metrics.label('test_cubed') == 'test error³ (m³)'
