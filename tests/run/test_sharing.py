"""Who is at work on what: one at a time, and nothing stays with a process that has died."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from jaxtweaks.config.settings import Setting
from jaxtweaks.run import manifest, runner
from jaxtweaks.run.leases import POLL_SECONDS, Alone, Shared, turn
from jaxtweaks.run.manifest import describe_groups
from jaxtweaks.run.plan import all_runs, halved, into_groups
from jaxtweaks.run.result import GroupResult
from jaxtweaks.run.waiting import unfinished
from jaxtweaks.run.workdir import Workdir

PATIENCE = 1.0


@pytest.fixture
def process(tmp_path):
    """Makes the leases of a further process; `dies` stops its touching without giving back."""
    made = []

    def make():
        made.append(Shared(tmp_path / 'leases', PATIENCE))
        return made[-1]

    yield make
    for one in made:
        one.close()


def dies(process):
    process._closed.set()
    process._pulse.join()
    process._held.clear()


def until(happened, seconds):
    """What `happened()` returns, as soon as it returns anything; None if that takes too long."""
    end = time.monotonic() + seconds
    while not (found := happened()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def test_each_takes_what_is_free(process):
    one, two = process(), process()
    assert one.take(['a', 'b']) == 'a'
    assert two.take(['a', 'b']) == 'b'
    assert one.take(['a', 'b']) is None
    two.release('b')
    assert one.take(['a', 'b']) == 'b'
    assert (one.taken('a'), one.taken('b'), one.taken('c')) == (1, 2, 0)


def test_what_is_touched_is_kept_and_what_is_not_is_taken_over(process):
    living, dying, heir = process(), process(), process()
    assert living.take(['a']) == 'a'
    assert dying.take(['b']) == 'b'
    assert until(lambda: heir.take(['a', 'b']), 2 * PATIENCE / 3) is None
    dies(dying)
    assert until(lambda: heir.take(['a', 'b']), 20 * PATIENCE) == 'b'
    assert until(lambda: heir.take(['a']), 3 * PATIENCE) is None


def test_clocks_are_not_compared(process, tmp_path):
    """The owner's clock, or the file server's, is years behind: it is alive all the same."""
    owner, other = process(), process()
    assert owner.take(['a']) == 'a'
    dies(owner)
    path = tmp_path / 'leases' / 'a.1'
    for beat in range(30):
        os.utime(path, (1000 + beat, 1000 + beat))
        assert other.take(['a']) is None
        time.sleep(PATIENCE / 15)


def test_whoever_closes_gives_back(process):
    one, two = process(), process()
    one.take(['a'])
    one.close()
    assert two.take(['a']) == 'a'


def test_notes_are_for_those_who_come_later(process):
    one, two = process(), process()
    before = two.taken('report')
    with turn(one, 'report'):
        one.note('report', 'written')
    with turn(two, 'report'):
        assert two.notes('report', before) == ['written']
        assert two.notes('report', two.taken('report')) == []


def test_who_waits_for_a_turn_is_told_once(process):
    one, two, told = process(), process(), []
    assert one.take(['plan'])
    releasing = threading.Timer(2.5 * POLL_SECONDS, one.release, ['plan'])
    releasing.start()
    with turn(two, 'plan', lambda: told.append(1)):
        assert one.take(['plan']) is None
    with turn(one, 'plan', lambda: told.append(2)):
        pass
    assert told == [1]


def test_alone_everything_is_free():
    alone = Alone()
    assert alone.take(['a', 'b']) == alone.take(['a', 'b']) == 'a'
    with turn(alone, 'a'):
        alone.note('a', 'written')
    assert alone.notes('a', alone.taken('a')) == []


def result(seconds):
    return GroupResult((), {}, {}, np.zeros(0), np.zeros(0), seconds)


def test_what_another_process_saves_while_one_looks_is_kept(tmp_path):
    """The first group is finished by another process after one saw that it was not."""
    workdir, told = Workdir(tmp_path), []
    groups = into_groups(all_runs(Setting(), [{}], range(2)), 1, 'map', frozenset())
    first, damaged = groups
    workdir.save_result(damaged, result(1.0))
    (path,) = (tmp_path / 'results').iterdir()
    path.write_bytes(path.read_bytes()[:-1])

    def notify(text):
        told.append(text)
        Workdir(tmp_path).save_result(first, result(2.0))

    assert unfinished(groups, workdir, notify) == groups
    assert workdir.load_result(first, pytest.fail).seconds == 2
    assert not workdir.has_result(damaged)
    assert len(told) == 1


def test_a_damaged_result_is_deleted_only_by_who_trains_it_again(tmp_path):
    workdir = Workdir(tmp_path)
    (group,) = into_groups(all_runs(Setting(), [{}], [0]), 1, 'map', frozenset())
    workdir.save_result(group, result(1.0))
    (path,) = (tmp_path / 'results').iterdir()
    path.write_bytes(b'x')
    assert workdir.load_result(group, lambda text: None) is None
    assert workdir.has_result(group)


def test_two_that_halve_different_programs_keep_the_halves_of_both(tmp_path):
    runs = all_runs(Setting(), [{}], range(8))
    groups = [
        *into_groups(runs[:4], 4, 'map', frozenset()),
        *into_groups(runs[4:], 4, 'vmap_loop', frozenset()),
    ]
    one, two = Workdir(tmp_path), Workdir(tmp_path)
    launches = tuple(manifest.Launch(started=here.started) for here in (one, two))
    data = manifest.DataRecord(label='', source='', fingerprint='')
    described = describe_groups(groups)
    manifest.write(one, manifest.Manifest(launches=launches, data=data, groups=described))
    for workdir, group in ((one, groups[0]), (two, groups[1])):
        runner._halve(group, groups, groups, 'no room', workdir)
    found = two.read_json(manifest.NAME)
    halves = [half.id for group in groups for half in halved(group)]
    assert [group['id'] for group in found['groups']] == halves
    events = [[event['too_large'] for event in launch['regrouped']] for launch in found['launches']]
    assert events == [[[group.id]] for group in groups]
    # One that halves what another has halved before notes only that.
    runner._halve(groups[0], groups, groups, 'no room', two)
    found = two.read_json(manifest.NAME)
    assert [group['id'] for group in found['groups']] == halves
    assert [len(launch['regrouped']) for launch in found['launches']] == [1, 2]


RACE = """
import sys, time
from pathlib import Path
from jaxtweaks.run.leases import Shared
folder, start = Path(sys.argv[1]), float(sys.argv[2])
mine = Shared(folder, 30.0)
while time.time() < start:
    pass
names = [str(i) for i in range(100)]
got = []
while (name := mine.take(names)):
    got.append(name)
print(*got)
"""


def test_processes_that_race_never_take_the_same(tmp_path):
    command = [sys.executable, '-c', RACE, tmp_path / 'leases', str(time.time() + 2)]
    racing = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    got = [name for one in racing for name in one.communicate(timeout=60)[0].split()]
    assert [one.returncode for one in racing] == [0] * 4
    assert sorted(got, key=int) == [str(i) for i in range(100)]
