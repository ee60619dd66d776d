"""A key of a config that there is not: which one was meant. Nothing is imported for it."""

import difflib
from collections.abc import Collection

from jaxtweaks.base.errors import did_you_mean, nearest


def complaint(key: str, known: Collection[str]) -> str:
    """What to say of a dotted key that configs do not have; '' if they have it, or a section of it.

    Args:
      key: as 'train.epoch'.
      known: the dotted names of all keys that are no sections.
    """
    names, section = key.split('.'), ''
    for place, name in enumerate(names):
        inside = [one.removeprefix(section) for one in known if one.startswith(section)]
        valid = dict.fromkeys(one.partition('.')[0] for one in inside)
        if name not in valid:
            # Of a key in a key that is no section the whole is unknown, and any may be meant.
            if not valid:
                return f"config.{key}: unknown key '{key}'; {did_you_mean(key, known)}"
            where = f' in config.{section.removesuffix(".")}' if section else ''
            meant = _meant(names, place, known, valid)
            hint = did_you_mean(name, valid, meant)
            return f"config.{key}: unknown key '{name}'{where}; {hint}"
        section += f'{name}.'
    return ''


def _meant(names: list[str], place: int, known: Collection[str], valid: Collection[str]) -> str:
    """The key that is meant: as from its section where the mistake is in its last name alone.

    Args:
      names: of the key, one for each section and the last.
      place: of the first that is unknown.
      known: see `complaint`.
      valid: what could stand there.
    """
    key, last = '.'.join(names), names[-1]
    elsewhere = [one for one in known if one.rpartition('.')[2] == last]
    # Of several keys with this last name only one that is like it in the rest is meant.
    near = difflib.get_close_matches(key, elsewhere, n=1, cutoff=0.8)
    if near or len(elsewhere) == 1:
        return (near or elsewhere)[0]
    close = nearest(names[place], valid)
    if close and place < len(names) - 1:  # a section: what is in it may be misspelt too
        within = [one for one in known if one.startswith(f'{close}.')]
        return nearest('.'.join([close, *names[place + 1 :]]), within) if not place else close
    return close
