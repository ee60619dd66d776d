"""How far the guesses of times that nobody measured are off (`run/rough.py`).

    python -m benchmarks.guesses [--only dropout_rate] [--first 1] [--out guesses.json]

Of the first programs of each config: the time of an image in training as it is guessed, and as the
program takes it, measured directly after each other, so that both know the machine equally busy.
"""

import math
import statistics
from collections.abc import Sequence

from benchmarks import programs, setup
from jaxtweaks import data as data_lib
from jaxtweaks.base.words import count
from jaxtweaks.run import rough
from jaxtweaks.run.machine import Machine
from jaxtweaks.run.plan import Group


def measure(group: Group, machine: Machine) -> dict[str, float]:
    """Seconds of an image, one run's, and the guess divided by them."""
    batch = group.static.train.batch_size
    network = rough.counted(group.runs[0].setting, machine)
    speed = rough.products_per_second()
    took = machine.probe(group).seconds_per_image
    guess = (network.of_image + network.of_step / batch) / speed
    return {'batch': batch, 'parameters': network.parameters, 'took': took, 'ratio': guess / took}


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints a line for each program and how far off they are, writes JSON."""
    parser = programs.parser(__doc__.splitlines()[0])
    parser.set_defaults(first=1)
    flags = parser.parse_args(argv)
    machine = Machine(lambda config: data_lib.load(config, print))
    found = {}
    for name in flags.only:
        for group in programs.first_groups(name, flags.size, flags.first):
            row = measure(group, machine)
            found.setdefault(name, []).append(row)
            print(
                f'{name}: {row["took"]:.3g} s an image, guess / took {row["ratio"]:.2f}', flush=True
            )
        machine.keep_only(())
    if off := [abs(math.log(row['ratio'])) for rows in found.values() for row in rows]:
        within = lambda factor: sum(one <= math.log(factor) for one in off)
        middle, most = (math.exp(one) for one in (statistics.median(off), max(off)))
        print(
            f'{count(len(off), "program")}: {within(2)} within a factor of 2, '
            f'{within(rough.FACTOR)} of {rough.FACTOR:g}; the median is off by a factor of '
            f'{middle:.2f}, the furthest by one of {most:.2f}'
        )
    setup.write(flags.out, programs=found)


if __name__ == '__main__':
    main()
