"""What Python lets one see of a value: what kind it is, who made its methods, what it holds."""

import functools
import random
import struct
import sys
import types
from typing import Any

from jaxtweaks.base import installed

# Of a class or an object: what Python, dataclasses and flax write into it for themselves.
BOOKKEEPING = frozenset(
    (
        *('__module__', '__name__', '__qualname__', '__doc__', '__annotations__', '__annotate__'),
        *('__dict__', '__weakref__', '__slots__', '__firstlineno__', '__static_attributes__'),
        *('__match_args__', '__dataclass_params__', '__dataclass_fields__', '__orig_bases__'),
        *('__abstractmethods__', '_abc_impl', '__parameters__', '__type_params__'),
        '__jaxtweaks_declared__',  # of a part: what its parameters are, which fields say
        *('__builtins__', '__file__', '__spec__', '__loader__', '__package__'),
    )
)
_OF_LINEN = frozenset(
    ('_state', '_parent_ref', 'parent', 'scope', '_compact_name_scope_methods', '_id')
)


_HEAP = 1 << 9  # the flag of classes that are made while Python runs; some in C are too


@functools.cache
def is_of_c(cls: type) -> bool:
    """Whether a class is not written in Python, so that its objects may hold what we do not see.

    One written in Python has a dict or slots, and adds no other memory to that of its base.
    """
    if not cls.__flags__ & _HEAP:
        return True
    slots = sum(isinstance(value, types.MemberDescriptorType) for value in vars(cls).values())
    added = cls.__basicsize__ - (cls.__base__ or object).__basicsize__
    pointer = struct.calcsize('P')
    has_room = cls.__dictoffset__ or '__slots__' in vars(cls)
    return (
        not has_room
        or added > pointer * (slots + 2)  # and a dict and weak references
        or (type(cls) is not type and is_of_c(type(cls)))
    )


def is_random(value: Any) -> bool:
    """Whether it holds the state of random numbers."""
    kinds: list[type] = [random.Random]
    if numpy := sys.modules.get('numpy'):
        kinds += [numpy.random.Generator, numpy.random.RandomState, numpy.random.BitGenerator]
    return isinstance(value, tuple(kinds))


def array(value: Any) -> tuple[str, Any] | None:
    """The kind of an array, and its numbers as NumPy has them; None for anything else."""
    numpy: Any = sys.modules.get('numpy')
    jax: Any = sys.modules.get('jax')
    if numpy and isinstance(value, numpy.ndarray):
        return 'array', value
    if numpy and isinstance(value, numpy.generic):
        return 'scalar', numpy.asarray(value)
    if jax and isinstance(value, jax.Array):
        if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            return f'key {jax.random.key_impl(value)}', numpy.asarray(jax.random.key_data(value))
        return f'jax {value.weak_type}', numpy.asarray(value)
    return None


def is_installed_class(cls: type) -> bool:
    """Whether a class is of an installed package."""
    home = sys.modules.get(cls.__module__)
    if home is None or not installed.is_module(home):
        return False
    # What is executed without a module of its own says that it is of builtins.
    return cls.__module__ != 'builtins' or is_of_c(cls)


def is_linen(cls: type) -> bool:
    """Whether a class is a module of Flax."""
    linen = sys.modules.get('flax.linen')
    return linen is not None and issubclass(cls, linen.Module)


def unwrapped(method: Any) -> Any:
    """A method as it was written, where flax has wrapped it."""
    while (
        isinstance(method, types.FunctionType)
        and method.__globals__.get('__name__') == 'flax.linen.module'
        and '__wrapped__' in vars(method)
    ):
        method = method.__wrapped__
    return method


def is_made_for(cls: type, name: str, value: Any) -> bool:
    """Whether dataclasses or flax made a method for a class, by its fields."""
    if isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType):
        return True  # a slot
    if is_linen(cls) and (name == 'name' or name in ('__hash__', '__init__')):
        value = unwrapped(value)
        if not isinstance(value, types.FunctionType):
            return True
        value = getattr(value, '__wrapped__', value)
        return installed.is_function(value) or value.__code__.co_qualname.startswith(
            '__create_fn__'
        )
    code = getattr(value, '__code__', None)
    return code is not None and code.co_qualname.startswith('__create_fn__')


def attributes(value: Any) -> dict[str, Any]:
    """Of an object, by name: those in its dict and in its slots."""
    found = dict(getattr(value, '__dict__', {}))
    for cls in type(value).__mro__:
        slots = vars(cls).get('__slots__', ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            hidden = slot.startswith('__') and not slot.endswith('__')
            name = f'_{cls.__name__.lstrip("_")}{slot}' if hidden else slot
            if name not in ('__dict__', '__weakref__') and hasattr(value, name):
                found[name] = getattr(value, name)
    skipped = bookkeeping(type(value))
    return {str(name): item for name, item in found.items() if name not in skipped}


def bookkeeping(cls: type) -> frozenset[str]:
    """Attributes of a class and its objects that are nobody's who wrote it."""
    return BOOKKEEPING | (_OF_LINEN if is_linen(cls) else frozenset())
