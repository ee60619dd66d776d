"""The benchmarks run, at tiny sizes, and record what they should; speed itself is not tested."""

import argparse
import json
from unittest import mock

import numpy as np
import pytest

from benchmarks import (
    compile_time,
    evaluation,
    gpu_table,
    group_size,
    guesses,
    plain,
    resnet_pytorch,
    scaling,
    sweep,
)
from benchmarks.peers import flax_plain
from jaxtweaks import app

pytestmark = [
    pytest.mark.filterwarnings('ignore'),  # those of PyTorch
    pytest.mark.usefixtures('all_quickly_compiled'),
]


def test_gpu_table(tmp_path):
    gpu_table.main(['--smoke', '--budget', '900', '--out', str(tmp_path)])
    found = json.loads((tmp_path / 'gpu_table.json').read_text())
    assert set(found['peaks']) == {'float32', 'bf16', 'copy'}  # a CPU has no TF32
    assert {row['precision'] for row in found['rows']} == {'float32', 'bf16'}
    rows = [(row['network'], row['runs'], row['batch']) for row in found['rows']]
    assert rows == [('cnn', 2, 4)] * 2 + [('mlp_50-50', 2, 4)] * 2
    assert not found['not_done']
    for row in found['rows']:
        ways = ('vmap_pallas', 'vmap_matmul') if row['network'] == 'cnn' else ('vmap_matmul', 'map')
        assert {f'ours, {way}' for way in ways} <= row['images_per_second'].keys()
        assert all(speed > 0 for speed in row['images_per_second'].values())
        assert row['chosen'] in row['images_per_second']
    assert 'flax, lax.map' in found['rows'][1]['ratios']
    (whole,) = found['whole']
    assert (whole['precision'], whole['epochs_done']) == ('bf16', 1)


def test_gpu_table_begins_nothing_without_time(tmp_path):
    gpu_table.main(['--smoke', '--budget', '0', '--out', str(tmp_path)])
    found = json.loads((tmp_path / 'gpu_table.json').read_text())
    assert all(not row['images_per_second'] for row in found['rows'])
    assert 'bf16: the whole training' in found['not_done']


def test_the_values_of_the_roofline_are_those_of_the_network():
    """A network limited by nothing but its traffic, or nothing but its arithmetic."""
    plenty = {'float32': 1e30, 'bf16': 1e30, 'copy': 1e12}
    values = 32768 + 28800 + 7200 + 14400 + 10816 + 2304 + 512 + 10
    images = gpu_table.roofline(plenty, 32, 'float32')
    assert images == pytest.approx(1e12 / (6 * 4 * values + 1_250_858 * 32 / 32))
    assert gpu_table.roofline({'bf16': 122.7e6, 'copy': 1e30}, 32, 'bf16') == pytest.approx(1.0)


def test_group_size(tmp_path):
    out = tmp_path / 'g.json'
    group_size.main(
        ['--only', 'mlp_50-50', '--sizes', '1', '2', '--seconds', '0.01', '--rounds', '1']
        + ['--images', '600', '--batching', 'map', '--out', str(out)]
    )
    table = json.loads(out.read_text())['tables']['mlp_50-50']
    assert [row['runs'] for row in table['rows']] == [1, 2]
    assert all(row['batching'] == 'map' for row in table['rows'])
    assert table['knee'] in (1, 2)


def test_the_knee_is_the_smallest_group_near_the_best():
    rows = [{'runs': r, 'images_per_second': v} for r, v in ((1, 50), (2, 96), (4, 100), (8, 99))]
    assert group_size.knee(rows) == 2


def test_scaling(tmp_path):
    out = tmp_path / 's.json'
    scaling.main(
        ['--network', 'mlp_50-50', '--runs', '1', '2', '--images', '600', '--repeats', '1']
        + ['--out', str(out)]
    )
    found = json.loads(out.read_text())
    assert [row['runs'] for row in found['runs']['rows']] == [1, 2]
    assert [row['factor'] for row in found['data']['rows']] == [1, 2, 4]
    assert all(row['measured'] > 0 and row['planned'] > 0 for row in found['memory'])


def test_spread_is_the_dearest_case_over_the_base():
    rows = [{'each': 1.0}, {'each': 1.2}, {'each': 0.5}]
    assert scaling.excess(rows) == pytest.approx(0.2)


def test_compile_time(tmp_path):
    out = tmp_path / 'c.json'
    compile_time.main(
        ['--only', 'gradcheck', 'lr_size', '--size', 'smoke', '--first', '1', '--out', str(out)]
    )
    ((name, seconds),) = json.loads(out.read_text())['seconds'].items()
    assert name == 'lr_size'
    assert seconds[0] > 0


def test_evaluation(tmp_path):
    out = tmp_path / 'e.json'
    evaluation.main(
        ['--only', 'gradcheck', 'lr_size', '--size', 'smoke', '--turns', '1', '--out', str(out)]
    )
    ((name, (row,)),) = json.loads(out.read_text())['programs'].items()
    assert name == 'lr_size'
    assert min(row['steps'], row['epoch'], row['final']) > 0


