"""Two things with one digest do the same, and what does something else has another digest."""

import ast
import collections
import copy
import dataclasses
import datetime
import enum
import functools
import math
import os
import random
import re
import struct
import subprocess
import sys
import textwrap
import threading
import types
import typing
import weakref
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.identity import digest

ROOT = Path(__file__).parents[2]
BASE = """
import functools
import numpy as np

POWER = 2
TABLE = np.arange(3.0)
WORDS = {'a', 'b', 'c'}

def helper(x, by=2.0):
    return deeper(x) * by

def deeper(x):
    return x + POWER

class Scale:
    factor = 3.0
    def __init__(self, power=1):
        self.power = power
    def __call__(self, key, x):
        return helper(x * self.factor**self.power)

def make(power, table=(1, 2)):
    def inner(key, x, *, strength=0.5):
        return x * power + strength
    return inner

def f(key, x):
    total = 0.0
    for i in range(3):
        try:
            total += helper(x)[i] if x is not None else TABLE[i]
        except (IndexError, TypeError):
            total -= 1
    return total, [y for y in x if y in {'a', 'b'}], len(WORDS)

scale = Scale()
closed = make(2)
part = functools.partial(helper, by=3.0)
bound = scale.__call__
"""
NAMES = ('f', 'scale', 'closed', 'part', 'bound', 'Scale')


def run(source, **given):
    """What a file with this source defines."""
    space = dict(given)
    exec(compile(textwrap.dedent(source), '<typed>', 'exec'), space)
    return space


def of(name, *changes, source=BASE):
    """The digest of what has this name, after (old, new) in the source."""
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    return digest(run(source)[name])


# What is changed, and which names do something else then.
CHANGES = [
    ('POWER = 2', 'POWER = 3', 'f scale part bound Scale'),
    ('POWER = 2', 'POWER = 2.0', 'f scale part bound Scale'),
    ('x + POWER', 'x - POWER', 'f scale part bound Scale'),
    ('by=2.0', 'by=2.5', 'f scale part bound Scale'),
    ('np.arange(3.0)', 'np.arange(3.0) + 1e-9', 'f'),
    ('np.arange(3.0)', 'np.arange(3)', 'f'),
    ("'b', 'c'}", "'b', 'd'}", 'f'),
    ("in {'a', 'b'}", "in {'a', 'c'}", 'f'),
    ('(IndexError, TypeError)', 'IndexError', 'f'),
    ('total -= 1', 'total -= 2', 'f'),
    ('total -= 1', 'total += 1', 'f'),
    ('is not None', 'is None', 'f'),
    ('range(3)', 'range(4)', 'f'),
    ('factor = 3.0', 'factor = 4.0', 'scale bound Scale'),
    ('power=1', 'power=2', 'scale bound Scale'),
    ('scale = Scale()', 'scale = Scale(2)', 'scale bound'),
    ('make(2)', 'make(3)', 'closed'),
    ('strength=0.5', 'strength=0.25', 'closed'),
    ('x * power + strength', 'x * strength + power', 'closed'),
    ('by=3.0', 'by=4.0', 'part'),
    # Nothing else is done.
    ('total -= 1', 'total -= 1  # one less', ''),
    ('total = 0.0', '"""A docstring."""\n    total = 0.0', ''),
    ('    return x + POWER', '    # first\n\n    return (\n        x +\n        POWER\n    )', ''),
    ('total', 'sum_of_all', ''),
    ('table=(1, 2)', 'table=(1, 3)', ''),
    ("{'a', 'b', 'c'}", "{'c', 'b', 'a'}", ''),
    ('\nscale =', '\nUNUSED = 7\nscale =', ''),
    ('\n', '\n\n', ''),
]


@pytest.mark.parametrize(('old', 'new', 'changed'), CHANGES)
def test_what_is_changed_changes_what_names_it_and_nothing_else(old, new, changed):
    found = {name for name in NAMES if of(name) != of(name, (old, new))}
    assert found == set(changed.split())


def functions_in(path):
    """The code of every function in a file, by name, with its place among those of that name."""
    found = {}

    def gather(code):
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                found.setdefault(constant.co_qualname, []).append(constant)
                gather(constant)

    gather(compile(path, '<typed>', 'exec') if isinstance(path, ast.AST) else path)
    return found


