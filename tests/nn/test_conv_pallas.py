"""The kernels against plain convolutions and their autodiff, interpreted; and lowered for CUDA."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxtweaks.nn import conv_pallas

# Runs, batch, image size, kernel size, channels in and out, padding.
CASES = [
    (1, 1, (3, 3), (3, 3), (1, 1), 'VALID'),  # one pixel, one channel
    (2, 4, (7, 6), (3, 3), (3, 2), 'SAME'),
    (3, 2, (8, 5), (3, 3), (5, 3), 'VALID'),
    (2, 3, (5, 7), (1, 1), (2, 3), 'SAME'),
    (2, 2, (3, 3), (5, 5), (1, 2), 'SAME'),
    (2, 2, (6, 5), (4, 2), (2, 3), 'SAME'),  # even windows: uneven padding
    (2, 3, (9, 9), (3, 3), (16, 17), 'SAME'),  # channels in tiles of their own, features in two
    (1, 2, (6, 6), (3, 3), (48, 70), 'VALID'),  # several tiles of channels, of features
    (1, 5, (13, 11), (3, 3), (32, 32), 'SAME'),  # several tiles of pixels, the last not full
]
TOLERANCE = {'float64': 1e-10, 'float32': 1e-5, 'bfloat16': 0.02}


def plain(x, kernel, padding):
    return lax.conv_general_dilated(
        x, kernel, (1, 1), padding, dimension_numbers=('NHWC', 'HWIO', 'NHWC')
    )


def arrays(case, dtype):
    runs, batch, size, window, (channels, features), padding = case
    rng = np.random.default_rng(0)
    x = rng.normal(size=(runs, batch, *size, channels))
    kernel = rng.normal(size=(runs, *window, channels, features))
    out = jax.eval_shape(lambda a, b: plain(a, b, padding), x[0], kernel[0]).shape
    g = rng.normal(size=(runs, *out))
    pads = tuple(lax.padtype_to_pads(size, window, (1, 1), padding))
    return tuple(jnp.asarray(a, dtype) for a in (x, kernel, g)), pads


def ours(x, kernel, g, pads):
    return (
        conv_pallas.forward(x, kernel, pads=pads),
        conv_pallas.input_gradient(kernel, g, size=x.shape[2:4], pads=pads),
        conv_pallas.kernel_gradient(x, g, window=kernel.shape[1:3], pads=pads),
    )


def expected(x, kernel, g, padding):
    """Run by run, of float64 numbers or at least float32."""
    wide = jnp.promote_types(x.dtype, jnp.float32)
    found = []
    for arrays_of_run in zip(x, kernel, g, strict=True):
        a, b, w = (array.astype(wide) for array in arrays_of_run)
        y, back = jax.vjp(lambda a, b: plain(a, b, padding), a, b)
        found.append((y, *back(w)))
    return [jnp.stack(parts) for parts in zip(*found, strict=True)]


@pytest.mark.parametrize('dtype', list(TOLERANCE))
@pytest.mark.parametrize('case', CASES, ids=str)
def test_forward_and_gradients(case, dtype):
    with jax.enable_x64(dtype == 'float64'):
        given, pads = arrays(case, dtype)
        got = jax.jit(lambda *a: ours(*a, pads))(*given)
        for one, wanted in zip(got, expected(*given, case[-1]), strict=True):
            assert one.dtype == dtype
            assert one.shape == wanted.shape
            error = np.max(np.abs(np.asarray(one, wanted.dtype) - wanted))
            assert error <= TOLERANCE[dtype] * np.max(np.abs(wanted))


def test_the_sum_over_pixels_in_parts(monkeypatch):
    """However many parts: some have no pixels at all."""
    case = (2, 3, (7, 7), (3, 3), (3, 4), 'SAME')  # 147 pixels, 5 tiles
    with jax.enable_x64(True):
        given, pads = arrays(case, 'float64')
        wanted = expected(*given, case[-1])[2]
        monkeypatch.setattr(conv_pallas, '_SHORTEST_SUM', 1)
        for programs in (1, 4, 16, 64):
            monkeypatch.setattr(conv_pallas, '_ENOUGH_PROGRAMS', programs)
            got = conv_pallas.kernel_gradient(given[0], given[2], window=(3, 3), pads=pads)
            np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
@pytest.mark.parametrize('case', CASES, ids=str)
def test_it_lowers_to_triton_and_to_nothing_else(case, dtype):
    """As far as a GPU program can be made without a GPU: each kernel is one Triton kernel."""
    given, pads = arrays(case, dtype)
    lowered = jax.jit(lambda *a: ours(*a, pads)).trace(*given).lower(lowering_platforms=('cuda',))
    calls = re.findall(r'custom_call @(\S+?)\(', lowered.as_text())
    assert calls == ['__gpu$xla.gpu.triton'] * 3
    assert 'stablehlo.while' not in lowered.as_text()
    assert 'stablehlo.convolution' not in lowered.as_text()


def grids(lowered):
    text = lowered.as_text()
    return [
        tuple(int(found) for found in match)
        for match in re.findall(r'grid_x = (\d+) : i32, grid_y = (\d+) : i32', text)
    ]


def test_runs_are_an_axis_of_the_grid_and_few_runs_share_out_the_sum():
    """The network of ROLE §2, its second convolution, batch 32."""
    found = {}
    for runs in (1, 64):
        shapes = [(runs, 32, 32, 32, 32), (runs, 3, 3, 32, 32), (runs, 32, 30, 30, 32)]
        given = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
        f = jax.jit(lambda *a: ours(*a, ((0, 0), (0, 0))))
        found[runs] = grids(f.trace(*given).lower(lowering_platforms=('cuda',)))
    forward, to_input, to_kernel = range(3)
    for runs in (1, 64):
        assert [grid[1] for grid in found[runs]] == [runs] * 3
        assert found[runs][forward][0] == 32 * 30 * 30 // 128
        assert found[runs][to_input][0] == 32 * 32 * 32 // 128
    # ⌈288 / 64⌉ tiles of the window, times the parts of the 900 tiles of pixels.
    assert found[1][to_kernel][0] == 5 * 113
    assert found[64][to_kernel][0] == 5 * 4
