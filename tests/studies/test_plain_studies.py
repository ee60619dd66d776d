"""A study without training from its config to its folder: resumed, interrupted, refused."""

import dataclasses
import io
import json
import os
import signal
import threading

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from jaxtweaks import studies
from jaxtweaks.base import metrics
from jaxtweaks.base.errors import UserError
from jaxtweaks.base.metrics import label
from jaxtweaks.config import parts, trace
from jaxtweaks.config.expand import grid
from jaxtweaks.config.settings import Setting
from jaxtweaks.data import nothing
from jaxtweaks.lab import experiment, laboratory
from jaxtweaks.lab.experiment import default_config
from jaxtweaks.run.group import Interrupted
from jaxtweaks.run.plan import Run
from jaxtweaks.studies import calls
from jaxtweaks.studies.study import Measured, Study


def measure(setting, seed):
    """Numbers that tell setting, seed and layer apart."""
    level = setting.dropout.hidden * 100 + seed
    layers = 3 if setting.dropout.hidden < 0.3 else 2
    return Measured(
        curves={'height': level + np.arange(layers)},
        finals={'total': level, 'share_high': 0.5},
        arrays={'path': np.array([level, -level])},
    )


class Counting:
    """`measure` that keeps what it was called with; signals itself at the call `at`."""

    def __init__(self, at=None):
        self.calls, self._at = [], at

    def __call__(self, setting, seed):
        self.calls.append((setting.dropout.hidden, seed))
        if len(self.calls) == self._at:
            os.kill(os.getpid(), signal.SIGTERM)
        return measure(setting, seed)


STUDY = Study(
    curves={'height': 'height of the layer'},
    finals={'total': 'total height', 'share_high': 'share that is high'},
    arrays=('path',),
    reads=('dropout.hidden', 'model'),
    axis='layer',
    generated='generated: steps',
)


@pytest.fixture
def put(monkeypatch):
    """Puts a study in the place of a known one, as if it were the package's own."""
    part = parts.get('study', 'dropout_linear')

    def put(measure=measure, **changes):
        facts = {'study': dataclasses.replace(STUDY, **changes), 'data': False}
        own = {'build': measure, 'parameters': {}, 'facts': facts}
        monkeypatch.setattr(parts.Part, 'built_in', True)
        known = dataclasses.replace(part, **own)
        monkeypatch.setitem(parts._REGISTRY['study'], 'dropout_linear', known)
        metrics.add_whole(*facts['study'].metrics)

    put()
    return put


def config_of(**values):
    config = default_config('steps')
    config.size, config.seeds = 'smoke', 2
    config.question = 'How high?'
    config.study.name = 'dropout_linear'
    config.sweep = grid('dropout.hidden', 0.1, 0.2, 0.5)
    config.figures = (
        {'name': 'height', 'kind': 'curves', 'title': 'By layer', 'metrics': ('height',),
         'hue': 'dropout.hidden'},
        {'name': 'total', 'kind': 'effect', 'title': 'Totals', 'metrics': ('total',),
         'x': 'dropout.hidden'},
    )  # fmt: skip
    config.claims = (
        {'sentence': 'It is higher.', 'source': '§1', 'kind': 'greater', 'metric': 'height',
         'at': 2, 'a': {'dropout.hidden': 0.5}, 'b': {'dropout.hidden': 0.1}},
    )  # fmt: skip
    for name, value in values.items():
        *sections, field = name.split('__')
        place = config
        for section in sections:
            place = place[section]
        place[field] = value
    return config


def run(path, dry_run=False, **values):
    out = io.StringIO()
    console = Console(file=out, width=200)
    found = experiment.build(config_of(**values))
    return laboratory.run(found, path, console, command='test', dry_run=dry_run), out.getvalue()


