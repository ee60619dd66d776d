"""Finding the data a setting asks for: on disk, in the cache, on the web, or a stand-in.

Or generating them, or changing those that were found.
"""

import dataclasses
import os
import pathlib
import re
from collections.abc import Callable, Mapping

from jaxtweaks.base import home
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config import settings
from jaxtweaks.data import csv_file, digits, download, own, patch, tables, tfds_folder
from jaxtweaks.data.catalogue import CATALOGUE, TABLES, Known
from jaxtweaks.data.dataset import Dataset, Source
from jaxtweaks.data.generated import generate
from jaxtweaks.data.image_folder import from_folder
from jaxtweaks.data.split import scaled_down, split


@dataclasses.dataclass(frozen=True)
class _Lookup:
    """How data are looked for; see `load`."""

    notify: Callable[[str], None]
    catalogue: Mapping[str, Known]
    mirror: str | None = None
    timeout: float = download.TIMEOUT
    decode: bool = True

    def tfds(
        self, known: Known, folder: str, asked: Mapping[str, str | None] | None = None
    ) -> Source:
        """What TFDS's data folder has of a data set; see `tfds_folder.load`."""
        return tfds_folder.load(known, home.expanded(folder), self.notify, asked, self.decode)


def load(
    config: settings.Data,
    notify: Callable[[str], None] = print,
    *,
    catalogue: Mapping[str, Known] = CATALOGUE,
    mirror: str | None = None,
    timeout: float = download.TIMEOUT,
    decode: bool = True,
) -> Dataset:
    """The data set `config` asks for, split.

    A name that is registered, or says where it is (`tfds:NAME`, `folder:PATH`, `csv:PATH?…`), is
    taken at its word. Others are looked for in this order: a TFDS folder (`config.dir` and nowhere
    else, if it is given; otherwise TFDS_DATA_DIR, otherwise ~/tensorflow_datasets); the cache of an
    earlier download; the web, if `config.download`. If there is none, the embedded digits stand in,
    if `config.fallback` is 'digits', and `notify` says so at length.

    Args:
      config: what to load and how to split it. `config.standardise` is not applied here: see
        `standardiser`.
      notify: reports progress and everything unexpected that is not an error.
      catalogue: the data sets that can be asked for.
      mirror: a web folder to download from; None means JAXTWEAKS_MIRROR, if set, or the publisher.
      timeout: seconds to wait for the web, to connect and for each piece.
      decode: whether to read and decode a TFDS folder, which takes seconds if it is in the cache
        and minutes if not; otherwise its images have the right sizes and nothing else.

    Raises:
      UserError: if the data cannot be had, or `config` asks for more images than there are.
    """
    return _found(config, _Lookup(notify, catalogue, mirror, timeout, decode))


def _found(config: settings.Data, lookup: _Lookup) -> Dataset:
    notify, known = lookup.notify, lookup.catalogue.get(config.name)
    if source := _own(config, lookup):
        return _reported(source, config, notify)
    if known is None:
        hint = did_you_mean(config.name, lookup.catalogue)
        raise UserError(f"data.name is '{config.name}': {hint}")
    if known.made_of:
        original = _found(dataclasses.replace(config, name=known.made_of), lookup)
        return patch.patched(original, config.split_seed)
    if not known.archives:
        if config.dir:
            made = 'generated' if known.generated else 'embedded'
            notify(f'notice: data.dir is not used: {known.title} is {made}')
        if known.generated:
            return generate(known, config)
        return _reported(digits.source(), config, notify)
    if config.dir:
        return _reported(_given(known, config.dir, lookup), config, notify)

    failures: list[str] = []
    source = _anywhere(known, config, lookup, failures)
    if source is not None:
        return _reported(source, config, notify)
    if config.fallback != 'digits':
        raise UserError(
            f'{known.title} was not found, and data.fallback is {config.fallback!r}: '
            f'{"; ".join(failures)}. {_HOW_TO_GIVE.format(name=known.name)}'
        )
    return _stand_in(known, config, notify, failures)


def _reported(
    source: Source, config: settings.Data, notify: Callable[[str], None], fallback: bool = False
) -> Dataset:
    """The source split; `notify` reports what is to be known of the split."""
    found = split(source, config, fallback=fallback)
    for text in found.notices[len(source.notices) :]:
        notify(f'notice: {source.label}: {text}')
    return found


def from_tfds(
    name: str,
    folder: str = '',
    notify: Callable[[str], None] = print,
    *,
    training: str | None = None,
    validation: str | None = None,
    test: str | None = None,
) -> Source:
    """Any data set for classification in a TFDS folder, as `tfds build` makes it.

    Args:
      name: its name in TFDS, such as 'fashion_mnist'.
      folder: TFDS's data folder; '' means TFDS_DATA_DIR, then ~/tensorflow_datasets.
      notify: reports when images are decoded, and what to know of its splits.
      training: the split to train on; None for 'train'.
      validation: its split of validation images; None for 'validation' if there is one, '' for
        none. Without it they are taken from the training images.
      test: the split to test on; None for 'test' if there is one, '' for none. Without it a fifth
        of the training images is held out.

    Raises:
      UserError: it is not there, cannot be read, or has no images of a fixed size with labels, or
        not these splits.
    """
    asked = {'training': training, 'validation': validation, 'test': test}
    asked = {part: split for part, split in asked.items() if split is not None}
    return _of_tfds(name, folder, _Lookup(notify, CATALOGUE), asked)


