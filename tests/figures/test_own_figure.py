"""Kinds of figures that a config registers."""

import numpy as np
import pytest
from fake_results import batch_sizes

from jaxtweaks.base.errors import UserError
from jaxtweaks.figures import register
from jaxtweaks.figures.figures import Figure, check, draw

SHOWN = {'title': 'Own', 'hue': 'model.norm', 'metrics': ('test_accuracy',)}


def test_a_function_draws_labelled_groups_and_the_page_is_ours():
    seen = []

    @register.figure('strip', needs=('x',))
    def strip(axes, panel):
        seen.append(panel)
        for place, group in enumerate(panel.groups):
            axes.plot(np.full(len(group.values), place), group.values, 'o', color=group.color)

    results = batch_sizes(seeds=4, diverged=[(0, 1, 3)])
    spec = Figure(name='it', kind='strip', x='train.batch_size', **SHOWN)
    check([spec], results.settings)
    sheet = draw(spec, results)
    (panel,) = seen
    groups = panel.groups
    assert [(g.hue, g.x) for g in groups[:2]] == [('none', 8), ('none', 16)]
    assert [g.label for g in groups[:2]] == ['8', '16']
    assert [len(g.values) for g in groups] == [3] + [4] * 11  # without what diverged
    np.testing.assert_array_equal(groups[1].values, results.finals['test_accuracy'][2])
    (axes,) = sheet.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ('batch size', 'test accuracy')
    assert sheet.legends[0].get_title().get_text() == 'normalisation'
    words = ' '.join(text.get_text() for text in sheet.texts)
    assert 'Own' in words
    assert '1 run of 48 diverged' in words


def test_curves_and_panels():
    seen = []
    register.figure('last', by_epoch=True)(lambda axes, panel: seen.append(panel))
    results = batch_sizes(seeds=2)
    spec = Figure(
        name='it', kind='last', title='T', metrics=('train_loss', 'validation_loss'),
        panels='model.norm', hue='train.batch_size',
    )  # fmt: skip
    sheet = draw(spec, results)
    assert [panel.metric for panel in seen] == ['train_loss'] * 2 + ['validation_loss'] * 2
    assert seen[0].groups[0].values.shape == (2, len(results.epochs))
    assert len(sheet.axes) == 4
    assert sheet.axes[0].get_xlabel() == 'epoch'


def test_what_fails_in_it_is_one_line_and_what_cannot_be_is_refused():
    register.figure('broken')(lambda axes, panel: panel.nothing)
    with pytest.raises(UserError, match=r"figure 'it' of kind 'broken': .*AttributeError"):
        draw(Figure(name='it', kind='broken', **SHOWN, x='train.batch_size'), batch_sizes(seeds=1))
    with pytest.raises(UserError, match="'curves': is the name of a built-in figure"):
        register.figure('curves')(lambda axes, panel: None)
    with pytest.raises(UserError, match=r'must be a function \(axes, panel\)'):
        register.figure('it')(lambda axes: None)
    with pytest.raises(UserError, match="no field 'hues'; did you mean 'hue'"):
        register.figure('it', reads=('hues',))
    spec = Figure(name='it', kind='broken', title='T')
    with pytest.raises(UserError, match="kind 'broken' needs metrics"):
        check([spec], batch_sizes(seeds=1).settings)
