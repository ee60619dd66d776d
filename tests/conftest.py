"""What tests share: no display, no network, no cache of the user's; the real data if any."""

import contextlib
import functools
import gc
import os
import pathlib
import signal
import sys
import types

import hypothesis
import jax
import jax.numpy as jnp
import pytest
from jax._src import compilation_cache

from jaxtweaks.base import metrics, words
from jaxtweaks.claims import claim
from jaxtweaks.config import parts, settings, slots
from jaxtweaks.data import own
from jaxtweaks.figures import figure_spec
from jaxtweaks.lab import parts_list
from jaxtweaks.results.derive.derivation import DERIVATIONS
from jaxtweaks.run import executables, memory

# How long an example takes depends on what else the machine is doing: no test fails by that.
hypothesis.settings.register_profile('jaxtweaks', deadline=None)
hypothesis.settings.load_profile('jaxtweaks')

os.environ['MPLBACKEND'] = 'Agg'

# Helpers such as `tfds_folder` are plain modules next to this file.
_HERE = pathlib.Path(__file__).resolve().parent
if str(_HERE) not in sys.path:
    sys.path.insert(0, str(_HERE))

# What XLA does unless it is asked for less.
_OPTIMISED = {
    'xla_backend_optimization_level': 3,
    'xla_cpu_use_fusion_emitters': True,
    'xla_cpu_parallel_codegen_split_count': 32,
    'xla_llvm_disable_expensive_passes': False,
}


def _compile_quickly() -> None:
    """What tests jit runs for a moment: most of the time would go into optimising it.

    What trains is compiled as for a user (`_surroundings`), unless a test asks for
    `quickly_compiled`. XLA reads its flags once, before its first program: the processes that tests
    start do not see these.
    """
    quick = executables.QUICKEST_COMPILE.items()
    flags = [f'--{name}={str(value).lower()}' for name, value in quick]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XLA_FLAGS', ' '.join([*flags, os.environ.get('XLA_FLAGS', '')]))
        jax.jit(jnp.negative)(0.0)


_compile_quickly()

# What a script starts with & ignores SIGINT, and under nohup SIGHUP: tests that send them, and
# processes that tests start, would wait in vain.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, _handler)

# Read before any fixture hides it.
_NAMED = os.environ.get('TFDS_DATA_DIR', '')


@pytest.fixture(scope='session')
def session_cache_dir(tmp_path_factory) -> pathlib.Path:
    """The cache folder of all tests that do not make their own.

    pytest's workers share it: real data is decoded, and the native kernels are built, once.
    """
    root = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        root = root.parent
    folder = root / 'jaxtweaks-cache'
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@pytest.fixture(scope='session', autouse=True)
def _surroundings(session_cache_dir):
    """The user's cache is left alone, and downloads fail at once: nothing listens on port 9."""
    patch = pytest.MonkeyPatch()
    patch.setenv('JAXTWEAKS_CACHE_DIR', str(session_cache_dir))
    # What one test has compiled serves the others, but for those that ask for `compiled_again`.
    jax.config.update('jax_compilation_cache_dir', str(session_cache_dir / 'programs'))
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)
    compiled = executables.compiled
    as_for_a_user = lambda made, options, *device: compiled(made, _OPTIMISED | options, *device)
    patch.setattr(executables, 'compiled', as_for_a_user)
    # What is trained here takes less time than to measure how long it takes.
    patch.setattr(memory, 'PROBED', 0.01)
    # Tracing makes many objects and hardly any garbage: looking for it took a tenth of the time.
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    patch.setenv('JAXTWEAKS_MIRROR', 'http://127.0.0.1:9')
    patch.setenv('NO_PROXY', '127.0.0.1')
    patch.setenv('no_proxy', '127.0.0.1')
    yield
    patch.undo()


@pytest.fixture(scope='module')
def compiled_again():
    """For tests that compare bits: no program comes from the cache of compiled ones."""
    patch = pytest.MonkeyPatch()
    patch.setenv('JAXTWEAKS_COMPILE_CACHE', '0')
    enabled = jax.config.jax_enable_compilation_cache
    _cache_programs(False)
    assert not compilation_cache.is_cache_used(jax.devices()[0].client)
    yield
    _cache_programs(enabled)
    patch.undo()


