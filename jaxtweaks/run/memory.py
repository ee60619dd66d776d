"""How much memory there is, and how fast and large a program is, by measurement."""

import dataclasses
import time
from collections.abc import Mapping

import jax
import numpy as np

from jaxtweaks.base import limits
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import count
from jaxtweaks.config import trace
from jaxtweaks.run.compiled import GroupProgram, stack_runs
from jaxtweaks.run.plan import Group
from jaxtweaks.run.work import evaluation_work
from jaxtweaks.train.program import DeviceData, State

PROBED = 0.5  # seconds of training by which the speed of a program is measured


@dataclasses.dataclass(frozen=True)
class Probe:
    """What a program costs.

    Attributes:
      bytes_per_run: memory of its device that one run needs while it is trained, and tested at its
        end (`with_finish`), besides the data.
      seconds_per_image: of training, one run's image.
      compile_seconds: from nothing to the first step.
      seconds_per_evaluation: of what ends an epoch, one run's; None if it was not measured: then a
        forward pass counts as a third of a step.
      measured: seconds an image of each way of batching it was chosen from, if it was chosen.
      failed: the ways of batching that could not be measured, and why.
    """

    bytes_per_run: float
    seconds_per_image: float
    compile_seconds: float
    seconds_per_evaluation: float | None = None
    measured: Mapping[str, float] = dataclasses.field(default_factory=dict)
    failed: Mapping[str, str] = dataclasses.field(default_factory=dict)


def free_bytes() -> int:
    """Free memory of every device, that of the fullest.

    CPU devices share the memory of the host, within the limits of its control groups.
    """
    devices = jax.local_devices()
    stats = [None if one.platform == 'cpu' else one.memory_stats() for one in devices]
    if all(stats):
        return min(one['bytes_limit'] - one['bytes_in_use'] for one in stats if one)
    import psutil  # the benchmarks also run on accelerators whose machine lacks it

    return int(min(psutil.virtual_memory().available, limits.memory_free())) // len(devices)


def is_exhausted(error: BaseException) -> bool:
    """Whether an error says that the memory of the device, or of the host, is used up."""
    by_device = isinstance(error, RuntimeError) and 'RESOURCE_EXHAUSTED' in str(error)
    return by_device or isinstance(error, MemoryError)


def first_line(error: BaseException) -> str:
    """The type of an error and the first line of what it says, and not all of a long one."""
    first = (str(error).splitlines() or [''])[0]
    return f'{type(error).__name__}: {first[:300]}'


def one_run_too_large(error: BaseException) -> UserError:
    """What to raise when there is nothing left to halve."""
    return UserError(
        f'one run alone needs more memory than there is ({first_line(error)}); use smaller '
        'batches, a smaller network or fewer images, or end what else uses the memory'
    )


def group_too_large(size: int, error: BaseException) -> UserError:
    """What to raise if a group must not be halved."""
    return UserError(
        f'a group of {count(size, "run")}, as it was trained in, needs more memory than there is '
        f'here ({first_line(error)}); use a machine with more, or end what else uses the memory'
    )


def probe(group: Group, compiled: GroupProgram, data: DeviceData) -> Probe:
    """Compiles the group's program, trains it for a moment, and forgets what it learned.

    The executable stays in `compiled` for the real training.
    """
    started = time.monotonic()
    hyper, seeds = stack_runs(group.padded(), group.off)
    state = compiled.init(hyper, seeds, data)
    state, _ = jax.block_until_ready(compiled.train(hyper, seeds, state, data, 0, 0, 0, 1))
    compile_seconds = time.monotonic() - started
    batch, steps, measured = compiled.program.static.train.batch_size, 1, []
    started = time.monotonic()
    while time.monotonic() - started < PROBED:
        before = time.monotonic()
        state = jax.block_until_ready(compiled.steps_alone(hyper, seeds, state, data, steps))
        measured.append((time.monotonic() - before) / (steps * len(seeds) * batch))
        steps *= 2
    # The fastest of ever longer calls: what else the machine does meanwhile only adds.
    per_image = min(measured)
    epoch = compiled.program.steps_per_epoch * batch
    work = (epoch + evaluation_work(compiled.program, data)) * len(seeds)
    per_evaluation = None
    if 2 * work * per_image < PROBED:  # of longer epochs the evaluation's images foretell its time
        took = _seconds_of_epoch(compiled, hyper, seeds, state, data)
        per_evaluation = max(0.0, took / len(seeds) - epoch * per_image)
    return Probe(
        bytes_per_run=compiled.memory() / group.size,
        seconds_per_image=per_image,
        compile_seconds=compile_seconds,
        seconds_per_evaluation=per_evaluation,
    )


def with_finish(cost: Probe, group: Group, compiled: GroupProgram, data: DeviceData) -> Probe:
    """What the group's program costs, with the memory that testing its runs takes at their end.

    That is compiled, for the real training too, and not carried out.
    """
    hyper, seeds = stack_runs(group.padded(), group.off)
    compiled.prepare_finish(hyper, seeds, compiled.init(hyper, seeds, data), data)
    return dataclasses.replace(cost, bytes_per_run=compiled.memory() / group.size)


def _seconds_of_epoch(
    compiled: GroupProgram, hyper: trace.Hyper, seeds: np.ndarray, state: State, data: DeviceData
) -> float:
    """Of an epoch with its evaluation, among so many as one call has in training."""
    program, epochs = compiled.program, 1
    most = min(program.epochs_at_once, program.static.train.epochs)
    while True:
        started = time.monotonic()
        state, _ = jax.block_until_ready(
            compiled.train(hyper, seeds, state, data, 0, 0, epochs - 1, program.steps_per_epoch)
        )
        took = time.monotonic() - started
        if took > PROBED / 2 or epochs == most:
            return took / epochs
        epochs = min(2 * epochs, most)