FILES = sorted((ROOT / 'jaxtweaks' / 'train').glob('*.py')) + [ROOT / 'jaxtweaks' / 'app.py']


def without_docstrings(tree):
    for node in ast.walk(tree):
        body = getattr(node, 'body', None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            first = body[0].value
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                body[:1] = [ast.Pass()]
    return tree


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_layout_comments_and_docstrings_have_no_part_in_it(path):
    """Each function of a file, and the same laid out by another hand."""
    source = path.read_text()
    plain = ast.unparse(without_docstrings(ast.parse(source)))
    before = functions_in(compile(source, 'a.py', 'exec'))
    for other in (plain, '\n\n' + source):
        after = functions_in(compile(other, '<other>', 'exec'))
        assert before.keys() == after.keys()
        for name, codes in before.items():
            assert [digest(c) for c in codes] == [digest(c) for c in after[name]], name


SMALL = [path for path in FILES if path.stem in ('losses', 'measure', 'noise', 'schedules')]
OPERATORS = [ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow]


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_another_constant_or_operator_is_another_function(data):
    tree = ast.parse(data.draw(st.sampled_from(SMALL)).read_text())
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    places = [
        (i, j)
        for i, function in enumerate(functions)
        for j, node in enumerate(ast.walk(ast.Module(function.body, [])))
        if isinstance(node, ast.BinOp)
        or (isinstance(node, ast.Constant) and type(node.value) in (int, float))
    ]
    if not places:
        return
    i, j = data.draw(st.sampled_from(places))
    changed = copy.deepcopy(tree)
    function = [n for n in ast.walk(changed) if isinstance(n, ast.FunctionDef)][i]
    node = list(ast.walk(ast.Module(function.body, [])))[j]
    if isinstance(node, ast.Constant):
        node.value = node.value + data.draw(st.sampled_from([1, -1, 0.5]))
    else:
        kinds = [kind for kind in OPERATORS if not isinstance(node.op, kind)]
        node.op = data.draw(st.sampled_from(kinds))()
    both = [
        {name: [digest(c) for c in codes] for name, codes in functions_in(one).items()}
        for one in (tree, changed)
    ]
    assert both[0] != both[1]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.tuples(inside, inside)
        | st.dictionaries(st.text(max_size=2), inside, max_size=3)
    ),
    max_leaves=8,
)


def written(value):
    """A value in words that tell apart what == does not: 1, 1.0 and True; 0.0 and −0.0."""
    if isinstance(value, dict):
        return ['dict', [(written(k), written(v)) for k, v in value.items()]]
    if isinstance(value, list | tuple):
        return [type(value).__name__, [written(item) for item in value]]
    if isinstance(value, float):
        return ['float', struct.pack('<d', value)]  # not all that reads nan is the same
    return [type(value).__name__, repr(value)]


@settings(max_examples=50, deadline=None)
@given(VALUES, VALUES)
@example(math.nan, -math.nan)
@example([math.nan], [math.nan])
def test_values_are_one_exactly_if_they_are_written_the_same(a, b):
    assert (digest(a) == digest(b)) == (written(a) == written(b))
    assert digest(copy.deepcopy(a)) == digest(a)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Pair(typing.NamedTuple):
    a: int = 1


@dataclasses.dataclass(frozen=True)
class Strength:
    value: float = 1.0
    table: list = dataclasses.field(default_factory=list)


class Slotted:
    __slots__ = ('__hidden', 'a')

    def __init__(self, a, hidden):
        self.a, self.__hidden = a, hidden


class Listed(list):
    pass


class Floating(float):
    pass


class Wrapped:
    def __init__(self, function):
        functools.update_wrapper(self, function)

    def __call__(self, x):
        return self.__wrapped__(x)


def twice(x):
    return 2 * x


def thrice(x):
    return 3 * x


class Net(nn.Module):
    width: int = 3

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.width)(twice(x))


@jax.custom_vjp
def passed(x):
    return twice(x)


