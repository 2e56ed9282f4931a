"""In what order a worker hears what is kept of a session, told by more than one mouth. Pure.

A message comes as an answer to the worker that appended it, as news to all workers, and again from the
history where news was lost; news is lost when a connection is, and comes in no set order beside answers. The
offsets say what is what: each one is passed on once, in order, and a hole is waited at until it is filled.
"""

from collections.abc import Iterable
from typing import Final

from orch.stores.records import Appended

#: Messages behind a hole that are kept until it is filled; beyond, they are read from the history with it.
HELD_LIMIT: Final = 1_000


class Follower:
    """A session that someone on this worker is in.

    ``position``: the newest offset passed on; None until the session was read. ``newest``: the highest that
    was heard of, a hint until the store is asked. ``sure``: the newest that the store itself is known to have
    given; what is only published may come from anyone who can speak to the server. ``is_missing``: it was not
    there when it was looked at last. The mutable state beside
    it is what was heard behind a hole, :data:`HELD_LIMIT` messages at most.
    """

    __slots__ = ("_held", "epoch", "is_missing", "newest", "position", "sure")

    def __init__(self) -> None:
        self.epoch = ""
        self.is_missing = False
        self.position: int | None = None
        self.newest = self.sure = 0
        self._held: dict[int, Appended] = {}

    def __repr__(self) -> str:
        return f"<Follower at {self.position} of {self.newest}, {len(self._held)} held>"

    def begin(self, epoch: str, position: int) -> None:
        """Go on from here: what is up to ``position`` is known, and was this epoch's."""
        self.epoch, self.position, self.is_missing = epoch, position, False
        self.newest = max(self.newest, position)
        self.sure = position
        self._held.clear()

    def confirm(self, offset: int) -> None:
        """Take in that the store has given this offset."""
        self.sure = max(self.sure, offset)

    def disconnected(self) -> None:
        """Take in that the connection is lost: the server may come back with less than was passed on."""
        self.confirm(self.position or 0)

    def compare(self, head: int, *, passed_on: int, newest: int) -> bool:
        """Compare what was heard with the newest offset that the store has, as it was read.

        ``passed_on`` and ``newest``: :attr:`position` and :attr:`newest` when it was asked for. What was
        heard of beyond it then was never given, and is forgotten. False: some of it was passed on.
        """
        is_true = passed_on <= max(head, self.sure)
        self.confirm(head)
        if self.position is None:
            return is_true
        if not is_true and self.position == passed_on:
            self.position = head
        if self.newest == newest and newest > head:
            self.newest = max(self.position, head)
            self._held = {offset: each for offset, each in self._held.items() if offset <= head}
        return is_true

    @property
    def is_behind(self) -> bool:
        """Whether something was heard of that was not passed on."""
        return self.position is not None and self.newest > self.position

    def leap(self, messages: Iterable[Appended], until: int) -> list[Appended]:
        """Take in all that is stored up to ``until``; return what is to be passed on now, in order.

        What is missing among it was dropped and is not waited for.
        """
        if self.position is None:
            return []
        self.newest = max(self.newest, until)
        known = {message.offset: message for message in messages} | self._held
        ready = [known[offset] for offset in sorted(known) if self.position < offset <= until]
        self.position = max(self.position, until)
        self._held = {offset: each for offset, each in self._held.items() if offset > self.position}
        while (following := self._held.pop(self.position + 1, None)) is not None:
            self.position = following.offset
            ready.append(following)
        return ready

    def take(self, messages: Iterable[Appended]) -> list[Appended]:
        """Take in what was heard; return what is to be passed on now, in order."""
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
            while (following := self._held.pop(self.position + 1, None)) is not None:
                self.position = following.offset
                ready.append(following)
        return ready
