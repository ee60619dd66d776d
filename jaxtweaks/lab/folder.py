"""Whether the work folder that is there is that of what is asked: code, functions, config file."""

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import jax

from jaxtweaks.base.errors import UserError
from jaxtweaks.base.words import count
from jaxtweaks.lab import stored
from jaxtweaks.lab.experiment import Experiment
from jaxtweaks.run.manifest import Launch, Manifest
from jaxtweaks.run.plan import Group
from jaxtweaks.run.workdir import Workdir

Notify = Callable[[str], None]
Codes = dict[str, list[str]]
# Of commands that did not record the config file on its own.
_FILE = re.compile(r"""(?:--config[= ]['"]?|jaxtweaks\.run\(['"])([^\s:'"]+\.py)""")
# Under which digest each tweak was traced last in this process.
_traced: dict[str, str] = {}


def forget_traces(digests: Mapping[str, str]) -> None:
    """Lets JAX trace again where a tweak does something else than when it was traced.

    JAX remembers functions under `jax.jit` by what they are and not by the globals they read, which
    a notebook may have changed.
    """
    if any(_traced.get(name, digest) != digest for name, digest in digests.items()):
        jax.clear_caches()
    _traced.update(digests)


def codes(
    workdir: Workdir,
    manifest: Manifest | None,
    groups: Sequence[Group],
    finished: Collection[str],
    now: str,
) -> Codes:
    """By the id of a group the versions of the code that trained it, and will if it is to be.

    Args:
      workdir: with the checkpoints of groups under way.
      manifest: what it says of groups so far.
      groups: all of them.
      finished: the ids of those with a result.
      now: the version at hand.
    """
    before = manifest.codes if manifest else {}
    found = {}
    for group in groups:
        kept = group.id in finished or workdir.has_checkpoint(group)
        trained = list(before.get(group.id, ())) if kept else []
        ends_here = group.id in finished or trained[-1:] == [now]
        found[group.id] = trained if ends_here else [*trained, now]
    return found


def check_version(
    workdir: Workdir,
    manifest: Manifest | None,
    experiment: Experiment,
    trained: Codes,
    left: int,
    mix: bool,
    notify: Notify,
) -> None:
    """Whether what is left to train is trained by the code that trained what is there.

    Args:
      workdir: the folder.
      manifest: what it says so far.
      experiment: what is carried out in it.
      trained: see `codes`.
      left: how many runs are to be trained.
      mix: whether the user wants numbers of several versions in one table.
      notify: reports if there are.

    Raises:
      UserError: it is not, and the user did not ask for that.
    """
    now = stored.code_of(experiment)
    others = dict.fromkeys(one for found in trained.values() for one in found if one != now)
    if manifest is None or not others:
        return
    by = f'{workdir.path}: was {stored.trained_by(others, manifest)}, now it is {now}'
    elsewhere = f'choose another --workdir, as --workdir={stored.free(workdir.path)}'
    if not left:
        notify(f'{by}; nothing is left to train, so it is only drawn again')
        return
    if (how := stored.known_by(manifest)) and experiment.digests:
        raise UserError(
            f'{by}, and its {stored.called(min(experiment.digests))} is known by {how}, so that '
            f'nothing can be added to it; {elsewhere}'
        )
    part = count(left, 'run')
    if not mix:
        raise UserError(
            f'{by}, and {part} would be trained by that; numbers of two versions are not mixed: '
            f'{elsewhere}, or give --mix_versions (mix_versions=True in Python), which is on record'
        )
    notify(
        f'{by}; {part} {"is" if left == 1 else "are"} trained by that, as --mix_versions asks; the '
        'report says so'
    )


def check_file(
    workdir: Workdir,
    manifest: Manifest,
    name: str,
    file: Path | None,
    named: bool,
    notify: Notify,
) -> None:
    """Whether a folder that a config file has by its name is not that of another config file.

    Args:
      workdir: the folder.
      manifest: what it says so far.
      name: of the experiment.
      file: the config file; None for a config that is of no file.
      named: whether the user named the folder, and the config's name did not choose it.
      notify: reports if it is, and the user named it; or if the other file is gone.

    Raises:
      UserError: it is, and the user did not name it.
    """
    before = [_file_of(launch) for launch in manifest.launches]
    others = list(dict.fromkeys(one for one in before if one is not None))
    if file is None or not others or any(_is_same(file, one) for one in others):
        return
    other = next((one for one in reversed(others) if one.is_file()), None)
    if other is None:
        notify(
            f'{workdir.path}: is of {_shown(others[-1])}, which is not there any more; '
            f'{_shown(file)} has its name and goes on in it'
        )
    elif named:
        notify(f'{workdir.path}: is of {_shown(other)}; {_shown(file)} goes on in it')
    else:
        raise UserError(
            f'{_shown(file)}: has the name {name!r} of {_shown(other)}, whose work folder '
            f'{workdir.path} is; give it a name of its own, as {file.stem!r}, or say where its '
            'results shall go with --workdir'
        )


def _file_of(launch: Launch) -> Path | None:
    """The config file of a launch, as far as it is known."""
    if launch.config is not None:
        return Path(launch.config)
    found = _FILE.search(launch.command or '')
    return Path(found[1]) if found else None


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.resolve() == other.resolve() or os.path.samefile(one, other)
    except OSError:
        return False


def _shown(path: Path) -> str:
    """A path as it is shortest."""
    return min(str(path), os.path.relpath(path), key=len)