passed.defvjp(lambda x: (x, None), lambda _, g: (g,))
# Things of one kind that differ in what they do.
KINDS = {
    'functions': [twice, thrice, lambda x: 4 * x, lambda y: 4 * y, lambda x, /: 4 * x],
    'partial': [functools.partial(f, x) for f in (twice, thrice) for x in (1, 2)],
    'objects': [
        *(Slotted(1, 2), Slotted(1, 3), Slotted(2, 2)),
        *(Strength(), Strength(2.0), Strength(1.0, [1])),
    ],
    'made by Python': [Colour.RED, Colour.BLUE, Colour, Pair, Pair(), Pair(2), (1,), (2,)],
    'containers': [Listed([1]), Listed([2]), [1], Floating(0.0), Floating(-0.0), 0.0, -0.0],
    'wrapped': [make(f) for f in (twice, thrice) for make in (Wrapped, functools.lru_cache)],
    'of the library': [
        *(re.compile('a'), re.compile('b'), re.compile('a', re.I), datetime.date(2020, 1, 1)),
        *(collections.OrderedDict(a=1), collections.deque([1]), collections.deque([1], 2)),
        *(collections.Counter('a'), range(3), range(4), slice(1), Path('a'), int | None, list[int]),
    ],
    'arrays': [
        *(np.ones(3), np.ones(4), np.ones(3, np.float32), np.ones((3, 1)), np.ones(3) * -1),
        *(np.float32(1), np.float64(1), 1.0),
        *(np.array([1, 'a'], object), np.array([1, 'b'], object)),
        *(jnp.ones(3), jnp.ones(3, jnp.bfloat16), jax.random.key(0), jax.random.key(1)),
    ],
    'transformed': [
        make(function)
        for function in (twice, thrice)
        for make in (jax.jit, jax.vmap, jax.grad, jax.checkpoint, jax.value_and_grad)
    ] + [jax.vmap(twice, in_axes=1), passed],
    'optimisers': [optax.sgd(0.1), optax.sgd(0.2), optax.adam(0.1), optax.sgd(0.1, momentum=0.9)],
    'initialisers': [
        nn.initializers.he_normal(), nn.initializers.he_uniform(), nn.initializers.normal(0.1),
        nn.initializers.normal(0.2),
    ],
    'networks': [Net, Net(), Net(width=4), nn.Dense(3), nn.Dense(4), nn.Sequential([nn.Dense(3)])],
    'installed': [jnp.tanh, jnp.sin, np.sin, nn.relu, jnp.float32, jax.lax.add, len, str.upper, np],
    'bound': ['x'.join, 'y'.join, Strength().__repr__, [].append, [1].append],
}  # fmt: skip


@pytest.mark.parametrize('kind', KINDS)
def test_things_of_a_kind_are_distinguished(kind):
    found = [digest(thing) for thing in KINDS[kind]]
    assert len(set(found)) == len(found)
    assert found == [digest(thing) for thing in KINDS[kind]]


NETWORK = """
import flax.linen as nn
import jax

def act(x):
    return nn.relu(x) * 2

class Block(nn.Module):
    features: int = 3
    def setup(self):
        self.dense = nn.Dense(self.features)
    def __call__(self, x):
        return act(self.dense(x))

class Net(nn.Module):
    width: int = 4
    act: object = jax.nn.tanh
    @nn.compact
    def __call__(self, x, train=True):
        return Block(self.width)(self.act(x))
"""


@pytest.mark.parametrize(
    ('old', 'new', 'same'),
    [
        ('x) * 2', 'x) * 3', False),
        ('width: int = 4', 'width: int = 5', False),
        ('nn.tanh', 'nn.relu', False),
        ('nn.Dense(', 'nn.DenseGeneral(', False),
        ('train=True', 'train=False', False),
        ('Block', 'Part', False),  # its parameters have another name, so other random numbers
        ('features', 'units', False),
        ('    @nn.compact', '    """What it is."""\n\n    @nn.compact', True),
        ('\n', '\n\n', True),
    ],
)
def test_a_network_is_known_by_its_methods_fields_and_what_they_name(old, new, same):
    spaces = run(NETWORK), run(NETWORK.replace(old, new))
    one, other = (digest(space['Net']) for space in spaces)
    assert (one == other) == same
    one, other = (digest(space['Net'](act=nn.relu)) for space in spaces)
    assert (one == other) == same