def test_guesses(tmp_path, capsys):
    out = tmp_path / 'guesses.json'
    guesses.main(['--only', 'gradcheck', 'circles', '--size', 'smoke', '--out', str(out)])
    found = json.loads(out.read_text())['programs']
    assert list(found) == ['circles']  # nothing is trained in gradcheck
    (row,) = found['circles']
    assert row['took'] > 0
    assert row['ratio'] > 0
    assert '1 program: ' in capsys.readouterr().out


def test_shares_of_evaluation(monkeypatch):
    """Of a program whose steps take 6 s an epoch, evaluation 2 and the final test 4."""
    now = 0.0
    monkeypatch.setattr(evaluation.time, 'perf_counter', lambda: now)

    def lasting(seconds, result, *expected):
        def call(*args):
            nonlocal now
            assert args[-len(expected) :] == expected
            now += seconds
            return result

        return call

    state = {'weights': 0}
    compiled = mock.Mock()
    compiled.program.steps_per_epoch, compiled.program.static.train.epochs = 3, 5
    compiled.init.return_value = state
    compiled.train = lasting(8.0, (state, None), state, 'data', 0, 0, 0, 3)
    compiled.steps_alone = lasting(6.0, state, state, 'data', 3)
    compiled.finish = lasting(4.0, None, state, 'data')
    found = evaluation.measure(compiled, ('numbers', 'seeds'), 'data', turns=3)
    assert found == {
        'epoch': 8.0,
        'steps': 6.0,
        'final': 4.0,
        'share': pytest.approx(2 / 8),
        'final_share': pytest.approx(4 / 44),
    }


def test_the_sweep_gives_both_sides_the_same_work(tmp_path):
    experiment = sweep.experiment_of('smoke', seeds=1, epochs=1)
    data = tmp_path / 'data.npz'
    sweep.save_data(experiment, data)
    arrays = np.load(data)
    assert arrays['training_images'].shape[0] == experiment.base.data.train_size
    assert arrays['validation_images'].shape[0] == experiment.base.data.validation_size
    assert arrays['test_images'].shape[0] == experiment.base.data.test_size
    pytest.importorskip('torch')
    from benchmarks import sweep_pytorch

    command = sweep.peer(experiment, data, tmp_path)[2:]
    sweep_pytorch.main(command)
    found = json.loads((tmp_path / 'found.json').read_text())
    assert len(found) == len(experiment.runs)
    assert all(len(run['history']) == 1 for run in found.values())


def test_precision_is_a_question_like_any_other(tmp_path):
    """Its settings, and whether its claims can be tested: a dry run checks both."""
    args = ['main.py', '--config=benchmarks/precision.py:smoke', f'--workdir={tmp_path / "w"}']
    assert app.main([*args, '--dry_run']) == 0


def test_plain(tmp_path):
    size = ['--blocks', '1', '--channels', '2', '4', '--batch', '2', '--runs', '1']
    turns = ['--seconds', '0.01', '--rounds', '1', '--only', 'map']
    plain.main([*size, *turns, '--out', str(tmp_path / 'plain.json')])
    (row,) = json.loads((tmp_path / 'plain.json').read_text())['rows']
    assert row['images_per_second']['map'] > 0
    assert row['ratios'] == {'map': 1.0}


def test_the_resnet_of_pytorch_is_the_plain_one(torch):
    """Its weights copied, in training, where batch norm takes the statistics of the batch."""
    flags = argparse.Namespace(blocks=1, channels=(2, 3))
    theirs = resnet_pytorch.network(flags)
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)
    module = flax_plain.PlainResNet(flags.blocks, flags.channels)
    # Layers of a kind are in the order of the forward pass, but PyTorch's shortcuts come after.
    arrays = iter(p.detach().numpy() for p in theirs.parameters())
    params = {}
    for conv in range(6):
        params[f'Conv_{conv}'] = {'kernel': next(arrays).transpose(2, 3, 1, 0)}
        params[f'BatchNorm_{conv}'] = {'scale': next(arrays), 'bias': next(arrays)}
    params['Dense_0'] = {'kernel': next(arrays).T, 'bias': next(arrays)}
    assert next(arrays, None) is None
    assert max(np.abs(params['Dense_0']['bias'])) == 0
    found, _ = module.apply({'params': params}, images, mutable=['batch_stats'])
    expected = theirs(torch.from_numpy(images).permute(0, 3, 1, 2)).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_curves_are_compared_by_epoch():
    a, b = np.array([[1.0, 4.0], [3.0, 4.5]]), np.array([[2.0, 1.0], [4.0, 1.2]])
    first, second = resnet_pytorch.compared(a, b)
    assert (first['epoch'], first['jaxtweaks'][0], first['difference']) == (1, 2.0, -1.0)
    assert first['jaxtweaks'][1] == pytest.approx(2**0.5)
    assert first['interval'][0] < 0 < first['interval'][1]
    assert second['interval'][0] > 0
    rows = {name: [first] for name in resnet_pytorch.METRICS}
    assert '| 1 | 2.000 ± 1.414 | 3.000 ± 1.414 | -1.000 (' in resnet_pytorch.table(rows)
