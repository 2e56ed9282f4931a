"""One client's request at the gateway: its body as it arrives, its response, and what is known of it."""

import math
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final
from urllib.parse import quote

import trio

from orch.access.actors import ACTOR
from orch.access.addresses import Network, group
from orch.gateway.attempt import Trace
from orch.gateway.fallbacks.allowance import Allowance
from orch.gateway.fallbacks.marks import MARK
from orch.gateway.fallbacks.watch import Watch
from orch.gateway.headers import Client, Header
from orch.gateway.hedging.route_hedges import RouteHedges
from orch.gateway.hops import Hops
from orch.gateway.rate_limits.buckets import Level
from orch.gateway.rate_limits.fields import fields
from orch.gateway.routes import Match
from orch.gateway.spool import IncomingBody
from orch.problems import ProblemError
from orch.protocol.request_id import HEADER, request_id

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CLIENT_GONE: Final = 499
"""Counted as the status if the client disconnects before its response (nginx's number); it is never sent."""


class ClientGoneError(Exception):
    """The client has disconnected."""


class Inbound:
    """A client's request body as it arrives, and then the news that the client has disconnected.

    ``declared``: the body's Content-Length, if it has one; ``limit``: the bytes it may have at most.
    """

    def __init__(self, receive: Receive, *, declared: int | None, limit: int) -> None:
        self._receive = receive
        self.declared = declared
        self._limit = limit
        self._is_over = False
        self.size = 0
        """The bytes read so far."""

    async def next(self) -> bytes:
        """Return the next piece, empty at the end.

        Raises ClientGoneError, and ProblemError for a body that is too long or too short.
        """
        while not self._is_over:
            if data := await self._piece():
                return data
        return b""

    async def _piece(self) -> bytes:
        """Return a piece, which may be empty; ``_is_over``: whether it was the last one."""
        message = await self._receive()
        if message["type"] != "http.request":
            self._is_over = True
            raise ClientGoneError
        data = bytes(message.get("body", b""))
        self._is_over = not message.get("more_body", False)
        self.size += len(data)
        if self.size > self._limit:
            raise too_large(self._limit)
        if self.declared is not None and self.size > self.declared:
            raise ProblemError("invalid_request", "The body is longer than its Content-Length.")
        if self._is_over and self.declared is not None and self.size < self.declared:
            raise ProblemError("invalid_request", "The body is shorter than its Content-Length.")
        return data

    async def collect(
        self, into: IncomingBody, on_size: Callable[[int], None], on_wait: Callable[[int], None]
    ) -> None:
        """Read the whole body.

        Both functions are called with the bytes read so far: before they are stored, and before more are
        waited for.

        Raises ClientGoneError, and ProblemError for a body that is too long or too short.
        """
        while not self._is_over:
            if data := await self._piece():
                on_size(self.size)
                await into.add(data)
            if not self._is_over:
                on_wait(self.size)

    async def discard(self) -> None:
        """Read and drop the rest of a body that was refused.

        Some clients read the response only after they have sent the body, and Hypercorn sends no response on
        while it waits for its application to read.
        """
        while not self._is_over:
            message = await self._receive()
            self._is_over = message["type"] != "http.request" or not message.get("more_body", False)

    async def watch(self, scope: trio.CancelScope) -> None:
        """Cancel ``scope`` when the client disconnects."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        scope.cancel()


class Outbound:
    """The response to the client, and how much of it was sent. Every method raises ClientGoneError."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._has_trailers = False
        self.status: int | None = None
        self.is_complete = False

    async def start(self, status: int, headers: list[Header], *, has_trailers: bool = False) -> None:
        """Send the head. ``has_trailers``: :meth:`end` may bring some."""
        self.status = status
        start: Message = {"type": "http.response.start", "status": status, "headers": headers}
        if has_trailers:
            start["trailers"] = self._has_trailers = True
        await self._pass(start)

    async def piece(self, data: bytes) -> None:
        """Send a part of the body."""
        await self._pass({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"", trailers: Iterable[Header] = ()) -> None:
        """Send the last part, which may be empty, and the trailers if they were announced."""
        await self._pass({"type": "http.response.body", "body": data, "more_body": False})
        if self._has_trailers:
            await self._pass({"type": "http.response.trailers", "headers": list(trailers)})
        self.is_complete = True

    async def _pass(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError as error:  # a server raises it, as ASGI asks, if the client has disconnected
            raise ClientGoneError from error


class ClientRequest:
    """One client's request: what it is for, how far it has come, and what became of it."""

    def __init__(
        self,
        scope: Scope,
        send: Send,
        *,
        new_id: Callable[[], str],
        trusted: tuple[Network, ...],
        trusted_hops: int,
        hops: Hops,
    ) -> None:
        self.scope = scope
        self._hops = hops
        self.headers: list[Header] = list(scope["headers"])
        self.method: str = scope["method"]
        self.request_id = request_id(self.headers, new_id).encode()
        self.began = trio.current_time()
        self.out = Outbound(send)
        self.trace = Trace()
        self.match: Match | None = None
        self.rates: tuple[Level, ...] = ()
        """The levels of the rate limits that it falls under."""
        self.fallback: Watch | None = None
        """What its responses are held back for, if its route has fallbacks."""
        self.mark = b""
        """The kind of the fallback whose response the client gets."""
        self.failed: tuple[int, float | None] | None = None
        """Where a fallback has responded: the status of the failure, and the seconds that it took."""
        self.inbound: Inbound | None = None
        self.allowance: Allowance | None = None
        """The time that it has with its fallbacks, if its route has any."""
        self.total = math.inf
        """Seconds that it has from the complete request on."""
        self.hedge: RouteHedges | None = None
        """When extra attempts are sent, if the route has any and the request may be sent twice."""
        self.is_streamed = False
        """Whether its body is passed on while it arrives."""
        self.sent_at: float | None = None
        self.trace_id = ""  # of its trace, if that is recorded
        """When the request was complete, so that it could be sent to a back end."""
        self.answered_at: float | None = None
        """When the back end's response was complete or had failed."""
        peer = scope.get("client")
        self.client = Client(
            address=peer[0] if peer else None,
            scheme=scope.get("scheme", "http"),
            host=next((value for name, value in self.headers if name == b"host"), b""),
            trusted=trusted,
            trusted_hops=trusted_hops,
            http_version=scope.get("http_version", "1.1"),
        )
        actor = scope.get(ACTOR)
        self.caller = group(actor.address if actor is not None else self.client.address or "")

    @property
    def wants_trailers(self) -> bool:
        """Whether the client and the server in front can be sent trailers."""
        return "http.response.trailers" in self.scope.get("extensions", ()) and any(
            name == b"te" and b"trailers" in value.lower() for name, value in self.headers
        )

    @property
    def path(self) -> str:
        """The path, percent-encoded."""
        return encoded_path(self.scope)

    @property
    def target(self) -> str:
        """The back end's own path with the client's query, unchanged."""
        query: bytes = self.scope.get("query_string", b"")
        path = self.match.path if self.match else "/"
        return f"{path}?{query.decode('latin-1')}" if query else path

    @property
    def elapsed(self) -> float:
        """Seconds since the request began."""
        return trio.current_time() - self.began

    @property
    def back_end_seconds(self) -> float | None:
        """Seconds that the back end took, None if it got no request. The client's own time is not in it."""
        if self.sent_at is None or not self.trace.attempts or self.trace.is_queued:
            return None
        return (self.answered_at or trio.current_time()) - self.sent_at

    def used_until(self, deadline: float) -> None:
        """Note that a service has ended, and that it had until ``deadline``."""
        if self.allowance is not None:
            self.allowance.end(deadline - trio.current_time())

    def end_trace(self, problem: ProblemError | None) -> None:
        """End the span of the request, if its trace is recorded. ``problem``: what it has run into."""
        if self.trace.traced is not None:
            self.trace.traced.ended(
                route=self.match.prefix if self.match else "",
                service=self.match.service if self.match else "",
                status=self.out.status,
                tries=self.trace.attempts,
                request_id=self.request_id,
                error=problem.code if problem else "",
                is_cut_short=problem is not None and self.out.status is not None and not self.out.is_complete,
                fallback=self.mark,
            )

    def gateway_headers(self) -> list[Header]:
        """Return the gateway's own headers. ``X-Gateway-Time``: milliseconds until the response's head."""
        own = [
            (HEADER, self.request_id),
            (b"x-gateway-time", b"%.1f" % (self.elapsed * 1000)),
            self._hops.of_response,
        ]
        if self.match is not None:
            own.append((b"x-gateway-service", self.match.service.encode("utf-8")))
        if self.mark:
            own.append((MARK, self.mark))
        if self.rates:
            own += fields(self.rates)
        if self.trace.attempts:
            own.append((b"x-gateway-attempts", b"%d" % self.trace.attempts))
        return own


def encoded_path(scope: Scope) -> str:
    """Return a request's path percent-encoded: as the client sent it, if the server says so."""
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("latin-1") if raw else quote(scope["path"])


def too_large(limit: int) -> ProblemError:
    """Return the problem of a body over ``limit`` bytes."""
    return ProblemError("body_too_large", f"A body can have {limit} bytes at most.", limit=limit)
