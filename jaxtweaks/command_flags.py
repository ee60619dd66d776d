"""The flags of the command line: what there is, how it is read, and what goes with what."""

import os
import re
import shlex
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from jaxtweaks.base.errors import UserError, did_you_mean
from jaxtweaks.config import config_file
from jaxtweaks.config.config_file import complaint, one_line
from jaxtweaks.lab.completion import SHELLS

_USAGE = """Answers a question about training neural networks, given as a config file.

  {program} --config=configs/bn_batchsize.py            at the size that suits the machine
  {program} --config=configs/bn_batchsize.py:paper      at the size of the document
  {program} --config=bn_batchsize:smoke                 one of configs/, or of the package's
  {program} --config=configs/x.py --config.seeds=10 --config.train.epochs=5
  {program} --config=configs/all.py:quick               every experiment, and an overview
  {program} --overview=runs                             an overview of what there is
  {program} --config=... --workers=auto                 a process for each GPU of this host
  {program} --config=... --scheduler=cluster.json       on a Dask cluster
  {program} --replay=RUN --workdir=runs/x-quick         one run again: is it the same?
  {program} --list                                      the configs there are
  {program} --new=NAME                                  a config to start from
"""
# What stands after the = of a flag in the help.
_VALUES = {
    'config': 'FILE[:SIZE]',
    'workdir': 'FOLDER',
    'overview': 'FOLDER,…',
    'replay': 'RUN',
    'new': 'NAME',
    'sweep': 'FIELD=VALUE,…',
    'export': 'FORMAT,…',
    'completion': '|'.join(SHELLS),
    'budget': 'TIME',
    'workers': 'N|auto',
    'scheduler': 'ADDRESS|FILE',
}
_ABSL_ADDS = ';\n    repeat this option'  # to the help of a flag that may be given again
_MEASURE = 'measure'  # see `laboratory.MEASURE`
COMMAND = 'jaxtweaks'  # what the package installs
_KEYS = (
    '--config.KEY=VALUE',
    'Set a key of the config, as in --config.train.epochs=5. The keys, what they are for and which '
    'values they take: of a setting jaxtweaks/config/settings.py, of its parts --parts, of the '
    'experiment (seeds, claims, search, …) jaxtweaks/lab/experiment.py.',
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
# Of those that read keys of a config: which; None for all.
_KEYS_READ: Mapping[str, tuple[str, ...] | None] = {'replay': ('data.dir',), 'plan_seeds': None}
_OPTIONS = (
    *('config', 'sweep', 'workdir', 'dry_run', 'quiet', 'export', 'workers', 'mix_versions'),
    *('fail_fast', 'until_settled', 'budget', 'scheduler'),
)
_SURROUNDINGS = """
The environment: TFDS_DATA_DIR names a folder of TFDS data sets; JAXTWEAKS_CACHE_DIR or
XDG_CACHE_HOME where decoded data and compiled programs are kept; JAXTWEAKS_MIRROR a web folder with
the archives of CIFAR-10 and MNIST, in place of the publishers'; JAXTWEAKS_COMPILE_CACHE=0 and
JAXTWEAKS_NATIVE=0 do without the cache of compiled programs and without custom kernels, which CXX
compiles; JAXTWEAKS_AMX=0 multiplies bfloat16 without AMX; NO_COLOR turns colours off;
JAXTWEAKS_THREADS=N has a process train in N threads, not in one for each core, where several share
a CPU; JAX's own variables (JAX_PLATFORMS, CUDA_VISIBLE_DEVICES, XLA_FLAGS, …) work as ever.

Exit codes: 0 done; 1 an internal error, or not all could be done (a full disk, a lost scheduler);
2 a user error, in command or config; 128 + n interrupted by signal n, with the state saved: the
same command goes on (130 Ctrl-C, 143 SIGTERM, 129 SIGHUP, 138 and 140 SIGUSR1 and SIGUSR2). With
--list, 2 if a config has a mistake; with --replay, 1 also if the run is not what is on record.
"""


def define(argv: Sequence[str]) -> flags.FlagValues:
    """The flags, before parsing; `argv` because config_flags looks ahead for the overrides."""
    values = flags.FlagValues()
    _define_question(values, argv)
    _define_actions(values)
    _define_options(values)
    _define_seeds(values)
    _define_workers(values)
    flags.DEFINE_bool('help', False, 'Show this.', short_name='h', flag_values=values)
    for defined in every(values).values():
        for flag in defined:
            flag.help = _own_words(flag)
    return values


def _own_words(flag: flags.Flag) -> str:
    """The help of a flag without what absl puts before and behind it."""
    few = one_of_few(flag)
    words = flag.help.removeprefix(f'<{"|".join(few)}>: ') if few else flag.help
    return words.partition(_ABSL_ADDS)[0]


def _define_question(values: flags.FlagValues, argv: Sequence[str]) -> None:
    """What is asked, and where the results go."""
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


def _define_actions(values: flags.FlagValues) -> None:
    """What is done in place of carrying out an experiment."""
    flags.DEFINE_list(
        'overview',
        None,
        'Only write an overview of finished experiments: their folders, or folders of them, with '
        'commas between; to --workdir, default overview/ in the first folder, or next to it if '
        'that is a work folder.',
        flag_values=values,
    )
    flags.DEFINE_string(
        'replay',
        None,
        'Only train one run of the sweep in --workdir again, alone, and say whether it is bitwise '
        'what is on record; its id is in the column run of runs.parquet. Needs --config=FILE too '
        'if that file registers anything. Writes nothing.',
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
        'Only list what settings (optimisers, schedules, losses, …), figures, claims and '
        'derivations can be made of: what each does, its parameters and their defaults; with '
        '--config those it registers too.',
        flag_values=values,
    )


def _define_options(values: flags.FlagValues) -> None:
    """How it is carried out."""
    flags.DEFINE_flag(
        flags.Flag(
            _DryRunParser(),
            None,
            'dry_run',
            False,
            'Say how many programs and runs there would be, and how much memory and time they need '
            'by what was measured here before, else, on a CPU, a rough guess of the time, and '
            'stop; --dry_run=measure compiles them to measure it.',
            boolean=True,
        ),
        flag_values=values,
    )
    flags.DEFINE_bool('quiet', False, 'Say only what must not be missed.', flag_values=values)
    flags.DEFINE_list(
        'export',
        [],
        'What else to write, with commas between: csv (the rows), pdf (the figures), latex (the '
        'tables), tensorboard (event files; needs the extra tensorboard), wandb (offline runs of '
        'Weights & Biases, which wandb sync sends; needs the extra wandb), mlflow (a database of '
        'MLflow; needs the extra mlflow).',
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
        [*SHELLS],
        'Only print a script that completes the command in this shell: eval "$(jaxtweaks '
        '--completion=bash)".',
        flag_values=values,
    )


def _define_seeds(values: flags.FlagValues) -> None:
    """How many seeds there are."""
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
        'Add seeds until every claim is settled, cannot be settled, or --budget is spent: looks at '
        '5 seeds (8 where shares of runs are claimed), 8, 12, 20, 32 and 50, corrected for '
        'looking. Not with --config.seeds, nor for a search.',
        flag_values=values,
    )
    flags.DEFINE_string(
        'budget',
        None,
        'With --until_settled: the training time of an experiment in all, as 90s, 30m (the '
        'default) or 2h. The same command with more goes on; but the looks that the first budget '
        'reaches have most of the power, so begin with the one that you mean. Of a collection: of '
        'all its experiments together (2h by default).',
        flag_values=values,
    )


