"""Work folders of older versions, of other versions of the code, and of other config files."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import jaxtweaks as jt
from jaxtweaks import api, app
from jaxtweaks.base import provenance
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import build, older, register, trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.lab import folder, stored
from jaxtweaks.lab.experiment import build as build_experiment
from jaxtweaks.run import manifest, version
from jaxtweaks.run.plan import Group
from jaxtweaks.run.workdir import Workdir

KEPT = Path(__file__).parent / 'older'
# What was done where the default is another one since, as lines of a config.
BEFORE = ''.join(
    f'    config.{name} = {before!r}\n'
    for name, before in older.LATER.items()
    if build.to_dict(before) != build.to_dict(trace.get(Setting(), name))
)


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The older folders as the default ones of their configs, in the current folder."""
    for name in ('network', 'tweaked', 'measured'):
        shutil.copytree(KEPT / name, tmp_path / 'runs' / f'{name}-smoke')
    shutil.copy(KEPT / 'measured.py', tmp_path)
    for name in ('network', 'tweaked'):
        # As it would be written today: the field belongs to the optimiser now.
        config = (KEPT / f'{name}.py').read_text()
        config = config.replace("'optim.momentum'", "'momentum.momentum'")
        config = config.replace('    return config\n', f'{BEFORE}    return config\n')
        (tmp_path / f'{name}.py').write_text(config)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(capsys, *args):
    capsys.readouterr()
    code = app.main(['main.py', *map(str, args)])
    out, err = capsys.readouterr()
    return code, ' '.join(out.split()), err


def manifest_of(path):
    return json.loads((path / 'manifest.json').read_text())


def snapshot(path):
    files = [one for one in path.rglob('*') if one.is_file() and one.name != '.lock']
    return {one: one.read_bytes() for one in files}


def rows(path):
    """Every number of the runs and of their epochs."""
    return [pq.read_table(path / f'{name}.parquet').to_pydict() for name in ('runs', 'epochs')]


@pytest.mark.parametrize('name', ['network', 'tweaked'])
def test_an_older_folder_is_gone_on_with_and_nothing_is_left_to_train(capsys, copied, name):
    workdir = copied / 'runs' / f'{name}-smoke'
    results, before = snapshot(workdir / 'results'), rows(workdir)
    code, out, err = call(capsys, f'--config={name}.py')
    assert (code, err) == (0, '')
    assert '2 of 2 groups finished before' in out
    assert 'trained by version one not recorded of the training code' in out
    assert ('known here by the text of its source alone' in out) == (name == 'tweaked')
    assert snapshot(workdir / 'results') == results
    for then, now in zip(before, rows(workdir), strict=True):
        if 'optim.momentum' in then:
            then['momentum.momentum'] = then.pop('optim.momentum')
        assert {key: now[key] for key in then} == then
    found = manifest_of(workdir)
    assert found['format'] == 1
    assert {code for group in found['groups'] for code in group['code']} == {'unrecorded'}
    assert 'unrecorded (2 groups)' in (workdir / 'report.md').read_text()


@pytest.mark.parametrize('name', ['network', 'tweaked'])
def test_an_older_folder_is_loaded(copied, name):
    workdir = copied / 'runs' / f'{name}-smoke'
    if name == 'tweaked':
        with pytest.raises(UserError, match="no tweak 'shrink'"):
            api.load(workdir)
        api._experiment('tweaked.py', {})  # registers it
    with pytest.warns(UserWarning, match='one not recorded'):
        answer = api.load(workdir)
    kept = rows(workdir)[0]
    np.testing.assert_array_equal(answer['test_loss'].values.ravel(), kept['test_loss'])
    assert answer.measured.ids.ravel().tolist() == kept['run']


