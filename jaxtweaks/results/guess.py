"""What a diverged run counts as in claims: a guess, which is all that it leaves its user with.

A diverged run that is dropped flatters the setting that it is of: only the survivors are counted.
By guessing each class with the same chance the accuracy is 1/classes, and the cross-entropy of
predicting each with the same probability is ln(classes). Metrics for which guessing means nothing
(the norm of the weights, a loss that is not the cross-entropy) drop a diverged run as before.
"""

import math
from collections.abc import Mapping

from jaxtweaks.base import metrics

MODES = ('guess', 'drop')


def values(mode: str, classes: int, cross_entropy: bool) -> dict[str, float]:
    """What `of` reads; {} if diverged runs are dropped.

    Args:
      mode: one of `MODES`.
      classes: of the data set.
      cross_entropy: whether the loss is the cross-entropy in all settings.
    """
    if mode == 'drop' or classes < 2:
        return {}
    return {'accuracy': 1 / classes, **({'loss': math.log(classes)} if cross_entropy else {})}


def of(metric: str, guesses: Mapping[str, float]) -> float:
    """A metric of a network that guesses; NaN where there is no such number."""
    if not guesses:
        return math.nan
    how, before = metrics.parents(metric)
    if how:
        plain = of(before[0], guesses)
        if how in metrics.GAPS:  # on all images alike
            return plain - plain
        if how == '1-':
            return 1 - plain
        return math.log10(plain) if plain > 0 else math.nan
    if metric == 'test_error':
        return 1 - guesses['accuracy']
    return guesses.get(metrics.of(metric).measure, math.nan)
