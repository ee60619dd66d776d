"""Seconds to compile each config's programs from an empty cache, at the size `quick`.

    python -m benchmarks.compile_time [--only dropout_rate] [--size quick] [--out compile_time.json]

For each program of a config (runs that share their static part): tracing and compiling of the
initial weights, a step, an epoch's end and the final test, as the first group of a sweep does it,
without JAX's cache on disk; what the same calls take when all is compiled is subtracted. What
later programs share with earlier ones is compiled once, as in a sweep. Configs that train nothing
are omitted.
"""

import time
from collections.abc import Sequence

import jax

from benchmarks import programs, setup
from jaxtweaks import data as data_lib
from jaxtweaks.run.compiled import GroupProgram
from jaxtweaks.run.machine import Machine
from jaxtweaks.train.program import DeviceData


def seconds_to_compile(compiled: GroupProgram, args: tuple, data: DeviceData) -> float:
    """What the first call of each function takes longer than the second."""
    first, again = (_seconds(compiled, args, data) for _ in range(2))
    return first - again


def _seconds(compiled: GroupProgram, args: tuple, data: DeviceData) -> float:
    """Of one call of each function."""
    started = time.perf_counter()
    state = compiled.init(*args, data)
    state, _ = compiled.train(*args, state, data, 0, 0, 0, 1)
    jax.block_until_ready(compiled.finish(*args, state, data))
    if compiled.program.static.train.mc_samples:
        means = compiled.no_masks(*args, state, data)
        means = compiled.add_masks(*args, state, means, data, 0, 1)
        jax.block_until_ready(compiled.over_masks(args[0], means, data, 1))
    return time.perf_counter() - started


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints, writes JSON."""
    flags = programs.parser(__doc__.splitlines()[0]).parse_args(argv)
    machine = Machine(lambda config: data_lib.load(config, print))
    found = {}
    for name in flags.only:
        groups = programs.first_groups(name, flags.size, flags.first)
        seconds = [seconds_to_compile(*programs.compiled(group, machine)) for group in groups]
        machine.keep_only(())
        if not seconds:
            continue
        found[name] = seconds
        each = ', '.join(f'{one:.1f}' for one in seconds)
        print(
            f'{name}: {len(seconds)} programs, the slowest {max(seconds):.1f} s ({each})',
            flush=True,
        )
    setup.write(flags.out, seconds=found)


if __name__ == '__main__':
    main()
