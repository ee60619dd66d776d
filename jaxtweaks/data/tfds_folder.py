"""Reading a data set from a folder prepared by tensorflow-datasets (TFDS).

The folder of a data set is `<data_dir>/<name>/<version>/`. In array_record format it is read
without TensorFlow; in TFRECORD format only where TensorFlow is installed. Decoding takes 15 to 30
seconds, so the arrays are cached.
"""

import dataclasses
import hashlib
import importlib.util
import itertools
import json
import pathlib
import re
import unicodedata
from collections.abc import Callable, Mapping

import numpy as np

from jaxtweaks.base.errors import UserError
from jaxtweaks.data import cache, image_file, tfds_records
from jaxtweaks.data.catalogue import Known
from jaxtweaks.data.dataset import Source, Split, arrays_of, check_trained, parts_of
from jaxtweaks.data.split import held_out
from jaxtweaks.data.tfds_records import brief

_VERSION = re.compile(r'\d+\.\d+\.\d+')
_JSON = ('dataset_info.json', 'features.json')


class NotThere(UserError):
    """The folder does not hold the data set at all (as opposed to holding it in a bad state)."""


def load(
    known: Known,
    data_dir: pathlib.Path,
    notify: Callable[[str], None],
    asked: Mapping[str, str | None] | None = None,
    decode: bool = True,
) -> Source:
    """The data set in `data_dir`, from the cache if the folder is what it was.

    Args:
      known: the data set.
      data_dir: TFDS's data folder.
      notify: reports when images are decoded, and what to know of them.
      asked: which of its splits are 'training', 'validation' and 'test', see `_chosen`.
      decode: whether to read and decode the images; otherwise they have the right sizes alone.

    Raises:
      NotThere: if `data_dir` has no folder of the data set.
      UserError: naming file or folder, if what is there is incomplete, damaged or of another kind.
    """
    folder = find(known, data_dir)
    asked = dict(asked or {})
    # One cache file a folder: when the folder changes, the file is replaced, not added to.
    place = hashlib.sha256(f'{folder.resolve()} {asked or ""}'.encode()).hexdigest()[:12]
    name = f'{known.name.replace("/", "-")}-tfds-{place}.arrays'
    if not decode:
        facts = cache.facts(name, _files(folder).values())
        label = facts['label'] if facts else f'{known.title} (not decoded yet)'
        return _outline(known, folder, asked, label)

    def make() -> cache.Made:
        parts, facts = _decode(known, folder, notify, asked)
        return arrays_of(parts), facts

    key = lambda: _key(known, folder)
    arrays, facts = cache.made(name, key(), make, key, folder, notify)
    source = _source(known, parts_of(arrays), facts['label'], f'TFDS folder {folder}')
    for text in facts['notices']:
        notify(f'notice: {source.label}: {text}')
    return dataclasses.replace(source, notices=tuple(facts['notices']))


def _outline(
    known: Known, folder: pathlib.Path, asked: Mapping[str, str | None], label: str
) -> Source:
    """As many black images as the folder says it has, of the right size, evenly of all classes.

    Raises:
      UserError: it does not say how many images it has.
    """
    path = folder / _JSON[0]
    try:
        splits = _json(known, path)['splits']
        counts = {one['name']: sum(map(int, one['shardLengths'])) for one in splits}
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f'{path}: does not say how many images there are') from error
    parts = {
        part: Split(
            np.zeros((counts[name], *known.shape), np.uint8),
            np.arange(counts[name], dtype=np.int32) % len(known.classes),
        )
        for part, name in _chosen(known, folder, counts, asked).items()
    }
    return dataclasses.replace(_source(known, parts, label, f'TFDS folder {folder}'), outline=True)