def counter():
    count = 0

    def count_up(x):
        nonlocal count
        count += 1
        return x * count

    return count_up


UNKNOWABLE = {
    'open file': Path(__file__).open,
    'only once': lambda: (x for x in 'ab'),
    'random numbers': lambda: np.random.default_rng(0),
    'moves on': lambda: random.random,
    'its own code': threading.Lock,
    'weak reference': lambda: weakref.ref(twice),
    'Device': lambda: jax.devices()[0],
    'whole module': lambda: types.ModuleType('mine'),
}


@pytest.mark.parametrize('words', UNKNOWABLE)
def test_what_cannot_be_known_is_refused_with_the_way_to_it(words):
    thing = UNKNOWABLE[words]()
    source = 'def f(x):\n    return helper(x)\ndef helper(x):\n    return x, IT[0]\nIT = (thing,)'
    with pytest.raises(UserError, match=r'^it: .*→ helper → IT → \[0\]') as error:
        digest(run('import os\n' + source, thing=thing)['f'], 'it: tweak')
    assert words in str(error.value)
    assert 'would be right' in str(error.value)
    assert '\n' not in str(error.value)


def test_a_function_with_a_memory_is_refused():
    with pytest.raises(UserError, match='changes count outside of itself'):
        digest(counter())
    changing = run('N = 0\ndef f(x):\n    global N\n    N += 1\n    return x * N')['f']
    with pytest.raises(UserError, match='changes N outside of itself'):
        digest(changing)
    assert digest(counter)  # which makes such functions, has none itself


def test_what_contains_itself_has_a_digest():
    source = """
    def even(n): return n == 0 or odd(n - 1)
    def odd(n): return n != 0 and even(n - 1)
    LOOP = [1]
    LOOP.append(LOOP)
    def f(): return LOOP
    """
    both = [digest(run(source)[name]) for name in ('even', 'odd', 'f')]
    assert both == [digest(run(source)[name]) for name in ('even', 'odd', 'f')]
    assert len(set(both)) == 3
    assert digest(run(source.replace('n != 0', 'n > 0'))['even']) != both[0]


def test_of_a_file_of_the_user_s_only_what_is_named_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, 'dont_write_bytecode', True)
    source = 'import own_helpers\ndef f(x):\n    return own_helpers.scale(x)'

    def found(helpers, source=source):
        sys.modules.pop('own_helpers', None)
        (tmp_path / 'own_helpers.py').write_text(helpers)
        (tmp_path / '__pycache__').exists() and __import__('shutil').rmtree(
            tmp_path / '__pycache__'
        )
        return digest(run(source)['f'])

    helpers = 'BY = 2\ndef scale(x):\n    return x * BY\ndef other(x):\n    return x\n'
    before = found(helpers)
    assert found(helpers.replace('return x\n', 'return -x\n')) == before
    assert found(helpers.replace('BY = 2', 'BY = 3')) != before
    from_it = 'from own_helpers import scale\ndef f(x):\n    return scale(x)'
    assert found(helpers, from_it) != found(helpers.replace('BY = 2', 'BY = 3'), from_it)
    with pytest.raises(UserError, match='imports own_helpers inside itself'):
        found(helpers, 'def f(x):\n    import own_helpers\n    return own_helpers.scale(x)')
    with pytest.raises(UserError, match='own_helpers, used as a value'):
        found(helpers, 'import own_helpers\ndef f(x):\n    return getattr(own_helpers, x)')
    assert found(helpers, 'def f(x):\n    import math\n    return math.sin(x)')
    sys.modules.pop('own_helpers', None)


def test_it_is_the_same_in_every_process():
    """Whatever the order of sets and the addresses of objects are there."""
    code = (
        f'from jaxtweaks.base.identity import digest; space = {{}}; exec({BASE!r}, space);'
        f'print(*[digest(space[name]) for name in {NAMES!r}])'
    )
    env = os.environ | {'PYTHONHASHSEED': '12345', 'PYTHONPATH': str(ROOT)}
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [of(name) for name in NAMES]
