"""jaxtweaks against what its users would pick instead: images a second, interleaved, medians.

    pip install -e '.[bench]'        # with a PyTorch of your choice installed before
    python -m benchmarks.speed [--only cnn_R16_B32] [--seconds 1] [--out speed.json]

All contenders of a case train the same network with the same optimiser on the same images, which
lie on the device; each gathers and scales its own batches. Who trains runs one after the other does
so within a turn, as within a sweep: jaxtweaks its groups, a plain loop its networks. With more
groups a turn is longer, so that each has several steps on end. Every ratio is jaxtweaks' speed over
the peer's, so more than 1 means faster.
"""

import argparse
import dataclasses
import itertools
import time

import jax
import jax.numpy as jnp

from benchmarks import networks, setup
from benchmarks.networks import Network
from benchmarks.peers import flax_plain
from benchmarks.setup import Ours
from benchmarks.timing import interleaved
from jaxtweaks.run import executables
from jaxtweaks.run.layout import most_side_by_side
from jaxtweaks.train.program import DeviceData

# Floating-point operations of one image of the CNN: forward, and both gradients.
CNN_FLOP = 122.7e6


def cases() -> dict[str, tuple[Network, int]]:
    """By name: the network, and how many runs of it."""
    found = {
        f'cnn_R{runs}_B{batch}': (networks.cnn(batch), runs)
        for runs in (1, 16)
        for batch in (32, 128)
    }
    found |= {
        f'cnn_bf16_R{runs}_B{batch}': (networks.cnn(batch, 'bf16'), runs)
        for runs in (1, 16)
        for batch in (32, 128)
    }
    for runs in (1, 4):
        found[f'cnn_bn_R{runs}_B32'] = networks.cnn(32, batch_norm=True), runs
        found[f'cnn_bn_bf16_R{runs}_B32'] = networks.cnn(32, 'bf16', batch_norm=True), runs
    found['mlp_800-800_bf16_R8'] = networks.mlp(800, 800, precision='bf16'), 8
    for runs, hidden, norm in ((8, (50, 50), True), (32, (50, 50), True), (8, (800, 800), False)):
        name = f'mlp_{"-".join(map(str, hidden))}_R{runs}'
        found[name] = networks.mlp(*hidden, batch_norm=norm), runs
    return found


def contenders(network: Network, runs: int, images, labels, data: DeviceData) -> dict:
    """By name, something with `train(steps)`."""
    setting = network.setting
    batch = setting.train.batch_size
    bf16 = setting.train.precision == 'bf16'
    found = {'jaxtweaks': Ours(setting, runs, data, side_by_side=most_side_by_side)}
    if bf16:
        train = dataclasses.replace(setting.train, precision='float32')
        full = dataclasses.replace(setting, train=train)
        found['jaxtweaks, float32'] = Ours(full, runs, data, side_by_side=most_side_by_side)
    else:
        for name, naive in (('flax, loop over runs', False), ('flax, naive vmap', True)):
            found[name] = flax_plain.Flax(*network.flax(), images, labels, runs, batch, naive)
    try:
        from benchmarks.peers import pytorch
    except ImportError:
        print('PyTorch is not installed; its rows are omitted')
        return found
    common = (setting.optim, images, labels, runs, batch)
    found['pytorch, eager'] = pytorch.Sequential(network.pytorch(), *common, bf16=bf16)
    found['pytorch, compile'] = pytorch.Sequential(
        network.pytorch(), *common, compiled=True, bf16=bf16
    )
    if not bf16:
        found['pytorch, func.vmap'] = pytorch.Ensemble(network.pytorch(running=False), *common)
    return found


def matmul_peak(seconds: float = 0.5) -> float:
    """The best float32 matrix product of this process, in FLOP/s, by either library of XLA's."""
    best = 0.0
    for size, options in itertools.product((512, 1024, 2048), ({}, executables.FAST_CPU)):
        a = jnp.ones((size, size), jnp.float32)
        product = executables.compiled(jax.jit(jnp.matmul).lower(a, a), options)
        product(a, a).block_until_ready()
        started, count = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            product(a, a).block_until_ready()
            count += 1
        best = max(best, 2 * size**3 * count / (time.perf_counter() - started))
    return best


def main() -> None:
    """Runs the cases, prints a table, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', help='a case, or the beginning of its name')
    parser.add_argument('--without', default='', help='peers to omit, as naive or func.vmap')
    parser.add_argument('--seconds', type=float, default=1.0, help='of a turn, for each group')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--out', help='a JSON file')
    flags = parser.parse_args()
    images, labels, data = setup.make_data()
    rows = []
    for name, (network, runs) in cases().items():
        if flags.only and not name.startswith(flags.only):
            continue
        setting = network.setting
        found = contenders(network, runs, images, labels, data)
        trainers = {
            peer: contender.train
            for peer, contender in found.items()
            if not flags.without or flags.without not in peer
        }
        turn = flags.seconds * found['jaxtweaks'].groups
        seconds = interleaved(trainers, turn, flags.rounds)
        ours = seconds['jaxtweaks']
        row = {
            'case': name,
            'batching': found['jaxtweaks'].way,
            'groups': found['jaxtweaks'].groups,
            'images_per_second': runs * setting.train.batch_size / ours,
            'ratios': {
                peer: value / ours for peer, value in seconds.items() if peer != 'jaxtweaks'
            },
        }
        if setting.model.name == 'cnn':
            row['share_of_matmul_peak'] = row['images_per_second'] * CNN_FLOP / matmul_peak()
        rows.append(row)
        print(_line(row), flush=True)
    setup.write(flags.out, rows=rows)


def _line(row: dict) -> str:
    ratios = ', '.join(f'{ratio:.2f} × {peer}' for peer, ratio in row['ratios'].items())
    share = row.get('share_of_matmul_peak')
    peak = f', {share:.0%} of the matmul peak' if share else ''
    return (
        f'{row["case"]} ({row["batching"]}): {row["images_per_second"]:,.0f} img/s: {ratios}{peak}'
    )


if __name__ == '__main__':
    main()