def test_everything_is_in_its_place(put, tmp_path):
    answer, said = run(tmp_path)
    results = answer.results
    assert (results.axis, results.data_label) == ('layer', 'generated: steps')
    totals = np.array([[10.0, 11.0], [20.0, 21.0], [50.0, 51.0]])
    assert np.array_equal(results.final('total'), totals)
    heights = totals[..., None] + np.arange(3)
    heights[2, :, 2] = np.nan
    assert np.array_equal(results.curve('height'), heights, equal_nan=True)
    assert np.array_equal(results.arrays['path'][..., 1], -totals)
    assert answer.verdicts[0].effect == 40
    assert answer.verdicts[0].what.startswith('height of the layer at layer 2')
    assert answer.table.columns[1:] == ('seeds', 'total height', 'share that is high')
    assert '6 runs (3 settings × 2 seeds), data: generated: steps' in said
    assert 'GiB' not in said
    assert 'STAND-IN' not in said
    rows = pq.read_table(tmp_path / 'layers.parquet').to_pydict()
    assert rows['layer'][:4] == [1, 2, 3, 1]
    assert rows['height'][:3] == [10, 11, 12]
    assert len(pq.read_table(tmp_path / 'runs.parquet')) == 6
    assert {path.stem for path in (tmp_path / 'figures').iterdir()} == {'height', 'total'}
    page = answer.report.read_text()
    assert (
        'height of the layer'
        in json.loads((tmp_path / 'claims.json').read_text())['verdicts'][0]['what']
    )
    assert 'epoch' not in page.split('<h2')[1].lower()


def test_what_is_finished_is_not_computed_again(put, tmp_path):
    first = Counting()
    put(measure=first)
    run(tmp_path)
    assert len(first.calls) == 6
    again = Counting()
    put(measure=again)
    _, said = run(tmp_path, seeds=3)
    assert again.calls == [(0.1, 2), (0.2, 2), (0.5, 2)]
    assert '6 of 6 groups finished before' in said


def test_interrupted_and_resumed(put, tmp_path):
    put(measure=Counting(at=2))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as caught:
        run(tmp_path)
    assert caught.value.signal == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before
    rest = Counting()
    put(measure=rest)
    answer, _ = run(tmp_path)
    assert rest.calls == [(0.2, 0), (0.2, 1), (0.5, 0), (0.5, 1)]
    assert np.array_equal(answer.results.final('total')[:, 1], [11, 21, 51])


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(calls.limits, 'cores', lambda: 2)


@pytest.mark.usefixtures('two_cores')
def test_a_study_that_allows_it_is_called_in_threads(put, tmp_path):
    both = threading.Barrier(2)

    def waiting_for_another(setting, seed):
        both.wait(timeout=60)
        return measure(setting, seed)

    put(measure=waiting_for_another, threads=True)
    answer, _ = run(tmp_path)
    totals = np.array([[10.0, 11.0], [20.0, 21.0], [50.0, 51.0]])
    assert np.array_equal(answer.results.final('total'), totals)


@pytest.mark.usefixtures('two_cores')
def test_what_is_under_way_in_threads_is_saved_before_it_is_interrupted(put, tmp_path):
    both, called = threading.Barrier(2), []

    def asked_to_stop(setting, seed):
        called.append((setting.dropout.hidden, seed))
        if both.wait(timeout=60) == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        both.wait(timeout=60)  # so that the signal has come before either is finished
        return measure(setting, seed)

    put(measure=asked_to_stop, threads=True)
    with pytest.raises(Interrupted):
        run(tmp_path)
    assert sorted(called) == [(0.1, 0), (0.1, 1)]
    rest = Counting()
    put(measure=rest, threads=True)
    run(tmp_path)
    assert sorted(rest.calls) == [(0.2, 0), (0.2, 1), (0.5, 0), (0.5, 1)]


@pytest.mark.usefixtures('two_cores')
def test_what_is_under_way_when_a_thread_fails_is_saved(put, tmp_path):
    both = threading.Barrier(2)

    def failing(setting, seed):
        if setting.dropout.hidden == 0.1:
            both.wait(timeout=60)
        if seed == 0:
            raise ValueError('seed 0')
        return measure(setting, seed)

    put(measure=failing, threads=True)
    with pytest.raises(ValueError, match='seed 0'):
        run(tmp_path)
    rest = Counting()
    put(measure=rest)
    run(tmp_path)
    assert len(rest.calls) == 5
    assert (0.1, 1) not in rest.calls