def _source(known: Known, parts: Mapping[str, Split], label: str, source: str) -> Source:
    """The parts put together, a test part held out if there is none."""
    training, validation = parts['training'], parts.get('validation')
    if 'test' in parts:
        found = Source(label, training, parts['test'], known.classes, source, validation)
    else:
        found = held_out(training, known.classes, label, source)
        found = dataclasses.replace(found, validation=validation)
    if not known.archives:
        check_trained(found)
    return found


def find(known: Known, data_dir: pathlib.Path) -> pathlib.Path:
    """The folder of the data set's highest version in `data_dir`.

    Raises:
      NotThere: if there is none.
      UserError: if there is one that TFDS did not finish, or it cannot be read.
    """
    parent = data_dir / known.name
    layout = f'TFDS would put it into {known.name}/<version>/'
    try:
        if not data_dir.is_dir():
            raise NotThere(f'{data_dir}: no such folder ({layout} in it)')
        if not parent.is_dir():
            raise NotThere(f'{data_dir}: holds no {known.name} ({layout})')
        names = sorted(path.name for path in parent.iterdir() if path.is_dir())
        versions = [name for name in names if _VERSION.fullmatch(name)]
        configs = [name for name in names if any(parent.glob(f'{name}/*.*.*/{_JSON[0]}'))]
    except OSError as error:
        raise UserError(f'{error.filename}: cannot be read ({error.strerror})') from error
    if versions:
        return parent / max(versions, key=lambda name: [int(n) for n in name.split('.')])
    if unfinished := [name for name in names if '.incomplete' in name]:
        raise UserError(
            f'{parent / unfinished[0]}: left by a preparation that did not finish; '
            f'{_rebuild(known)}'
        )
    if configs:
        listed = ', '.join(configs[:9])
        raise UserError(f'{parent}: has configs ({listed}); name one, as {known.name}/{configs[0]}')
    held = f', only {", ".join(names[:9])}' if names else ''
    raise NotThere(f'{parent}: holds no version{held} ({layout}, such as {known.name}/3.0.2/)')


def described(name: str, data_dir: pathlib.Path) -> Known:
    """What the folder of a data set that is not in the catalogue says of it.

    Raises:
      NotThere: if `data_dir` has no folder of the data set.
      UserError: if it has no 'image' of a fixed size and 8 bits, or no 'label'.
    """
    known = Known(name, title=name, shape=(0, 0, 0), classes=(), address='', archives=())
    folder = find(known, data_dir)
    path = folder / 'features.json'
    declared = _json(known, path)
    try:
        features = declared['featuresDict']['features']
        image, count = features['image']['image'], features['label']['classLabel']['numClasses']
        shape = tuple(int(n) for n in image['shape']['dimensions'])
        classes = tuple(str(i) for i in range(int(count)))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: should declare an image 'image' and a class 'label', as the data sets for "
            'classification do'
        ) from error
    if len(shape) != 3 or min(shape) < 1:
        raise UserError(
            f'{path}: images have no fixed size ({list(shape)}); export them to a folder for each '
            'class and give it as folder:PATH or to from_folder with a size'
        )
    listed = folder / 'label.labels.txt'
    names = _class_names(listed) or classes
    if len(names) != len(classes):
        raise UserError(
            f'{listed}: {len(names)} names, there should be {len(classes)}, one a class'
        )
    return dataclasses.replace(known, shape=shape, classes=names)


def _key(known: Known, folder: pathlib.Path) -> str:
    """Changes when a file of the folder does, or what else decides the arrays made of them."""
    options = [known.name, known.title, known.shape, known.classes, image_file.versions()]
    return cache.key(_files(folder), options, code=[__name__, tfds_records.__name__])


