"""Splitting the training part of a data set into training and validation images.

The split follows from `data.split` and from a fixed permutation by numpy's
`Generator(PCG64(data.split_seed))`. It is the same for all runs and never depends on a run's seed:
the seeds of an experiment vary the weights and the order of the batches, not which images are held
out.

'stratified' keeps the shares of the classes. Of each class as many images are held out as
`held_out_counts` says, those that come first in the permutation; what is held out and what is left
are each put in an order (`spread`) every beginning of which keeps the shares too, so that fewer
images, or a share of them, are still of all classes. 'random' holds out what comes first in the
permutation, whatever its class; so does 'stratified' where targets are no classes.
"""

import dataclasses
import heapq
from collections.abc import Mapping

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import settings
from jaxtweaks.data.dataset import Dataset, Source, Split, fingerprint, frozen

TEST_SHARE = 0.2


def split(source: Source, config: settings.Data, *, fallback: bool = False) -> Dataset:
    """The data set with its training part split as `config` says.

    Of the training part `validation_size` images are held out, and `train_size` of the others are
    the training split, so that a change of `train_size` alone leaves the validation images what
    they were, and more training images are the same ones and others. `test_size` 0 keeps the
    whole test part in its own order; otherwise a fixed choice of it is kept.

    Of a source with a validation part of its own that is the validation split, or a fixed choice of
    `validation_size` of it, and nothing is held out of the training part.

    Raises:
      UserError: if there are fewer images than asked for, or the source was made for another split.
    """
    _check_sizes(source, config)
    if source.outline:
        return _sizes_alone(source, config)
    if source.made_for not in ('', config.split):
        raise UserError(
            f'data.split: {config.split!r} holds out test rows that are in the means which fill '
            f"{source.label} (missing='mean'); it must be {source.made_for!r}, or drop these rows"
        )
    if config.split != 'stratified':  # which is how the source has held its test part out
        source = _held_out_again(source, config.split)
    validation = 0 if source.validation is not None else config.validation_size
    strata = strata_of(source.training.labels)
    held, rest = _parted(strata, validation, config.split, config.split_seed)
    if source.validation is None:
        validation_split = source.training.take(held)
    else:
        validation_split = _some(source.validation, config.validation_size, config)
    training_split = source.training.take(rest[: config.train_size])
    test_split = _some(source.test, config.test_size, config) if config.test_size else source.test
    parts = {'training': training_split, 'validation': validation_split, 'test': test_split}
    return Dataset(
        label=source.label,
        training=training_split,
        validation=validation_split,
        test=test_split,
        classes=source.classes,
        source=source.source,
        fingerprint=fingerprint(parts.values()),
        fallback=fallback,
        notices=(*source.notices, *_lacking(parts, source)),
        targets=source.targets,
    )


def _sizes_alone(source: Source, config: settings.Data) -> Dataset:
    """Splits of the right sizes, whose images are any: to choose them takes time."""
    first = lambda part, count: Split(part.images[:count], part.labels[:count])
    return Dataset(
        label=source.label,
        training=first(source.training, config.train_size),
        validation=first(source.validation or source.training, config.validation_size),
        test=first(source.test, config.test_size or None),
        classes=source.classes,
        source=source.source,
        fingerprint='',
        fallback=False,
        targets=source.targets,
    )


def strata_of(labels: np.ndarray) -> np.ndarray:
    """Whose shares a split keeps, int [N]: the classes; of other targets there is one stratum."""
    return labels if labels.ndim == 1 else np.zeros(len(labels), np.int32)


def _lacking(parts: Mapping[str, Split], source: Source) -> list[str]:
    """Which classes have no images in which part, in sentences."""
    if source.targets != 'classes':
        return []
    classes = source.classes
    there = {name: set(part.labels.tolist()) for name, part in parts.items()}
    found = []
    for name, labels in there.items():
        absent = [one for label, one in enumerate(classes) if label not in labels]
        if absent:
            more = f' (and {len(absent) - 1:,} more of {len(classes):,})' if absent[1:] else ''
            found.append(f'class {absent[0]!r}{more} has no {name} images')
    return found


