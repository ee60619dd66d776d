"""Groups carried out by workers, as far as it can be seen without any: who is given what when."""

import asyncio
import dataclasses
import math
import os
import pathlib

import pytest
from rich.console import Console

from jaxtweaks.base import limits
from jaxtweaks.base.errors import Unfinished, UserError
from jaxtweaks.config.settings import Setting
from jaxtweaks.lab import crew, worker
from jaxtweaks.run import cluster, manifest, plan, workers
from jaxtweaks.run.cluster import Here
from jaxtweaks.run.group import Interrupted
from jaxtweaks.run.plan import all_runs, into_groups
from jaxtweaks.run.progress import Now, Reporter
from jaxtweaks.run.workdir import Workdir
from jaxtweaks.run.workers import Event, Forwarding, Tally, carry_out

NOW = Now(1, 5, math.nan, 0.5, math.nan, 2, 0, 0, so_far=lambda: pytest.fail('made for nobody'))


class Script:
    """Workers that answer each start with the events of a script; see `run.workers.Workers`."""

    def __init__(self, count, script):
        self.number, self.script = count, script
        self.started, self.stopped, self.said = [], False, []

    def count(self):
        return self.number

    def start(self, group, until):
        self.started.append(group.id)
        self.said += [Event(group.id, **one) for one in self.script(group)]

    def event(self, seconds):
        return self.said.pop(0) if self.said else None

    def stop(self):
        self.stopped = True


class Folder:
    """Results appear where a worker says so."""

    def __init__(self):
        self.results = set()

    def has_result(self, group):
        return group.id in self.results

    has_checkpoint = has_result


class Noting(Reporter):
    def __init__(self):
        super().__init__(Console(file=None, quiet=True))
        self.notes, self.shown = [], []

    def note(self, text):
        self.notes.append(text)

    def group(self, text, settings=(), where=''):
        super().group(text, settings, where)
        self.shown.append((text, where))

    def share(self):
        return self._clock.share()


def groups_of(*sizes):
    """Groups of two programs each: a batch size for each of the sizes."""
    points = [{'train.batch_size': 10 + i} for i in range(len(sizes))]
    return [
        group
        for point, size in zip(points, sizes, strict=True)
        for group in into_groups(all_runs(Setting(), [point], range(size)), 1, 'map', frozenset())
    ]


def carried_out(groups, script, count=2, work=None, stop=lambda: 0):
    folder, reporter = Folder(), Noting()
    crew = Script(count, lambda group: script(group, folder))
    work = work or {group.id: 10.0 for group in groups}
    reporter.begin(sum(work.values()), 0)
    places = {group.id: f'group {i}' for i, group in enumerate(groups)}
    ended = carry_out(groups, work, crew, folder, stop, reporter, places)
    return ended, crew, reporter


def saves(group, folder):
    folder.results.add(group.id)
    return [
        {'kind': 'began', 'worker': 'a'},
        {'kind': 'advance', 'worker': 'a', 'work': 4.0, 'now': NOW},
        {'kind': workers.SAVED, 'worker': 'a'},
    ]


def test_the_longest_are_begun_first_and_what_is_done_is_counted():
    groups = groups_of(5)
    work = {group.id: float(i) for i, group in enumerate(groups)}
    ended, crew, reporter = carried_out(groups, saves, work=work)
    assert crew.started == [group.id for group in reversed(groups)]
    assert (ended.too_large, ended.failed) == ([], {})
    assert reporter.share() == 1.0
    assert reporter.shown[0] == ('group 4', 'worker a: group 4; 2 running; 3 waiting')


