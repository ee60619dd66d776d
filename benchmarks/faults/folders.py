"""Generated image folders, and what is known of each by whoever wrote it.

A `Made` folder is one that can be read, with a few oddities that are to be said, and perhaps a
fault for which it is to be refused. What it holds is counted while it is written, not by reading it
again; `expected` and `check` share no code with `jaxtweaks.data`.
"""

import os
import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.faults.pictures import FORMS, Picture, encoded, lossless, noise
from jaxtweaks.data.dataset import Source

Place = tuple[str, ...]

_NAMES = ('cat', 'dog', 'Elm tree', 'a, b <i>$x$ & %_#', 'été 猫', 'café', '3', '10', '2', 'x.y')
_NAMES += ('-flag', 'UPPER', 'Z', 'naïve ñ', '100', 'ﬁn')
_PARTS = {
    'train': ('train', 'Train', 'training'),
    'validation': ('val', 'valid', 'Validation'),
    'test': ('test', 'TEST', 'testing'),
}
_FILES = ('{}', 'img {}', 'ü{}', "it's {}", '{}.2023', '#{}%20')


class Known(NamedTuple):
    """An image that was written: where, and what it is."""

    place: Place
    part: str
    name: str
    picture: Picture


class Notice(NamedTuple):
    """What must be said: words, a number (None for none) and the places that are examples."""

    words: str
    number: int | None
    examples: Sequence[str] = ()


