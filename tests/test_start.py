"""What the program meets before it does anything: its terminal, its platform, an impatient user."""

import contextlib
import os
import pathlib
import re
import runpy
import subprocess
import sys
import types

import pytest

import jaxtweaks
from jaxtweaks import api, app
from jaxtweaks.base import terminal

ROOT = pathlib.Path(__file__).resolve().parents[1]
SMOKE = '--config=configs/clr_mlp3.py:smoke'


def python(*args, **environment):
    """Python in a process of its own, as started in the project's folder."""
    return subprocess.run(
        [sys.executable, *args],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=600,  # against hanging alone
        check=False,
    )


def test_a_mistake_in_a_process_of_its_own(tmp_path):
    done = python('-m', 'jaxtweaks', SMOKE, '--config.seed=3', f'--workdir={tmp_path}/w')
    assert (done.returncode, done.stdout) == (2, '')
    assert re.fullmatch(
        r"error: config\.seed: unknown key 'seed'; did you mean 'seeds'.*\n", done.stderr
    )
    assert list(tmp_path.iterdir()) == []


def test_a_platform_that_is_not_there_is_named_when_it_is_asked_for(tmp_path):
    code = (
        'import sys; from jax._src import xla_bridge; from jaxtweaks import app; '
        "assert app.main(['main.py', '--help']) == 0 and not xla_bridge._backends; "
        f"sys.exit(app.main(['main.py', {SMOKE!r}, '--workdir={tmp_path}/w']))"
    )
    done = python('-c', code, JAX_PLATFORMS='nosuch')
    assert done.returncode == 2
    assert re.fullmatch("error: JAX_PLATFORMS=nosuch: .*'nosuch'.*\n", done.stderr), done.stderr
    assert list(tmp_path.iterdir()) == []


def started_with(monkeypatch, started, error):
    """The exit code of the program if importing its parts raises an error."""

    class Slow(types.ModuleType):
        def __getattr__(self, name):
            raise error

    monkeypatch.setitem(sys.modules, 'jaxtweaks.app', Slow('jaxtweaks.app'))
    with pytest.raises(SystemExit) as exit:
        runpy.run_path(str(ROOT / started), run_name='__main__')
    return exit.value.code


STARTED = pytest.mark.parametrize('started', ['main.py', 'jaxtweaks/__main__.py'])


@STARTED
def test_an_interrupt_while_all_is_imported_is_no_traceback(monkeypatch, started):
    assert started_with(monkeypatch, started, KeyboardInterrupt) == 130


def test_a_variable_that_jax_does_not_take_is_named(monkeypatch, capsys):
    for wrong in ("invalid truth value 'maybe' for environment 'JAX_ENABLE_X64'",
                  'Invalid value "x" for JAX flag jax_random_seed_offset'):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(app.importlib, 'import_module', raising(ValueError(wrong)))
            assert app.main(['main.py', SMOKE]) == 2
        said = f'error: {wrong}; correct or unset the variable of this name\n'
        assert capsys.readouterr().err == said
    monkeypatch.setattr(app.importlib, 'import_module', raising(ValueError('a bug')))
    assert app.main(['main.py', SMOKE]) == 1


def raising(error):
    def fail(*_):
        raise error

    return fail


SLOW = ('jax', 'flax', 'optax', 'matplotlib', 'scipy', 'pandas', 'tensorflow_datasets', 'numpy')


