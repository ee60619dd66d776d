"""Splitting the training part of a data set into training and validation images.

The split is a fixed permutation by numpy's `Generator(PCG64(data.split_seed))`. It is the same
for all runs and never depends on a run's seed: the seeds of an experiment vary the weights and the
order of the batches, not which images are held out.
"""

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.config import settings
from jaxtweaks.data.dataset import Dataset, Source, Split, fingerprint

TEST_SHARE = 0.2


def split(source: Source, config: settings.Data, *, fallback: bool = False) -> Dataset:
    """The data set with its training part split as `config` says.

    Of the permuted training part the first `validation_size` images are the validation split and
    the next `train_size` the training split, so that a change of `train_size` alone leaves the
    validation images what they were. `test_size` 0 keeps the whole test part in its own order;
    otherwise the first `test_size` of a fixed permutation of it are kept.

    A source with a validation part of its own gives the first `validation_size` of a fixed
    permutation of that, and its training part is all for training.

    Raises:
      UserError: if there are fewer images than asked for.
    """
    _check_sizes(source, config)
    train, validation = config.train_size, config.validation_size
    order = _permutation(len(source.training), config.split_seed)
    if source.validation is None:
        validation_split = source.training.take(order[:validation])
        order = order[validation:]
    else:
        own = _permutation(len(source.validation), config.split_seed)
        validation_split = source.validation.take(own[:validation])
    training_split = source.training.take(order[:train])
    test_split = _test(source.test, config)
    return Dataset(
        label=source.label,
        training=training_split,
        validation=validation_split,
        test=test_split,
        classes=source.classes,
        source=source.source,
        fingerprint=fingerprint((training_split, validation_split, test_split)),
        fallback=fallback,
        notices=source.notices,
    )


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


def held_out(whole: Split, title: str) -> tuple[Split, Split]:
    """Training and test part of data without a test part, `TEST_SHARE` of them, always the same.

    Raises:
      UserError: there are too few images; `title` names the data.
    """
    count = round(TEST_SHARE * len(whole))
    if count == 0:
        raise UserError(f'{title}: {len(whole)} images are too few to hold a test set out')
    order = _permutation(len(whole), 0)
    return whole.take(np.sort(order[count:])), whole.take(np.sort(order[:count]))


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


def _test(test: Split, config: settings.Data) -> Split:
    if config.test_size == 0:
        return test
    return test.take(_permutation(len(test), config.split_seed)[: config.test_size])


def _permutation(n: int, seed: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).permutation(n)