def _check_sizes(source: Source, config: settings.Data) -> None:
    """Whether there are as many images as asked for. Raises UserError."""
    train, validation, available = config.train_size, config.validation_size, len(source.training)
    if source.validation is None and train + validation > available:
        raise UserError(
            f'data.train_size {train} + data.validation_size {validation} = {train + validation} '
            f'is more than the {available} training images of {source.label}'
        )
    if source.validation is not None and train > available:
        raise UserError(
            f'data.train_size {train} is more than the {available} training images of '
            f'{source.label}'
        )
    if source.validation is not None and validation > len(source.validation):
        raise UserError(
            f'data.validation_size {validation} is more than the {len(source.validation)} '
            f'validation images of {source.label}, which has a validation set of its own'
        )
    if config.test_size > len(source.test):
        raise UserError(
            f'data.test_size {config.test_size} is more than the {len(source.test)} test images '
            f'of {source.label} (0 means all)'
        )


def held_out(
    whole: Split,
    classes: tuple[str, ...],
    title: str,
    source: str,
    how: str = 'stratified',
    targets: str = 'classes',
) -> Source:
    """Data without a test part: `TEST_SHARE` of them, always the same, become one.

    Both parts keep the order of the data.

    Args:
      whole: all the images.
      classes, title, source, targets: see `Source`; `title` is its label.
      how: see `data.split`.

    Raises:
      UserError: there are too few images.
    """
    count = round(TEST_SHARE * len(whole))
    if count == 0:
        raise UserError(f'{title}: {len(whole)} images are too few to hold a test set out')
    held, rest = map(np.sort, _parted(strata_of(whole.labels), count, how, 0))
    places = frozen(np.concatenate([rest, held]))
    return Source(
        title,
        whole.take(rest),
        whole.take(held),
        classes,
        source,
        places=places,
        targets=targets,
    )


def _held_out_again(source: Source, how: str) -> Source:
    """`source` with its test part held out in another way, if it was held out at all."""
    if source.places is None:
        return source
    back = np.argsort(source.places)
    both = source.training, source.test
    images, labels = (
        frozen(np.concatenate([getattr(part, field) for part in both])[back])
        for field in ('images', 'labels')
    )
    again = held_out(
        Split(images, labels), source.classes, source.label, source.source, how, source.targets
    )
    return dataclasses.replace(again, validation=source.validation, notices=source.notices)


def scaled_down(train: int, validation: int, available: int) -> tuple[int, int]:
    """The sizes (training, validation) that fit in `available` images.

    Sizes that fit stay as they are; otherwise all images are used and the ratio is kept, to the
    nearest image, with at least one of each.
    """
    if train + validation <= available:
        return train, validation
    validation = round(available * validation / (train + validation))
    validation = min(max(validation, 1), available - 1)
    return available - validation, validation


