"""Several devices find bitwise what one finds, and say nothing to each other meanwhile."""

import json
import os
import pathlib
import subprocess
import sys
import types

import psutil
import pytest
from on_devices import GROUP, machine, train
from test_resume import assert_bitwise

from jaxtweaks.config import trace
from jaxtweaks.run import devices, files, memory
from jaxtweaks.run.plan import Group, into_groups
from jaxtweaks.run.result import GroupResult

SCRIPT = pathlib.Path(__file__).with_name('on_devices.py')
ROOT = SCRIPT.parents[2]


@pytest.fixture(scope='module')
def on_four(tmp_path_factory):
    """A folder with a checkpoint that four devices left; their results, and what was seen there."""
    folder = tmp_path_factory.mktemp('four')
    flags = f'{os.environ.get("XLA_FLAGS", "")} --xla_force_host_platform_device_count=4'
    environment = os.environ | {'XLA_FLAGS': flags, 'PYTHONPATH': str(ROOT)}
    command = [sys.executable, SCRIPT, folder]
    subprocess.run(command, env=environment, check=True, timeout=500)
    seen = json.loads((folder / 'seen.json').read_text())
    return folder, GroupResult.from_tree(files.load_tree(folder / 'whole.result')), seen


@pytest.fixture(scope='module')
def here():
    return machine()


def test_the_runs_are_spread_and_the_devices_are_on_their_own(on_four):
    _, _, seen = on_four
    assert seen['devices'] == seen['data'] == 4
    assert seen['axes'] == [{'runs': 4}]
    assert seen['cut along'] == [['runs']]
    names = ('init', 'train', 'finish')
    assert seen['compiled'] == sorted([name, 2, i] for name in names for i in range(4))
    assert seen['collectives'] == []


def test_four_devices_find_what_one_finds(on_four, here, tmp_path):
    _, result, _ = on_four
    assert_bitwise(result, train(GROUP, here, tmp_path / 'a.ckpt'))
    # The same number of runs side by side: a group of its own for each share.
    parts = [
        train(Group(GROUP.runs[i : i + 2], 2, GROUP.batching, GROUP.off), here, tmp_path / f'{i}')
        for i in range(0, 7, 2)
    ]
    for name, values in result.finals.items():
        alone = [value for part in parts for value in part.finals[name].tolist()]
        assert values.tolist() == alone, name


def test_what_four_devices_began_one_finishes(on_four, here):
    folder, result, _ = on_four
    assert_bitwise(train(GROUP, here, folder / 'begun.ckpt'), result)


def test_every_device_has_as_much_to_do_as_the_others(on_four):
    _, _, seen = on_four
    assert seen['groups'] == [[3, 3, 9]]
    assert seen['spread'] == [1, 2, 3, 4, 3, 4]


@pytest.mark.parametrize('count', [1, 2, 4])
def test_the_shares_do_not_depend_on_the_number_of_devices(count):
    groups = into_groups(GROUP.runs * 2, 4, 'map', frozenset(), count)
    assert {group.size for group in groups} == {4}
    assert [run for group in groups for run in group.runs] == list(GROUP.runs * 2)
    assert [group.shares for group in groups] == {1: [1] * 4, 2: [2, 2], 4: [4]}[count]
    assert all(len(group.padded()) == 4 * group.shares for group in groups)


def test_devices_of_a_host_share_its_memory(monkeypatch):
    host = types.SimpleNamespace(available=1000)
    monkeypatch.setattr(psutil, 'virtual_memory', lambda: host)
    monkeypatch.setattr(memory.limits, 'memory_free', lambda: 2000.0)
    assert memory.free_bytes() == 1000
    monkeypatch.setattr(memory.jax, 'local_devices', lambda: 4 * devices.jax.devices()[:1])
    assert memory.free_bytes() == 250
    monkeypatch.setattr(memory.limits, 'memory_free', lambda: 400.0)
    assert memory.free_bytes() == 100


def test_a_group_for_several_devices_has_a_name_of_its_own():
    off = trace.off_everywhere(run.setting for run in GROUP.runs)
    ids = {Group(GROUP.runs, 2, 'map', off, shares).id for shares in (4, 5)}
    assert len(ids | {GROUP.id}) == 3
