"""`--parts`, and a config that registers parts of its own, from the command line."""

import pytest

import jaxtweaks as jt
from jaxtweaks import app
from jaxtweaks.claims.claim import KINDS as CLAIMS
from jaxtweaks.config import parts, slots
from jaxtweaks.config.fields import traced
from jaxtweaks.figures.figure_spec import KINDS as FIGURES
from jaxtweaks.lab import parts_list

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')

OWN = '''"""Does Signum's mean need a long memory?"""
import optax

import jaxtweaks as jt


@jt.optimiser('signum', words='Signum')
def signum(
    learning_rate,
    *,
    b1=jt.traced(0.9, 'how much of the mean enters the sign', low=0.0, high=1.0),
    b2=jt.traced(0.99, 'decay of the mean', low=0.0, high=1.0),
):
    """The sign of a mean of gradients (Chen et al. 2023, arXiv 2302.06675)."""
    return optax.chain(optax.scale_by_lion(b1, b2), optax.scale_by_learning_rate(learning_rate))


@jt.augment('gain')
def gain(key, images, *, factor=jt.traced(1.0, 'factor of all pixels', off=1.0)):
    return factor * images


@jt.loss('brier', words='Brier')
def brier(logits, targets):
    """The squared distance of the probabilities (Brier 1950)."""
    import jax

    return ((jax.nn.softmax(logits) - targets) ** 2).sum(-1)


def get_config(size=None):
    config = jt.default_config('signum')
    config.question = "Does Signum's mean need a long memory?"
    config.size, config.seeds = size or 'smoke', 2
    config.data.name, config.data.train_size, config.data.validation_size = 'digits', 200, 100
    config.model.name, config.model.hidden = 'mlp', (8,)
    config.optim.name, config.optim.learning_rate, config.loss.name = 'signum', 0.003, 'brier'
    config.train.epochs = 2
    config.sweep = jt.product(jt.grid('signum.b2', 0.5, 0.99), jt.grid('gain.factor', 1.0, 2.0))
    return config
'''


@pytest.fixture
def signum(tmp_path, monkeypatch):
    (tmp_path / 'signum.py').write_text(OWN)
    monkeypatch.chdir(tmp_path)
    return tmp_path / 'signum.py'


def call(capsys, *args):
    capsys.readouterr()
    code = app.main(['main.py', *map(str, args)])
    out, err = capsys.readouterr()
    return code, out, err


def test_every_part_is_listed_with_its_parameters(capsys):
    code, out, err = call(capsys, '--parts')
    assert (code, err) == (0, '')
    words = ' '.join(out.split())
    for slot in slots.SLOTS:
        for part in parts.of_slot(slot).values():
            assert f' {part.name} ' in words
            for name, parameter in part.fields.items():
                assert f'{name} = {parameter.default!r} ({parameter.rule.kind}' in words
    assert 'adamw.weight_decay = 0.0 (traced, ≥ 0): λ, decoupled weight decay' in words


def test_kinds_and_data_sets_are_listed_with_what_they_need(capsys):
    with CLAIMS.temporary(), FIGURES.temporary():
        jt.claim('above', needs=('a', 'b'))(lambda arms, test: (1.0, 1.0))
        jt.figure('violin', needs=('x',))(lambda axes, panel: None)
        jt.dataset('spirals_listed')(lambda: None)
        jt.tweak('cool', off=1.0)(lambda key, x, strength, train: x / strength)
        declared = lambda key, x, train, *, by=traced(0.0, 'how much', off=0.0): x * (1 - by)
        jt.tweak('shrink')(declared)
        code, out, err = call(capsys, '--parts')
    assert (code, err) == (0, '')
    words = ' '.join(out.split())
    for registry in parts_list.REGISTRIES:
        for name in registry:
            assert f' {name} ' in words
            assert registry.first_line(name) in words
    assert ' above above needs a, b reads at, goal' in words
    assert ' violin violin needs metrics, x reads metrics' in words
    assert 'stopping.rules = (): the rules' in words
    assert ' cifar10 CIFAR-10 ' in words
    assert ' spirals_listed ' in words
    assert ' shrink shrink shrink.by = 0.0 (traced): how much' in words
    assert ' cool cool tweaks.cool = 1.0 (traced, ≥ 0): strength of the tweak' in words


def test_every_built_in_part_says_what_it_does():
    for slot in slots.SLOTS:
        for part in parts.of_slot(slot).values():
            assert part.build.__doc__, part
            for parameter in part.parameters.values():
                assert parameter.rule.doc, part


def test_parts_of_a_config_are_listed_swept_overridden_and_named(capsys, signum):
    code, out, _ = call(capsys, '--parts', '--config=signum.py')
    assert code == 0
    assert 'signum.b1 = 0.9 (traced, ≥ 0 and ≤ 1)' in out
    code, out, err = call(capsys, '--config=signum.py', '--config.signum.b1=0.8', '--workdir=w')
    assert (code, err) == (0, ''), err
    assert '8 runs in 1 program' in out
    text = (signum.parent / 'w' / 'report.md').read_text()
    assert 'b2 of Signum' in text
    code, _, err = call(capsys, '--config=signum.py', '--config.signum.b3=0.8')
    assert (code, err.count('\n')) == (2, 1)
    assert "unknown key 'b3' in config.signum; did you mean 'b2'? (valid: b1, b2)" in err


def test_a_part_that_does_something_else_is_refused_in_the_folder(capsys, signum):
    assert call(capsys, '--config=signum.py', '--workdir=w', '--quiet')[0] == 0
    signum.write_text(OWN.replace('factor * images', 'factor * images + 0.0 * factor'))
    code, _, err = call(capsys, '--config=signum.py', '--workdir=w', '--quiet')
    assert (code, err.count('\n')) == (2, 1), err
