"""The records of a work folder are believed only whole; what a killed process left is cleared."""

import dataclasses
import errno
import fcntl
import functools
import hashlib
import json
import operator
import os

import flax.serialization
import msgpack
import numpy as np
import pytest

from jaxtweaks.base import atomic, sealed
from jaxtweaks.base.errors import UserError
from jaxtweaks.config.settings import Setting
from jaxtweaks.run import files, manifest
from jaxtweaks.run.manifest import Manifest, describe_groups, restore_groups
from jaxtweaks.run.plan import all_runs, into_groups
from jaxtweaks.run.workdir import Workdir

RUNS = all_runs(Setting(), [{}], range(3))
GROUPS = into_groups(RUNS, 2, 'map', frozenset({'noise.input'}))
CONTENT = Manifest.from_json(
    {
        'launches': [{'command': 'x', 'started': 1.5, 'of a later version': [1]}],
        'data': {'label': 'digits', 'source': 'here', 'fingerprint': 'f', 'sizes': {'test': 3}},
        'groups': [one.to_json() for one in describe_groups(GROUPS)],
        'also of a later version': {'x': 1},
    }
)


@pytest.fixture
def workdir(tmp_path):
    found = Workdir(tmp_path)
    manifest.write(found, CONTENT)
    return found


def test_what_is_written_comes_back(workdir):
    reported = []
    assert manifest.read(workdir, reported.append) == CONTENT
    assert restore_groups(CONTENT.groups, RUNS) == GROUPS
    assert reported == []
    workdir.write_json('a.json', {'ü': (1, {'2': None}), 'b': 1e-30})
    assert workdir.read_json('a.json') == {'ü': [1, {'2': None}], 'b': 1e-30}


def test_a_flipped_bit_anywhere_changes_nothing_that_is_believed(workdir):
    """The copy takes over; a bit of a space or of the checksum's own name is as good as none."""
    path = workdir.path / manifest.NAME
    whole, used = path.read_bytes(), 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 7)
        path.write_bytes(damaged)
        reported = []
        found = manifest.read(workdir, reported.append)
        assert dataclasses.replace(found, also=CONTENT.also) == CONTENT, place
        used += bool(reported)
        assert all(str(path) in text and 'its copy is used' in text for text in reported)
    assert used > 0.8 * len(whole)


def test_without_a_manifest_a_damaged_copy_is_no_new_folder(workdir):
    (workdir.path / manifest.NAME).unlink()
    copy = workdir.path / manifest.COPY
    copy.write_bytes(copy.read_bytes()[:-9])
    with pytest.raises(UserError, match=rf'{manifest.NAME}: is missing; .*{manifest.COPY}'):
        manifest.read(workdir, print)


def test_a_file_cut_short_or_gone_gives_way_to_the_copy(workdir):
    path = workdir.path / manifest.NAME
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:length])
        assert manifest.read(workdir, lambda text: None) == CONTENT
    path.unlink()
    assert manifest.read(workdir, lambda text: None) == CONTENT


def test_with_both_damaged_the_file_is_named(workdir):
    for name in (manifest.NAME, manifest.COPY):
        (workdir.path / name).write_text('{"launches"')
    with pytest.raises(UserError, match=r'manifest\.json: cannot be read'):
        manifest.read(workdir, print)


def test_no_manifest_is_none(tmp_path):
    assert manifest.read(Workdir(tmp_path), print) is None


# Where, what is put there (... to take it out), words. Without a checksum, as old versions wrote.
WRONG = {
    'no launches': (['launches'], ..., 'launches is missing'),
    'no launch': (['launches'], [], 'launches is empty'),
    'launches': (['launches'], {}, 'launches is not a list'),
    'a launch': (['launches', 0], 3, r'launches\[0\] is not a dict'),
    'no data': (['data'], ..., 'data is missing'),
    'no label': (['data', 'label'], ..., r'data\.label is missing'),
    'fingerprint': (['data', 'fingerprint'], None, r'data\.fingerprint is not of type str'),
    'groups': (['groups'], None, 'groups is not a list'),
    'no size': (['groups', 1, 'size'], ..., r'groups\[1\]\.size is missing'),
    'size': (['groups', 0, 'size'], '2', r'groups\[0\]\.size is not of type int'),
    'bool': (['groups', 0, 'size'], True, r'groups\[0\]\.size is not of type int'),
    'small size': (['groups', 0, 'size'], 1, 'more than its size'),
    'no run': (['groups', 0, 'runs'], [], 'no runs'),
    'a run': (['groups', 0, 'runs', 0], 7, r'groups\[0\]\.runs\[0\] is not of type str'),
    'shares': (['groups', 0, 'shares'], 'a', r'groups\[0\]\.shares is not of type int'),
    'rounds': (['rounds'], 5, 'rounds is not a list'),
    'off': (['groups', 0, 'off'], 'x', r'groups\[0\]\.off is not a list'),
}


