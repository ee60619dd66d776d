"""Text that Markdown sets as it reads."""

import re

# What GitHub takes for a formula between two $, even after a backslash: its manual's way out.
_DOLLAR = '<span>$</span>'


def escaped(text: str) -> str:
    """Text that GitHub's Markdown leaves as it is, on one line."""
    text = re.sub(r'[\\|*_`<>\[\]~&#]', r'\\\g<0>', ' '.join(text.split()))
    text = re.sub(r'^(\d*)([-+.)])(?= )', r'\1\\\2', text)  # else an item of a list
    return text.replace('$', _DOLLAR)


def plain(text: str) -> str:
    """Text as it was before `escaped`."""
    return re.sub(r'\\([!-/:-@\[-`{-~])', r'\1', text.replace(_DOLLAR, '$'))