def _define_workers(values: flags.FlagValues) -> None:
    """Which processes train."""
    flags.DEFINE_string(
        'workers',
        None,
        'Train by so many processes of this host, each with one of its GPUs if there are any, '
        'which more processes than GPUs share; auto: one for each GPU; without any, one for every '
        'two cores. Needs the extra distributed.',
        flag_values=values,
    )
    flags.DEFINE_string(
        'scheduler',
        None,
        'Train by the workers of a Dask cluster: the address of its scheduler, as tcp://host:8786, '
        'or the file it writes. Needs the extra distributed.',
        flag_values=values,
    )


def usage(values: flags.FlagValues, called: str) -> str:
    """How to use the command line: our flags, without those that absl has for every program."""
    entries = []
    for defined in every(values).values():
        for flag in defined:
            name = f'--{flag.name}' if flag.boolean else f'--{flag.name}={_VALUES[flag.name]}'
            entries.append((f'{name}[={_MEASURE}]' if flag.name == 'dry_run' else name, flag.help))
    entries.insert(1, _KEYS)
    wide = 22
    lines = [_USAGE.format(program=called)]
    for name, words in entries:
        wrapped = textwrap.wrap(words, 96 - wide)
        if len(name) + 3 > wide:
            wrapped = ['', *wrapped]
        lines += [f'  {name:{wide - 2}}{wrapped[0]}'.rstrip()]
        lines += [' ' * wide + line for line in wrapped[1:]]
    return '\n'.join([*lines, _SURROUNDINGS.rstrip()])


