"""Trains the runs of one group from where they stand to the end."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np

from jaxtweaks.base import metrics
from jaxtweaks.base.metrics import Metric
from jaxtweaks.config import measured, trace
from jaxtweaks.config.fields import plain
from jaxtweaks.run import checkpoint, memory
from jaxtweaks.run.compiled import BATCHINGS, GroupProgram, stack_runs
from jaxtweaks.run.plan import Group
from jaxtweaks.run.progress import Now, Reporter
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.work import evaluation_work, masks_work
from jaxtweaks.train.finish import Found
from jaxtweaks.train.masks import Means
from jaxtweaks.train.program import DeviceData, Program, State


@dataclasses.dataclass(frozen=True)
class Execution:
    """How a sweep is carried out. Group size and batching decide the last bits of a result."""

    group_size: int = plain(0, 'runs side by side on a device; 0 lets the memory decide', low=0)
    batching: str = plain(
        'auto',
        'how runs share a program: they take turns (map), the same in several threads (threads), '
        'or each operation has all runs, with convolutions as a loop, matrix product, grouped '
        'convolution or custom kernel; with native at the end: convolutions on a CPU by custom '
        'kernels, which a C++ compiler builds; auto: what is fastest',
        choices=('auto', *BATCHINGS),
    )
    memory_share: float = plain(
        0.7, "share of the device's free memory to use", above=0.0, high=1.0
    )
    chunk_seconds: float = plain(2.0, 'time between two heartbeats', above=0.0)
    checkpoint_seconds: float = plain(60.0, 'time between two checkpoints', low=0.0)


class Interrupted(Exception):
    """Training was asked to stop by a signal, and has saved its state."""

    def __init__(self, signal: int):
        super().__init__(f'signal {signal}')
        self.signal = signal


def train_group(
    group: Group,
    compiled: GroupProgram,
    data: DeviceData,
    path: Path,
    execution: Execution,
    asked_to_stop: Callable[[], int],
    reporter: Reporter,
    until: int | None = None,
    counted: bool = False,
) -> GroupResult | None:
    """The results of the group's runs.

    Goes on from the checkpoint at `path` if there is one. The results are bitwise the same
    wherever a checkpoint was taken and however the epochs were cut into chunks.

    Args:
      group: the runs.
      compiled: their program.
      data: on the device.
      path: of the checkpoint.
      execution: how often to look up and to save.
      asked_to_stop: called after every chunk; the number of a signal, or 0 to go on.
      reporter: reports progress.
      until: the epoch after which the group waits for others; None for none.
      counted: whether the reporter knows of what is done already.

    Returns:
      The results; None if the group waits for others, with its state saved.

    Raises:
      Interrupted: `asked_to_stop` said so; the state is saved.
      Exception: see `memory.is_exhausted`; the state is saved, if there still is one.
    """
    hyper, seeds = stack_runs(group.padded(), group.off)
    program = compiled.program
    runs, train = len(group.runs), program.static.train
    at = _loaded(compiled, hyper, seeds, data, path, reporter)
    if at is None:
        at = checkpoint.Progress(compiled.init(hyper, seeds, data))
    elif not counted:
        reporter.resumed(_work_done(at, program, data) * runs)
    clock = _Clock(at.seconds)
    last = group.stage if group.leaves else train.epochs
    target = last if until is None else min(until, last)
    moved = False

    def chunk_ended(work: float, now: Now) -> None:
        reporter.advance(work * runs, now)
        _save_if_due(at, path, clock, execution.checkpoint_seconds, asked_to_stop())

    pace = _Pace(execution.chunk_seconds)
    while at.epoch < target:
        moved = True
        before = _work_done(at, program, data)
        with _saving_if_memory_lacks(at, path, clock):
            begun, steps = _train_chunk(at, compiled, hyper, seeds, data, pace, target)
        now = _now(group, at, begun, steps)
        done = _work_done(at, program, data) - before
        if at.done == 0 and _all_done(at.state):
            whole = _work_done(checkpoint.Progress(at.state, train.epochs), program, data)
            reporter.dropped((whole - _work_done(at, program, data)) * runs)
            at.skip_to(train.epochs)
        chunk_ended(done, now)
    if at.epoch < last:
        if moved:
            checkpoint.save(path, at)
        return None
    pace = _Pace(execution.chunk_seconds)
    while at.masks < max(train.mc_samples, default=0):
        before = _work_done(at, program, data)
        with _saving_if_memory_lacks(at, path, clock):
            _add_masks(at, compiled, hyper, seeds, data, pace)
        now = _now(group, at, last, program.steps_per_epoch)
        chunk_ended(_work_done(at, program, data) - before, now)
    at.skip_to(train.epochs)
    with _saving_if_memory_lacks(at, path, clock):
        found = _found(compiled, hyper, seeds, at, data, last)
    return _without_padding(group, at.history, found, clock.seconds())


def _loaded(
    compiled: GroupProgram,
    hyper: trace.Hyper,
    seeds: np.ndarray,
    data: DeviceData,
    path: Path,
    reporter: Reporter,
) -> checkpoint.Progress | None:
    """The checkpoint that a group goes on from, if there is one."""
    # A trace of the network, which a group that has only begun can do without.
    shapes = lambda: jax.eval_shape(
        jax.vmap(compiled.program.init, (0, 0, None)), hyper, seeds, data
    )
    return checkpoint.load(path, shapes, reporter.note)


@contextlib.contextmanager
def _saving_if_memory_lacks(at: checkpoint.Progress, path: Path, clock: '_Clock') -> Iterator[None]:
    """Saves the state if memory lacks meanwhile: groups of fewer runs go on from it."""
    try:
        yield
    except Exception as error:
        # What a chunk has begun with may be gone; then the last state saved is what there is.
        there = not any(leaf.is_deleted() for leaf in jax.tree.leaves(at.state))
        if memory.is_exhausted(error) and there:
            at.seconds = clock.seconds()
            checkpoint.save(path, at)
        raise


def _save_if_due(
    at: checkpoint.Progress, path: Path, clock: '_Clock', seconds: float, stopping: int
) -> None:
    """Saves the state if so many seconds have passed, or to stop. Raises Interrupted."""
    at.seconds = clock.seconds()
    if stopping or clock.since_save() > seconds:
        checkpoint.save(path, at)
        clock.saved()
    if stopping:
        raise Interrupted(stopping)


def _found(
    compiled: GroupProgram,
    hyper: trace.Hyper,
    seeds: np.ndarray,
    at: checkpoint.Progress,
    data: DeviceData,
    last: int,
) -> Found:
    """The final figures of runs whose training ended after the epoch `last`."""
    found = jax.tree.map(np.asarray, compiled.finish(hyper, seeds, at.state, data))
    found = dataclasses.replace(found, finals=found.finals | at.over_masks)
    if compiled.program.static.train.select != 'last':
        return found
    return dataclasses.replace(found, chosen_epoch=np.full_like(found.chosen_epoch, last))


def _add_masks(
    at: checkpoint.Progress,
    compiled: GroupProgram,
    hyper: trace.Hyper,
    seeds: np.ndarray,
    data: DeviceData,
    pace: '_Pace',
) -> None:
    """Averages predictions over as many masks more as one chunk has, and measures the averages."""
    if not at.masks:
        at.means = compiled.no_masks(hyper, seeds, at.state, data)
    end = min(n for n in compiled.program.static.train.mc_samples if n > at.masks)
    end = min(end, at.masks + max(1, int(pace.work() / masks_work(1, data))))
    started = time.monotonic()
    means = compiled.add_masks(hyper, seeds, at.state, at.means, data, at.masks, end)
    at.means = jax.block_until_ready(means)
    pace.took(time.monotonic() - started, masks_work(end - at.masks, data))
    at.masks = end
    at.over_masks |= measured_over_masks(compiled, hyper, at.means, data, end)


def measured_over_masks(
    compiled: GroupProgram, hyper: trace.Hyper, means: Means, data: DeviceData, masks: int
) -> dict[str, np.ndarray]:
    """What is found of averages over so many masks, by metric [runs]; {} if it is not asked for."""
    if masks not in compiled.program.static.train.mc_samples:
        return {}
    return {
        metrics.measure(name).on('test', metrics.over_masks(masks, way)): np.asarray(values)
        for way, found in compiled.over_masks(hyper, means, data).items()
        for name, values in found.items()
    }


def _work_done(at: checkpoint.Progress, program: Program, data: DeviceData) -> float:
    """Work of one run up to a checkpoint, in images trained."""
    steps = at.epoch * program.steps_per_epoch + at.done
    images = steps * program.static.train.batch_size + at.epoch * evaluation_work(program, data)
    return images + masks_work(at.masks, data)


def _train_chunk(
    at: checkpoint.Progress,
    compiled: GroupProgram,
    hyper: trace.Hyper,
    seeds: np.ndarray,
    data: DeviceData,
    pace: '_Pace',
    target: int,
) -> tuple[int, int]:
    """Trains as far as one chunk goes; the epoch last begun, from 1, and the steps done of it."""
    program = compiled.program
    before = _work_done(at, program, data)
    last, stop = _end_of_chunk(at, pace.work(), target, program, data)
    started = time.monotonic()
    args = hyper, seeds, at.state, data, at.epoch, at.done, last, stop
    state, metrics = jax.block_until_ready(compiled.train(*args))
    complete = stop == program.steps_per_epoch
    at.reached(last + complete, 0 if complete else stop, state, metrics)
    pace.took(time.monotonic() - started, _work_done(at, program, data) - before)
    return last + 1, stop


def _end_of_chunk(
    at: checkpoint.Progress, work: float, target: int, program: Program, data: DeviceData
) -> tuple[int, int]:
    """An epoch, and the step of it before which a chunk of about so much work ends.

    It is within the epoch under way, or at the end of an epoch before `target`.
    """
    batch, steps = program.static.train.batch_size, program.steps_per_epoch
    left = (steps - at.done) * batch
    if work < left:
        return at.epoch, at.done + max(1, int(work / batch))
    more = int((work - left) / (steps * batch + evaluation_work(program, data)))
    return at.epoch + min(more, program.epochs_at_once - 1, target - 1 - at.epoch), steps


def _now(group: Group, at: checkpoint.Progress, epoch: int, steps: int) -> Now:
    """How a group stands after so many steps of the epoch, which counts from 1."""
    runs, train, usual = len(group.runs), group.static.train, measured.usual(group.static)
    loss, accuracy = _live(at.state, steps, runs)
    return Now(
        epoch,
        train.epochs,
        loss,
        accuracy,
        _best(at.history, runs, usual),
        runs,
        *_ended(at.state, runs),
        measure=usual.name,
        masks=(at.masks, max(train.mc_samples)) if at.masks else (),
        so_far=lambda: _so_far(group, at),
    )


def _so_far(group: Group, at: checkpoint.Progress) -> GroupResult:
    """The curves of a group under way; it has no finals."""
    count, compiled_for = len(group.runs), group.size * group.shares
    by_epoch = lambda values: np.asarray(values, np.float32).reshape(-1, compiled_for)[:, :count]
    return GroupResult(
        runs=tuple(run.id for run in group.runs),
        history={name: by_epoch(values) for name, values in at.history.items()},
        finals={},
        chosen_epoch=np.zeros(count, np.int32),
        diverged_at=np.asarray(at.state.diverged_at)[:count],
        seconds=at.seconds,
    )


def _all_done(state: State) -> bool:
    """Whether every run of a group has been stopped early."""
    return state.best is not None and bool(np.all(np.asarray(state.best.stopped_at) > 0))


def _live(state: State, steps: int, runs: int) -> tuple[float, float]:
    """Mean loss and accuracy of the epoch so far over the runs that have not diverged."""
    alive = np.asarray(state.diverged_at)[:runs] < 0
    if not alive.any():
        return float('nan'), float('nan')
    loss, correct = (
        math.nan if total is None else float(np.asarray(total)[:runs][alive].mean()) / steps
        for total in (state.loss_sum, state.correct_sum)
    )
    return loss, correct


def _ended(state: State, runs: int) -> tuple[int, int]:
    """How many of the runs have diverged, and how many of the others have been stopped early."""
    diverged = np.asarray(state.diverged_at)[:runs] >= 0
    if state.best is None:
        return int(diverged.sum()), 0
    stopped = np.asarray(state.best.stopped_at)[:runs] > 0
    return int(diverged.sum()), int((stopped & ~diverged).sum())


def _best(history: dict[str, list[np.ndarray]], runs: int, by: Metric) -> float:
    """The best of a run after an epoch so far, on validation; NaN if there is none."""
    seen = np.asarray(history.get(by.on('validation'), []), float)[..., :runs]
    if not seen.size:
        return np.nan
    return by.sign * float(np.fmax.reduce(by.sign * seen, axis=None))


def _without_padding(
    group: Group, history: dict[str, list[np.ndarray]], found: Found, seconds: float
) -> GroupResult:
    count = len(group.runs)
    found = jax.tree.map(lambda value: value[:count], found)
    curves = {name: np.asarray(values)[:, :count] for name, values in history.items()}
    running = (name for name in curves if metrics.of(name).split == 'running')
    last = {name: _last(curves[name]) for name in running}
    return GroupResult(
        runs=tuple(run.id for run in group.runs),
        history=curves,
        finals=found.finals | last,
        chosen_epoch=found.chosen_epoch,
        diverged_at=found.diverged_at,
        seconds=seconds,
        confusion=found.confusion,
        arrays=found.arrays,
        left_at=np.full(count, group.stage if group.leaves else 0, np.int32),
        variables=found.variables,
    )


def _last(curves: np.ndarray) -> np.ndarray:
    """The last finite value of each run, [epochs, runs] to [runs]; one stopped early has no more.

    Of a run that has none, the first value.
    """
    epochs = np.arange(len(curves))[:, None]
    index = np.where(np.isfinite(curves), epochs, 0).max(axis=0, keepdims=True)
    return np.take_along_axis(curves, index, axis=0)[0]


class _Clock:
    """Time spent on a group, over all launches, and time since its state was saved."""

    def __init__(self, before: float):
        self._started = time.monotonic() - before
        self.saved()

    def seconds(self) -> float:
        return time.monotonic() - self._started

    def saved(self) -> None:
        self._saved = time.monotonic()

    def since_save(self) -> float:
        return time.monotonic() - self._saved


class _Pace:
    """How much work fits in a chunk, from how long the last one took."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._speed: float | None = None
        self._warm = False

    def work(self) -> float:
        """In images trained; 0 as long as nothing is known."""
        return 0.0 if self._speed is None else self._seconds * self._speed

    def took(self, seconds: float, work: float) -> None:
        if self._warm:  # the first chunk compiles
            self._speed = work / max(seconds, 1e-9)
        self._warm = True
