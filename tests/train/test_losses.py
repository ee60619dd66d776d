"""Losses and penalties against NumPy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import register, trace
from jaxtweaks.config.settings import Penalty, Setting
from jaxtweaks.train.losses import cross_entropy, focal, losses_of, pairwise_sum, penalty

PARAMS = {
    'Dense_0': {'kernel': np.array([[1.0, -2.0], [0.5, 3.0]]), 'bias': np.array([4.0, -1.0])},
    'Conv_0': {'kernel': np.full((1, 2, 1, 2), 0.5), 'bias': np.array([2.0, 0.0])},
    'BatchNorm_0': {'scale': np.array([1.0, 1.0]), 'bias': np.array([0.0, 3.0])},
}
# Kernels: 1 + 4 + 0.25 + 9 and 4 · 0.25; the rest: 16 + 1, 4, 2 and 9.
WEIGHTS, ALL = 15.25, 15.25 + 17 + 4 + 2 + 9
# Absolute values: of the kernels 6.5 and 4 · 0.5; of the rest 5, 2, 2 and 3.
ABSOLUTE_WEIGHTS, ABSOLUTE_ALL = 8.5, 8.5 + 5 + 2 + 2 + 3


def params():
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), PARAMS)


def test_cross_entropy():
    rng = np.random.default_rng(0)
    logits = 4 * rng.normal(size=(9, 5))
    labels = rng.integers(0, 5, 9)
    e = np.exp(logits - logits.max(1, keepdims=True))
    expected = -np.log((e / e.sum(1, keepdims=True))[np.arange(9), labels])
    got = cross_entropy(jnp.asarray(logits, jnp.float32), jnp.asarray(labels))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    with jax.enable_x64(True):
        got = cross_entropy(jnp.asarray(logits), jnp.asarray(labels))
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-13)


def test_cross_entropy_by_hand():
    got = cross_entropy(
        jnp.asarray([[0.0, 0.0], [1000.0, 0.0], [1000.0, 0.0]]), jnp.array([0, 0, 1])
    )
    np.testing.assert_allclose(got, [np.log(2), 0, 1000], rtol=1e-6)
    assert np.isnan(cross_entropy(jnp.asarray([[jnp.inf, 0.0]]), jnp.array([0])))[0]


def test_gradient_is_softmax_minus_one_hot():
    logits = np.random.default_rng(1).normal(size=(4, 3))
    labels = np.array([2, 0, 1, 1])
    e = np.exp(logits)
    expected = e / e.sum(1, keepdims=True) - np.eye(3)[labels]
    got = jax.grad(lambda z: jnp.sum(cross_entropy(z, labels)))(jnp.asarray(logits, jnp.float32))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('traced', [False, True])
@pytest.mark.parametrize(
    ('form', 'scope', 'expected'),
    [
        ('half', 'weights', 0.5 * 0.3 * WEIGHTS),
        ('full', 'weights', 0.3 * WEIGHTS),
        ('half', 'all', 0.5 * 0.3 * ALL),
        ('full', 'all', 0.3 * ALL),
    ],
)
def test_penalty_and_its_gradient(form, scope, expected, traced):
    f = lambda params, l2: penalty(params, Penalty(l2=l2, l2_form=form, scope=scope))
    call = jax.jit(f) if traced else f
    assert float(call(params(), 0.3)) == pytest.approx(expected, rel=1e-6)
    gradient = jax.grad(call)(params(), 0.3)
    for name, layer in PARAMS.items():
        for leaf, value in layer.items():
            inside = scope == 'all' or leaf == 'kernel'
            factor = (0.3 if form == 'half' else 0.6) if inside else 0.0
            np.testing.assert_allclose(gradient[name][leaf], factor * value, rtol=1e-6)


@pytest.mark.usefixtures('optimised')
def test_no_penalty():
    assert penalty(params(), Penalty()) == 0.0
    f = jax.jit(jax.value_and_grad(lambda params, l2: penalty(params, Penalty(l2=l2))))
    value, gradient = f(params(), 0.0)
    assert value == 0
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize('traced', [False, True])
@pytest.mark.parametrize(
    ('scope', 'squared', 'absolute'),
    [('weights', WEIGHTS, ABSOLUTE_WEIGHTS), ('all', ALL, ABSOLUTE_ALL)],
)
def test_l1_elastic_net_and_l2_together(scope, squared, absolute, traced):
    config = lambda l1, elastic, l2: Penalty(l1=l1, elastic=elastic, l2=l2, scope=scope)
    f = lambda params, *strengths: penalty(params, config(*strengths))
    call = jax.jit(f) if traced else f
    assert float(call(params(), 0.2, 0.0, 0.0)) == pytest.approx(0.2 * absolute, rel=1e-6)
    elastic = 0.2 * (0.7 * squared + absolute)
    assert float(call(params(), 0.2, 0.7, 0.0)) == pytest.approx(elastic, rel=1e-6)
    all_three = elastic + 0.5 * 0.3 * squared
    assert float(call(params(), 0.2, 0.7, 0.3)) == pytest.approx(all_three, rel=1e-6)
    gradient = jax.grad(call)(params(), 0.2, 0.7, 0.3)
    for name, layer in PARAMS.items():
        for leaf, value in layer.items():
            inside = scope == 'all' or leaf == 'kernel'
            expected = 0.2 * (1.4 * value + np.sign(value)) + 0.3 * value if inside else 0 * value
            np.testing.assert_allclose(gradient[name][leaf], expected, rtol=1e-5)


@pytest.mark.usefixtures('optimised')
@pytest.mark.parametrize('name', ['l1', 'elastic'])
def test_a_penalty_at_traced_0_is_the_loss_without_it_bitwise(name):
    rest = {'l1': {'l2': 0.3}, 'elastic': {'l1': 0.2, 'l2': 0.3}}[name]
    f = lambda params, value: penalty(params, Penalty(**rest, **{name: value}))
    with_it = jax.jit(jax.value_and_grad(f))(params(), 0.0)
    without = jax.jit(jax.value_and_grad(lambda params: f(params, 0.0)))(params())
    for got, expected in zip(jax.tree.leaves(with_it), jax.tree.leaves(without), strict=True):
        assert np.asarray(got).tobytes() == np.asarray(expected).tobytes()


@pytest.mark.parametrize('form', ['half', 'full'])
def test_l2_is_the_map_estimate_under_a_normal_prior(form):
    """−1/N log posterior = mean cross-entropy + penalty, up to a constant, for the stated λ."""
    rng = np.random.default_rng(2)
    n, alpha = 23, 0.4
    x, labels = rng.normal(size=(n, 6)), rng.integers(0, 3, n)
    weights = rng.normal(size=(40, 6, 3))
    prior = stats.norm(scale=alpha)

    def log_posterior(w):
        scores = x @ w
        likelihood = (scores - special.logsumexp(scores, 1, keepdims=True))[np.arange(n), labels]
        return likelihood.sum() + prior.logpdf(w).sum()

    config = Penalty(l2=(1.0 if form == 'half' else 0.5) / (alpha**2 * n), l2_form=form)

    def loss(w):
        mean = jnp.mean(cross_entropy(jnp.asarray(x) @ w, jnp.asarray(labels)))
        return mean + penalty({'Dense_0': {'kernel': w}}, config)

    with jax.enable_x64(True):
        losses = np.array([loss(jnp.asarray(w)) for w in weights])
    constants = losses + np.array([log_posterior(w) for w in weights]) / n
    np.testing.assert_allclose(constants, constants[0], rtol=1e-11)
    assert losses.std() > 1


@pytest.mark.parametrize('smoothing', [0.1, 0.75, 1.0])
@pytest.mark.parametrize('traced', [False, True])
def test_label_smoothing_is_cross_entropy_with_the_spread_target(smoothing, traced):
    rng = np.random.default_rng(3)
    logits, labels = 4 * rng.normal(size=(9, 5)), rng.integers(0, 5, 9)
    target = (1 - smoothing) * np.eye(5)[labels] + smoothing / 5
    expected = -(target * special.log_softmax(logits, axis=1)).sum(1)
    call = jax.jit(cross_entropy) if traced else cross_entropy
    got = call(jnp.asarray(logits, jnp.float32), jnp.asarray(labels), smoothing=smoothing)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    with jax.enable_x64(True):
        got = call(jnp.asarray(logits), jnp.asarray(labels), smoothing=smoothing)
        np.testing.assert_allclose(got, expected, rtol=1e-12)
        gradient = jax.grad(lambda z: jnp.sum(call(z, jnp.asarray(labels), smoothing=smoothing)))(
            logits
        )
        np.testing.assert_allclose(gradient, special.softmax(logits, 1) - target, atol=1e-13)


def test_label_smoothing_by_hand():
    got = cross_entropy(jnp.asarray([[jnp.log(3.0), 0.0]]), jnp.array([0]), smoothing=0.2)
    # P = (3/4, 1/4), target (0.9, 0.1).
    np.testing.assert_allclose(got, [-0.9 * np.log(0.75) - 0.1 * np.log(0.25)], rtol=1e-6)


@pytest.mark.usefixtures('optimised')
def test_no_label_smoothing_bitwise():
    logits = 30 * jax.random.normal(jax.random.key(0), (64, 5))
    logits = logits.at[0, 1].set(-jnp.inf)
    labels = jnp.arange(64) % 5
    total = lambda z, smoothing: jnp.sum(cross_entropy(z, labels, smoothing=smoothing))
    off = jax.jit(jax.value_and_grad(total))(logits, 0.0)
    plain = jax.jit(jax.value_and_grad(lambda z: total(z, 0.0)))(logits)
    assert np.isfinite(plain[0])
    for got, expected in zip(off, plain, strict=True):
        assert np.asarray(got).tobytes() == np.asarray(expected).tobytes()


def soft_targets(rng):
    return rng.dirichlet(np.ones(5), 9)


@pytest.mark.parametrize('smoothing', [0.0, 0.3])
def test_cross_entropy_of_probabilities(smoothing):
    rng = np.random.default_rng(7)
    logits, targets = 4 * rng.normal(size=(9, 5)), soft_targets(rng)
    spread = (1 - smoothing) * targets + smoothing / 5
    expected = -(spread * special.log_softmax(logits, axis=1)).sum(1)
    got = cross_entropy(jnp.float32(logits), jnp.float32(targets), smoothing=smoothing)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.usefixtures('optimised')
def test_probabilities_that_are_labels_give_what_labels_give_bitwise():
    logits = 30 * jax.random.normal(jax.random.key(0), (64, 5))
    labels = jnp.arange(64) % 5
    total = lambda z, *targets: jnp.sum(losses_of(Setting(), z, labels, *targets))
    by_label = jax.jit(jax.value_and_grad(total))(logits)
    by_share = jax.jit(jax.value_and_grad(total))(logits, jax.nn.one_hot(labels, 5))
    for got, expected in zip(by_share, by_label, strict=True):
        assert np.asarray(got).tobytes() == np.asarray(expected).tobytes()
    mixed = jnp.full((64, 5), 0.2)
    np.testing.assert_allclose(
        jax.grad(total)(logits, mixed), jax.nn.softmax(logits) - 0.2, atol=1e-6
    )


@pytest.mark.parametrize('gamma', [0.0, 0.5, 2.0])
@pytest.mark.parametrize('traced', [False, True])
def test_focal_loss(gamma, traced):
    rng = np.random.default_rng(8)
    logits, targets = 4 * rng.normal(size=(9, 5)), soft_targets(rng)
    log_p = special.log_softmax(logits, axis=1)
    expected = -(targets * (-np.expm1(log_p)) ** gamma * log_p).sum(1)
    call = jax.jit(focal) if traced else focal
    got = call(jnp.float32(logits), jnp.float32(targets), gamma=gamma)
    np.testing.assert_allclose(got, expected, rtol=2e-5)
    sure = jnp.float32([[200.0, 0.0]])
    slope = jax.grad(lambda z: call(z, jnp.float32([[1.0, 0.0]]), gamma=gamma)[0])(sure)
    assert np.isfinite(slope).all()


def test_the_chosen_loss_is_that_of_the_setting():
    setting = trace.replace(Setting(), {'loss.name': 'focal', 'focal.gamma': 2.0})
    logits, labels = jnp.float32([[1.0, 2.0], [0.0, 0.0]]), jnp.array([0, 1])
    got = losses_of(setting, logits, labels)
    p = special.softmax([1.0, 2.0])[0]
    np.testing.assert_allclose(got, [-((1 - p) ** 2) * np.log(p), 0.25 * np.log(2)], rtol=1e-6)


def test_a_loss_of_ones_own_that_is_none_for_each_image_is_named():
    @register.loss('summed')
    def summed(logits, targets):
        return jnp.sum(logits * targets)

    setting = trace.replace(Setting(), {'loss.name': 'summed'})
    with pytest.raises(UserError, match=r"loss 'summed': returns float32 \[\] .* each image"):
        losses_of(setting, jnp.zeros((2, 3)), jnp.array([0, 1]))


def test_a_loss_of_whole_numbers_has_no_gradient_and_is_named():
    @register.loss('counted')
    def counted(logits, targets):
        return jnp.sum(logits > 0, -1)

    setting = trace.replace(Setting(), {'loss.name': 'counted'})
    with pytest.raises(UserError, match=r"loss 'counted': returns int32 \[2\].*float loss"):
        losses_of(setting, jnp.zeros((2, 3)), jnp.array([0, 1]))


@pytest.mark.usefixtures('optimised')
@pytest.mark.parametrize('count', [1, 2, 3, 7, 32, 100])
def test_a_sum_over_a_batch_is_a_tree_whatever_it_is_fused_with(count):
    """Bit by bit the tree in NumPy, compiled alone, side by side, and behind a product."""
    factors = np.random.default_rng(count).normal(size=(2, count)).astype(np.float32)
    a, b = factors
    tree = np.zeros(1 << (count - 1).bit_length(), np.float32)
    tree[:count] = a * b
    while len(tree) > 1:
        front, back = np.split(tree, 2)
        tree = front + back
    of_product = jax.jit(lambda a, b: pairwise_sum(a * b))
    assert of_product(a, b) == pairwise_sum(jnp.asarray(a * b)) == tree[0]
    vmapped = jax.jit(jax.vmap(lambda a, b: pairwise_sum(a * b)))
    assert vmapped(np.stack([b, a]), np.stack([a, b])).tolist() == [tree[0]] * 2
