"""Trained networks that are kept: their files, and what they predict."""

import dataclasses
import io
import shutil

import flax.linen as nn
import numpy as np
import pytest
from rich.console import Console

import jaxtweaks as jt
from jaxtweaks import app
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.numbers import of_bytes
from jaxtweaks.data import load
from jaxtweaks.lab import experiment, laboratory, stored
from jaxtweaks.run import executables, files, trained
from jaxtweaks.run.workdir import Workdir

SETTING = {'optim.learning_rate': 0.1}


class Plain(nn.Module):
    """A network as anybody writes it."""

    outputs: int

    @nn.compact
    def __call__(self, x, train):
        x = nn.Conv(4, (3, 3), strides=2)(x)
        x = nn.BatchNorm(use_running_average=not train)(x)
        return nn.Dense(self.outputs)(nn.relu(x).reshape(len(x), -1))


def config_of(**train):
    return {
        'name': 'kept',
        'seeds': 2,
        'data': {
            'name': 'digits', 'train_size': 60, 'validation_size': 30, 'test_size': 40,
            'standardise': 'pixel', 'scale': 0.5,
        },
        'model': {'name': 'plain'},
        'train': {'batch_size': 20, 'epochs': 2, 'select': 'best_loss', **train},
        'execution': {'batching': 'map', 'group_size': 3},
        'sweep': jt.grid('optim.learning_rate', 0.01, 0.1),
    }  # fmt: skip


def run(folder, config):
    console = Console(file=io.StringIO(), width=2000)
    answer = laboratory.run(experiment.build(config), folder, console, command='test')
    return answer, console.file.getvalue()


@pytest.fixture(scope='module', autouse=True)
def _registered(of_module):
    """The network; and programs that compile quickly, of which there are but a few."""
    jt.network('plain')(Plain)
    quick = executables.QUICK_COMPILE | {'xla_cpu_use_fusion_emitters': False}
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(executables, 'FAST_CPU', quick)
        yield


@pytest.fixture(scope='module')
def kept(tmp_path_factory):
    """The answer, and what was said."""
    folder = tmp_path_factory.mktemp('kept')
    return run(folder / 'w', config_of(keep_logits=True, keep_parameters=True))


@pytest.fixture
def images(kept):
    return load(kept[0].experiment.base.data, print).test.images


@pytest.fixture
def copied(kept, tmp_path):
    """The same answer in a folder of its own."""
    return dataclasses.replace(kept[0], folder=shutil.copytree(kept[0].folder, tmp_path / 'w'))


def test_predictions_are_those_that_were_tested(kept, images):
    answer = kept[0]
    for k, rate in enumerate((0.01, 0.1)):
        for seed in (0, 1):
            logits = answer.predict(images, {'learning_rate': rate}, seed)
            assert logits.dtype == np.float32
            recorded = answer.results.arrays['test_logits'][k, seed]
            np.testing.assert_allclose(logits, recorded, atol=1e-6)
    some = answer.predict(images[:7], SETTING, 1)
    np.testing.assert_allclose(some, logits[:7], atol=1e-6)


def test_parameters_are_what_linen_takes(kept, images):
    """With the standardisation by hand, which is by pixel here, and halved."""
    answer = jt.load(kept[0].folder)
    variables = answer.parameters(SETTING, np.int64(1))
    assert set(variables) == {'params', 'batch_stats'}
    assert variables['params']['Conv_0']['kernel'].shape == (3, 3, 1, 4)
    training = load(answer.experiment.base.data, print).training.images.astype(float)
    std = training.std(0)
    std = np.where(std > 0, std, 255)
    x = 0.5 * (images - training.mean(0)) / std
    by_hand = Plain(10).apply(variables, x.astype(np.float32), train=False)
    np.testing.assert_allclose(answer.predict(images, SETTING, 1), by_hand, atol=1e-5)
    first = answer.parameters({'optim.learning_rate': 0.01}, 1)
    assert (first['params']['Conv_0']['kernel'] != variables['params']['Conv_0']['kernel']).any()


