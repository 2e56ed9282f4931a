"""The ASGI application: identifies each request's actor and dispatches it.

``/ws`` goes to the hub, the gateway's routes to the gateway, the rest to the pages.
"""

from collections.abc import Awaitable
from functools import partial
from http import HTTPStatus
from typing import Any

from orch.access.actors import ACTOR
from orch.access.service import Access
from orch.gateway.response_headers import SECURITY
from orch.gateway.service import GatewayService
from orch.overload import Step
from orch.overload_watch import OverloadWatch
from orch.problems import ProblemError
from orch.protocol import closes
from orch.protocol.closes import Close
from orch.repeats import EXTENSION, Slot
from orch.web.app import Pages
from orch.web.http_door import enter_gateway, is_operator
from orch.websocket.connections.endpoint import refuse
from orch.websocket.connections.handshake import Refused
from orch.websocket.service import HubService


class Application:
    """Dispatches one process's requests. ``lifespan`` is acknowledged; the tree runs in `orch.serving`.

    Only here is the caller identified, before anything is dispatched: ``scope["orch.actor"]``.
    ``trusts_local``: our own server accepted the connections, so its peer and bound addresses can be trusted;
    under another server operators need the token.
    """

    def __init__(
        self,
        *,
        access: Access,
        gateway: GatewayService,
        hub: HubService,
        pages: Pages,
        overload: OverloadWatch,
        trusts_local: bool,
    ) -> None:
        self._access = access
        self._gateway = gateway
        self._hub = hub
        self._pages = pages
        self._overload = overload
        self._trusts_local = trusts_local

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        """Return the run that serves one request, connection or lifespan.

        A plain function: a coroutine's frame would hold every connection's scope until it is closed.
        """
        if scope["type"] == "lifespan":
            return _answer_lifespan(receive, send)
        try:
            actor = self._access.actor(
                scope, trusts_local=self._trusts_local, is_for_back_end=partial(self._is_for_back_end, scope)
            )
        except ProblemError as error:
            self._pages.throttled += error.status == HTTPStatus.TOO_MANY_REQUESTS
            return _refuse(scope, receive, send, error)
        scope[ACTOR] = actor
        name = self._access.sign_in_to_look_up(scope, actor)
        if name is not None:
            return self._look_up(name, scope, receive, send)
        return self._dispatch(scope, receive, send)

    async def _look_up(self, name: str, scope: Any, receive: Any, send: Any) -> None:
        """Dispatch after looking up the browser's sign-in in the store."""
        scope[ACTOR] = await self._access.signed_in(scope[ACTOR], name)
        await self._dispatch(scope, receive, send)

    def _dispatch(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        run: Awaitable[None]
        if scope["type"] == "http":
            if self._overload.step is not Step.CALM:
                send = _without_keep_alive(scope, send)
            run = self._http(scope, receive, send)
        elif scope["path"] == "/ws":
            if not is_operator(scope[ACTOR]) and (problem := self._overload.refuse()) is not None:
                return _refuse(scope, receive, send, problem, closes.TRY_LATER)
            run = self._hub.endpoint(scope, receive, send)
        elif self._is_for_back_end(scope):
            run = self._connect_back_end(scope, receive, send)
        else:
            run = _refuse(scope, receive, send, _no_websocket(), closes.POLICY)
        return run

    def _is_for_back_end(self, scope: Any) -> bool:
        path = scope["path"]
        if scope["type"] != "http" and path == "/ws":
            return False
        return self._gateway.handles(path, scope.get("raw_path")) and not self._pages.is_control_path(path)

    def _http(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        if self._is_for_back_end(scope):
            return self._call_back_end(scope, receive, send)
        pages: Awaitable[None] = self._pages(scope, receive, send)
        return pages

    async def _call_back_end(self, scope: Any, receive: Any, send: Any) -> None:
        """Forward a request if its actor may call back ends, and no other site's page sent it."""
        try:
            self._enter_gateway(scope)
        except ProblemError as error:
            await _answer_problem(send, error)
            return
        slot: Slot | None = scope.get("extensions", {}).get(EXTENSION)
        if slot is not None:
            slot.holds = self._access.unless_changed(scope, lambda: self._overload.step is Step.CALM)
        await self._gateway.proxy(scope, receive, send)

    async def _connect_back_end(self, scope: Any, receive: Any, send: Any) -> None:
        """Connect a WebSocket with a back end, on the same conditions."""
        try:
            self._enter_gateway(scope)
        except ProblemError as error:
            await _refuse(scope, receive, send, error)
            return
        await self._gateway.connect(scope, receive, send)

    def _enter_gateway(self, scope: Any) -> None:
        is_public = self._gateway.is_public(scope)
        enter_gateway(scope, is_public=is_public, tokens=self._access)
        if (problem := self._overload.refuse()) is not None:
            raise problem


async def _answer_problem(send: Any, error: ProblemError) -> None:
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"cache-control", b"no-store"),
        *SECURITY,
    ]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": error.body()})


def _without_keep_alive(scope: Any, send: Any) -> Any:
    """Return a ``send`` whose response closes the connection; from HTTP/2 on connections are shared."""
    if scope.get("http_version") not in {"1.0", "1.1"}:
        return send

    async def closing(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await send(message)

    return closing


async def _refuse(
    scope: Any, receive: Any, send: Any, error: ProblemError, close: Close = closes.WRONG_ORIGIN
) -> None:
    """Refuse a request or a handshake before it is dispatched."""
    if scope["type"] == "http":
        await _answer_problem(send, error)
        return
    await receive()
    await refuse(scope, send, Refused(error, close))


def _no_websocket() -> ProblemError:
    return ProblemError("not_found", "No WebSocket is served at this path.")


async def _answer_lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
