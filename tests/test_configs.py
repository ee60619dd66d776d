"""Every config loads at every size, and answers its question at `smoke`."""

import importlib.util
import inspect
import io
import json
import pathlib
import re

import numpy as np
import pytest
from rich.console import Console

from jaxtweaks.claims import published
from jaxtweaks.config import measured
from jaxtweaks.data.catalogue import CATALOGUE
from jaxtweaks.lab import experiment, laboratory

ROOT = pathlib.Path(__file__).resolve().parents[1]
IDS = {}  # of the runs of a config, by its name and size, where a test has named them
# A sentence that can only be understood after another one.
REFERS = re.compile(r'(It|Its|They|Their|So|Then|This|That|These|Those)\b')
NOT_EXPERIMENTS = ('all', 'classics', 'common')
CLASSICS = sorted(f'classics/{p.stem}' for p in (ROOT / 'configs' / 'classics').glob('*.py'))
CONFIGS = [
    *sorted(p.stem for p in (ROOT / 'configs').glob('*.py') if p.stem not in NOT_EXPERIMENTS),
    *CLASSICS,
]


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))


def module(name):
    """Loaded from its file, as main.py does it."""
    spec = importlib.util.spec_from_file_location(
        name.replace('/', '_'), ROOT / 'configs' / f'{name}.py'
    )
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_there_are_configs():
    assert {'bn_batchsize', 'bn_onoff', 'clr_mlp3', 'dropout_rate', 'classics/swa'} <= set(CONFIGS)


def test_a_collection_has_every_experiment_of_its_folder():
    for name, own in (('all', set(CONFIGS) - set(CLASSICS)), ('classics', set(CLASSICS))):
        collected = module(name).get_config('smoke')
        assert sorted(collected.experiments) == sorted(f'configs/{one}.py' for one in own)
        assert (collected.name, collected.size) == (name, 'smoke')


def test_no_experiment_has_the_name_of_another():
    # Each has a work folder of its name, and is found by it.
    assert len({name.rpartition('/')[2] for name in CONFIGS}) == len(CONFIGS)


@pytest.mark.parametrize('name', CONFIGS)
def test_the_docstring_asks_the_question_and_gives_the_command(name):
    doc = inspect.getdoc(module(name))
    assert '?' in doc.splitlines()[0]
    assert f'python main.py --config=configs/{name}.py' in doc
    question = module(name).get_config('smoke').question
    assert f' | {question} | ' in (ROOT / 'README.md').read_text()


@pytest.mark.parametrize('size', experiment.SIZES)
@pytest.mark.parametrize('name', CONFIGS)
def test_it_is_a_valid_plan_at_every_size(name, size):
    found = experiment.build(module(name).get_config(size))
    assert (found.name, found.size) == (name.rpartition('/')[2], size)
    assert found.question.endswith('?')
    assert found.document
    assert found.claims
    for claim in found.claims:  # which stand alone in an answer
        assert not REFERS.match(claim.sentence), claim.sentence
    assert found.figures
    assert len(found.runs) == len(found.points) * found.seeds
    IDS[name, size] = {run.id for run in found.runs}
    assert len(IDS[name, size]) == len(found.runs)
    if size == 'paper':
        assert found.seeds >= 6 or found.plain.exact


@pytest.mark.parametrize(
    'name', ['circles', 'clr_mlp3', 'clr_mlp9', 'init_sensitivity', 'lambda_search', 'mc_dropout']
)
def test_numbers_that_are_tested_at_paper_are_shown_and_not_compared_elsewhere(name):
    paper = experiment.build(module(name).get_config('paper'))
    known = {one.value for one in published.of_claims(paper.claims)}
    assert not any(one.differs for one in paper.published)
    for size in ('smoke', 'quick'):
        found = experiment.build(module(name).get_config(size))
        assert not published.of_claims(found.claims)
        shown = {one.value for one in found.published if one.differs}
        assert shown & known
        assert shown <= known | {one.value for one in paper.published}
        assert {one.value for one in found.published} >= known or name == 'mc_dropout'


def _ids(name, size):
    """The ids of a config's runs, which it takes a while to name: those that were named before."""
    if (name, size) not in IDS:
        runs = experiment.build(module(name).get_config(size)).runs
        IDS[name, size] = {run.id for run in runs}
    return IDS[name, size]


@pytest.mark.parametrize('name', CONFIGS)
def test_sizes_are_different_experiments(name):
    if experiment.build(module(name).get_config('smoke')).plain is not None:
        pytest.skip('sizes of a plain study may differ in the number of seeds alone, or not at all')
    runs = [_ids(name, size) for size in experiment.SIZES]
    assert not runs[0] & runs[1]
    assert not runs[1] & runs[2]


@pytest.mark.parametrize('name', CONFIGS)
def test_a_smaller_size_than_the_documents_says_so(name):
    found = {size: experiment.build(module(name).get_config(size)) for size in experiment.SIZES}
    assert 'no result' in found['smoke'].caution
    assert not found['paper'].caution
    # What a plain function computes is the same with fewer samples.
    assert ('smaller network' in found['quick'].caution) == (found['quick'].plain is None)


@pytest.mark.usefixtures('quickly_compiled')
@pytest.mark.parametrize('name', CONFIGS)
def test_it_runs_at_smoke(name, tmp_path):
    found = experiment.build(module(name).get_config('smoke'))
    out = io.StringIO()
    answer = laboratory.run(found, tmp_path, Console(file=out), command='test')
    results = answer.results
    tested = [measured.usual(found.base).on('test')]  # votes have no loss, but an accuracy
    for metric in tested if found.plain is None else found.plain.finals:
        assert results.final(metric).shape == (len(results.settings), found.seeds)
        assert np.isfinite(results.final(metric)[~results.diverged]).all()
    assert not results.diverged.all()
    assert len(answer.verdicts) == len(found.claims)
    assert len(json.loads((tmp_path / 'claims.json').read_text())['verdicts']) == len(found.claims)
    shown = json.loads((tmp_path / 'claims.json').read_text())['published']
    assert len(shown) == len(published.of_claims(found.claims)) + len(found.published)
    assert all(np.isfinite(one['effect']) for one in shown)
    for figure in found.figures:
        assert (tmp_path / 'figures' / f'{figure.name}.png').stat().st_size > 2_000
        assert (tmp_path / 'figures' / f'{figure.name}.svg').stat().st_size > 2_000
    page = answer.report.read_text()
    assert page.count(found.caution) == 2  # among the warnings, and in the config
    for said in (out.getvalue(), (tmp_path / 'report.md').read_text()):
        assert said.count(found.caution) == 1
    assert all(figure.title in page for figure in found.figures)
    assert results.data_label in page
    # All but this one have data that are embedded or generated, whatever is on disk.
    known = CATALOGUE.get(found.base.data.name)  # None of data that the config registers
    if known and found.plain is None and name != 'lr_patterns_cifar':
        assert (known.archives, known.made_of, results.fallback) == ((), '', False)
        assert results.data_label == known.title
    assert str(answer.report) in out.getvalue()
