"""How long training may take where nothing was measured: by what its networks compute.

What a product of matrices reaches at the moment is measured, which takes a tenth of a second and
knows how busy the machine is. All else is counted in multiplications of that product: those of the
network, the numbers that its operations make, and what a step takes whatever its batch. What each
is worth was fitted to 74 programs of this project's configs, from 47 parameters to 1.3 million: 65
are within a factor of 2, all but one within `FACTOR` (docs/performance.md).
"""

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxtweaks.config import layers, trace
from jaxtweaks.config.settings import Setting, Train
from jaxtweaks.run.machine import Machine
from jaxtweaks.run.plan import Group
from jaxtweaks.train.applied import Applied

FACTOR = 3.0
# What is trained, in multiplications of the product that is measured.
_OF_MULTIPLICATION = 3.0  # its two gradients besides
_OF_NUMBER = 50.0  # that a layer makes of an image
_OF_STEP = 1e5
_OF_PARAMETER = 400.0  # a step, of each that finds no place in the cache; optimisers keep several
_IN_CACHE = 200_000  # parameters
_COMPILING = 8.0  # seconds a program
_MOST_TRACED = 3  # networks; others are taken for their mean
_SIDE, _TIMES = 768, 5  # of the products that are measured


@dataclasses.dataclass(frozen=True)
class Counted:
    """What a network computes of an image, forward, and how large it is.

    Attributes:
      multiplications: of its products and convolutions.
      numbers: that its operations make.
      parameters: of the whole network.
    """

    multiplications: float
    numbers: float
    parameters: float

    @property
    def of_image(self) -> float:
        """What training on an image takes, in multiplications of a product of matrices."""
        return _OF_MULTIPLICATION * self.multiplications + _OF_NUMBER * self.numbers

    @property
    def of_step(self) -> float:
        """What a step takes besides, whatever its batch, in the same."""
        return _OF_STEP + _OF_PARAMETER * max(0.0, self.parameters - _IN_CACHE)


def seconds(
    groups: Sequence[Group], machine: Machine, share: float = 1.0
) -> tuple[float, float] | None:
    """The least and the most that training may take, in seconds; None if it cannot be guessed.

    `share`: of their epochs, that the runs are trained for. It cannot be guessed on accelerators,
    and where a layer's kernels are not shared: their speed does not follow from what they compute.
    """
    settings = {_network(group): group.runs[0].setting for group in groups}
    unshared = any(layers.made_of(setting.model) == 'local' for setting in settings.values())
    if jax.default_backend() != 'cpu' or unshared or not groups:
        return None
    step = max(1, len(settings) // _MOST_TRACED)
    some = dict(list(settings.items())[::step])
    found = {network: counted(setting, machine) for network, setting in some.items()}
    mean = Counted(*np.mean([dataclasses.astuple(one) for one in found.values()], axis=0))
    of = lambda group: found.get(_network(group), mean)
    amount = sum(_of_group(group, of(group), machine, share) for group in groups)
    programs = len({group.program for group in groups})
    middle = amount / products_per_second() + _COMPILING * programs
    return middle / FACTOR, middle * FACTOR


def _of_group(group: Group, network: Counted, machine: Machine, share: float) -> float:
    """What training a group for a share of its epochs takes, in multiplications."""
    images = machine.work_of_run(group.static, share)
    steps = share * machine.steps_of_run(group.static)
    return len(group.runs) * (network.of_image * images + network.of_step * steps)


def _network(group: Group) -> tuple[Any, ...]:
    """What decides what a network computes, not how it is trained."""
    setting = group.runs[0].setting
    return setting.model, setting.parts, setting.data.name


def counted(setting: Setting, machine: Machine) -> Counted:
    """What the network of a setting computes of one image, forward."""
    static, hyper = trace.split(dataclasses.replace(setting, train=Train()))
    dataset = machine.dataset(setting.data)
    network = Applied(static, len(dataset.training), len(dataset.classes)).network(hyper)
    of = lambda n: jax.ShapeDtypeStruct((n, *dataset.training.images.shape[1:]), np.float32)
    initial = lambda key, x: network.init(key, x, train=False)
    variables = jax.eval_shape(initial, jax.random.key(0), of(2))
    apply = lambda variables, x: network.apply(variables, x, train=False)
    few, more = (_of_program(jax.make_jaxpr(apply)(variables, of(n))) for n in (2, 4))
    # Of two images more: without what is computed of the parameters alone.
    multiplications, numbers = ((b - a) / 2 for a, b in zip(few, more, strict=True))
    parameters = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(variables['params']))
    return Counted(multiplications, numbers, parameters)


def products_per_second() -> float:
    """Multiplications a second of a product of matrices, the fastest of a few."""
    a = np.ones((_SIDE, _SIDE), np.float32)
    fastest = math.inf
    for _ in range(_TIMES):
        started = time.perf_counter()
        np.matmul(a, a)
        fastest = min(fastest, time.perf_counter() - started)
    return _SIDE**3 / fastest


def _of_program(jaxpr: Any) -> tuple[int, int]:
    """The multiplications of a program and of what it calls, and the numbers that it makes.

    Of branches, those of the one with the fewest; of a loop that ends by a condition, one turn.
    """
    multiplications = numbers = 0
    for equation in getattr(jaxpr, 'jaxpr', jaxpr).eqns:
        turns = equation.params['length'] if equation.primitive.name == 'scan' else 1
        products, within = _of_operation(equation), 0
        for value in equation.params.values():
            branches = value if isinstance(value, tuple | list) else (value,)
            programs = [one for one in branches if hasattr(getattr(one, 'jaxpr', one), 'eqns')]
            more = min(map(_of_program, programs), default=(0, 0))
            products, within = products + turns * more[0], within + turns * more[1]
        # What is made of numbers one by one, as a sum into places, has a program of one number.
        made = sum(math.prod(variable.aval.shape) for variable in equation.outvars)
        multiplications, numbers = multiplications + products, numbers + max(made, within)
    return multiplications, numbers


def _of_operation(equation: Any) -> int:
    """The multiplications of an operation, if it is a product or a convolution."""
    name = equation.primitive.name
    if name not in ('dot_general', 'conv_general_dilated'):
        return 0
    left, right = (variable.aval.shape for variable in equation.invars[:2])
    out = math.prod(equation.outvars[0].aval.shape)
    numbers = equation.params['dimension_numbers']
    if name == 'dot_general':
        (summed, _), _ = numbers
        return out * math.prod(left[axis] for axis in summed)
    return out * math.prod(right) // right[numbers.rhs_spec[0]]
