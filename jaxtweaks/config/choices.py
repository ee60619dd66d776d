"""The values of fields that name parts or metrics: those that are registered, also later."""

from collections.abc import Sequence
from typing import Any

from jaxtweaks.config.parts import BEST, of_slot, unregistered
from jaxtweaks.config.slots import SLOTS


class Choices(Sequence[str]):
    """The names of a slot's parts, those registered later included, after that of none of them."""

    def __init__(self, slot: str):
        self._slot = slot

    def __getitem__(self, index: Any) -> Any:
        return [*self._none(), *of_slot(self._slot)][index]

    def __len__(self) -> int:
        return len(self._none()) + len(of_slot(self._slot))

    def __contains__(self, value: object) -> bool:
        return value in self._none() or value in of_slot(self._slot)

    def missing(self, value: str) -> str:
        """What is wrong with a name that is not among them."""
        return unregistered(value, self, self._slot)

    def _none(self) -> list[str]:
        none = SLOTS[self._slot].none
        return [none] if none else []


class Selections(Sequence[str]):
    """The values of `train.select`: 'last', and 'best_…' of every metric, those registered later
    included.
    """

    def __init__(self, *, last: bool = True):
        """`last`: whether 'last' is among them."""
        self._first = ('last',) if last else ()

    def _names(self) -> list[str]:
        brought = (
            one for loss in of_slot('loss').values() for one in loss.facts.get('metrics', ())
        )
        named = ['loss', 'accuracy', *of_slot('metric'), *(one.name for one in brought)]
        return [*self._first, *dict.fromkeys(f'{BEST}{name}' for name in named)]

    def __getitem__(self, index: Any) -> Any:
        return self._names()[index]

    def __len__(self) -> int:
        return len(self._names())

    def __contains__(self, value: object) -> bool:
        return value in self._names()
