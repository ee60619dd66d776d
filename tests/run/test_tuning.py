"""The way of batching: the fastest that works; what fails is omitted and remembered."""

import jax
import pytest

from jaxtweaks.config import trace
from jaxtweaks.config.settings import Setting
from jaxtweaks.run import native, tuning
from jaxtweaks.run.compiled import candidates
from jaxtweaks.run.memory import Probe
from jaxtweaks.run.plan import Group, all_runs

SECONDS = {'map': 3.0, 'vmap_matmul': 1.0, 'vmap_pallas': 0.5}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(tmp_path))


def groups(*ways):
    runs = tuple(all_runs(Setting(), [{}], range(2)))
    return {way: Group(runs, 2, way, frozenset()) for way in ways}


class Prober:
    """Measures groups as SECONDS says, but for those that raise."""

    def __init__(self, **errors):
        self.errors, self.asked = errors, []

    def __call__(self, group):
        self.asked.append(group.batching)
        if error := self.errors.get(group.batching):
            raise error
        return Probe(1.0, SECONDS[group.batching], 1.0)


def test_the_fastest_is_chosen_and_believed_the_next_time():
    first, second = Prober(), Prober()
    found = 'vmap_pallas', Probe(1.0, 0.5, 1.0, measured=SECONDS)
    assert tuning.fastest(groups(*SECONDS), first) == found
    assert first.asked == list(SECONDS)
    assert tuning.fastest(groups(*SECONDS), second) == found
    assert second.asked == ['vmap_pallas']


@pytest.mark.parametrize(('images', 'tried'), [(6.6, 1), (7.0, 2), (21.0, 3)])
def test_no_other_way_is_tried_where_it_cannot_save_what_that_costs(images, tried):
    probe = Prober()  # three seconds an image, and one to compile
    way, _ = tuning.fastest(groups(*SECONDS), probe, images)
    assert (probe.asked, way) == (list(SECONDS)[:tried], list(SECONDS)[tried - 1])
    again = Prober()
    tuning.fastest(groups(*SECONDS), again)
    remembered = again.asked == ['vmap_pallas']
    assert remembered == (tried == 3), 'some alone must not be remembered as all'


def test_other_layers_are_measured_again(monkeypatch):
    tuning.fastest(groups(*SECONDS), Prober())
    monkeypatch.setattr(tuning, '_code', lambda: 'with a faster kernel')
    again = Prober()
    tuning.fastest(groups(*SECONDS), again)
    assert again.asked == list(SECONDS)


def test_a_way_that_raises_is_omitted_with_its_reason_and_not_tried_again():
    error = LookupError('no Triton for you\nand a long trace')
    way, cost = tuning.fastest(groups(*SECONDS), Prober(vmap_pallas=error))
    assert way == 'vmap_matmul'
    assert cost.failed == {'vmap_pallas': 'LookupError: no Triton for you'}
    again = Prober()
    way, cost = tuning.fastest(groups(*SECONDS), again)
    assert (way, again.asked) == ('vmap_matmul', ['vmap_matmul'])
    assert cost.failed == {'vmap_pallas': 'LookupError: no Triton for you'}


@pytest.mark.parametrize(
    'error', [RuntimeError('RESOURCE_EXHAUSTED: out of memory'), MemoryError('no more')]
)
def test_a_lack_of_memory_is_not_remembered(error):
    assert tuning.fastest(groups(*SECONDS), Prober(vmap_pallas=error))[0] == 'vmap_matmul'
    assert tuning.fastest(groups(*SECONDS), Prober())[0] == 'vmap_pallas'


def test_if_nothing_works_the_error_is_raised():
    errors = {way: RuntimeError(way) for way in SECONDS}
    with pytest.raises(RuntimeError, match='vmap_pallas'):
        tuning.fastest(groups(*SECONDS), Prober(**errors))


def test_an_interruption_is_not_a_failure():
    with pytest.raises(KeyboardInterrupt):
        tuning.fastest(groups(*SECONDS), Prober(map=KeyboardInterrupt()))


@pytest.mark.parametrize('content', ['', '{"map": 1.0}', '{"seconds_per_image": 3, "failed": {}}'])
def test_a_file_of_another_kind_is_measured_again(content, tmp_path):
    tuning.fastest(groups(*SECONDS), Prober())
    (path,) = (tmp_path / 'tuning').iterdir()
    path.write_text(content)
    again = Prober()
    assert tuning.fastest(groups(*SECONDS), again)[0] == 'vmap_pallas'
    assert again.asked == list(SECONDS)


def test_the_precision_has_measurements_of_its_own():
    tuning.fastest(groups(*SECONDS), Prober())
    setting = trace.replace(Setting(), {'train.precision': 'bf16'})
    runs = tuple(all_runs(setting, [{}], range(2)))
    other = Prober()
    tuning.fastest({way: Group(runs, 2, way, frozenset()) for way in SECONDS}, other)
    assert other.asked == list(SECONDS)


def test_the_kernel_of_our_own_is_a_candidate_on_a_gpu_only(monkeypatch):
    monkeypatch.setattr(native, 'why_not', lambda precision: '')
    assert 'vmap_pallas' not in candidates(Setting())
    monkeypatch.setattr(jax, 'default_backend', lambda: 'gpu')
    assert candidates(Setting()) == ('vmap_matmul', 'vmap_pallas', 'vmap_grouped', 'map')


def test_a_flipped_bit_is_not_believed(tmp_path):
    """A measurement that reads otherwise than it was written would choose another way."""
    tuning.fastest(groups(*SECONDS), Prober())
    (path,) = (tmp_path / 'tuning').iterdir()
    whole, written = path.read_bytes(), tuning._read(path)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 7)
        path.write_bytes(damaged)
        assert tuning._read(path) in (written, ({}, {})), place
