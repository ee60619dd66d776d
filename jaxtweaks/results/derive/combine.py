"""How the predictions of several networks become one."""

from typing import Any

import numpy as np
from scipy.special import log_softmax, logsumexp

HOW = ('probabilities', 'logits', 'votes')


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
        together = log_softmax(logits.mean(0), axis=-1)
    elif how == 'probabilities':
        together = logsumexp(log_softmax(logits, axis=-1), axis=0) - np.log(len(logits))
    else:
        raise ValueError(f'unknown way to combine: {how!r}')
    return together.argmax(-1), together


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
