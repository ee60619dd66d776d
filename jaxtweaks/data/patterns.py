"""Data with two components, P and Q (Li, Wei and Ma 2019, arXiv 1907.04595, §2; ROLE §4.1).

P is noisy but easy to fit: a linear classifier tells its classes apart, and needs about as many
examples as there are dimensions to find the direction. Q has hardly any noise and is hard to fit:
three directions close to each other, the middle one of the other class.
"""

import functools

import numpy as np

from jaxtweaks.data.dataset import Split
from jaxtweaks.data.world import World, balanced_labels

# The paper's d, here one for each component, since its results are asymptotic: with 20 dimensions
# of P, 200 examples fit it without error at any rate; with 100 of Q, a network of 200 hidden units
# did not begin to fit it in 8,000 steps of SGD at rates from 0.04 to 2.5.
P_DIMENSIONS, Q_DIMENSIONS = 100, 20
MARGIN = P_DIMENSIONS**-0.5  # γ₀, the paper's choice
DISTANCE = Q_DIMENSIONS**-0.75  # r = ‖ζ‖, the paper's choice
# The paper has few examples with P alone and a constant share with Q alone; the numbers are chosen.
P_ONLY, Q_ONLY = 0.05, 0.2


def world(rng: np.random.Generator) -> World:
    """Inputs [N, 1, 1, 120], the 100 numbers of P and the 20 of Q; class 1 is the paper's y = 1.

    An example has both components, or P alone or Q alone and zeros for the other. With unit
    vectors w⋆ and z, and ζ of length r at right angles to z:
      P: ±(γ₀w⋆ + g), g ~ N(0, I/d) given ⟨w⋆, g⟩ ≥ 0;
      Q: αz for class 1 and α(z ± ζ) for class 0, α ~ U(0, 1).
    """
    w = _unit(rng.normal(size=P_DIMENSIONS))
    z = _unit(rng.normal(size=Q_DIMENSIONS))
    zeta = rng.normal(size=Q_DIMENSIONS)
    zeta = DISTANCE * _unit(zeta - (zeta @ z) * z)

    def draw(rng: np.random.Generator, count: int, shares: tuple[float, float]) -> Split:
        """`shares`: of examples with P alone and with Q alone."""
        labels = balanced_labels(rng, count, 2)
        noise = rng.normal(0, P_DIMENSIONS**-0.5, (count, P_DIMENSIONS))
        along = noise @ w
        noise += (np.abs(along) - along)[:, None] * w  # mirrored to ⟨w⋆, g⟩ ≥ 0
        p = (2 * labels - 1)[:, None] * (MARGIN * w + noise)
        side = np.where(labels == 1, 0, rng.choice([-1, 1], count))
        q = rng.uniform(size=(count, 1)) * (z + side[:, None] * zeta)
        kind = rng.uniform(size=count)
        q[kind < shares[0]] = 0
        p[kind >= 1 - shares[1]] = 0
        inputs = np.concatenate([p, q], 1).astype(np.float32)
        return Split(inputs.reshape(count, 1, 1, -1), labels)

    probes = {'p_only': (1.0, 0.0), 'q_only': (0.0, 1.0), 'both': (0.0, 0.0)}
    return World(
        functools.partial(draw, shares=(P_ONLY, Q_ONLY)),
        {name: functools.partial(draw, shares=shares) for name, shares in probes.items()},
    )


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x)