def _files(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """The files of a folder by name. Raises UserError."""
    try:
        return {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    except OSError as error:
        raise UserError(f'{error.filename}: cannot be read ({error.strerror})') from error


def _decode(
    known: Known,
    folder: pathlib.Path,
    notify: Callable[[str], None],
    asked: Mapping[str, str | None],
) -> tuple[dict[str, Split], dict]:
    """Parts, by name, and the facts 'label' and 'notices', from the folder's files."""
    info, features = (_json(known, folder / name) for name in _JSON)
    _check_classes(known, folder)

    import tensorflow_datasets as tfds  # here: slow, and not needed when the arrays are cached

    try:
        builder = tfds.builder_from_directory(folder)
        _check_features(known, folder, builder.info.features)
        declared = builder.info.file_format
        file_format = declared.value if declared is not None else 'no known'
        splits = dict(builder.info.splits)
        counts = {name: int(split.num_examples) for name, split in splits.items()}
        chosen = _chosen(known, folder, counts, asked)
        splits = {name: splits[name] for name in chosen.values()}
        shards = {
            name: list(zip(split.filepaths, split.shard_lengths, strict=True))
            for name, split in splits.items()
        }
    except UserError:
        raise
    except Exception as error:  # TFDS reads free-form JSON and fails in many ways
        raise UserError(
            f'{folder}: TFDS cannot make sense of {" and ".join(_JSON)} ({brief(error)}); '
            f'{_rebuild(known)}'
        ) from error
    for path, _ in itertools.chain.from_iterable(shards.values()):
        if not pathlib.Path(path).is_file():
            raise UserError(f'{path}: this file is missing; {_rebuild(known)}')
    if file_format == 'tfrecord':
        if importlib.util.find_spec('tensorflow') is None:
            raise UserError(
                f'{folder}: is in TFRECORD format, which needs TensorFlow to be read; '
                f'{_rebuild(known)}, or install tensorflow'
            )
        records = tfds_records.tfrecords
    elif file_format == 'array_record':
        records = tfds_records.array_records
    else:
        raise UserError(
            f'{folder}: is in {file_format} format, it should be array_record; {_rebuild(known)}'
        )

    total = sum(length for split in shards.values() for _, length in split)
    progress = tfds_records.Progress(f'decoding {known.title} from {folder} (once)', total, notify)
    parts, is_jpeg = {}, False
    for part, name in chosen.items():
        found = tfds_records.part(known, records(builder, name, shards[name]), progress, part)
        parts[part], is_jpeg = found[0], is_jpeg or found[1]
    # Of data that are not in the catalogue it is not known how they were published.
    altered = _altered(info, features, is_jpeg) if known.archives else ''
    return parts, {'label': known.title + altered, 'notices': _remarks(known, chosen, counts)}


def _chosen(
    known: Known,
    folder: pathlib.Path,
    counts: Mapping[str, int],
    asked: Mapping[str, str | None],
) -> dict[str, str]:
    """Which split of the folder is 'training', 'validation' (if any) and 'test' (if any).

    Args:
      known: the data set; one of the catalogue must have the splits it is known to have.
      folder: for errors.
      counts: images of each split there is.
      asked: for some of the parts the name of a split, '' for none; None or omitted for the
        split 'train', 'validation' or 'test', of which only the first must be there.

    Raises:
      UserError: a split is not there, or is asked for twice.
    """
    listed = ', '.join(f'{name} ({count:,} images)' for name, count in counts.items()) or 'none'
    info, found = folder / 'dataset_info.json', {}
    for part, usual in (('training', 'train'), ('validation', 'validation'), ('test', 'test')):
        name = asked.get(part)
        needed = part == 'training' or name or (known.archives and part == 'test')
        name = usual if name is None else name
        if name in counts:
            found[part] = name
        elif needed and known.archives:
            raise UserError(f'{info}: has no split {name!r}, only {listed}; {_rebuild(known)}')
        elif needed:
            raise UserError(
                f'{info}: has no split {name!r}; its splits are {listed}; '
                f"jaxtweaks.from_tfds({known.name!r}, training='…', validation='…', test='…') in a "
                'registered data set says which to use'
            )
    twice = [name for name in found.values() if list(found.values()).count(name) > 1]
    if twice:
        raise UserError(f'{folder}: the split {twice[0]!r} can only be one of the parts')
    return found


def _remarks(known: Known, chosen: Mapping[str, str], counts: Mapping[str, int]) -> list[str]:
    """What to know of the splits that were chosen and of the classes, in sentences."""
    unused = [name for name in counts if name not in chosen.values()]
    listed = ', '.join(f'{name!r} ({counts[name]:,} images)' for name in unused)
    verb = 'is' if len(unused) == 1 else 'are'
    found = [f'of its splits {listed} {verb} not used'] if unused else []
    if 'test' not in chosen:
        found.append(f'has no test split; a fifth of {chosen["training"]!r} is held out as one')
    twice = [name for name in known.classes if known.classes.count(name) > 1]
    if twice:
        found.append(f'{known.classes.count(twice[0])} classes are called {twice[0]!r}')
    return found


def _json(known: Known, path: pathlib.Path) -> dict:
    """The object in a JSON file."""
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise UserError(f'{path}: this file is missing; {_rebuild(known)}') from error
    except (OSError, ValueError) as error:
        raise UserError(f'{path}: cannot be read ({brief(error)}); {_rebuild(known)}') from error
    if not isinstance(content, dict):
        raise UserError(f'{path}: should hold a JSON object; {_rebuild(known)}')
    return content


def _check_classes(known: Known, folder: pathlib.Path) -> None:
    """Refuses a folder whose labels mean something else; names are optional."""
    path = folder / 'label.labels.txt'
    names = _class_names(path)
    if names is not None and names != known.classes:
        raise UserError(
            f'{path}: the classes are {" ".join(names)[:100]}, '
            f'they should be {" ".join(known.classes)}'
        )


def _class_names(path: pathlib.Path) -> tuple[str, ...] | None:
    """One name a line; None if there is no such file."""
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f'{path}: cannot be read ({brief(error)})') from error
    lines = [unicodedata.normalize('NFC', line.strip()) for line in lines]
    return tuple(filter(None, lines))


def _check_features(known: Known, folder: pathlib.Path, features) -> None:
    """Refuses a folder that does not declare images and labels of the known kind."""
    path = folder / 'features.json'
    if not {'image', 'label'} <= set(features or ()):
        raise UserError(f"{path}: should declare the features 'image' and 'label'")
    image, classes = features['image'], features['label'].num_classes
    if image.shape != known.shape or np.dtype(image.np_dtype) != np.uint8:
        raise UserError(
            f'{path}: images are {np.dtype(image.np_dtype)} {list(image.shape)}, '
            f'they should be uint8 {list(known.shape)}'
        )
    if classes != len(known.classes):
        raise UserError(f'{path}: {classes} classes, there should be {len(known.classes)}')


def _altered(info: dict, features: dict, is_jpeg: bool) -> str:
    """' (JPEG q75)' for images that were re-encoded with loss, '' for the originals.

    CIFAR-10 and MNIST are published, and stored by TFDS, without loss. That a folder holds JPEG is
    seen in the images themselves, in the declared encoding, or in a description that says so (the
    images may have been stored as PNG after the loss).
    """
    description = str(info.get('description', ''))
    declared = re.search(r'"encodingFormat": "jpe?g"', json.dumps(features), re.IGNORECASE)
    if not (is_jpeg or declared or re.search(r'\bjpe?g\b', description, re.IGNORECASE)):
        return ''
    quality = re.search(r'\bquality\W{0,3}(\d{1,3})\b', description, re.IGNORECASE)
    quality = quality or re.search(r'\bjpe?g\W{1,2}q(\d{1,3})\b', description, re.IGNORECASE)
    return f' (JPEG q{quality[1]})' if quality else ' (JPEG)'


def _rebuild(known: Known) -> str:
    build = f'`tfds build {known.name} --file_format=array_record`'
    return f'prepare it again with {build} (where TensorFlow is installed)'
