"""Splits a session's history into parts: the content of each message, and where the next begins. Pure."""

from collections.abc import Sequence
from enum import Flag, auto
from typing import Final

from msgspec import Raw, Struct

from orch.stores.history import Losses
from orch.stores.records import HistoryMessage
from orch.websocket.participants.member import Member

#: Maximum bytes of history in one part, unless a single message is larger. A browser on a slow phone parses
#: it in a few milliseconds; a client that reads nothing holds no more than this in memory.
PART_BYTES: Final = 64 * 2**10


class Needs(Flag):
    """The kinds of messages that must not be missing from a history; if any are, sending ends."""

    NOTHING = 0
    CAPTIONS = auto()
    BROADCASTS = auto()
    ALL = CAPTIONS | BROADCASTS


class HistoryPart(Struct, frozen=True):
    """Messages of a history, in order: those after ``after`` up to ``offset``.

    ``complete``: no caption between the two is missing; ``broadcasts_complete``: no broadcast is. ``more``:
    another part follows.
    """

    after: int
    offset: int
    messages: tuple[Raw, ...]
    complete: bool
    broadcasts_complete: bool
    more: bool

    def satisfies(self, needs: Needs) -> bool:
        """Return whether none of the needed kinds is missing."""
        return (self.complete or not needs & Needs.CAPTIONS) and (
            self.broadcasts_complete or not needs & Needs.BROADCASTS
        )


class Cursor(Struct, frozen=True):
    """The progress of sending a history: the next part begins after ``after``, the last ends at ``until``."""

    epoch: str
    after: int
    until: int
    needs: Needs


class HistoryTransfer:
    """The transfer of one session's history to one participant."""

    __slots__ = ("cursor", "member")

    def __init__(self, member: Member, cursor: Cursor) -> None:
        self.member = member
        self.cursor = cursor

    def __repr__(self) -> str:
        return f"<HistoryTransfer of {self.member.participant_id} {self.cursor}>"


def part(kept: Sequence[HistoryMessage], losses: Losses, *, after: int, until: int) -> HistoryPart:
    """Return the oldest stored messages between two offsets, ``kept``, as a part; if empty, it is the last.

    ``losses``: the losses of the history, as far as they concern the part.
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


def empty_first_part(*, after: int, until: int) -> HistoryPart:
    """Return an empty first part: the client must first read what is queued for it."""
    return HistoryPart(
        after=after, offset=after, messages=(), complete=True, broadcasts_complete=True, more=after < until
    )


def failed_part(after: int) -> HistoryPart:
    """Return an empty last part: the remaining messages cannot be sent."""
    return HistoryPart(
        after=after, offset=after, messages=(), complete=False, broadcasts_complete=False, more=False
    )
