"""What docs/your_own.md shows works, as it stands, and in few lines."""

import ast
import re
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
from ml_collections import ConfigDict
from PIL import Image

import jaxtweaks as jt
from jaxtweaks import api, app, testing
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import parts
from jaxtweaks.data import own
from jaxtweaks.run import search

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / 'docs' / 'your_own.md').read_text()
CODE = re.findall(r'```python\n(.*?)```', TEXT, re.DOTALL)
SWEEP, SEARCH, PART, LOSS, METRIC, NETWORK, NNX, NORM, TRANSFORM, CHECK, *REST = CODE
CLAIM, FIGURE, DERIVATION, STUDY, TWEAK, DATA, FOLDER, TABLE, NOTEBOOK, TRAINED = REST


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with configs/momentum.py, in which commands are given."""
    (tmp_path / 'configs').mkdir()
    (tmp_path / 'configs' / 'momentum.py').write_text(SWEEP)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(capsys, *args):
    capsys.readouterr()
    code = app.main(['main.py', *map(str, args)])
    return code, *capsys.readouterr()


def only(name):
    """The one work folder of an experiment at smoke, whatever was changed of it."""
    (found,) = Path('runs').glob(f'{name}-smoke*')
    return found


@pytest.mark.parametrize('code', CODE)
def test_it_is_short(code):
    assert 0 < sum(bool(line.strip()) for line in code.splitlines()) < 30
    ast.parse(code)


def test_a_new_sweep_and_its_answer_in_a_notebook(folder, capsys):
    """The notebook trains the sweep; then the command line finds all of it done."""
    space = {}
    exec(NOTEBOOK, space)
    answer, again = space['answer'], space['again']
    accuracy = space['accuracy']
    assert accuracy.dims == ('momentum', 'learning_rate', 'seed')
    assert accuracy.learning_rate.values.tolist() == [0.01, 0.1]
    assert np.isfinite(accuracy).all()
    assert (folder / 'own.pdf').read_bytes().startswith(b'%PDF')
    assert space['rows']['seed'].tolist() == [0, 1, 2] * 4
    assert (space['half_width'] >= 0).all()
    assert (folder / 'runs' / 'momentum-smoke' / 'report.html').is_file()
    # What is loaded is what was found.
    assert again.experiment == answer.experiment
    np.testing.assert_array_equal(again['test_loss'], answer['test_loss'])
    np.testing.assert_array_equal(again.curve('train_loss'), answer.curve('train_loss'))
    assert [v.to_dict() for v in again.verdicts] == [v.to_dict() for v in answer.verdicts]
    assert again.rows['runs'].equals(answer.rows['runs'])
    args = ('--config=configs/momentum.py:smoke', '--config.seeds=3', '--export=csv,pdf,latex')
    code, out, err = call(capsys, *args)
    assert (code, err) == (0, '')
    assert '3 of 3 groups finished before' in out
    left = folder / 'runs' / 'momentum-smoke'
    for name in ('runs.csv', 'epochs.csv', 'tables.tex', 'figures/accuracy.pdf'):
        assert (left / name).stat().st_size > 0
    code, _, err = call(capsys, *args[:2], '--export=excel')
    assert (code, "--export: unknown kind 'excel'" in err) == (2, True)


def test_the_trained_networks(folder):
    space = {}
    exec(TRAINED, space)
    assert space['kernels']['Dense_0'] == (8 * 8, 16)
    assert space['logits'].shape == (5, 10)
    assert len(set(space['named'])) == 1  # of images that are all alike


def test_a_search(folder, capsys):
    (folder / 'configs' / 'tuned.py').write_text(SEARCH)
    code, out, err = call(capsys, '--config=configs/tuned.py:smoke', '--config.seeds=1')
    assert (code, err) == (0, ''), err
    assert '9 settings × 1 seed)' in out
    assert '15 settings × 1 seed)' in out
    choice = jt.load('runs/tuned-smoke').choice
    assert (choice.tried, choice.dropped) == (15, 6 + 4)
    assert set(choice.setting) == {'optim.learning_rate', 'adamw.weight_decay'}
    assert 0 <= choice.test[0] <= 1
    assert search.Rungs((4, 12), search.Search().keep).share(9, 40) == 88 / 360


def test_a_part_of_ones_own(folder, capsys):
    (folder / 'configs' / 'signum.py').write_text(PART)
    config = '--config=configs/signum.py:smoke'
    code, out, err = call(capsys, config, '--config.seeds=1', '--config.train.epochs=1')
    assert (code, err) == (0, ''), err
    answer = jt.load('runs/signum-smoke,train.epochs=1')
    assert len(np.unique(answer['test_loss'].values)) == 4
    assert '2 programs' in out


def test_a_loss_of_ones_own(folder):
    (folder / 'configs' / 'log_cosh.py').write_text(LOSS)
    fast = {'seeds': 2, 'execution.batching': 'map'}
    answer = jt.run('configs/log_cosh.py:smoke', changes=fast, quiet=True)
    assert answer['test_mae'].dims == ('name', 'seed')
    assert 'test_accuracy' not in answer.results.finals
    assert len(answer.verdicts) == 1
    assert answer.results.data_label == 'diabetes'


def test_a_metric_of_ones_own(folder, capsys):
    (folder / 'configs' / 'macro_f1.py').write_text(METRIC)
    args = ('--config=configs/macro_f1.py:smoke', '--config.seeds=1', '--config.train.epochs=1')
    code, _, err = call(capsys, *args, '--config.execution.batching=map')
    assert (code, err) == (0, ''), err
    found = jt.load(only('macro_f1'))['test_macro_f1']
    assert ((found > 0) & (found < 1)).all()
    assert found.attrs['long_name'] == 'test macro F₁'


def test_a_table_of_ones_own(folder, capsys):
    rng = np.random.default_rng(0)
    rows = [f'{w:.1f},{"ab"[i % 2]},{w / 99:.3f}' for i, w in enumerate(rng.uniform(700, 2e3, 99))]
    rows[3] = ',a,7.5'
    (folder / 'cars.csv').write_text('\n'.join(['weight,maker,consumption', *rows]))
    (folder / 'configs' / 'cars.py').write_text(TABLE)
    args = ('--config=configs/cars.py:smoke', '--config.execution.batching=map')
    name = '--config.data.name=csv:cars.csv?target=consumption&missing=drop'
    less = ('--config.seeds=1', '--config.sweep=()')
    code, out, err = call(capsys, *args, *less, name)
    assert (code, err) == (0, ''), err
    assert '1 of 99 rows lack a value (weight 1), and are dropped' in out
    assert '2 features of 2 columns: weight, maker=b' in out
    by_file = jt.load(only('cars'))['test_mae'].values
    assert np.isfinite(by_file).all()
    source = own.registered('cars')
    assert (source.targets, len(source.training) + len(source.test)) == ('float', 98)
    code, _, err = call(capsys, *args, '--config.data.name=csv:cars.csv?target=consumption')
    assert (code, '1 of 99 rows lack a value (weight 1)' in err) == (2, True)
    assert len(err.strip().splitlines()) == 1


def test_a_network_of_ones_own(folder, capsys):
    (folder / 'configs' / 'skips.py').write_text(NETWORK)
    config = '--config=configs/skips.py:smoke'
    code, out, err = call(capsys, config, '--config.seeds=2', '--config.data.train_size=64')
    assert (code, err) == (0, ''), err
    assert '2 programs' in out
    answer = jt.load('runs/skips-smoke,data.train_size=64')
    assert answer['test_loss'].dims == ('norm', 'hidden', 'seed')
    assert len(np.unique(answer['test_loss'].values)) == 8
    # What it does not read is refused, and nothing is written.
    for unread in ('model.activation=tanh', 'dropout.conv=0.1', 'init.scheme=lecun'):
        code, _, err = call(capsys, config, f'--config.{unread}', '--workdir=w')
        words = "has no effect because model.name is 'skips'; it has one where model.name is"
        assert (code, words in err, err.count('\n')) == (2, True, 1), err
    assert not (folder / 'w').exists()


def test_a_module_of_nnx_goes_through_flaxs_bridge():
    space = {}
    exec(NNX, space)
    testing.check_part('small', 'network')
    with pytest.raises(UserError, match=r'an nnx module, .*flax\.nnx\.bridge\.to_linen'):
        jt.network('bare')(space['Small'])


def test_a_norm_and_initial_weights_of_ones_own(tmp_path):
    exec(NORM, {})
    config = tiny(sweep=jt.grid('orthogonal.gain', 0.5, 1.0))
    config.model.norm, config.init.scheme, config.rms.epsilon = 'rms', 'orthogonal', 1e-5
    answer = jt.run(config, tmp_path / 'w', quiet=True)
    assert len(np.unique(answer['test_loss'].values)) == 2


def test_a_claim_a_figure_and_a_derivation_of_ones_own(folder):
    """Each as a config of its own, answered on few seeds of the smallest size."""
    small = {'seeds': 6, 'train.epochs': 2}
    for name, code in (('wins', CLAIM), ('violins', FIGURE), ('steady', DERIVATION)):
        assert sum(bool(line.strip()) for line in code.splitlines()) <= 25
        (folder / 'configs' / f'{name}.py').write_text(code)
    answer = jt.run('configs/wins.py:smoke', changes=small, quiet=True)
    (verdict,) = answer.verdicts
    accuracy = answer['test_accuracy']
    won = int((accuracy.sel(momentum=0.9) > accuracy.sel(momentum=0.0)).sum())
    assert 0 <= verdict.p <= 1
    assert (verdict.verdict == 'supported') == (won == 6)
    assert 'by sign flips' not in verdict.note
    page = (only('wins') / 'report.md').read_text()
    assert 'Momentum wins at most seeds.' in page
    jt.run('configs/violins.py:smoke', changes=small, quiet=True)
    drawn = only('violins') / 'figures' / 'seeds.svg'
    assert drawn.stat().st_size > 0
    answer = jt.run('configs/steady.py:smoke', changes={**small, 'seeds': 1}, quiet=True)
    np.testing.assert_array_equal(answer['steady_loss'], answer['validation_loss'])
    again = jt.load(only('steady'))
    np.testing.assert_array_equal(again['steady_loss'], answer['steady_loss'])


def test_a_study_of_ones_own(folder):
    (folder / 'configs' / 'norms.py').write_text(STUDY)
    answer = jt.run('configs/norms.py', quiet=True)
    layers, total = answer.curve('layer_norm'), answer['total_norm']
    assert layers.dims == ('hidden', 'seed', 'layer')
    np.testing.assert_allclose(np.sqrt((layers.values**2).sum(-1)), total, rtol=1e-6)
    assert (total.sel(hidden=(64, 64)) > total.sel(hidden=(8, 8))).all()
    changed = {'weight_norm_by_layer.order': 1.0, 'seeds': 1}
    other = jt.run('configs/norms.py', workdir='w', changes=changed, quiet=True)
    assert (other['total_norm'] > 2 * total.isel(seed=0)).all()
    with pytest.raises(jt.UserError, match=r'train\.epochs: 3 has no effect because the study'):
        jt.run('configs/norms.py', workdir='v', changes={'train.epochs': 3}, quiet=True)
    # Rewritten it is another one.
    other = STUDY.replace("'total_norm': jnp", "'total_norm': 2 * jnp")
    (folder / 'configs' / 'norms.py').write_text(other)
    with pytest.raises(jt.UserError, match="the study 'weight_norm_by_layer' is another one now"):
        jt.run('configs/norms.py', quiet=True)


def test_a_transformation_of_ones_own_and_its_check(folder, capsys, monkeypatch):
    (folder / 'configs' / 'centring.py').write_text(TRANSFORM)
    config = '--config=configs/centring.py:smoke'
    code, out, err = call(capsys, config, '--config.seeds=1', '--config.train.epochs=1')
    assert (code, err) == (0, ''), err
    assert '4 runs in 1 program' in out
    assert len(np.unique(jt.load('runs/centring-smoke,train.epochs=1')['test_loss'].values)) == 4
    checked = []
    monkeypatch.setattr(testing, 'check_fields', lambda fields, *_, **also: checked.append(also))
    module = types.ModuleType('configs.centring')
    exec(TRANSFORM, module.__dict__)
    monkeypatch.setitem(sys.modules, 'configs.centring', module)
    space = {}
    exec(CHECK, space)
    space['test_centring']()
    assert checked == [
        {'values': {'centring.share': (0.5, 1.0)}, 'what': "transform 'centring'"},
    ]


def test_a_new_tweak(folder, capsys):
    (folder / 'configs' / 'gaussian_dropout.py').write_text(TWEAK)
    config = '--config=configs/gaussian_dropout.py:smoke'
    code, out, err = call(capsys, config, '--config.seeds=1', '--config.train.epochs=1')
    assert (code, err) == (0, ''), err
    answer = jt.load('runs/gaussian_dropout-smoke,train.epochs=1')
    settings = answer['test_loss'].setting.values.tolist()
    assert settings == [(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.0, 0.2), (0.0, 0.5)]
    losses = answer['test_loss'].values
    assert len(np.unique(losses)) == 5
    assert '5 runs in 1 program' in out
    # Rewritten, it is another tweak: what was found with the old one is not taken for its answer.
    (folder / 'configs' / 'gaussian_dropout.py').write_text(TWEAK.replace('(1 +', '(1 -'))
    code, _, err = call(capsys, config, '--config.seeds=1', '--config.train.epochs=1')
    changed = "the function of the tweak 'gaussian_dropout' is another one now"
    assert (code, changed in err) == (2, True)
    with pytest.raises(jt.UserError, match=changed):
        jt.load('runs/gaussian_dropout-smoke,train.epochs=1')
    code, _, err = call(capsys, config, '--config.gausian_dropout.sigma=0.3')
    assert code == 2
    assert 'gausian_dropout' in err
    assert len(err.strip().splitlines()) == 1
    code, _, err = call(capsys, config, '--config.gaussian_dropout.sigma=-1')
    assert (code, '≥ 0' in err) == (2, True)


@pytest.mark.parametrize(
    ('line', 'words'),
    [
        ('raise SystemExit(3)', r'broken\.py:13: SystemExit: 3'),
        ('return x * strangth', r'broken\.py:13: NameError: .*strangth'),
        ('return x.sum()', r'it must return an array like the one it is given'),
        ('return x if sigma > 0 else 2 * x', r'broken\.py:13: TracerBoolConversionError'),
    ],
)
def test_a_broken_tweak_is_one_line_and_nothing_is_written(folder, capsys, line, words):
    whole = 'return x * (1 + sigma * jax.random.normal(key, x.shape))'
    assert whole in TWEAK
    (folder / 'configs' / 'broken.py').write_text(TWEAK.replace(whole, line))
    code, _, err = call(capsys, '--config=configs/broken.py:smoke')
    assert code == 2
    assert re.match(f"error: tweak 'gaussian_dropout': .*{words}", err), err
    assert len(err.strip().splitlines()) == 1
    assert not (folder / 'runs').exists()


def test_a_new_data_set(folder):
    (folder / 'configs' / 'spirals.py').write_text(DATA)
    assert len(api._experiment('configs/spirals.py:smoke', {}).points) == 2
    # One program is enough here, and there is nothing to gain from measuring.
    one = {'sweep': jt.grid('model.width', 4), 'execution.batching': 'map'}
    answer = jt.run('configs/spirals.py:smoke', changes=one, quiet=True)
    assert answer.results.data_label == 'arrays'
    accuracy = answer['test_accuracy']
    assert (accuracy.dims, accuracy.width.values.tolist()) == (('width', 'seed'), [4])
    assert len(np.unique(answer['test_loss'].values)) == 2
    # To read what was found the data are not needed.
    jt.dataset('spirals')(lambda: pytest.fail('not needed'))
    again = jt.load(answer.folder)
    np.testing.assert_array_equal(again['test_loss'], answer['test_loss'])
    np.testing.assert_array_equal(
        again.results.label_counts['training'], answer.results.label_counts['training']
    )


def test_a_new_data_set_on_disk(folder, capsys):
    random = np.random.default_rng(0)
    for number, name in enumerate(('oak', 'elm')):
        (folder / 'leaves' / name).mkdir(parents=True)
        for i in range(10):
            image = random.integers(0, 99, (40 + i, 30, 3)) + 150 * number
            Image.fromarray(image.astype(np.uint8)).save(folder / 'leaves' / name / f'{i}.png')
    sizes = {'data.train_size': 12, 'data.validation_size': 4, 'data.test_size': 0}
    small = {**sizes, 'train.batch_size': 4}
    exec(FOLDER, {})
    by_name = {**small, 'data.name': 'leaves'}
    assert jt.run('configs/momentum.py:smoke', changes=by_name, dry_run=True) is None
    out = capsys.readouterr().out
    assert 'data: leaves' in out
    assert not (folder / 'runs').exists()
    # By its path the images must have one size.
    by_path = {**small, 'data.name': f'folder:{folder / "leaves"}'}
    with pytest.raises(jt.UserError, match=r'from_folder\(path, size='):
        jt.run('configs/momentum.py:smoke', changes=by_path, dry_run=True)


def test_the_command_line_takes_data_by_name(folder, capsys):
    args = ('--config=configs/momentum.py:smoke', '--dry_run')
    code, _, err = call(capsys, *args, '--config.data.name=folder:no/such')
    assert (code, 'no/such: there is no such folder' in err) == (2, True)
    code, _, err = call(capsys, *args, '--config.data.name=tfds:no_such', '--config.data.dir=.')
    assert (code, 'holds no no_such' in err) == (2, True)
    code, _, err = call(capsys, *args, '--config.data.name=leafs')
    assert (code, 'folder:PATH' in err) == (2, True)


def test_importing_the_package_costs_nothing():
    code = (
        'import sys, jaxtweaks; costly = {"jax", "numpy", "xarray", "pandas"};'
        ' print(costly & sys.modules.keys());'
        ' import jaxtweaks.app, jaxtweaks.api; print({"xarray", "pandas"} & sys.modules.keys())'
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.decode().split() == ['set()', 'set()']


def test_every_public_name_is_there():
    for name in jt.__all__:
        assert callable(getattr(jt, name)) or name in ('CLASSIFICATION', 'testing'), name
        assert name in dir(jt)
    with pytest.raises(AttributeError, match='no attribute'):
        jt.nothing  # noqa: B018


def tiny(**values):
    config = jt.default_config('tiny')
    config.data.name = 'digits'
    config.data.train_size, config.data.validation_size = 64, 32
    config.model.name, config.model.hidden = 'mlp', (4,)
    config.train.batch_size, config.train.epochs, config.seeds = 16, 1, 1
    config.execution.batching = 'map'
    config.update(values)
    return config


def test_a_config_is_taken_as_an_object_a_dict_or_an_experiment():
    asked = api.experiment.build(tiny())
    assert api._experiment(tiny(), {}) == api._experiment(tiny().to_dict(), {}) == asked
    assert api._experiment(asked, {}) is asked
    assert api._experiment(tiny(), {'train.epochs': 2}).base.train.epochs == 2
    with pytest.raises(jt.UserError, match='give a config to change'):
        api._experiment(asked, {'seeds': 2})


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'optim.learning_rate': 0.3}, r'config\.optim\.learning_rate: is swept \(0\.1, 0\.2\)'),
        ({'optim': {'learning_rate': 0.3}}, r'config\.optim\.learning_rate: is swept'),
        ({'adamw.weight_decay': 0.0}, r'config\.adamw\.weight_decay: 0\.0 has no effect'),
    ],
)
def test_a_change_without_effect_is_an_error(changes, words):
    config = tiny(sweep=jt.grid('optim.learning_rate', 0.1, 0.2))
    with pytest.raises(jt.UserError, match=words):
        api._experiment(config, changes)
    free = {'optim.learning_rate': 0.3, 'sweep': ()}
    assert api._experiment(config, free).base.optim.learning_rate == 0.3
    # A section says all of its fields, read or not.
    whole = tiny().optim.to_dict()
    assert api._experiment(tiny(sweep=jt.grid('train.epochs', 1, 2)), {'optim': whole})


@pytest.mark.parametrize(
    ('config', 'options', 'words'),
    [
        ('no/such.py', {}, 'no file no/such.py'),
        ({'name': 'x', 'experiments': ('a.py',)}, {}, 'is a collection'),
        ({'name': 'x'}, {'changes': {'trian.epochs': 3}}, "'trian'.*'train.epochs'"),
        ({'name': 'x'}, {'changes': {'train.epochs': 'many'}}, "'many' is not an integer"),
        ({'name': 'x', 'train': 5}, {'changes': {'train.epochs': 3}}, 'cannot be set in 5'),
        ({'name': 'x'}, {'changes': {1: 2}}, 'changes: is {1: 2}; it must be a dict'),
        ({'name': 'x'}, {'changes': ['seeds']}, r"changes: is \['seeds'\]; it must be a dict"),
        (None, {}, 'config: is None; it must be a config file'),
        (5, {}, 'config: is 5; it must be a config file'),
        ({'name': 'x'}, {'exports': ['cvs']}, "did you mean 'csv'"),
    ],
)
def test_mistakes_are_user_errors(tmp_path, config, options, words):
    with pytest.raises(jt.UserError, match=words):
        jt.run(config, tmp_path / 'w', **options)
    assert list(tmp_path.iterdir()) == []


MINE = """
import flax.linen as nn
import jaxtweaks as jt

