"""The command line: flags in, an exit code out.

Exit codes: 0 done; 1 an internal error; 2 a user error; 128 + n interrupted by signal n, with the
state saved.
"""

import contextlib
import functools
import importlib
import io
import operator
import os
import shlex
import signal
import sys
import textwrap
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags
from ml_collections import ConfigDict, config_flags
from rich.console import Console

from jaxtweaks.base import home
from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config import config_file
from jaxtweaks.config.config_file import complaint, one_line
from jaxtweaks.lab import kept

if TYPE_CHECKING:
    from jaxtweaks.lab.experiment import Experiment

# JAX and all that imports it take seconds, so they are imported where something is to be done: not
# for the help, a mistake in a flag or in the path of a config, and not for a listing that is kept.

_USAGE = """Answers a question about training neural networks, given as a config file.

  {program} --config=configs/bn_batchsize.py            at the size that suits the machine
  {program} --config=configs/bn_batchsize.py:paper      at the size of the document
  {program} --config=bn_batchsize:smoke                 one of configs/, or of the package's
  {program} --config=configs/x.py --config.seeds=10 --config.train.epochs=5
  {program} --config=configs/all.py:quick               every experiment, and an overview
  {program} --overview=runs                             an overview of what there is
  srun -N 4 {program} --config=... --processes=4        on four hosts of a cluster
  {program} --replay=RUN --workdir=runs/x-quick         one run again: is it the same?
  {program} --list                                      the configs there are
  {program} --new=NAME                                  a config to start from
"""
# What stands after the = of a flag in the help.
_VALUES = {
    'config': 'FILE[:SIZE]',
    'workdir': 'FOLDER',
    'overview': 'FOLDER,…',
    'new': 'NAME',
    'sweep': 'FIELD=VALUE,…',
    'budget': 'TIME',
}
_MEASURE = 'measure'  # see `laboratory.MEASURE`
_COMMAND = 'jaxtweaks'  # what the package installs
_KEYS = (
    '--config.KEY=VALUE',
    'Set a key of the config, as in --config.train.epochs=5. The keys, what they are for and which '
    'values they take: jaxtweaks/config/settings.py.',
)
# What is done in place of carrying out an experiment, and which options it reads.
_ACTIONS = {
    'new': (),
    'completion': (),
    'list': ('dry_run',),
    'parts': ('config',),
    'overview': ('workdir',),
    'replay': ('config', 'workdir', 'quiet'),
    'plan_seeds': ('config', 'sweep', 'workdir', 'dry_run', 'quiet', 'mix_versions'),
}
_OPTIONS = (
    *('config', 'sweep', 'workdir', 'dry_run', 'quiet', 'export', 'processes', 'mix_versions'),
    *('fail_fast', 'until_settled', 'budget'),
)
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
    flags.DEFINE_multi_string(
        'sweep',
        [],
        'A further axis of the sweep, as --sweep=optim.learning_rate=0.1,0.01; may be given more '
        'than once.',
        flag_values=values,
    )
    flags.DEFINE_string(
        'workdir',
        None,
        'Where results go, and where the same command goes on; default runs/<config>-<size>, with '
        'what is changed of the config after it, as runs/x-quick,train.epochs=3; for a collection '
        'runs.',
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
        'Only write configs/NAME.py (NAME.py where there is no configs/), a config that runs as it '
        'stands, to be changed.',
        flag_values=values,
    )
    flags.DEFINE_bool(
        'list',
        False,
        'Only list the configs in configs/, or else those that come with the package: what each '
        'asks, and how long it takes; with --dry_run also an estimate for those not measured.',
        flag_values=values,
    )
    flags.DEFINE_bool(
        'parts',
        False,
        'Only list what a setting can be put together from (optimisers, schedules, losses, …): '
        'what each does, its parameters and their defaults; with --config those it registers too.',
        flag_values=values,
    )
    flags.DEFINE_flag(
        flags.Flag(
            _DryRunParser(),
            None,
            'dry_run',
            False,
            'Say how many programs and runs there would be, and how much memory and time they need '
            'by what is known here, and stop; --dry_run=measure compiles them to measure it.',
            boolean=True,
        ),
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
        'tables), tensorboard (event files; needs the extra tensorboard), wandb (offline runs of '
        'Weights & Biases, which wandb sync sends; needs the extra wandb).',
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
    flags.DEFINE_bool(
        'fail_fast',
        False,
        'Of a collection: end at the first experiment that fails, in place of going on without it.',
        flag_values=values,
    )
    flags.DEFINE_enum(
        'completion',
        None,
        ['bash', 'zsh', 'fish'],
        'Only print a script that completes the command in this shell: eval "$(jaxtweaks '
        '--completion=bash)".',
        flag_values=values,
    )
    flags.DEFINE_bool('help', False, 'Show this.', short_name='h', flag_values=values)
    return values


def _help(values: flags.FlagValues, program: str) -> str:
    """How to use the command line: our flags, without those that absl has for every program."""
    entries = []
    for defined in _defined(values).values():
        for flag in defined:
            value = '' if flag.boolean else f'={_VALUES.get(flag.name, "…")}'
            entries.append((f'--{flag.name}{value}', flag.help))
    entries.insert(1, _KEYS)
    wide = 22
    lines = [_USAGE.format(program=program)]
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
        if isinstance(
            stream, io.TextIOWrapper
        ):  # a terminal without our letters shows a ? for them
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
        print(_help(_define_flags(argv), shlex.join(_program(argv))))
        return 0
    light = _check_flags(argv)
    path = _config_file(argv)
    if light.new is not None or light.list or light.parts or light.completion:
        _check_read(light)
    if light.completion:
        print(_completion(light), end='')
        return 0
    if light.new is not None:
        return _new(light.new, argv)
    if light.list:
        return _list(console, estimate=bool(light.dry_run))
    if light.parts and path is None:
        _parts(console)
        return 0
    if path is None and light.overview is None and light.replay is None:
        raise UserError(
            'no --config; it must name a config file, as --config=configs/bn_batchsize.py'
        )
    _load_jax()
    for override in _overrides(argv):
        key = override.split('=')[0]
        if key != config_file.COLLECTION:
            _check_key(key, path)
    # Functions of the config may import what lies next to it when they are called.
    with contextlib.nullcontext() if path is None else config_file.neighbours(path):
        return _carry_out(argv, _parse(argv, path), console)


def _check_key(key: str, path: Path | None) -> None:
    """Whether configs have a key, or a part that this config file registers. Raises UserError."""
    from jaxtweaks.lab import experiment as experiment_lib

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
    if values.parts:
        _parts(console)
        return 0
    if values.overview is not None:
        return _overview(values, console)
    if values.replay is not None:
        return _replay(values, argv, console)
    if _is_collection(values.config):
        return _collection(values, argv, console)
    if values.fail_fast:
        raise UserError('--fail_fast: is for a collection; an experiment ends as it fails')
    experiment = _experiment(values.config, argv, values.sweep)
    # Only a valid config is worth the seconds it takes to load the rest.
    from jaxtweaks.lab import laboratory, planning, settle
    from jaxtweaks.run import compile_cache
    from jaxtweaks.run.group import Interrupted

    compile_cache.enable(_complain)

    path = _workdir(values, experiment, argv, console)
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


def _workdir(
    values: flags.FlagValues, experiment: 'Experiment', argv: Sequence[str], console: Console
) -> Path:
    """The work folder that is named, or else one by what is asked. Raises UserError."""
    from jaxtweaks.lab import asked

    if values.workdir:
        return home.expanded(values.workdir)
    given = (override.partition('=') for override in _overrides(argv))
    changed = asked.changes({key: value for key, _, value in given}, values.sweep)
    path = asked.folder(experiment.name, experiment.size, changed)
    if changed and not values.quiet:
        what = ', '.join(f'{key} = {value}' for key, value in changed.items())
        words = f'a work folder of its own, for it is another sweep ({what}): {path}'
        console.print(words, highlight=False, markup=False, soft_wrap=True)
    return path


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


def _new(name: str, argv: Sequence[str]) -> int:
    """Writes a config to start from and returns the exit code."""
    from jaxtweaks.lab import new_config

    path = new_config.write(name, Path('configs') if Path('configs').is_dir() else Path())
    print(f'wrote {path}; try it: {_command([argv[0], f"--config={path}:smoke"])}')
    return 0


def _completion(values: flags.FlagValues) -> str:
    """The script that completes the command line in a shell."""
    from jaxtweaks.lab import completion

    key = kept.key()
    found = kept.recall('keys', key)
    if found is None:
        _load_jax()
        from jaxtweaks.lab import experiment

        found = experiment.every_key()
        kept.keep('keys', key, found)
    fields, keys = found
    known = [flag for flags in _defined(values).values() for flag in flags]
    few = {flag.name: valid for flag in known if (valid := _one_of_few(flag)) is not None}
    configs = {path.stem for one in config_file.folders() for path in config_file.in_folder(one)}
    given = {flag.name: not flag.boolean for flag in known}
    return completion.script(values.completion, _COMMAND, given, sorted(configs), fields, keys, few)


def _defined(values: flags.FlagValues) -> dict[str, list[flags.Flag]]:
    """Our flags, without those that absl has for every program."""
    found = values.flags_by_module_dict().items()
    return {module: defined for module, defined in found if module != 'absl.flags'}


def _one_of_few(flag: flags.Flag) -> list[str] | None:
    """The values of a flag that takes no others; None of one that does."""
    return list(flag.parser.enum_values) if isinstance(flag.parser, flags.EnumParser) else None


def _list(console: Console, estimate: bool) -> int:
    """Lists the configs there are and returns the exit code."""
    folder = next(iter(config_file.folders()), Path('configs'))

    def lines() -> Iterator[kept.Line]:
        _load_jax()
        from jaxtweaks.lab import listing
        from jaxtweaks.run import compile_cache

        compile_cache.enable(_complain)
        yield from listing.lines(folder, console, estimate)

    if not folder.is_dir():
        raise UserError(f'--list: there is no folder {folder} here; make one, or go to where it is')
    if estimate:
        return 2 if kept.mistakes(kept.printed(lines(), console)) else 0
    key = kept.key([folder])
    shown = kept.recall('configs', key)
    found = list(kept.printed(lines() if shown is None else map(tuple, shown), console))
    mistakes = kept.mistakes(found)
    if not mistakes:  # one that is not in the files may be mended without their changing
        kept.keep('configs', key, found)
    return 2 if mistakes else 0


def _parts(console: Console) -> None:
    """Lists what a setting can be put together from."""
    fresh = 'jaxtweaks.config.parts' not in sys.modules  # else there may be parts of the user's
    key = kept.key()
    shown = kept.recall('parts', key) if fresh else None
    if shown is not None:
        list(kept.printed(map(tuple, shown), console))
        return
    _load_jax()
    from jaxtweaks.lab import parts_list

    found = list(kept.printed(parts_list.lines(), console))
    if parts_list.all_built_in():
        kept.keep('parts', key, found)


def _load_jax() -> None:
    """Imports JAX. Raises UserError if a variable is not as it, or the machine, takes it."""
    try:
        jax = importlib.import_module('jax')
    except ValueError as error:  # it reads its variables when it is imported
        if 'JAX' not in str(error):
            raise
        raise UserError(f'{error}; correct or unset the variable of this name') from None
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
    if values.sweep:
        raise UserError('--sweep is for one experiment; give it with one of the collection')
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
        values.fail_fast,
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


def _experiment(config: Any, argv: Sequence[str], axes: Sequence[str] = ()) -> 'Experiment':
    from jaxtweaks.lab import experiment as experiment_lib

    changes = {}
    for arg in _overrides(argv):
        key, _, value = arg.partition('=')
        # config_flags has put them in the config, but for an empty tuple, which it passes over.
        empty = value.replace(' ', '') == '()'
        changes[key] = () if empty else functools.reduce(operator.getitem, key.split('.'), config)
    if axes:
        from jaxtweaks.lab import asked

        values = config.to_dict() if isinstance(config, ConfigDict) else config
        config = asked.with_axes(values, axes)
    return experiment_lib.changed(config, changes)


def _keys_set(argv: Sequence[str]) -> list[str]:
    """The dotted names of the keys that the command line sets."""
    return [arg.partition('=')[0] for arg in _overrides(argv)]


def _overrides(argv: Sequence[str]) -> list[str]:
    """The arguments of the form --config.a.b=v, as 'a.b=v'."""
    given = [arg.lstrip('-') for arg in argv[1:] if arg.startswith('-')]
    return [arg.removeprefix('config.') for arg in given if arg.startswith('config.')]


def _command(argv: Sequence[str]) -> str:
    """What the user typed, near enough to type it again."""
    return shlex.join([*_program(argv), *argv[1:]])


def _program(argv: Sequence[str]) -> list[str]:
    """How this program was called."""
    name = os.path.basename(argv[0])
    if name in ('__main__.py', _COMMAND):
        return ['python', '-m', 'jaxtweaks'] if name != _COMMAND else [_COMMAND]
    return ['python', os.path.relpath(argv[0])]


def _with_seeds(argv: Sequence[str], seeds: int) -> list[str]:
    """The command line that carries out what this one plans, with so many seeds."""
    kept, args = [], iter(argv[1:])
    for arg in args:
        if arg.lstrip('-') == 'config.seeds':
            next(args)  # its value
        elif arg.lstrip('-').partition('=')[0] not in ('plan_seeds', 'dry_run', 'config.seeds'):
            kept.append(arg)
    return [argv[0], *kept, f'--config.seeds={seeds}']


class _DryRunParser(flags.BooleanParser):
    """Takes 'measure' besides what a boolean flag takes."""

    def parse(self, argument: str | bool) -> bool | str:
        """A boolean, or 'measure'. Raises ValueError."""
        if argument == _MEASURE:
            return _MEASURE
        try:
            return super().parse(argument)
        except ValueError:
            raise ValueError("it must be 'measure' or nothing") from None


class _ConfigParser(flags.ArgumentParser):
    """Loads the config of a flag as everything here does, see `config_file.load`."""

    def parse(self, argument: str) -> Mapping[str, Any] | ConfigDict:
        """The config of 'FILE:SIZE'. Raises UserError."""
        path, _, size = argument.partition(':')
        config = config_file.load(config_file.find(path), size or None)
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


def _check_flags(argv: Sequence[str]) -> flags.FlagValues:
    """The flags' values with the config as it is named, and nothing loaded. Raises UserError."""
    values = _define_flags([])
    delattr(values, 'config')
    flags.DEFINE_string('config', None, '', flag_values=values)
    arguments = iter(argv)
    given = []
    for arg in arguments:
        if not arg.lstrip('-').startswith('config.') or not arg.startswith('-'):
            given.append(arg)
        elif '=' not in arg:
            next(arguments, None)  # its value
    try:
        rest = values(given)
    except flags.Error as error:
        raise UserError(f'{one_line(error)} (see --help)') from None
    if len(rest) > 1:
        raise UserError(f'{rest[1]!r} is not a flag; flags begin with -- (see --help)')
    return values


def _check_override(complaint: str, argv: Sequence[str]) -> None:
    """Reports in plain words the override that config_flags could not take."""
    from jaxtweaks.lab import experiment as experiment_lib

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
            path = config_file.find(value.partition(':')[0])
            if not path.is_file():
                raise UserError(f'--config={value}: {config_file.not_there(path)}')
    return path
