"""A terminal or pipe that is written to, and may be closed while there is much left to do."""

import os
import sys
from typing import TextIO

from rich.console import Console


class Terminal(Console):
    """A console that is silent once nobody reads from its pipe, where rich ends the process."""

    def on_broken_pipe(self) -> None:
        """Called by rich."""
        self.quiet = True


class CommandTerminal(Terminal):
    """That of a command: what else it writes to standard output goes nowhere then, too."""

    def on_broken_pipe(self) -> None:
        """Called by rich."""
        super().on_broken_pipe()
        send_nowhere(sys.stdout)


def send_nowhere(stream: TextIO) -> None:
    """Loses, without an error, what a stream still holds and what is written to it from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