@pytest.mark.parametrize(
    ('setting', 'seed', 'words'),
    [
        ({'learning_rate': 0.09}, 0, "the nearest is {'optim.learning_rate': 0.1}"),
        ({'learning_rate': 0.1}, 7, 'seed: there is no 7; the seeds are 0, 1'),
        ({'learning_rate': 0.1}, [0], 'seed: there is no [0]'),
        (None, 0, 'setting: 2 of them have any value; say too what optim.learning_rate is'),
        ({'learning_rat': 0.1}, 0, "no field 'learning_rat'; did you mean 'learning_rate'"),
        (0.1, 0, 'setting: is 0.1; it must be a dict of swept fields'),
    ],
)
def test_a_network_that_does_not_exist(kept, setting, seed, words):
    with pytest.raises(UserError) as caught:
        kept[0].parameters(setting, seed)
    assert words in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda x: x[:, 1:], r'inputs are \[40, 7, 8, 1\]; the network takes \[N, 8, 8, 1\]$'),
        (lambda x: x[0], r'inputs are \[8, 8, 1\]; the network takes \[N, 8, 8, 1\]$'),
        (lambda x: x / 255, r'inputs are float64; the network was trained on uint8 \(0 … 255\)'),
        (lambda x: x[:0], 'there are none'),
    ],
)
def test_inputs_that_are_not_like_those_trained_on(kept, images, change, words):
    with pytest.raises(UserError, match=words):
        kept[0].predict(change(images), SETTING, 0)


def test_what_is_not_kept_is_said(kept, tmp_path):
    other = experiment.build(config_of())
    answer = dataclasses.replace(kept[0], experiment=other)
    with pytest.raises(UserError, match=r'keeps no parameters; .*train\.keep_parameters=True'):
        answer.parameters(SETTING, 0)
    with pytest.raises(UserError, match='is not there; the run is not finished'):
        dataclasses.replace(kept[0], folder=tmp_path).parameters(SETTING, 0)


def test_damage_is_found_by_the_checksum_and_healed_to_the_same_bytes(copied, capsys):
    """One network is damaged, one lacks: those of both groups are trained again."""
    runs = copied.experiment.runs
    damaged, lacking = (trained.path_of(copied.folder, runs[i].id) for i in (0, 3))
    before = {path: path.read_bytes() for path in damaged.parent.iterdir()}
    assert len(before) == 4
    content = bytearray(before[damaged])
    content[-9] ^= 4
    damaged.write_bytes(content)
    with pytest.raises(UserError, match=r'is damaged \(its checksum is wrong\)'):
        copied.parameters({'learning_rate': 0.01}, 0)
    lacking.unlink()
    # What was measured is read all the same.
    np.testing.assert_array_equal(jt.load(copied.folder)['test_loss'], copied['test_loss'])
    _, said = run(copied.folder, config_of(keep_logits=True, keep_parameters=True))
    assert f'{damaged} is damaged' in said
    assert f'{lacking} is missing; its runs are trained again' in said
    assert '0 of 2 groups finished before' in said
    assert {path: path.read_bytes() for path in damaged.parent.iterdir()} == before


def test_another_network_of_this_name_is_not_taken_for_it(copied, images):
    path = trained.path_of(copied.folder, copied.experiment.runs[0].id)
    tree = files.load_tree(path)
    del tree['variables']['params']['Dense_0']['bias']
    files.save_tree(path, tree)
    with pytest.raises(UserError, match="network 'plain': its parameters are others now"):
        copied.predict(images, {'learning_rate': 0.01}, 0)


def test_a_replay_compares_them(copied, capsys):
    run_id = copied.experiment.runs[1].id
    args = [f'--replay={run_id}', f'--workdir={copied.folder}']
    assert app.main(['main.py', *args]) == 0
    assert 'bitwise the same' in capsys.readouterr().out
    path = trained.path_of(copied.folder, run_id)
    tree = files.load_tree(path)
    kernel = tree['variables']['params']['Dense_0']['kernel'].copy()
    kernel[0, 0] += 1
    tree['variables']['params']['Dense_0']['kernel'] = kernel
    files.save_tree(path, tree)
    assert app.main(['main.py', *args]) == 1
    out = ' '.join(capsys.readouterr().out.split())
    assert 'parameters, params.Dense_0.kernel:' in out
    assert f'(1 of {kernel.size} values, the first at 0)' in out


def test_what_they_take_is_in_the_plan_and_other_runs_keep_their_names(kept):
    said = kept[1]
    layers = (3 * 3 + 1) * 4, 4 * 4, (4 * 4 * 4 + 1) * 10  # and two statistics a channel
    assert f', {of_bytes(4 * 4 * sum(layers))} of parameters on disk' in said
    ids = lambda **train: {run.id for run in experiment.build(config_of(**train)).runs}
    assert ids() == ids(keep_parameters=False) != ids(keep_parameters=True)


def test_the_state_of_a_folder_is_read_without_them(kept):
    """Results do not hold networks twice."""
    workdir = Workdir(kept[0].folder)
    found = stored.read(stored.frozen(workdir), workdir, pytest.fail)
    assert all(one.variables is None for one in found.found)
