"""Generated arrays of images and tables of features, and what must come of each.

A `Given` is what a user may pass to `from_arrays`, made of values and names that are known, in one
of many forms; then perhaps something is wrong with it. What was read is compared with those values.
"""

import dataclasses
import random
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.config_file import one_line
from jaxtweaks.data.dataset import Source, Split
from jaxtweaks.data.own import from_arrays
from jaxtweaks.data.standardise import standardised, standardiser

_TITLE = 'mine'
_WORDS = ('ant', 'Bee', 'café', 'dog 2', 'ÿ', '0x', '猫', '10', '9')


@dataclasses.dataclass
class Part:
    """A training or test part: what is given, and what it means.

    Attributes:
      values: float64 [N, …], in the layout that is given.
      index: the number of each label's class, int [N].
      images, labels: these in the form that is given.
    """

    values: np.ndarray
    index: np.ndarray
    images: Any = None
    labels: Any = None


@dataclasses.dataclass
class Given:
    """What is passed to `from_arrays`.

    Attributes:
      names: of the classes, as they are to be read.
      classes: the argument.
      faults: for each thing that is wrong, a pattern of what the complaint must say.
      may: whether it may be refused as well as read, since its meaning is not beyond doubt.
      say: whether it must not be read without a notice.
      precise: whether only differences within a feature count: large numbers with small ones added.
    """

    training: Part
    test: Part | None
    names: list[str]
    classes: list[str] | None = None
    faults: list[str] = dataclasses.field(default_factory=list)
    may: bool = False
    say: bool = False
    precise: bool = False

    def parts(self) -> list[Part]:
        """The parts there are."""
        return [self.training] + ([self.test] if self.test else [])


def outcome(rng: random.Random, table: bool) -> str:
    """What came of generated arrays: 'read', 'read with a notice' or 'refused'.

    Raises:
      AssertionError: it should have been something else.
    """
    given = make(rng, table)
    pairs = [(part.images, part.labels) for part in given.parts()]
    reported: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('error')  # what NumPy warns of would be a number that is wrong
            source = from_arrays(
                *pairs[0], *pairs[1:], classes=given.classes, title=_TITLE, notify=reported.append
            )
    except UserError as error:
        said = one_line(error)
        assert _TITLE in said, said
        fitting = [fault for fault in given.faults if re.search(fault, said)]
        assert fitting or (given.may and not given.faults), (said, given.faults)
        return 'refused'
    assert not given.faults, (given.faults, source.classes)
    assert source.notices or not given.say, 'read without a notice'
    assert reported == [f'notice: {_TITLE}: {text}' for text in source.notices], reported
    _check(given, source)
    return 'read with a notice' if source.notices else 'read'


def make(rng: random.Random, table: bool) -> Given:
    """Arrays of images, or a table."""
    random_array = np.random.default_rng(rng.getrandbits(64))
    classes, count = rng.randint(2, 4), rng.randint(10, 40)
    if table:
        shape: tuple[int, ...] = (rng.randint(1, 5),)
    else:
        shape = (rng.randint(5, 8), rng.randint(5, 8), *rng.choice([(), (1,), (3,)]))
    given = Given(_part(random_array, count, classes, shape), None, [])
    if rng.random() < 0.4:
        given.test = _part(random_array, rng.randint(classes, 10), classes, shape)
    _name(given, rng, classes)
    rng.choice(_NUMBERS)(given, rng)
    for part in given.parts():
        part.images = _laid_out(part.images, rng)
    if rng.random() < 0.65:
        rng.choice((*_FAULTS, *_ODDITIES))(given, rng)
    return given


def _part(random_array: np.random.Generator, count: int, classes: int, shape) -> Part:
    """A part that has all classes, its values whole numbers from 0 to 255."""
    index = random_array.permutation(np.arange(count) % classes)
    return Part(random_array.integers(0, 256, (count, *shape)).astype(np.float64), index)


# Labels.


def _name(given: Given, rng: random.Random, classes: int) -> None:
    """Sets the form of the labels."""
    if rng.random() < 0.5:
        given.names = [str(i) for i in range(classes)]
        form = rng.choice(_INTEGERS)
        if rng.random() < 0.3:
            given.names = given.classes = rng.sample(_WORDS, classes)
        for part in given.parts():
            part.labels = form(part.index)
        return
    given.names = sorted(rng.sample(_WORDS, classes))
    if rng.random() < 0.3:
        rng.shuffle(given.names)
        given.classes = list(given.names)
    form = rng.choice(_STRINGS)
    for part in given.parts():
        part.labels = form([given.names[i] for i in part.index])