def test_it_is_said_whenever_no_worker_is_there():
    """At first, and twice while one has a group."""
    groups, folder, reporter = groups_of(3), Folder(), Noting()
    crew, counts = Script(0, lambda group: []), iter([0, 0, 1, 1, 0, 0, 2, 0, 1])

    def count():
        if (number := next(counts, 1)) == 2:
            crew.said += [one for group in groups[:1] for one in events(group)]
        return number

    def events(group):
        return [Event(group.id, **one) for one in saves(group, folder)]

    def start(group, until):
        crew.started.append(group.id)
        if len(crew.started) > 1:
            crew.said += events(group)

    crew.count, crew.start = count, start
    work = {group.id: 1.0 for group in groups}
    carry_out(groups, work, crew, folder, lambda: 0, reporter, {one.id: '' for one in groups})
    none, joined = 'there is no worker; it goes on as soon as one joins', 'a worker has joined'
    assert [text.partition(', and')[0] for text in reporter.notes] == [none, joined] * 3
    assert crew.started == [group.id for group in groups]


def test_it_is_said_that_no_worker_is_there_that_makes_the_plan(tmp_path):
    said, counts = [], iter([0, 0, 1, 0])

    class Cluster:
        def start(self, *args):
            pass

        def expected(self):
            return 1

        sharing = expected

        def count(self):
            return next(counts)

        def next(self, seconds):
            failed = {'group': 'plan', 'error': ValueError('boom')}
            return failed if len(said) == 3 else None

    asking = crew.Crew(Cluster(), Workdir(tmp_path), None, said.append)
    with pytest.raises(Unfinished, match='the plan could not be made: ValueError: boom'):
        asking.plan([], [], None)
    assert [text.partition(',')[0].partition(';')[0] for text in said] == [
        'there is no worker',
        'a worker has joined',
        'there is no worker',
    ]


def test_one_that_fails_is_reported_and_the_others_are_finished():
    groups = groups_of(4)
    fails = lambda group, folder: (
        [{'kind': workers.FAILED, 'text': 'boom'}] if group is groups[1] else saves(group, folder)
    )
    ended, crew, reporter = carried_out(groups, fails)
    assert ended.failed == {groups[1].id: 'boom'}
    assert len(crew.started) == 4
    assert reporter.notes == ['group 1 failed: boom']
    said = workers.failed_words(ended.failed, 4)
    assert said.startswith('1 of 4 groups failed: boom; all others that could be are finished')


def test_of_a_program_that_is_too_large_no_further_group_is_begun():
    groups = groups_of(4, 2)
    lacks = lambda group, folder: (
        [{'kind': workers.TOO_LARGE, 'text': 'no room'}]
        if group.program == groups[0].program
        else saves(group, folder)
    )
    ended, crew, _ = carried_out(groups, lacks, count=1)
    assert ended.too_large == [(groups[0], 'no room')]
    assert crew.started == [groups[0].id, groups[4].id, groups[5].id]


def test_a_worker_that_cannot_do_its_part_ends_it_all():
    refuses = lambda group, folder: [{'kind': workers.REFUSED, 'worker': 'b', 'text': 'no data'}]
    with pytest.raises(UserError, match=r'^worker b: no data$'):
        carried_out(groups_of(3), refuses)


def test_a_signal_has_all_of_them_save():
    groups, folder, reporter = groups_of(3), Folder(), Noting()
    crew = Script(2, lambda group: [])
    with pytest.raises(Interrupted) as caught:
        carry_out(groups, {one.id: 1.0 for one in groups}, crew, folder, lambda: 15, reporter, {})
    assert (caught.value.signal, crew.stopped, len(crew.started)) == (15, True, 2)


def late(group, folder):
    """Says that it has saved what cannot be seen yet."""
    return [{'kind': workers.SAVED, 'worker': 'b'}]


def test_a_signal_is_obeyed_while_what_was_saved_has_not_arrived(monkeypatch):
    monkeypatch.setattr(workers, '_SEEN_AFTER', math.inf)
    groups, turns = groups_of(3), []

    def script(group, folder):
        return late(group, folder) if group is groups[0] else saves(group, folder)

    def stop():
        turns.append(None)
        return 15 if len(turns) == 20 else 0

    with pytest.raises(Interrupted):
        carried_out(groups, script, stop=stop)


