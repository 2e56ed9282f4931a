"""What of a session's past is kept, and who may be given it. Pure.

Each session has an *epoch*, a random string made when it was created, and an *offset* that goes up by one
with each kept message. Someone who names both can be told exactly what was missed, or that it cannot be told:
a part is never given, because a listener who believes that nothing is missing has no reason to look.

What must be stored and what anyone may write have separate budgets, and within each every participant has a
share (docs/adr/0027). So a history may have holes; the newest offset dropped of each sort says who misses
something.
"""

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, Literal, NamedTuple

from msgspec import Struct

#: A session's captions may take this many bytes where the settings say nothing else.
HISTORY_BYTES: Final = 8 * 2**20


class Kind(IntEnum):
    """What a stored message is. Each kind has a budget of its own, so none ever removes another's.

    The numbers are stored.
    """

    CAPTION = 0
    """What the service itself publishes: transcripts, translations."""
    BROADCAST = 1
    """What a client sent to all, ``session_message``."""
    NAME = 2
    """``participant_renamed``. Of each participant the newest is enough."""


class Share(NamedTuple):
    """Whose part of which budget a message takes: of a caption its speaker's, also of its translation.

    ``sender`` is a participant; empty for what no participant is responsible for, such as recordings.
    """

    kind: Kind
    sender: str


#: What a message is taken for that nothing else is said of.
NOBODYS_CAPTION: Final = Share(Kind.CAPTION, "")


class Budget(NamedTuple):
    """What one kind may take of a session's history: messages and bytes. The tighter one counts."""

    messages: int
    bytes: int


#: Names are short, and only the newest of each participant is stored.
NAMES: Final = Budget(messages=1_000, bytes=512 * 2**10)


class Limits(Struct, frozen=True):
    """How much of a session's past is stored: captions by count and bytes, and all by age in seconds.

    ``broadcasts`` and ``names`` have budgets of their own.
    """

    messages: int
    seconds: float
    bytes: int = HISTORY_BYTES
    broadcasts: Budget = Budget(messages=1_000, bytes=2**20)
    names: Budget = NAMES

    def budget(self, kind: Kind) -> Budget:
        """Return what a kind may take."""
        if kind is Kind.CAPTION:
            return Budget(self.messages, self.bytes)
        return self.broadcasts if kind is Kind.BROADCAST else self.names


class Losses(NamedTuple):
    """The newest offset that was dropped: of captions, and of broadcasts and names. 0: none was.

    Whoever has everything up to that offset misses nothing of that sort. A name that a newer one of the same
    participant has replaced is no loss.
    """

    captions: int
    others: int


class Kept(Struct, frozen=True):
    """One message of the history, as far as ageing looks at it: ``at`` in seconds, ``size`` in bytes."""

    offset: int
    at: float
    size: int


def too_old(oldest: Sequence[Kept], *, seconds: float, now: float) -> int:
    """Return how many of ``oldest`` (a run from the oldest on, in order) have to go for their age.

    Where one is too old all before it go too, whatever the wall clock did while they were written.
    """
    cutoff = now - seconds
    for index in range(len(oldest), 0, -1):
        if oldest[index - 1].at < cutoff:
            return index
    return 0


def pressed(total: Budget, budget: Budget) -> Literal["bytes", "messages"] | None:
    """Return what of a budget is exceeded, or None. Bytes come first."""
    if total.bytes > budget.bytes:
        return "bytes"
    return "messages" if total.messages > budget.messages else None


def spilled(
    sizes: Sequence[int],
    *,
    total: Budget,
    budget: Budget,
    held: Budget,
    sender: str,
    runner_up: tuple[int, str] | None,
) -> int:
    """Return how many of the fullest share's oldest messages have to go now; ``sizes`` are theirs, in order.

    Where a budget is exceeded, the oldest message goes of the participant who holds the most of what is
    exceeded: of bytes, or of messages. So one who sends much replaces their own messages and nobody else's,
    until they hold no more than others do. ``total``: what all hold; ``held``: what ``sender`` does.
    ``runner_up``: how much of it the next one holds, and who that is (of equals the later name is the
    fuller).
    """
    what = pressed(total, budget)
    count = 0
    for size in sizes:
        if what is None or pressed(total, budget) != what:
            break
        holding = held.bytes if what == "bytes" else held.messages
        if runner_up is not None and (holding, sender) < runner_up:
            break
        count += 1
        total = Budget(total.messages - 1, total.bytes - size)
        held = Budget(held.messages - 1, held.bytes - size)
    return count


_SENDER: Final = re.compile(rb'"sender":"([^"\\]*)"')
_PARTICIPANT: Final = re.compile(rb'"participant_id":"([^"\\]*)"')


def share_of(frame: bytes) -> Share:
    """Return the share of a message that was stored before shares were, from how its text begins.

    A translation of that time does not say whose it is.
    """
    kind, pattern = Kind.CAPTION, _PARTICIPANT
    if frame.startswith(b'{"type":"session_message"'):
        kind, pattern = Kind.BROADCAST, _SENDER
    elif frame.startswith(b'{"type":"participant_renamed"'):
        kind = Kind.NAME
    found = pattern.search(frame)
    return Share(kind, found[1].decode(errors="replace") if found else "")


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
