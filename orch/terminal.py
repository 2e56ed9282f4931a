"""The terminal that a command was started in, and the effects of closing it."""

import os
import signal
from collections.abc import Callable
from typing import Final

_STREAMS: Final = (0, 1, 2)


class Terminal:
    """The standard streams that were terminals when the command started."""

    def __init__(self) -> None:
        self._streams = tuple(each for each in _STREAMS if _is_terminal(each))

    def on_hangup(self, *, always: bool) -> Callable[[], None] | None:
        """Return the function to call when the terminal is closed; None if that does not end the command.

        It ends the command if standard input or standard error was a terminal, or if ``always``; not under
        ``nohup``.
        """
        if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
            return None
        return self.detach if always or 0 in self._streams or 2 in self._streams else None  # noqa: PLR2004 - standard error

    def detach(self) -> None:
        """Discard further output, since every write to a closed terminal is an error."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        try:
            for each in self._streams:
                os.dup2(nowhere, each)
        finally:
            os.close(nowhere)


def _is_terminal(number: int) -> bool:
    try:
        return os.isatty(number)
    except OSError:
        return False