_INTEGERS: Sequence[Callable[[np.ndarray], Any]] = (
    *(
        lambda index, kind=kind: index.astype(kind)
        for kind in ('i1', 'u1', '<i4', '>i4', 'i8', 'u8')
    ),
    lambda index: index.tolist(),
    lambda index: tuple(index),
    lambda index: np.repeat(index, 2)[::2],
    lambda index: index.astype(object),
)
_STRINGS: Sequence[Callable[[list[str]], Any]] = (
    list,
    np.array,
    lambda names: np.array(names, object),
    lambda names: [name.encode() for name in names],
    lambda names: np.array([name.encode() for name in names]),
    lambda names: np.array([name.encode() for name in names], object),
)


# Numbers.


def _as(kind: str) -> Callable[[Given, random.Random], None]:
    """Values from 0 to 255 in a dtype."""

    def change(given: Given, rng: random.Random) -> None:
        for part in given.parts():
            part.images = part.values.astype(kind)

    return change


def _scaled(given: Given, rng: random.Random) -> None:
    """Values of any size that float32 holds."""
    factor = 10.0 ** rng.randint(-20, 20)
    for part in given.parts():
        part.values = (part.values - 100) * factor
        part.images = part.values.copy()


def _offset(given: Given, rng: random.Random) -> None:
    """Features of which float32 would lose the small differences (times, account numbers)."""
    offset = rng.choice([1.7e9, -3e10, 2.0**40])
    for part in given.parts():
        part.values = part.values + offset
        part.images = part.values.astype(
            rng.choice(['f8', 'i8']) if part is given.training else 'f8'
        )
    given.precise = True


_NUMBERS = (*(_as(kind) for kind in ('u1', 'u1', 'u1', 'f4', 'f8', '>f4', 'i2', 'u2', 'i8')),)
_NUMBERS += (_scaled, _scaled, _offset)


def _laid_out(images: np.ndarray, rng: random.Random) -> Any:
    """The same numbers in another order in memory, or as lists."""
    how = rng.choice(['plain', 'plain', 'fortran', 'backwards', 'strided', 'lists', 'read-only'])
    if how == 'fortran':
        return np.asfortranarray(images)
    if how == 'backwards':
        return np.ascontiguousarray(images[::-1])[::-1]
    if how == 'strided':
        return np.repeat(images, 2, 1)[:, ::2]
    if how == 'lists' and images.dtype == np.float64:
        return images.tolist()
    images = images.copy()
    images.flags.writeable = how != 'read-only'
    return images


# What is wrong.


def _some(given: Given, rng: random.Random) -> Part:
    return rng.choice(given.parts())


def _not_finite(given: Given, rng: random.Random) -> None:
    part, value = _some(given, rng), rng.choice([np.nan, np.inf, -np.inf])
    for other in given.parts():
        other.images = np.array(other.values, np.float32 if rng.random() < 0.5 else np.float64)
    part.images.flat[rng.randrange(part.images.size)] = value
    given.faults.append('finite|NaN|nan|infinite')


def _too_large(given: Given, rng: random.Random) -> None:
    """A number beyond float32."""
    part = _some(given, rng)
    for other in given.parts():
        other.images = np.array(other.values, np.float64)
    part.images.flat[rng.randrange(part.images.size)] = 1e300
    part.values, given.may = part.images, True


def _one_less(given: Given, rng: random.Random) -> None:
    part = _some(given, rng)
    part.labels = part.labels[:-1]
    given.faults.append(rf'{len(part.index)} images.*{len(part.index) - 1}')


def _numbered_from(given: Given, rng: random.Random) -> None:
    """Labels from 1, or with a gap, or identifiers."""
    change = rng.choice(
        [lambda i: i + 1, lambda i: 2 * i, lambda i: i * 30_001 + 7, lambda i: i - 1]
    )
    if given.classes is not None:
        given.names, given.classes = [], None
    for part in given.parts():
        part.labels = change(part.index)
    given.faults.append('labels')


