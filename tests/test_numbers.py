"""Numbers read as what they are: no two of a field alike, none as 0 or 1 that is not."""

import math

import numpy as np
import pytest
from fake_results import sweep
from fake_verdicts import verdict

from jaxtweaks.base.numbers import (
    apart,
    complements,
    digits,
    fixed,
    number,
    of_bytes,
    p_value,
    percent,
)  # fmt: skip
from jaxtweaks.base.words import Names, metric_interval, metric_value, named, together, value_label
from jaxtweaks.claims import claims
from jaxtweaks.claims.claim import Claim
from jaxtweaks.figures import figures
from jaxtweaks.report import report_curves, tables
from jaxtweaks.report.verdict_words import effect_words, published_words
from jaxtweaks.results import labelled

BETA = 'adam.b2'
RATE = 'optim.learning_rate'


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ((0.99, 0.999, 0.9999, 0.99999), ['0.99', '0.999', '0.9999', '0.99999']),
        ((0.9999,), ['0.9999']),
        ((0.999999999,), ['0.999999999']),
        ((0.00004, 0.0), ['4e−5', '0']),
        ((123456789, 123456790), ['123456789', '123456790']),
        ((123456789.0, 1e5, 2e20), ['123456789', '1e5', '2e20']),
        ((0.0123451, 0.0123452, 0.0123399), ['0.0123451', '0.0123452', '0.0123399']),
        ((0.9, 0.9000001, 0.90000001), ['0.9', '0.9000001', '0.90000001']),
        ((1e-4 / 3, 2e-4 / 3), ['3.33e−5', '6.67e−5']),
        ((1 / 3, 1 / 3 + 1e-9, 2 / 3), ['0.333333333', '0.333333334', '0.667']),
        ((0.1 + 0.2,), ['0.3']),
        ((0.1 + 0.2, 0.3), ['0.30000000000000004', '0.3']),
        ((1999.99999999, 2000), ['1999.99999999', '2000']),
        ((-0.0, 0.0), ['0']),
        ((math.inf, -math.inf, -2.5), ['∞', '−∞', '−2.5']),
        ((10**30,), ['1' + 30 * '0']),
    ],
)  # fmt: skip
def test_values_of_a_field_never_read_alike(values, words):
    assert list(apart(values).values()) == words


def test_any_values_at_all_are_kept_apart():
    rng = np.random.default_rng(0)
    for spread in 10.0 ** np.arange(-15, 6):
        values = [*(1 + spread * rng.normal(size=20)), 1.0, 0.0, *(spread * rng.normal(size=20))]
        words = apart(map(float, values))
        assert len(set(words.values())) == len(words)
        read = {value: float(text.replace('−', '-')) for value, text in words.items()}
        assert all(text not in (0, 1) for value, text in read.items() if value not in (0, 1))
        assert all(text == pytest.approx(value, rel=5e-3) for value, text in read.items())


def test_what_was_measured_is_not_rounded_to_0_or_1():
    assert [percent(share) for share in (0.99996, 1, 0, 0.00003, -0.00003)] == [
        '99.996', '100.00', '0.00', '0.003', '−0.003',
    ]  # fmt: skip
    assert [percent(share) for share in (1 - 1e-15, -1e-17)] == ['100.00', '0.00']  # of rounding
    assert [percent(share, 0) for share in (0.996, 0.004, 0.5, 1)] == ['99.6', '0.4', '50', '100']
    assert [number(value, 4) for value in (0.99996, 1.0, 0.00004, -0.0)] == [
        '0.99996', '1', '4e−5', '0',
    ]  # fmt: skip
    assert fixed(-0.0001, 2, sign='+') == '−0.0001'
    assert fixed(0.0, 2, sign='+') == '+0.00'
    assert [p_value(p) for p in (1e-9, 0.012, 0.9996, 1.0)] == ['< 0.001', '0.012', '> 0.999', '1']
    assert metric_value('test_accuracy', 0.99996) == '99.996%'
    assert metric_interval('test_accuracy', 0.99996, 0.00002) == '99.996 ± 0.002%'
    assert metric_interval('test_accuracy', 0.5, 1e-6) == '50.00 ± < 0.01%'
    assert metric_interval('test_accuracy', 1.0, 0.0) == '100.00 ± 0.00%'
    assert metric_interval('train_loss', 0.4, 1e-9) == '0.400000 ± < 0.000001'


def test_the_interval_of_a_share_stays_within_0_and_100_percent():
    assert metric_interval('test_accuracy', 0.99, 0.03) == '99.00% (96.00 to 100.00)'
    assert metric_interval('test_error', 0.01, 0.03) == '1.00% (0.00 to 4.00)'
    # What is a difference of shares, or no share, may lie beyond.
    assert metric_interval('gap_accuracy', 0.01, 0.03) == '1.00 ± 3.00%'
    assert metric_interval('test_accuracy_gain', -0.01, 0.03) == '−1.00 ± 3.00%'
    assert metric_interval('train_loss', 0.01, 0.03) == '0.010 ± 0.030'


