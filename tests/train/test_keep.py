"""What is kept besides the current parameters, by scripts whose right answer is plain."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_training import TEST, TRAIN, Trained, data, group_of, setting

from jaxtweaks.config import register, trace
from jaxtweaks.config.fields import traced
from jaxtweaks.config.settings import Train
from jaxtweaks.train import keep


def marked(number):
    """Variables that tell from which epoch they are."""
    return {'params': {'w': jnp.float32(number)}, 'batch_stats': {'m': jnp.float32(number)}}


def after(scores, **config):
    """What is kept after epochs with these scores; the variables are the epoch, from 1."""
    best = keep.first_best(marked(0))
    for epoch, score in enumerate(scores):
        best = keep.better(
            best, marked(epoch + 1), jnp.float32(score), jnp.int32(epoch), Train(**config)
        )
    return best


@pytest.mark.parametrize(
    ('scores', 'kept'),
    [
        ([0.1, 0.2, 0.9, 0.5], 3),
        ([0.5, 0.6, 0.6], 2),  # of two equals the earlier
        ([np.nan, 0.6, 0.4, np.nan], 2),  # a diverged epoch never
        ([-0.5, np.inf], 2),
        ([-np.inf, np.nan], 0),
    ],
)
def test_the_best_epoch_is_kept(scores, kept):
    best = after(scores)
    assert int(best.epoch) == kept
    # Nothing, and not the initial network, where no epoch has a score.
    value = kept or np.nan
    np.testing.assert_equal([float(best.params['w']), float(best.batch_stats['m'])], [value] * 2)
    assert int(best.stopped_at) == 0


@pytest.mark.parametrize(
    ('scores', 'config', 'stopped', 'kept'),
    [
        ([1, 2, 1, 1, 9], {'patience': 2.0}, 4, 2),  # the 9 comes too late
        ([1, 2, 1, 9, 1], {'patience': 2.0}, 0, 4),
        ([1, 1, 1], {'patience': 1.0}, 2, 1),
        ([1, 1.5, 1.9, 3], {'patience': 2.0, 'min_improvement': 1.0}, 3, 1),
        ([np.nan, np.nan, 5], {'patience': 2.0}, 2, 0),
        ([3, 2, 1, 0], {}, 0, 1),
    ],
)
def test_patience(scores, config, stopped, kept):
    best = after(scores, **config)
    assert int(best.stopped_at) == stopped
    assert int(best.epoch) == kept


def test_running_average_by_hand():
    average = {'w': jnp.array([1.0, 2.0])}
    params = {'w': jnp.array([3.0, 6.0])}
    found = keep.averaged(average, params, 0.75)['w']
    assert np.array_equal(found, [1.5, 3.0])


def test_running_average_without_memory_is_the_iterate():
    rng = np.random.default_rng(0)
    average, params = ({'w': jnp.asarray(rng.normal(size=9), jnp.float32)} for _ in range(2))
    found = keep.averaged(average, params, jnp.float32(0))['w']
    assert np.array_equal(found, params['w'])


@pytest.mark.parametrize(
    ('count', 'epochs', 'taken'),
    [(1, 5, (5,)), (5, 5, (1, 2, 3, 4, 5)), (2, 5, (3, 5)), (3, 10, (4, 7, 10))],
)
def test_snapshot_epochs(count, epochs, taken):
    assert keep.snapshot_epochs(count, epochs) == taken


def test_snapshots_hold_what_their_epochs_had():
    snapshots = keep.first_snapshots(marked(0), 3)
    for epoch in range(10):
        snapshots = keep.with_snapshot(snapshots, marked(epoch + 1), jnp.int32(epoch), 10)
    assert list(snapshots['params']['w']) == [4, 7, 10]
    assert list(snapshots['batch_stats']['m']) == [4, 7, 10]


@pytest.mark.usefixtures('all_quickly_compiled')
def test_averages_along_training_are_those_of_the_ends_of_epochs():
    """Of epochs of one step: EMA from the initial weights on, SWA from the second epoch on."""
    tracked = {'train__ema_decay': 0.75, 'train__swa_start': 2}
    one = setting(train__batch_size=TRAIN, train__epochs=4, model__norm='none', **tracked)
    group, hyper, seeds = group_of([(one, 0)])
    state = group.init(hyper, seeds, data())
    kernel = lambda params: np.array(params['Dense_0']['kernel'], np.float64)
    ends = [kernel(state.params)]
    for epoch in range(4):
        state, _ = group.train(hyper, seeds, state, data(), epoch, 0, epoch, 1)
        ends.append(kernel(state.params))
    average = ends[0]
    for end in ends[1:]:
        average = 0.75 * average + 0.25 * end
    assert np.abs(ends[4] - ends[0]).max() > 0.02
    np.testing.assert_allclose(kernel(state.ema), average, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(kernel(state.swa), np.mean(ends[2:], 0), rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures('all_quickly_compiled')
def test_a_run_of_which_no_epoch_has_a_score_is_tested_as_nothing():
    """And not as the initial network; nor has it diverged. One with a score is next to it."""

    @register.metric('score', label='a score', better='high', targets='classes')
    def score(outputs, labels, *, of=traced(1.0, 'the score')):
        return jnp.where(of > 0, of, jnp.nan)

    one = setting(
        train__metrics=('score',),
        train__select='best_score',
        train__patience=5.0,
        train__ema_decay=0.5,
        train__mc_samples=(2,),
        train__gradient_batches=2,
        train__linearity=True,
        train__sensitivity=True,
        train__perturbation=0.1,
        train__lost_units=0.3,
        train__keep_parameters=True,
        dropout__hidden=0.1,
    )
    none = trace.replace(one, {'score.of': 0.0})
    off = frozenset({'train.swa_start'})
    found = Trained(*group_of([(none, 0), (one, 0)], off=off), data()).found
    assert found.chosen_epoch.tolist() == [0, 1]
    assert found.diverged_at.tolist() == [-1, -1]
    finite = {name for name, values in found.finals.items() if np.isfinite(values[0])}
    of_the_last = {name for name in found.finals if name.startswith('ema_')} - {'ema_test_score'}
    assert of_the_last
    assert finite == {'parameters', 'stop_epoch', *of_the_last}
    assert all(np.isfinite(values[1]) for values in found.finals.values())
    assert not found.confusion[0].any()
    assert found.confusion[1].sum() == TEST
    for leaf in jax.tree.leaves(found.variables):
        assert np.isnan(leaf[0]).all()
