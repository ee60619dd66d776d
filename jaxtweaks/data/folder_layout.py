"""Which image of a folder is of which class and part: by the names of the folders it lies in."""

import collections
import dataclasses
import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import count
from jaxtweaks.data.folder_listing import Listing, Place, shown, such_as

# The parts by the names of their folders, in lower case.
_PARTS = {
    'train': 'train',
    'training': 'train',
    'val': 'validation',
    'valid': 'validation',
    'validation': 'validation',
    'test': 'test',
    'testing': 'test',
}
_NAMES = 'train, validation and test'
_WITHOUT = {
    'validation': 'without it validation images are taken from the training part',
    'test': 'without it a fifth of the training images is held out',
}
_NOWHERE = 'link{s} {leads} nowhere or back and {is_} omitted'

# The images of a part, each with its class.
_Files = Sequence[tuple[Place, str]]


@dataclasses.dataclass(frozen=True)
class Layout:
    """Images by class and part.

    Attributes:
      parts: for 'train', and 'validation' and 'test' if there are such folders, each image and its
        class, in the order of their places.
      classes: in the order of the alphabet; all of them have training images.
      notices: what was omitted or merged, in sentences.
    """

    parts: Mapping[str, _Files]
    classes: tuple[str, ...]
    notices: tuple[str, ...]


def lay_out(listing: Listing, images: Sequence[Place]) -> Layout:
    """The layout of a folder, in which `images`, some of its files, are images.

    The class is the name of the first folder below `listing.folder`, or below the folder of the
    part; deeper folders only group its images. Names that Unicode writes in several ways are one.

    Raises:
      UserError: no images in folders, fewer than two classes, a class that has no training images,
        names that differ in case alone, or folders that may mean either classes or parts.
    """
    tops = _part_folders(listing, images)
    parts = {part: _classified(listing, images, top) for part, top in tops.items()}
    classes = tuple(sorted({name for _, name in parts['train']}))
    for part, top in tops.items():
        _check_case(listing.path(top), sorted({name for _, name in parts[part]}))
    _check_number(listing, tops['train'], parts['train'], classes)
    for part, top in tops.items():
        _check_trained(listing, top, part, parts[part], classes)
    notices = [
        *_of_omitted(listing, images, tops),
        *_of_folders(listing, tops, parts),
        *_of_classes(tops, classes),
    ]
    return Layout(parts, classes, tuple(notices))


def _part_folders(listing: Listing, images: Sequence[Place]) -> dict[str, Place]:
    """The folder of each part, 'train' first; {'train': ()} if there are no parts."""
    holding = list(dict.fromkeys(place[0] for place in images if len(place) > 1))
    direct = {place[0] for place in images if len(place) == 2}
    others = [name for name in holding if name.casefold() not in _PARTS]
    named: dict[str, list[str]] = collections.defaultdict(list)
    for (name,) in (place for place in listing.folders if len(place) == 1):
        if part := _PARTS.get(name.casefold()):
            named[part].append(name)
    where, train = listing.folder, named.get('train', [''])[0]
    nested = [name for name in holding if name.casefold() in _PARTS and name not in direct]
    if nested and others and (not train or set(named) == {'train'}):
        raise UserError(
            f'{where}: {nested[0]}/ holds folders of images, as a part of the data does, but '
            f'{others[0]}/ next to it is no part; name the parts {_NAMES}, or give the class '
            'another name'
        )
    if (set(named) <= {'train'} and not nested) or (not train and others):
        _check_no_hidden_parts(where, set(holding) - direct, images)
        return {'train': ()}
    if not train:
        listed = ' and '.join(f'{name}/' for names in named.values() for name in names)
        raise UserError(f'{where}: has {listed}, but no train/ with a folder for each class')
    for part, names in named.items():
        if len(names) > 1:
            raise UserError(
                f'{where}: {names[0]}/ and {names[1]}/ are both the {part} part; put them together'
            )
    return {part: (named[part][0],) for part in ('train', 'validation', 'test') if part in named}


