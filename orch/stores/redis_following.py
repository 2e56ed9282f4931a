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

    ``position``: the newest offset passed on; None until the session was read. The mutable state beside it is
    what was heard behind a hole, :data:`HELD_LIMIT` messages at most.
    """

    __slots__ = ("_held", "epoch", "newest", "position")

    def __init__(self) -> None:
        self.epoch = ""
        self.position: int | None = None
        self.newest = 0
        self._held: dict[int, Appended] = {}

    def __repr__(self) -> str:
        return f"<Follower at {self.position} of {self.newest}, {len(self._held)} held>"

    def begin(self, epoch: str, position: int) -> None:
        """Go on from here: what is up to ``position`` is known, and was this epoch's."""
        self.epoch, self.position = epoch, position
        self.newest = max(self.newest, position)
        self._held.clear()

    @property
    def is_behind(self) -> bool:
        """Whether something was heard of that was not passed on."""
        return self.position is not None and self.newest > self.position

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
