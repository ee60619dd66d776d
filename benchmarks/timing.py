"""Timing that can be trusted on a noisy machine: contenders take turns, medians are compared."""

import statistics
import time
from collections.abc import Callable, Mapping


def interleaved(
    contenders: Mapping[str, Callable[[int], None]],
    seconds: float,
    rounds: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds a step of each contender.

    A contender that needs longer than `seconds` for one step has two turns of one step only: how
    much slower it is than the others is clear then, and a whole table stays a matter of minutes.

    Args:
      contenders: by name, a function that does a number of steps and waits for their end.
      seconds: about how long each turn lasts.
      rounds: turns each; in a round every contender has one.
      clock: `time.process_time` on a busy machine, if this process is pinned to one core.
    """
    steps, turns = {}, {}
    for name, train in contenders.items():
        train(1)  # compiles
        started = clock()
        train(1)
        slow = clock() - started > seconds
        turns[name] = min(rounds, 2) if slow else rounds
        if slow:
            steps[name] = 1
            continue
        started = clock()
        train(2)
        steps[name] = max(1, round(seconds * 2 / (clock() - started)))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds):
        for name, train in contenders.items():
            if turn >= turns[name]:
                continue
            started = clock()
            train(steps[name])
            times[name].append((clock() - started) / steps[name])
    return {name: statistics.median(values) for name, values in times.items()}
