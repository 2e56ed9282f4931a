"""The responses during startup, from a small application of its own.

The problem: a service that waits for its store (Redis is away, the disk is full) accepted no connections. A
liveness probe then considers the process dead and restarts it for ever, and a load balancer sees requests
hang that it could send to another instance.

So the sockets are opened first. If the tree is not up after :data:`EARLY_AFTER` seconds, a small front
responds on them: ``/livez`` 200, ``/readyz`` 503 with the reason, everything else 503 with ``Retry-After``.
The front of the tree then takes over the same sockets, so that no connection is refused or reset.

What we leave out: a worker responds early only if no other worker serves. A serving worker accepts another's
connections after 50 ms, which is better than a 503.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

import msgspec
import trio

from orch.access.service import Access
from orch.front.servers import FrontServer
from orch.gateway.response_headers import SECURITY
from orch.problems import ProblemError
from orch.protocol import closes
from orch.supervision.branches import State, Tree
from orch.web.api.health import Ready, Store
from orch.web.http_door import is_operator
from orch.websocket.connections.endpoint import refuse
from orch.websocket.connections.handshake import Refused

EARLY_AFTER: Final = 1.0
"""Seconds after the start from which on it responds. Most starts take less, and no client gets a 503."""
RETRY_AFTER: Final = 2
"""The ``Retry-After`` of the responses, in seconds."""
GENERAL: Final = "The service is starting. Try again soon."
STORE: Final = "The service is starting: its session store is not available yet. Try again soon."


class StartupApplication:
    """Responds to probes, and to other requests with 503 ``starting``.

    Once the tree is up, ``application`` serves the requests of connections that were accepted before.
    """

    def __init__(
        self, *, access: Access, tree: Tree, store: Store, application: Callable[..., Awaitable[None]]
    ) -> None:
        self._access = access
        self._tree = tree
        self._store = store
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond to one request or handshake."""
        if scope["type"] == "http" and self._is_up:
            await self._application(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, send)
        else:
            await receive()
            await refuse(scope, send, Refused(_problem(self._words(scope)), closes.TRY_LATER))

    @property
    def _is_up(self) -> bool:
        states = self._tree.states()
        return "front" in states and all(state is State.RUNNING for state in states.values())

    async def _http(self, scope: Any, send: Any) -> None:
        retry = [(b"retry-after", b"%d" % RETRY_AFTER)]
        if scope["path"] == "/livez":
            await _send(send, HTTPStatus.OK, b'{"status":"alive"}', b"application/json", [])
        elif scope["path"] == "/readyz":
            states = self._tree.states()
            missing = tuple(name for name, state in states.items() if state is not State.RUNNING)
            body = msgspec.json.encode(
                Ready(status="starting", waiting_for=missing, reason=self._words(scope))
            )
            await _send(send, HTTPStatus.SERVICE_UNAVAILABLE, body, b"application/json", retry)
        else:
            body = _problem(self._words(scope)).body()
            await _send(send, HTTPStatus.SERVICE_UNAVAILABLE, body, b"application/problem+json", retry)

    def _words(self, scope: Any) -> str:
        """Return the reason why the service is still starting; details are for operators."""
        states = self._tree.states()
        if states.get("stores", State.WAITING) is State.RUNNING:
            return GENERAL
        if not self._is_operator(scope):
            return STORE
        reason = self._store.status().reason or self._tree.last_error("stores")
        return f"{STORE} {reason}".rstrip()

    def _is_operator(self, scope: Any) -> bool:
        try:
            actor = self._access.actor(scope, trusts_local=True, is_for_back_end=lambda: False)
        except ProblemError:
            return False
        return is_operator(actor)


class StartupResponder:
    """Runs the startup front while the tree starts. The mutable state is whether it should end.

    The front passed to :meth:`run` must stop at :attr:`over`.
    """

    def __init__(self) -> None:
        self.over = trio.Event()

    def end(self) -> None:
        """Stop accepting connections; accepted requests still get a response."""
        self.over.set()

    async def run(self, front: FrontServer) -> None:
        """Respond from :data:`EARLY_AFTER` on until :meth:`end`."""
        with trio.move_on_after(EARLY_AFTER):
            await self.over.wait()
        if not self.over.is_set():
            await front.run()


def _problem(words: str) -> ProblemError:
    return ProblemError("starting", words, headers={"Retry-After": str(RETRY_AFTER)})


async def _send(send: Any, status: int, body: bytes, kind: bytes, more: list[tuple[bytes, bytes]]) -> None:
    headers = [
        (b"content-type", kind),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *SECURITY,
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
