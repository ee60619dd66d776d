"""The convolution against `lax.conv_general_dilated` and its autodiff, and against loops."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxtweaks.nn.conv import LOWERINGS, conv, lowering
from jaxtweaks.run import native

# Image size, kernel size, channels in and out, padding, stride.
MANY_CHANNELS = ((7, 6), (3, 3), (9, 10), 'SAME', 1)
CASES = [
    ((7, 6), (3, 3), (2, 3), 'SAME', 1),
    ((8, 5), (3, 3), (3, 2), 'VALID', 1),
    ((5, 7), (1, 1), (2, 3), 'SAME', 1),
    ((9, 6), (5, 5), (2, 2), 'SAME', 1),
    ((3, 3), (5, 5), (1, 2), 'SAME', 1),
    ((3, 3), (3, 3), (2, 1), 'VALID', 1),
    ((6, 5), (2, 2), (2, 3), 'SAME', 1),
    ((6, 5), (4, 2), (2, 3), 'VALID', 1),
    ((8, 7), (3, 3), (2, 3), 'SAME', 2),
    ((8, 7), (3, 3), (2, 3), 'VALID', 2),
    ((7, 7), (1, 1), (1, 1), 'VALID', 2),
    ((9, 8), (5, 5), (1, 2), 'SAME', 2),
    ((8, 6), (4, 2), (2, 1), 'SAME', 2),
    ((7, 8), (3, 3), (2, 2), 'SAME', 3),
    ((11, 9), (5, 5), (2, 2), 'VALID', 3),
    ((8, 9), (1, 2), (2, 2), 'SAME', 3),
    # More channels than a CPU finds by rows, and wider windows.
    MANY_CHANNELS,
    ((8, 5), (3, 3), (12, 9), 'VALID', 1),
    ((6, 5), (3, 3), (8, 33), 'SAME', 1),
    ((9, 8), (3, 7), (2, 3), 'SAME', 1),
    # Signals: images of width 1.
    ((21, 1), (17, 1), (1, 3), 'VALID', 1),
    ((9, 1), (5, 1), (3, 2), 'VALID', 1),
    ((6, 1), (5, 1), (2, 3), 'SAME', 1),
]
# Of each kind one: padded, strided by an odd window, of many channels, a signal.
SOME = [CASES[0], CASES[9], MANY_CHANNELS, CASES[20]]
# In which XLA's own convolution stands for the truth.
OF_PLAIN = [CASES[0], CASES[9], CASES[12]]
TOLERANCE = {'float64': 1e-10, 'float32': 1e-5}


def _most_digits(how):
    return 'float32' if how == 'native' else 'float64'


def plain(x, kernel, padding, stride):
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=('NHWC', 'HWIO', 'NHWC')
    )


def close(got, expected, tolerance):
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert np.max(np.abs(got - expected)) <= tolerance * np.max(np.abs(expected))


def arrays(case, dtype='float64', images=(), kernels=()):
    """Images, kernel, and a weighting of the output, with extra leading axes."""
    size, window, (channels, features), padding, stride = case
    rng = np.random.default_rng(0)
    x = rng.normal(size=(*images, 4, *size, channels))
    kernel = rng.normal(size=(*kernels, *window, channels, features))
    shape = jax.eval_shape(
        lambda a, b: plain(a, b, padding, stride),
        x[(0,) * len(images)],
        kernel[(0,) * len(kernels)],
    ).shape
    weights = rng.normal(size=((images or kernels) + shape))
    return tuple(jnp.asarray(a, dtype) for a in (x, kernel, weights))


def ready(how):
    """Skips where a lowering cannot be had."""
    if how == 'native' and (reason := native.why_not('float32')):
        pytest.skip(f'no native convolutions: {reason}')


def by_loops(x, kernel, weights, padding, stride):
    """From the definition, one output pixel at a time, in float64.

    Returns:
      The cross-correlation y, and the gradients of Σ y · weights for x and for the kernel.
    """
    x, kernel, weights = (np.asarray(a, np.float64) for a in (x, kernel, weights))
    pads, sizes = [], []
    for n, k in zip(x.shape[1:3], kernel.shape[:2], strict=True):
        m = -(-n // stride) if padding == 'SAME' else (n - k) // stride + 1
        total = max((m - 1) * stride + k - n, 0) if padding == 'SAME' else 0
        pads.append((total // 2, total - total // 2))
        sizes.append(m)
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    out = np.zeros((x.shape[0], *sizes, kernel.shape[3]))
    on_padded, on_kernel = np.zeros_like(padded), np.zeros_like(kernel)
    for i, j in np.ndindex(*sizes):
        rows = slice(i * stride, i * stride + kernel.shape[0])
        columns = slice(j * stride, j * stride + kernel.shape[1])
        out[:, i, j] = np.tensordot(padded[:, rows, columns], kernel, 3)
        on_padded[:, rows, columns] += np.tensordot(weights[:, i, j], kernel, (1, 3))
        on_kernel += np.tensordot(padded[:, rows, columns], weights[:, i, j], (0, 0))
    inside = tuple(slice(low, low + n) for (low, _), n in zip(pads, x.shape[1:3], strict=True))
    return out, on_padded[:, *inside], on_kernel


@pytest.mark.parametrize('case', OF_PLAIN, ids=str)
def test_plain_convolution_equals_the_definition(case):
    """So what stands for the truth here and XLA's own convolution are the same."""
    with jax.enable_x64(True):
        x, kernel, weights = arrays(case)
        y, back = jax.vjp(lambda a, b: plain(a, b, *case[3:]), x, kernel)
        for got, expected in zip(
            (y, *back(weights)), by_loops(x, kernel, weights, *case[3:]), strict=True
        ):
            close(got, expected, 1e-10)


