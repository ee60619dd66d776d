"""The command line: flags in, an exit code out.

Exit codes: 0 done; 1 an internal error; 2 a user error; 128 + n interrupted by signal n, with the
state saved.
"""

import contextlib
import difflib
import functools
import operator
import os
import shlex
import signal
import sys
import textwrap
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from absl import flags
from ml_collections import ConfigDict, config_flags
from rich.console import Console

from jaxtweaks.base import home
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config import config_file
from jaxtweaks.config.config_file import complaint, one_line
from jaxtweaks.lab import experiment as experiment_lib
from jaxtweaks.lab.experiment import Experiment

_USAGE = """Answers a question about training neural networks, given as a config file.

  python main.py --config=configs/bn_batchsize.py            at the size that suits the machine
  python main.py --config=configs/bn_batchsize.py:paper      at the size of the document
  python main.py --config=configs/x.py --config.seeds=10 --config.train.epochs=5
  python main.py --config=configs/all.py:quick               every experiment, and an overview
  python main.py --overview=runs                             an overview of what there is
  srun -N 4 python main.py --config=... --processes=4        on four hosts of a cluster
  python main.py --replay=RUN --workdir=runs/x-quick         one run again: is it the same?
  python main.py --list                                      the configs there are
  python main.py --new=NAME                                  a config to start from
"""
# What stands after the = of a flag in the help.
_VALUES = {'config': 'FILE[:SIZE]', 'workdir': 'FOLDER', 'overview': 'FOLDER,…', 'new': 'NAME',
           'budget': 'TIME'}  # fmt: skip
_KEYS = (
    '--config.KEY=VALUE',
    'Set a key of the config, as in --config.train.epochs=5. The keys, what they are for and which '
    'values they take: jaxtweaks/config/settings.py.',
)
# What is done in place of carrying out an experiment, and which options it reads.
_ACTIONS = {
    'new': (),
    'list': ('dry_run',),
    'parts': ('config',),
    'overview': ('workdir',),
    'replay': ('config', 'workdir', 'quiet'),
    'plan_seeds': ('config', 'workdir', 'dry_run', 'quiet', 'mix_versions'),
}
_OPTIONS = (
    'config', 'workdir', 'dry_run', 'quiet', 'export', 'processes', 'mix_versions',
    'until_settled', 'budget',
)  # fmt: skip
_SURROUNDINGS = """
The environment: TFDS_DATA_DIR names a folder of TFDS data sets; JAXTWEAKS_CACHE_DIR or
XDG_CACHE_HOME where decoded data and compiled programs are kept; JAXTWEAKS_MIRROR a server with
CIFAR-10's archive; JAXTWEAKS_COMPILE_CACHE=0 and JAXTWEAKS_NATIVE=0 do without the cache of
compiled programs and without convolutions of our own, which CXX compiles; NO_COLOR turns colours
off; JAX's own variables (JAX_PLATFORMS, CUDA_VISIBLE_DEVICES, XLA_FLAGS, …) work as ever.

Exit codes: 0 done; 1 no mistake of yours (a full disk, a bug); 2 a mistake in command or config;
128 + n interrupted by signal n, with the state saved: the same command goes on (130 Ctrl-C, 143
SIGTERM, 129 SIGHUP, 138 and 140 SIGUSR1 and SIGUSR2). With --list, 2 if a config has a mistake.
"""


