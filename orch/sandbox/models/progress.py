"""The progress of a download. Pure."""

from typing import Literal

from msgspec import Struct

State = Literal["checking", "downloading", "waiting", "other_process", "complete"]


class Progress(Struct, frozen=True, kw_only=True):
    """How far a download is. ``other_process``: another one downloads it.

    ``received``, ``size``: bytes. ``problem``: why it waits, as a sentence. ``next_in``: seconds from the
    failure to the next attempt.
    """

    state: State
    received: int
    size: int
    problem: str = ""
    next_in: float | None = None