@pytest.mark.parametrize('case', CASES, ids=str)
def test_alone_it_equals_the_definition(case):
    with jax.enable_x64(True):
        x, kernel, weights = arrays(case)

        @jax.jit
        def each(x, kernel, weights):
            y, back = jax.vjp(lambda a, b: conv(a, b, *case[3:]), x, kernel)
            return y, *back(weights)

        expected = by_loops(x, kernel, weights, *case[3:])
        for got, wanted in zip(each(x, kernel, weights), expected, strict=True):
            close(got, wanted, 1e-10)


@pytest.mark.parametrize('how', LOWERINGS)
@pytest.mark.parametrize(
    ('case', 'dtype'),
    [(CASES[0], 'float32'), *((case, 'float64') for case in OF_PLAIN)],
    ids=str,
)
@pytest.mark.parametrize(
    ('images', 'kernels'), [((), (3,)), ((3,), ()), ((3,), (3,))], ids=['kernels', 'images', 'both']
)
def test_vmap_forward_and_gradients(images, kernels, case, dtype, how):
    padding, stride = case[3:]
    axes = (0 if images else None, 0 if kernels else None)
    ready(how)
    with jax.enable_x64(dtype == 'float64'):
        x, kernel, weights = arrays(case, dtype, images, kernels)

        @jax.jit
        def mapped(x, kernel, weights):
            over = jax.vmap(lambda a, b: conv(a, b, padding, stride), axes)
            y, back = jax.vjp(over, x, kernel)
            one = lambda a, b, w: jnp.sum(conv(a, b, padding, stride) * w)
            each = jax.vmap(jax.grad(one, (0, 1)), (*axes, 0))(x, kernel, weights)
            return y, back(weights), each

        with lowering(how):
            y, summed, each = mapped(x, kernel, weights)
        alone = []
        for r in range(3):
            own = (x[r] if images else x, kernel[r] if kernels else kernel)
            y_r, back = jax.vjp(lambda a, b: plain(a, b, padding, stride), *own)
            alone.append((y_r, *back(weights[r])))
        tolerance = TOLERANCE[dtype]
        close(y, jnp.stack([a[0] for a in alone]), tolerance)
        for place, shared in ((1, not images), (2, not kernels)):
            gradients = jnp.stack([a[place] for a in alone])
            close(each[place - 1], gradients, tolerance)
            # What all runs share gets the sum of their gradients.
            close(summed[place - 1], gradients.sum(0) if shared else gradients, tolerance)


