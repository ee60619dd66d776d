"""How large are the layers of a network? Counted on shapes alone: nothing is computed."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.metrics import SHARE, Metric
from jaxtweaks.base.rng import stream_key
from jaxtweaks.config import trace
from jaxtweaks.config.check import check_image
from jaxtweaks.config.fields import static
from jaxtweaks.config.settings import Setting
from jaxtweaks.nn import models
from jaxtweaks.studies.study import Measured, Sheet, options, study
from jaxtweaks.train import optimisers

_FLOAT32 = 4  # bytes


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the summary of a network.

    Attributes:
      name: of the layer; 'input', or 'pool' for whatever changes the shape between layers.
      shape: of its output, without the batch.
      kernel: shape of its weights, () for none.
      others: parameters that are not weights: biases, scales and shifts.
    """

    name: str
    shape: tuple[int, ...]
    kernel: tuple[int, ...] = ()
    others: int = 0

    @property
    def activations(self) -> int:
        """Numbers it puts out for one image; 0 if it works in place, as batch norm."""
        return 0 if self.others and not self.kernel else math.prod(self.shape)

    @property
    def weights(self) -> int:
        """Entries of its kernel."""
        return math.prod(self.kernel) if self.kernel else 0


def summarise(setting: Setting) -> list[Row]:
    """The layers of a network in the order of the forward pass.

    Modules with parameters, the input before them, and, where what a layer receives has another
    number of entries than what the last one gave, a pool in between. Activation functions work in
    place and have no row, as in the lecture's table.
    """
    asked = options(setting)
    network = models.build(trace.as_numbers(setting), asked.classes)
    x = jax.ShapeDtypeStruct((1, *asked.input_shape), jnp.float32)
    rows, seen = [Row('input', tuple(asked.input_shape))], set()

    def record(call: Any, args: tuple, kwargs: dict, context: Any) -> Any:
        out = call(*args, **kwargs)
        module = context.module
        shapes = _own_parameters(module) if context.method_name == '__call__' else {}
        if shapes and module.path not in seen:
            seen.add(module.path)
            received = getattr(args[0], 'shape', (1,))[1:] if args else rows[-1].shape
            if math.prod(received) != math.prod(rows[-1].shape):
                rows.append(Row('pool', _before_flattening(received, rows)))
            rows.append(_row('/'.join(module.path) or 'itself', shapes, out.shape[1:]))
        return out

    with nn.intercept_methods(record):
        jax.eval_shape(lambda x: network.init(stream_key(0, 'init'), x, train=False), x)
    return rows


def _own_parameters(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """The shapes of a module's parameters that are not a module's in it."""
    found = module.variables.get('params', {})
    return {name: leaf.shape for name, leaf in found.items() if hasattr(leaf, 'shape')}


def _row(name: str, shapes: dict[str, tuple[int, ...]], shape: tuple[int, ...]) -> Row:
    kernel = shapes.get('kernel', ())
    others = (math.prod(one) for other, one in shapes.items() if other != 'kernel')
    return Row(name, shape, kernel, sum(others))


def _before_flattening(received: tuple[int, ...], rows: Sequence[Row]) -> tuple[int, ...]:
    """The shape of what a pool gave, if a dense layer received it in a line."""
    last = rows[-1].shape
    if len(received) == len(last) or received[0] % last[-1]:
        return received
    places = received[0] // last[-1]
    side = math.isqrt(places)
    square = side * side == places and len(last) == 3 and last[1] > 1
    return (side, side, last[-1]) if square else (places, 1, last[-1])


def sheets(settings: Mapping[str, Setting]) -> list[Sheet]:
    """The table of layers of each network."""
    return [_sheet(name, summarise(setting)) for name, setting in settings.items()]


def _sheet(name: str, rows: Sequence[Row]) -> Sheet:
    lines: list[tuple[Any, ...]] = [
        (
            row.name,
            ' × '.join(map(str, row.shape)),
            row.activations,
            ' × '.join(map(str, row.kernel)),
            row.weights,
            row.weights + row.others,
        )
        for row in rows
    ]
    activations, weights, parameters = (sum(line[i] for line in lines) for i in (2, 4, 5))
    megabytes = [f'{count * _FLOAT32 / 1e6:.4g} MB' for count in (activations, parameters)]
    return Sheet(
        title=f'Layers of {name}',
        columns=('layer', 'output', 'activations', 'kernel', 'weights', 'with biases'),
        rows=(*lines, ('total', '', activations, '', weights, parameters)),
        note=f'In float32 {megabytes[0]} of activations an image and {megabytes[1]} of parameters.',
    )


def _pools(rows: Sequence[Row]) -> np.ndarray:
    """Of each layer with weights, what the pool behind it puts out; NaN where there is none."""
    found = []
    for row in rows:
        if row.weights:
            found.append(math.nan)
        elif row.name == 'pool' and found:
            found[-1] = float(row.activations)
    return np.array(found)


def training_multiple(optimiser: optax.GradientTransformation) -> int:
    """Numbers that training keeps for each parameter: itself, its gradient, the optimiser's own."""
    one = jnp.zeros(1_000)  # so many that what is not by parameter, as a count of steps, is seen
    state = jax.eval_shape(optimiser.init, one)
    own = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state) if leaf.shape)
    return 2 + own // one.size


