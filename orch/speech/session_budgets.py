"""How many requests each session has sent in the last minute, and whether it may send another. Pure."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

MINUTE: Final = 60.0
REPORTED_EVERY: Final = 5.0
"""Seconds between two reports of one session's requests, unless its limit is reached or no longer is."""


@dataclass(frozen=True, slots=True)
class Usage:
    """How many requests a session has sent in the last minute, and how many it may send.

    ``limit_reached``: the last one that it wanted to send was refused.
    """

    used: int
    limit: int
    limit_reached: bool


@dataclass(slots=True)
class _Session:
    """When it sent the requests of the last minute, and what was last reported."""

    sent: deque[float] = field(default_factory=deque)
    limit_reached: bool = False
    reported_at: float = float("-inf")
    reported: Usage | None = None


class SessionBudgets:
    """Limits the requests a minute of each session. Moments (``now``) are a monotonic clock's.

    The mutable state is the sessions that were active in the last minute, the latest last; and the totals.
    """

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self.requests = 0
        self.refused = 0

    def take(self, session_id: str, now: float, *, limit: int) -> bool:
        """Count a request and return True, or return False if there were ``limit`` in the last minute."""
        used = self.used(session_id, now)
        session = self._sessions.get(session_id)
        if used >= limit:
            self.refused += 1
            if session is not None:
                session.limit_reached = True
            return False
        if session is None:
            session = self._sessions[session_id] = _Session()
        self.requests += 1
        session.sent.append(now)
        session.limit_reached = False
        self._sessions.move_to_end(session_id)
        return True

    def used(self, session_id: str, now: float) -> int:
        """Return how many requests a session has sent in the last minute."""
        self._forget(now)
        session = self._sessions.get(session_id)
        if session is None:
            return 0
        while session.sent and session.sent[0] <= now - MINUTE:
            session.sent.popleft()
        return len(session.sent)

    def most_used(self, now: float) -> int:
        """Return how many requests the session with the most has sent in the last minute."""
        self._forget(now)
        return max((self.used(each, now) for each in list(self._sessions)), default=0)

    def report(self, session_id: str, now: float, *, limit: int) -> Usage | None:
        """Return what a session has used, if its participants should be sent that now."""
        used = self.used(session_id, now)
        session = self._sessions.get(session_id)
        if session is None:
            return None
        usage = Usage(used, limit, session.limit_reached)
        before = session.reported
        is_turn = before is None or before.limit_reached != usage.limit_reached
        if usage == before or not (is_turn or now >= session.reported_at + REPORTED_EVERY):
            return None
        session.reported, session.reported_at = usage, now
        return usage

    def _forget(self, now: float) -> None:
        """Remove the sessions whose last request is more than a minute ago."""
        while self._sessions:
            session_id, session = next(iter(self._sessions.items()))
            if session.sent and session.sent[-1] > now - MINUTE:
                return
            del self._sessions[session_id]
