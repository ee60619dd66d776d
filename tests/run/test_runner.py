"""The bookkeeping of a sweep: what is said of its groups, and what is worked out for each."""

from jaxtweaks.config import trace
from jaxtweaks.config.expand import expand, grid
from jaxtweaks.config.settings import Setting
from jaxtweaks.run import runner
from jaxtweaks.run.compaction import Done
from jaxtweaks.run.group import Execution
from jaxtweaks.run.plan import all_runs, by_program, into_groups
from jaxtweaks.run.progress import Silent
from jaxtweaks.run.workdir import Workdir

OFF = frozenset({'noise.input'})


class Machine:
    """Says that every group is the same work, and remembers what it was to keep."""

    def __init__(self):
        self.kept = []

    def work(self, group):
        return 1.0

    def keep_only(self, groups):
        self.kept.append(len({group.program for group in groups}))


class Reporter(Silent):
    """Remembers what was said of groups."""

    def __init__(self):
        super().__init__(None)
        self.said = []

    def group(self, text):
        self.said.append(text)


def run(tmp_path, monkeypatch, sweep, seeds):
    """What was said, how often programs were dropped, and how many settings were taken apart."""
    runs = all_runs(Setting(), expand(sweep), range(seeds))
    programs = by_program(runs, OFF).values()
    groups = [group for members in programs for group in into_groups(members, 1, 'map', OFF)]
    machine, reporter, split, splits = Machine(), Reporter(), trace.split, []

    def counted(*args):
        splits.append(args)
        return split(*args)

    workdir = Workdir(tmp_path)
    monkeypatch.setattr(runner, '_run_group', lambda group, to, *_: to.save_result(group, {}))
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