def check(setting: Setting) -> None:
    """Whether the network can be built for this input. Raises UserError."""
    shape = options(setting).input_shape
    if len(shape) != 3:
        raise UserError(f'model_summary.input_shape: {shape!r} must be (height, width, channels)')
    check_image([setting], shape[:2])


@study(
    'model_summary',
    curves={
        'layer_weights': 'weights of the layer',
        'layer_activations': 'activations of the layer',
        'pool_activations': 'activations of the pool behind the layer',
    },
    finals={
        'weights': 'weights (without biases)',
        'parameters': 'parameters',
        'parameter_megabytes': 'parameters in float32 (MB)',
        'activations': 'activations of an image',
        'activation_megabytes': 'activations in float32 (MB)',
        'input_activations': 'numbers of the input',
        'sgd_multiple': 'memory of the parameters with gradients in SGD, multiple',
        'adam_multiple': 'memory of the parameters with gradients and moments in Adam, multiple',
        'share_dense': Metric('share_dense', 'share of the weights in dense layers', SHARE),
    },
    reads=('model',),
    axis='layer',
    generated='none: layers are counted',
    exact=True,
    check=check,
    sheets=sheets,
)
def measure(
    setting: Setting,
    seed: int,
    *,
    input_shape: tuple[int, ...] = static(
        (32, 32, 3),
        'height, width and channels of the input',
        low=1,
        former='study.input_shape',
    ),
    classes: int = static(10, 'outputs of the network', low=1, former='study.classes'),
) -> Measured:
    """Counts of the network and of each layer with weights."""
    rows = summarise(setting)
    layers = [row for row in rows if row.weights]
    weights = sum(row.weights for row in rows)
    parameters = weights + sum(row.others for row in rows)
    activations = sum(row.activations for row in rows)
    dense = sum(row.weights for row in layers if len(row.kernel) == 2)
    return Measured(
        curves={
            'layer_weights': np.array([row.weights for row in layers], float),
            'layer_activations': np.array([row.activations for row in layers], float),
            'pool_activations': _pools(rows),
        },
        finals={
            'weights': weights,
            'parameters': parameters,
            'parameter_megabytes': parameters * _FLOAT32 / 1e6,
            'activations': activations,
            'activation_megabytes': activations * _FLOAT32 / 1e6,
            'input_activations': rows[0].activations,
            'sgd_multiple': training_multiple(optimisers.sgd(lambda step: 0.1)),
            'adam_multiple': training_multiple(optimisers.adam(lambda step: 0.1)),
            'share_dense': dense / weights,
        },
    )