@pytest.mark.parametrize('name', ['capacity', 'signal_propagation'])
def test_threads_change_no_bit(monkeypatch, tmp_path, name):
    config = default_config('bits')
    config.size, config.seeds, config.study.name = 'smoke', 3, name
    config.model.hidden = (30, 20)
    config.sweep = grid('init.scheme', 'he', 'glorot')
    config.update_from_flattened_dict(
        {'capacity.regressor': 'network', 'capacity.steps': 20, 'model.name': 'mlp'}
        if name == 'capacity'
        else {'signal_propagation.vectors': 700}
    )
    found = []
    for cores in (1, 2):
        monkeypatch.setattr(calls.limits, 'cores', lambda cores=cores: cores)
        folder = tmp_path / str(cores)
        laboratory.run(experiment.build(config), folder, Console(file=io.StringIO()), command='t')
        found.append(pq.read_table(folder / 'runs.parquet').to_pydict())
    for one in found:
        one.pop('seconds', None)
    assert found[0] == found[1]


def test_a_damaged_result_is_computed_again(put, tmp_path):
    run(tmp_path)
    path = sorted((tmp_path / 'results').iterdir())[0]
    path.write_bytes(path.read_bytes()[:-1] + b'?')
    count = Counting()
    put(measure=count)
    run(tmp_path)
    assert len(count.calls) == 1


def test_a_dry_run_computes_and_writes_nothing(put, tmp_path):
    put(measure=lambda setting, seed: pytest.fail('not needed'))
    answer, said = run(tmp_path / 'w', dry_run=True)
    assert answer is None
    assert '6 runs (3 settings × 2 seeds)' in said
    assert not (tmp_path / 'w').exists()


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'train__epochs': 3}, "train.epochs: 3 has no effect because the study 'dropout_linear'"),
        ({'data__name': 'mnist'}, "data.name: 'mnist' has no effect"),
        ({'optim__learning_rate': 0.5}, 'optim.learning_rate: 0.5 has no effect'),
        ({'capacity__degree': 2}, 'capacity.degree: 2 has no effect'),
        ({'table': ('test_accuracy',)}, "no final metric 'test_accuracy'"),
        ({'table': ('height',)}, "no final metric 'height'"),
        ({'sweep': ('grid', 'study.name', ('training', 'gradcheck'))}, 'study.name cannot be'),
    ],
)
def test_what_the_study_does_not_know_is_refused_before_anything_runs(put, values, words):
    with pytest.raises(UserError, match=words):
        experiment.build(config_of(**values))


@pytest.mark.parametrize(
    ('figure', 'words'),
    [
        ({'kind': 'curves', 'metrics': ('total',)}, "no metric by epoch 'total'"),
        ({'kind': 'effect', 'metrics': ('height',), 'x': 'dropout.hidden'}, "metric 'height'"),
        ({'kind': 'confusion', 'hue': 'dropout.hidden'}, 'no run records confusion'),
        ({'kind': 'fit', 'panels': 'dropout.hidden'}, 'no run records fit x'),
    ],
)
def test_figures_of_what_is_not_measured_are_refused(put, figure, words):
    figures = ({'name': 'a', 'title': 'A', **figure},)
    with pytest.raises(UserError, match=words):
        experiment.build(config_of(figures=figures))


def test_a_claim_of_a_training_metric_is_refused(put):
    claim = {'sentence': 'S.', 'source': '§', 'kind': 'level', 'metric': 'test_loss',
             'level': 1.0, 'direction': 'below'}  # fmt: skip
    with pytest.raises(UserError, match="no final metric 'test_loss'"):
        experiment.build(config_of(claims=(claim,)))


def test_training_does_not_measure_what_a_study_does():
    config = default_config('training')
    config.table = ('max_difference',)
    with pytest.raises(UserError, match="no final metric 'max_difference'"):
        experiment.build(config)


