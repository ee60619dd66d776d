"""The command line: flags in, an exit code out.

Exit codes: 0 done; 1 an internal error, or not all could be carried out; 2 a user error; 128 + n
interrupted by signal n, with the state saved.
"""

import contextlib
import functools
import gc
import importlib
import io
import operator
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import flags
from ml_collections import ConfigDict
from rich.console import Console

from jaxtweaks import command_flags
from jaxtweaks.base import errors, home
from jaxtweaks.base.errors import Unfinished, UserError, did_you_mean
from jaxtweaks.base.terminal import CommandTerminal, send_nowhere
from jaxtweaks.config import config_file, sources, unknown
from jaxtweaks.config.config_file import one_line
from jaxtweaks.lab import done, kept
from jaxtweaks.run import cluster, trainers

if TYPE_CHECKING:
    from jaxtweaks.lab.experiment import Experiment

# JAX and all that imports it take seconds, so they are imported where something is to be done: not
# for the help, a mistake in a flag or in the path of a config, and not for a listing that is kept.


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv` (default: this process's) and returns the exit code."""
    argv = command_flags.joined(sys.argv if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # a terminal without our letters shows a ? for them
            stream.reconfigure(errors='replace')
    console = CommandTerminal()
    try:
        return _main(argv, console)
    except UserError as error:
        _complain(f'error: {one_line(error)}')
        return 2
    except Unfinished as error:
        _complain(f'not finished: {one_line(error)}')
        return 1
    except KeyboardInterrupt:
        _complain('interrupted; the same command goes on from what is saved')
        return 128 + signal.SIGINT
    except BrokenPipeError:
        send_nowhere(sys.stdout)
        return 1
    except OSError as error:
        words, code = errors.os_error_words(error)
        _complain(f'error: {words}')
        return code
    except Exception:
        traceback.print_exc()
        _complain('error: this is a bug of jaxtweaks; the lines above say where')
        return 1


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """For imports: no garbage is looked for, which takes a third of their time and finds none."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # nor is it looked for among what was imported
        gc.enable()


def _complain(text: str) -> None:
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        send_nowhere(sys.stderr)


def _main(argv: list[str], console: Console) -> int:
    if {'-h', '--help', '-help', '--helpshort', '--helpfull'} & set(argv[1:]):
        print(
            command_flags.usage(command_flags.define(argv), shlex.join(command_flags.program(argv)))
        )
        return 0
    light = command_flags.check(argv)
    command_flags.check_read(light, argv)
    path = command_flags.config_path(argv)
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
    workers = cluster.asked(light.workers, light.scheduler)  # which may be a mistake
    command = None if path is None else _known_command(argv, light, path, console)
    if command is not None and (found := done.recall(command)):
        if not light.quiet:
            said = f'{found.workdir}: finished before, nothing to do'
            console.print(said, highlight=False, markup=False, soft_wrap=True)
            console.file.write(found.shown)
        return 0
    if path is not None:
        _check_kept(argv, light.sweep, path)
    with _uncollected():
        _load_jax(only_to_plan=workers is not None)
        _keys()  # kept, so that a mistake in one is found at once next time
        for key in command_flags.keys_set(argv):
            if key != config_file.COLLECTION:
                _check_key(key, path)
    # Functions of the config may import what lies next to it when they are called.
    around = contextlib.nullcontext() if path is None else config_file.neighbours(path)
    with around, trainers.chosen(workers, _complain):
        with _uncollected():
            values = command_flags.parse(argv, path)
        return _carry_out(argv, values, console, command)


def _check_kept(argv: Sequence[str], axes: Sequence[str], path: Path) -> None:
    """Whether configs have the keys that are set and swept, by a list of them that is kept.

    Where there is none, or the config can register keys of its own, that is checked later.

    Raises:
      UserError: they do not have one.
    """
    given = command_flags.keys_set(argv)
    swept = [axis.partition('=')[0].strip().removeprefix('config.') for axis in axes]
    found = kept.recall('keys', kept.key()) if given or swept else None
    if found is None or sources.of(path).registers:
        return
    fields, known, former = found
    for key in filter(None, (*given, *swept)):
        # One that was moved, and one of a tweak, are spoken of in words of their own.
        if key in (config_file.COLLECTION, *former) or key.startswith('tweaks.'):
            continue
        if complaint := unknown.complaint(key, known):
            named = f"--sweep: unknown field '{key}'; {did_you_mean(key, fields)}"
            raise UserError(complaint if key in given else named)


def _keys() -> tuple[list[str], ...]:
    """See `experiment.every_key`: as they are kept, or made and kept. May import JAX."""
    key = kept.key()
    found = kept.recall('keys', key)
    if found is None:
        _load_jax()
        from jaxtweaks.lab import experiment, parts_list

        found = experiment.every_key()
        if parts_list.all_built_in():
            kept.keep('keys', key, found)
    return tuple(found)


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


def _known_command(
    argv: Sequence[str], light: flags.FlagValues, path: Path, console: Console
) -> done.Command | None:
    """What `done` is to know of a command; None of one that is no plain experiment."""
    other = light.dry_run or light.plan_seeds or light.parts
    if other or light.overview is not None or light.replay is not None:
        return None
    return done.command(argv, path, console)


def _carry_out(
    argv: list[str],
    values: flags.FlagValues,
    console: Console,
    known: done.Command | None,
) -> int:
    """Does what the flags say and returns the exit code; see `done` for a known command."""
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
    with _uncollected():
        from jaxtweaks import data as data_lib
        from jaxtweaks.lab import laboratory, planning, settle
        from jaxtweaks.run import compile_cache
        from jaxtweaks.run.group import Interrupted

    compile_cache.enable(_complain)

    path = _workdir(values, experiment, argv, console)
    command = command_flags.command(argv)
    exports = _exports(values)
    budget = settle.budget_of(values.until_settled, values.budget or '')
    how = {
        'command': command,
        'dry_run': values.dry_run,
        'quiet': values.quiet,
        'mix_versions': values.mix_versions,
        'file': command_flags.config_path(argv),
        'named': values.workdir is not None,
    }
    try:
        if values.plan_seeds:
            more = lambda seeds: command_flags.command(command_flags.with_seeds(argv, seeds))
            planning.run(experiment, path, console, more, **how)
            return 0
        if budget is not None:
            settle.check(experiment, chosen='seeds' in command_flags.keys_set(argv))
        answer = laboratory.run(
            experiment,
            path,
            console,
            exports=exports,
            workers=cluster.asked(values.workers, values.scheduler),
            budget=budget,
            **how,
        )
        if known is not None and answer is not None and not answer.results.fallback:
            with console.capture() as shown:
                answer.show(console)
            place = data_lib.place(experiment.base.data)
            done.keep(known, path, shown.get(), data=place)
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
    changed = asked.changes(experiment, command_flags.keys_set(argv), values.sweep)
    path = asked.folder(experiment.name, experiment.size, changed)
    if changed and not values.quiet:
        what = ', '.join(f'{key} = {value}' for key, value in changed.items())
        words = f'a work folder of its own, for it is another sweep ({what}): {path}'
        console.print(words, highlight=False, markup=False, soft_wrap=True)
    return path


def _new(name: str, argv: Sequence[str]) -> int:
    """Writes a config to start from and returns the exit code."""
    from jaxtweaks.lab import new_config

    path = new_config.write(name, Path('configs') if Path('configs').is_dir() else Path())
    print(f'wrote {path}; try it: {command_flags.command([argv[0], f"--config={path}:smoke"])}')
    return 0


def _completion(values: flags.FlagValues) -> str:
    """The script that completes the command line in a shell."""
    from jaxtweaks.lab import completion

    fields, keys, _ = _keys()
    known = [flag for flags in command_flags.every(values).values() for flag in flags]
    few = {
        flag.name: valid for flag in known if (valid := command_flags.one_of_few(flag)) is not None
    }
    configs = {path.stem for one in config_file.folders() for path in config_file.in_folder(one)}
    given = {flag.name: not flag.boolean for flag in known}
    return completion.script(
        values.completion, command_flags.COMMAND, given, sorted(configs), fields, keys, few
    )


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


def _load_jax(only_to_plan: bool = False) -> None:
    """Imports JAX. Raises UserError if a variable is not as it, or the machine, takes it.

    `only_to_plan`: others train, so that no accelerator is taken from them.
    """
    try:
        jax = importlib.import_module('jax')
    except ValueError as error:  # it reads its variables when it is imported
        if 'JAX' not in str(error):
            raise
        raise UserError(f'{error}; correct or unset the variable of this name') from None
    if only_to_plan:
        trainers.keep_to_cpu(_complain)
        return
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
    # As an experiment's own folder is named after what is changed of its config.
    usual = f'runs/first_seed={found.first_seed}' if found.first_seed else 'runs'
    root = home.expanded(values.workdir or usual)
    options = collection.Options(
        values.dry_run,
        values.quiet,
        exports,
        cluster.asked(values.workers, values.scheduler),
        values.mix_versions,
        settle.budget_of(values.until_settled, values.budget or '', settle.OF_ALL),
        values.fail_fast,
    )
    try:
        return collection.run(
            found,
            root,
            console,
            options,
            lambda arguments: command_flags.command([argv[0], *arguments]),
        )
    except Interrupted as interrupted:
        _complain(
            f'interrupted; everything is saved in {root}. To go on: {command_flags.command(argv)}'
        )
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
    for arg in command_flags.overrides(argv):
        key, _, value = arg.partition('=')
        # config_flags has put them in the config, but for an empty tuple, which it passes over.
        empty = value.replace(' ', '') == '()'
        changes[key] = () if empty else functools.reduce(operator.getitem, key.split('.'), config)
    if axes:
        from jaxtweaks.lab import asked

        values = config.to_dict() if isinstance(config, ConfigDict) else config
        extended = {key: changes.pop(key) for key in asked.EXTENDED if key in changes}
        config = asked.with_axes({**values, **extended}, axes)
    return experiment_lib.changed(config, changes)
