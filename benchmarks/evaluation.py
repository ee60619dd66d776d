"""The share of training that evaluation takes, in the first program of each config.

    python -m benchmarks.evaluation [--only dropout_rate] [--first 1] [--out evaluation.json]

An epoch with what is measured at its end (validation, the first images of the training set, the
test set where its curve is asked for) and as many steps without it take turns; medians are
compared. The final test of the chosen parameters comes once a run and is measured apart, without
averages over dropout masks.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax

from benchmarks import programs, setup
from jaxtweaks import data as data_lib
from jaxtweaks.run.compiled import GroupProgram
from jaxtweaks.run.machine import Machine
from jaxtweaks.train.program import DeviceData

# A call of an epoch shorter than this is mostly the call itself.
TURN_SECONDS = 0.5


def measure(compiled: GroupProgram, args: tuple, data: DeviceData, turns: int) -> dict[str, float]:
    """Seconds of an epoch with evaluation, of its steps alone and of the final test.

    Returns:
      A dict: 'epoch', 'steps' and 'final' in seconds of the whole group; 'share', of evaluation at
      the ends of epochs in the time of epochs; 'final_share', of the final test in that of a run.
    """
    steps, epochs = compiled.program.steps_per_epoch, compiled.program.static.train.epochs
    state = compiled.init(*args, data)

    def epoch():
        nonlocal state
        state, _ = jax.block_until_ready(compiled.train(*args, state, data, 0, 0, 0, steps))

    def alone():
        nonlocal state
        state = jax.block_until_ready(compiled.steps_alone(*args, state, data, steps))

    calls = {
        'epoch': epoch,
        'steps': alone,
        'final': lambda: jax.block_until_ready(compiled.finish(*args, state, data)),
    }
    found = _medians(calls, turns)
    found['share'] = 1 - found['steps'] / found['epoch']
    found['final_share'] = found['final'] / (found['final'] + epochs * found['epoch'])
    return found


def _medians(calls: dict[str, Callable[[], Any]], turns: int) -> dict[str, float]:
    """Median seconds of each call; a turn repeats a short one until `TURN_SECONDS` are over."""
    repeats = {}
    for name, call in calls.items():
        call()  # compiles
        repeats[name] = max(1, round(TURN_SECONDS / _seconds(call, 1)))
    times = {name: [] for name in calls}
    for _ in range(turns):
        for name, call in calls.items():
            times[name].append(_seconds(call, repeats[name]))
    return {name: statistics.median(values) for name, values in times.items()}


def _seconds(call: Callable[[], Any], repeats: int) -> float:
    """Of one call."""
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - started) / repeats


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, prints a table, writes JSON."""
    parser = programs.parser(__doc__.splitlines()[0])
    parser.add_argument('--turns', type=int, default=5)
    parser.set_defaults(first=1)
    flags = parser.parse_args(argv)
    machine = Machine(lambda config: data_lib.load(config, print))
    found = {}
    for name in flags.only:
        groups = programs.first_groups(name, flags.size, flags.first)
        rows = [measure(*programs.compiled(group, machine), flags.turns) for group in groups]
        machine.keep_only(())
        if not rows:
            continue
        found[name] = rows
        for row in rows:
            print(
                f'{name}: an epoch {row["epoch"] * 1e3:,.1f} ms, {row["share"]:.0%} of it '
                f'evaluation; the final test {row["final_share"]:.0%} of a run',
                flush=True,
            )
    setup.write(flags.out, programs=found)


if __name__ == '__main__':
    main()