def test_what_a_worker_saved_is_waited_for_and_not_for_ever(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(workers.time, 'monotonic', lambda: clock[0])
    groups = groups_of(4)
    arrives = dict(zip((one.id for one in groups), (0.0, 60.0, 100.0, 89.0), strict=True))

    class Slow(Folder):
        def has_result(self, group):
            return group.id in self.results and clock[0] >= arrives[group.id]

    def stop():
        clock[0] += 0.5
        return 0

    folder, reporter = Slow(), Noting()
    crew = Script(4, lambda group: saves(group, folder))
    ended = carry_out(
        groups, {one.id: 10.0 for one in groups}, crew, folder, stop, reporter,
        {one.id: f'group {i}' for i, one in enumerate(groups)},
    )  # fmt: skip
    said = 'what worker a saved of it is not to be seen here'
    assert ended.failed == {groups[2].id: said}
    assert reporter.notes == [f'group 2 failed: {said}']
    assert 90 < clock[0] < 100


def test_what_a_worker_had_done_that_died_is_not_counted_twice():
    reporter = Noting()
    reporter.begin(100.0, 0)
    tally = Tally(reporter)
    tally.began('g')
    tally.advance('g', 40.0, None)  # since its checkpoint at 30 ten were lost
    tally.began('g')
    tally.resumed('g', 30.0, counted=False)
    assert reporter.share() == 0.3
    tally.began('g')  # and once more, with no checkpoint that can be read
    tally.advance('g', 5.0, None)
    assert reporter.share() == 0.05
    tally.saved('g', 50.0)
    assert reporter.share() == 0.5
    tally.resumed('regrouped', 20.0, counted=True)  # of groups that were counted
    assert reporter.share() == 0.5


def test_what_a_dead_worker_need_not_do_is_no_work_of_the_next():
    reporter = Noting()
    reporter.begin(100.0, 0)
    tally = Tally(reporter)
    tally.began('g')
    tally.advance('g', 20.0, None)
    tally.dropped('g', 30.0)  # all of its runs have stopped early
    assert reporter.share() == pytest.approx(20 / 70)
    tally.began('g')
    tally.resumed('g', 50.0, counted=False)  # from a state at the end
    tally.saved('g', 50.0)
    assert reporter.share() == pytest.approx(20 / 70)


def test_what_halves_go_on_from_is_not_counted_twice():
    reporter = Noting()
    reporter.begin(100.0, 0)
    tally = Tally(reporter)
    whole, other = into_groups(all_runs(Setting(), [{}], range(6)), 3, 'map', frozenset())
    halves = plan.halved(whole)
    assert [len(half.runs) for half in halves] == [2, 1]
    tally.began(whole.id)
    tally.advance(whole.id, 45.0, None)
    tally.halved({whole.id: halves, other.id: plan.halved(other)})  # the other was not begun
    tally.began(halves[0].id)
    tally.resumed(halves[0].id, 30.0, counted=False)
    assert reporter.share() == 0.45
    tally.began(halves[1].id)
    tally.resumed(halves[1].id, 10.0, counted=False)  # its share of what was saved, not 15
    assert reporter.share() == 0.4


def test_what_a_worker_says_arrives():
    said = []
    forwarding = Forwarding(lambda **fields: said.append(fields))
    forwarding.resumed(3)
    forwarding.advance(2, NOW)
    forwarding.finished(1)
    forwarding.dropped(5)
    forwarding.note('careful')
    events = [workers.from_plain({'group': 'g', 'worker': 'a', **one}) for one in said]
    assert [one.kind for one in events] == ['resumed', 'advance', 'finished', 'dropped', 'note']
    assert [one.work for one in events] == [3.0, 2.0, 1.0, 5.0, 0.0]
    assert events[1].now == dataclasses.replace(events[1].now, so_far=None)
    assert (events[1].now.epochs, events[1].now.accuracy, events[4].text) == (5, 0.5, 'careful')


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        ((0, None), '--workers=0: it must be a number from 1'),
        (('many', None), '--workers=many: it must be a number from 1'),
        ((1.5, None), '--workers=1.5: it must be'),
        ((True, None), '--workers=True: it must be'),
        ((math.inf, None), '--workers=inf: it must be a number from 1'),
        ((math.nan, None), '--workers=nan: it must be a number from 1'),
        ((2, 'tcp://a:1'), 'omit one of the two'),
        ((None, 'nowhere.json'), '--scheduler=nowhere.json: is neither an address'),
    ],
)
def test_workers_that_cannot_be_meant_are_refused(given, said):
    with pytest.raises(UserError) as caught:
        cluster.asked(*given)
    assert said in str(caught.value)


