"""What a compiled program moves, counted by hand on a small one; and the step lowers for CUDA."""

import jax
import pytest

from benchmarks import gpu_compile
from jaxtweaks.config.settings import Model, Setting, Train

TEXT = """HloModule m

%fused (p: f32[2]) -> f32[2] {
  %p = f32[2]{0} parameter(0)
  ROOT %n = f32[2]{0} negate(%p)
}

ENTRY %main (a: f32[4,8], b: bf16[8]) -> (f32[4,8], f32[]) {
  %a = f32[4,8]{1,0} parameter(0)
  %b = bf16[8]{0} parameter(1)
  %f.1 = f32[4,8]{1,0} fusion(%a, %b), kind=kLoop, calls=%fused
  %v = f32[32]{0} bitcast(%f.1)
  %k = (f32[], u8[16]{0}) custom-call(%v), custom_call_target="x"
  %s = f32[] get-tuple-element(%k), index=0
  ROOT %t = (f32[4,8]{1,0}, f32[]) tuple(%f.1, %s)
}
"""


def test_bytes_moved():
    assert dict(gpu_compile.moved(TEXT)) == {
        'f.1': 4 * 32 + 4 * 32 + 2 * 8,
        'k': 4 + 16 + 4 * 32,
    }


@pytest.mark.parametrize(('way', 'kernels'), [('vmap_pallas', 5), ('vmap_matmul', 0)])
def test_a_step_lowers_for_cuda(way, kernels):
    """Five: two convolutions forward, their kernels' gradients, one gradient of images."""
    model = Model(channels=(4,), hidden=(8,))
    setting = Setting(model=model, train=Train(batch_size=2, precision='bf16'))
    here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    text = gpu_compile.lower(setting, 2, way, here).as_text()
    # The gradient of the first layer's images is lowered too; the compiler drops it.
    assert text.count('__gpu$xla.gpu.triton') in (kernels, kernels and kernels + 1)
    assert 'stablehlo.convolution' not in text
