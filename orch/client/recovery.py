"""Delivers one session's messages in order, each exactly once. Pure.

Session messages carry an ``offset``, one higher each time within an ``epoch``. Duplicates are dropped;
messages after a gap are held until the gap is filled. Messages go in, those that may be delivered come out,
and ``has_gap`` shows that something must be requested again. ``static/js/models/session-log.js`` does the
same in the browser; ``tests/data/recovery/log.json`` are the test vectors of both.
"""

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

#: Messages held behind a gap. Beyond that they are dropped: the recovery that fills the gap has them, too.
HELD_LIMIT: Final = 2_000

M = TypeVar("M")

#: A message with its offset.
Numbered = tuple[int, M]


class SessionLog(Generic[M]):
    """The position in one session.

    The mutable state is the offset of the last message delivered, the messages held behind a gap, and whether
    a reply with the current position is awaited (``is_waiting``: everything is held until then).
    """

    __slots__ = ("_held", "_overflowed", "epoch", "is_waiting", "offset")

    def __init__(
        self, *, offset: int | None = None, epoch: str | None = None, is_waiting: bool = False
    ) -> None:
        self.offset = offset
        self.epoch = epoch
        self.is_waiting = is_waiting
        self._held: dict[int, M] = {}
        self._overflowed = False

    @property
    def has_gap(self) -> bool:
        """Whether something between the delivered messages and the current position is missing."""
        return bool(self._held) or self._overflowed

    def receive(self, offset: int, message: M) -> list[Numbered[M]]:
        """Process a live message; return the messages that may be delivered now, in order."""
        if self.offset is not None and offset <= self.offset:
            return []
        if len(self._held) >= HELD_LIMIT:
            self._held.clear()
            self._overflowed = True
        self._held[offset] = message
        return [] if self.is_waiting else self._drain()

    def answered(
        self,
        *,
        epoch: str,
        offset: int,
        messages: Sequence[Numbered[M]],
        more: bool = False,
        is_recovery: bool = False,
    ) -> list[Numbered[M]]:
        """Process the reply to a join or a recovery; return the messages that may be delivered now, in order.

        ``messages`` are the history or the missed messages, ``offset`` the current position. If the client
        was in the session already and there are no messages, the position stays: what lies between is a gap,
        except after a recovery, which has everything that is available. ``more``: they are the first part and
        ``offset`` is its end; until :meth:`continued` has had the last part, all other messages are held.
        """
        if self.offset is None or self.epoch != epoch:
            self.epoch = epoch
            self.offset = messages[0][0] - 1 if messages else offset
        self._overflowed = False
        ready = self._advance(messages, offset if messages or is_recovery else self.offset)
        return ready if more else ready + self._settle(offset)

    def continued(
        self, *, offset: int, messages: Sequence[Numbered[M]], more: bool = False
    ) -> list[Numbered[M]]:
        """Process another part of a reply, up to ``offset``; return the messages to deliver now."""
        overflowed = self._overflowed  # of messages since the reply
        ready = self._advance(messages, offset)
        if not more:
            ready += self._settle(offset)
            self._overflowed |= overflowed
        return ready

    def _advance(self, messages: Sequence[Numbered[M]], offset: int) -> list[Numbered[M]]:
        """Deliver messages of the service; up to ``offset`` no others are available."""
        self.is_waiting = True
        ready: list[Numbered[M]] = []
        known = offset if self.offset is None else self.offset
        for number, message in messages:
            if number > known:
                # Some of the history may have expired.
                known = number
                ready.append((number, message))
        self.offset = known = max(known, offset)
        for number in [number for number in self._held if number <= known]:
            del self._held[number]
        return ready

    def _settle(self, offset: int) -> list[Numbered[M]]:
        """Deliver the held messages, once the whole reply has arrived."""
        self.is_waiting = False
        ready = self._drain()
        self._overflowed = not self._held and self.offset is not None and offset > self.offset
        return ready

    def fall_back(self, offset: int) -> None:
        """Return to ``offset``: later messages could not be delivered and are requested again."""
        self.offset = offset
        self.is_waiting = True
        self._held.clear()
        self._overflowed = True

    def _drain(self) -> list[Numbered[M]]:
        ready: list[Numbered[M]] = []
        while self.offset is not None and (message := self._held.pop(self.offset + 1, None)) is not None:
            self.offset += 1
            ready.append((self.offset, message))
        return ready
