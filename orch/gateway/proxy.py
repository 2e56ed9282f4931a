"""The gateway as an ASGI application: a client's request to a back end, and the answer back.

A request is collected before a back end is asked: while its body comes, it holds a place among the requests
of its caller, and no connection. The answer goes on as it comes, and is read a little ahead, so that a client
that takes it slowly does not hold a connection for longer than it must. Both ways it has a least rate.

An answer that breaks off after it began is broken off here too: the application returns without its last body
event. Hypercorn and uvicorn then close the connection (HTTP/1.1), which is how a client learns that it has
not all of it.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import quote

import structlog
import trio

from orch.access.actors import ACTOR
from orch.access.addresses import Network, group
from orch.gateway import headers as heads
from orch.gateway import response_headers
from orch.gateway.dispatch import Dispatcher, Reply, Trace, short, too_slow
from orch.gateway.flows import Flow
from orch.gateway.headers import Client, Header
from orch.gateway.places import Places
from orch.gateway.request_body import RequestBody
from orch.gateway.response_buffer import ResponseBuffer
from orch.gateway.response_headers import Place
from orch.gateway.routes import Match, UnroutableError
from orch.gateway.spool import IN_MEMORY, IncomingBody, Spool
from orch.gateway.upstream import Request
from orch.problems import ProblemError
from orch.settings import Gateway
from orch.shortages import Shortage, own_shortage

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CLIENT_GONE: Final = 499
"""What is counted where the client left before its answer (nginx's number); it is never sent."""

DISCARD_SECONDS: Final = 5.0
"""How long the rest of a refused body is read; browsers and curl send on until then."""

# CONNECT asks for a tunnel, TRACE for our own headers back.
_REFUSED_METHODS: Final = frozenset({"CONNECT", "TRACE"})

log = structlog.get_logger(__name__)


class ClientGoneError(Exception):
    """The client has closed its connection."""


class Inbound:
    """A client's request body as it comes, and the news that the client has gone.

    ``declared``: its length, if the client has said it; ``limit``: the most it may be.
    """

    def __init__(self, receive: Receive, *, declared: int | None, limit: int) -> None:
        self._receive = receive
        self._declared = declared
        self._limit = limit
        self._is_over = False

    async def collect(self, into: IncomingBody, on_size: Callable[[int], None]) -> None:
        """Read the whole body; ``on_size`` hears how much has come.

        Raises ClientGoneError, and ProblemError for a body that is too long or too short.
        """
        more = True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                self._is_over = True
                raise ClientGoneError
            data, more = bytes(message.get("body", b"")), bool(message.get("more_body", False))
            self._is_over = not more
            if into.size + len(data) > self._limit:
                raise too_large(self._limit)
            if self._declared is not None and into.size + len(data) > self._declared:
                raise ProblemError("invalid_request", "The body is longer than its Content-Length.")
            if data:
                await into.add(data)
                on_size(into.size)
        if self._declared is not None and into.size < self._declared:
            raise ProblemError("invalid_request", "The body is shorter than its Content-Length.")

    async def discard(self) -> None:
        """Read what is left of a body that was refused.

        A client may read its answer only when it has sent its body, and a server may send no answer on while
        it waits for its application to read (Hypercorn).
        """
        while not self._is_over:
            message = await self._receive()
            self._is_over = message["type"] != "http.request" or not message.get("more_body", False)

    async def watch(self, scope: trio.CancelScope) -> None:
        """When the client goes, cancel ``scope``."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        scope.cancel()


class Outbound:
    """The answer to the client; remembers how far it has come."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None
        self.is_complete = False

    async def start(self, status: int, headers: list[Header]) -> None:
        """Send the head. Each of these raises :class:`ClientGoneError`."""
        self.status = status
        await self._tell({"type": "http.response.start", "status": status, "headers": headers})

    async def piece(self, data: bytes) -> None:
        """Send a part of the body."""
        await self._tell({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """Send the last part, which may be empty."""
        await self._tell({"type": "http.response.body", "body": data, "more_body": False})
        self.is_complete = True

    async def _tell(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError as error:  # what ASGI has a server raise when the client has gone
            raise ClientGoneError from error


class Call:
    """One request through the gateway: who asks for what, and what came of it."""

    def __init__(self, scope: Scope, send: Send, *, new_id: str, trusted: tuple[Network, ...]) -> None:
        self.scope = scope
        self.headers: list[Header] = list(scope["headers"])
        self.method: str = scope["method"]
        self.request_id = heads.request_id(self.headers, new_id)
        self.began = trio.current_time()
        self.out = Outbound(send)
        self.trace = Trace()
        self.match: Match | None = None
        self.inbound: Inbound | None = None
        self.asked: float | None = None
        """When a back end could be asked: all of the request had come."""
        self.answered: float | None = None
        """When the back end had been heard to the end."""
        peer = scope.get("client")
        self.client = Client(
            address=peer[0] if peer else None,
            scheme=scope.get("scheme", "http"),
            host=next((value for name, value in self.headers if name == b"host"), b""),
            trusted=trusted,
        )
        actor = scope.get(ACTOR)
        self.caller = group(actor.address if actor is not None else self.client.address or "")

    @property
    def path(self) -> str:
        """The path as the client encoded it, where the server says so."""
        return encoded_path(self.scope)

    @property
    def target(self) -> str:
        """The back end's own path with the client's query, untouched."""
        query: bytes = self.scope.get("query_string", b"")
        path = self.match.path if self.match else "/"
        return f"{path}?{query.decode('latin-1')}" if query else path

    @property
    def elapsed(self) -> float:
        """Seconds since the request came."""
        return trio.current_time() - self.began

    @property
    def back_end_seconds(self) -> float | None:
        """How long the back end took, None if it was not asked: what the client took is not its time."""
        if self.asked is None or not self.trace.attempts or self.trace.is_queued:
            return None
        return (self.answered or trio.current_time()) - self.asked

    def own_headers(self) -> list[Header]:
        """Return the gateway's own headers. ``X-Gateway-Time``: milliseconds until the answer's head."""
        own = [(b"x-request-id", self.request_id), (b"x-gateway-time", b"%.1f" % (self.elapsed * 1000))]
        if self.match is not None:
            own.append((b"x-gateway-service", self.match.service.encode("utf-8")))
        if self.trace.attempts:
            own.append((b"x-gateway-attempts", b"%d" % self.trace.attempts))
        return own


class Proxy:
    """Answers ASGI ``http`` requests. ``record`` hears of each: match (None: no route), status, seconds."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        find: Callable[[str], Match | None],
        outside: Callable[[Match, str], str | None],
        policy: Callable[[], Gateway],
        trusted: Callable[[], tuple[Network, ...]],
        is_own_credential: Callable[[bytes], bool],
        spool: Spool,
        places: Places,
        on_shortage: Callable[[Shortage, str], None],
        record: Callable[[Match | None, int, float | None], None],
        make_id: Callable[[], str],
    ) -> None:
        self._dispatcher = dispatcher
        self._spool = spool
        self._places = places
        self._on_shortage = on_shortage
        self._find = find
        self._outside = outside
        self._is_own_credential = is_own_credential
        self._policy = policy
        self._trusted = trusted
        self._record = record
        self._make_id = make_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. A failure is a problem document, or, once an answer has begun, its early end."""
        call = Call(scope, send, new_id=self._make_id(), trusted=self._trusted())
        policy = self._policy()
        problem: ProblemError | None = None
        async with trio.open_nursery() as nursery:
            try:
                await self._relay(call, receive, policy, nursery)
            except ProblemError as error:
                problem = error
            except ClientGoneError:
                nursery.cancel_scope.cancel()
            except Exception as error:  # noqa: BLE001 - one request's boundary
                problem = self._unforeseen(call, error)
            if problem is not None:
                with trio.move_on_after(policy.timeout):
                    await _refuse(call, problem)
                if call.inbound is not None:
                    with trio.move_on_after(DISCARD_SECONDS):
                        await call.inbound.discard()
            nursery.cancel_scope.cancel()
        self._finish(call, problem)

    async def _relay(self, call: Call, receive: Receive, policy: Gateway, nursery: trio.Nursery) -> None:
        try:
            match = call.match = self._find(call.path)
        except UnroutableError as error:
            raise ProblemError("invalid_request", f"This path cannot be forwarded: {error}.") from error
        if match is None:
            raise ProblemError("not_found", "No back end is routed at this path.")
        if call.method in _REFUSED_METHODS:
            raise ProblemError("method_not_allowed", f"The gateway does not forward {call.method}.")
        self._spool.disk_limit = policy.spool_bytes
        with self._places.taking(
            call.caller, limit=policy.max_requests, of_caller=policy.max_requests_per_address
        ):
            async with self._spool.body() as incoming:
                body = await self._collect(call, receive, policy, nursery, incoming)
                await self._exchange(call, match, self._request(call, body), policy, nursery)

    async def _collect(
        self,
        call: Call,
        receive: Receive,
        policy: Gateway,
        nursery: trio.Nursery,
        incoming: IncomingBody,
    ) -> RequestBody:
        """Return the body when all of it has come, and from then on watch for the client's leaving.

        It has ``gateway.timeout`` seconds, and those it takes at the least rate.
        """
        try:
            declared = None if heads.is_chunked(call.headers) else heads.content_length(call.headers)
        except ValueError as error:
            raise ProblemError("invalid_request", "Content-Length is not one number.") from error
        if declared is not None and declared > policy.max_body_bytes:
            raise too_large(policy.max_body_bytes)
        inbound = call.inbound = Inbound(receive, declared=declared, limit=policy.max_body_bytes)
        with trio.move_on_after(policy.timeout) as limit:
            began = limit.deadline

            def extend(size: int) -> None:
                limit.deadline = began + size / policy.client_rate

            await inbound.collect(incoming, extend)
        if limit.cancelled_caught:
            raise ProblemError(
                "request_timeout",
                f"The request did not arrive completely within {call.elapsed:.0f} s. Send at least "
                f"{policy.client_rate:g} bytes a second.",
            )
        nursery.start_soon(inbound.watch, nursery.cancel_scope)
        return await incoming.end()

    def _request(self, call: Call, body: RequestBody) -> Request:
        call.asked = trio.current_time()
        return Request(
            method=call.method,
            target=call.target,
            headers=tuple(
                heads.for_back_end(
                    call.headers, call.client, call.request_id, is_own_credential=self._is_own_credential
                )
            ),
            body=body,
        )

    async def _exchange(
        self, call: Call, match: Match, request: Request, policy: Gateway, nursery: trio.Nursery
    ) -> None:
        """Ask, and hand on the answer. The back end's connection is free as soon as its answer has come."""
        rest: bytes | None = None
        buffer: ResponseBuffer | None = None
        seconds: float | None = None
        with trio.move_on_after(policy.timeout) as limit:
            try:
                async with self._dispatcher.send(
                    match.service,
                    request,
                    call.trace,
                    retries=policy.retries,
                    flow=Flow.REQUESTS,
                    caller=call.caller,
                ) as reply:
                    headers = self._headers(call, reply, match)
                    if reply.is_received:
                        rest = await _all(reply)
                    else:
                        await call.out.start(reply.status, headers)
                        buffer = ResponseBuffer(self._spool, rate=policy.client_rate)
                        nursery.start_soon(_write, buffer, call.out, nursery.cancel_scope)
                        while data := await reply.receive():
                            await buffer.put(data)
            except ProblemError:
                if buffer is not None:
                    buffer.close()
                    await buffer.drained.wait()
                raise
            finally:
                call.answered = trio.current_time()
            # From here on it is the client alone who is waited for.
            seconds = max(policy.timeout, (len(rest or b"") or IN_MEMORY) / policy.client_rate)
            limit.deadline = call.answered + seconds
            if buffer is None:
                await call.out.start(reply.status, headers)
                await call.out.end(rest or b"")
            else:
                buffer.close()
                await buffer.drained.wait()
                await call.out.end()
        if limit.cancelled_caught:
            if seconds is None and (buffer is None or not buffer.is_waiting_for_client):
                raise _too_slow(call, policy.timeout)
            raise _takes_too_long(seconds or policy.timeout)

    def _headers(self, call: Call, reply: Reply, match: Match) -> list[Header]:
        root = call.scope.get("root_path", "")

        def outside(path: str) -> str | None:
            found = self._outside(match, path)
            return None if found is None else root + found

        place = Place(reply.instance, call.target, outside)
        return response_headers.for_client(reply.headers, call.own_headers(), place)

    def _unforeseen(self, call: Call, error: Exception) -> ProblemError:
        """Return what a client is told of a failure here; the disk being full is one that has words."""
        shortage = own_shortage(error)
        if shortage is None:
            request_id, path = call.request_id.decode(), call.scope["path"]
            log.error("gateway.failed", request_id=request_id, path=path, exc_info=error)
            if isinstance(error, OSError):  # a folder for temporary files that is missing, or read-only
                return short("Your request cannot be stored right now. Send less, or tell the operators.")
            return ProblemError("internal_error", "The gateway failed. The log has the reason.")
        self._on_shortage(shortage, call.match.service if call.match else "")
        return short(
            "Your request cannot be stored: the orchestration service is out of disk space or other "
            "resources. Try again in a few seconds, or send less."
        )

    def _finish(self, call: Call, problem: ProblemError | None) -> None:
        status = call.out.status if call.out.status is not None else CLIENT_GONE
        if problem is not None and not call.out.is_complete:
            # The answer had begun, with a status that did not come true.
            status = problem.status
            log.warning(
                "gateway.answer_broken_off",
                request_id=call.request_id.decode(),
                service=call.match.service if call.match else None,
                reason=problem.detail,
            )
        self._record(call.match, status, call.back_end_seconds)


def encoded_path(scope: Scope) -> str:
    """Return a request's path as the client encoded it, where the server says so."""
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("latin-1") if raw else quote(scope["path"])


def too_large(limit: int) -> ProblemError:
    """Return the problem of a body over ``limit`` bytes."""
    return ProblemError("body_too_large", f"A body can have {limit} bytes at most.", limit=limit)


async def _refuse(call: Call, problem: ProblemError) -> None:
    """Answer with a problem document, unless an answer has begun: then there is nothing true left to say."""
    if call.out.status is not None:
        return
    body = problem.body(instance=call.request_id.decode())
    own = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
        *call.own_headers(),
        *response_headers.SECURITY,
    ]
    try:
        await call.out.start(problem.status, own)
        await call.out.end(b"" if call.method == "HEAD" else body)
    except ClientGoneError:
        log.info("gateway.client_gone", request_id=call.request_id.decode(), problem=problem.code)


def _too_slow(call: Call, seconds: float) -> ProblemError:
    service = call.match.service if call.match else ""
    return too_slow(service, seconds, is_queued=call.trace.is_queued)


def _takes_too_long(seconds: float) -> ProblemError:
    return ProblemError(
        "request_timeout", f"The client did not read the response completely within {seconds:g} s."
    )


async def _all(reply: Reply) -> bytes:
    """Return what is left of an answer that has come in full, without waiting."""
    pieces = []
    while data := await reply.receive():
        pieces.append(data)
    return b"".join(pieces)


async def _write(buffer: ResponseBuffer, out: Outbound, scope: trio.CancelScope) -> None:
    try:
        await buffer.run(out.piece)
    except ClientGoneError:
        scope.cancel()
