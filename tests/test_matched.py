"""What a config says of settings that its sweep does not have is one line of complaint."""

import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.expand import grid, points, product
from jaxtweaks.lab import experiment

RATE, BN, DROPPED, EPOCHS = (
    'optim.learning_rate', 'model.norm', 'dropout.hidden', 'train.epochs',
)  # fmt: skip
SWEEP = product(grid(RATE, 1e-5, 1e-4), grid(BN, 'none', 'batch'), grid(DROPPED, 0.0, 0.5))
ONE = {BN: 'none', DROPPED: 0.0}
CURVES = {'name': 'f', 'kind': 'curves', 'title': 'T', 'metrics': ('test_loss',), 'hue': RATE}
CLAIM = {'sentence': 'S', 'source': 'T', 'kind': 'greater', 'metric': 'test_loss', 'where': ONE,
         'a': {RATE: 1e-5}, 'b': {RATE: 1e-4}}  # fmt: skip


def build(**values):
    return experiment.build({'name': 'x', 'sweep': SWEEP, **values})


@pytest.mark.parametrize(
    'key',
    [
        RATE,
        f'{RATE}=1e-05',
        f'{BN}=batch',
        'batch',
        '0.5',
        f'1-{DROPPED}',
        f'1-{DROPPED}=0.5',
        f'{RATE} + {BN}',
        f"{RATE} + {BN}=(1e-05, 'none')",
        'data.train_size',  # swept at another size, perhaps
    ],
)
def test_a_name_of_something_is_taken(key):
    assert build(names=((key, 'word'),)).names == ((key, 'word'),)


@pytest.mark.parametrize(
    ('key', 'hint'),
    [
        (f'{RATE}=1e-5', f"did you mean '{RATE}=1e-05'?"),
        (f'{BN}=batc', f"did you mean '{BN}=batch'?"),
        ('bacth', "did you mean 'batch'?"),
        ('optim.learning_rte', f"did you mean '{RATE}'?"),
        ('no.such=3', 'valid: '),
        (f"{RATE} + {BN}=(1e-5, 'none')", f"did you mean '{RATE} + {BN}=(1e-05, 'none')'?"),
        (f'1-{DROPPED}=0.3', f'1-{DROPPED}=1.0'),
    ],
)
def test_a_name_of_nothing_is_refused_with_the_nearest(key, hint):
    with pytest.raises(UserError) as caught:
        build(names=((key, 'word'),))
    assert str(caught.value).startswith(f'names: {key!r} names nothing in this sweep; ')
    assert hint in str(caught.value)
    with pytest.raises(UserError, match="figure 'f': names: "):
        build(figures=({**CURVES, 'metrics': ('train_loss',), 'where': ONE, 'names': {key: 'w'}},))


def test_a_sweep_from_the_command_line_may_lack_what_the_config_names():
    values = {'name': 'x', 'sweep': grid(RATE, 0.5), 'names': ((f'{RATE}=0.1', 'large'),)}
    assert experiment.build(values, overrides=['sweep'])


def test_every_alternative_of_a_condition_is_a_value():
    build(claims=({**CLAIM, 'where': {BN: ('none', 'batch'), DROPPED: 0.0}},))
    words = "no setting has model.norm = 'group'; valid: 'none', 'batch'"
    with pytest.raises(UserError, match=rf"claim 'S' \(T\): {words}"):
        build(claims=({**CLAIM, 'where': {BN: ('none', 'group'), DROPPED: 0.0}},))
    with pytest.raises(UserError, match=rf"figure 'f': {words}"):
        build(figures=({**CURVES, 'metrics': ('train_loss',), 'panels': DROPPED,
                        'where': {BN: ('none', 'group')}},))  # fmt: skip


def test_a_mark_is_within_the_run():
    figure = {**CURVES, 'metrics': ('train_loss',), 'where': ONE}
    build(figures=({**figure, 'marks': ((10, 'end'),)},), train={'epochs': 10})
    with pytest.raises(UserError, match=r"figure 'f': marks: 11 is no epoch; they are 0 to 10"):
        build(figures=({**figure, 'marks': ((11, 'end'),)},), train={'epochs': 10})


def test_a_mark_of_an_effect_is_an_x_and_no_epoch():
    effect = {**CURVES, 'kind': 'effect', 'hue': '', 'metrics': ('train_loss',)}
    for x, values, mark in (
        ('train.batch_size', (10, 50, 100), 60),  # beyond the 3 epochs
        ('noise.input', (0.0, 0.1), -0.5),
    ):
        shown = {**effect, 'x': x, 'marks': ((mark, 'here'),)}
        (figure,) = build(sweep=grid(x, *values), figures=(shown,), train={'epochs': 3}).figures
        assert figure.marks == ((mark, 'here'),)


def test_a_published_value_of_a_confusion_matrix_has_its_panel():
    figure = {'name': 'c', 'kind': 'confusion', 'title': 'T', 'hue': BN}
    sweep = points({BN: 'none'}, {BN: 'batch'})
    build(sweep=sweep, figures=({**figure, 'published': (('none', 0.5, 'them'),)},))
    with pytest.raises(UserError, match=r"published: no panel has model\.norm = 'group'"):
        build(sweep=sweep, figures=({**figure, 'published': (('group', 0.5, 'them'),)},))