def test_which_workers_are_meant(tmp_path, monkeypatch):
    file = tmp_path / 'scheduler.json'
    file.touch()
    assert cluster.asked(None, None) is cluster.asked(None, '') is None
    assert cluster.asked('3', None) == cluster.asked(3, None) == cluster.Asked(3)
    assert cluster.asked('auto', None) == cluster.Asked('auto')
    assert cluster.asked(None, file) == cluster.Asked(scheduler=str(file))
    monkeypatch.setattr(cluster.importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(UserError, match=r'pip install .jaxtweaks\[distributed\]'):
        cluster.asked(2, None)


def test_the_gpus_of_a_host_are_those_that_are_named(monkeypatch):
    monkeypatch.delenv('JAX_PLATFORMS', raising=False)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '3,GPU-5')
    monkeypatch.setattr(cluster, '_takes_gpus', lambda: True)
    assert cluster.gpus() == ['3', 'GPU-5']
    for value, used in (('', []), ('-1', []), ('0,-1,1', ['0'])):  # as CUDA reads it
        monkeypatch.setenv('CUDA_VISIBLE_DEVICES', value)
        assert cluster.gpus() == used
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '3')
    monkeypatch.setattr(cluster, '_takes_gpus', lambda: False)
    assert cluster.gpus() == []  # JAX for CPUs leaves it alone
    monkeypatch.setenv('JAXTWEAKS_THREADS', '2')
    alone = cluster.Cluster(cluster.Asked('auto'), print, list)
    assert (alone.expected(), alone.sharing()) == (1, 1)
    named = cluster.Cluster(cluster.Asked('auto'), print, lambda: ['3', '5'])
    assert (named.expected(), named.sharing()) == (2, 1)  # each has a GPU


def test_workers_of_a_host_without_gpus_share_its_memory():
    assert cluster.Cluster(cluster.Asked(3), print, list).sharing() == 3
    elsewhere = cluster.Asked(scheduler='tcp://127.0.0.1:9')
    assert cluster.Cluster(elsewhere, print, list).sharing() == 1


def test_workers_of_a_host_share_its_gpus_or_its_threads(monkeypatch):
    assert cluster.share(1, 2, ['3', '5']) == {'CUDA_VISIBLE_DEVICES': '5'}
    monkeypatch.setattr(limits, 'cores', lambda: 8)
    monkeypatch.delenv('JAXTWEAKS_THREADS', raising=False)
    shares = {n: cluster.share(0, n, []) for n in (1, 2, 3, 16)}
    assert {n: int(one['JAXTWEAKS_THREADS']) for n, one in shares.items()} == {
        1: 8,
        2: 4,
        3: 2,
        16: 1,
    }
    monkeypatch.setenv('JAXTWEAKS_THREADS', '4')
    assert cluster.share(0, 2, []) == {'JAXTWEAKS_THREADS': '2'}


