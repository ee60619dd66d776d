"""Images with a patch that reveals their class (Li, Wei and Ma 2019, arXiv 1907.04595, §5).

The patch plays the part of the component Q of `patterns`: hardly any noise, easily memorised, hard
to fit. The numbers are those of the authors' published program (`train_patches.py` of their
repository large-lr-experiments).
"""

import dataclasses

import numpy as np

from jaxtweaks.data.dataset import Dataset, Split, fingerprint, frozen
from jaxtweaks.data.standardise import standardiser
from jaxtweaks.data.world import balanced_labels, stream

SIDE = 7  # of the patch, in the middle of the image
PATCHED = 0.8  # share of the images
PATCH_ONLY = 0.2  # share of those on which nothing but the patch is left
# In standard deviations of the pixels of a channel:
COMMON = 1.25  # standard deviation of what all patches have in common
PART = 0.1  # largest difference of a class's patch from it
FAINTEST_TO_STRONGEST = (0.0, 1.75)  # by what the difference is multiplied where the patch is alone


@dataclasses.dataclass(frozen=True)
class _Patches:
    """What is put on images, in pixel values: common ± difference[label].

    Attributes:
      blank: [channels], the mean colour.
      common: [7, 7, channels].
      difference: [classes, 7, 7, channels].
    """

    blank: np.ndarray
    common: np.ndarray
    difference: np.ndarray

    def put(self, images, labels, where, strength, rng) -> None:
        """Puts a patch on those of the `images` [N, H, W, C], in place.

        Args:
          labels: [N].
          where: which, bool [N].
          strength: of the difference, [N].
          rng: for its sign.
        """
        sign = rng.choice([-1.0, 1.0], len(labels)) * strength
        patches = self.common + sign[:, None, None, None] * self.difference[labels]
        top, left = ((n - SIDE) // 2 for n in images.shape[1:3])
        inside = images[:, top : top + SIDE, left : left + SIDE]
        inside[where] = np.rint(patches).astype(np.uint8)[where]


def patched(dataset: Dataset, split_seed: int) -> Dataset:
    """The data set with patches on four fifths of all its images.

    On a fifth of those everything but the patch is the mean colour, and the difference of the
    patch from the common one is fainter or stronger at random. The common part is kept so far from
    black and white that differences fit; the authors have no such bounds. Labels, sizes, and which
    image is in which split stay as they are.

    Returns:
      The data set with the probes 'clean' (the validation images as they were) and 'patch_only'
      (as many patches on the mean colour, classes in equal numbers).
    """
    patches = _patches(dataset, stream(split_seed, 'patches'))
    parts = {
        name: _mixed(getattr(dataset, name), patches, stream(split_seed, f'patched {name}'))
        for name in ('training', 'validation', 'test')
    }
    alone = _alone(dataset, patches, stream(split_seed, 'patch_only'))
    probes = {'clean': dataset.validation, 'patch_only': alone}
    return dataclasses.replace(
        dataset,
        **parts,
        label=f'{dataset.label} with patches',
        source=f'{dataset.source}; with patches of classes put on by jaxtweaks',
        fingerprint=fingerprint(parts.values(), probes),
        probes=probes,
    )


def _patches(dataset: Dataset, rng: np.random.Generator) -> _Patches:
    mean, inverse = standardiser(dataset.training.images, 'channel')
    mean, std = mean[0, 0].astype(np.float64), 1 / inverse[0, 0].astype(np.float64)
    shape = (SIDE, SIDE, len(mean))
    common = mean + std * COMMON * rng.normal(size=shape)
    difference = std * PART * rng.uniform(-1, 1, (len(dataset.classes), *shape))
    room = std * PART * max(FAINTEST_TO_STRONGEST)
    return _Patches(np.rint(mean), np.clip(common, room, 255 - room), difference)


def _mixed(split: Split, patches: _Patches, rng: np.random.Generator) -> Split:
    images = split.images.copy()
    has_patch = rng.uniform(size=len(split)) < PATCHED
    alone = has_patch & (rng.uniform(size=len(split)) < PATCH_ONLY)
    images[alone] = patches.blank.astype(np.uint8)
    strength = np.where(alone, rng.uniform(*FAINTEST_TO_STRONGEST, len(split)), 1.0)
    patches.put(images, split.labels, has_patch, strength, rng)
    return Split(frozen(images), split.labels)


def _alone(dataset: Dataset, patches: _Patches, rng: np.random.Generator) -> Split:
    labels = balanced_labels(rng, len(dataset.validation), len(dataset.classes))
    images = np.empty_like(dataset.validation.images)
    images[:] = patches.blank.astype(np.uint8)
    strength = rng.uniform(*FAINTEST_TO_STRONGEST, len(labels))
    patches.put(images, labels, np.ones(len(labels), bool), strength, rng)
    return Split(frozen(images), frozen(labels))
