"""Results whose verdicts are known, and claims on them, for the tests of claims."""

import dataclasses

import numpy as np

from jaxtweaks.claims import claims
from jaxtweaks.claims.claim import Claim
from jaxtweaks.config import build
from jaxtweaks.results.results import Results

# Per-seed noise of mean zero that no two settings share, small compared with the effects below.
NOISE = 0.01 * np.random.default_rng(0).standard_normal((6, 20))


def centred(noise):
    return noise - noise.mean(axis=1, keepdims=True)


def results_of(means, n=6, curves=None, diverged=(), extra=None, noise=None):
    """Results whose settings x = 0, 1, … have these mean test accuracies, over n seeds."""
    noise = centred(NOISE[: len(means), :n]) if noise is None else noise
    values = np.asarray(means, float)[:, None] + noise
    runs = values.shape
    diverged_at = np.full(runs, -1)
    for k, s in diverged:
        diverged_at[k, s] = 7
        values[k, s] = np.nan
    curves = {} if curves is None else curves
    epochs = next(iter(curves.values())).shape[2] if curves else 4
    settings = tuple({'x': k, **(extra[k] if extra else {})} for k in range(len(means)))
    return Results(
        settings=settings,
        seeds=np.arange(n),
        epochs=np.arange(1, epochs + 1),
        curves=curves,
        finals={'test_accuracy': values, 'train_loss': -values, 'validation_loss': 1 - 2 * values},
        confusion=np.zeros((*runs, 2, 2), int),
        chosen_epoch=np.full(runs, 2),
        diverged_at=diverged_at,
        classes=('no', 'yes'),
        label_counts={},
        data_label='made up',
        fallback=False,
    )


def claim(kind, **given):
    given = {'sentence': 'so it is', 'source': 'TEST §1', 'metric': 'test_accuracy', **given}
    return build.from_dict(Claim, {'kind': kind, **given})


def verdict_on(claim, results):
    (verdict,) = claims.evaluate([claim], results)
    return verdict


ARMS = {'a': {'x': 0}, 'b': {'x': 1}}
OPTIMUM = {'along': 'x', 'within': [1, 3]}
LEVEL = {'a': {'x': 0}, 'level': 0.2}
PUBLISHED = {'a': {'x': 0}, 'published': {'report': 0.5}, 'margin': 0.05}
# Of each kind, a claim with no more than it needs.
SMALLEST = {
    'greater': ARMS,
    'less': ARMS,
    'equivalent': {**ARMS, 'margin': 0.1},
    'different': {**ARMS, 'margin': 0.1},
    'identical': ARMS,
    'increasing': {'along': 'x'},
    'decreasing': {'along': 'x'},
    'optimum': {'along': 'x', 'within': [1, 1]},
    'peak': {'along': 'x'},
    'sooner': ARMS,
    'level': {**LEVEL, 'direction': 'above'},
    'published': PUBLISHED,
    'share': {**LEVEL, 'direction': 'above'},
}

HUMP = [0.1, 0.3, 0.5, 0.3, 0.1]
SLOPE = [0.1, 0.2, 0.3, 0.4, 0.5]
DIP = [0.1, 0.3, 0.2, 0.5, 0.6]  # rises on the whole, falls once


def final_of(metric, values):
    """Results with one more final metric, [K, S]."""
    values = np.asarray(values, float)
    results = results_of([0.5] * len(values), values.shape[1])
    return dataclasses.replace(results, finals={**results.finals, metric: values})


def curve_results(rises, n=6, **given):
    """Setting k rises by rises[k] an epoch, from 0, for 10 epochs; seeds start a little apart."""
    epochs = np.arange(1, 11)
    curve = (
        np.asarray(rises, float)[:, None, None] * epochs
        + 0.3 * centred(NOISE[: len(rises), :n])[..., None]
    )
    return results_of([0.5] * len(rises), n, curves={'validation_accuracy': curve}, **given)


def sooner(**given):
    return claim('sooner', **ARMS, metric='validation_accuracy', **given)