@pytest.mark.parametrize('how', LOWERINGS)
def test_vmap_of_vmap_in_a_scan(how):
    """Settings × seeds, each taking two steps of gradient descent on its own kernel."""
    ready(how)
    case = CASES[0]
    with jax.enable_x64(True):
        x, kernel, weights = arrays(case, images=(2,), kernels=(2,))
        kernels = jnp.stack([kernel, kernel * 0.5, -kernel])

        def train(f, kernel, x, weights):
            def step(kernel, scale):
                loss = lambda k: jnp.sum(jnp.sin(f(x * scale, k, 'SAME', 1)) * weights)
                return kernel - 0.01 * jax.grad(loss)(kernel), loss(kernel)

            return lax.scan(step, kernel, jnp.asarray([1.0, 0.7]))

        inner = jax.vmap(lambda k, x, w: train(conv, k, x, w))
        with lowering(how):
            got = jax.jit(jax.vmap(inner, (0, None, None)))(kernels, x, weights)
        for s in range(3):
            for r in range(2):
                final = kernels[s, r]
                for i, scale in enumerate((1.0, 0.7)):
                    value, g = jax.value_and_grad(
                        lambda k, r=r, scale=scale: jnp.sum(
                            jnp.sin(plain(x[r] * scale, k, 'SAME', 1)) * weights[r]
                        )
                    )(final)
                    final = final - 0.01 * g
                    assert got[1][s, r, i] == pytest.approx(float(value), rel=1e-10)
                close(got[0][s, r], final, 1e-10)


def groups(f, *args):
    """The group counts of all convolutions of the program, before and after optimisation."""
    lowered = jax.jit(f).lower(*args)
    before = re.findall(r'(?:feature|batch)_group_count = (\d+)', lowered.as_text())
    after = re.findall(r'(?:feature|batch)_group_count=(\d+)', lowered.compile().as_text())
    return {int(count) for count in before}, {int(count) for count in after}


@pytest.mark.usefixtures('optimised')
def test_vmap_over_kernels_makes_no_grouped_convolution():
    x, kernel, weights = arrays(MANY_CHANNELS, 'float32', (3,), (3,))

    def gradients(f):
        one = lambda a, b, w: jnp.sum(f(a, b, 'SAME', 1) * w)
        return lambda *args: jax.vmap(jax.value_and_grad(one, (0, 1)))(*args)

    # As a matrix product or a kernel it is no convolution at all.
    for how, counts in (('loop', {1}), ('matmul', set()), ('pallas', set())):
        with lowering(how):
            before, after = groups(gradients(conv), x, kernel, weights)
        assert before == counts
        assert after <= {1}  # XLA does not print a count of 1
    # The test can see groups where there are some.
    for f, how in ((plain, 'loop'), (conv, 'grouped')):
        with lowering(how):
            before, _ = groups(gradients(f), x, kernel, weights)
        assert 3 in before


# Every shape in the precision that shows the formula to most digits; the native kernels, which
# leave float64 to XLA, in theirs; and some shapes in the other precision.
@pytest.mark.parametrize(
    ('case', 'how', 'dtype'),
    [
        (case, how, dtype)
        for how in LOWERINGS
        for dtype in ('float64', 'float32')
        for case in (CASES if dtype == _most_digits(how) else SOME)
        if (how, dtype) != ('native', 'float64')
    ],
    ids=str,
)
def test_every_shape_by_every_lowering(case, how, dtype):
    padding, stride = case[3:]
    ready(how)

    @jax.jit
    @jax.vmap
    def each(x, kernel, weights):
        y, back = jax.vjp(lambda a, b: conv(a, b, padding, stride), x, kernel)
        return y, *back(weights)

    with jax.enable_x64(dtype == 'float64'), lowering(how):
        args = arrays(case, dtype, images=(2,), kernels=(2,))
        for run, own in enumerate(zip(*args, strict=True)):
            for got, wanted in zip(each(*args), by_loops(*own, padding, stride), strict=True):
                close(got[run], wanted.astype(dtype), TOLERANCE[dtype])


def test_an_unknown_lowering_is_an_error():
    with pytest.raises(ValueError, match='fast'), lowering('fast'):
        pass
