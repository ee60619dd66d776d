"""What is asked besides a config: further axes, and the work folder that goes by what changes."""

import pathlib
import types

import pytest

from jaxtweaks import api, app
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import config_file
from jaxtweaks.config.expand import expand
from jaxtweaks.lab import asked, collection, experiment

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ('text', 'field', 'values'),
    [
        ('optim.learning_rate=0.1,1e-2', 'optim.learning_rate', (0.1, 0.01)),
        ('config.model.norm=none, batch', 'model.norm', ('none', 'batch')),
        ('model.hidden=(64,),(64,32),()', 'model.hidden', ((64,), (64, 32), ())),
        ("init.scheme='he'", 'init.scheme', ('he',)),
        ('x=True', 'x', (True,)),
    ],
)
def test_an_axis_is_a_field_and_its_values(text, field, values):
    assert asked.axis(text) == (field, values)


def test_what_is_no_value_of_python_is_a_word():
    assert asked.axis('x={[64]}') == ('x', ('{[64]}',))


@pytest.mark.parametrize('key', ['seeds', 'diverged', 'stopping.rules', 'best.choices', 'aligned'])
def test_what_changes_no_run_has_no_folder_of_its_own(key):
    three = experiment.build({'name': 'x', 'train': {'epochs': 3}})
    assert asked.changes(three, [key, 'train.epochs']) == {'train.epochs': '3'}


@pytest.mark.parametrize('text', ['', 'x', 'x=', '=1', 'x=1,,2', 'x=1,'])
def test_what_is_no_axis_is_refused(text):
    with pytest.raises(UserError, match='must be a field and its values'):
        asked.axis(text)


def config(name):
    return config_file.load(ROOT / 'configs' / f'{name}.py', 'smoke').to_dict()


def test_further_axes_multiply_the_sweep_with_panels_and_claims_for_them():
    before = experiment.build(config('bn_onoff'))
    axes = ['optim.learning_rate=0.1,0.01', 'init.scheme=he,lecun']
    after = experiment.build(asked.with_axes(config('bn_onoff'), axes))
    assert after.points == [
        {**point, 'optim.learning_rate': rate, 'init.scheme': scheme}
        for point in before.points
        for rate in (0.1, 0.01)
        for scheme in ('he', 'lecun')
    ]
    assert {figure.panels for figure in after.figures} == {'optim.learning_rate + init.scheme'}
    assert len(after.claims) == 4 * len(before.claims)
    assert after.claims[1].where == {'optim.learning_rate': 0.1, 'init.scheme': 'lecun'}
    assert after.claims[1].sentence.endswith('[optim.learning_rate = 0.1] [init.scheme = lecun]')


def test_what_was_published_is_shown_at_each_value_of_an_axis_and_not_counted():
    number = {
        'value': 0.5, 'what': 'it', 'source': 'A', 'metric': 'test_accuracy',
        'a': {'model.norm': 'batch'},
    }  # fmt: skip
    given = {**config('bn_onoff'), 'published': (number,)}
    found = experiment.build(asked.with_axes(given, ['optim.learning_rate=0.1,0.01'])).published
    rates = [{'model.norm': 'batch', 'optim.learning_rate': rate} for rate in (0.1, 0.01)]
    assert [one.a for one in found] == rates
    assert [one.differs for one in found] == [f'optim.learning_rate = {r}' for r in (0.1, 0.01)]


def test_an_axis_of_tuples_is_asked_about_each_of_them():
    number = {'value': 0.5, 'what': 'it', 'source': 'A', 'metric': 'test_accuracy'}
    given = {**config('bn_onoff'), 'published': (number,)}
    found = experiment.build(asked.with_axes(given, ['model.hidden=(16,),(16,8)']))
    assert found.claims[1].where == {'model.hidden': ((16, 8),)}
    assert found.claims[1].sentence.endswith('[model.hidden = (16, 8)]')
    assert [one.a for one in found.published] == [
        {'model.hidden': ((16,),)}, {'model.hidden': ((16, 8),)},
    ]  # fmt: skip


