"""The command line: flags in, an exit code out.

Exit codes: 0 done; 1 an error of ours; 2 a mistake of the user's; 130 and 143 interrupted by
Ctrl-C or SIGTERM, with the state saved.
"""

import difflib
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags
from rich.console import Console

from jaxtweaks import experiment as experiment_lib
from jaxtweaks.errors import UserError
from jaxtweaks.experiment import Experiment

_USAGE = """Answers a question about training neural networks, given as a config file.

  python main.py --config=configs/bn_batchsize.py            at the size that suits the machine
  python main.py --config=configs/bn_batchsize.py:paper      at the size of the document
  python main.py --config=configs/x.py --config.seeds=10 --config.train.epochs=5
"""

_FLAGS = flags.FlagValues()
config_flags.DEFINE_config_file(
    'config', None, 'The config file, :smoke, :quick or :paper after it.', flag_values=_FLAGS
)
flags.DEFINE_string(
    'workdir', None, 'Where results go; default runs/<config>-<size>.', flag_values=_FLAGS
)
flags.DEFINE_bool('dry_run', False, 'Say what would be done, and stop.', flag_values=_FLAGS)
flags.DEFINE_bool('quiet', False, 'Say only what must not be missed.', flag_values=_FLAGS)
flags.DEFINE_bool('help', False, 'Show this.', short_name='h', flag_values=_FLAGS)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv` (default: this process's) and returns the exit code."""
    argv = list(sys.argv if argv is None else argv)
    console = Console(stderr=False)
    try:
        return _main(argv, console)
    except UserError as error:
        _complain(f'error: {error}')
        return 2
    except KeyboardInterrupt:
        _complain('interrupted before anything was saved; the same command starts again')
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception:
        traceback.print_exc()
        _complain('error: this is a bug of jaxtweaks; the lines above say where')
        return 1


def _complain(text: str) -> None:
    print(text, file=sys.stderr)


def _main(argv: list[str], console: Console) -> int:
    if {'-h', '--help', '-help'} & set(argv[1:]):
        print(_USAGE)
        print(_FLAGS.get_help())
        return 0
    experiment = load_experiment(argv)
    # Only a valid config is worth the seconds it takes to load the rest.
    from jaxtweaks import laboratory
    from jaxtweaks.sweep.runner import Interrupted

    path = Path(_FLAGS.workdir or f'runs/{experiment.name}-{experiment.size}')
    command = 'python ' + shlex.join([os.path.relpath(argv[0]), *argv[1:]])
    try:
        laboratory.run(
            experiment,
            path,
            console,
            command=command,
            dry_run=_FLAGS.dry_run,
            quiet=_FLAGS.quiet,
        )
    except Interrupted as interrupted:
        _complain(f'interrupted; everything is saved in {path}. To go on: {command}')
        return 128 + interrupted.signal
    return 0


def load_experiment(argv: Sequence[str]) -> Experiment:
    """The experiment that a command line names, with its overrides. Raises UserError."""
    overrides = [arg for arg in argv[1:] if arg.lstrip('-').startswith('config.')]
    for arg in overrides:
        experiment_lib.check_key(arg.lstrip('-').removeprefix('config.').split('=')[0])
    _check_file(argv)
    config = _parse(argv)
    if config is None:
        raise UserError(
            'no --config; it must name a config file, as --config=configs/bn_batchsize.py'
        )
    for arg in overrides:
        # config_flags passes over an empty tuple without a word.
        key, _, value = arg.lstrip('-').removeprefix('config.').partition('=')
        if value.replace(' ', '') == '()':
            config.update_from_flattened_dict({key: ()})
    return experiment_lib.build(config)


def _parse(argv: Sequence[str]) -> ConfigDict | None:
    try:
        _FLAGS.unparse_flags()
        rest = _FLAGS(list(argv))
    except flags.Error as error:
        raise UserError(f'{" ".join(str(error).split())} (see --help)') from None
    except UserError:
        raise
    except Exception as error:
        raise UserError(_in_config(error)) from error
    if len(rest) > 1:
        raise UserError(f'{rest[1]!r} is not a flag; flags begin with -- (see --help)')
    return _FLAGS.config


def _check_file(argv: Sequence[str]) -> None:
    for i, arg in enumerate(argv):
        name, _, value = arg.lstrip('-').partition('=')
        if arg.startswith('-') and name == 'config':
            value = value or (argv[i + 1] if i + 1 < len(argv) else '')
            path = Path(value.rpartition(':')[0] or value)
            path = path if path.suffix else Path(value)
            if not path.is_file():
                folder = path.parent if path.parent.is_dir() else Path('configs')
                there = sorted(p.name for p in folder.glob('*.py'))
                near = difflib.get_close_matches(path.name, there, n=1, cutoff=0.4)
                hint = f"did you mean '{folder / near[0]}'?" if near else 'it must be a .py file'
                raise UserError(f'--config={value}: there is no file {path}; {hint}')


def _in_config(error: Exception) -> str:
    """What went wrong in the user's config file, with its line."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UserError):
            return str(cause)
        frames: list[Any] = traceback.extract_tb(cause.__traceback__)
        own = [f for f in frames if 'ml_collections' not in f.filename and f.filename != __file__]
        own = [f for f in own if not f.filename.startswith('<frozen') and 'absl' not in f.filename]
        if own:
            where = f'{os.path.relpath(own[-1].filename)}:{own[-1].lineno}'
            return f'{where}: {type(cause).__name__}: {" ".join(str(cause).split())}'
        cause = cause.__cause__ or cause.__context__
    return f'the config cannot be loaded: {" ".join(str(error).split())}'