def test_a_folder_of_before_metrics_counted_is_opened_and_a_changed_loss_is_found_out(
    capsys, copied
):
    workdir = copied / 'runs' / 'measured-smoke'
    results = snapshot(workdir / 'results')
    code, out, err = call(capsys, '--config=measured.py', '--mix_versions')
    assert (code, err) == (0, '')
    assert '2 of 2 groups finished before' in out
    assert snapshot(workdir / 'results') == results
    with pytest.warns(UserWarning, match='of the training code'):
        answer = api.load(workdir)
    kept = rows(workdir)[0]
    np.testing.assert_array_equal(answer['test_spread'].values.ravel(), kept['test_spread'])
    assert set(manifest_of(workdir)['tweaks']['digests']) == {'loss brier'}
    if manifest_of(workdir)['tweaks']['python'] != provenance.python():
        return
    text = (copied / 'measured.py').read_text()
    (copied / 'measured.py').write_text(text.replace('** 2, -1)', '** 4, -1)'))
    code, _, err = call(capsys, '--config=measured.py')
    assert code == 2
    assert "the function of the loss 'brier' is another one now" in err


def test_to_a_folder_of_another_version_nothing_is_added_unless_asked(capsys, copied):
    workdir = copied / 'runs' / 'network-smoke'
    more = ['--config=network.py', '--config.seeds=2']
    before = snapshot(workdir)
    code, _, err = call(capsys, *more)
    assert (code, err.count('\n')) == (2, 1)
    assert '2 runs would be trained by that' in err
    assert '--workdir=runs/network-smoke-2, or give --mix_versions' in err
    assert snapshot(workdir) == before


def test_numbers_of_two_versions_in_one_table_are_asked_for_and_said(capsys, tmp_path, monkeypatch):
    """With a study that is a plain function, so that nothing is compiled."""
    config = {'name': 'x', 'size': 'smoke', 'seeds': 1, 'study': {'name': 'capacity'}}
    config['capacity'] = {'points': 10}
    ask = lambda *degrees, **how: api.run(
        config | {'sweep': jt.grid('capacity.degree', *degrees)}, tmp_path / 'w', quiet=True, **how
    )
    said = lambda: ' '.join(capsys.readouterr().out.split())
    monkeypatch.setattr(version, 'studies', lambda: 'a' * 12)
    first = ask(2)
    monkeypatch.setattr(version, 'studies', lambda: 'b' * 12)
    again = ask(2)
    assert 'was trained by version aaaaaaaaaaaa' in (out := said())
    assert 'now it is bbbbbbbbbbbb; nothing is left to train' in out
    assert again.rows['runs'].equals(first.rows['runs'])
    before = snapshot(tmp_path)
    for dry_run in (True, False):
        with pytest.raises(UserError, match=r'1 run would be trained by that; .* --mix_versions'):
            ask(2, 3, dry_run=dry_run)
    assert snapshot(tmp_path) == before
    assert len(ask(2, 3, mix_versions=True).results.settings) == 2
    assert '1 run is trained by that, as --mix_versions asks' in said()
    found = manifest_of(tmp_path / 'w')
    assert [one.get('mix_versions') for one in found['launches']] == [None, None, True]
    assert [one['code'] for one in found['launches']] == ['a' * 12, 'b' * 12, 'b' * 12]
    assert [one.get('redrawn') for one in found['launches']] == [None, True, None]
    assert [group['code'] for group in found['groups']] == [['a' * 12], ['b' * 12]]
    # All is there: it is drawn again without being asked, and stays said.
    ask(2, 3)
    for report in ('report.md', 'report.html'):
        text = (tmp_path / 'w' / report).read_text()
        assert 'Numbers of 2 versions of the training code are mixed here' in text
        assert f'{"a" * 12} (1 group), {"b" * 12} (1 group)' in text
    with pytest.warns(UserWarning, match='versions aaaaaaaaaaaa.* and bbbbbbbbbbbb'):
        api.load(tmp_path / 'w')


def test_what_a_tweak_did_in_an_older_folder_is_not_known_well_enough_to_add_to_it(capsys, copied):
    more = ['--config=tweaked.py', '--config.seeds=2', '--mix_versions']
    code, _, err = call(capsys, *more)
    assert (code, err.count('\n')) == (2, 1)
    assert "its tweak 'shrink' is known by the text of its source alone" in err