class Made:
    """A folder that is being written.

    Attributes:
      root: where it is.
      scale: what from_folder is given as `size`.
      forms: the forms of its images.
      images: those that are to be read.
      odd: places of what is omitted, by the words with which that is said.
      refusals: for each fault that it is to be refused for, words that the complaint must have.
    """

    def __init__(self, root: Path, rng: random.Random):
        self.root, self.rng = root, rng
        self.size = rng.randint(3, 6), rng.randint(3, 6)
        self.scale: tuple[int, int] | None = None
        self.forms = rng.choices(FORMS, k=rng.randint(1, 3))
        self.images: list[Known] = []
        self.odd: dict[str, list[Place]] = {}
        self.refusals: list[tuple[str, ...]] = []
        self.tops: dict[str, Place] = {'train': ()}
        self._count = 0

    def write(self, place: Place, content: bytes) -> Place:
        """A file with this content."""
        path = self.root.joinpath(*place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return place

    def omit(self, words: str, place: Place) -> None:
        """Notes what is to be said of a place that is not read."""
        self.odd.setdefault(words, []).append(place)

    def new_file(self, ending: str = '') -> str:
        """A name that no other file has."""
        self._count += 1
        return self.rng.choice(_FILES).format(self._count) + ending

    def picture(self) -> Picture:
        """An image of any form."""
        if self.scale is not None:  # whose pixels are known after scaling too
            size = self.rng.randint(3, 9), self.rng.randint(3, 9)
            colour = np.array([self.rng.randrange(256) for _ in range(3)], np.uint8)
            plain = np.broadcast_to(colour, (*size, 3))
            there = np.broadcast_to(colour, (*self.scale, 3))
            return Picture(encoded(Image.fromarray(plain), 'PNG'), there, ('.png',))
        return self.rng.choice(self.forms)(self.rng, self.size)

    def add(
        self, part: str, folder: str, below: Place = (), picture: Picture | None = None
    ) -> None:
        """An image of the class of a folder."""
        picture = picture or self.picture()
        ending = self.rng.choice((*picture.endings, picture.endings[0].upper()))
        place = (*self.tops[part], folder, *below, self.new_file(ending))
        self.write(place, picture.content)
        name = unicodedata.normalize('NFC', folder)
        self.images.append(Known(place, part, name, picture))


def make(root: Path, rng: random.Random) -> Made:
    """Writes a folder at `root`, which is empty."""
    made = Made(root, rng)
    names = _distinct(rng, rng.randint(2, 4))
    if rng.random() < 0.1:
        made.scale = rng.randint(3, 6), rng.randint(3, 6)
    if rng.random() < 0.5:
        parts = rng.choice([('train', 'test'), ('train', 'validation'), tuple(_PARTS)])
        made.tops = {part: (rng.choice(_PARTS[part]),) for part in _PARTS if part in parts}
    if rng.random() < 0.15:
        rng.choice(_STRUCTURES)(made, names)
        return made
    for part in made.tops:
        for name in names:
            for _ in range(rng.randint(2, 4)):
                made.add(part, name)
    for _ in range(rng.randint(0, 3)):
        rng.choice(_ODDITIES)(made, names)
    if rng.random() < 0.4:
        rng.choice(_FAULTS)(made, names)
    return made


def _distinct(rng: random.Random, count: int) -> list[str]:
    """Names of classes, sometimes all numbers."""
    pool = [name for name in _NAMES if name.isdigit()] if rng.random() < 0.1 else list(_NAMES)
    return rng.sample(pool, count)


# What is to be said.


def _text(made: Made, names: Sequence[str]) -> None:
    content = made.rng.choice([b'a,b\n1,2\n', b'%!PS-Adobe-3.0 EPSF-3.0\n', b'', b'%PDF-1.4'])
    ending = made.rng.choice(['.txt', '.csv', '', '.eps', '.pdf', '.h5', '.heic'])
    place = (*made.tops['train'], names[0], made.new_file(ending))
    made.omit('Pillow reads no image in', made.write(place, content))


def _loose(made: Made, names: Sequence[str]) -> None:
    content = made.rng.choice([b'read me', lossless(made.rng, made.size).content])
    place = made.rng.choice([(), made.tops['train']])
    ending = made.rng.choice(['.png', '.md'])
    made.omit('in no folder of a class', made.write((*place, made.new_file(ending)), content))


def _hidden(made: Made, names: Sequence[str]) -> None:
    folder = f'.{made.new_file()}'
    made.write((folder, names[0], '1.png'), made.picture().content)
    made.omit('hidden file', (folder,))


def _litter(made: Made, names: Sequence[str]) -> None:
    for name in ('.DS_Store', '._1.png', 'Thumbs.db', 'desktop.ini'):
        made.write((*made.tops['train'], names[0], name), b'not an image')


def _link(made: Made, names: Sequence[str]) -> None:
    place = (*made.tops['train'], names[-1], made.new_file('.png'))
    target = made.rng.choice(['/nowhere/1.png', '..', place[-1]])
    made.root.joinpath(*place).symlink_to(target)
    made.omit('nowhere or back', place)


def _pipe(made: Made, names: Sequence[str]) -> None:
    place = (*made.tops['train'], names[-1], made.new_file('.png'))
    os.mkfifo(made.root.joinpath(*place))
    made.omit('neither file nor folder', place)


def _empty(made: Made, names: Sequence[str]) -> None:
    place = (*made.tops['train'], f'nothing {made.new_file()}')
    made.root.joinpath(*place, 'deeper').mkdir(parents=True)
    made.omit('no images and', place)


def _next_to(made: Made, names: Sequence[str]) -> None:
    if made.tops['train']:
        place = made.write(('unlabelled', made.new_file('.png')), made.picture().content)
        made.omit('next to', place)


def _deeper(made: Made, names: Sequence[str]) -> None:
    for _ in range(made.rng.randint(1, 3)):
        made.add('train', names[0], made.rng.choice([('2023',), ('2023', 'May'), ('a', 'b', 'c')]))


def _untested(made: Made, names: Sequence[str]) -> None:
    if len(made.tops) > 1:
        made.add('train', 'only trained')


def _two_forms(made: Made, names: Sequence[str]) -> None:
    for form in ('NFC', 'NFD'):
        made.add('train', unicodedata.normalize(form, 'Grün'))


def _linked(made: Made, names: Sequence[str]) -> None:
    """A class that is a link to a folder elsewhere."""
    there = made.root.parent / 'elsewhere' / 'wolf'
    if there.exists():
        return
    picture = made.picture()
    there.mkdir(parents=True)
    (there / f'1{picture.endings[0]}').write_bytes(picture.content)
    place = (*made.tops['train'], 'wolf')
    made.root.joinpath(*place).symlink_to(there)
    place = (*place, f'1{picture.endings[0]}')
    made.images.append(Known(place, 'train', 'wolf', picture))


def _like_a_part(made: Made, names: Sequence[str]) -> None:
    name = made.rng.choice(['test', 'Val', 'train'])
    if made.tops['train'] or any('is taken for a class' in words for words in made.odd):
        return
    made.add('train', name)
    made.omit(f'{name}/ is taken for a class', (name,))


def _copy(made: Made, names: Sequence[str]) -> None:
    known = made.rng.choice(made.images)
    made.add(made.rng.choice(list(made.tops)), made.rng.choice(names), picture=known.picture)


_Change = Callable[[Made, Sequence[str]], None]
_ODDITIES: Sequence[_Change] = (
    *(_text, _loose, _hidden, _litter, _link, _pipe, _empty, _next_to, _deeper, _untested),
    *(_two_forms, _linked, _copy, _like_a_part),
)

# What is to be refused.


def _damaged(made: Made, names: Sequence[str]) -> None:
    whole = encoded(Image.fromarray(noise(made.rng, made.size)), 'PNG')
    content = made.rng.choice([whole[: len(whole) // 2], b'', b'<html>404</html>'])
    place = (*made.tops['train'], names[0], made.new_file('.png'))
    made.refusals.append(('/'.join(made.write(place, content)), 'cannot be decoded'))


def _too_deep(made: Made, names: Sequence[str]) -> None:
    values = np.full(made.size, 300, made.rng.choice(['uint16', 'int32', 'float32']))
    place = (*made.tops['train'], names[-1], made.new_file('.tif'))
    made.write(place, encoded(Image.fromarray(values), 'TIFF'))
    made.refusals.append(('/'.join(place), 'more than 8 bits'))


def _other_size(made: Made, names: Sequence[str]) -> None:
    if made.scale is None:
        height, width = made.size
        made.add('train', names[0], picture=lossless(made.rng, (height + 1, width)))
        made.refusals.append((f'{height} × {width}', f'{height + 1} × {width}'))


def _stray(made: Made, names: Sequence[str]) -> None:
    part = list(made.tops)[-1]
    if part == 'train':
        return
    name = made.rng.choice(['unknown', names[0] + ' x', 'tac'])
    made.add(part, name)
    made.refusals.append((name, 'no training images', made.tops[part][0]))


def _case(made: Made, names: Sequence[str]) -> None:
    other = names[0].swapcase()
    if other != names[0] and other.casefold() == names[0].casefold():
        made.add('train', other)
        made.refusals.append((names[0], other, 'differ in case'))


def _twice(made: Made, names: Sequence[str]) -> None:
    part = list(made.tops)[-1]
    if part != 'train':
        spelling = next(name for name in _PARTS[part] if name != made.tops[part][0])
        made.write((spelling, names[0], '1.png'), made.picture().content)
        made.refusals.append((spelling, 'both the', part))


_FAULTS: Sequence[_Change] = (_damaged, _too_deep, _other_size, _stray, _case, _twice)


def _fill(made: Made, *folders: Place) -> None:
    for folder in folders:
        made.write((*folder, made.new_file('.png')), made.picture().content)


def _one_class(made: Made, names: Sequence[str]) -> None:
    made.tops = {'train': ()}
    _fill(made, (names[0],), (names[0], 'a'), (names[0], 'b'))
    made.refusals.append((f'1 folder with images, {names[0]}/',))


def _nothing(made: Made, names: Sequence[str]) -> None:
    made.root.joinpath(names[0]).mkdir(parents=True)
    if made.rng.random() < 0.5:
        _fill(made, ())
    made.refusals.append((str(made.root), 'holds no images'))


def _bare_part(made: Made, names: Sequence[str]) -> None:
    part = made.rng.choice(['validation', 'test'])
    top = made.rng.choice(_PARTS[part])
    _fill(made, *((('train', name)) for name in names), (top,))
    made.refusals.append((f'/{top}: holds no images in a folder',))


def _no_train(made: Made, names: Sequence[str]) -> None:
    top = made.rng.choice(_PARTS['test'])
    _fill(made, *((top, name) for name in names))
    made.refusals.append((f'has {top}/, but no train/',))


def _like_parts(made: Made, names: Sequence[str]) -> None:
    tops = made.rng.choice([('training_set', 'test_set'), ('seg-train', 'seg-val')])
    _fill(made, *((top, name) for top in tops for name in names))
    made.refusals.append((*tops, 'seem to be parts'))


def _inside(made: Made, names: Sequence[str]) -> None:
    _fill(made, *((name, part) for name in names for part in ('train', 'test')))
    made.refusals.append(('/train/', 'must be above the classes'))


def _ambiguous(made: Made, names: Sequence[str]) -> None:
    top = made.rng.choice(['train', 'test', 'valid'])
    _fill(made, *((top, name) for name in names), ('more', 'x'))
    made.refusals.append((f'{top}/', 'more/', 'is no part'))


_STRUCTURES: Sequence[_Change] = (
    *(_one_class, _nothing, _bare_part, _no_train, _like_parts, _inside, _ambiguous),
)

# What must come of it.


def expected(made: Made) -> list[Notice]:
    """What must be said of a folder that is read, in any order."""
    path = lambda place: '/'.join(place)
    found = [Notice(words, len(p), [*map(path, p)]) for words, p in made.odd.items()]
    remarks = {known.picture.said for known in made.images} - {''}
    for said in remarks:
        places = [path(known.place) for known in made.images if known.picture.said == said]
        found.append(Notice(said, len(places), places))
    depth = len(made.tops['train'])
    deeper = [path(known.place) for known in made.images if len(known.place) > depth + 2]
    if deeper:
        found.append(Notice('deeper folders', len(deeper), deeper))
    pixels = [known.picture.pixels.tobytes() for known in made.images]
    copies = len(pixels) - len(set(pixels))
    if copies:
        again = [
            path(k.place) for k, p in zip(made.images, pixels, strict=True) if pixels.count(p) > 1
        ]
        found.append(Notice('pixel for pixel copies', copies, again))
    classes = {known.name for known in made.images}
    for part in made.tops:
        here = [known for known in made.images if known.part == part]
        for name in {known.name for known in here}:
            folders = {known.place[depth] for known in here if known.name == name}
            if len(folders) > 1:
                found.append(Notice('which Unicode writes', len(folders)))
    if all(name.isdigit() for name in classes) and sorted(classes) != sorted(classes, key=int):
        found.append(Notice('order of the alphabet', None))
    return found


def check(made: Made, source: Source) -> None:
    """AssertionError unless the folder was read whole, and what must be said is said."""
    classes = sorted({known.name for known in made.images})
    assert source.classes == tuple(classes), (source.classes, classes)
    parts = {'train': [source.training], 'validation': [source.validation], 'test': [source.test]}
    if 'test' not in made.tops:
        total = sum(known.part == 'train' for known in made.images)
        assert len(source.test) == round(total / 5), (len(source.test), total)
        parts['train'].append(parts.pop('test')[0])
    if 'validation' not in made.tops:
        assert parts.pop('validation') == [None]
    grey = all((k.picture.pixels == k.picture.pixels[..., :1]).all() for k in made.images)
    unsure = any(known.picture.tolerance > 1 for known in made.images)
    for part, splits in parts.items():
        found = np.concatenate([split.images for split in splits]).astype(int)
        labels = np.concatenate([split.labels for split in splits])
        assert unsure or found.shape[-1] == (1 if grey else 3), found.shape
        wanted = [known for known in made.images if known.part == part]
        assert len(found) == len(wanted), (part, len(found), len(wanted))
        left = [(image, source.classes[label]) for image, label in zip(found, labels, strict=True)]
        for known in wanted:
            left.pop(_where(known, left))
    _check_said(expected(made), source.notices)


def _where(known: Known, left: list[tuple[np.ndarray, str]]) -> int:
    """Which of the images that are left it is."""
    for number, (image, name) in enumerate(left):
        errors = np.abs(image - known.picture.pixels.astype(int))
        if name == known.name and errors.max() <= known.picture.tolerance:
            return number
    raise AssertionError(f'not read as it is: {known.place} of class {known.name!r}')


def _check_said(wanted: Sequence[Notice], said: Sequence[str]) -> None:
    left = list(said)
    for notice in wanted:
        fitting = [text for text in left if notice.words in text]
        assert len(fitting) == 1 or notice.words == 'which Unicode writes', (notice, said)
        text = fitting[0]
        left.remove(text)
        number = re.search(r'(?<![\w/])[\d,]+(?= )', text)
        if notice.words.endswith('is taken for a class'):
            continue
        if notice.number is not None:
            assert int(number[0].replace(',', '')) == notice.number, (notice, text)
        if notice.examples:
            assert any(f'such as {example}' in text for example in notice.examples), (notice, text)
    assert not left, (left, wanted)
