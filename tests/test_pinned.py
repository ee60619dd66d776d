"""No option of JAX and no flag of XLA changes a number unseen."""

import dataclasses
import io
import os
import pathlib
import shutil
import subprocess
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from jaxtweaks.base import pinned, surroundings
from jaxtweaks.base.errors import UserError
from jaxtweaks.data import own
from jaxtweaks.lab import agenda, experiment, laboratory, replay
from jaxtweaks.run import manifest
from jaxtweaks.run.manifest import restore_groups
from jaxtweaks.run.workdir import Workdir

ROOT = pathlib.Path(__file__).resolve().parents[1]

# Another value of every option that is pinned.
OTHERS = {
    name: (not value) if isinstance(value, bool) else other
    for name, value, other in [
        (name, value, {
            'jax_array_garbage_collection_guard': 'log',
            'jax_default_device': 'cpu',
            'jax_default_matmul_precision': 'bfloat16',
            'jax_default_prng_impl': 'rbg',
            'jax_embedded_constants_max_bytes': 1 << 20,
            'jax_error_checking_behavior_divide': 'raise',
            'jax_error_checking_behavior_nan': 'raise',
            'jax_error_checking_behavior_oob': 'raise',
            'jax_exec_time_optimization_effort': -1.0,
            'jax_explicit_x64_dtypes': 'error',
            'jax_legacy_prng_key': 'error',
            'jax_memory_fitting_effort': -1.0,
            'jax_memory_fitting_level': 'O0',
            'jax_numpy_dtype_promotion': 'strict',
            'jax_numpy_rank_promotion': 'raise',
            'jax_optimization_level': 'O1',
            'jax_pgle_profiling_runs': 1,
            'jax_random_seed_offset': 7,
            'jax_transfer_guard_device_to_device': 'disallow_explicit',
            'jax_transfer_guard_device_to_host': 'disallow_explicit',
            'jax_transfer_guard_host_to_device': 'disallow_explicit',
            'jax_xla_profile_version': 1,
        }.get(name))
        for name, value in pinned.VALUES.items()
    ]
}  # fmt: skip
# What a user may have in the environment.
VARIABLES = {
    'DEBUG_NANS': '1',
    'DEFAULT_MATMUL_PRECISION': 'bfloat16',
    'DEFAULT_PRNG_IMPL': 'rbg',
    'DISABLE_JIT': '1',
    'ENABLE_X64': '1',
    'NUMPY_DTYPE_PROMOTION': 'strict',
    'NUMPY_RANK_PROMOTION': 'raise',
    'RANDOM_SEED_OFFSET': '7',
    'THREEFRY_PARTITIONABLE': '0',
}
# Options that enter a trace, and may: they change what is printed, not what is computed.
FREE = {'jax_hlo_source_file_canonicalization_regex'}


@pytest.fixture
def options():
    """Sets options of JAX, which are as they were after the test."""
    before = dict(jax.config.values)

    def update(**values):
        for name, value in values.items():
            jax.config.update(name, value)

    yield update
    for name in OTHERS.keys() & before.keys():
        jax.config.update(name, before[name])


def tiny():
    config = experiment.default_config('tiny')
    config.size, config.seeds = 'smoke', 2
    config.data.name = 'digits'
    config.data.train_size, config.data.validation_size, config.data.test_size = 64, 32, 32
    config.model.name, config.model.hidden, config.dropout.hidden = 'mlp', (8,), 0.2
    config.train.batch_size, config.train.epochs = 16, 2
    config.execution.batching, config.execution.group_size = 'threads', 2
    return experiment.build(config)


@pytest.fixture(scope='module')
def plain(tmp_path_factory):
    """A work folder made with nothing set."""
    folder = tmp_path_factory.mktemp('plain') / 'w'
    laboratory.run(tiny(), folder, Console(file=io.StringIO()), command='test', quiet=True)
    return folder


def run_of(folder):
    return manifest.read(Workdir(folder), print).groups[0].runs[0]


def test_every_option_that_enters_a_trace_is_decided():
    """A version of JAX with a further one fails here."""
    from jax._src import config

    if not hasattr(config, 'trace_context_names'):
        pytest.skip('this version of JAX does not say what enters a trace')
    entering = set(config.trace_context_names()) & set(jax.config.values)
    assert entering - FREE <= set(pinned.VALUES)


def test_values_are_what_jax_has_by_default_and_no_test_of_ours_has_changed():
    here = jax.config.values
    for name in pinned.VALUES.keys() & here.keys() - {'jax_default_device'}:
        if 'guard' not in name:  # None there is 'allow'
            assert here[name] == pinned.VALUES[name] or here[name].name == 'WARN', name


def test_each_is_pinned_and_is_the_users_again(options):
    known = jax.config.values
    options(**{name: other for name, other in OTHERS.items() if name in known})
    theirs = dict(jax.config.values)
    assert all(theirs[name] != pinned.VALUES[name] for name in OTHERS.keys() & known.keys())
    with pinned.pinned():
        inside = dict(jax.config.values)
        with pinned.pinned():  # one within another
            assert jax.config.values == inside
        with pinned.as_the_user_has_them():
            drawn_as_ever = dict(jax.config.values)
        assert jax.config.values == inside
    assert jax.config.values == theirs
    for name in OTHERS.keys() & known.keys():
        value = getattr(inside[name], 'value', inside[name])
        assert value == pinned.VALUES[name] or inside[name].name == 'WARN', name
        ever = pinned.VALUES if name in pinned._RANDOM else theirs
        assert drawn_as_ever[name] == ever[name] or name == 'jax_disable_most_optimizations', name