def _cache_programs(enabled):
    """Whether JAX's cache is used, which it otherwise decides once in a process."""
    jax.config.update('jax_enable_compilation_cache', enabled)
    compilation_cache.reset_cache()


@pytest.fixture
def quickly_compiled():
    """For tests that train but neither time it nor compare its bits with another program's.

    Most of their time would be XLA optimising programs that run for a second.
    """
    with _quickly():
        yield


@pytest.fixture(scope='module')
def all_quickly_compiled():
    """The same for a whole module, and for its fixtures that train."""
    with _quickly():
        yield


@pytest.fixture
def quickly_compiled_by_library():
    """The same with the matrix library that trains, for tests that compare bits by what it does."""
    with _quickly(executables.FAST_CPU):
        yield


@contextlib.contextmanager
def _quickly(library=types.MappingProxyType({})):
    quickest = executables.QUICKEST_COMPILE
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executables, 'FAST_CPU', quickest | library)
        patch.setattr(executables, 'QUICK_COMPILE', quickest)
        yield


@pytest.fixture
def optimised(monkeypatch):
    """For tests of what they jit themselves, bitwise or in its text, as XLA optimises it."""
    monkeypatch.setattr(jax, 'jit', functools.partial(jax.jit, compiler_options=_OPTIMISED))


@pytest.fixture(scope='module', autouse=True)
def _executables_are_dropped():
    """Every executable maps some memory, and a process may have only so many mappings.

    Beyond the limit (`vm.max_map_count`) XLA's compiler dies of a segmentation fault.
    """
    yield
    jax.clear_caches()
    gc.collect()


@contextlib.contextmanager
def _restored():
    """What is registered meanwhile is gone afterwards."""
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        claim.KINDS.temporary(),
        figure_spec.KINDS.temporary(),
        DERIVATIONS.temporary(),
    ):
        _set_aside(monkeypatch)
        yield


def _set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies of the registries, in the place of those that are there."""
    monkeypatch.setattr(own, 'REGISTRY', dict(own.REGISTRY))
    known = {slot: dict(parts.of_slot(slot)) for slot in slots.SLOTS}
    monkeypatch.setattr(parts, '_REGISTRY', known)
    monkeypatch.setattr(parts, '_PARAMETERS', dict(parts._PARAMETERS))
    for name in ('ABOUT', 'FIELDS', 'VALUES'):
        monkeypatch.setattr(words, name, dict(getattr(words, name)))
    for name in ('_MEASURES', '_WHOLE'):
        monkeypatch.setattr(metrics, name, dict(getattr(metrics, name)))
    monkeypatch.setattr(settings.DATASETS, '_names', list(settings.DATASETS._names))


@pytest.fixture(autouse=True)
def _registries_are_restored():
    """No test sees what another one registers, in whatever order they run."""
    with _restored():
        yield


@pytest.fixture(scope='module')
def of_module():
    """What a fixture of a module registers is there for its tests, and gone after them."""
    with _restored():
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A test file in one process, for its fixtures, as `loadfile` does, but smoke runs one by one.

    They share no fixture, take longest of all, and as single tests come last, where they keep every
    process busy to the end.
    """
    if config.getvalue('dist') != 'loadfile':
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return nodeid if '::test_it_runs_at_smoke[' in nodeid else super()._split_scope(nodeid)

    return ByFile(config, log)


def pytest_collection_finish():
    """A module that registers when it is imported would do so for the tests of all the others."""
    assert parts_list.all_built_in(), 'a test module registers a part when it is imported'


@pytest.fixture
def torch():
    """PyTorch, which the extra `bench` installs; the test is skipped where there is none."""
    return pytest.importorskip('torch', reason='PyTorch is not installed; see the extra bench')


@pytest.fixture(scope='session')
def real_data_dir() -> pathlib.Path:
    """TFDS_DATA_DIR, with CIFAR-10 and MNIST; the test is skipped where there is none."""
    if not _NAMED or not pathlib.Path(_NAMED).expanduser().is_dir():
        pytest.skip('no real data: TFDS_DATA_DIR names no folder')
    return pathlib.Path(_NAMED).expanduser()
