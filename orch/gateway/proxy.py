"""The gateway as an ASGI application: a request to a back end, and the answer back, both as they come.

Back-pressure goes end to end: the next piece of a body is read only when the one before has been sent on.
Nothing is collected: what came in chunks goes on in chunks, what had a length keeps it.

An answer that breaks off after it began is broken off here too: the application returns without its last body
event. Hypercorn and uvicorn then close the connection (HTTP/1.1), which is how a client learns that it has
not all of it.
"""

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, Final
from urllib.parse import quote

import structlog
import trio

from orch.access.actors import ACTOR
from orch.access.addresses import Network, group
from orch.gateway import answer_headers
from orch.gateway import headers as heads
from orch.gateway.answer_headers import Place
from orch.gateway.bodies import RequestBody
from orch.gateway.dispatch import Dispatcher, Reply, Trace, overloaded
from orch.gateway.flows import Flow
from orch.gateway.headers import Client, Header
from orch.gateway.routes import Match, UnroutableError
from orch.gateway.upstream import Request
from orch.problems import ProblemError
from orch.settings import Gateway

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CLIENT_GONE: Final = 499
"""What is counted where the client left before its answer (nginx's number); it is never sent."""

# CONNECT asks for a tunnel, TRACE for our own headers back.
_REFUSED_METHODS: Final = frozenset({"CONNECT", "TRACE"})

log = structlog.get_logger(__name__)


class ClientGoneError(Exception):
    """The client has closed its connection."""