def _define_flags(argv: Sequence[str]) -> flags.FlagValues:
    """The flags, before parsing; `argv` because config_flags looks ahead for the overrides."""
    values = flags.FlagValues()
    config_flags.DEFINE_config_file(
        'config',
        None,
        'The question: a config file. :smoke after it is a try of seconds, :quick takes minutes on '
        'two CPU cores, :paper has the sizes of the document; else what suits the machine.',
        flag_values=values,
        sys_argv=list(argv),
    )
    values['config'].parser = _ConfigParser()
    flags.DEFINE_string(
        'workdir',
        None,
        'Where results go, and where the same command goes on; default runs/<config>-<size>, for '
        'a collection runs.',
        flag_values=values,
    )
    flags.DEFINE_list(
        'overview',
        None,
        'Only write an overview of finished experiments: their folders, or folders of them, with '
        'commas between; to --workdir, default <first folder>/overview.',
        flag_values=values,
    )
    flags.DEFINE_string(
        'replay',
        None,
        'Only train one run of the sweep in --workdir again, alone, and say whether it is bitwise '
        'what is on record; its id is in the column run of runs.parquet. Writes nothing.',
        flag_values=values,
    )
    flags.DEFINE_string(
        'new',
        None,
        'Only write configs/NAME.py, a config that runs as it stands, to be changed.',
        flag_values=values,
    )
    flags.DEFINE_bool(
        'list',
        False,
        'Only list the configs in configs/: what each asks, and how long it takes; with --dry_run '
        'also an estimate for those not measured.',
        flag_values=values,
    )
    flags.DEFINE_bool(
        'parts',
        False,
        'Only list what a setting can be put together from (optimisers, schedules, losses, …): '
        'what each does, its parameters and their defaults; with --config those it registers too.',
        flag_values=values,
    )
    flags.DEFINE_bool(
        'dry_run',
        False,
        'Say how many programs and runs there would be, how much memory they need and how long '
        'they take, and stop.',
        flag_values=values,
    )
    flags.DEFINE_bool(
        'plan_seeds',
        False,
        'Say how many seeds would settle each claim, from the results in --workdir. If it holds '
        'none, three seeds are trained first; a later run with more seeds builds on them.',
        flag_values=values,
    )
    flags.DEFINE_bool(
        'until_settled',
        False,
        'Add seeds (looks at 5, 8, 12, 20, 32 and 50, corrected for looking) until every claim is '
        'settled, cannot be settled, or --budget is spent.',
        flag_values=values,
    )
    flags.DEFINE_string(
        'budget',
        None,
        'With --until_settled: the training time of an experiment in all, as 90s, 30m (the '
        'default) or 2h. The same command with more goes on.',
        flag_values=values,
    )
    flags.DEFINE_bool('quiet', False, 'Say only what must not be missed.', flag_values=values)
    flags.DEFINE_list(
        'export',
        [],
        'What else to write, with commas between: csv (the rows), pdf (the figures), latex (the '
        'tables), tensorboard (event files; needs the extra tensorboard).',
        flag_values=values,
    )
    flags.DEFINE_integer(
        'processes',
        1,
        'How many processes are given this same command, on this host or on others with the same '
        'file system, to share the work.',
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_bool(
        'mix_versions',
        False,
        'Go on in a work folder though another version of the training code trained what is there; '
        'the numbers of both are then in one table, and the report says so.',
        flag_values=values,
    )
    flags.DEFINE_bool('help', False, 'Show this.', short_name='h', flag_values=values)
    return values


def _help(values: flags.FlagValues) -> str:
    """How to use the command line: our flags, without those that absl has for every program."""
    entries = []
    for module, defined in values.flags_by_module_dict().items():
        for flag in defined if module != 'absl.flags' else ():
            value = '' if flag.boolean else f'={_VALUES.get(flag.name, "…")}'
            entries.append((f'--{flag.name}{value}', flag.help))
    entries.insert(1, _KEYS)
    wide = 22
    lines = [_USAGE]
    for name, words in entries:
        wrapped = textwrap.wrap(words, 96 - wide)
        if len(name) + 3 > wide:
            wrapped = ['', *wrapped]
        lines += [f'  {name:{wide - 2}}{wrapped[0]}'.rstrip()]
        lines += [' ' * wide + line for line in wrapped[1:]]
    return '\n'.join([*lines, _SURROUNDINGS.rstrip()])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv` (default: this process's) and returns the exit code."""
    argv = list(sys.argv if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'):  # a terminal without our letters shows a ? for them
            stream.reconfigure(errors='replace')
    console = Console(stderr=False)
    try:
        return _main(argv, console)
    except UserError as error:
        _complain(f'error: {one_line(error)}')
        return 2
    except KeyboardInterrupt:
        _complain('interrupted; the same command goes on from what is saved')
        return 128 + signal.SIGINT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f'{error.filename}: ' if error.filename else ''
        _complain(
            f'error: {where}{error.strerror or error}; what was finished is kept, and the same '
            'command goes on from there'
        )
        return 1
    except Exception:
        traceback.print_exc()
        _complain('error: this is a bug of jaxtweaks; the lines above say where')
        return 1


def _complain(text: str) -> None:
    print(text, file=sys.stderr)


def _main(argv: list[str], console: Console) -> int:
    if {'-h', '--help', '-help', '--helpshort', '--helpfull'} & set(argv[1:]):
        print(_help(_define_flags(argv)))
        return 0
    _check_platforms()
    path = _config_file(argv)
    for override in _overrides(argv):
        key = override.split('=')[0]
        if key != config_file.COLLECTION:
            _check_key(key, path)
    # Functions of the config may import what lies next to it when they are called.
    with contextlib.nullcontext() if path is None else config_file.neighbours(path):
        return _carry_out(argv, _parse(argv, path), console)


def _check_key(key: str, path: Path | None) -> None:
    """Whether configs have a key, or a part that this config file registers. Raises UserError."""
    try:
        experiment_lib.check_key(key)
    except UserError:
        if not _is_loaded(path):
            raise
        experiment_lib.check_key(key)


def _is_loaded(path: Path | None) -> bool:
    """Loads a config file, and so registers its parts; whether that was possible."""
    try:
        return path is not None and config_file.load(path, None) is not None
    except UserError:
        return False


def _carry_out(argv: list[str], values: flags.FlagValues, console: Console) -> int:
    """Does what the flags say and returns the exit code."""
    _check_read(values)
    if values.new is not None:
        from jaxtweaks.lab import new_config

        path = new_config.write(values.new, Path('configs'))
        tried = _command([argv[0], f'--config={path}:smoke'])
        print(f'wrote {path}; try it: {tried}')
        return 0
    if values.list:
        from jaxtweaks.lab import listing
        from jaxtweaks.run import compile_cache

        compile_cache.enable(_complain)
        mistakes = listing.show(Path('configs'), console, estimate=values.dry_run)
        return 2 if mistakes else 0
    if values.parts:
        from jaxtweaks.lab import parts_list

        parts_list.show(console)
        return 0
    if values.overview is not None:
        return _overview(values, console)
    if values.replay is not None:
        return _replay(values, argv, console)
    if _is_collection(values.config):
        return _collection(values, argv, console)
    experiment = _experiment(values.config, argv)
    # Only a valid config is worth the seconds it takes to load the rest.
    from jaxtweaks.lab import laboratory, planning, settle
    from jaxtweaks.run import compile_cache
    from jaxtweaks.run.group import Interrupted

    compile_cache.enable(_complain)

    path = home.expanded(values.workdir or f'runs/{experiment.name}-{experiment.size}')
    command = _command(argv)
    exports = _exports(values)
    budget = settle.budget_of(values.until_settled, values.budget or '')
    how = {
        'command': command,
        'dry_run': values.dry_run,
        'quiet': values.quiet,
        'mix_versions': values.mix_versions,
        'file': _config_file(argv),
        'named': values.workdir is not None,
    }
    try:
        if values.plan_seeds:
            more = lambda seeds: _command(_with_seeds(argv, seeds))
            planning.run(experiment, path, console, more, **how)
            return 0
        if budget is not None:
            settle.check(experiment, chosen='seeds' in _keys_set(argv))
        laboratory.run(
            experiment,
            path,
            console,
            exports=exports,
            processes=values.processes,
            budget=budget,
            **how,
        )
    except Interrupted as interrupted:
        _complain(f'interrupted; everything is saved in {path}. To go on: {command}')
        return 128 + interrupted.signal
    return 0


def _check_read(values: flags.FlagValues) -> None:
    """Whether what is asked for reads all that is given. Raises UserError."""
    known = (*_ACTIONS, *_OPTIONS)
    given = [name for name in known if values[name].value != values[name].default]
    if not given or given[0] not in _ACTIONS:
        return
    action, *others = given
    unread = [name for name in others if name not in _ACTIONS[action]]
    if unread:
        raise UserError(f'--{unread[0]}: --{action} does not read it; leave out one of the two')


def _check_platforms() -> None:
    """Whether JAX has what JAX_PLATFORMS asks for. Raises UserError."""
    wanted = os.environ.get('JAX_PLATFORMS')
    if wanted:
        try:
            jax.default_backend()
        except RuntimeError as error:
            raise UserError(
                f'JAX_PLATFORMS={wanted}: {one_line(error)}; unset it or name others, as cpu'
            ) from None


def _collection(values: flags.FlagValues, argv: Sequence[str], console: Console) -> int:
    """Carries out the experiments of a collection and returns the exit code."""
    from jaxtweaks.lab import collection, settle
    from jaxtweaks.run import compile_cache
    from jaxtweaks.run.group import Interrupted

    if values.plan_seeds:
        raise UserError('--plan_seeds is for one experiment; give it with one of the collection')
    found = collection.build(values.config)
    compile_cache.enable(_complain)
    exports = _exports(values)
    root = home.expanded(values.workdir or 'runs')
    options = collection.Options(
        values.dry_run,
        values.quiet,
        exports,
        values.processes,
        values.mix_versions,
        settle.budget_of(values.until_settled, values.budget or ''),
    )
    try:
        return collection.run(
            found, root, console, options, lambda arguments: _command([argv[0], *arguments])
        )
    except Interrupted as interrupted:
        _complain(f'interrupted; everything is saved in {root}. To go on: {_command(argv)}')
        return 128 + interrupted.signal


def _overview(values: flags.FlagValues, console: Console) -> int:
    """Writes an overview of finished experiments and returns the exit code."""
    from jaxtweaks.lab import collection

    if not all(values.overview or ['']):
        raise UserError(
            '--overview: a folder has no name; it must be folders with commas between, as '
            '--overview=runs'
        )
    folders = [home.expanded(folder) for folder in values.overview]
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f'--overview: there is no folder {folder}')
    first = folders[0].parent if (folders[0] / 'claims.json').is_file() else folders[0]
    collection.collect(folders, home.expanded(values.workdir or first / 'overview'), console)
    return 0


def _replay(values: flags.FlagValues, argv: Sequence[str], console: Console) -> int:
    """Trains one run again and returns the exit code: 0 if it is the same, else 1."""
    if not values.workdir:
        raise UserError('--replay: of which sweep? --workdir must name its work folder')
    data_dir = '' if values.config is None else _experiment(values.config, argv).base.data.dir
    from jaxtweaks.lab import replay
    from jaxtweaks.run import compile_cache

    compile_cache.enable(_complain)
    path = home.expanded(values.workdir)
    same = replay.run(path, values.replay, console, data_dir=data_dir, quiet=values.quiet)
    return 0 if same else 1


def _is_collection(config: Any) -> bool:
    return isinstance(config, Mapping | ConfigDict) and config_file.COLLECTION in config


def _exports(values: flags.FlagValues) -> tuple[str, ...]:
    """What else is to be written. Raises UserError if it cannot be."""
    from jaxtweaks.report import export

    export.check(values.export)
    return tuple(dict.fromkeys(values.export))


def _experiment(config: Any, argv: Sequence[str]) -> Experiment:
    if config is None:
        raise UserError(
            'no --config; it must name a config file, as --config=configs/bn_batchsize.py'
        )
    for arg in _overrides(argv):
        # config_flags passes over an empty tuple without a word.
        key, _, value = arg.partition('=')
        if value.replace(' ', '') == '()':
            *sections, field = key.split('.')
            functools.reduce(operator.getitem, sections, config)[field] = ()
    return experiment_lib.build(config, overrides=_keys_set(argv))


def _keys_set(argv: Sequence[str]) -> list[str]:
    """The dotted names of the keys that the command line sets."""
    return [arg.partition('=')[0] for arg in _overrides(argv)]


def _overrides(argv: Sequence[str]) -> list[str]:
    """The arguments of the form --config.a.b=v, as 'a.b=v'."""
    given = [arg.lstrip('-') for arg in argv[1:] if arg.startswith('-')]
    return [arg.removeprefix('config.') for arg in given if arg.startswith('config.')]


def _command(argv: Sequence[str]) -> str:
    """What the user typed, near enough to type it again."""
    program = os.path.relpath(argv[0])
    if os.path.basename(program) == '__main__.py':
        return shlex.join(['python', '-m', 'jaxtweaks', *argv[1:]])
    return shlex.join(['python', program, *argv[1:]])


def _with_seeds(argv: Sequence[str], seeds: int) -> list[str]:
    """The command line that carries out what this one plans, with so many seeds."""
    kept, args = [], iter(argv[1:])
    for arg in args:
        if arg.lstrip('-') == 'config.seeds':
            next(args)  # its value
        elif arg.lstrip('-').partition('=')[0] not in ('plan_seeds', 'dry_run', 'config.seeds'):
            kept.append(arg)
    return [argv[0], *kept, f'--config.seeds={seeds}']


class _ConfigParser(flags.ArgumentParser):
    """Loads the config of a flag as everything here does, see `config_file.load`."""

    def parse(self, argument: str) -> Mapping[str, Any] | ConfigDict:
        """The config of 'FILE:SIZE'. Raises UserError."""
        path, _, size = argument.partition(':')
        config = config_file.load(Path(path), size or None)
        if isinstance(config, ConfigDict):
            config.lock()
        return config


def _parse(argv: Sequence[str], path: Path | None) -> flags.FlagValues:
    """The flags' values; `path`: of the config file, None if there is none. Raises UserError."""
    values = _define_flags(argv)
    try:
        rest = values(list(argv))
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, flags.Error):
            _check_override(str(error), argv)
            raise UserError(f'{one_line(error)} (see --help)') from None
        if isinstance(error, AttributeError | KeyError) and path is not None:
            _check_there(argv, path)
        raise UserError(complaint(error, path)) from error
    if len(rest) > 1:
        raise UserError(f'{rest[1]!r} is not a flag; flags begin with -- (see --help)')
    return values


def _check_override(complaint: str, argv: Sequence[str]) -> None:
    """Reports in plain words the override that config_flags could not take."""
    for override in _overrides(argv):
        if f'--config.{override}:' in complaint:
            key, _, value = override.partition('=')
            experiment_lib.check_value(key, value)


def _check_there(argv: Sequence[str], path: Path) -> None:
    """Complains of the first override whose key the config of a file does not have."""
    config = config_file.load(path, None)
    for key in (override.partition('=')[0] for override in _overrides(argv)):
        section = config
        for part in key.split('.'):
            if not isinstance(section, Mapping | ConfigDict):
                return
            if part not in section:
                hint = did_you_mean(part, section) if section else 'there are none of its kind'
                raise UserError(f"config.{key}: {path} has no key '{part}'; {hint}")
            section = section[part]


def _config_file(argv: Sequence[str]) -> Path | None:
    """The file of --config, None if there is no such flag. Raises UserError if it is not there."""
    path = None
    for i, arg in enumerate(argv):
        name, _, value = arg.lstrip('-').partition('=')
        if arg.startswith('-') and name == 'config':
            value = value or (argv[i + 1] if '=' not in arg and i + 1 < len(argv) else '')
            if not value:
                raise UserError('--config is empty; it must name a config file')
            path = Path(value.partition(':')[0])
            if not path.is_file():
                folder = path.parent if path.parent.is_dir() else Path('configs')
                there = sorted(p.name for p in folder.glob('*.py'))
                near = difflib.get_close_matches(path.name, there, n=1, cutoff=0.4)
                hint = f"did you mean '{folder / near[0]}'?" if near else 'it must be a .py file'
                raise UserError(f'--config={value}: there is no file {path}; {hint}')
    return path
