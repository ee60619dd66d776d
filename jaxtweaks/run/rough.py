"""How long training may take where nothing was measured: by the multiplications of its networks.

What a product of matrices reaches at the moment is measured, which takes a tenth of a second and
knows how busy the machine is; networks are trained at about `_SHARE` of it. Of eighteen configs of
this project, dense and convolutional (docs/performance.md), sixteen took a time within `FACTOR` of
that either way, and two took less.
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
_SHARE = 0.5
_PER_IMAGE = 1e-5  # seconds of what is no multiplication; small networks take little else
_COMPILING = 8.0  # seconds a program
_MOST_TRACED = 3  # networks; others are taken for their mean
_SIDE, _TIMES = 768, 5  # of the products that are measured


def seconds(groups: Sequence[Group], machine: Machine) -> tuple[float, float] | None:
    """The least and the most that training may take, in seconds; None if it cannot be guessed.

    That is on accelerators, and where a layer's kernels are not shared: their speed does not follow
    from their multiplications.
    """
    settings = {_network(group): group.runs[0].setting for group in groups}
    unshared = any(layers.made_of(setting.model) == 'local' for setting in settings.values())
    if jax.default_backend() != 'cpu' or unshared or not groups:
        return None
    step = max(1, len(settings) // _MOST_TRACED)
    some = dict(list(settings.items())[::step])
    counted = {network: multiplications(setting, machine) for network, setting in some.items()}
    mean = sum(counted.values()) / len(counted)
    speed = _SHARE * products_per_second()
    # Two gradients besides: three times the multiplications.
    cost = lambda group: 3 * counted.get(_network(group), mean) / speed + _PER_IMAGE
    programs = len({group.program for group in groups})
    middle = sum(cost(group) * machine.work(group) for group in groups) + _COMPILING * programs
    return middle / FACTOR, middle * FACTOR


def _network(group: Group) -> tuple[Any, ...]:
    """What decides how many multiplications a network has; not its norm, nor how it is trained."""
    setting = group.runs[0].setting
    model = dataclasses.replace(setting.model, norm='none')
    return model, setting.parts, setting.data.name


def multiplications(setting: Setting, machine: Machine) -> float:
    """Multiplications of the network of a setting for one image, forward."""
    static, hyper = trace.split(dataclasses.replace(setting, train=Train()))
    dataset = machine.dataset(setting.data)
    network = Applied(static, len(dataset.training), len(dataset.classes)).network(hyper)
    images = jax.ShapeDtypeStruct((2, *dataset.training.images.shape[1:]), np.float32)
    initial = lambda key, x: network.init(key, x, train=False)
    jaxpr = jax.make_jaxpr(initial)(jax.random.key(0), images)
    return _counted(jaxpr) / images.shape[0]


def products_per_second() -> float:
    """Multiplications a second of a product of matrices, the fastest of a few."""
    a = np.ones((_SIDE, _SIDE), np.float32)
    fastest = math.inf
    for _ in range(_TIMES):
        started = time.perf_counter()
        np.matmul(a, a)
        fastest = min(fastest, time.perf_counter() - started)
    return _SIDE**3 / fastest


def _counted(jaxpr: Any) -> int:
    """The multiplications of a program and of what it calls; of branches, the fewest."""
    found = 0
    for equation in getattr(jaxpr, 'jaxpr', jaxpr).eqns:
        found += _of_operation(equation)
        for value in equation.params.values():
            inner = value if isinstance(value, tuple | list) else (value,)
            called = [_counted(one) for one in inner if hasattr(getattr(one, 'jaxpr', one), 'eqns')]
            if called:
                found += min(called)
    return found


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