def test_a_study_that_measures_what_it_did_not_say_is_an_internal_error(put, tmp_path):
    put(measure=lambda setting, seed: Measured(finals={'total': 1.0}))
    with pytest.raises(ValueError, match='height'):
        run(tmp_path)


@pytest.mark.parametrize('name', parts.of_slot('study'))
def test_every_study_has_words_for_what_it_measures(name):
    part = parts.get('study', name)
    study = part.facts['study']
    assert study.metrics
    assert bool(study.curves) == bool(study.axis)
    assert all(label(metric.name) == metric.label for metric in study.metrics)
    assert part.build.__doc__


def test_two_studies_do_not_give_one_metric_two_meanings():
    meanings = {}
    for part in parts.of_slot('study').values():
        for metric in part.facts['study'].metrics:
            assert meanings.setdefault(metric.name, metric) == metric


EXACT = {'dropout.hidden': 0.1}


@pytest.mark.parametrize(
    ('claim', 'verdict'),
    [
        ({'kind': 'published', 'metric': 'total', 'margin': 0.5, 'published': {'x': 10.4}}, True),
        ({'kind': 'published', 'metric': 'total', 'margin': 0.5, 'published': {'x': 10.6}}, False),
        ({'kind': 'level', 'metric': 'total', 'level': 9.0, 'direction': 'above'}, True),
        ({'kind': 'level', 'metric': 'total', 'level': 9.0, 'direction': 'below'}, False),
        ({'kind': 'greater', 'metric': 'total', 'b': {'dropout.hidden': 0.5}}, False),
        ({'kind': 'less', 'metric': 'total', 'b': {'dropout.hidden': 0.5}}, True),
    ],
)
def test_an_exact_claim_is_so_or_not(put, tmp_path, claim, verdict):
    put(exact=True)
    claim = {'sentence': 'S.', 'source': '§', 'a': EXACT, **claim}
    answer, said = run(tmp_path, seeds=1, claims=(claim,))
    (found,) = answer.verdicts
    assert found.verdict == ('supported' if verdict else 'contradicted')
    assert 'exact' in found.note
    assert json.loads((tmp_path / 'claims.json').read_text())['verdicts'][0]['p'] is None
    assert 'Exact: no seed changes it.' in said
    assert 'Few seeds' not in answer.report.read_text()


def test_a_kind_that_needs_chance_is_not_decided_exactly(put, tmp_path):
    put(exact=True)
    answer, _ = run(tmp_path, seeds=1, claims=(
        {'sentence': 'S.', 'source': '§', 'kind': 'peak', 'metric': 'total',
         'along': 'dropout.hidden', 'goal': 'max'},))  # fmt: skip
    assert answer.verdicts[0].verdict == 'inconclusive'
    assert "kind 'peak'" in answer.verdicts[0].note


@pytest.mark.parametrize(
    ('name', 'values'),
    [
        ('signal_propagation', {'signal_propagation.vectors': 5}),
        ('dropout_linear', {'dropout_linear.vectors': 5, 'dropout_linear.masks': 100,
                            'model.activation': 'identity', 'dropout.hidden': 0.3}),
        ('bias_variance', {'bias_variance.samples': 2, 'bias_variance.points': 5}),
        ('capacity', {'capacity.regressor': 'network', 'capacity.steps': 1}),
    ],
)  # fmt: skip
def test_a_seed_may_have_all_of_its_32_bits(name, values):
    small = {'study.name': name, 'model.name': 'mlp', 'model.hidden': (3, 2)}
    setting = trace.replace(Setting(), small | values)
    found = [
        calls._result(studies.of(setting), Run({}, setting, seed), nothing('generated'))
        for seed in (2**31 - 1, 2**31, 2**32 - 1)
    ]
    finals = [[float(value[0]) for value in one.finals.values()] for one in found]
    assert np.isfinite(finals).all()
    assert finals[0] != finals[1] != finals[2]
