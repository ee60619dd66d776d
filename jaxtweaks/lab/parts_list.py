"""The parts there are: what each does, its parameters, their defaults and what they allow."""

import inspect

from rich.console import Console
from rich.text import Text

from jaxtweaks.config import parts, slots
from jaxtweaks.config.parts import Part
from jaxtweaks.config.slots import Slot


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


def _heading(slot: Slot) -> str:
    chosen = f'chosen by {slot.field}' if slot.field else 'as many as are given a strength'
    return f'{slot.name} ({chosen}); jt.{slot.name}: {slot.doc}'


def _first_line(part: Part) -> str:
    """What a part does, by the first paragraph of its docstring."""
    doc = inspect.getdoc(part.build) or part.words or part.name
    return ' '.join(doc.partition('\n\n')[0].split())
