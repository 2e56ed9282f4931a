"""The sessions in memory. Pure."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from orch.websocket.sessions.session import Session


class SessionCache:
    """The sessions in memory: those in use, and the last ``limit`` others.

    Overflow rule: beyond ``limit``, idle sessions are evicted, least recently used first; they are in the
    store. Sessions in use always stay: they are bounded by the connections.
    """

    #: Sessions examined when one is added; those in use are moved to the most recently used end.
    _LOOKED_AT: Final = 16

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions.values()))

    def latest(self, limit: int) -> tuple[Session, ...]:
        """Return the sessions used last, newest first."""
        return tuple(islice(reversed(self._sessions.values()), limit))

    def peek(self, session_id: str) -> Session | None:
        """Return a session if it is cached, without marking it as used."""
        return self._sessions.get(session_id)

    def get(self, session_id: str) -> Session | None:
        """Return a session if it is cached, and mark it as the most recently used."""
        session = self._sessions.pop(session_id, None)
        if session is not None:
            self._sessions[session_id] = session
        return session

    def evict(self, session_id: str) -> bool:
        """Evict a session if it is idle; it is in the store. False: it is in use."""
        session = self._sessions.get(session_id)
        if session is not None and not session.is_idle:
            return False
        self._sessions.pop(session_id, None)
        return True

    def add(self, session: Session) -> Session:
        """Add a session; return the cached one if it was added in the meantime."""
        known = self._sessions.setdefault(session.session_id, session)
        if known is session and len(self._sessions) > self._limit:
            self._evict_idle(session)
        return known

    def remove(self, session_ids: Iterable[str]) -> None:
        """Remove sessions that have ended."""
        for session_id in session_ids:
            session = self._sessions.pop(session_id, None)
            if session is not None:
                session.has_ended = True

    def _evict_idle(self, newcomer: Session) -> None:
        for session in [
            session for session, _ in zip(self._sessions.values(), range(self._LOOKED_AT), strict=False)
        ]:
            if session is newcomer:
                continue
            del self._sessions[session.session_id]
            if not session.is_idle:
                self._sessions[session.session_id] = session
            elif len(self._sessions) <= self._limit:
                break
