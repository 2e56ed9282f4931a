"""What of a session's past is kept, and who may be given it. Pure.

Each session has an *epoch*, a random string made when it was created, and an *offset* that goes up by one
with each kept message. Someone who names both can be told exactly what was missed, or that it cannot be told:
a part is never given, because a listener who believes that nothing is missing has no reason to look.
"""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

#: A session's history may take this many bytes. It is also what one answer to ``recover_session`` may hold,
#: so it stays well below what browsers take in one message.
HISTORY_BYTES: Final = 8 * 2**20

Refusal = Literal[
    "unknown_session",
    "token_required",
    "wrong_token",
    "epoch_changed",
    "history_expired",
    "offset_unknown",
    "recovery_disabled",
]


class Limits(Struct, frozen=True):
    """How much of a session's past is kept: messages, seconds, bytes. The tightest one counts."""

    messages: int
    seconds: float
    bytes: int = HISTORY_BYTES


class Kept(Struct, frozen=True):
    """One message of the history, as far as pruning looks at it: ``at`` in seconds, ``size`` in bytes."""

    offset: int
    at: float
    size: int


def surplus(oldest: Sequence[Kept], *, count: int, size: int, limits: Limits, now: float) -> int:
    """Return how many of ``oldest`` (a run from the oldest on, in order) have to go.

    ``count`` and ``size`` (bytes) are the whole history's. Only from the front is ever taken: a history is
    one run without holes, whatever the wall clock did while it was written. So where a message is too old,
    all before it go too.
    """
    cutoff = now - limits.seconds
    surplus = 0
    for index, message in enumerate(oldest):
        if message.at < cutoff:
            surplus = index + 1
        elif count - index > limits.messages or size > limits.bytes:
            surplus = max(surplus, index + 1)
        size -= message.size
    return surplus


def refusal(*, epoch: str, last: int, asked_epoch: str | None, asked_offset: int | None) -> Refusal | None:
    """Return why what was missed after ``asked_offset`` cannot be told, or None.

    ``last`` is the newest offset that anyone has been sent. An offset from the future was never given by this
    epoch: its owner and the session do not agree about the past.
    """
    if asked_epoch != epoch:
        return "epoch_changed"
    if asked_offset is None or asked_offset > last:
        return "offset_unknown"
    return None


def is_whole(offsets: Sequence[int], *, after: int, last: int) -> bool:
    """Return whether ``offsets`` are all from ``after`` + 1 to ``last``, each once and in order."""
    return len(offsets) == last - after and all(
        offset == after + index for index, offset in enumerate(offsets, start=1)
    )


def numbered(body: bytes, offset: int) -> bytes:
    """Return the frame: ``body``, a JSON object with at least one member, with its ``offset`` added.

    The offset is given where the message is kept, in the same transaction, so that a failure leaves no gap;
    adding it to the finished text spares encoding the message there.
    """
    return body[:-1] + b',"offset":%d}' % offset
