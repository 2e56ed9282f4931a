"""A session's history in parts: how much of it one message brings, and what the next begins after. Pure."""

from collections.abc import Sequence
from enum import Flag, auto
from typing import Final

from msgspec import Raw, Struct

from orch.stores.history import Losses
from orch.stores.records import HistoryMessage
from orch.websocket.participants.member import Member

#: Bytes of history in one message, unless one message of the history alone is larger. A browser on a slow
#: phone reads so many in a few milliseconds; of a client that takes nothing no more waits in memory.
PART_BYTES: Final = 64 * 2**10


class Needs(Flag):
    """What must not be missing from a history: where it is, the sending ends."""

    NOTHING = 0
    CAPTIONS = auto()
    BROADCASTS = auto()
    ALL = CAPTIONS | BROADCASTS


class HistoryPart(Struct, frozen=True):
    """Messages of a history, in order: those after ``after`` up to ``offset``.

    ``complete``: no caption between the two is missing; ``broadcasts_complete``: no broadcast is either.
    ``more``: something follows.
    """

    after: int
    offset: int
    messages: tuple[Raw, ...]
    complete: bool
    broadcasts_complete: bool
    more: bool

    def gives(self, needs: Needs) -> bool:
        """Return whether nothing is missing that is needed."""
        return (self.complete or not needs & Needs.CAPTIONS) and (
            self.broadcasts_complete or not needs & Needs.BROADCASTS
        )


class Cursor(Struct, frozen=True):
    """How far a history has been sent: what comes next is after ``after``, the last message is ``until``."""

    epoch: str
    after: int
    until: int
    needs: Needs


class HistoryTransfer:
    """How far one session's history has been sent to one of its participants."""

    __slots__ = ("cursor", "member")

    def __init__(self, member: Member, cursor: Cursor) -> None:
        self.member = member
        self.cursor = cursor

    def __repr__(self) -> str:
        return f"<HistoryTransfer of {self.member.participant_id} {self.cursor}>"


def part(kept: Sequence[HistoryMessage], losses: Losses, *, after: int, until: int) -> HistoryPart:
    """Return the oldest ``kept`` messages between two offsets as a part. None are kept: it is the last.

    ``losses``: what was dropped of the history, so far as that matters to the part.
    """
    offset = kept[-1].offset if kept else until
    return HistoryPart(
        after=after,
        offset=offset,
        messages=tuple(Raw(message.frame) for message in kept),
        complete=losses.captions <= after,
        broadcasts_complete=losses.others <= after,
        more=offset < until,
    )


def nothing_yet(*, after: int, until: int) -> HistoryPart:
    """Return a part without messages, all of which follow: the client has yet to take what it was sent."""
    return HistoryPart(
        after=after, offset=after, messages=(), complete=True, broadcasts_complete=True, more=after < until
    )


def nothing_more(after: int) -> HistoryPart:
    """Return a last part without messages, where those that should follow cannot be sent."""
    return HistoryPart(
        after=after, offset=after, messages=(), complete=False, broadcasts_complete=False, more=False
    )
