"""Time-outs of what a request waits for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import trio

from orch.problems import ProblemError

STORE_SECONDS: Final = 15.0
"""For what is read from or written to the store of bots."""

COMMAND_SECONDS: Final = 30.0
"""For a bot to carry out a command, on whichever worker."""

DELETION_SECONDS: Final = 55.0
"""For the deletion of a bot's data: a large SQLite file is overwritten. The response has 60."""


@contextmanager
def time_limit(seconds: float, code: str, detail: str) -> Iterator[None]:
    """Raise the problem if the block takes longer."""
    with trio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise ProblemError(code, detail)


@contextmanager
def store_limit() -> Iterator[None]:
    """Raise ``store_unavailable`` if the store does not reply in time."""
    with time_limit(
        STORE_SECONDS, "store_unavailable", f"The store of bots did not reply within {STORE_SECONDS:g} s."
    ):
        yield


@contextmanager
def command_limit() -> Iterator[None]:
    """Raise ``bot_silent`` if a command is not carried out in time."""
    with time_limit(
        COMMAND_SECONDS, "bot_silent", f"The bot did not carry it out within {COMMAND_SECONDS:g} s."
    ):
        yield


@contextmanager
def deletion_limit() -> Iterator[None]:
    """Raise ``store_unavailable`` if data is not deleted in time."""
    with time_limit(
        DELETION_SECONDS,
        "store_unavailable",
        f"The data was not deleted completely within {DELETION_SECONDS:g} s. Repeat the request.",
    ):
        yield