def _check_no_hidden_parts(folder: Path, deep: set[str], images: Sequence[Place]) -> None:
    """Whether nothing that looks like a part is taken for a class. Raises UserError.

    `deep`: the folders whose images all lie in folders in them.
    """
    like = {name: words for name in sorted(deep) if (words := _part_words(name))}
    if len(like) > 1 and len(set().union(*like.values())) > 1:
        first, second = list(like)[:2]
        raise UserError(
            f'{folder}: {first}/ and {second}/ seem to be parts of the data, not classes; name the '
            f'parts {_NAMES}, or give the classes other names'
        )
    inner = collections.defaultdict(dict)
    for name, below in sorted({place[:2] for place in images if len(place) > 2}):
        if part := _PARTS.get(below.casefold()):
            inner[name][part] = below
    for name, parts in inner.items():
        if 'train' in parts and len(parts) > 1:
            raise UserError(
                f'{folder}: {name}/{parts["train"]}/ seems to be a part in the folder of a class; '
                f'the parts must be above the classes, as {parts["train"]}/{name}/'
            )


def _part_words(name: str) -> set[str]:
    """The parts that words in a name stand for: {'train'} for training_set."""
    return {_PARTS[word] for word in re.split('[^a-z]+', name.casefold()) if word in _PARTS}


def _classified(listing: Listing, images: Sequence[Place], top: Place) -> list[tuple[Place, str]]:
    """The images in the folders in `top`, with their classes. Raises UserError: there are none."""
    depth = len(top)
    inside = [place for place in images if place[:depth] == top]
    found = [
        (place, unicodedata.normalize('NFC', place[depth]))
        for place in inside
        if len(place) > depth + 1
    ]
    if not found:
        raise UserError(_no_images(listing, top, len(inside)))
    for place in dict.fromkeys(place[: depth + 1] for place, _ in found):
        _check_utf8(listing.path(place).absolute())
    return found


def _no_images(listing: Listing, top: Place, loose: int) -> str:
    """The complaint that there are no images in the folders in `top`."""
    where = listing.path(top)
    text = f'{where}: holds no images in a folder for each class, such as {where}/cat/1.png'
    if loose:
        text += f' ({count(loose, "image")} directly in it)'
    text += _instead(listing)
    if top and loose:
        text += f'; if {top[0]} is a class, no part, give it another name'
    if top and (without := _WITHOUT.get(_PARTS[top[0].casefold()])):
        text += f'; or move {top[0]}/ away: {without}'
    return text


def _instead(listing: Listing) -> str:
    """What there is where images were expected, in brackets."""
    said = such_as(listing.nowhere, _NOWHERE)
    return f' ({said[0]})' if said else ''


def _check_utf8(folder: Path) -> None:
    """Whether reports can name a folder. Raises UserError."""
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise UserError(f'{str(folder)!r}: the name is not valid UTF-8; rename it') from None


def _check_number(listing: Listing, top: Place, files: _Files, classes: Sequence[str]) -> None:
    """Whether there are two classes. Raises UserError."""
    if len(classes) > 1:
        return
    text = f'{listing.path(top)}: 1 folder with images, {classes[0]}/; there must be one for each '
    text += 'class'
    inner = sorted({place[len(top) + 1] for place, _ in files if len(place) > len(top) + 2})
    text += _instead(listing)
    if len(inner) > 1 and not top:
        text += f' (if the classes are {_few(inner)}, give {listing.folder / classes[0]})'
    raise UserError(text)


def _check_trained(
    listing: Listing, top: Place, part: str, files: _Files, classes: Sequence[str]
) -> None:
    """Whether all classes of a part have training images. Raises UserError."""
    found = collections.Counter(name for _, name in files)
    strange = [name for name in found if name not in classes]
    if not strange:
        return
    listed = ', '.join(_strange(name, found[name], classes) for name in strange[:5])
    more = f' and {len(strange) - 5} more' if len(strange) > 5 else ''
    raise UserError(
        f'{listing.path(top)}: no training images of {listed}{more}; the classes with training '
        f'images are {_few(classes)}; rename the folder, or move {top[0]}/ away: {_WITHOUT[part]}'
    )