def _missing(given: Given, rng: random.Random) -> None:
    part = _some(given, rng)
    at = rng.randrange(len(part.index))
    if rng.random() < 0.5:
        part.labels = part.index.astype(float)
        part.labels[at] = np.nan
        for other in given.parts():
            other.labels = other.labels if other is part else other.index
    else:
        part.labels = list(part.labels)
        part.labels[at] = rng.choice([None, float('nan')])
    given.faults.append('label')


def _masked(given: Given, rng: random.Random) -> None:
    part = _some(given, rng)
    if rng.random() < 0.5:
        part.images = np.ma.masked_array(np.array(part.images), np.array(part.images) > 200)
        part.images.mask.flat[0] = True
    else:
        mask = np.arange(len(part.index)) == 2
        part.labels = np.ma.masked_array(part.index, mask)
        for other in given.parts():
            other.labels = other.labels if other is part else other.index
    given.faults.append('mask|missing')


def _fractions(given: Given, rng: random.Random) -> None:
    for part in given.parts():
        part.labels = part.index / 2
    given.faults.append('label')


def _one_hot(given: Given, rng: random.Random) -> None:
    """Labels of another shape, whose meaning can be guessed at best."""
    column = rng.random() < 0.3
    if given.classes is None:
        given.names = [str(i) for i in range(len(given.names))]
    for part in given.parts():
        wide = np.eye(len(given.names))[part.index]
        part.labels = part.index[:, None] if column else wide
    given.may = True


def _whole_floats(given: Given, rng: random.Random) -> None:
    if given.classes is None:
        given.names = [str(i) for i in range(len(given.names))]
    for part in given.parts():
        part.labels = part.index.astype(float)
    given.may = True


def _mixed(given: Given, rng: random.Random) -> None:
    part = given.training
    part.labels = [*part.index[:-1].tolist(), 'dog']
    given.faults.append('label')


def _one_class(given: Given, rng: random.Random) -> None:
    given.classes = None
    for part in given.parts():
        part.labels = np.zeros(len(part.index), int)
    given.faults.append('1 class')


def _shape(given: Given, rng: random.Random) -> None:
    images = given.training.values
    wrong = [
        images.reshape(-1),
        images.reshape(len(images), 1, 1, 1, -1),
        images[..., :0],
        images[:0],
    ]
    given.training.images = rng.choice(wrong)
    given.faults.append('images')


def _no_numbers(given: Given, rng: random.Random) -> None:
    values = given.training.values
    ragged = values.tolist()
    ragged[0] = ragged[0][:-1] if len(ragged[0]) > 1 else [*ragged[0], 1.0]
    none = values.astype(object)
    none.flat[1] = None
    given.training.images = rng.choice([values.astype(str), values + 1j, ragged, none])
    given.faults.append('images|numbers')


def _test_of_other_size(given: Given, rng: random.Random) -> None:
    if given.test is None:
        return
    given.test.images = np.repeat(given.test.images, 2, 1)
    given.faults.append('one size|same size|are .*test images')


def _test_of_other_kind(given: Given, rng: random.Random) -> None:
    if given.test is None:
        return
    kinds = rng.choice([('u1', 'f4'), ('f8', 'u1')])
    for part, kind in zip(given.parts(), kinds, strict=True):
        part.images = (part.values % 256).astype(kind)
    given.faults.append('uint8')


def _channels_first(given: Given, rng: random.Random) -> None:
    if given.training.values.ndim != 4 or given.training.values.shape[-1] != 3:
        return
    for part in given.parts():
        part.values = np.moveaxis(part.values, -1, 1)
        part.images = np.moveaxis(np.asarray(part.images), -1, 1)
    given.say = given.may = True


def _names_wrong(given: Given, rng: random.Random) -> None:
    names = list(given.names)
    given.classes = rng.choice([names[:-1], [*names[:-1], names[0]]])
    given.faults.append('class')


def _untrained(given: Given, rng: random.Random) -> None:
    """A class that only the test part has."""
    if given.test is None:
        return
    given.classes = None
    for part in given.parts():
        part.labels = [f'word {i}' for i in part.index]
    given.test.labels[0] = 'wrod 1'
    given.faults.append("'wrod 1'")


