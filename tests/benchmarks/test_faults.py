"""Short versions of `benchmarks/faults`: nothing may be silent, left behind or half-done."""

import pytest

from benchmarks.faults import configs, damage, data, disk
from jaxtweaks.data import image_file, inputs, labels

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')


def test_damage_is_refused_by_name_or_healed(capsys):
    assert damage.main(['--flips', '4', '--truncations', '2', '--seed', '1']) == 0
    out = capsys.readouterr().out
    assert '6 of 6, 0 silent' in out
    assert 'healed' in out


@pytest.fixture(scope='module')
def reference(tmp_path_factory):
    """A folder of a launch that found room, and the operations of writing it took."""
    folder, unlimited = tmp_path_factory.mktemp('room') / 'w', disk.Disk()
    assert disk.launch(folder, unlimited)[0] == 0
    return folder, unlimited.operations


@pytest.mark.parametrize('share', [0.3, 0.95])
def test_a_full_disk_is_an_error_and_with_room_it_goes_on(reference, tmp_path, share):
    """While a checkpoint and the report are written."""
    folder, operations = reference
    assert disk.at(round(share * operations), tmp_path / 'w', folder) == []


def test_a_generated_config_is_a_plan_or_a_complaint():
    counts = configs.check(examples=100, plans=1, seed=0)
    assert counts['refused'] > 20
    assert counts['accepted'] + counts['planned'] > 5
    assert counts['planned'] == 1


def test_generated_data_are_read_whole_refused_or_said():
    counts = data.check(count=120, seed=0)
    for kind in data.KINDS:
        assert counts[kind, 'refused'] > 5
        assert counts[kind, 'read'] + counts[kind, 'read with a notice'] > 10
    assert sum(counts.values()) == 120


@pytest.mark.parametrize(
    ('place', 'name', 'wrong'),
    [
        (image_file, '_on_white', lambda image: (image.convert('RGB'), False)),
        (image_file, 'is_image', lambda path: path.suffix == '.png'),
        (inputs, '_check_finite', lambda *array: None),
        (labels, '_check_none_missing', lambda *labels: None),
    ],
)
def test_what_is_read_wrongly_is_noticed(monkeypatch, place, name, wrong):
    """The generator of data is no use if it agrees with everything."""
    monkeypatch.setattr(place, name, wrong)
    with pytest.raises(AssertionError, match=r'number \d+ of seed 0, \w+: AssertionError'):
        data.check(count=240, seed=0)
