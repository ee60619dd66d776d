"""How many runs are trained side by side."""

import jax
import pytest

from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.run import layout, memory
from jaxtweaks.run.compiled import candidates
from jaxtweaks.run.group import Execution
from jaxtweaks.run.plan import Processes, all_runs


class Machine:
    """Finds that every run needs so many bytes, and the data others."""

    def __init__(self, bytes_per_run, data=0, held=0):
        self.bytes_per_run, self.data, self.held = bytes_per_run, data, held

    def data_bytes(self, config):
        return self.data

    def held_bytes(self):
        return self.held

    def probe(self, group):
        return memory.Probe(self.bytes_per_run, 1.0, 1.0)

    def with_finish(self, group, cost):
        return cost

    def work_of_run(self, static):
        return 1.0


def sizes(count, bytes_per_run=1.0, data=0, held=0, **execution):
    runs = all_runs(Setting(), [{}], range(count))
    execution = Execution(batching='map', **execution)
    machine = Machine(bytes_per_run, data, held)
    groups, _ = layout.make_groups(runs, execution, machine, frozenset(), print)
    assert [run for group in groups for run in group.runs] == runs
    return [group.size for group in groups]


def test_a_cpu_trains_few_runs_at_a_time(monkeypatch):
    monkeypatch.setattr(layout.limits, 'cores', lambda: 2)
    assert jax.default_backend() == 'cpu'
    most = layout.most_side_by_side('map')
    mlp = trace.replace(Setting(), {'model.name': 'mlp'})
    for setting in (Setting(), mlp):
        assert {layout.most_side_by_side(way) for way in candidates(setting)} == {most}
    assert sizes(3 * most) == [most] * 3
    assert sizes(2) == [2]


@pytest.mark.parametrize(
    ('way', 'cores', 'runs', 'size'),
    [
        ('map', 2, 5, 1),  # Five turns; groups of three would be filled up to six.
        ('map', 2, 10, 2),
        ('map', 2, 7, 1),
        ('map', 2, 8, 4),
        ('map', 2, 50, 4),  # 52 turns, hardly more than 50
        ('threads_native', 2, 5, 2),  # Three turns; groups of three, two threads each, take four.
        ('threads', 2, 10, 2),
        ('threads', 2, 8, 4),
        ('threads', 4, 5, 3),  # Two turns, as with groups of four
        ('threads', 4, 3, 3),
        ('threads', 16, 50, 13),  # Four turns, as with groups of 16
        ('map', 16, 50, 4),
    ],
)
def test_hardly_any_copies_are_trained(way, cores, runs, size, monkeypatch):
    monkeypatch.setattr(layout.limits, 'cores', lambda: cores)
    groups = layout._cut(all_runs(Setting(), [{}], range(runs)), Execution(), way, frozenset())
    assert {group.size for group in groups} == {size}


def test_the_user_and_the_memory_have_the_last_word(monkeypatch):
    most = layout.most_side_by_side('map')
    assert sizes(20, group_size=10) == [10, 10]
    monkeypatch.setattr(memory, 'free_bytes', lambda: 300)
    assert sizes(most, bytes_per_run=100.0, memory_share=1.0) == [2, 2]


