"""Takes requests' tokens: from this process's buckets, or from those that several workers share."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

import structlog
import trio

from orch.gateway.headers import Header
from orch.gateway.rate_limits.buckets import Buckets, Level, levels
from orch.gateway.rate_limits.policies import Policies, Taking
from orch.gateway.statistics import GatewayRateLimit
from orch.problems import ProblemError
from orch.settings import Gateway
from orch.telemetry.events import EventLog
from orch.telemetry.names import gateway as names
from orch.telemetry.names.access import ALL_RATE_LIMITED
from orch.telemetry.names.metric import Reading

WITHIN: Final = 0.1
"""Seconds that the shared store has; then the request is let through."""
PAUSE: Final = 1.0
"""Seconds after a failure in which the store is not asked, so that not every request waits for it."""
CALM: Final = 10.0
"""Seconds without a failure after which the shared store works again."""

log = structlog.get_logger("rate_limits")


class SharedBuckets(Protocol):
    """Buckets that several workers share."""

    async def take_tokens(self, buckets: Sequence[tuple[str, int, int]]) -> tuple[float, ...]:
        """Take a token of each bucket, or of none; return the seconds in which each was full before.

        Each: its name, the requests that it holds, and the seconds of its window. Raises ProblemError
        ``store_unavailable``.
        """
        ...


class RateLimiter:
    """The limits of clients' requests. ``shared``: without it, the buckets are this process's.

    If the shared buckets cannot be read within :data:`WITHIN` seconds, requests are let through, counted, and
    there is an event: back ends that nobody can use would be worse.

    The mutable state is the buckets, the counts, and when the store failed first and last.
    """

    def __init__(
        self,
        *,
        events: EventLog,
        shared: SharedBuckets | None = None,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._events = events
        self._shared = shared
        self._clock = clock
        self._buckets = Buckets()
        self._policies = Policies(())
        self._of: Gateway | None = None
        self._failed_at: float | None = None
        self.allowed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.unchecked = 0

    def __repr__(self) -> str:
        return f"<RateLimiter {len(self._buckets)} buckets, {sum(self.refused.values())} refused>"

    def policies(self, gateway: Gateway) -> Policies:
        """Return the limits of the settings."""
        if gateway is not self._of:
            self._of, self._policies = gateway, Policies(gateway.rate_limits)
        return self._policies

    async def take(
        self, gateway: Gateway, prefix: str, headers: Sequence[Header], caller: str
    ) -> tuple[Level, ...]:
        """Take the tokens of a request to the route with a prefix; return the levels after it.

        Empty: it falls under no limit, or could not be checked.
        """
        takings = self.policies(gateway).takings(prefix, headers, caller)
        if not takings:
            return ()
        now = self._clock()
        found = self._buckets.take(takings, now) if self._shared is None else await self._ask(takings, now)
        counts = self.refused if any(one.wait for one in found) else self.allowed
        for one in found:
            if one.wait or counts is self.allowed:
                counts[one.limit.name] += 1
        return found

    def take_at_once(self, takings: Sequence[Taking]) -> tuple[Level, ...] | None:
        """Take tokens of this process's buckets; None: one has none left, so that nothing was taken.

        Then nothing is counted either: :meth:`take` is asked next.
        """
        found = self._buckets.take(takings, self._clock())
        if any(one.wait for one in found):
            return None
        for one in found:
            self.allowed[one.limit.name] += 1
        return found

    @property
    def is_shared(self) -> bool:
        """Whether several workers share the buckets, so that taking a token needs waiting."""
        return self._shared is not None

    async def _ask(self, takings: Sequence[Taking], now: float) -> tuple[Level, ...]:
        assert self._shared is not None, "there is a shared store"  # noqa: S101 - the caller has looked
        if self._failed_at is not None and now - self._failed_at < PAUSE:
            self.unchecked += 1
            return ()
        bucket_names = self._buckets.reserve(takings, now)
        asked = [
            (name, taking.limit.requests, taking.limit.window)
            for name, taking in zip(bucket_names, takings, strict=True)
        ]
        before: tuple[float, ...] | None = None
        reason = f"it did not reply within {WITHIN:g} s"
        with trio.move_on_after(WITHIN):
            try:
                before = await self._shared.take_tokens(asked)
            except ProblemError as problem:
                reason = problem.detail
        if before is None:
            self._note_failure(now, reason)
            return ()
        self._note_success(now)
        return levels(takings, before)[0]

    def _note_failure(self, now: float, reason: str) -> None:
        self.unchecked += 1
        if self._failed_at is None:
            log.warning("rate limits not checked", reason=reason)
            self._events.record(
                "bad",
                "gateway",
                "Rate limits are not checked, and requests are let through: the store that the workers share "
                f"cannot be used ({reason.rstrip('.')}).",
            )
        self._failed_at = now

    def _note_success(self, now: float) -> None:
        if self._failed_at is not None and now - self._failed_at >= CALM:
            self._failed_at = None
            self._events.record("ok", "gateway", "Rate limits are checked again.")

    @property
    def buckets(self) -> int:
        """How many buckets are not full, of all limits together, as far as this process has them."""
        return len(self._buckets)

    def statistics(self, gateway: Gateway) -> tuple[GatewayRateLimit, ...]:
        """Return the figures of each limit."""
        return tuple(
            GatewayRateLimit(
                name=limit.name,
                per=limit.per,
                requests=limit.requests,
                window=limit.window,
                route=limit.route,
                allowed=self.allowed[limit.name],
                refused=self.refused[limit.name],
            )
            for limit in gateway.rate_limits
        )

    def readings(self, gateway: Gateway) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        for limit in gateway.rate_limits:
            yield Reading(names.RATE_LIMITED, self.refused[limit.name], (limit.name,))
        yield Reading(ALL_RATE_LIMITED, sum(self.refused.values()), ("gateway",))
        if gateway.rate_limits:
            yield Reading(names.RATE_BUCKETS, len(self._buckets))
        yield Reading(names.RATE_UNCHECKED, self.unchecked)
