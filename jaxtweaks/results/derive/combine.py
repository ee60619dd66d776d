"""How the predictions of several networks become one."""

from typing import Any

import numpy as np
import scipy  # its parts are imported as they are used: that takes a second

from jaxtweaks.base.errors import UserError

HOW = ('probabilities', 'logits', 'votes')
# Those that targets which are no classes have: of numbers as they are the mean or the median.
OF_NUMBERS, OF_LABELS = ('outputs', 'median'), ('probabilities', 'logits')
# Not combined at all: the mean of what is measured of each, for all kinds of targets.
ALONE = 'alone'


def combine(logits: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray | None]:
    """The prediction of M networks together.

    Args:
      logits: of each network, [M, N, C].
      how: 'probabilities' are averaged; 'logits' are averaged; or 'votes' are counted, each
        network having one. If several classes have the most votes, the first network that voted
        for one of them decides, so that two networks predict what the first one does.

    Returns:
      The class predicted, int [N], and the logarithms of the probabilities, float64 [N, C];
      None for votes, which give none.
    """
    logits = np.asarray(logits, np.float64)
    if how == 'votes':
        votes = logits.argmax(-1)
        counts = (votes[:, None, :] == votes[None, :, :]).sum(1)  # votes for each one's choice
        return np.take_along_axis(votes, counts.argmax(0)[None], axis=0)[0], None
    if how == 'logits':
        together = scipy.special.log_softmax(logits.mean(0), axis=-1)
    elif how == 'probabilities':
        together = scipy.special.logsumexp(
            scipy.special.log_softmax(logits, axis=-1), axis=0
        ) - np.log(len(logits))
    else:
        raise ValueError(f'unknown way to combine: {how!r}')
    return together.argmax(-1), together


def ways(asked: tuple[str, ...], targets: str) -> tuple[str, ...]:
    """How predictions of this kind of targets become one: as asked, or all means (and votes).

    Raises:
      UserError: what is asked for is of other targets.
    """
    known = {'float': OF_NUMBERS, 'multilabel': OF_LABELS}.get(targets, HOW)
    if asked == HOW:  # the default
        return tuple(how for how in known if how != 'median')
    if wrong := [how for how in asked if how not in (*known, ALONE)]:
        raise UserError(
            f'ensemble.combine: {wrong[0]!r} is of other targets than those of this loss; it must '
            f'be one of {", ".join(map(repr, (*known, ALONE)))}'
        )
    return asked


def combine_labels(logits: np.ndarray, how: str) -> np.ndarray:
    """Logits [N, outputs] of several labels, or outputs, from those of M networks [M, N, outputs].

    Args:
      logits: of each network.
      how: 'probabilities' of each label are averaged; or 'logits', or 'outputs'; or the 'median'
        of each output is taken.
    """
    logits = np.asarray(logits, np.float64)
    if how == 'median':
        return np.median(logits, axis=0)
    if how != 'probabilities':
        return logits.mean(0)
    yes, no = (
        np.asarray(scipy.special.logsumexp(scipy.special.log_expit(sign * logits), axis=0))
        for sign in (1, -1)
    )
    return yes - no


def score(logits: np.ndarray, labels: np.ndarray, how: str) -> dict[str, Any]:
    """How good the prediction of M networks together is.

    Args:
      logits: of each network, [M, N, C].
      labels: the true classes, int [N].
      how: as for `combine`.

    Returns:
      'loss', the mean negative log-likelihood (NaN for votes), 'accuracy', and 'confusion',
      int64 [C, C], images by (true, predicted) class. All NaN, and no image counted, if a logit
      is not finite.
    """
    classes = logits.shape[-1]
    confusion = np.zeros((classes, classes), np.int64)
    if not np.isfinite(logits).all():
        return {'loss': np.nan, 'accuracy': np.nan, 'confusion': confusion}
    predicted, together = combine(logits, how)
    np.add.at(confusion, (labels, predicted), 1)
    loss = np.nan if together is None else -together[np.arange(len(labels)), labels].mean()
    return {'loss': loss, 'accuracy': np.mean(predicted == labels), 'confusion': confusion}
