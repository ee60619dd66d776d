"""The parts there are: what each does, its parameters, their defaults and what they allow."""

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jaxtweaks.base.registry import Registry
from jaxtweaks.claims.claim import KINDS as CLAIMS
from jaxtweaks.config import parts, slots
from jaxtweaks.config.fields import Field
from jaxtweaks.config.settings import DATASETS
from jaxtweaks.config.slots import Slot
from jaxtweaks.data import own
from jaxtweaks.data.catalogue import CATALOGUE, TABLES
from jaxtweaks.figures.figure_spec import KINDS as FIGURES
from jaxtweaks.lab.kept import Line
from jaxtweaks.results.derive import DERIVATIONS

# Slots of an experiment, whose items are no parts of a setting.
REGISTRIES: tuple[Registry[Any], ...] = (DERIVATIONS, FIGURES, CLAIMS)

# What the data sets are that are given by where they are.
_FORMS = {
    'tfds:NAME': 'images that TFDS has prepared, such as tfds:fashion_mnist',
    'folder:PATH': 'a folder of images for each class',
    'csv:PATH?target=NAME': 'a table in a file, its target by the name of the column',
}


def lines() -> Iterator[Line]:
    """Every slot with its parts, those of the user included, line by line."""
    for slot in slots.SLOTS.values():
        known = list(_of_slot(slot.name))
        yield _heading(slot), 'bold'
        width = max((len(name) for name, _, _ in known), default=0)
        for part, first_line, fields in known:
            yield f'  {part:{width}}  {first_line}', ''
            for name, parameter in fields.items():
                rule = parameter.rule
                allowed = f', {rule.allowed()}' if rule.allowed() else ''
                line = f'{name} = {parameter.default!r} ({rule.kind}{allowed}): {rule.doc}'
                yield f'  {"":{width}}    {line}', ''
        yield '', ''
    yield from _data()
    for registry in REGISTRIES:
        heading = f'{registry.slot} (named by {registry.named_by}); jt.{registry.slot}'
        yield f'{heading}: {registry.doc}', 'bold'
        width = max(map(len, registry))
        for name, item in registry.items():
            yield f'  {name:{width}}  {registry.first_line(name)}', ''
            for line in _details(name, item):
                yield f'  {"":{width}}    {line}', ''
        yield '', ''


def all_built_in() -> bool:
    """Whether no part is the user's."""
    registered = any(not registry.built_in(name) for registry in REGISTRIES for name in registry)
    return not (registered or own.REGISTRY) and all(
        part.built_in for slot in slots.SLOTS for part in parts.of_slot(slot).values()
    )


def _of_slot(slot: str) -> Iterator[tuple[str, str, Mapping[str, Field]]]:
    """The parts of a slot: their names, what they do, and their fields by dotted name."""
    for part in parts.of_slot(slot).values():
        yield part.name, _first_line(part.build, part.words or part.name), part.fields


def _data() -> Iterator[Line]:
    """The data sets by name: those that come with the package, and the user's."""
    heading = 'data set (chosen by data.name); jt.dataset: a function that returns (images, labels)'
    yield heading, 'bold'
    known = _FORMS | {name: one.about for name, one in TABLES.items()}
    known |= {name: one.title for name, one in CATALOGUE.items()}
    known |= {name: inspect.getdoc(made) or '' for name, made in own.REGISTRY.items()}
    width = max(map(len, DATASETS))
    for name in DATASETS:
        line = ' '.join(known.get(name, '').partition('\n\n')[0].split())
        yield f'  {name:{width}}  {line}'.rstrip(), ''
    yield '', ''


def _details(name: str, item: Any) -> Iterator[str]:
    """What an item of a registry needs and reads, or its options."""
    for words in ('needs', 'reads'):
        if found := getattr(item, words, ()):
            yield f'{words} {", ".join(found)}'
    for field in dataclasses.fields(item) if isinstance(item, type) else ():
        rule = field.metadata['rule']
        allowed = f' ({rule.allowed()})' if rule.allowed() else ''
        yield f'{name}.{field.name} = {field.default!r}{allowed}: {rule.doc}'


def _heading(slot: Slot) -> str:
    chosen = f'chosen by {slot.field}' if slot.field else 'as many as are given a strength'
    return f'{slot.name} ({chosen}); jt.{slot.name}: {slot.doc}'


def _first_line(build: Callable[..., Any], words: str) -> str:
    """What a part does, by the first paragraph of its docstring; `words` where it has none."""
    doc = inspect.getdoc(build) or words
    return ' '.join(doc.partition('\n\n')[0].split())