@pytest.mark.parametrize('case', WRONG)
def test_a_manifest_that_is_none_is_refused_by_name(workdir, case):
    (*way, last), value, words = WRONG[case]
    content = json.loads(json.dumps(CONTENT.to_json()))
    holder = functools.reduce(operator.getitem, way, content)
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    (workdir.path / manifest.COPY).unlink()
    (workdir.path / manifest.NAME).write_text(json.dumps(content))
    with pytest.raises(UserError, match=rf'{manifest.NAME}: is not a manifest \(.*{words}'):
        manifest.read(workdir, print)


@pytest.mark.parametrize(
    'content',
    ['[]', '3', 'null', '"x"', '', '\x00', '{"a": NaN}', pytest.param('[' * 100_000, id='deep')],
)
def test_json_that_is_no_manifest(workdir, content):
    (workdir.path / manifest.COPY).unlink()
    (workdir.path / manifest.NAME).write_text(content)
    with pytest.raises(UserError, match=r'manifest\.json'):
        manifest.read(workdir, print)


def test_a_group_that_is_not_what_its_id_says(workdir):
    described = [dataclasses.replace(CONTENT.groups[0], size=3), *CONTENT.groups[1:]]
    with pytest.raises(UserError, match=r'manifest\.json: group .* is not what its id says'):
        restore_groups(described, RUNS)


def test_what_a_killed_process_left_is_cleared_and_nothing_else(tmp_path):
    for name in ('results', 'checkpoints', 'figures'):
        (tmp_path / name).mkdir()
        (tmp_path / name / f'.a.{"0f" * 6}.tmp').write_text('half')
        (tmp_path / name / 'a.tmp').write_text('whole')
        (tmp_path / name / '.mine.tmp').write_text('of the user')
    workdir = Workdir(tmp_path)
    workdir.lock()
    workdir.unlock()
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob('*.tmp'))
    assert left == sorted(
        f'{folder}/{name}'
        for folder in ('results', 'checkpoints', 'figures')
        for name in ('a.tmp', '.mine.tmp')
    )


def test_a_folder_of_another_process_is_refused(tmp_path):
    one, other = Workdir(tmp_path), Workdir(tmp_path)
    one.lock()
    with pytest.raises(UserError, match='another process is at work here'):
        other.lock()
    one.unlock()
    other.lock()
    other.unlock()


@pytest.mark.parametrize('number', [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_is_called_so(tmp_path, monkeypatch, number):
    def no_locks(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, 'flock', no_locks)
    workdir = Workdir(tmp_path)
    with pytest.raises(UserError, match='cannot be locked') as caught:
        workdir.lock()
    assert os.strerror(number) in str(caught.value)
    assert 'is at work here;' not in str(caught.value)


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_a_full_disk_is_no_mistake_of_the_user_s(tmp_path, monkeypatch, number):
    def full(path, *args, **how):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, 'open', full)
    mistake = number == errno.EROFS  # another place would do
    with pytest.raises(UserError if mistake else OSError, match=os.strerror(number)):
        Workdir(tmp_path).lock()


def test_a_folder_that_cannot_be_cleared_is_given_back(tmp_path, monkeypatch):
    def fails(folder):
        raise PermissionError(errno.EACCES, 'not yours')

    workdir = Workdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(atomic, 'remove_leftovers', fails)
        with pytest.raises(PermissionError):
            workdir.lock()
    other = Workdir(tmp_path)
    other.lock()
    other.unlock()


class Bomb:
    """Would leave a trace if it were ever unpickled."""

    exploded = False

    def __reduce__(self):
        return setattr, (Bomb, 'exploded', True)


@pytest.mark.parametrize('dtype', ['O', 'object', 'V8', 'nonsense'])
def test_planted_objects_are_refused_though_their_checksum_is_right(tmp_path, dtype):
    import pickle

    payload = pickle.dumps(Bomb())
    array = msgpack.packb(((1,), dtype, payload), use_bin_type=True)
    content = msgpack.packb({'x': msgpack.ExtType(1, array)})
    path = tmp_path / 'planted'
    path.write_bytes(sealed.MAGIC + hashlib.sha256(content).digest() + content)
    with pytest.raises(files.DamagedFile, match='planted is damaged'):
        files.load_tree(path)
    assert not Bomb.exploded
    path.write_bytes(payload)
    with pytest.raises(files.DamagedFile):
        files.load_tree(path)
    assert not Bomb.exploded


def test_the_planted_file_is_of_the_form_that_is_read(tmp_path):
    """The test above refuses for its content only."""
    content = flax.serialization.msgpack_serialize({'x': np.arange(2, dtype=np.int32)})
    array = msgpack.packb(((2,), 'int32', np.arange(2, dtype=np.int32).tobytes()))
    assert content == msgpack.packb({'x': msgpack.ExtType(1, array)})
