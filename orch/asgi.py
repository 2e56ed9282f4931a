"""The ASGI application: ``/ws`` to the hub, the gateway's routes to the gateway, the rest to the pages.

``orch serve`` builds an :class:`Application` inside its tree. ``hypercorn -k trio orch.asgi:app`` imports
:func:`app`, whose lifespan runs the tree and puts the parts into the lifespan state, so that the module has
no global state.
"""

import os
import time
from collections.abc import Awaitable
from functools import partial
from typing import Any

import structlog
import trio

from orch.access.actors import ACTOR
from orch.gateway.response_headers import SECURITY
from orch.open_files import raise_limit
from orch.parts import Parts
from orch.problems import ProblemError
from orch.protocol import closes
from orch.settings import SettingsError
from orch.settings.live import LiveSettings, find_file
from orch.telemetry.events import EventLog
from orch.telemetry.logs import configure
from orch.tree import running
from orch.web.app import create_pages
from orch.web.http_door import enter_gateway
from orch.websocket.connections.endpoint import refuse
from orch.websocket.connections.handshake import Refused
from orch.wiring.build import build

log = structlog.get_logger("asgi")


class Application:
    """Dispatches one process's requests. ``lifespan`` is acknowledged; the tree runs in `orch.serving`.

    Only here is the caller identified, before anything is dispatched: ``scope["orch.actor"]``.
    ``trusts_local``: our own server accepted the connections, so its peer and bound addresses can be trusted;
    under another server operators need the token.
    """

    def __init__(self, parts: Parts, *, trusts_local: bool = True) -> None:
        self._parts = parts
        self._trusts_local = trusts_local
        self._pages = create_pages(parts)
        parts.metrics.read_from(self._pages.boundary.readings)
        self._is_control_path = self._pages.is_control_path

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        """Return the run that serves one request, connection or lifespan.

        A plain function: a coroutine's frame would hold every connection's scope until it is closed.
        """
        if scope["type"] == "lifespan":
            return _answer_lifespan(receive, send)
        try:
            actor = self._parts.access.actor(
                scope, trusts_local=self._trusts_local, is_passed_on=partial(self._is_passed_on, scope)
            )
        except ProblemError as error:
            return _refuse(scope, receive, send, error)
        scope[ACTOR] = actor
        name = self._parts.access.unknown_sign_in(scope, actor)
        if name is not None:
            return self._look_up(name, scope, receive, send)
        return self._dispatch(scope, receive, send)

    async def _look_up(self, name: str, scope: Any, receive: Any, send: Any) -> None:
        """Dispatch after looking up the browser's sign-in in the store."""
        scope[ACTOR] = await self._parts.access.signed_in(scope[ACTOR], name)
        await self._dispatch(scope, receive, send)

    def _dispatch(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        run: Awaitable[None]
        if scope["type"] == "http":
            run = self._http(scope, receive, send)
        elif scope["path"] == "/ws":
            run = self._parts.hub.endpoint(scope, receive, send)
        else:
            run = _refuse_websocket(receive, send)
        return run

    def _is_passed_on(self, scope: Any) -> bool:
        path = scope["path"]
        if scope["type"] != "http":
            return False
        return self._parts.gateway.handles(path, scope.get("raw_path")) and not self._is_control_path(path)

    def _http(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        if self._is_passed_on(scope):
            return self._gateway(scope, receive, send)
        pages: Awaitable[None] = self._pages(scope, receive, send)
        return pages

    async def _gateway(self, scope: Any, receive: Any, send: Any) -> None:
        """Forward a request if its actor may call back ends, and no other site's page sent it."""
        try:
            is_public = self._parts.gateway.is_public(scope)
            enter_gateway(scope, is_public=is_public, tokens=self._parts.access)
        except ProblemError as error:
            await _answer_problem(send, error)
            return
        await self._parts.gateway.proxy(scope, receive, send)


async def _answer_problem(send: Any, error: ProblemError) -> None:
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"cache-control", b"no-store"),
        *SECURITY,
    ]
    headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": error.body()})


async def _refuse(scope: Any, receive: Any, send: Any, error: ProblemError) -> None:
    """Refuse a request or a handshake before it is dispatched."""
    if scope["type"] == "http":
        await _answer_problem(send, error)
        return
    await receive()
    await refuse(scope, send, Refused(error, closes.WRONG_ORIGIN))


async def _refuse_websocket(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 1008, "reason": "No WebSocket is served at this path."})


async def _answer_lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Serve under any ASGI server that runs on Trio and keeps lifespan state."""
    if scope["type"] == "lifespan":
        await _lifespan(scope["state"], receive, send)
        return
    await scope["state"]["application"](scope, receive, send)


async def _lifespan(state: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()  # lifespan.startup
    events = EventLog(wall=time.time)
    try:
        configuration = LiveSettings(find_file(None, os.environ), os.environ, events=events, wall=time.time)
    except SettingsError as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    configure(configuration.current.orchestration.log_level)
    raise_limit()
    parts = build(configuration, events, {})
    if not parts.access.has_token:
        log.warning("no control token is set, so no request has operator rights", set="ORCH_CONTROL_TOKEN")
    application = Application(parts, trusts_local=False)
    async with running(parts, None) as tree, trio.open_nursery() as nursery:
        if tree.stopping.is_set():
            await send({"type": "lifespan.startup.failed", "message": tree.reason or "stopped"})
            return
        state["application"] = application

        async def fail_with_tree() -> None:
            """End the server when a branch has given up; the server has no other way to notice."""
            await tree.stopping.wait()
            await send({"type": "lifespan.shutdown.failed", "message": tree.reason or "stopped"})

        nursery.start_soon(fail_with_tree)
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        nursery.cancel_scope.cancel()
        tree.stop("The server is shutting down.")
    await send({"type": "lifespan.shutdown.complete"})
