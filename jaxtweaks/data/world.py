"""Distributions that data are drawn from, and the random numbers they are drawn with."""

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from jaxtweaks.data.dataset import Split

Draw = Callable[[np.random.Generator, int], Split]


@dataclasses.dataclass(frozen=True)
class World:
    """A distribution of labelled inputs.

    Attributes:
      draw: that many independent examples.
      probes: the same of parts of the distribution, see `Dataset.probes`.
      grid: see `Dataset.grid`.
    """

    draw: Draw
    probes: Mapping[str, Draw] = dataclasses.field(default_factory=dict)
    grid: np.ndarray | None = None


def stream(seed: int, name: str) -> np.random.Generator:
    """Random numbers by `data.split_seed` and by name.

    What is drawn for one purpose does not depend on how much is drawn for another.
    """
    return np.random.Generator(np.random.PCG64([seed, *name.encode()]))


def balanced_labels(rng: np.random.Generator, count: int, classes: int) -> np.ndarray:
    """int32 [count] in random order, every class as often as the others, give or take one."""
    return rng.permutation(np.arange(count) % classes).astype(np.int32)
