"""Forwards requests of routes that have fallbacks."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
import trio

from orch.gateway import response_headers
from orch.gateway.attempt import Trace
from orch.gateway.client_request import ClientGoneError, ClientRequest
from orch.gateway.exchange import own_total
from orch.gateway.fallbacks.aging import AgingClock
from orch.gateway.fallbacks.allowance import Allowance, share_of
from orch.gateway.fallbacks.cache import ResponseCache
from orch.gateway.fallbacks.chain import Chance, Decision
from orch.gateway.fallbacks.episodes import Episodes
from orch.gateway.fallbacks.keeper import Asked, Keeper
from orch.gateway.fallbacks.keys import place_of
from orch.gateway.fallbacks.marks import of_static, of_stored
from orch.gateway.fallbacks.outcomes import REFUSALS, Failed, Held, Outcome
from orch.gateway.fallbacks.static_bodies import StaticBodies
from orch.gateway.fallbacks.watch import Watch
from orch.gateway.gateway_problems import client_too_slow
from orch.gateway.headers import Header
from orch.gateway.request_body import RequestBody
from orch.gateway.routes import Match
from orch.gateway.statistics import GatewayFallbackCache, GatewayFallbacks
from orch.problems import ProblemError
from orch.settings import Fallback, FallbackCache, Gateway
from orch.telemetry.events import EventLog
from orch.telemetry.topics import Topics

CREDENTIALS: Final = frozenset(
    {
        b"authorization",
        b"api-key",
        b"apikey",
        b"x-api-key",
        b"x-access-token",
        b"x-auth-token",
        b"ocp-apim-subscription-key",
    }
)
"""Headers that are for the service of the route, and not for another one."""
DISCARD_SECONDS: Final = 5.0
"""Seconds for which the rest of an upload is read whose response was sent."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, whatever the back end."""
_GOOD: Final = range(200, 400)
NONE: Final = "none"
"""The kind of requests for which no fallback could be used."""

Forward = Callable[[ClientRequest, Match, RequestBody, Gateway], Awaitable[None]]

log = structlog.get_logger("fallbacks")


