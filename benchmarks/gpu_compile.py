"""A training step compiled for an H200 on a machine without one: does it, and what does it move?

    pip install jax-cuda12-plugin jax-cuda12-pjrt nvidia-cuda-nvcc-cu12    # the version of jax
    JAX_PLATFORMS=cpu python -m benchmarks.gpu_compile [--runs 64] [--batch 32] [--out FILE]

XLA compiles for a GPU that is described to it. Nothing is run, so nothing here is a speed; but what
every kernel of the program reads and writes is in its text, and memory is what limits these
networks. One row for each precision and way of batching: seconds to compile, scratch memory,
kernels, and bytes of one step of all runs.
"""

import argparse
import importlib.util
import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
from jax.experimental import topologies

from benchmarks import setup
from jaxtweaks.config import trace
from jaxtweaks.config.settings import PRECISIONS, Setting, Train
from jaxtweaks.nn import conv
from jaxtweaks.run.compiled import stack_runs
from jaxtweaks.run.plan import all_runs
from jaxtweaks.train import precision as precision_lib
from jaxtweaks.train.program import Program

# An H200 as CUDA describes it.
H200 = """
gpu_device_info {
  cuda_compute_capability { major: 9 }
  core_count: 132 fpus_per_core: 128 clock_rate_ghz: 1.98
  threads_per_block_limit: 1024 threads_per_warp: 32 threads_per_core_limit: 2048
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  shared_memory_per_block: 49152 shared_memory_per_core: 233472
  shared_memory_per_block_optin: 232448
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  memory_bandwidth: 4800000000000 l2_cache_size: 52428800 device_memory_size: 149000000000
}
runtime_version: { major: 12 minor: 9 }
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 8 }
device_description_str: "NVIDIA H200"
"""
WAYS = ('vmap_pallas', 'vmap_matmul', 'vmap_grouped')
_WIDTH = {'pred': 1, 's8': 1, 'u8': 1, 'bf16': 2, 'f16': 2, 'f32': 4, 's32': 4, 'u32': 4}
_WIDTH |= {'s64': 8, 'u64': 8, 'f64': 8}
_MOVE_NOTHING = ('parameter', 'constant', 'bitcast', 'tuple', 'get-tuple-element')
_INSTRUCTION = re.compile(r'\s+(?:ROOT )?%?(\S+) = (.*?) ([\w-]+)\((.*?)\)(?:,|$)')


def size_of(shape: str) -> int:
    """Bytes of an HLO shape such as 'f32[2,3]{1,0}', or of a tuple of them."""
    return sum(
        _WIDTH.get(dtype, 0) * math.prod(int(side) for side in sides.split(',') if side)
        for dtype, sides in re.findall(r'(\w+)\[([\d,]*)\]', shape)
    )


def moved(text: str) -> Iterator[tuple[str, int]]:
    """Name and bytes, read and written, of each kernel that an optimised program starts."""
    sizes: dict[str, int] = {}
    for line in text[text.index('ENTRY ') :].splitlines()[1:]:
        if match := _INSTRUCTION.match(line):
            name, shape, kind, operands = match.groups()
            sizes[name] = size_of(shape)
            if kind not in _MOVE_NOTHING:
                read = [part.split()[-1].lstrip('%') for part in operands.split(', ') if part]
                yield name, sizes[name] + sum(sizes.get(operand, 0) for operand in read)


def lower(setting: Setting, runs: int, way: str, sharding) -> jax.stages.Lowered:
    """A step of every run, lowered for CUDA."""
    off = trace.off_everywhere([setting])
    program = Program(trace.split(setting, off)[0], setup.IMAGES, 10)
    hyper, seeds = stack_runs(all_runs(setting, [{}], range(runs)), off)
    on_device = lambda tree: jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
    )
    _, _, data = setup.make_data(2)
    state = jax.eval_shape(jax.vmap(program.init, (0, 0, None)), hyper, seeds, data)
    shape = (runs, setting.train.batch_size)
    x = jax.ShapeDtypeStruct((*shape, 32, 32, 3), 'float32', sharding=sharding)
    y = jax.ShapeDtypeStruct(shape, 'int32', sharding=sharding)
    precision = precision_lib.products(setting.train.precision)
    with conv.lowering(way.removeprefix('vmap_')), precision:
        step = jax.jit(jax.vmap(program.step), donate_argnums=2)
        traced = step.trace(on_device(hyper), on_device(seeds), on_device(state), x, y)
        return traced.lower(lowering_platforms=('cuda',))


def main(argv: Sequence[str] | None = None) -> None:
    """Compiles, prints a table, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--runs', type=int, default=64)
    parser.add_argument('--batch', type=int, default=32)
    parser.add_argument('--out', help='a JSON file')
    flags = parser.parse_args(argv)
    if nvcc := importlib.util.find_spec('nvidia.cuda_nvcc'):  # for ptxas and libdevice
        folder = Path(next(iter(nvcc.submodule_search_locations)))
        options = f'--xla_gpu_cuda_data_dir={folder} --xla_gpu_autotune_level=0'
        os.environ['XLA_FLAGS'] = f'{os.environ.get("XLA_FLAGS", "")} {options}'
        os.environ['PATH'] = f'{folder / "bin"}:{os.environ["PATH"]}'
    described = topologies.get_topology_desc(
        platform='cuda', topology_name='', target_config=H200, topology='1x1x1'
    )
    sharding = jax.sharding.SingleDeviceSharding(described.devices[0])
    rows = []
    for name in PRECISIONS:
        setting = Setting(train=Train(batch_size=flags.batch, precision=name))
        for way in WAYS:
            started = time.perf_counter()
            compiled = lower(setting, flags.runs, way, sharding).compile()
            kernels = dict(moved(compiled.as_text()))
            rows.append(
                {
                    'precision': name,
                    'way': way,
                    'compile_seconds': time.perf_counter() - started,
                    'scratch_bytes': compiled.memory_analysis().temp_size_in_bytes,
                    'kernels': len(kernels),
                    'bytes_moved': sum(kernels.values()),
                    'most': sorted(kernels.items(), key=lambda item: -item[1])[:8],
                }
            )
            print({key: value for key, value in rows[-1].items() if key != 'most'}, flush=True)
    setup.write(flags.out, runs=flags.runs, batch=flags.batch, rows=rows)


if __name__ == '__main__':
    main()