def held_out_counts(counts: np.ndarray, size: int) -> np.ndarray:
    """How many images of each class are held out, int [C], `size` in all.

    Its share of `size`, rounded by the largest remainders (ties: the class that comes first); but
    of a class with two images or more at least one, and not all; of one with a single image none.
    Where `size` leaves no room for that, it is given up, on the side where there is none.

    Args:
      counts: images of each class, int [C], ≥ 1.
      size: 0 … the sum of `counts`.
    """
    total = int(counts.sum())
    exact = size * counts  # in parts of `total`: whole numbers, so that ties are ties
    low, high = np.minimum(counts - 1, 1), counts - 1
    low = low if low.sum() <= size else np.zeros_like(counts)
    high = high if high.sum() >= size else counts
    held = np.clip(exact // total, low, high)
    while (short := size - held.sum()) != 0:
        movable = held < high if short > 0 else held > low
        gap = (exact - held * total) * np.sign(short)
        held[np.argmax(np.where(movable, gap, np.iinfo(gap.dtype).min))] += np.sign(short)
    return held


def spread(labels: np.ndarray) -> np.ndarray:
    """An order of the images, int [N], every beginning of which keeps the shares of the classes.

    First comes one image of each class, the largest first. From there on the first m images hold
    of each class its share of m, rounded down or up, once the larger classes, which had to wait for
    rare ones, have caught up. The images of one class keep their order.

    It is the earliest-deadline-first schedule: of a class with n of the N images, image j (from 0)
    comes at place ⌊jN/n⌋ or later and before place ⌈(j+1)N/n⌉, which can always be had (Baruah,
    Cohen, Plaxton & Varvel 1996).
    """
    total = len(labels)
    _, first, label, counts = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    places = np.split(np.argsort(label, kind='stable'), np.cumsum(counts)[:-1])
    # (deadline, tie: place of the class's first image, class, j); those not yet released wait.
    # The deadlines of the first ones have passed, so that none has to wait.
    counts, first = counts.tolist(), first.tolist()  # Python's integers are faster, and exact
    ready = [(-n, first[c], c, 0) for c, n in enumerate(counts)]
    heapq.heapify(ready)
    waiting: list[tuple[int, int, int]] = []
    found = []
    for place in range(total):
        while waiting and waiting[0][0] <= place:
            _, c, j = heapq.heappop(waiting)
            heapq.heappush(ready, (-(-(j + 1) * total // counts[c]), first[c], c, j))
        _, _, c, j = heapq.heappop(ready)
        found.append(places[c][j])
        if j + 1 < counts[c]:
            heapq.heappush(waiting, ((j + 1) * total // counts[c], c, j + 1))
    return np.array(found, int)


def folds_of(labels: np.ndarray, folds: int, how: str) -> np.ndarray:
    """The fold of each training image, int32 [N], 1 … `folds`; 0 for those in none.

    Each fold has N // `folds` images. 'stratified': of each class any two folds have equally many,
    or one more. 'random': every folds-th image. The first two images are never in one fold: some
    of the first ones, on which training is evaluated, are trained on.
    """
    count = len(labels)
    inside = folds * (count // folds)
    position = np.arange(count) if how == 'random' else _by_class(labels, folds)
    found = np.where(position < inside, position % folds + 1, 0).astype(np.int32)
    if found[0] == found[1] > 0:
        alike = np.flatnonzero((found != found[0]) & np.isin(labels, labels[:2]))[0]
        mine = 0 if labels[alike] == labels[0] else 1
        found[[mine, alike]] = found[[alike, mine]]
    return found


def _by_class(labels: np.ndarray, folds: int) -> np.ndarray:
    """A position for each image, a permutation of 0 … N - 1: class by class, small classes first.

    Within its class the first image stands where the class's number among them says, modulo
    `folds`, so that the first images of many classes are not all in one fold.
    """
    _, first, label, counts = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    in_order = np.lexsort((first, counts))
    start = np.empty_like(counts)
    start[in_order] = np.cumsum(counts[in_order]) - counts[in_order]
    number = np.argsort(np.argsort(first))
    ahead = (number - start) % folds
    ahead = np.where(ahead < counts, ahead, 0)
    return start[label] + (_ranks(label) + ahead[label]) % counts[label]


def _parted(labels: np.ndarray, size: int, how: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which images are held out, int [size], and which are not; both in the order of their use."""
    order = _permutation(len(labels), seed)
    if how == 'random':
        return order[:size], order[size:]
    _, first, label, counts = np.unique(
        labels[order], return_index=True, return_inverse=True, return_counts=True
    )
    by_appearance = np.argsort(first)
    of_class = np.empty_like(counts)
    of_class[by_appearance] = held_out_counts(counts[by_appearance], size)
    is_held = _ranks(label) < of_class[label]
    held, rest = order[is_held], order[~is_held]
    return held[spread(labels[held])], rest[spread(labels[rest])]


def _some(part: Split, size: int, config: settings.Data) -> Split:
    """`size` images of a part, a fixed choice in a fixed order."""
    order = _permutation(len(part), config.split_seed)
    if config.split == 'stratified':
        order = order[spread(strata_of(part.labels)[order])]
    return part.take(order[:size])


def _ranks(label: np.ndarray) -> np.ndarray:
    """How many images of its class come before each image, int [N]; labels 0 … C - 1."""
    order = np.argsort(label, kind='stable')
    starts = np.searchsorted(label[order], label)
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(label))
    return ranks - starts


def _permutation(n: int, seed: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).permutation(n)
