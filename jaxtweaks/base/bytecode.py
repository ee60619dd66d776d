"""What a piece of Python code does, whatever it is called and however it is laid out.

Two pieces of code are the same here if Python compiles them to the same operations on the same
constants and names. Line numbers, comments, docstrings, the names of local variables and where a
long line is broken have no part in it; the minor version of Python has.
"""

import bisect
import dis
import functools
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

# Operations that do nothing; where they stand depends on how the lines are broken.
_IDLE = ('CACHE', 'EXTENDED_ARG', 'NOP', 'RESUME')
# What the body of a class says of where it is written, and not of what it does.
_BOOKKEEPING = ('__module__', '__qualname__', '__doc__', '__firstlineno__', '__static_attributes__')
# Two operations on local variables in one, from Python 3.13 on: only if both are on one line.
_FUSED = {
    'LOAD_FAST_LOAD_FAST': ('LOAD_FAST', 'LOAD_FAST'),
    'STORE_FAST_LOAD_FAST': ('STORE_FAST', 'LOAD_FAST'),
    'STORE_FAST_STORE_FAST': ('STORE_FAST', 'STORE_FAST'),
}
_GLOBAL = ('LOAD_GLOBAL', 'LOAD_NAME', 'LOAD_FROM_DICT_OR_GLOBALS')
_OUTER = ('LOAD_DEREF', 'LOAD_CLASSDEREF', 'LOAD_FROM_DICT_OR_DEREF')
_ATTRIBUTE = ('LOAD_ATTR', 'LOAD_METHOD')
_SHAPE = (
    *('VARARGS', 'VARKEYWORDS', 'GENERATOR'),
    *('COROUTINE', 'ITERABLE_COROUTINE', 'ASYNC_GENERATOR'),
)


class Constant(NamedTuple):
    """An argument that is a constant: a value, or the code of a function inside."""

    value: Any


class Operation(NamedTuple):
    """One operation; the argument is a name, a `Constant`, or a number."""

    name: str
    argument: Any


class Names(NamedTuple):
    """What a piece of code takes from around it.

    Attributes:
      globals: chains of names, as ('np', 'tanh') for `np.tanh`, that begin with a global.
      outer: the same that begin with a variable of a function around it.
      imports: (module, level) of what it imports itself.
      changed: the globals and the variables of functions around it that it sets or deletes.
    """

    globals: frozenset[tuple[str, ...]]
    outer: frozenset[tuple[str, ...]]
    imports: frozenset[tuple[str, int]]
    changed: frozenset[str]


def signature(code: types.CodeType) -> tuple[Any, ...]:
    """How the code is called: the kinds and the names of its arguments."""
    shape = [name for bit, name in dis.COMPILER_FLAG_NAMES.items() if bit & code.co_flags]
    shape = sorted(set(shape) & set(_SHAPE))
    counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount
    named = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return (*counts, *named, '|', *shape)


def operations(code: types.CodeType) -> tuple[list[Operation], list[tuple[int, ...]]]:
    """What the code does, step by step.

    Returns:
      The operations; and the parts that handle exceptions, as (first operation, the one behind the
      last, that of the handler, depth of the stack, whether the place is kept).
    """
    kept = [part for one in _kept(code) for part in _parts(one)]
    # A jump may go to an operation that is idle: it goes on to the next one.
    place = functools.partial(bisect.bisect_left, [one.offset for one, _, _ in kept])
    found = [
        Operation(name, _argument(one, place) if number is None else number)
        for one, name, number in kept
    ]
    table = [
        (place(entry.start), place(entry.end), place(entry.target), entry.depth, int(entry.lasti))
        for entry in _handlers(code)
    ]
    return found, table


def names(code: types.CodeType) -> Names:
    """What the code, and all code inside it, takes from around it."""
    found: dict[str, set] = {kind: set() for kind in Names._fields}
    _gather(code, frozenset(), found)
    return Names(**{kind: frozenset(values) for kind, values in found.items()})


def _gather(code: types.CodeType, own: frozenset[str], found: dict[str, set]) -> None:
    """Adds the names of `code`; `own`: the variables of the functions around it that we see."""
    own = own | frozenset(code.co_cellvars)
    steps = [one for one in dis.get_instructions(code) if one.opname not in _IDLE]
    stored = set()  # by the body of a class
    for i, one in enumerate(steps):
        if one.opname == 'STORE_NAME':
            stored.add(one.argval)
        elif one.opname == 'LOAD_GLOBAL' or (one.opname in _GLOBAL and one.argval not in stored):
            found['globals'].add(_chain(steps, i))
        elif one.opname in _OUTER and one.argval not in own:
            found['outer'].add(_chain(steps, i))
        elif one.opname in ('STORE_GLOBAL', 'DELETE_GLOBAL') or (
            one.opname in ('STORE_DEREF', 'DELETE_DEREF') and one.argval not in own
        ):
            found['changed'].add(one.argval)
        elif one.opname == 'IMPORT_NAME':
            level = steps[i - 2].argval if steps[i - 2].opname == 'LOAD_CONST' else 0
            found['imports'].add((one.argval, level))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _gather(constant, own, found)


def _chain(steps: list[dis.Instruction], start: int) -> tuple[str, ...]:
    """The name that is loaded, and the attributes of it that are looked up at once."""
    chain = [steps[start].argval]
    for one in steps[start + 1 :]:
        if one.opname not in _ATTRIBUTE:
            break
        chain.append(one.argval)
    return tuple(chain)


def _kept(code: types.CodeType) -> Iterator[dis.Instruction]:
    """The instructions that do something."""
    waiting: list[dis.Instruction] = []
    for one in dis.get_instructions(code):
        if one.opname in _IDLE:
            continue
        if one.opname == 'STORE_NAME' and one.argval in _BOOKKEEPING:
            waiting.clear()  # with what was loaded for it
            continue
        yield from waiting
        waiting = [one]
        if one.opname not in ('LOAD_CONST', 'LOAD_NAME'):
            yield one
            waiting = []
    yield from waiting


def _handlers(code: types.CodeType) -> Sequence[Any]:
    """The entries of the table of exceptions, which `dis` has without a public name."""
    bytecode: Any = dis.Bytecode(code)
    return bytecode.exception_entries


def _parts(one: dis.Instruction) -> list[tuple[dis.Instruction, str, int | None]]:
    """An instruction as itself, or as the two that Python has made one of, with their numbers."""
    if one.opname not in _FUSED:
        return [(one, one.opname, None)]
    first, second = _FUSED[one.opname]
    both = one.arg or 0
    return [(one, first, both >> 4), (one, second, both & 15)]


def _argument(one: dis.Instruction, place: Callable[[int], int]) -> Any:
    if one.opcode in dis.hasconst:
        return Constant(one.argval)
    if one.opcode in dis.hasjrel or one.opcode in dis.hasjabs:
        return place(one.argval)
    if one.opcode in dis.hasname or one.opcode in dis.hascompare:
        return str(one.argval)
    return -1 if one.arg is None else one.arg  # local variables by their numbers
