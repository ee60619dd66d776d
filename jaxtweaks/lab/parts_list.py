"""The parts there are: what each does, its parameters, their defaults and what they allow."""

import inspect
from collections.abc import Iterator

from jaxtweaks.config import parts, slots
from jaxtweaks.config.parts import Part
from jaxtweaks.config.slots import Slot
from jaxtweaks.lab.kept import Line


def lines() -> Iterator[Line]:
    """Every slot with its parts, those of the user included, line by line."""
    for slot in slots.SLOTS.values():
        known = parts.of_slot(slot.name)
        yield _heading(slot), 'bold'
        width = max(len(name) for name in known)
        for part in known.values():
            yield f'  {part.name:{width}}  {_first_line(part)}', ''
            for name, parameter in part.fields.items():
                rule = parameter.rule
                allowed = f', {rule.allowed()}' if rule.allowed() else ''
                line = f'{name} = {parameter.default!r} ({rule.kind}{allowed}): {rule.doc}'
                yield f'  {"":{width}}    {line}', ''
        yield '', ''


def all_built_in() -> bool:
    """Whether no part is the user's."""
    return all(part.built_in for slot in slots.SLOTS for part in parts.of_slot(slot).values())


def _heading(slot: Slot) -> str:
    chosen = f'chosen by {slot.field}' if slot.field else 'as many as are given a strength'
    return f'{slot.name} ({chosen}); jt.{slot.name}: {slot.doc}'


def _first_line(part: Part) -> str:
    """What a part does, by the first paragraph of its docstring."""
    doc = inspect.getdoc(part.build) or part.words or part.name
    return ' '.join(doc.partition('\n\n')[0].split())
