"""Files of a group between a work folder and a worker that does not see it, without a cluster."""

import pytest

from jaxtweaks.base.errors import Unfinished
from jaxtweaks.config.settings import Setting
from jaxtweaks.lab.crew import Crew
from jaxtweaks.run import cluster, files, sent, trained, workers
from jaxtweaks.run.cluster import Here, Left
from jaxtweaks.run.plan import all_runs, into_groups
from jaxtweaks.run.workdir import Workdir

(GROUP,) = into_groups(all_runs(Setting(), [{}], range(2)), 2, 'map', frozenset())


class Cluster:
    """What a worker is called for is called here; see `cluster.Cluster`."""

    def __init__(self):
        self.said, self.calls, self.gone, self.ended = [], [], False, []

    def start(self, name, function, given):
        pass

    def next(self, seconds):
        return self.said.pop(0) if self.said else None

    def aside(self, address, function, given):
        self.calls.append(function)
        module, _, _ = function.partition(':')
        assert (address, module) == ('tcp://a', sent.__name__)
        return None if self.gone else cluster.call_aside(function, given)

    def stop(self):
        return self.ended


class Both:
    """Who made the plan, and a worker elsewhere that has begun with the group."""

    def __init__(self, tmp_path):
        self.workdir, self.engine, self.notes = Workdir(tmp_path / 'w'), Cluster(), []
        self.crew = Crew(self.engine, self.workdir, None, self.notes.append)
        self.crew.start(GROUP, None)
        self.events, self.wanted, self.stopping = [], True, 0
        self.here = Here(
            '7', 'node7', tmp_path / 'scratch', self.say,
            lambda: self.wanted, lambda: self.stopping,
        )  # fmt: skip
        self.apart = sent.Apart(self.here, GROUP)

    def say(self, **fields):
        self.engine.said.append({'group': GROUP.id, 'worker': '7', 'address': 'tcp://a', **fields})
        self.hear()

    def hear(self):
        while self.engine.said:
            if (event := self.crew.event(0.0)) is not None:
                self.events.append(event)

    def save(self, epoch):
        files.save_generation(self.apart.workdir.checkpoint_path(GROUP), {'epoch': epoch})

    def arrived(self):
        return files.load_generation(self.workdir.checkpoint_path(GROUP), pytest.fail)['epoch']

    def returns(self, *returned):
        self.engine.said.append({'group': GROUP.id, 'error': None, 'returned': returned})
        return self.crew.event(0.0)


@pytest.fixture
def both(tmp_path):
    return Both(tmp_path)


def test_a_worker_goes_on_from_the_state_that_it_is_sent(both):
    files.save_tree(both.workdir.checkpoint_path(GROUP), {'epoch': 3})
    both.apart.begin()
    path = both.apart.workdir.checkpoint_path(GROUP)
    assert files.load_tree(path) == {'epoch': 3}
    (note,) = both.events
    assert (note.kind, note.worker) == ('note', '7')
    assert note.text.startswith(f'does not see {both.workdir.path}, so states and results are sent')
    both.apart.announce()  # it has saved nothing yet
    assert both.engine.calls == [sent.GIVE]
    sent.Apart(both.here, GROUP).begin()
    assert len(both.events) == 1  # it is said once
    assert not path.exists()  # and of other groups nothing is kept


def test_what_a_worker_saves_is_fetched_once_and_the_state_before_it_stays(both):
    both.apart.begin()
    reporter = sent.Announcing(both.here, both.apart)
    for epoch in (1, 2):
        both.save(epoch)
        reporter.advance(1.0, None)
        reporter.advance(1.0, None)
    assert both.engine.calls == [sent.GIVE, sent.TAKE, sent.TAKE]
    assert [one.kind for one in both.events] == ['note', *['advance'] * 4]
    assert both.arrived() == 2
    both.workdir.checkpoint_path(GROUP).unlink()
    assert both.arrived() == 1
    late = {'kind': sent.SAVES, 'folder': str(both.apart.workdir.path), 'at': 0.0}
    both.say(**late)  # of a state that was fetched with a later one
    both.say(**late | {'folder': 'of a call before'})
    assert both.engine.calls.count(sent.TAKE) == 2


def test_a_state_that_arrives_damaged_is_not_written(both, monkeypatch):
    both.apart.begin()
    both.save(1)
    both.apart.announce()
    both.save(2)
    copied = files.copied_generation
    monkeypatch.setattr(files, 'copied_generation', lambda path: copied(path)[:-1] + b'?')
    both.apart.announce()
    assert both.arrived() == 1
    (note,) = both.notes
    assert note.startswith(f'{GROUP.id}.ckpt was damaged on its way')


def test_one_that_is_asked_to_leave_waits_until_its_state_is_fetched(both, monkeypatch):
    both.apart.begin()
    both.save(1)
    both.apart.leave()
    assert both.arrived() == 1
    both.save(2)
    both.wanted = False  # who made the plan was asked to stop: it fetches when all have stopped
    both.hear = lambda: None
    both.apart.leave()
    assert both.arrived() == 1
    both.crew.stop()
    assert both.arrived() == 2
    both.engine.gone, both.wanted = True, True
    both.save(3)
    monkeypatch.setattr(sent, '_LEAVING_SECONDS', 0.0)
    both.apart.leave()  # nobody comes, and it leaves
    both.crew.stop()
    assert both.arrived() == 2