def _strange(name: str, images: int, classes: Sequence[str]) -> str:
    """A class without training images, and the one it may be."""
    folded = {_folded(one): one for one in classes}
    nearest = difflib.get_close_matches(_folded(name), folded, n=1, cutoff=0.5)
    hint = f"; did you mean '{folded[nearest[0]]}'?" if nearest else ''
    return f"'{name}' ({count(images, 'image')} here{hint})"


def _check_case(where: Path, names: Sequence[str]) -> None:
    """Whether no names of classes differ in case or spaces alone. Raises UserError."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(_folded(name), name)
        if other != name:
            raise UserError(
                f"{where}: the classes '{other}' and '{name}' differ in case or spaces alone; put "
                'their images into one folder, or, if they are two, rename one'
            )


def _folded(name: str) -> str:
    return ' '.join(name.casefold().split())


def _few(names: Sequence[str]) -> str:
    return ', '.join(names[:8]) + (' …' if len(names) > 8 else '')


def _of_omitted(listing: Listing, images: Sequence[Place], tops: Mapping[str, Place]) -> list[str]:
    """What of the folder is not used, in sentences."""
    depth, known = len(tops['train']), set(images)
    strays = [p for p in listing.files if len(p) > 1 and p[:depth] not in tops.values()]
    within = [p for p in listing.files if p[:depth] in tops.values() or len(p) == 1]
    loose = [p for p in within if len(p) <= depth + 1]
    unread = [p for p in within if len(p) > depth + 1 and p not in known]
    parts = ', '.join(f'{shown(top)}/' for top in tops.values())
    return [
        *such_as(strays, f'file{{s}} next to {parts} {{is_}} omitted'),
        *such_as(loose, 'file{s} in no folder of a class {is_} omitted'),
        *such_as(unread, 'file{s} that Pillow reads no image in {is_} omitted'),
        *such_as(listing.hidden, 'hidden file{s} or folder{s} {is_} omitted'),
        *such_as(listing.nowhere, _NOWHERE),
        *such_as(listing.special, 'file{s} that {is_} neither file nor folder {is_} omitted'),
    ]


def _of_folders(
    listing: Listing, tops: Mapping[str, Place], parts: Mapping[str, _Files]
) -> list[str]:
    """Which folders are not simply a class with its images, in sentences."""
    depth = len(tops['train'])
    places = [place for files in parts.values() for place, _ in files]
    filled = {place[: depth + 1] for place in places}
    inside = [p for p in listing.folders if len(p) == depth + 1 and p[:depth] in tops.values()]
    empty = [place for place in inside if place not in filled]
    deeper = [place for place in places if len(place) > depth + 2]
    first = 'the first folder below ' + ('that of the part' if depth else 'the root')
    merged = collections.defaultdict(set)
    for part, files in parts.items():
        for place, name in files:
            merged[part, name].add(place[depth])
    return [
        *such_as(empty, 'folder{s} {has} no images and {is_} no class'),
        *such_as(deeper, f'image{{s}} {{lies}} in deeper folders; the class is {first}'),
        *(
            f"{len(names)} folders are the one class '{name}', which Unicode writes in several ways"
            for (_, name), names in merged.items()
            if len(names) > 1
        ),
    ]


def _of_classes(tops: Mapping[str, Place], classes: Sequence[str]) -> list[str]:
    """What may surprise about the classes, in sentences."""
    notices = []
    if not tops['train']:
        notices += [
            f'{name}/ is taken for a class, not for a part: there is no train/ with classes in it'
            for name in classes
            if name.casefold() in _PARTS
        ]
    numbers = all(name.isascii() and name.isdigit() for name in classes)
    if numbers and list(classes) != sorted(classes, key=int):
        notices.append(
            f'the classes are in the order of the alphabet, not of numbers: {_few(classes)}'
        )
    return notices