def test_complements_are_as_one_writes_them_and_stay_apart():
    assert complements([0.9, 0.1 + 0.2, 0, 0.6000000000000001]) == [0.1, 0.7, 1, 0.4]
    assert complements([1e-11, 0.9]) == [0.99999999999, 0.1]
    assert complements([0.9, 0.90000000000001]) == [0.1, 0.09999999999999]


def test_values_that_a_config_calls_by_one_word_are_shown_by_themselves_too():
    settings = [{RATE: 0.1}, {RATE: 0.2}, {RATE: 0.3}]
    names = Names({f'{RATE}=0.1': 'low', f'{RATE}=0.2': 'low', RATE: 'η'}, settings)
    assert [value_label(RATE, s[RATE], names) for s in settings] == [
        'low (0.1)',
        'low (0.2)',
        '0.3',
    ]
    names = Names({}, [{'a.b': None}, {'a.b': '—'}, {'a.b': 'x_y'}, {'a.b': 'x y'}])
    assert len({value_label('a.b', value, names) for value in (None, '—', 'x_y', 'x y')}) == 4
    hidden = Names({}, [{'model.hidden': (8, 16)}, {'model.hidden': ()}])
    assert value_label('model.hidden', (8, 16), hidden) == '8, 16'
    assert named('model.hidden', (), hidden) == 'hidden units none'


def test_a_value_in_between_is_shown_as_well():
    names = Names({}, [{RATE: 0.1}, {RATE: 0.2}])
    assert names.number(RATE, 0.10000001) == '0.10000001'
    assert names.number('no.such', 0.9999) == '0.9999'


def figure(**values):
    return figures.Figure(**{'name': 'it', 'title': 'It', 'metrics': ('test_accuracy',), **values})


def test_close_values_stay_apart_wherever_they_are_reported():
    values = (0.99, 0.999, 0.9999, 0.99999)
    words = ['0.99', '0.999', '0.9999', '0.99999']
    results = sweep({BETA: values}, seeds=6)
    assert [row[0] for row in tables.settings_table(results).rows] == words
    assert [row[0] for row in tables.runs_table(results).rows[::6]] == words
    assert tables.settings_table(results).settings == tuple(f'β₂ {word}' for word in words)
    assert report_curves.of(results)['settings'] == [f'β₂ {word}' for word in words]
    drawn = figures.draw(figure(kind='curves', hue=BETA), results)
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == words
    ticks = figures.draw(figure(kind='effect', x=BETA), results).axes[0].get_xticklabels()
    assert set(words) >= {tick.get_text() for tick in ticks} > set()
    panels = figures.draw(figure(kind='curves', panels=BETA), results).axes
    assert [axes.get_title('left') for axes in panels] == [f'β₂ {word}' for word in words]
    claim = Claim(
        sentence='It grows.', source='x', kind='increasing', metric='test_accuracy', along=BETA
    )
    (found,) = claims.evaluate([claim], results)
    assert 'from β₂ 0.99 to 0.99999' in found.what
    assert list(found.measured) == ['β₂ 0.99', 'β₂ 0.99999']


def test_settings_that_read_alike_were_one():
    """A study's tables go by the words of a setting: alike, one took the other's place."""
    points = [{RATE: 0.0123451}, {RATE: 0.0123452}]
    assert len({together(point, Names({}, points)) for point in points}) == 2


def test_verdicts_tell_small_effects_and_near_optima():
    near = verdict(effect=0.00004, low=-0.00001, high=0.0002)
    assert effect_words(near) == ('+0.004 points', '−0.001 to +0.02 points')
    claim = {'kind': 'optimum', 'metric': 'test_accuracy'}
    found = verdict(claim=claim, effect=0.99991, low=0.9999, high=1.0, published={'p': 0.999912})
    assert effect_words(found) == ('0.99991', '0.9999 to 1')
    assert published_words(found) == 'p: 0.999912'


def test_labels_of_arrays_are_the_values_themselves():
    results = sweep({BETA: (0.9999999, 0.99999999)}, seeds=1)
    found = labelled.final('train_loss', results)
    assert found[found.dims[0]].values.tolist() == [0.9999999, 0.99999999]


@pytest.mark.parametrize(
    ('count', 'words'),
    [(0, '0 B'), (999, '999 B'), (1024, '1 KiB'), (3_580_000, '3.41 MiB'), (2**40 - 1, '1024 GiB')],
)
def test_bytes(count, words):
    assert of_bytes(count) == words


@pytest.mark.parametrize(
    ('value', 'words'),
    [
        (1.08e6, '1080000'),
        (90, '90'),
        (0.5, '0.5'),
        (1e-5, '0.00001'),
        (2.0**60, '1152921504606847000'),
    ],
)
def test_digits_can_be_typed_and_read_back(value, words):
    assert digits(value) == words
    assert float(words) == value