def test_what_needs_nothing_imports_nothing(tmp_path, monkeypatch):
    """Help, mistakes in flags and paths, and listings that are kept are there at once."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(tmp_path))
    finished = ['--config=configs/model_summary.py:smoke', f'--workdir={tmp_path}/w']
    first = (['--parts'], ['--completion=bash'], ['--list'], finished)
    # In a process of its own: what other tests have left in this one is no matter here.
    made = python(
        '-c',
        'from jaxtweaks import app\n'
        f'for args in {first!r}: assert app.main(["main.py", *args]) == 0',
        JAXTWEAKS_CACHE_DIR=str(tmp_path),
    )
    assert made.returncode == 0, made.stderr
    commands = (
        ['--help'], ['--wrkdir=x'], ['--config=configs/nothing.py'], ['--config=nothing'], [],
        ['--new=a/b'], ['--workers=0'], ['--list', '--quiet'], ['--list'], ['--parts'],
        ['--completion=bash'], [SMOKE, '--config.loin.b1=1'], [SMOKE, '--config.train.epoch=3'],
        [SMOKE, '--sweep=trian.epochs=1,2'], finished, [*finished, '--quiet'],
    )  # fmt: skip
    code = (
        'import sys; from jaxtweaks import app\n'
        f'codes = [app.main(["main.py", *args]) for args in {commands!r}]\n'
        f'print(codes, sorted(set(sys.modules) & set({SLOW!r})))\n'
        # Nor does a dry run import what only tests, draws or reads.
        'sys.stdout.flush(); plan = app.main(["main.py", "--dry_run", *sys.argv[1:]])\n'
        'print(plan, sorted(set(sys.modules) & {"matplotlib", "scipy.stats", "scipy.special", '
        '"pandas", "xarray", "sklearn", "tensorflow_datasets"}))'
    )
    planned = '--config=configs/circles.py:smoke', f'--workdir={tmp_path}/new'
    done = python('-c', code, *planned, JAXTWEAKS_CACHE_DIR=str(tmp_path))
    codes = '[0, 2, 2, 2, 2, 2, 2, 2, 0, 0, 0, 2, 2, 2, 0, 0] []'
    assert codes in done.stdout.splitlines(), (done.stdout[-1500:], done.stderr)
    assert done.stdout.splitlines()[-1] == '0 []', done.stderr
    assert done.stdout.count('finished before, nothing to do') == 1
    assert done.stdout.count(f'report: {tmp_path}/w/report.html') == 1
    assert "did you mean 'lion.b1'" in done.stderr
    assert "in config.train; did you mean 'epochs'" in done.stderr
    assert "unknown field 'trian.epochs'; did you mean 'train.epochs'" in done.stderr


@contextlib.contextmanager
def nobody_reads():
    """Standard output is a pipe whose other end was closed."""
    there, its = os.pipe()
    os.close(there)
    with os.fdopen(its, 'w') as stream:
        with contextlib.redirect_stdout(stream):
            yield
        terminal.send_nowhere(stream)


STUDY = 'configs/model_summary.py:smoke'


def test_a_command_is_carried_out_though_nobody_reads_what_it_says(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    # Nor is a folder whose name is not UTF-8 in the way of its record.
    workdir = tmp_path / os.fsdecode(b'w\xff')
    with nobody_reads():
        assert app.main(['main.py', f'--config={STUDY}', f'--workdir={workdir}']) == 0
        print('nor does what else is said end it', flush=True)
    assert (workdir / 'claims.json').is_file()
    assert 'w\\udcff' in (workdir / 'report.md').read_text()


def test_a_script_goes_on_after_a_run_though_nobody_reads_what_is_said(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    with nobody_reads():
        assert api.run(STUDY, tmp_path / 'w') is not None
        with pytest.raises(BrokenPipeError):  # what the script does about it is its own affair
            print('said by the script', flush=True)


def test_a_terminal_without_our_letters_shows_others():
    done = python('-m', 'jaxtweaks', '--help', PYTHONIOENCODING='ascii')
    assert (done.returncode, done.stderr) == (0, '')
    assert '--overview=FOLDER,?' in done.stdout


def test_a_public_name_is_not_hidden_by_a_folder_that_was_imported():
    from jaxtweaks.run import plan

    assert plan.__name__ == 'jaxtweaks.run.plan'
    assert jaxtweaks.run is api.run
    modules = [n for n in jaxtweaks.__all__ if isinstance(getattr(jaxtweaks, n), types.ModuleType)]
    assert modules == ['testing']  # which is meant to be one
