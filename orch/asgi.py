"""The entry for other ASGI servers: ``hypercorn -k trio orch.asgi:app``.

The lifespan of :func:`app` runs the tree and puts the application into the lifespan state, so that the module
has no global state.
"""

import os
import time
from typing import Any

import structlog
import trio

from orch.open_files import raise_limit
from orch.settings import SettingsError
from orch.settings.live import LiveSettings
from orch.settings.settings_file import find_file
from orch.telemetry.events import EventLog
from orch.telemetry.logs import configure
from orch.tree import running
from orch.wiring.applications import create_application
from orch.wiring.build import build

log = structlog.get_logger("asgi")


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
    try:
        parts = build(configuration, events, {})
    except SettingsError as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    if not parts.access.has_token:
        log.warning("no control token is set, so no request has operator rights", set="ORCH_CONTROL_TOKEN")
    application = create_application(parts, trusts_local=False)
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