def _of_tfds(name: str, folder: str, lookup: _Lookup, asked: Mapping[str, str | None]) -> Source:
    """See `from_tfds`; `asked`: the splits that are not the usual ones."""
    folder = _tfds_dir(folder)
    known = CATALOGUE.get(name)
    if not known or not known.archives:
        known = tfds_folder.described(name, home.expanded(folder))
    return lookup.tfds(known, folder, asked)


def _own(config: settings.Data, lookup: _Lookup) -> Source | None:
    """The data of a name that is registered or says where they are; None for other names."""
    notify = lookup.notify
    kind, _, rest = config.name.partition(':')
    if kind == 'tfds' and rest:
        return _of_tfds(rest, config.dir, lookup, {})
    if kind == 'folder' and rest:
        source = from_folder(rest, notify=notify)
    elif kind == 'csv' and rest:
        source = csv_file.from_csv(rest, notify=notify)
    elif config.name in TABLES:
        source = tables.source(config.name, notify)
    elif config.name in own.REGISTRY:
        source = own.registered(config.name)
    else:
        return None
    if config.dir:
        notify(f'notice: data.dir is not used: {config.name} says itself where it is')
    return source


def place(config: settings.Data) -> pathlib.Path | None:
    """The file or folder that a data set is read from, if it is there.

    None if there is none that a user may change: the data are embedded, generated, or in the cache.
    """
    kind, _, rest = config.name.partition(':')
    if kind == 'csv':
        path = csv_file.split_query(rest)[0]
    elif kind == 'folder':
        path = rest
    else:
        known = CATALOGUE.get(kind)
        name = rest if kind == 'tfds' else (known and known.made_of) or kind
        name = re.split('[/:]', name)[0]
        path = os.path.join(_tfds_dir(config.dir), name)
    found = pathlib.Path(home.expanded(path))
    return found if found.exists() else None


def _tfds_dir(given: str) -> str:
    """TFDS's data folder: the given one, or else as the environment has it."""
    return given or os.environ.get('TFDS_DATA_DIR', '') or _TFDS_DEFAULT


_TFDS_DEFAULT = '~/tensorflow_datasets'
_HOW_TO_GIVE = (
    'To give the data, set data.dir or TFDS_DATA_DIR to the folder that holds {name}/<version>/ '
    '(as `tfds build {name} --file_format=array_record` makes it), or connect to the web '
    '(JAXTWEAKS_MIRROR names another address)'
)


def _given(known: Known, folder: str, lookup: _Lookup) -> Source:
    """The data in the folder the user named; every fault of it is an error."""
    try:
        return lookup.tfds(known, folder)
    except UserError as error:
        raise UserError(f"data.dir '{folder}' cannot be used: {error}") from error


def _anywhere(
    known: Known, config: settings.Data, lookup: _Lookup, failures: list[str]
) -> Source | None:
    """The data from wherever it can be had, or None with the reasons added to `failures`."""
    notify = lookup.notify
    download.base_address(
        known, lookup.mirror
    )  # a bad address is an error even when it is not needed
    variable = os.environ.get('TFDS_DATA_DIR', '')
    called = 'TFDS_DATA_DIR' if variable else "TFDS's default folder"
    try:
        return lookup.tfds(known, variable or _TFDS_DEFAULT)
    except tfds_folder.NotThere as error:
        failures.append(f'{called}: {error}')
    except UserError as error:
        failures.append(f'{called}: {error}')
        notify(f'warning: {failures[-1]}')

    source = download.cached(known, notify)
    if source is not None:
        return source
    if not config.download:
        failures.append('web: data.download is off')
        return None
    try:
        return download.load(known, notify, mirror=lookup.mirror, timeout=lookup.timeout)
    except UserError as error:
        failures.append(f'web: {error}')
        return None


def _stand_in(
    known: Known, config: settings.Data, notify: Callable[[str], None], failures: list[str]
) -> Dataset:
    """The digits in the shape of `known`, with sizes that fit, announced loudly."""
    source = digits.source(known)
    train, validation = scaled_down(config.train_size, config.validation_size, len(source.training))
    test = min(config.test_size, len(source.test))
    shown = test or len(source.test)
    sizes = f'Its sizes are {train} training, {validation} validation and {shown} test images'
    if (train, validation, test) != (config.train_size, config.validation_size, config.test_size):
        asked = f'{config.train_size}, {config.validation_size} and {config.test_size or "all"}'
        sizes += f', scaled down from {asked}'
    bar = '!' * 80
    notify(
        '\n'.join(
            [
                bar,
                f'{known.title} IS NOT USED: it was not found.',
                *(f'  - {failure}' for failure in failures),
                f'Used instead: {source.label}, from {source.source}.',
                f'{sizes}.',
                f'Results say nothing about {known.title}.',
                f"{_HOW_TO_GIVE.format(name=known.name)}. data.fallback='none' stops here instead.",
                bar,
            ]
        )
    )
    fitting = dataclasses.replace(
        config, train_size=train, validation_size=validation, test_size=test
    )
    return _reported(source, fitting, notify, fallback=True)
