"""Limits the creation of sessions: their rate, their number from one address, and their total."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog
import trio

from orch.access.actors import Actor
from orch.problems import ProblemError
from orch.websocket.sessions.address_rates import AddressRates
from orch.websocket.sessions.sessions import Sessions

#: Seconds that a session must have been empty before it is ended to make room: disconnected clients return
#: sooner.
UNATTENDED: Final = 60.0

#: The number of oldest sessions examined for one that may be ended.
_LOOKED_AT: Final = 2_000

#: Only this machine and operators may create sessions: the whole machine counts as one address.

_log = structlog.get_logger("websocket")


class CreationLimits:
    """Admits new sessions, and ends the oldest empty ones to make room.

    The mutable state is the rates by address, bounded, and the number of sessions being created by each.
    """

    def __init__(self, sessions: Sessions, *, now: Callable[[], float] = trio.current_time) -> None:
        self._sessions = sessions
        self._now = now
        self._rates = AddressRates()
        self._in_flight: Counter[str] = Counter()
        self.ended_early = 0

    @asynccontextmanager
    async def reserve(self, actor: Actor | None) -> AsyncIterator[str]:
        """Hold a place for a session that is created in the block; gives the address it counts for.

        ``actor`` None: the service itself, which is not counted. Raises ``rate_limited``,
        ``too_many_sessions_from_address``, ``sessions_full`` and ``store_full``.
        """
        address = "" if actor is None else actor.limit_key
        limits = self._sessions.settings.orchestration.websocket
        if address:
            self._rates.take(
                address,
                self._now(),
                a_minute=limits.max_sessions_per_minute_per_address,
                what="sessions were created",
            )
        self._sessions.storage.require_for_session()
        if self._sessions.count >= limits.max_sessions and not await self.make_room(1):
            raise ProblemError(
                "sessions_full",
                f"The limit of {self._sessions.count} sessions (websocket.max_sessions) has been reached, "
                "and all of them were used within the last minute. End one that is not needed, or try "
                "again in a minute.",
                headers={"Retry-After": f"{UNATTENDED:.0f}"},
            )
        if not address:
            yield ""
            return
        self._in_flight[address] += 1
        try:
            await self._check_address(address, limits.max_sessions_per_address)
            yield address
        finally:
            self._in_flight[address] -= 1
            if not self._in_flight[address]:
                del self._in_flight[address]

    async def _check_address(self, address: str, most: int) -> None:
        """Raise if an address has created too many sessions, including those being created now."""
        there = await self._sessions.store.created_from(address, most)
        if there + self._in_flight[address] > most:
            kept = _span(self._sessions.settings.orchestration.websocket.kept_seconds)
            raise ProblemError(
                "too_many_sessions_from_address",
                f"Your address has created {there} sessions that have not ended, which is the limit "
                "(websocket.max_sessions_per_address). End some that are not needed, or wait: a session "
                f"ends {kept} after its last participant has left.",
                headers={"Retry-After": "60"},
            )

    async def make_room(self, most: int) -> int:
        """End the oldest empty sessions; return their number."""
        sessions = self._sessions
        before = sessions.wall() - self._unattended()
        unused: list[str] = []
        for session_id in await sessions.store.idle(before, _LOOKED_AT):
            session = sessions.cache.peek(session_id)
            if session is None or (session.is_idle and session.last_used() < before):
                unused.append(session_id)
                if len(unused) == most:
                    break
        ended = await sessions.expire(unused, before) if unused else 0
        if ended:
            self.ended_early += ended
            _log.warning("empty sessions ended early", count=ended)
        return ended

    def _unattended(self) -> float:
        """Return how long a session must be unused before it is certainly empty."""
        settings = self._sessions.settings
        if not self._sessions.cluster.is_shared:
            return UNATTENDED
        # Other workers refresh their sessions' last-active times only at intervals.
        return UNATTENDED + 2 * min(
            settings.session_management.cleanup_interval,
            settings.orchestration.websocket.session_timeout / 4,
        )


def _span(seconds: float) -> str:
    """Return a time in words: minutes, from two days days."""
    return f"{seconds / 86_400:.0f} days" if seconds >= 2 * 86_400 else f"{seconds / 60:.0f} minutes"
