"""The rules of a session's history: budgets, shares, losses, offsets. Pure.

Each session has an *epoch*, a random string from its creation, and an *offset* that increases by one with
each stored message. A client that sends both receives exactly the messages it missed, or an error; never a
part of them, because a client that believes to have everything would not look further.

Captions and clients' broadcasts have separate budgets, in which every participant has a share
(docs/adr/0027). So a history may have holes; the newest dropped offset of each sort shows which clients miss
something.
"""

import re
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, Literal, NamedTuple

from msgspec import Struct

#: The default limit of bytes of a session's captions.
HISTORY_BYTES: Final = 8 * 2**20


class Kind(IntEnum):
    """The kind of a stored message. Each kind has its own budget, so none displaces another's messages.

    The values are stored in databases.
    """

    CAPTION = 0
    """Messages of the service: transcripts, translations."""
    BROADCAST = 1
    """A client's broadcast, ``session_message``."""
    NAME = 2
    """``participant_renamed``, ``speaker_named``, ``session_titled``. Only the newest of each is stored."""


class Share(NamedTuple):
    """The budget and the participant that a message counts for: a caption or translation for its speaker.

    ``sender`` is a participant; empty for messages without one, such as recordings.
    """

    kind: Kind
    sender: str


#: The share of a message without other information.
NOBODYS_CAPTION: Final = Share(Kind.CAPTION, "")


class Budget(NamedTuple):
    """The limits of one kind in a session's history: messages and bytes, whichever is reached first."""

    messages: int
    bytes: int


#: Names are short, and only the newest of each participant is stored.
NAMES: Final = Budget(messages=1_000, bytes=512 * 2**10)


class Limits(Struct, frozen=True):
    """The limits of a session's history: of captions by count and bytes, of all messages by age in seconds.

    ``broadcasts`` and ``names`` have their own budgets.
    """

    messages: int
    seconds: float
    bytes: int = HISTORY_BYTES
    broadcasts: Budget = Budget(messages=1_000, bytes=2**20)
    names: Budget = NAMES

    def budget(self, kind: Kind) -> Budget:
        """Return the budget of a kind."""
        if kind is Kind.CAPTION:
            return Budget(self.messages, self.bytes)
        return self.broadcasts if kind is Kind.BROADCAST else self.names


class Losses(NamedTuple):
    """The newest dropped offsets: of captions, and of broadcasts and names. 0: none was dropped.

    A client that has everything up to that offset misses nothing of that sort. A name replaced by a newer one
    of the same participant is no loss.
    """

    captions: int
    others: int


class Kept(Struct, frozen=True):
    """The age and size of a stored message: ``at`` in seconds, ``size`` in bytes."""

    offset: int
    at: float
    size: int


def too_old(oldest: Sequence[Kept], *, seconds: float, now: float) -> int:
    """Return how many of ``oldest`` (the oldest messages, in order) are too old.

    All messages before a message that is too old are dropped too, even if the clock was set meanwhile.
    """
    cutoff = now - seconds
    for index in range(len(oldest), 0, -1):
        if oldest[index - 1].at < cutoff:
            return index
    return 0


def pressed(total: Budget, budget: Budget) -> Literal["bytes", "messages"] | None:
    """Return which limit of a budget is exceeded, bytes first, or None."""
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
    """Return how many of the largest share's oldest messages to drop; ``sizes`` are theirs, in order.

    When a budget is exceeded, the oldest message of the participant with the largest share is dropped (of
    bytes, or of messages, whichever is exceeded). So a participant who sends much displaces only their own
    messages, until their share is no larger than the others'. ``total``: of all shares; ``held``: of
    ``sender``. ``runner_up``: the second largest share and its name (of equal shares the later name counts as
    larger).
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
    """Return the share of a message stored by an older version without shares, from the start of its text.

    Translations of that version do not name a speaker.
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

    The offset is assigned in the transaction that stores the message, so that a failure leaves no gap; adding
    it to the encoded text saves encoding the message there.
    """
    return body[:-1] + b',"offset":%d}' % offset
