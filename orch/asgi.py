"""The ASGI application: ``/ws`` to the hub, the gateway's routes to the gateway, the rest to the pages.

``orch serve`` builds an :class:`Application` inside its tree. ``hypercorn -k trio orch.asgi:app`` finds
:func:`app`, whose lifespan runs the tree and leaves the parts in the lifespan state, so that the module keeps
none.
"""

import os
import time
from collections.abc import Awaitable
from typing import Any

import structlog
import trio

from orch.configuration import Configuration, find_file
from orch.parts import Parts
from orch.problems import ProblemError
from orch.settings import SettingsError
from orch.telemetry.events import EventLog
from orch.telemetry.logs import configure
from orch.tree import build, running
from orch.web.app import create_pages
from orch.web.security import SAFE_METHODS, check_origin

log = structlog.get_logger("asgi")


class Application:
    """Dispatches one process's requests. ``lifespan`` is answered, but the tree runs elsewhere."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._pages = create_pages(parts)
        self._is_control_path = self._pages.is_control_path

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        """Return the run that serves one request, connection or lifespan.

        A plain function: a coroutine's frame would keep every connection's scope for as long as it is open.
        """
        run: Awaitable[None]
        if scope["type"] == "http":
            run = self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            run = _answer_lifespan(receive, send)
        elif scope["path"] == "/ws":
            run = self._parts.hub.endpoint(scope, receive, send)
        else:
            run = _refuse_websocket(receive, send)
        return run

    def _http(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        path = scope["path"]
        if self._parts.gateway.handles(path) and not self._is_control_path(path):
            return self._gateway(scope, receive, send)
        pages: Awaitable[None] = self._pages(scope, receive, send)
        return pages

    async def _gateway(self, scope: Any, receive: Any, send: Any) -> None:
        """Send a request on, unless another site's page has made a browser ask."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        try:
            if scope["method"] not in SAFE_METHODS:
                check_origin(
                    host=headers.get(b"host", ""),
                    origin=headers.get(b"origin"),
                    fetch_site=headers.get(b"sec-fetch-site"),
                )
        except ProblemError as error:
            content_type = [(b"content-type", b"application/problem+json")]
            await send({"type": "http.response.start", "status": error.status, "headers": content_type})
            await send({"type": "http.response.body", "body": error.body()})
            return
        await self._parts.gateway.proxy(scope, receive, send)


async def _refuse_websocket(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 1008, "reason": "There is no socket at this path."})


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
        configuration = Configuration(find_file(None, os.environ), os.environ, events=events, wall=time.time)
    except SettingsError as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    configure(configuration.current.orchestration.log_level)
    parts = build(configuration, events, {})
    application = Application(parts)
    async with running(parts, None) as tree, trio.open_nursery() as nursery:
        if tree.stopping.is_set():
            await send({"type": "lifespan.startup.failed", "message": tree.reason or "stopped"})
            return
        state["application"] = application

        async def fail_with_tree() -> None:
            """End the server when a branch has given up: it has no other way to learn of it."""
            await tree.stopping.wait()
            await send({"type": "lifespan.shutdown.failed", "message": tree.reason or "stopped"})

        nursery.start_soon(fail_with_tree)
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        nursery.cancel_scope.cancel()
        tree.stop("The server is shutting down.")
    await send({"type": "lifespan.shutdown.complete"})
