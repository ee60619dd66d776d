"""What is kept besides the current parameters, by scripts whose right answer is plain."""

import jax.numpy as jnp
import numpy as np
import pytest

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
    assert float(best.params['w']) == float(best.batch_stats['m']) == kept
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