def test_a_context_of_the_users_does_not_reach_ours(options):
    with jax.enable_x64(True), jax.default_matmul_precision('bfloat16'):
        with pinned.pinned():
            assert jnp.ones(2).dtype == jnp.float32
            assert jax.config.jax_default_matmul_precision is None
        assert jnp.ones(2, jnp.float64).dtype == jnp.float64


def test_no_option_changes_a_bit_of_a_training(plain, options):
    options(**{name: other for name, other in OTHERS.items() if name in jax.config.values})
    out = io.StringIO()
    same = replay.run(plain, run_of(plain), Console(file=out, width=500), quiet=True)
    assert same, out.getvalue()


def test_no_variable_changes_a_bit_of_a_training(plain):
    done = subprocess.run(
        [sys.executable, '-m', 'jaxtweaks', f'--replay={run_of(plain)}', f'--workdir={plain}'],
        cwd=ROOT,
        env=os.environ | {f'JAX_{name}': value for name, value in VARIABLES.items()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'bitwise the same' in done.stdout


def test_a_device_that_would_not_train_is_refused(monkeypatch):
    with jax.default_device('cpu'), pinned.pinned():  # it is the one that trains
        assert jax.config.jax_default_device is None
    elsewhere = SimpleNamespace(platform='gpu')
    monkeypatch.setattr(jax, 'local_devices', lambda: [elsewhere])
    refused = pytest.raises(UserError, match="jax_default_device is 'cpu'")
    with jax.default_device('cpu'), refused, pinned.pinned():
        pass
    with jax.default_device('gpu'), pinned.pinned():
        pass


def test_a_data_set_of_the_users_is_made_with_their_options(options, monkeypatch):
    """But for random numbers: features of 1.7e9 + t would lose t to float32."""
    options(jax_enable_x64=True, jax_threefry_partitionable=False)

    def drawn():
        return jax.random.bits(jax.random.key(0), (4,), jnp.uint32).tolist()

    made = []

    def function():
        made.append(drawn())
        features = 1.7e9 + jnp.arange(4.0) / 4
        return np.asarray(features - 1.7e9)[:, None], np.arange(4) % 2

    theirs = drawn()
    monkeypatch.setattr(own, 'REGISTRY', {'clock': function})
    with pinned.pinned():
        source = own.registered('clock')
        ours = drawn()
    assert set(source.training.images.ravel().tolist()) <= {0, 0.25, 0.5, 0.75}
    assert len(source.training) > 2
    assert made == [ours]
    assert theirs != ours


@pytest.mark.parametrize(
    ('environment', 'found'),
    [
        ({}, {}),
        ({'XLA_FLAGS': ''}, {}),
        ({'XLA_FLAGS': '--xla_force_host_platform_device_count=4 --xla_dump_to=dumps'}, {}),
        (
            {'XLA_FLAGS': '--xla_b --xla_a=1 --xla_a=0', 'HOME': '/x'},
            {'XLA_FLAGS --xla_a': '0', 'XLA_FLAGS --xla_b': 'true'},
        ),
        ({'NVIDIA_TF32_OVERRIDE': '1'}, {'NVIDIA_TF32_OVERRIDE': '1'}),
        ({'XLA_FLAGS': '/no/such/file'}, {}),
    ],
)
def test_what_can_change_a_number_is_distinguished_from_what_cannot(environment, found):
    assert surroundings.current(environment) == found


def test_flags_may_stand_in_a_file(tmp_path):
    (tmp_path / 'flags').write_text("--xla_a='x y'\n--xla_hlo_profile\n")
    found = surroundings.current({'XLA_FLAGS': str(tmp_path / 'flags')})
    assert found == {'XLA_FLAGS --xla_a': 'x y'}


def test_results_of_other_flags_are_not_added_to(plain, tmp_path, monkeypatch):
    monkeypatch.delenv('XLA_FLAGS', raising=False)
    workdir = Workdir(shutil.copytree(plain, tmp_path / 'w'))
    content = manifest.read(workdir, print)
    assert content.surroundings == {}
    groups = restore_groups(content.groups, tiny().runs)
    reported = []

    def check(content):
        is_done = all(workdir.load_result(group, lambda text: None) for group in groups)
        agenda.check_surroundings(workdir, content, is_done, reported.append)

    monkeypatch.setenv('XLA_FLAGS', '--xla_cpu_enable_fast_math --xla_dump_to=/x')
    check(content)  # nothing is left to compute
    assert reported == []
    next((workdir.path / 'results').iterdir()).unlink()
    words = r'\(XLA_FLAGS --xla_cpu_enable_fast_math: not set then, \'true\' now\).* choose another'
    with pytest.raises(UserError, match=words):
        check(content)
    # A new folder, and one of a version that did not record it.
    check(None)
    content = dataclasses.replace(content, surroundings=None)
    check(content)
    new, old = reported
    assert new.startswith('XLA_FLAGS --xla_cpu_enable_fast_math=true: can change results')
    assert 'did not record' in old
    monkeypatch.delenv('XLA_FLAGS')
    check(content)
    assert len(reported) == 2


def test_a_damaged_result_is_not_made_again_with_other_flags(plain, tmp_path, monkeypatch):
    folder = shutil.copytree(plain, tmp_path / 'w')
    monkeypatch.setenv('XLA_FLAGS', '--xla_cpu_enable_fast_math')
    again = lambda: laboratory.run(
        tiny(), folder, Console(file=io.StringIO()), command='test', quiet=True
    )
    again()  # nothing is left to compute
    damaged = next((folder / 'results').iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-9])
    with pytest.raises(UserError, match='its results were made in other surroundings'):
        again()
