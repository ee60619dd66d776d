"""The table of published numbers says which lie within seed noise, and counts what compares."""

import json

import pytest
from fake_verdicts import compared
from test_overview import put

from jaxtweaks.report import overview, published


@pytest.mark.parametrize(
    ('value', 'n', 'word'),
    [
        (0.52, 3, 'inside'),
        (0.51, 3, 'inside'),  # the end itself
        # Half a width of 0.01, √(3 + 1) = 2 times as wide for one more run.
        (0.505, 3, 'within one run'),
        (0.499, 3, 'outside'),
        (0.499, 8, 'within one run'),  # √9 = 3 times
        (0.52, 1, 'too few seeds'),
    ],
)
def test_the_rule(value, n, word):
    assert published.state(value, 0.52, 0.51, 0.53, n) == word


def test_what_does_not_scatter_is_inside_if_it_is_the_same():
    assert published.state(0.1, 0.1, 0.1, 0.1, 10) == 'inside'
    assert published.state(0.1, 0.1000000001, 0.1000000001, 0.1000000001, 10) == 'inside'
    assert published.state(0.978, 1.0, 1.0, 1.0, 10) == 'outside'
    nan = float('nan')
    assert published.state(0.1, 0.1, nan, nan, 1) == 'too few seeds'


def test_an_exact_number_has_the_rounding_of_the_document():
    exact = {'exact': True, 'low': None, 'high': None, 'n': 1}
    weights = {'effect': 138_344_128, 'claim': {'metric': 'weights'}}
    cells = published.cells(
        compared(**exact, **weights, number={'value': 138e6, 'margin': 5e5}), 'quick'
    )
    assert cells[2:] == ('138,000,000', '138,344,128', '—', 'exact', 'as published')
    cells = published.cells(
        compared(**exact, **weights, number={'value': 24e6, 'margin': 5e5}), 'quick'
    )
    assert cells[-1] == 'not as published'


def test_an_exact_number_that_is_not_finite_was_not_measured():
    nothing = compared(exact=True, effect=None, low=None, high=None, n=1)
    assert published.cells(nothing, 'quick')[3:] == ('—', '—', 'exact', 'not measured')
    assert 'Of 1 nothing was measured.' in published.table([nothing], 'quick').note


def test_a_mean_of_places_has_no_digits_of_rounding():
    # The mean of ten 0.00725 next to 0.00725, which 17 digits would keep apart.
    place = {'effect': 0.007250000000000001, 'low': 0.00725, 'high': 0.0072500000000000004}
    one = compared(**place, claim={'kind': 'optimum'}, number={'value': 0.0015})
    assert published.cells(one, 'quick')[2:5] == ('0.0015', '0.00725', '0.00725 to 0.00725')


def test_a_row_says_all_and_why_it_is_not_counted():
    assert published.cells(compared(), 'paper') == (
        'With batch norm', 'MLP-BN §4.1', '53.64%', '53.43%', '53.28% to 53.58%', '10',
        'within one run',
    )  # fmt: skip
    quick = compared(number={'differs': '20,000 images', 'reading': 'ReLU'})
    found = 'within one run, not counted: read as ReLU; 20,000 images'
    assert published.cells(quick, 'quick')[-1] == found
    smoke = published.cells(compared(), 'smoke', 'digits')[-1]
    assert smoke.endswith(', not counted: the size is smoke; stand-in data')


def test_omitted_seeds_are_counted():
    table = published.table([compared(), compared(n=9, dropped=1)], 'paper')
    assert [row[5] for row in table.rows] == ['10', '9 (1 omitted)']
    assert table.note.endswith(published.OMITTED)
    assert published.OMITTED not in published.table([compared()], 'paper').note


def test_a_difference_and_a_place_read_as_such():
    gain = compared(
        effect=0.01, low=0.005, high=0.015, claim={'kind': 'greater'}, number={'value': 0.025}
    )
    assert published.cells(gain, 'paper')[2:5] == (
        '2.50%',
        '+1.00 points',
        '+0.50 to +1.50 points',
    )
    place = compared(
        effect=0.005, low=0.004, high=0.006, claim={'kind': 'optimum'}, number={'value': 0.0015}
    )
    assert published.cells(place, 'paper')[2:5] == ('0.0015', '0.005', '0.004 to 0.006')


def test_only_what_can_be_compared_is_counted():
    cells = ['inside', 'within one run', 'outside', 'as published', 'not as published']
    cells += ['too few seeds', 'inside, not counted: the size is smoke']
    cells += ['inside, not counted: read as ReLU', 'outside, not counted: read as ReLU']
    cells += ['inside, not counted: read as ReLU; 20 epochs']
    assert published.counted(cells) == [
        '1 of 3 published numbers lie within seed noise: inside the 95% interval of the measured '
        'mean. 2 of 3 lie where one more run would fall.',
        'Of 2 that no seed changes, 1 are as published.',
        'Of 1 there are too few seeds.',
        'Where one more run would fall by another reading: ReLU 1 of 2.',
        'Not counted, as the last column says: 2.',
    ]
    assert published.counted([]) == []


def test_the_table_of_a_report():
    table = published.table([compared(), compared(number={'differs': 'other images'})], 'paper')
    assert table.columns == published.COLUMNS
    assert table.note.startswith('0 of 1 published number lie')
    assert table.raw[0][2:6] == (0.5364, 0.5343, 0.5328, 10)
    assert '**Published numbers**' in table.to_markdown()


def test_of_several_sizes_the_largest_counts():
    rows = [
        published.Row('A', ('it', 'A §1', '1%', '2%', '', '', word), 'x', size, 'MNIST')
        for size, word in (('quick', 'outside'), ('paper', 'inside'))
    ]
    other = published.Row('A', ('that', *rows[0].cells[1:]), 'x', 'quick', 'MNIST')
    assert published.largest([*rows, other]) == [rows[1], other]


def test_an_overview_has_them_all(tmp_path):
    of = lambda source: {'source': source}
    put(tmp_path, 'a', [], published=[compared(), compared(number=of('INITREG Table <I>'))])
    put(tmp_path, 'b', [], published=[compared(number=of('ROLE §2'))], size='paper')
    put(tmp_path, 'c', [])  # of before there were any
    page, text = overview.write(tmp_path / 'overview', overview.gather([tmp_path]))
    page, text = page.read_text(), text.read_text()
    assert '<h2 id="published">Published numbers</h2>' in page
    assert 'INITREG Table &lt;I&gt;' in page
    assert page.count('<td data-name="seed noise">within one run</td>') == 3
    assert '0 of 3 published numbers lie within seed noise' in text
    lines = text.partition('## Published numbers')[2].splitlines()
    rows = [line for line in lines if 'within one run |' in line]
    assert [row.split(' | ')[0] for row in rows] == ['| ROLE', '| MLP-BN', '| INITREG']
    assert rows[0].endswith('| CIFAR-10 | [b:paper](<../b/report.html>) |')
    assert 'Published numbers' not in ''.join(written_of_none(tmp_path / 'c'))


def written_of_none(folder):
    return [
        path.read_text() for path in overview.write(folder / 'overview', overview.gather([folder]))
    ]


def test_what_is_stored_is_enough(tmp_path):
    put(tmp_path, 'a', [], published=json.loads(json.dumps([compared()])))
    (row,) = overview.numbers(overview.gather([tmp_path]), tmp_path)
    assert (row.document, row.experiment, row.size, row.data) == (
        'MLP-BN',
        'a',
        'quick',
        'CIFAR-10',
    )