def test_a_config_without_a_sweep_gets_one():
    plain = {'name': 'x', 'claims': (), 'figures': ({'name': 'f', 'kind': 'confusion'},)}
    found = asked.with_axes(plain, ['train.epochs=1,2'])
    assert expand(found['sweep']) == [{'train.epochs': 1}, {'train.epochs': 2}]
    assert found['figures'][0]['hue'] == 'train.epochs'


@pytest.mark.parametrize(
    ('axis', 'words'),
    [
        ('model.norm=none,batch', 'model.norm is swept already'),
        ('optim.learning_rte=1', 'learning_rate'),
        ('optim.learning_rate=fast', "'fast' is not a number"),
    ],
)
def test_an_axis_that_cannot_be_is_named(axis, words):
    with pytest.raises(UserError, match=words):
        asked.with_axes(config('bn_onoff'), [axis])


def test_a_folder_goes_by_what_changes_the_runs():
    keys = (
        *('train.epochs', 'seeds', 'execution.batching', 'data.dir', 'claims', 'published'),
        'model.hidden',
    )
    given = {'name': 'x', 'train': {'epochs': 3}, 'model': {'name': 'mlp', 'hidden': (8, 8)}}
    plain = experiment.build(given)
    found = asked.changes(plain, keys, ['optim.learning_rate=0.1,0.01'])
    shown = 'model.hidden=-8,8-,sweep.optim.learning_rate=0.1,0.01,train.epochs=3'
    folder = asked.folder('x', 'quick', found)
    assert folder.as_posix() == f'runs/x-quick,{shown}'
    assert asked.folder('x', 'quick', dict(reversed(found.items()))) == folder
    assert asked.folder('x', 'quick', asked.changes(plain, ['seeds'])) == pathlib.Path(
        'runs/x-quick'
    )


def test_the_name_of_a_folder_is_bounded_and_only_the_same_for_the_same():
    long = {'sweep': "('grid', 'optim.learning_rate', " + '0.1, ' * 99 + ')'}
    one, other = (asked.folder('x', 'quick', long | {'z': z}) for z in '12')
    assert one != other
    assert max(len(one.name), len(other.name)) < 140
    # File systems count bytes: of 3 each for these letters, and 2 for those, which fit.
    wide = lambda letter, n: asked.folder('x', 'quick', {'data.name': f'folder:{letter * n}'}).name
    assert wide('è', 80) == 'x-quick,data.name=folder-' + 80 * 'è'
    assert len(wide('è', 80).encode()) == 25 + 2 * 80
    cut = wide('字', 90)
    # 255 bytes, 25 of them before the letters and 9 after: room for 73 of 3.
    assert cut[:98] == 'x-quick,data.name=folder-' + 73 * '字'
    assert (cut[98], len(cut), len(cut.encode())) == ('-', 107, 25 + 3 * 73 + 9)
    assert cut != wide('字', 91)
    assert asked.folder('x', 'quick', {'data.name': 'folder:../a b/\n'}).parts[0] == 'runs'
    assert len(asked.folder('x', 'quick', {'data.name': 'folder:../a b/\n'}).parts) == 2


def test_the_command_line_and_python_choose_the_same_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    chosen = []
    monkeypatch.setattr(api.laboratory, 'run', lambda asked, path, *_, **__: chosen.append(path))
    arguments = ['--config=clr_mlp3:smoke', '--config.train.epochs=4', '--config.seeds=5']
    assert app.main(['main.py', *arguments]) == 0
    assert 'train.epochs = 4): runs/clr_mlp3-smoke,train.epochs=4' in capsys.readouterr().out
    api.run('clr_mlp3:smoke', changes={'train': {'epochs': 4}, 'seeds': 5})
    assert app.main(['main.py', *arguments[:1], '--workdir=w', '--config.train.epochs=4']) == 0
    own = pathlib.Path('runs/clr_mlp3-smoke,train.epochs=4')
    assert chosen == [own, own, pathlib.Path('w')]


