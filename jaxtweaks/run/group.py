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
    training = _GroupTraining(group, compiled, *stack_runs(group.padded(), group.off), data)
    runs, train = len(group.runs), compiled.program.static.train
    at = training.load(path, reporter.note)
    if at is not None and not counted:
        reporter.resumed(training.work(at) * runs)
    at = at or training.begin()
    clock, moved = _Clock(at.seconds), False
    last = group.stage if group.leaves else train.epochs
    target = last if until is None else min(until, last)

    def carry_out(chunk: Callable[[], Now]) -> None:
        before = training.work(at)
        with _saving_if_memory_lacks(at, path, clock):
            now = chunk()
        work = training.work(at) - before
        if at.done == 0 and not at.masks and _all_done(at.state):
            reporter.dropped(training.work_of_epochs(train.epochs - at.epoch) * runs)
            at.skip_to(train.epochs)
        reporter.advance(work * runs, now)
        _save_if_due(at, path, clock, execution.checkpoint_seconds, asked_to_stop())

    pace = _Pace(execution.chunk_seconds)
    while at.epoch < target:
        carry_out(lambda: training.chunk(at, pace, target))
        moved = True
    if at.epoch < last:
        if moved:
            checkpoint.save(path, at)
        return None
    of_masks = _Pace(execution.chunk_seconds)
    while at.masks < max(train.mc_samples, default=0):
        carry_out(lambda: training.add_masks(at, of_masks))
    at.skip_to(train.epochs)
    with _saving_if_memory_lacks(at, path, clock):
        found = training.found(at, last)
    return _without_padding(group, at.history, found, clock.seconds())


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


@dataclasses.dataclass(frozen=True)
class _GroupTraining:
    """What trains the runs of a group: its compiled program, and what that is called with.

    Methods take how far the runs are, and bring it up to date.
    """

    group: Group
    compiled: GroupProgram
    hyper: trace.Hyper
    seeds: np.ndarray
    data: DeviceData

    @property
    def program(self) -> Program:
        """Of one run."""
        return self.compiled.program

    def begin(self) -> checkpoint.Progress:
        """Where runs stand before the first step."""
        return checkpoint.Progress(self.compiled.init(self.hyper, self.seeds, self.data))

    def load(self, path: Path, notify: Callable[[str], None]) -> checkpoint.Progress | None:
        """The checkpoint that the group goes on from, if there is one."""
        of_runs = jax.vmap(self.program.init, (0, 0, None))
        # A trace of the network, which a group that has only begun can do without.
        shapes = lambda: jax.eval_shape(of_runs, self.hyper, self.seeds, self.data)
        return checkpoint.load(path, shapes, notify)

    def work(self, at: checkpoint.Progress) -> float:
        """Work of one run so far, in images trained."""
        steps = at.done * self.program.static.train.batch_size
        return self.work_of_epochs(at.epoch) + steps + masks_work(at.masks, self.data)

    def work_of_epochs(self, epochs: int) -> float:
        """Work of one run in so many whole epochs, in images trained."""
        images = self.program.steps_per_epoch * self.program.static.train.batch_size
        return epochs * (images + evaluation_work(self.program, self.data))

    def chunk(self, at: checkpoint.Progress, pace: '_Pace', target: int) -> Now:
        """Trains as far as one chunk goes; how the runs stand then."""
        before, started = self.work(at), time.monotonic()
        last, stop = self._end_of_chunk(at, pace.work(), target)
        args = self.hyper, self.seeds, at.state, self.data, at.epoch, at.done, last, stop
        state, metrics = jax.block_until_ready(self.compiled.train(*args))
        complete = stop == self.program.steps_per_epoch
        at.reached(last + complete, 0 if complete else stop, state, metrics)
        pace.took(time.monotonic() - started, self.work(at) - before)
        return _now(self.group, at, last + 1, stop)

    def _end_of_chunk(self, at: checkpoint.Progress, work: float, target: int) -> tuple[int, int]:
        """An epoch, and the step of it before which a chunk of about so much work ends.

        It is within the epoch under way, or at the end of an epoch before `target`.
        """
        batch, steps = self.program.static.train.batch_size, self.program.steps_per_epoch
        left = (steps - at.done) * batch
        if work < left:
            return at.epoch, at.done + max(1, int(work / batch))
        more = int((work - left) / self.work_of_epochs(1))
        return at.epoch + min(more, self.program.epochs_at_once - 1, target - 1 - at.epoch), steps

    def add_masks(self, at: checkpoint.Progress, pace: '_Pace') -> Now:
        """Averages predictions over as many masks more as one chunk has; how the runs stand then.

        Measures the averages where their number of masks is one of those that are asked for.
        """
        given = self.hyper, self.seeds, at.state
        means = at.means if at.masks else self.compiled.no_masks(*given, self.data)
        samples = self.program.static.train.mc_samples
        most = at.masks + max(1, int(pace.work() / masks_work(1, self.data)))
        end = min(most, *(n for n in samples if n > at.masks))
        started = time.monotonic()
        added = self.compiled.add_masks(*given, means, self.data, at.masks, end)
        means = jax.block_until_ready(added)
        pace.took(time.monotonic() - started, masks_work(end - at.masks, self.data))
        found = {}
        if end in samples:
            found = self.compiled.over_masks(self.hyper, means, self.data, end)
        # All at once: what is saved if memory lacks meanwhile has measured what it has averaged.
        at.means, at.masks, at.over_masks = means, end, at.over_masks | found
        return _now(self.group, at, at.epoch, self.program.steps_per_epoch)

    def found(self, at: checkpoint.Progress, last: int) -> Found:
        """The final figures of runs whose training ended after the epoch `last`."""
        found = self.compiled.finish(self.hyper, self.seeds, at.state, self.data)
        found = jax.tree.map(np.asarray, found)
        found = dataclasses.replace(found, finals=found.finals | at.over_masks)
        if self.program.static.train.select != 'last':
            return found
        return dataclasses.replace(found, chosen_epoch=np.full_like(found.chosen_epoch, last))


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