@pytest.mark.parametrize('made', [manifest.FORMAT + 1, 'new'])
def test_a_folder_of_a_newer_format_is_refused_in_a_line(capsys, copied, made):
    workdir = Workdir(copied / 'runs' / 'network-smoke')
    found = manifest.current(workdir)
    manifest.write(workdir, dataclasses.replace(found, format=made))
    for args in (['--config=network.py'], ['--replay=a', f'--workdir={workdir.path}']):
        code, _, err = call(capsys, *args)
        assert (code, err.count('\n')) == (2, 1)
        assert f'is of format {made!r}, made by a newer version of jaxtweaks' in err
    with pytest.raises(UserError, match='made by a newer version'):
        api.load(workdir.path)


def test_a_replay_says_that_another_version_trained_it(capsys, copied):
    workdir = copied / 'runs' / 'network-smoke'
    run = rows(workdir)[0]['run'][0]
    code, out, _ = call(capsys, f'--replay={run}', f'--workdir={workdir}')
    assert code in (0, 1)  # another machine may give other bits
    assert 'one not recorded of the training code' in out
    assert 'bits that differ may be due to that' in out


NOTHING = manifest.Manifest(
    format=manifest.FORMAT,
    launches=(),
    data=manifest.DataRecord(label='', source='', fingerprint=''),
    groups=(),
)


class TestVersions:
    """Which versions trained a group, and whether another may go on."""

    NOW = 'a' * 12

    @pytest.fixture
    def asked(self, copied, monkeypatch):
        monkeypatch.setattr(version, 'training', lambda: self.NOW)
        return api._experiment('network.py', {})

    @pytest.fixture
    def groups(self, asked):
        return [Group((run,), 1, 'map', frozenset()) for run in asked.runs]

    def said(self, groups, *codes):
        by_id = {group.id: code for group, code in zip(groups, codes, strict=True)}
        return dataclasses.replace(
            NOTHING,
            launches=(manifest.Launch(code='b' * 12, commit='c' * 40),),
            groups=manifest.describe_groups(groups, by_id),
        )

    def test_a_group_is_by_all_that_trained_a_part_of_it(self, asked, groups, tmp_path):
        first, second = groups
        workdir = Workdir(tmp_path / 'w')
        old = self.said(groups, ['b'], ['b'])
        codes = lambda finished: list(
            folder.codes(workdir, old, groups, finished, self.NOW).values()
        )
        assert codes({first.id}) == [['b'], [self.NOW]]  # nothing is there of the second
        workdir.checkpoint_path(second).parent.mkdir(parents=True)
        workdir.checkpoint_path(second).touch()
        assert codes({first.id}) == [['b'], ['b', self.NOW]]
        assert codes({first.id, second.id}) == [['b'], ['b']]
        old = self.said(groups, ['b'], ['b', self.NOW])
        assert codes({first.id}) == [['b'], ['b', self.NOW]]
        assert folder.codes(workdir, None, [first], set(), self.NOW) == {first.id: [self.NOW]}

    @pytest.mark.parametrize('mix', [False, True])
    @pytest.mark.parametrize('left', [0, 1])
    @pytest.mark.parametrize('other', [False, True])
    def test_another_may_go_on_only_if_asked(self, asked, groups, tmp_path, other, left, mix):
        then = 'b' * 12 if other else self.NOW
        trained = {groups[0].id: [then], groups[1].id: [self.NOW] if left else [then]}
        said, old = [], self.said(groups, *trained.values())
        check = lambda: folder.check_version(
            Workdir(tmp_path), old, asked, trained, left, mix, said.append
        )
        if other and left and not mix:
            with pytest.raises(UserError, match=f'version {then} of commit cccccccccccc of the'):
                check()
        else:
            check()
            assert len(said) == other
            assert not said or ('--mix_versions' in said[0]) == bool(left)

    def test_groups_put_together_are_by_all_that_trained_them(self, asked, groups, tmp_path):
        workdir = Workdir(tmp_path / 'w')
        workdir.path.mkdir()
        manifest.write(workdir, self.said(groups, ['b'], ['b', 'c']))
        (both,) = [Group(tuple(asked.runs), 2, 'map', frozenset())]
        manifest.regroup(workdir, {groups[0].id: [both], groups[1].id: []}, {})
        assert manifest.current(workdir).codes == {both.id: ('b', 'c')}