@pytest.mark.parametrize(
    ('typed', 'value'),
    [
        (('--config.optim.learning_rate=5e-1',), {'optim.learning_rate': 0.5}),
        (('--config.train.test_curve',), {'train.test_curve': True}),
        (('--config.model.hidden=(64,64)',), {'model.hidden': (64, 64)}),
        (('--config.train.epochs', '4'), {'train.epochs': 4}),
    ],
)
def test_a_value_has_one_folder_however_it_is_typed(monkeypatch, tmp_path, capsys, typed, value):
    monkeypatch.chdir(tmp_path)
    chosen = []
    monkeypatch.setattr(api.laboratory, 'run', lambda asked, path, *_, **__: chosen.append(path))
    assert app.main(['main.py', '--config=clr_mlp3:smoke', *typed]) == 0, capsys.readouterr().err
    api.run('clr_mlp3:smoke', changes=value)
    assert chosen[0] == chosen[1]


def test_an_axis_has_one_folder_however_it_is_typed():
    plain = experiment.build({'name': 'x'})
    for name, values, ways in (
        ('train.epochs', '3,4', ('train.epochs=3,4', 'config.train.epochs=3, 4')),
        ('optim.learning_rate', '1.0,0.1', ('optim.learning_rate=1,1e-1',)),
        ('model.hidden', '(64,64),()', ('model.hidden=[64, 64],[]', 'model.hidden=(64,64),()')),
    ):
        for text in ways:
            assert asked.changes(plain, [], [text]) == {f'sweep.{name}': values}


def test_a_parameter_of_a_part_may_be_set_within_its_section_of_parts():
    given = {'parts': {'flip': {'probability': 0.5}}}
    one = experiment.changed({'name': 'x'}, given)
    keys = ['parts.flip.probability']
    assert asked.changes(one, keys) == asked.changes(one, ['flip.probability'])
    assert asked.changes(one, keys) == {'flip.probability': '0.5'}


def test_an_axis_goes_with_a_sweep_that_the_command_line_gives_too(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    found = []
    monkeypatch.setattr(api.laboratory, 'run', lambda asked, *_, **__: found.append(asked))
    given = ["--config.sweep=('grid', 'init.scheme', ('he', 'lecun'))"]
    given += [f'--config.{key}=()' for key in ('claims', 'figures', 'published')]
    arguments = ['main.py', '--config=clr_mlp3:smoke', *given, '--sweep=optim.learning_rate=0.1,1']
    assert app.main(arguments) == 0, capsys.readouterr().err
    assert found[0].points == [
        {'init.scheme': scheme, 'optim.learning_rate': rate}
        for scheme in ('he', 'lecun')
        for rate in (0.1, 1.0)
    ]
    assert found[0].claims == ()


def test_a_collection_may_end_at_its_first_failure(tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(collection, '_load', lambda path, *_: tried.append(path) or 1 / 0)
    many = collection.Collection(name='all', experiments=('a.py', 'b.py'))
    console = types.SimpleNamespace(print=lambda *_, **__: None)
    options = collection.Options(dry_run=True, fail_fast=True)
    assert collection.run(many, tmp_path, console, options, ' '.join) == 1
    assert tried == ['a.py']


def test_what_is_for_one_or_for_many_is_refused_elsewhere(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert app.main(['main.py', '--config=clr_mlp3:smoke', '--fail_fast']) == 2
    assert '--fail_fast: is for a collection' in capsys.readouterr().err
    assert app.main(['main.py', '--config=all:smoke', '--sweep=train.epochs=1,2']) == 2
    assert '--sweep is for one experiment' in capsys.readouterr().err
