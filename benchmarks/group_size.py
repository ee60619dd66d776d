"""How many networks to train side by side: speed and memory against the size of a group.

    python -m benchmarks.group_size [--only cnn_quick] [--batching map] [--out group_size.json]

Each group is a compiled program of its own, as a sweep makes it. Sizes take turns, and medians are
kept; the knee is the smallest size within 5% of the best. Memory is what the compiled program says
it needs besides the data (what `run/memory.py` plans with).
"""

import argparse
from collections.abc import Sequence

from benchmarks import setup
from benchmarks.setup import Ours
from benchmarks.timing import interleaved
from jaxtweaks.config.settings import Model, Optim, Setting, Train

POINTS, DIGITS, MNIST, CIFAR = (1, 1, 2), (8, 8, 1), (28, 28, 1), (32, 32, 3)
SIZES = (1, 2, 4, 8, 16, 32, 64)
NEAR_THE_BEST = 0.95


def settings() -> dict[str, Setting]:
    """By name: ROLE's CNN, at the configs' quick size too, and MLP-BN's smaller network."""
    quick = Model(channels=(8, 16), hidden=(128,))
    mlp = Model('mlp', hidden=(50, 50), norm='batch')
    return {
        'cnn_quick': Setting(model=quick, train=Train(batch_size=32)),
        'cnn': Setting(train=Train(batch_size=32)),
        'mlp_50-50': Setting(model=mlp, optim=Optim('sgd', 0.01), train=Train(batch_size=100)),
    }


def small_settings() -> dict[str, tuple[Setting, tuple[int, int, int]]]:
    """By name, with the shape of an image: networks smaller than the start of a step."""
    found = {
        'mlp_2-6-3': (POINTS, (6, 3), 1_000),
        'mlp_64-32': (DIGITS, (32,), 32),
        'mlp_784-32': (MNIST, (32,), 32),
    }
    return {
        name: (Setting(model=Model('mlp', hidden=hidden), train=Train(batch_size=batch)), shape)
        for name, (shape, hidden, batch) in found.items()
    }


def measure(
    setting: Setting, sizes: Sequence[int], data, seconds: float, rounds: int, batching: str | None
) -> list[dict]:
    """A row for each group size: images a second, and MiB a run."""
    groups = {size: Ours(setting, size, data, batching and [batching]) for size in sizes}
    times = interleaved({size: ours.train for size, ours in groups.items()}, seconds, rounds)
    return [
        {
            'runs': size,
            'batching': ours.way,
            'images_per_second': size * setting.train.batch_size / times[size],
            'MiB_per_run': ours.compiled.memory() / size / 2**20,
        }
        for size, ours in groups.items()
    ]


def knee(rows: Sequence[dict]) -> int:
    """The smallest group within 5% of the fastest."""
    best = max(row['images_per_second'] for row in rows)
    return next(row['runs'] for row in rows if row['images_per_second'] >= NEAR_THE_BEST * best)


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints a table, writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cases = {name: (setting, CIFAR) for name, setting in settings().items()} | small_settings()
    parser.add_argument('--only', choices=list(cases))
    parser.add_argument('--sizes', type=int, nargs='+', default=SIZES)
    parser.add_argument('--batching', help='measure this way only, not the fastest')
    parser.add_argument('--seconds', type=float, default=1.0, help='of each turn')
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--images', type=int, default=setup.IMAGES)
    parser.add_argument('--out', help='a JSON file')
    flags = parser.parse_args(argv)
    tables = {}
    for name, (setting, shape) in cases.items():
        if flags.only not in (None, name):
            continue
        *_, data = setup.make_data(flags.images, shape=shape)
        rows = measure(setting, flags.sizes, data, flags.seconds, flags.rounds, flags.batching)
        tables[name] = {'rows': rows, 'knee': knee(rows)}
        print(f'{name}: knee at {knee(rows)} runs')
        for row in rows:
            print(
                f'  {row["runs"]:3} runs ({row["batching"]}): '
                f'{row["images_per_second"]:11,.0f} img/s, {row["MiB_per_run"]:7.2f} MiB a run',
                flush=True,
            )
    setup.write(flags.out, tables=tables)


if __name__ == '__main__':
    main()
