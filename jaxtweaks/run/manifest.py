"""The manifest of a work folder: which groups its sweep has, of which data, and every launch.

Without it no result could be told apart from those of another group size, so it is kept twice.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxtweaks.base.errors import UserError
from jaxtweaks.config.expand import Sweep
from jaxtweaks.run import version
from jaxtweaks.run.plan import Group
from jaxtweaks.run.workdir import Workdir, as_given, describe_groups

NAME = 'manifest.json'
# Of work folders. A folder keeps the one it was made with; one without a number is of format 1,
# where a tweak is known by its source text and nothing says which version of the code trained what.
FORMAT = 2
COPY = 'manifest.json.copy'

# What is read of it: a dict by its keys, a list by what all its items are. Keys with ? may lack.
_GROUP = {
    'id': str,
    'size': int,
    'shares?': int,
    'batching': str,
    'off': [str],
    'runs': [str],
    'stage?': int,
    'code?': [str],  # versions of the training code that trained it, the latest last
}
_SHAPE = {
    'launches': [{}],
    'data': {'label': str, 'source': str, 'fingerprint': str},
    'groups': [_GROUP],
    'rounds?': [list],
    'looks?': [{'seeds': int, 'design': str, 'p': {}, 'going?': [str], 'next?': int}],
    'surroundings?': {},
    'tweaks?': {'python': str, 'digests': {}},
}


def read(workdir: Workdir, notify: Callable[[str], None]) -> dict[str, Any] | None:
    """The manifest, None if the folder has none.

    Args:
      workdir: the folder.
      notify: is told if the copy had to be taken.

    Raises:
      UserError: it is damaged, and so is its copy, or there is none.
    """
    try:
        found = _checked(workdir, NAME)
        if found is not None:
            return found
        lost = f'{workdir.path / NAME}: is missing'
    except UserError as error:
        lost = str(error)
        found = None
    try:
        found = _checked(workdir, COPY)
    except UserError:
        found = None
    if found is not None:
        notify(f'{lost}; its copy is used')
    elif not lost.endswith('is missing'):
        raise UserError(lost)
    return found


def format_of(content: dict[str, Any]) -> int:
    """The format of the folder."""
    return content.get('format', 1)


def codes(content: dict[str, Any]) -> dict[str, list[str]]:
    """By the id of a group the versions of the training code that trained it, the latest last."""
    return {one['id']: one.get('code', [version.UNRECORDED]) for one in content['groups']}


def write(workdir: Workdir, content: dict[str, Any]) -> None:
    """Writes the manifest and its copy."""
    for name in (NAME, COPY):
        workdir.write_json(name, content)


def rounds(content: dict[str, Any]) -> tuple[Sweep, ...]:
    """The further rounds that a search has come to."""
    return as_given(content.get('rounds', []))


def add_round(workdir: Workdir, number: int, sweep: Sweep) -> None:
    """Adds the round of this number to a search, unless another process has done so."""
    content = workdir.read_json(NAME)
    later = content.get('rounds', [])
    if len(later) < number - 1:
        write(workdir, content | {'rounds': [*later, sweep]})


def looks(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The looks at the claims so far, the last one last; none in a folder that kept none.

    Of each 'seeds', of a setting; 'design', 'fixed' or 'settled'; 'p', by the key of a claim its
    two p values (see `claims.sequential`); of 'settled' also 'going', the keys of the claims that
    more seeds are worth training for, and 'next', how many seeds it was decided to go on to.
    """
    return list(content.get('looks', []))


def add_look(workdir: Workdir, look: dict[str, Any]) -> None:
    """Adds a look at the claims, in the place of one with as many seeds and of the same design."""
    content = workdir.read_json(NAME)
    alike = lambda one: (one['seeds'], one['design']) == (look['seeds'], look['design'])
    before = [one for one in looks(content) if not alike(one)]
    write(workdir, content | {'looks': [*before, look]})


def regroup(
    workdir: Workdir, replaced: Mapping[str, Sequence[Group]], event: dict[str, Any]
) -> None:
    """Puts other groups in the place of some of those of the manifest.

    Args:
      workdir: with a manifest.
      replaced: what is in the place of a group from now on, by its id. Those that another process
        has replaced before stay as they are.
      event: what happened, for the record of this launch, under 'regrouped'.
    """
    content = workdir.read_json(NAME)
    launches = content['launches']
    launch = next((one for one in launches if one.get('started') == workdir.started), launches[-1])
    launch['regrouped'] = [*launch.get('regrouped', []), event]
    groups, before = [], codes(content)
    # What runs of several groups are put together was trained by all that trained one of them.
    code = list(dict.fromkeys(one for name in replaced for one in before.get(name, ())))
    for one in content['groups']:
        new = replaced.get(one['id'])
        groups += (
            [one]
            if new is None
            else describe_groups(new, dict.fromkeys((part.id for part in new), code))
        )
    write(workdir, content | {'groups': groups})


def _checked(workdir: Workdir, name: str) -> dict[str, Any] | None:
    found = workdir.read_json(name)
    if found is None:
        return None
    made = found.get('format', 1)
    if not isinstance(made, int) or made > FORMAT:
        raise UserError(
            f'{workdir.path}: is of format {made!r}, made by a newer version of jaxtweaks; this '
            f'one knows formats up to {FORMAT}; install a newer one or choose another --workdir'
        )
    wrong = _complaint(found, _SHAPE, '')
    if not wrong and not found['launches']:
        wrong = 'launches is empty'
    for group in found['groups'] if not wrong else ():
        if not group['size'] * group.get('shares', 1) >= len(group['runs']) > 0:
            wrong = 'a group has no runs, or more than its size'
    if wrong:
        raise UserError(
            f'{workdir.path / name}: is not a manifest ({wrong}); restore it or choose another '
            '--workdir'
        )
    return found


def _complaint(found: Any, shape: Any, where: str) -> str:
    """The first thing in which `found` is not of a shape, '' if there is none."""
    if isinstance(shape, type):
        fits = isinstance(found, shape) and not isinstance(found, bool)
        return '' if fits else f'{where} is not of type {shape.__name__}'
    if not isinstance(found, type(shape)):
        return f'{where or "it"} is not a {type(shape).__name__}'
    if isinstance(shape, list):
        inside = [(item, shape[0], f'{where}[{i}]') for i, item in enumerate(found)]
    else:
        prefix, inside = f'{where}.' if where else '', []
        for key, kind in shape.items():
            name = key.removesuffix('?')
            if name in found:
                inside.append((found[name], kind, f'{prefix}{name}'))
            elif name == key:
                return f'{prefix}{key} is missing'
    return next(filter(None, (_complaint(*one) for one in inside)), '')