def test_another_python_knows_a_tweak_by_what_is_on_record(copied, monkeypatch):
    asked = api._experiment('tweaked.py', {})
    record = manifest.TweaksRecord(python=provenance.python(), digests={'shrink': 'b' * 12})
    kept, said = dataclasses.replace(NOTHING, tweaks=record), []
    found = stored.as_recorded(asked, kept, said.append)
    assert (found.digests, said) == (asked.digests, [])
    monkeypatch.setattr(provenance, 'python', lambda: '3.99')
    found = stored.as_recorded(asked, kept, said.append)
    assert found.digests == {'shrink': 'b' * 12}
    assert f'known here by what Python {record.python} made of it' in said[0]
    ids = lambda one: [run.id for run in one.runs]
    assert ids(found)[0] == ids(asked)[0]  # off
    assert ids(found)[1] != ids(asked)[1]


def test_another_python_knows_any_part_by_what_is_on_record():
    register.activation('scaled')(lambda x: 2 * x)
    asked = build_experiment({'name': 'x', 'model': {'activation': 'scaled'}})
    record = manifest.TweaksRecord(python='3.99', digests={'activation scaled': 'b' * 64})
    kept, said = dataclasses.replace(NOTHING, tweaks=record), []
    found = stored.as_recorded(asked, kept, said.append)
    assert found.digests == record.digests != asked.digests
    assert said[0].startswith("activation 'scaled': known here by what Python 3.99 made of it")


def test_a_copied_config_does_not_take_the_original_s_folder(capsys, copied, monkeypatch):
    workdir = copied / 'runs' / 'network-smoke'
    before = snapshot(workdir)
    (copied / 'configs').mkdir()
    same, other = copied / 'configs' / 'copy.py', copied / 'other.py'
    text = (copied / 'network.py').read_text()
    same.write_text(text)
    other.write_text(text.replace('0.05', '0.06'))
    for path in (same, other):
        for args in ([], ['--dry_run']):
            code, _, err = call(capsys, f'--config={path}', *args)
            assert (code, err.count('\n')) == (2, 1)
            assert "has the name 'network' of network.py, whose work folder" in err
            assert f"as '{path.stem}'" in err
    with pytest.raises(UserError, match=r"has the name 'network' of network\.py"):
        api.run(same, dry_run=True)
    assert snapshot(workdir) == before
    # Where the user says so, it is said and done.
    args = [f'--config={same}', f'--workdir={workdir}', '--dry_run']
    code, out, _ = call(capsys, *args)
    assert (code, 'is of network.py; configs/copy.py goes on in it' in out) == (0, True)
    code, _, err = call(capsys, f'--config={other}', *args[1:])
    assert code == 2
    assert 'optim.learning_rate: 0.05 there, 0.06 now' in err
    # The file itself by another path, and a file that was renamed.
    (copied / 'linked.py').symlink_to('network.py')
    assert call(capsys, '--config=linked.py', '--dry_run')[0] == 0
    (copied / 'linked.py').unlink()
    (copied / 'network.py').unlink()
    code, out, _ = call(capsys, f'--config={same}', '--dry_run')
    assert (code, 'is of network.py, which is not there any more' in out) == (0, True)


def test_the_config_file_of_a_launch_is_on_record_from_anywhere(capsys, copied, monkeypatch):
    workdir = copied / 'runs' / 'network-smoke'
    assert call(capsys, '--config=network.py', '--quiet')[0] == 0
    assert manifest_of(workdir)['launches'][-1]['config'] == str(copied / 'network.py')
    monkeypatch.chdir(copied / 'runs')
    shutil.copy(copied / 'network.py', 'copy.py')
    (copied / 'runs' / 'runs').symlink_to('.')
    code, _, err = call(capsys, '--config=copy.py', '--dry_run')
    assert (code, "has the name 'network' of ../network.py" in err) == (2, True)


def test_two_experiments_of_a_collection_with_one_name_are_distinguished(capsys, copied):
    shutil.copy('network.py', 'again.py')
    Path('both.py').write_text(
        'from ml_collections import ConfigDict\n'
        'def get_config(size=None):\n'
        "    return ConfigDict({'name': 'both', 'experiments': ('again.py',)})\n"
    )
    code, out, _ = call(capsys, '--config=both.py:smoke', '--dry_run')
    assert (code, "has the name 'network' of network.py" in out) == (2, True)