def every(values: flags.FlagValues) -> dict[str, list[flags.Flag]]:
    """Our flags, without those that absl has for every program."""
    found = values.flags_by_module_dict().items()
    return {module: defined for module, defined in found if module != 'absl.flags'}


def one_of_few(flag: flags.Flag) -> list[str] | None:
    """The values of a flag that takes no others; None of one that does."""
    return list(flag.parser.enum_values) if isinstance(flag.parser, flags.EnumParser) else None


def check_read(values: flags.FlagValues, argv: Sequence[str]) -> None:
    """Whether what is asked for reads all that is given: flags, and keys. Raises UserError."""
    known = (*_ACTIONS, *_OPTIONS)
    given = [name for name in known if values[name].value != values[name].default]
    if not given or given[0] not in _ACTIONS:
        return
    action, *others = given
    unread = [name for name in others if name not in _ACTIONS[action]]
    keys_read = _KEYS_READ.get(action, ())
    if keys_read is not None:
        unread += [f'config.{key}' for key in keys_set(argv) if key not in keys_read]
    if unread:
        raise UserError(f'--{unread[0]}: --{action} does not read it; omit one of the two')


def joined(argv: Sequence[str]) -> list[str]:
    """The command line with each `--config.KEY VALUE` as one argument, `--config.KEY=VALUE`.

    A key without a value is set to true, which only one that is true or false takes.
    """
    found, left = [*argv[:1]], list(argv[1:])
    while left:
        arg = left.pop(0)
        if arg.startswith('-') and arg.lstrip('-').startswith('config.') and '=' not in arg:
            is_value = bool(left) and (not left[0].startswith('-') or _NUMBER.match(left[0]))
            arg = f'{arg}={left.pop(0) if is_value else "true"}'
        found.append(arg)
    return found


_NUMBER = re.compile(r'-[\d.]')


def keys_set(argv: Sequence[str]) -> list[str]:
    """The dotted names of the keys that the command line sets."""
    return [arg.partition('=')[0] for arg in overrides(argv)]


def overrides(argv: Sequence[str]) -> list[str]:
    """The arguments of the form --config.a.b=v, as 'a.b=v'."""
    given = [arg.lstrip('-') for arg in argv[1:] if arg.startswith('-')]
    return [arg.removeprefix('config.') for arg in given if arg.startswith('config.')]


def command(argv: Sequence[str]) -> str:
    """What the user typed, near enough to type it again."""
    return shlex.join([*program(argv), *argv[1:]])


def program(argv: Sequence[str]) -> list[str]:
    """How this program was called."""
    name = os.path.basename(argv[0])
    if name in ('__main__.py', COMMAND):
        return ['python', '-m', 'jaxtweaks'] if name != COMMAND else [COMMAND]
    return ['python', os.path.relpath(argv[0])]


def with_seeds(argv: Sequence[str], seeds: int) -> list[str]:
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


def parse(argv: Sequence[str], path: Path | None) -> flags.FlagValues:
    """The flags' values; `path`: of the config file, None if there is none. Raises UserError."""
    values = define(argv)
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


def check(argv: Sequence[str]) -> flags.FlagValues:
    """The flags' values with the config as it is named, and nothing loaded. Raises UserError."""
    values = define([])
    delattr(values, 'config')
    flags.DEFINE_string('config', None, '', flag_values=values)
    is_override = lambda arg: arg.startswith('-') and arg.lstrip('-').startswith('config.')
    given = [arg for arg in joined(argv) if not is_override(arg)]
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

    for override in overrides(argv):
        if f'--config.{override}:' in complaint:
            key, _, value = override.partition('=')
            experiment_lib.check_value(key, value)


def _check_there(argv: Sequence[str], path: Path) -> None:
    """Complains of the first override whose key the config of a file does not have."""
    config = config_file.load(path, None)
    for key in (override.partition('=')[0] for override in overrides(argv)):
        section = config
        for part in key.split('.'):
            if not isinstance(section, Mapping | ConfigDict):
                return
            if part not in section:
                hint = did_you_mean(part, section) if section else 'there are none of its kind'
                raise UserError(f"config.{key}: {path} has no key '{part}'; {hint}")
            section = section[part]


def config_path(argv: Sequence[str]) -> Path | None:
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