@jt.network('mine')
class Mine(nn.Module):
    outputs: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(self.outputs)(x.reshape(len(x), -1))

def get_config(size=None):
    config = jt.default_config('mine')
    config.data.name, config.model.name = 'digits', 'mine'
    config.data.train_size, config.data.validation_size = 64, 32
    config.train.epochs, config.seeds = 1, 1
    return config
"""


def test_what_cannot_be_loaded_is_named(tmp_path):
    with pytest.raises(jt.UserError, match='holds no experiment'):
        jt.load(tmp_path)


def test_a_folder_of_a_network_that_is_not_registered_names_the_file_that_does(tmp_path):
    file = tmp_path / 'mine.py'
    file.write_text(MINE)
    jt.run(file, tmp_path / 'w')
    del parts._REGISTRY['network']['mine']  # As in another process
    words = r"no network 'mine'.*its config file was \S*mine.py; or"
    with pytest.raises(jt.UserError, match=words):
        jt.load(tmp_path / 'w')


def test_a_config_in_any_folder_finds_its_neighbours(tmp_path, monkeypatch):
    for name in list(sys.modules):
        if name == 'configs' or name.startswith('configs.'):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, 'path', [p for p in sys.path if Path(p or '.').resolve() != ROOT])
    (tmp_path / 'configs').mkdir()
    (tmp_path / 'configs' / 'found.py').write_text('NAME = "found"\n')
    config = (
        'from configs import found\ndef get_config(size=None):\n    return {"name": found.NAME}\n'
    )
    (tmp_path / 'configs' / 'one.py').write_text(config)
    before = list(sys.path)
    assert api._experiment(tmp_path / 'configs' / 'one.py', {}).name == 'found'
    assert sys.path == before
    for name in ('configs', 'configs.found'):
        sys.modules.pop(name, None)


def test_it_runs_in_a_thread_and_stops_by_ctrl_c_with_its_state_saved(tmp_path, monkeypatch):
    """Signals come to the main thread alone; a notebook may call from another."""
    found = []
    call = lambda: found.append(jt.run(tiny(), tmp_path / 'w', quiet=True))
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert np.isfinite(found[0]['test_loss'].values).all()

    def interrupted(*args, **options):
        raise api.Interrupted(2)

    monkeypatch.setattr(api.laboratory, 'run', interrupted)
    with pytest.raises(KeyboardInterrupt, match='everything is saved'):
        jt.run(ConfigDict(tiny()), tmp_path / 'w')