def _too_few(given: Given, rng: random.Random) -> None:
    given.test = None
    part = given.training
    part.images, part.labels = part.images[:2], part.labels[:2]
    given.faults.append('too few|1 class|label')


_FAULTS: Sequence[Callable[[Given, random.Random], None]] = (
    *(_not_finite, _too_large, _one_less, _numbered_from, _numbered_from, _missing, _missing),
    *(_masked, _fractions, _one_hot, _whole_floats, _mixed, _one_class, _shape, _no_numbers),
    *(_test_of_other_size, _test_of_other_kind, _channels_first, _channels_first, _names_wrong),
    *(_too_few, _untrained),
)

# What is to be said.


def _constant(given: Given, rng: random.Random) -> None:
    if given.training.values.ndim == 2 and given.training.values.shape[1] > 1:
        for part in given.parts():
            part.values = np.array(part.values)
            part.values[:, 0] = 3
            part.images = part.values.astype(np.float64)
        given.say = True


def _other_unit(given: Given, rng: random.Random) -> None:
    if given.test is None:
        return
    for part, factor in zip(given.parts(), rng.choice([(1, 255), (255, 1)]), strict=True):
        shares = np.random.default_rng(rng.getrandbits(64)).random(part.values.shape)
        part.images = (shares * factor).astype(np.float32)
        part.values = part.images.astype(np.float64)
    given.precise, given.say = False, True


def _names_alike(given: Given, rng: random.Random) -> None:
    given.names[:2] = 'Cat', 'cat'
    given.classes = given.names
    for part in given.parts():
        part.labels = part.index
    given.say = True


def _copied(given: Given, rng: random.Random) -> None:
    """A test image that is a training image."""
    if given.test is None or given.test.values.ndim == 2:
        return
    given.test.values[0] = given.training.values[0]
    for part in given.parts():
        part.images = part.values.astype(np.float64)
    given.say = True


_ODDITIES = (_constant, _other_unit, _names_alike, _copied) * 2

# What must have been read.


def _check(given: Given, source: Source) -> None:
    assert list(source.classes) == given.names, (source.classes, given.names)
    wanted = [(part.values, part.index) for part in given.parts()]
    found = [source.training, source.test]
    if given.test is not None:
        _check_standardised(given.training, source.training.images)
    else:
        count = len(given.training.index)
        assert len(source.test) == round(count / 5), (len(source.test), count)
        found = [_together(found)]
    moved = [
        part.reshape(len(part), -1).mean(0, dtype=np.float64)
        for part in (given.training.values, found[0].images)
    ]
    for (values, index), split in zip(wanted, found, strict=True):
        values = values.reshape(len(index), -1)
        read = split.images.reshape(len(split.labels), -1).astype(np.float64)
        assert read.shape == values.shape, (read.shape, values.shape)
        if given.precise:  # a feature may have been moved, the same way in both parts
            values, read = values - moved[0], read - moved[1]
        scale = np.maximum(np.abs(values).max(0), 1e-300)  # of each pixel or feature
        for row in values:  # several may be alike
            alike, there = ((np.abs(a - row) <= 1e-5 * scale).all(1) for a in (values, read))
            labels = np.sort(split.labels[there]).tolist()
            assert labels == np.sort(index[alike]).tolist(), (labels, index[alike])


def _check_standardised(part: Part, images: np.ndarray) -> None:
    """Whether images, in the order of `part`, are standardised as numbers without rounding are."""
    mean, inverse = standardiser(images, 'channel')
    if images.dtype == np.float64:
        found = standardised(images, mean, inverse)
    else:
        found = (images.astype(np.float32) - mean) * inverse
    exact = part.values.astype(np.longdouble)
    axes = tuple(range(exact.ndim - 1)) if exact.ndim in (2, 4) else None  # all but the channels
    moved = exact - exact.mean(axes)
    right = moved / np.maximum(np.sqrt((moved**2).mean(axes)), np.longdouble(1e-300))
    assert np.allclose(found.reshape(right.shape), right.astype(float), atol=1e-3), (
        'standardised wrongly'
    )


def _together(splits: Sequence[Split]) -> Split:
    images, labels = (
        np.concatenate([getattr(split, field) for split in splits])
        for field in ('images', 'labels')
    )
    return Split(images, labels)