def test_a_worker_sees_the_work_folder_by_the_record_of_the_launch(tmp_path, monkeypatch):
    workdir = Workdir(tmp_path)
    asked = {'path': str(tmp_path), 'started': workdir.started}
    assert not worker._sees_folder(asked)
    launches = (manifest.Launch(started=workdir.started),)
    data = manifest.DataRecord(label='d', source='s', fingerprint='f')
    manifest.write(workdir, manifest.Manifest(launches=launches, data=data, groups=()))
    assert worker._sees_folder(asked)
    assert not worker._sees_folder(asked | {'started': 1.0})  # another folder of this path
    # The record, in which every group is, is not read again for each of them.
    monkeypatch.setattr(worker.manifest_lib, 'current', lambda workdir: pytest.fail('read again'))
    assert worker._sees_folder(asked)


def test_variables_of_a_launch_give_way_to_those_of_the_next(monkeypatch):
    names = ('OF_LAUNCH', 'OF_WORKER')
    monkeypatch.setenv('OF_WORKER', 'mine')
    monkeypatch.setenv('OF_LAUNCH', '')
    monkeypatch.delenv('OF_LAUNCH')
    monkeypatch.setattr(worker, '_set', {})
    now = lambda: tuple(os.environ.get(name) for name in names)
    worker._set_variables({'OF_LAUNCH': '/one', 'OF_WORKER': 'theirs'})
    assert now() == ('/one', 'mine')
    worker._set_variables({'OF_LAUNCH': '/two'})
    assert now() == ('/two', 'mine')
    worker._set_variables({})
    assert now() == (None, 'mine')
    worker._set_variables({'OF_LAUNCH': '/one'})
    monkeypatch.setenv('OF_LAUNCH', '/its own')  # set by a config since
    worker._set_variables({'OF_LAUNCH': '/two'})
    assert now() == ('/its own', 'mine')


def test_other_code_other_flags_and_other_data_are_refused(monkeypatch):
    here = Here('7', 'node7', pathlib.Path(), print, lambda: True, lambda: 0)
    monkeypatch.setattr(worker.stored, 'code_of', lambda experiment: 'new')
    monkeypatch.setattr(worker.surroundings, 'current', lambda: {'xla_a': '1'})
    asked = {
        'code': 'old', 'engine': worker.version.engine(), 'surroundings': '{}',
        'data': ['f', 'digits', 'there'],
    }  # fmt: skip
    with pytest.raises(UserError, match='node7 has version new of the training code, and old is'):
        worker._check_code(here, asked, None)
    with pytest.raises(UserError, match='node7 has another version of jaxtweaks than where'):
        worker._check_code(here, asked | {'code': 'new', 'engine': 'other'}, None)
    with pytest.raises(UserError, match=r'node7 has other surroundings .*xla_a'):
        worker._check_code(here, asked | {'code': 'new'}, None)

    class Method:
        class dataset:
            fingerprint, label, source = 'g', 'STAND-IN', 'made up'

    with pytest.raises(UserError, match=r'node7 finds other data \(STAND-IN, from made up\)'):
        worker._check_data(here, asked, Method)


def test_calls_of_another_launch_are_not_waited_for(monkeypatch):
    monkeypatch.setattr(cluster, '_under_way', {'theirs'})
    ended = lambda *keys: asyncio.run(
        asyncio.wait_for(cluster.wait_until_ended(keys, 60.0), timeout=0.2)
    )
    ended('mine', 'another of mine')
    cluster._under_way.add('mine')
    with pytest.raises(TimeoutError):
        ended('mine', 'another of mine')
    cluster._under_way.remove('mine')
    ended('mine', 'another of mine')


def test_what_killed_its_workers_is_said_in_a_line():
    scheduler = pytest.importorskip('distributed.scheduler')
    killed = scheduler.KilledWorker('key', None, 3)
    assert crew._why(killed).startswith('it ended 4 workers that had it, one after the other')


def test_only_the_part_that_is_asked_for_imports_dask():
    sources = pathlib.Path(cluster.__file__).parents[1].rglob('*.py')
    found = {path.name for path in sources if 'import distributed' in path.read_text()}
    assert found == {'cluster.py'}
    text = pathlib.Path(cluster.__file__).read_text()
    assert '\nimport distributed' not in text
    assert '\nimport dask' not in text
