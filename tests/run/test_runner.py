"""The bookkeeping of a sweep: what is said and worked out of its groups, and what ends it."""

import dataclasses
import os
import signal

import numpy as np
import pytest
from rich.console import Console

from jaxtweaks.config import trace
from jaxtweaks.config.expand import expand, grid
from jaxtweaks.config.settings import Setting
from jaxtweaks.run import progress, runner, signals
from jaxtweaks.run.compaction import Done
from jaxtweaks.run.group import Execution
from jaxtweaks.run.plan import all_runs, by_program, into_groups, replaced
from jaxtweaks.run.progress import Now, Reporter, View
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.search import Rungs
from jaxtweaks.run.workdir import Workdir

OFF = frozenset({'noise.input'})


class Machine:
    """Says that every group is the same work, and remembers what it was to keep."""

    def __init__(self):
        self.kept = []

    def work(self, group, share=1.0):
        return share

    def keep_only(self, groups):
        self.kept.append(len({group.program for group in groups}))


class Remembering(Reporter):
    """Remembers what was said of groups."""

    def __init__(self):
        super().__init__(None)
        self.said = []

    def group(self, text, settings=()):
        self.said.append(text)


NOTHING = GroupResult((), {}, {}, np.zeros(0), np.zeros(0), 0.0)


def run(tmp_path, monkeypatch, sweep, seeds):
    """What was said, how often programs were dropped, and how many settings were taken apart."""
    runs = all_runs(Setting(), expand(sweep), range(seeds))
    programs = by_program(runs, OFF).values()
    groups = [group for members in programs for group in into_groups(members, 1, 'map', OFF)]
    machine, reporter, split, splits = Machine(), Remembering(), trace.split, []

    def counted(*args):
        splits.append(args)
        return split(*args)

    workdir = Workdir(tmp_path)
    monkeypatch.setattr(runner, 'run_group', lambda one, to, *_, **__: to.save_result(one, NOTHING))
    monkeypatch.setattr(trace, 'split', counted)
    runner.run_groups(groups, workdir, machine, Execution(), reporter, Done())
    return reporter.said, machine.kept, len(splits)


def test_bookkeeping_takes_as_long_for_each_of_many_groups_as_for_each_of_few(
    tmp_path, monkeypatch
):
    sweep = grid('train.batch_size', 8, 16, 32)
    said, kept, splits = run(tmp_path, monkeypatch, sweep, seeds=10)
    assert said[0] == 'program 1/3, group 1/30'
    assert said[-1] == 'program 3/3, group 30/30'
    assert kept == [3, 2, 1]
    assert splits == 30


def test_programs_are_not_counted_where_there_is_one_or_one_for_each_group(tmp_path, monkeypatch):
    said, _, _ = run(tmp_path / 'one', monkeypatch, grid('train.batch_size', 8), seeds=2)
    assert said == ['group 1/2', 'group 2/2']
    said, _, _ = run(tmp_path / 'each', monkeypatch, grid('train.batch_size', 8, 16), seeds=1)
    assert said == ['group 1/2', 'group 2/2']


def test_the_state_of_a_finished_group_that_a_kill_left_behind_is_cleared(tmp_path, monkeypatch):
    sweep = grid('train.batch_size', 8)
    run(tmp_path, monkeypatch, sweep, seeds=2)
    names = [path.stem for path in (tmp_path / 'results').iterdir()]
    (tmp_path / 'checkpoints').mkdir(exist_ok=True)
    ends = '.ckpt', '.ckpt.previous', '.ckpt.damaged', '.ckpt.previous.damaged'
    for name, end in zip((*names, *names, 'another'), (*ends, '.ckpt'), strict=True):
        (tmp_path / 'checkpoints' / f'{name}{end}').write_bytes(b'state')
    said, _, _ = run(tmp_path, monkeypatch, sweep, seeds=2)
    assert said == []  # nothing was trained again
    assert [path.stem for path in (tmp_path / 'checkpoints').iterdir()] == ['another']


