"""CSV files as data sets."""

import pytest

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.settings import DATASETS, Data
from jaxtweaks.data import csv_file
from jaxtweaks.data.load import load

COUNT = 40


def write(folder, text):
    (folder / 'a b.csv').write_text(text)
    return folder / 'a b.csv'


ROWS = ''.join(f'{i / 3},{"ab"[i % 2]},"{i * i}.5"\n' for i in range(COUNT))


def test_a_csv_file_is_data_by_its_name(tmp_path):
    path = write(tmp_path, 'size, kind ,y\n' + ROWS + 'NA,a,1.5\n')
    name = f'csv:{path}?target=y&missing=drop'
    assert name in DATASETS
    found = load(Data(name=name, train_size=20, validation_size=5), lambda text: None)
    assert (found.targets, found.label, found.classes) == ('float', 'a b.csv', ('y',))
    assert found.training.images.shape == (20, 1, 1, 2)
    assert len(found.test) == 8


def test_a_csv_file_says_what_stands_for_no_value(tmp_path):
    rows = ''.join(f'{k % 9},{"none" if k % 2 else "some"},{k}.5\n' for k in range(30))
    path = write(tmp_path, 'a,b?,c\n' + '?,some,1.5\n' + rows)
    reported = []
    found = csv_file.from_csv(f'{path}?target=c&na_values=?&missing=drop', reported.append)
    assert len(found.training) + len(found.test) == 30
    assert '1 of 31 rows lack a value (a 1)' in reported[0]
    # A name may have any character, and a path a question mark.
    (tmp_path / 'what?').mkdir()
    path = write(tmp_path / 'what?', 'a,"b?, c",d\n' + '1,x,2.5\n2,y,3.5\n' * 9)
    assert csv_file.from_csv(f'{path}?target=b?%2C c', reported.append).classes == ('x', 'y')


TEXTS = {
    'one that is no number': (
        'x,y\n' + '1,2.5\n' * 3 + '"1,234",3\n', '?target=y', "such as '1,234' in row 4",
    ),
    'integers that float64 merges': (
        f'x,y\n{2**60},2.5\n{2**60 + 1},3\n', '?target=y', 'cannot tell apart',
    ),
    'no target': ('x,y\n1,2\n', '', 'which column is predicted'),
    'an unknown option': ('x,y\n1,2\n', '?target=y&mising=drop', "unknown option 'mising'"),
    'an option twice': (
        'x,y,z\n1,2,3\n', '?target=z&target=y', "'target' is there twice; .* with commas between",
    ),
    'two ways to do without': (
        'x,y\n1,2\n', '?target=y&missing=drop,mean', "'missing' is 'drop,mean'; .* one word",
    ),
    'two kinds of targets': ('x,y\n1,2\n', '?target=y&targets=a,b', "'targets' is 'a,b'; .* one"),
    'words that are not used': (
        'x,y,z\n1,2,3\n', '?target=y&columns=x&words=z', "words names 'z', which is not used",
    ),
    'missing values': ('x,y\n1,2.5\n,3\n', '?target=y', r'1 of 2 rows .*\(x 1\)'),
    'a short row': ('x,y\n1,2\n3\n', '?target=y', 'line 3 has 1 values'),
    'no rows': ('x,y\n', '?target=y', 'has no rows'),
    'a name twice': ('x,x\n1,2\n', '?target=x', "name 'x' twice"),
    'dates': ('x,y\n2020-01-02,2.5\n2020-02-02,3\n', '?target=y', "'x' holds dates"),
}  # fmt: skip


@pytest.mark.parametrize('case', TEXTS)
def test_what_is_wrong_with_a_file_is_said(tmp_path, case):
    text, options, message = TEXTS[case]
    with pytest.raises(UserError, match=message):
        csv_file.from_csv(f'{write(tmp_path, text)}{options}', lambda text: None)
    with pytest.raises(UserError, match='No such file'):
        csv_file.from_csv('no/such.csv?target=y')


FILES = {
    'another encoding': (b'x,y\r\n1,2\r\n3,\xe9\r\n', r'line 3 is not UTF-8 \(byte 0xe9\)'),
    'the same behind a mark': (b'\xef\xbb\xbfx,y\n1,\xff\n', 'line 2 is not UTF-8'),
    'the same in the first line': (b'\xffx,y\n1,2\n', 'line 1 is not UTF-8'),
    'a quote within': (b'x,y\n1,2\n"a"b,2\n', "line 3: ',' expected after"),
    'an open quote': (b'x,y\n1,2\n"a,2\n', 'line 3: unexpected end of data'),
    'an open quote among the names': (b'"x,y', 'line 1: unexpected end of data'),
}


@pytest.mark.parametrize('case', FILES)
def test_a_line_of_a_file_that_cannot_be_read_is_named(tmp_path, case):
    content, message = FILES[case]
    (tmp_path / 'a.csv').write_bytes(content)
    with pytest.raises(UserError, match=message):
        csv_file.read_csv(tmp_path / 'a.csv')


def test_codes_with_an_underscore_are_words(tmp_path):
    rows = [f'{code},{k % 2}.5' for k, code in enumerate(['1_21', '12_1', '121'] * 6)]
    (tmp_path / 'codes.csv').write_text('\n'.join(['code,y', *rows]))
    reported = []
    csv_file.from_csv(f'{tmp_path}/codes.csv?target=y', notify=reported.append)
    assert '3 features of 1 columns' in reported[-1]


def test_what_stands_for_no_value_nowhere_in_a_file_is_said(tmp_path):
    path = write(tmp_path, 'a,c\n' + ''.join(f'{k or "-999"},{k}.5\n' for k in range(30)))
    for options, said in (
        ('na_values=-99', True),
        ('na_values=-999.0', False),
        ('na_values=', False),
    ):
        reported = []
        csv_file.from_csv(f'{path}?target=c&missing=drop&{options}', reported.append)
        assert ("na_values: '-99' is nowhere" in reported[0]) == said
