"""The errors a user can cause, kept apart from internal errors."""

import difflib
import errno
from collections.abc import Iterable

_LISTED = 40  # names in a message; more cannot be read
# What is wrong with a path that a user names.
_NO_PLACE = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.ENOTDIR, errno.EISDIR),
)
# What no other command would mend: a disk, or a user's share of it, that is full or fails.
OF_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


class UserError(Exception):
    """Something the user can mend: `main.py` prints it as one line and exits with code 2.

    The message says what is wrong, where, and what would be right.
    """


class Unfinished(Exception):
    """What was asked for could not all be carried out, by no user error.

    The message says why, and how to go on; `main.py` prints it as one line and exits with code 1.
    """


def os_error_words(error: OSError) -> tuple[str, int]:
    """What is wrong with a file or a disk, in a line; and the exit code, 2 for a user error."""
    where = f'{error.filename}: ' if error.filename else ''
    if error.errno in _NO_PLACE:
        return f'{where}{error.strerror}; name another place', 2
    kept = 'what was finished is kept, and the same command goes on from there'
    return f'{where}{error.strerror or error}; {kept}', 1


def did_you_mean(name: str, valid: Iterable[str], meant: str = '') -> str:
    """The end of an error message that lists `valid` and names the one nearest to `name`.

    `meant`: what is named in its place.
    """
    valid = sorted(valid)
    meant = meant or nearest(name, valid)
    listed = ', '.join(valid if len(valid) <= _LISTED else [*valid[:_LISTED], '…'])
    return f"did you mean '{meant}'? (valid: {listed})" if meant else f'valid: {listed}'


def nearest(name: str, valid: Iterable[str]) -> str:
    """The one of several names that is meant by a misspelt one; '' if none is like it."""
    return next(iter(difflib.get_close_matches(name.lower(), sorted(valid), n=1, cutoff=0.5)), '')
