"""How many requests each session has sent in the last minute, and whether it may send another. Pure."""

from collections import OrderedDict, deque
from typing import Final

MINUTE: Final = 60.0


class SessionBudgets:
    """Limits the requests a minute of each session. Moments (``now``) are a monotonic clock's.

    The mutable state is when each session that was active in the last minute sent its requests, the latest
    session last; and the totals.
    """

    def __init__(self) -> None:
        self._sent: OrderedDict[str, deque[float]] = OrderedDict()
        self.requests = 0
        self.refused = 0

    def take(self, session_id: str, now: float, *, limit: int) -> bool:
        """Count a request and return True, or return False if there were ``limit`` in the last minute."""
        used = self.used(session_id, now)
        if used >= limit:
            self.refused += 1
            return False
        self.requests += 1
        self._sent.setdefault(session_id, deque()).append(now)
        self._sent.move_to_end(session_id)
        return True

    def used(self, session_id: str, now: float) -> int:
        """Return how many requests a session has sent in the last minute."""
        self._forget(now)
        sent = self._sent.get(session_id)
        while sent and sent[0] <= now - MINUTE:
            sent.popleft()
        return len(sent or ())

    def most_used(self, now: float) -> int:
        """Return how many requests the session with the most has sent in the last minute."""
        self._forget(now)
        return max((self.used(each, now) for each in list(self._sent)), default=0)

    def _forget(self, now: float) -> None:
        """Remove the sessions whose last request is more than a minute ago."""
        while self._sent:
            session_id, sent = next(iter(self._sent.items()))
            if sent[-1] > now - MINUTE:
                return
            del self._sent[session_id]
