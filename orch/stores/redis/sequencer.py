"""Puts the messages of one session in order and removes duplicates. Pure.

A message arrives in the reply to the worker that appended it, as a publication to all workers, and again from
the history after publications were lost. They are lost when a connection is, and arrive in no set order
beside replies. The offsets decide: each is delivered once, in order, and a gap is waited at until it is
filled.
"""

from collections.abc import Iterable
from typing import Final

from orch.stores.records import Appended

#: Messages behind a gap that are held until it is filled; those beyond are read from the history with it.
HELD_LIMIT: Final = 1_000


class Sequencer:
    """The order of one session's messages.

    ``position``: the newest offset delivered; None until the session was read. ``newest``: the highest offset
    received, a hint until the store is read. ``sure``: the newest offset that the store itself is known to
    have given; a publication may come from anyone who can connect to the server. The mutable state beside
    these is the messages behind a gap, :data:`HELD_LIMIT` at most.
    """

    __slots__ = ("_held", "newest", "position", "sure")

    def __init__(self) -> None:
        self.position: int | None = None
        self.newest = self.sure = 0
        self._held: dict[int, Appended] = {}

    def __repr__(self) -> str:
        return f"<Sequencer at {self.position} of {self.newest}, {len(self._held)} held>"

    @property
    def is_behind(self) -> bool:
        """Whether a known offset was not delivered yet."""
        return self.position is not None and self.newest > self.position

    def begin(self, position: int) -> None:
        """Start after ``position``, which the store has given."""
        self.position = self.sure = position
        self.newest = max(self.newest, position)
        self._held.clear()

    def confirm(self, offset: int) -> None:
        """Note that the store has given this offset."""
        self.sure = max(self.sure, offset)

    def accept(self, messages: Iterable[Appended]) -> list[Appended]:
        """Accept messages in any order; return those to deliver now, in order."""
        ready: list[Appended] = []
        for message in messages:
            self.newest = max(self.newest, message.offset)
            if self.position is None or message.offset <= self.position:
                continue
            if message.offset > self.position + 1:
                if len(self._held) < HELD_LIMIT:
                    self._held[message.offset] = message
                continue
            self.position = message.offset
            ready.append(message)
            self._drain(ready)
        return ready

    def skip_to(self, until: int, messages: Iterable[Appended]) -> list[Appended]:
        """Accept all that is stored up to ``until``; return the messages to deliver now, in order.

        Offsets missing among them were dropped from the history and are not waited for.
        """
        if self.position is None:
            return []
        self.newest = max(self.newest, until)
        known = {message.offset: message for message in messages} | self._held
        ready = [known[offset] for offset in sorted(known) if self.position < offset <= until]
        self.position = max(self.position, until)
        self._held = {offset: each for offset, each in self._held.items() if offset > self.position}
        self._drain(ready)
        return ready

    def compare(self, head: int, *, delivered: int, newest: int) -> bool:
        """Compare the received messages with ``head``, the newest offset in the store when it was read.

        ``delivered`` and ``newest``: :attr:`position` and :attr:`newest` when the read was sent. Offsets
        received before that and higher than the head were never assigned, and are forgotten. False: some were
        delivered.
        """
        is_true = delivered <= max(head, self.sure)
        self.confirm(head)
        if self.position is None:
            return is_true
        if not is_true and self.position == delivered:
            self.position = head
        if self.newest == newest and newest > head:
            self.newest = max(self.position, head)
            self._held = {offset: each for offset, each in self._held.items() if offset <= head}
        return is_true

    def _drain(self, ready: list[Appended]) -> None:
        """Move the held messages that follow the position to ``ready``."""
        assert self.position is not None  # noqa: S101 - both callers have set it
        while (following := self._held.pop(self.position + 1, None)) is not None:
            self.position = following.offset
            ready.append(following)
