"""Delivers one session's messages in order, each exactly once. Pure.

Session messages carry an ``offset``, one higher each time within an ``epoch``. What arrives twice is dropped;
what arrives after a hole is held until the hole is filled. Messages go in, those that may be delivered come
out, and ``has_gap`` says that something must be asked for again. ``static/js/models/session-log.js`` is the
browser's side; ``tests/data/recovery/log.json`` is what both must do.
"""

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

#: Messages held behind a hole. Past it they are let go: the recovery that fills the hole brings them too.
HELD_LIMIT: Final = 2_000

M = TypeVar("M")

#: A message with its offset.
Numbered = tuple[int, M]


class SessionLog(Generic[M]):
    """Where one session stands.

    The mutable state is the offset of the last message delivered, what is held behind a hole, and whether an
    answer that says where the log stands is on its way (``is_waiting``: everything is held until then).
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
        """Whether something between what was delivered and what the session has is missing."""
        return bool(self._held) or self._overflowed

    def receive(self, offset: int, message: M) -> list[Numbered[M]]:
        """Take a live message; return what may be delivered now, in order."""
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
        """Take the answer to a join or a recovery; return what may be delivered now, in order.

        ``messages`` are the history or what was missed, ``offset`` where the session stands. For one who was
        in already and is given no messages nothing moves: what lies between is a gap, but for a recovery,
        which brings all that can be had. ``more``: they are the first part, ``offset`` is where it ends, and
        until :meth:`continued` has had the last part all else is held.
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
        """Take another part of an answer, up to ``offset``; return what may be delivered now, in order."""
        overflowed = self._overflowed  # of what was said since the answer
        ready = self._advance(messages, offset)
        if not more:
            ready += self._settle(offset)
            self._overflowed |= overflowed
        return ready

    def _advance(self, messages: Sequence[Numbered[M]], offset: int) -> list[Numbered[M]]:
        """Deliver what the service vouches for: up to ``offset`` nothing else can be had."""
        self.is_waiting = True
        ready: list[Numbered[M]] = []
        known = offset if self.offset is None else self.offset
        for number, message in messages:
            if number > known:
                # History may have been thinned by age.
                known = number
                ready.append((number, message))
        self.offset = known = max(known, offset)
        for number in [number for number in self._held if number <= known]:
            del self._held[number]
        return ready

    def _settle(self, offset: int) -> list[Numbered[M]]:
        """Deliver what was held, once all that was asked for is here."""
        self.is_waiting = False
        ready = self._drain()
        self._overflowed = not self._held and self.offset is not None and offset > self.offset
        return ready

    def fall_back(self, offset: int) -> None:
        """Take back what was given out after ``offset``: it could not be delivered and is asked for again."""
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
