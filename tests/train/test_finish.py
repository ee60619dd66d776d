"""What is found of a run at its end, recomputed from its variables."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_training import CLASSES, data, numbers, program, setting

from jaxtweaks.base.rng import member_seed, stream_key
from jaxtweaks.config import trace
from jaxtweaks.nn import models
from jaxtweaks.train import finish, masks

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')

DATA, SEED, MEMBER = data(), np.uint32(4), 3
ONE = setting(
    dropout__hidden=0.4,
    train__member=MEMBER,
    train__snapshots=2,
    train__keep_logits=True,
    train__mc_samples=(2,),
    train__gradient_batches=2,
)


def applied(variables, x, **how):
    """The network with batch norm's running statistics."""
    return models.build(trace.as_numbers(ONE), CLASSES).apply(variables, x, train=False, **how)


def loss_of_mean(logits):
    """−log of the label's probability, averaged over the first axis of logits [n, N, classes]."""
    p = np.mean(jax.nn.softmax(np.stack(logits)), 0)
    labels = np.asarray(DATA.test.labels)
    return -np.mean(np.log(p[np.arange(len(labels)), labels])), np.mean(p.argmax(1) == labels)


@pytest.fixture(scope='module')
def found():
    """The variables of a run, its snapshots, what is found, and what over two dropout masks;
    gradients of 8 images each.
    """
    p, hyper, rng = program(ONE), numbers(ONE), np.random.default_rng(0)
    state = jax.jit(p.init)(hyper, SEED, DATA)
    # Away from where they start, so that another one in their place shows.
    draw = lambda leaf: jnp.asarray(rng.uniform(0.5, 2, leaf.shape), jnp.float32)
    stats, snapshots = (jax.tree.map(draw, one) for one in (state.batch_stats, state.snapshots))
    state = dataclasses.replace(state, batch_stats=stats, snapshots=snapshots)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finish, 'GRADIENT_BATCH', 8)
        at_end = jax.jit(p.finish)(hyper, SEED, state, DATA)
    means = masks.no_masks(p, hyper, SEED, state, DATA)
    means = jax.jit(functools.partial(masks.add_masks, p))(hyper, SEED, state, means, DATA, 0, 2)
    over_two = masks.over_masks(p, hyper, means, DATA)['probabilities']
    return state.variables, snapshots, at_end, over_two


def test_snapshots_are_tested_by_the_mean_of_their_probabilities(found):
    _, snapshots, at_end, _ = found
    x = DATA.standardised(DATA.test.images)
    logits = [applied(jax.tree.map(lambda leaf, i=i: leaf[i], snapshots), x) for i in (0, 1)]
    assert np.abs(logits[0] - logits[1]).max() > 0.1
    got = at_end.arrays['snapshot_test_logits']
    np.testing.assert_allclose(got, np.stack(logits), rtol=1e-4, atol=1e-5)
    loss, accuracy = loss_of_mean(logits)
    assert at_end.finals['snapshots_test_loss'] == pytest.approx(loss, rel=1e-4)
    assert at_end.finals['snapshots_test_accuracy'] == pytest.approx(accuracy)


def test_masks_at_test_are_those_of_the_member_and_statistics_the_running_ones(found):
    variables, *_, over_two = found
    x, member = DATA.standardised(DATA.test.images), member_seed(SEED, MEMBER)
    # All images are of one batch, whose first one is 0.
    keys = [jax.random.fold_in(stream_key(member, 'masks', mask), 0) for mask in (0, 1)]
    loss, accuracy = loss_of_mean([applied(variables, x, rngs={'dropout': key}) for key in keys])
    assert over_two['loss'] == pytest.approx(loss, rel=1e-4)
    assert over_two['accuracy'] == pytest.approx(accuracy)
    assert abs(loss - loss_of_mean([applied(variables, x)])[0]) > 1e-3


def test_gradients_are_of_the_first_batches_without_noise(found):
    variables, _, at_end, _ = found

    def loss(params, first):
        images = DATA.standardised(DATA.training.images[first : first + 8])
        logits, labels = applied(variables | {'params': params}, images), DATA.training.labels
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels[first : first + 8])
        return jnp.mean(losses)

    each = [jax.grad(loss)(variables['params'], first) for first in (0, 8)]
    flat = np.stack([np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(g)]) for g in each])
    variance, norm = flat.var(0, ddof=1).sum(), np.linalg.norm(flat.mean(0))
    assert at_end.finals['gradient_variance'] == pytest.approx(variance, rel=1e-3)
    assert at_end.finals['gradient_norm'] == pytest.approx(norm, rel=1e-3)