class Inbound:
    """A client's request body, and the news that the client has gone.

    One piece is read ahead at most; the next one is left with the server until it is wanted.
    """

    def __init__(self, receive: Receive, *, declared: int | None, limit: int) -> None:
        self._receive = receive
        self._declared = declared
        self._limit = limit
        self._size = 0
        self._pieces_in, self._pieces_out = trio.open_memory_channel[bytes](0)
        self.is_gone = False

    async def first(self) -> tuple[bytes, bool]:
        """Return the first piece and whether more may follow. Raises ClientGoneError, ProblemError."""
        message = await self._receive()
        if message["type"] != "http.request":
            self.is_gone = True
            raise ClientGoneError
        data, more = bytes(message.get("body", b"")), bool(message.get("more_body", False))
        self._count(data)
        if not more:
            self._check_end()
        return data, more

    async def more(self) -> bytes:
        """Return the next piece, empty at the end. Raises ProblemError for a body too long or too short."""
        try:
            data = await self._pieces_out.receive()
        except trio.EndOfChannel:
            self._check_end()
            return b""
        self._count(data)
        return data

    async def watch(self, scope: trio.CancelScope, *, more: bool) -> None:
        """Read what follows the first piece for :meth:`more`; when the client goes, cancel ``scope``."""
        with self._pieces_in:
            while more:
                message = await self._receive()
                if message["type"] != "http.request":
                    self._go(scope)
                    return
                if message.get("body"):
                    await self._pieces_in.send(bytes(message["body"]))
                more = bool(message.get("more_body", False))
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._go(scope)

    def _go(self, scope: trio.CancelScope) -> None:
        self.is_gone = True
        scope.cancel()

    def _count(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise too_large(self._limit)
        if self._declared is not None and self._size > self._declared:
            raise ProblemError("invalid_request", "The body is longer than its Content-Length.")

    def _check_end(self) -> None:
        if self._declared is not None and self._size < self._declared:
            raise ProblemError("invalid_request", "The body is shorter than its Content-Length.")


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

    def __init__(self, scope: Scope, send: Send, *, new_id: str, trusted: Collection[Network]) -> None:
        self.scope = scope
        self.headers: list[Header] = list(scope["headers"])
        self.method: str = scope["method"]
        self.request_id = heads.request_id(self.headers, new_id)
        self.began = trio.current_time()
        self.out = Outbound(send)
        self.trace = Trace()
        self.match: Match | None = None
        self.body: RequestBody | None = None
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
        raw: bytes | None = self.scope.get("raw_path")
        return raw.decode("latin-1") if raw else quote(self.scope["path"])

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
    def is_waiting_for_client(self) -> bool:
        """Whether it is the client's turn: its body has not come."""
        return self.body is None or self.body.is_waiting

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
        trusted: Callable[[], Collection[Network]],
        is_own_credential: Callable[[bytes], bool],
        record: Callable[[Match | None, int, float], None],
        make_id: Callable[[], str],
    ) -> None:
        self._dispatcher = dispatcher
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
            with trio.move_on_after(policy.timeout) as limit:
                try:
                    await self._relay(call, receive, policy, nursery)
                except ProblemError as error:
                    problem = error
                except ClientGoneError:
                    nursery.cancel_scope.cancel()
                except Exception:
                    log.exception("gateway.failed", request_id=call.request_id.decode(), path=scope["path"])
                    problem = ProblemError("internal_error", "The gateway failed. The log has the reason.")
            if limit.cancelled_caught:
                problem = _too_slow(call, policy.timeout)
            if problem is not None:
                await _refuse(call, problem)
            nursery.cancel_scope.cancel()
        self._finish(call, problem)

    async def _relay(self, call: Call, receive: Receive, policy: Gateway, nursery: trio.Nursery) -> None:
        try:
            call.match = self._find(call.path)
        except UnroutableError as error:
            raise ProblemError("invalid_request", f"This address cannot be passed on: {error}.") from error
        if call.match is None:
            raise ProblemError("not_found", "No back end answers at this address.")
        if call.method in _REFUSED_METHODS:
            raise ProblemError("method_not_allowed", f"{call.method} does not go through the gateway.")
        request = await self._request(call, receive, policy, nursery)
        async with self._dispatcher.send(
            call.match.service,
            request,
            call.trace,
            retries=policy.retries,
            flow=Flow.REQUESTS,
            caller=call.caller,
        ) as reply:
            await self._deliver(call, reply, call.match)

    async def _request(self, call: Call, receive: Receive, policy: Gateway, nursery: trio.Nursery) -> Request:
        is_chunked = heads.is_chunked(call.headers)
        try:
            declared = None if is_chunked else heads.content_length(call.headers)
        except ValueError as error:
            raise ProblemError("invalid_request", "Content-Length is not one number.") from error
        if declared is not None and declared > policy.max_body_bytes:
            raise too_large(policy.max_body_bytes)
        inbound = Inbound(receive, declared=declared, limit=policy.max_body_bytes)
        first, more = await inbound.first()
        nursery.start_soon(lambda: inbound.watch(nursery.cancel_scope, more=more))
        # Without a length and without chunks (HTTP/2) a body that is all there has the length it has.
        length = declared if declared is not None or is_chunked or more else len(first)
        call.body = RequestBody(call.method, first, inbound.more if more else None, length=length)
        return Request(
            method=call.method,
            target=call.target,
            headers=tuple(
                heads.for_back_end(
                    call.headers, call.client, call.request_id, is_own_credential=self._is_own_credential
                )
            ),
            body=call.body,
            expects_continue=bool(more)
            and any(name == b"expect" and value.lower() == b"100-continue" for name, value in call.headers),
        )

    async def _deliver(self, call: Call, reply: Reply, match: Match) -> None:
        root = call.scope.get("root_path", "")

        def outside(path: str) -> str | None:
            found = self._outside(match, path)
            return None if found is None else root + found

        place = Place(reply.instance, call.target, outside)
        await call.out.start(
            reply.status, answer_headers.for_client(reply.headers, call.own_headers(), place)
        )
        while data := await reply.receive():
            await call.out.piece(data)
        await call.out.end()

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
        self._record(call.match, status, call.elapsed)


def too_large(limit: int) -> ProblemError:
    """Return the problem of a body over ``limit`` bytes."""
    return ProblemError("body_too_large", f"A body may have {limit} bytes at most.", limit=limit)


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
        *answer_headers.SECURITY,
    ]
    try:
        await call.out.start(problem.status, own)
        await call.out.end(b"" if call.method == "HEAD" else body)
    except ClientGoneError:
        log.info("gateway.client_gone", request_id=call.request_id.decode(), problem=problem.code)


def _too_slow(call: Call, seconds: float) -> ProblemError:
    service = call.match.service if call.match else ""
    if call.is_waiting_for_client:
        return ProblemError("request_timeout", f"The request had not come in full after {seconds:g} s.")
    if call.trace.is_queued:
        return overloaded(service)
    return ProblemError(
        "gateway_timeout", f"The {service} did not answer within {seconds:g} s.", service=service
    )