def test_a_scheduler_that_is_gone_leaves_what_was_fetched(both, monkeypatch):
    both.apart.begin()
    both.save(1)
    both.apart.announce()
    both.save(2)

    def gone(*args):
        raise Unfinished('gone')

    monkeypatch.setattr(both.engine, 'aside', gone)
    both.crew.stop()
    assert both.arrived() == 1


def test_one_that_is_not_sent_a_state_does_not_wait_for_ever(both, monkeypatch):
    both.engine.gone = True
    monkeypatch.setattr(sent, '_ASKING_SECONDS', 0.0)
    with pytest.raises(TimeoutError, match='node7 was not sent the state of the group'):
        both.apart.begin()
    both.stopping = 15
    with pytest.raises(Left):
        both.apart.begin()


def test_a_result_is_written_with_its_networks_and_the_state_is_deleted(both):
    both.apart.begin()
    both.save(1)
    both.apart.announce()
    event = both.returns(workers.SAVED, '7', '', finish(both))
    assert (event.group, event.kind) == (GROUP.id, workers.SAVED)
    assert is_whole(both.workdir)
    assert not both.workdir.has_checkpoint(GROUP)


def finish(both):
    """The worker has a result, with two networks; their files."""
    there = both.apart.workdir
    paths = [trained.path_of(there.path, run.id) for run in GROUP.runs]
    for path in (*paths, there.result_path(GROUP)):
        files.save_tree(path, {'name': path.name})
    files.remove_generations(there.checkpoint_path(GROUP))
    return both.apart.end(done=True)


def is_whole(workdir):
    paths = [trained.path_of(workdir.path, run.id) for run in GROUP.runs]
    paths.append(workdir.result_path(GROUP))
    return all(path.exists() and files.load_tree(path) == {'name': path.name} for path in paths)


def test_a_result_that_is_not_read_yet_when_all_are_to_stop_is_written(both):
    both.apart.begin()
    returned = (workers.SAVED, '7', '', finish(both))
    sent.Apart(both.here, GROUP)  # the worker has begun with another group since
    both.engine.ended = [{'group': GROUP.id, 'error': None, 'returned': returned}]
    both.crew.stop()
    assert is_whole(both.workdir)


def test_a_result_that_is_lost_on_its_way_when_all_are_to_stop_is_fetched(both):
    both.apart.begin()
    both.save(1)
    both.apart.announce()
    assert both.arrived() == 1
    finish(both)
    both.crew.stop()
    assert is_whole(both.workdir)
    assert not both.workdir.has_checkpoint(GROUP)
    both.crew.stop()
    assert both.engine.calls.count(sent.TAKE) == 2  # it is there, and not fetched again


class Call:
    """A future of Dask's, of a call that has ended or not."""

    key = 'b-1'

    def __init__(self, returned=None, error=None):
        self.returned, self.error = returned, error

    def done(self):
        return self.returned is not None or self.error is not None

    def cancelled(self):
        return False

    def exception(self):
        return self.error

    def result(self):
        return self.returned


def test_what_has_ended_is_returned_when_the_others_are_stopped():
    class Client:
        status, cancelled = 'running', None

        def cancel(self, futures):
            self.cancelled = futures

        def run(self, *args):
            self.ran = args

    engine, failed, under_way = cluster.Cluster(None, print, list), ValueError(), Call()
    engine._client = client = Client()
    engine._futures = {'a': Call('saved'), 'b': under_way, 'c': Call(error=failed)}
    assert engine.stop() == [
        {'group': 'a', 'error': None, 'returned': 'saved'},
        {'group': 'c', 'error': failed},
    ]
    assert client.cancelled == [under_way]
    assert client.ran[:2] == (cluster.wait_until_ended, ['b-1'])
    assert engine.stop() == []


def test_a_group_that_waits_for_others_is_sent_as_a_state(both):
    both.apart.begin()
    both.save(4)
    event = both.returns(workers.WAITS, '7', '', both.apart.end(done=False))
    assert (event.kind, both.arrived()) == (workers.WAITS, 4)


@pytest.mark.parametrize('name', ['result', 'parameters'])
def test_a_result_that_arrives_damaged_fails_and_is_not_believed(both, name):
    there = both.apart.workdir
    paths = [trained.path_of(there.path, GROUP.runs[0].id), there.result_path(GROUP)]
    for path in paths:
        files.save_tree(path, {'epoch': 1})
    found = {
        key: stored[:-1] + b'?' if key.endswith(name) else stored
        for key, stored in both.apart.end(done=True).items()
    }
    event = both.returns(workers.SAVED, '7', '', found)
    assert event.kind == workers.FAILED
    assert event.text.endswith('was damaged on its way (its checksum is wrong)')
    assert not both.workdir.has_result(GROUP)
    rest = {key: stored for key, stored in found.items() if not key.endswith('.result')}
    event = both.returns(workers.SAVED, '7', '', rest | {'../elsewhere': b''})
    assert event.kind == workers.FAILED
    assert not (both.workdir.path.parent / 'elsewhere').exists()
