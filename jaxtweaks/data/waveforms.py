"""Signals of many sources, each known by three frequencies, in noise (for DEEPREG's ConvNet1D).

The lecture's network distinguishes 462 sources, by its numbers the speakers of a speech corpus.
Here the sources are generated, and fewer, so that a few thousand signals show each often enough.
"""

import numpy as np

from jaxtweaks.data.dataset import Split
from jaxtweaks.data.world import World, balanced_labels

CLASSES = 40
LENGTH = 262  # of which ConvNet1D leaves three places, as the lecture's dense layer has it
TONES = 3
CYCLES = (4.0, 66.0)  # in a signal; the highest has four samples a cycle
DETUNED = 0.03  # relative standard deviation of a frequency from signal to signal
LOUDNESS = 0.3  # standard deviation of its logarithm from signal to signal
NOISE = 1.0  # standard deviation; that of the tones together is 1


def world(rng: np.random.Generator) -> World:
    """Signals [N, 262, 1, 1].

    The tones of a class have random frequencies, uniform in the logarithm, and random strengths.
    Each signal has them with random phases, a little detuned, at random loudness, in white noise.
    """
    low, high = np.log(CYCLES)
    cycles = np.exp(rng.uniform(low, high, (CLASSES, TONES)))
    strength = rng.uniform(0.5, 1, (CLASSES, TONES))
    strength *= np.sqrt(2 / np.square(strength).sum(1, keepdims=True))  # a sine has power ½

    def draw(rng: np.random.Generator, count: int) -> Split:
        labels = balanced_labels(rng, count, CLASSES)
        time = np.arange(LENGTH) / LENGTH
        signals = rng.normal(0, NOISE, (count, LENGTH))
        loudness = np.exp(rng.normal(0, LOUDNESS, (count, 1)))
        for tone in range(TONES):
            frequency = cycles[labels, tone] * (1 + DETUNED * rng.normal(size=count))
            phase = rng.uniform(0, 2 * np.pi, count)
            angle = 2 * np.pi * frequency[:, None] * time + phase[:, None]
            signals += loudness * strength[labels, tone, None] * np.sin(angle)
        return Split(signals.astype(np.float32).reshape(count, LENGTH, 1, 1), labels)

    return World(draw)
