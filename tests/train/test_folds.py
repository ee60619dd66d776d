"""A fold that is held out: nothing of it is learned, and it is what is measured at the end."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiny_training import CLASSES, TRAIN, Trained, data, differing, group_of, program, setting

from jaxtweaks.config import trace
from jaxtweaks.data.split import folds_of
from jaxtweaks.train.program import DeviceSplit

FOLDS, SEEDS = 4, (0, 1)
FOLD = folds_of(np.asarray(data().training.labels), FOLDS, 'stratified')
DATA = dataclasses.replace(data(), folds=jnp.asarray(FOLD))


def trained(batch_data=DATA, folds=(0, 1, 3), **values):
    """The group of these folds, each with both seeds, and what became of it."""
    settings = [setting(data__folds=FOLDS, data__fold=fold, **values) for fold in folds]
    off = trace.off_everywhere(settings)
    group, hyper, seeds = group_of([(one, s) for one in settings for s in SEEDS], 'map', off)
    return settings, Trained(group, hyper, seeds, batch_data)


def with_other(places):
    """The data with other images and labels at these places of the training set."""
    images, labels = np.array(DATA.training.images), np.array(DATA.training.labels)
    images[places] = 255 - images[places]
    labels[places] = (labels[places] + 1) % CLASSES
    changed = DeviceSplit(jnp.asarray(images), jnp.asarray(labels))
    return dataclasses.replace(DATA, training=changed)


def test_what_is_measured_is_the_fold_and_nothing_but_the_fold():
    settings, found = trained(train__epochs=5)
    for run, one in enumerate(one for one in settings for _ in SEEDS):
        loss, accuracy = (found.found.finals[f'fold_{key}'][run] for key in ('loss', 'accuracy'))
        if one.data.fold == 0:
            assert np.isnan(loss)
            assert np.isnan(accuracy)
            continue
        index = np.flatnonzero(one.data.fold == FOLD)
        assert len(index) == TRAIN // FOLDS
        chosen = found.final.variables
        chosen = jax.tree.map(lambda leaf, run=run: leaf[run], chosen)
        network = program(one).network(trace.split(one)[1])
        x = DATA.standardised(DATA.training.images[index])
        logits = np.asarray(network.apply(chosen, x, train=False), np.float64)
        y = np.asarray(DATA.training.labels)[index]
        assert accuracy == pytest.approx(np.mean(logits.argmax(-1) == y))
        shares = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        assert loss == pytest.approx(-shares[np.arange(len(y)), y].mean(), rel=1e-5)


def test_nothing_of_a_fold_is_learned():
    """Other images and labels there change what is measured on it, and no bit of the network."""
    _, before = trained(folds=(2,), train__train_eval_size=TRAIN)
    _, after = trained(with_other(np.flatnonzero(FOLD == 2)), (2,), train__train_eval_size=TRAIN)
    assert differing(before.final, after.final) == []
    assert differing(before.metrics, after.metrics) == []
    assert np.all(before.found.finals['fold_loss'] != after.found.finals['fold_loss'])
    _, other = trained(with_other(np.flatnonzero(FOLD == 3)), (2,))
    assert differing(before.final, other.final)


def test_what_other_folds_are_in_the_group_does_not_matter():
    _, several = trained(folds=(0, 1, 3))
    _, two = trained(folds=(0, 3))
    for seed in SEEDS:
        assert differing(several.run(4 + seed), two.run(2 + seed)) == []