class Fallbacks:
    """Tries a route's fallbacks, in their order, before the client has got any part of a response.

    ``sent_headers`` returns the headers of a client's request as a back end gets them. The mutable state is
    the last good responses, the static ones, and the episodes.
    """

    def __init__(
        self,
        *,
        events: EventLog,
        topics: Topics,
        topic: str,
        sent_headers: Callable[[ClientRequest], list[Header]],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._events = events
        self._topics = topics
        self._topic = topic
        self._sent_headers = sent_headers
        self._bodies = StaticBodies(events)
        self._episodes = Episodes()
        self._clock = AgingClock(trio.current_time, wall)
        self.cache = ResponseCache(FallbackCache())
        self.is_caching = False
        """Whether any route stores responses."""

    def apply(self, gateway: Gateway) -> None:
        """Apply changed settings."""
        routes = [route for route in gateway.routes if route.fallbacks]
        caching = {route.prefix for route in routes if any(each.use == "cached" for each in route.fallbacks)}
        self.cache.configure(gateway.fallback_cache, caching)
        self.is_caching = bool(caching and gateway.fallback_cache.max_bytes)
        self._episodes.retain({route.prefix for route in routes})
        self._bodies.apply(gateway)

    def note(self, method: str, match: Match, status: int) -> None:
        """Note a back end's response: a request that may change its resource drops what is stored of it.

        Whichever route it came through (RFC 9111 §4.4).
        """
        if self.is_caching and method not in SAFE and status in _GOOD:
            self.cache.drop_place(place_of(match.service, match.path), method)

    async def forward(
        self, call: ClientRequest, match: Match, body: RequestBody, policy: Gateway, forward: Forward
    ) -> None:
        """Forward a request, and try the fallbacks if that fails. Raises as ``forward`` does.

        If no fallback can be used, the client gets the failure as it was.
        """
        keeper = self._keeper(call, match, body)
        decision = Decision(match, call.method, body, keeper, self._is_there)
        watch = call.fallback = Watch(decision.holds_back, keeper)
        allowance = call.allowance = Allowance(decision.shares())
        try:
            problem = await _problem_of(forward(call, match, body, policy), call)
        finally:
            if keeper is not None:
                keeper.close()
        if problem is None and watch.held is None and call.out.status is None:
            return  # the client has left
        failed = decision.failed(problem, watch.held)
        if failed is None:
            if problem is not None:
                raise problem
            self._served(match)
            return
        call.failed = (failed.status, call.back_end_seconds)
        kind = NONE
        if call.out.status is None:
            if not allowance.is_begun and not body.is_streamed:
                allowance.of(await own_total(match, body))
            kind = await self._try(call, decision.steps(failed), failed, body, policy, forward)
        self._used(match, kind, failed, problem)
        if kind == NONE and call.out.status is None:
            if problem is not None:
                raise problem
            await _send_held(call, match, watch.held, policy)

    def _keeper(self, call: ClientRequest, match: Match, body: RequestBody) -> Keeper | None:
        rule = next((step.rule for step in match.fallbacks if step.rule.use == "cached"), None)
        if rule is None or not self.cache.limits.max_bytes:
            return None
        asked = Asked(
            call.method,
            call.scope.get("query_string", b""),
            lambda: self._sent_headers(call),
            body,
            call.caller,
        )
        return Keeper(self.cache, rule, match, asked, self._clock)

    def _is_there(self, rule: Fallback) -> bool:
        return rule.use != "static" or self._bodies.get(rule.response) is not None

    async def _try(
        self,
        call: ClientRequest,
        steps: tuple[Chance, ...],
        failed: Failed,
        body: RequestBody,
        policy: Gateway,
        forward: Forward,
    ) -> str:
        """Try fallbacks in turn; return the kind of the one that the client got, or :data:`NONE`."""
        for step, stored in steps:
            if step.match is not None:
                if call.allowance is not None:
                    call.allowance.next(share_of(step.rule))
                    if not call.allowance.left:
                        log.debug("no time for a fallback", service=step.match.service)
                        continue
                if body.is_spent or not await self._ask(call, step.rule, step.match, body, policy, forward):
                    continue
            elif step.rule.use == "cached" and stored is not None:
                call.mark = b"cached"
                headers = of_stored(stored, failed, call.gateway_headers(), self._clock())
                await _send(call, stored.status, headers, stored.body, policy)
            elif (found := self._bodies.get(step.rule.response)) is not None:
                call.mark = b"static"
                response = found.response
                own = [*call.gateway_headers(), *response_headers.SECURITY]
                headers = of_static(response, len(found.body), own)
                await _send(call, response.status, headers, found.body, policy)
            else:
                continue
            return step.rule.use
        return NONE

    async def _ask(
        self,
        call: ClientRequest,
        rule: Fallback,
        match: Match,
        body: RequestBody,
        policy: Gateway,
        forward: Forward,
    ) -> bool:
        """Forward a request to another service; return whether the client got its response."""
        bad = {*rule.statuses, *REFUSALS}
        watch = Watch(lambda failed: failed.status in bad)
        with _at_another_service(call, rule, match):
            call.fallback = watch
            problem = await _problem_of(forward(call, match, body, policy), call)
        if problem is not None:
            log.debug("fallback failed", service=match.service, problem=problem.code)
            return False
        if watch.held is not None:
            return False
        if call.out.status is None:
            raise ClientGoneError
        return True

    def _used(self, match: Match, kind: str, failed: Failed, problem: ProblemError | None) -> None:
        """Count a failed request, and publish the beginning of an episode."""
        if not self._episodes.used(match.prefix, kind, trio.current_time()):
            return
        why = f"it responded with {failed.status}" if problem is None else problem.detail.rstrip(".")
        if failed.outcome is Outcome.STATUS:
            why = f"it responded with {failed.status}"
        log.warning("fallbacks begin", route=match.prefix, service=match.service, reason=why)
        text = f"Requests to {match.prefix} fail, and get fallbacks where they can: {why}."
        self._events.record("warn", match.service, text)
        self._topics.touch(self._topic)

    def _served(self, match: Match) -> None:
        """Note that the service has responded; publish the end of an episode."""
        ended = self._episodes.served(match.prefix, trio.current_time())
        if ended is None:
            return
        counts = ", ".join(f"{kind} {number}" for kind, number in sorted(ended.counts.items()))
        log.info("fallbacks end", route=match.prefix, service=match.service, counts=ended.counts)
        self._events.record(
            "ok",
            match.service,
            f"Requests to {match.prefix} get responses of the service again. In {ended.seconds:.0f} s "
            f"before, failed requests by their fallback: {counts}.",
        )
        self._topics.touch(self._topic)

    def statistics(self, gateway: Gateway, now: float) -> tuple[GatewayFallbacks, ...]:
        """Return the figures of each route that has fallbacks."""
        found = []
        for route in gateway.routes:
            if not route.fallbacks:
                continue
            counts = self._episodes.counts(route.prefix)
            number, size = self.cache.route_usage(route.prefix)
            found.append(
                GatewayFallbacks(
                    route=route.prefix,
                    service=counts["service"],
                    cached=counts["cached"],
                    static=counts["static"],
                    none=counts[NONE],
                    active_for=self._episodes.lasts(route.prefix, now),
                    stored=number,
                    stored_bytes=size,
                )
            )
        return tuple(found)

    def cache_statistics(self) -> GatewayFallbackCache:
        """Return the figures of the cache."""
        limits = self.cache.limits
        return GatewayFallbackCache(
            responses=len(self.cache),
            bytes=self.cache.bytes + self.cache.arriving,
            max_responses=limits.max_entries,
            max_bytes=limits.max_bytes,
            evicted=self.cache.evicted,
        )


@contextmanager
def _at_another_service(call: ClientRequest, rule: Fallback, match: Match) -> Iterator[None]:
    """Make a request one to another service for the block: without credentials that are not for it."""
    before = call.match, call.trace, call.headers
    call.match, call.trace, call.mark = match, Trace(traced=call.trace.traced), b"service"
    if not rule.forward_authorization:
        call.headers = [
            (name, value)
            for name, value in call.headers
            if name.lower().replace(b"_", b"-") not in CREDENTIALS
        ]
    try:
        yield
    finally:
        call.match, call.trace, call.headers = before
        if call.out.status is None:
            call.mark = b""


async def _problem_of(forwarding: Awaitable[None], call: ClientRequest) -> ProblemError | None:
    """Return the problem with which a request failed, None if there is none.

    It is raised if the client got a part of a response: nothing can take its place any more.
    """
    try:
        await forwarding
    except ProblemError as problem:
        if call.out.status is not None:
            raise
        return problem
    return None


async def _send_held(call: ClientRequest, match: Match, held: Held | None, policy: Gateway) -> None:
    """Send the failed response of the route's service, as it was."""
    assert held is not None, "without a problem there is a response"  # noqa: S101 - an invariant
    if held.body is None:
        raise ProblemError(
            "bad_gateway",
            f"The {match.service} responded with {held.failed.status}.",
            service=match.service,
        )
    await _send(call, held.failed.status, held.headers, held.body, policy)


async def _send(
    call: ClientRequest, status: int, headers: list[Header], body: bytes, policy: Gateway
) -> None:
    seconds = max(policy.timeout, len(body) / policy.client_rate)
    with trio.move_on_after(seconds) as limit:
        await call.out.start(status, headers)
        await call.out.end(b"" if call.method == "HEAD" else body)
    if limit.cancelled_caught:
        raise client_too_slow(seconds)
    if call.is_streamed and call.inbound is not None:
        with trio.move_on_after(DISCARD_SECONDS):
            await call.inbound.discard()