class Search:
    """Runs of an epoch a second; of each three settings the first goes on at a rung."""

    def __init__(self, monkeypatch):
        self.clock, self.left = 0.0, []
        monkeypatch.setattr(progress.time, 'monotonic', lambda: self.clock)
        monkeypatch.setattr(runner, 'run_group', self.run)
        monkeypatch.setattr(runner.compaction, 'compact', self.compact)

    def work(self, group, share=1.0):
        return share * 10.0 * group.runs[0].setting.train.epochs

    def keep_only(self, groups):
        pass

    def run(self, group, workdir, machine, execution, stop, reporter, until, counted):
        epochs = group.runs[0].setting.train.epochs
        for epoch in range(group.stage, group.stage if group.leaves else until or epochs):
            self.clock += 1
            now = Now(epoch + 1, epochs, 1.0, 0.5, 0.5, 1, 0, 0)
            reporter.advance(10.0, now)
        if until is None or group.leaves:
            workdir.save_result(group, NOTHING)

    def compact(self, groups, waiting, epoch, stages, workdir):
        self.left.append(self.reporter._clock.seconds_left())
        new = {
            group.id: [dataclasses.replace(group, stage=epoch, leaves=i >= len(waiting) // 3)]
            for i, group in enumerate(waiting)
        }
        return replaced(groups, new), replaced(waiting, new)

    def carry_out(self, groups, path, stages):
        self.reporter = Reporter(Console(quiet=True))
        return runner.run_groups(groups, Workdir(path), self, Execution(), self.reporter, stages)


def test_the_time_left_is_that_of_those_who_will_go_on(tmp_path, monkeypatch):
    """9 settings of 27 epochs, rungs after 3 and 9: 27 s, 18 s of three, and 18 s of one."""
    search = Search(monkeypatch)
    setting = trace.replace(Setting(), {'train.epochs': 27})
    runs = all_runs(setting, expand(grid('optim.learning_rate', *np.geomspace(0.01, 1, 9))), [0])
    groups = search.carry_out(into_groups(runs, 1, 'map', OFF), tmp_path, Rungs((3, 9), 1 / 3))
    assert [group.leaves for group in groups].count(False) == 1
    assert search.left == pytest.approx([36, 18])
    assert search.clock == 27 + 18 + 18
    assert search.reporter._clock.share() == pytest.approx(1)


def test_what_those_who_stopped_early_would_have_had_to_do_is_no_work(tmp_path, monkeypatch):
    """Of 3 settings of 8 epochs two leave after 2: 6 s were for 18 s more, then 6 s are left."""
    search = Search(monkeypatch)
    setting = trace.replace(Setting(), {'train.epochs': 8, 'train.patience': 1.0})
    runs = all_runs(setting, expand(grid('optim.learning_rate', 0.1, 0.2, 0.3)), [0])
    shown = []
    monkeypatch.setattr(View, 'show', lambda self, share, now, left: shown.append(left))
    search.carry_out(into_groups(runs, 1, 'map', OFF), tmp_path, Done((2,)))
    assert search.left == [18]
    assert shown[6] == '5 s left'


def test_a_run_that_diverged_is_counted_once_though_its_group_is_halved(tmp_path, monkeypatch):
    shown, machine = [], Machine()

    class Shows(View):
        def show(self, share, now, left):
            shown.append(now)

    def train(group, workdir, machine, execution, stop, reporter, until, counted):
        reporter.advance(0.1, Now(1, 5, 1.0, 0.5, 0.5, len(group.runs), group.size, 0))
        if group.size > 1:
            raise MemoryError
        workdir.save_result(group, NOTHING)

    monkeypatch.setattr(runner, 'run_group', train)
    monkeypatch.setattr(runner.manifest, 'regroup', lambda *args: None)
    whole = into_groups(all_runs(Setting(), [{}], range(2)), 2, 'map', OFF)
    reporter = Reporter(Console(quiet=True), Shows())
    runner.run_groups(whole, Workdir(tmp_path), machine, Execution(), reporter, Done())
    assert [words.partition(' diverged')[0].split()[-1] for words in shown] == ['2', '1', '2']


def test_nothing_is_looked_for_of_each_group_that_left_no_state(tmp_path, monkeypatch):
    sweep = grid('train.batch_size', 8)
    run(tmp_path, monkeypatch, sweep, seeds=20)
    monkeypatch.setattr(runner.files, 'remove_generations', pytest.fail)
    run(tmp_path, monkeypatch, sweep, seeds=20)


SIGNALS = [getattr(signal, f'SIG{name}') for name in ('INT', 'TERM', 'HUP', 'USR1', 'USR2')]


@pytest.fixture
def handlers():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, old in before.items():
        signal.signal(number, old)


@pytest.mark.parametrize('number', SIGNALS)
def test_a_signal_is_a_request_to_stop_and_handlers_are_given_back(handlers, number):
    before = {each: signal.getsignal(each) for each in SIGNALS}
    with signals.stop_on_signal() as asked_to_stop:
        assert asked_to_stop() == 0
        os.kill(os.getpid(), number)
        assert asked_to_stop() == number
        # A shell and its terminal both send SIGHUP; whoever presses Ctrl-C twice means it.
        again = signal.getsignal(number)
        assert (again == before[number]) == (number in (signal.SIGINT, signal.SIGTERM))
        other = signal.SIGUSR2 if number == signal.SIGUSR1 else signal.SIGUSR1
        os.kill(os.getpid(), other)
        assert asked_to_stop() == number
    assert {each: signal.getsignal(each) for each in SIGNALS} == before


@pytest.mark.parametrize('number', SIGNALS)
def test_a_signal_that_is_ignored_stays_ignored(handlers, number):
    """`nohup` ignores SIGHUP, and a script what it starts with & SIGINT."""
    signal.signal(number, signal.SIG_IGN)
    with signals.stop_on_signal() as asked_to_stop:
        os.kill(os.getpid(), number)
        assert asked_to_stop() == 0


def test_a_signal_that_the_user_handles_is_theirs(handlers):
    came = []
    signal.signal(signal.SIGUSR1, lambda number, frame: came.append(number))
    with signals.stop_on_signal() as asked_to_stop:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert (asked_to_stop(), came) == (0, [signal.SIGUSR1])


def test_what_is_written_to_a_closed_terminal_is_lost_and_no_error():
    ours, its = os.openpty()
    signals._leave_terminal(its)
    assert os.isatty(its)  # it was not closed
    os.close(ours)
    with pytest.raises(OSError, match=r'\[Errno 5\]'):
        os.write(its, b'x')
    signals._leave_terminal(its)
    assert os.write(its, b'x') == 1
    os.close(its)