@pytest.mark.parametrize(
    ('data', 'held', 'size'),
    [
        (0, 0, 3),
        (90, 0, 2),  # (440 · 0.75 - 90) / 100 = 2.4
        (200, 0, 1),
        (90, 90, 3),  # there already: of 530 bytes 397 may be used, and 307 by runs
        (1000, 0, 1),  # it is tried
    ],
)
def test_runs_have_the_memory_that_the_data_leave(data, held, size, monkeypatch):
    monkeypatch.setattr(memory, 'free_bytes', lambda: 440)
    monkeypatch.setattr(layout, '_MOST_ON_A_CPU', 3)
    monkeypatch.setattr(layout, '_HARDLY_MORE', 9.0)
    found = sizes(6, bytes_per_run=100.0, data=data, held=held, memory_share=0.75)
    assert found == [size] * (6 // size)


@pytest.mark.parametrize(('sharing', 'size'), [(1, 4), (2, 2), (4, 1)])
def test_processes_that_share_a_device_share_its_memory(sharing, size, monkeypatch):
    """Of 950 bytes and 50 of data on the device each has a part, with data of its own in it."""
    monkeypatch.setattr(memory, 'free_bytes', lambda: 950)
    monkeypatch.setattr(layout.known, 'recall', lambda static: ('map', memory.Probe(200, 1.0, 1.0)))
    processes, machine = Processes(4, sharing), Machine(200, data=50, held=50)
    runs, execution = (
        all_runs(Setting(), [{}], range(16)),
        Execution(batching='map', memory_share=1.0),
    )
    plans = (
        layout.make_groups(runs, execution, machine, frozenset(), print, processes),
        layout.guess_groups(runs, execution, machine, frozenset(), processes),
    )
    assert [{group.size for group in groups} for groups, _ in plans] == [{size}] * 2


def test_every_process_has_a_group_unless_the_user_sets_the_size():
    runs = all_runs(Setting(), [{}], range(6))

    def cut(processes, size=0):
        execution = Execution(batching='map', group_size=size)
        groups, _ = layout.make_groups(
            runs, execution, Machine(1.0), frozenset(), print, Processes(processes)
        )
        return [(group.size, len(group.runs)) for group in groups]

    assert cut(1) == [(3, 3), (3, 3)]
    assert cut(3) == [(2, 2)] * 3
    assert cut(100) == [(1, 1)] * 6
    assert cut(100, size=4) == [(3, 3), (3, 3)]


@pytest.mark.parametrize('devices', [1, 2])
def test_there_are_as_many_groups_as_processes_if_there_are_as_many_runs(devices, monkeypatch):
    monkeypatch.setattr(layout.devices, 'count', lambda: devices)
    for counts in ([5], [9, 1], [1, 1, 9], [12, 7]):
        rates = [{'train.batch_size': 8 + k} for k in range(len(counts))]
        runs = [
            run
            for point, count in zip(rates, counts, strict=True)
            for run in all_runs(Setting(), [point], range(count))
        ]
        for processes in range(1, sum(counts) + 3):
            groups, _ = layout.make_groups(
                runs,
                Execution(batching='map'),
                Machine(1.0),
                frozenset(),
                print,
                Processes(processes),
            )
            most = sum(-(-count // devices) for count in counts)
            assert len(groups) >= min(processes, most), (counts, processes)
            assert sorted(run.id for group in groups for run in group.runs) == sorted(
                run.id for run in runs
            )


@pytest.mark.parametrize(('way', 'most'), [('map', 32), ('vmap_pallas', 128), ('vmap_matmul', 128)])
def test_an_accelerator_trains_many(way, most, monkeypatch):
    monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')
    assert layout.most_side_by_side(way) == most


def with_batch(batch, epochs=1):
    values = {'train.batch_size': batch, 'train.epochs': epochs}
    return trace.split(trace.replace(Setting(), values), frozenset())[0]


def test_a_step_of_another_batch_lies_on_a_line_through_those_measured():
    # A step takes 5 s and half a second an image.
    costs = {with_batch(b): memory.Probe(b, 5 / b + 0.5, 2.0) for b in (10, 100)}
    assert layout.cost_of(with_batch(100, epochs=7), costs).seconds_per_image == 0.55
    # Beyond those no line is believed.
    assert layout.cost_of(with_batch(2), costs).seconds_per_image == pytest.approx(10 / 2)
    assert layout.cost_of(with_batch(1_000), costs).seconds_per_image == pytest.approx(0.55)
    between = layout.cost_of(with_batch(40), costs)
    assert between.seconds_per_image == pytest.approx(5 / 40 + 0.5)
    assert between.bytes_per_run == 100
    alone = {with_batch(10): costs[with_batch(10)]}
    assert layout.cost_of(with_batch(40), alone).seconds_per_image == 1.0


@pytest.mark.parametrize(
    ('evaluation', 'of_runs'), [(None, 4 * 200 * 0.1), (4.0, 4 * (140 * 0.1 + 24))]
)
def test_the_time_of_a_plan_is_that_of_images_evaluations_and_compiling(evaluation, of_runs):
    class Planned(Machine):
        def work_of_run(self, static, share=1.0):
            return 200.0  # images, of which each evaluation of six is ten

        def evaluation_of_run(self, static):
            return 10.0

    setting = trace.replace(Setting(), {'train.epochs': 6})
    runs = all_runs(setting, [{}], range(3))
    execution = Execution(batching='map', group_size=2)
    machine = Planned(2**29)
    machine.probe = lambda group: memory.Probe(2**29, 0.1, 8.0, evaluation)
    groups, costs = layout.make_groups(runs, execution, machine, frozenset(), print)
    found = layout.estimate(groups, costs, machine)
    assert found == layout.Estimate(1.0, pytest.approx(of_runs + 1.5 * 8.0))
    machine.data = 2**28
    found = layout.estimate(groups, costs, machine)
    assert (found.gibibytes, found.data) == (1.25, 0.25)
    assert layout.estimate([], {}, machine) == layout.Estimate(0.0, 0.0)
