"""The parts there are: what each does, its parameters, their defaults and what they allow."""

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from jaxtweaks.base.registry import Registry
from jaxtweaks.claims.claim import KINDS as CLAIMS
from jaxtweaks.config import parts, slots
from jaxtweaks.config.parts import Part
from jaxtweaks.config.slots import Slot
from jaxtweaks.figures.figure_spec import KINDS as FIGURES
from jaxtweaks.results.derive import DERIVATIONS

# Slots of an experiment, whose items are no parts of a setting.
REGISTRIES: tuple[Registry[Any], ...] = (DERIVATIONS, FIGURES, CLAIMS)


def show(console: Console) -> None:
    """Prints every slot with its parts, those of the user included."""
    for slot in slots.SLOTS.values():
        known = parts.of_slot(slot.name)
        console.print(Text(_heading(slot), style='bold'), soft_wrap=True)
        width = max(len(name) for name in known)
        for part in known.values():
            console.print(Text(f'  {part.name:{width}}  {_first_line(part)}'), soft_wrap=True)
            for name, parameter in part.fields.items():
                rule = parameter.rule
                allowed = f', {rule.allowed()}' if rule.allowed() else ''
                line = f'{name} = {parameter.default!r} ({rule.kind}{allowed}): {rule.doc}'
                console.print(Text(f'  {"":{width}}    {line}'), soft_wrap=True)
        console.print()
    for registry in REGISTRIES:
        heading = f'{registry.slot} (named by {registry.named_by}); jt.{registry.slot}'
        console.print(Text(f'{heading}: {registry.doc}', style='bold'), soft_wrap=True)
        width = max(map(len, registry))
        for name, item in registry.items():
            line = f'  {name:{width}}  {registry.first_line(name)}'
            console.print(Text(line), soft_wrap=True)
            for line in _details(name, item):
                console.print(Text(f'  {"":{width}}    {line}'), soft_wrap=True)
        console.print()


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


def _first_line(part: Part) -> str:
    """What a part does, by the first paragraph of its docstring."""
    doc = inspect.getdoc(part.build) or part.words or part.name
    return ' '.join(doc.partition('\n\n')[0].split())
