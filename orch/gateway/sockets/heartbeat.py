"""When one side of a WebSocket is pinged, and when it is dead. Pure.

Anything that a side sends shows that it lives, not only a pong. A side is dead if it has sent nothing for
``timeout`` seconds after a ping, while it was read. While it is not read, because the other side does not
take what it sent, its pong may lie unread: then the other side is judged, by what it takes.

A ping waits behind what was sent before it. The kernel stores megabytes of that, which a slow network carries
for minutes; so while a ping is far from having arrived, and something else does arrive, it is waited for.
"""

from enum import Enum, auto
from typing import Final, NamedTuple

LATE: Final = 2.0
"""Seconds by which a look may be late. Beyond, this process stood still, and a pong may lie unread."""
READ_FIRST: Final = 1.0
"""Seconds that are then left to read it."""
FAR: Final = 65_536
"""Bytes ahead of a ping from which on it is far from having arrived."""


class Action(Enum):
    """What to do."""

    NOTHING = auto()
    PING = auto()
    GIVE_UP = auto()


class Pace(NamedTuple):
    """Seconds from one ping to the next (0: no pings), and until a side has to have sent something."""

    interval: float
    timeout: float


class Heartbeat:
    """One side's. The mutable state is when it was pinged and heard last, and when to look again."""

    __slots__ = ("_arrived", "_ping_at_byte", "_pinged_at", "due", "heard_at")

    def __init__(self, now: float, pace: Pace) -> None:
        self.heard_at = now
        self._pinged_at: float | None = None
        self._ping_at_byte = 0
        self._arrived = 0
        self.due = now + (pace.interval or pace.timeout)

    def heard(self, now: float) -> None:
        """Note that something came."""
        self.heard_at = now

    def look(
        self,
        now: float,
        pace: Pace,
        *,
        can_ping: bool,
        is_reading: bool,
        sent: int = 0,
        arrived: int = 0,
    ) -> Action:
        """Return what to do now, and set when to look again.

        ``can_ping``: a frame can be sent now; ``is_reading``: what it sends is read; ``sent``: the bytes that
        it was sent so far, ``arrived``: how many of them have reached its machine.
        """
        if now < self.due:
            return Action.NOTHING
        if not pace.interval:
            self._pinged_at = None
        elif self._pinged_at is not None and self.heard_at < self._pinged_at:
            is_on_its_way = self._ping_at_byte - self._arrived > FAR and arrived > self._arrived
            self._arrived = arrived
            return self._missed(now, pace, is_waiting=is_on_its_way or not is_reading)
        elif self._pinged_at is not None and now < self._pinged_at + pace.interval:
            self.due, self._pinged_at = self._pinged_at + pace.interval, None
            return Action.NOTHING
        self.due = now + pace.timeout
        if not (can_ping and pace.interval):
            return Action.NOTHING
        self._pinged_at = now
        self._ping_at_byte, self._arrived = sent, arrived
        return Action.PING

    def _missed(self, now: float, pace: Pace, *, is_waiting: bool) -> Action:
        """Return what to do about a side that has sent nothing since its ping.

        ``is_waiting``: its pong may lie unread, or the ping be on its way.
        """
        if now - self.due > LATE:
            self.due = now + READ_FIRST
            return Action.NOTHING
        self.due = now + pace.timeout
        return Action.NOTHING if is_waiting else Action.GIVE_UP
