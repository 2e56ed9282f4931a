"""Serves one client's ASGI ``websocket`` scope, from handshake to close."""

from collections.abc import Callable
from typing import Any, Final

import structlog
import trio

from orch.telemetry.boundaries import Boundary
from orch.websocket.connections.connection import Connection, Receive, Send
from orch.websocket.connections.handshake import Refused
from orch.websocket.handlers import Handlers

#: Time limit for accepting a handshake, in seconds.
HANDSHAKE_WITHIN: Final = 10.0

_log = structlog.get_logger("websocket")


async def serve(
    scope: Any,
    receive: Receive,
    send: Send,
    *,
    admit: Callable[[Any, Send], Connection | Refused],
    greet: Callable[[Connection], None],
    forget: Callable[[Connection], None],
    handlers: Handlers,
    boundary: Boundary,
) -> None:
    """Serve one client.

    ``admit`` accepts or refuses it; ``greet`` sends the first message; ``forget`` is called at the end in any
    case. An exception of ours ends only this connection; it is logged, and counted by ``boundary``.
    """
    if (await receive())["type"] != "websocket.connect":
        return  # the client disconnected during the handshake
    connection = admit(scope, send)
    if isinstance(connection, Refused):
        await refuse(scope, send, connection)
        return
    # A scope is as large as the rest of an idle connection: release what is not needed again.
    del scope
    try:
        if await _accept(send):
            del send
            greet(connection)
            await connection.run(receive, handlers.handle)
    except* OSError as errors:
        _log.debug("client gone", connection_id=connection.connection_id, reason=str(errors.exceptions[0]))
    except* Exception:  # noqa: BLE001 - one connection's boundary
        boundary.count()
        _log.exception("connection failed", connection_id=connection.connection_id)
    finally:
        forget(connection)


async def _accept(send: Send) -> bool:
    with trio.move_on_after(HANDSHAKE_WITHIN):
        await send({"type": "websocket.accept"})
        return True
    return False


async def refuse(scope: Any, send: Send, refused: Refused) -> None:
    """Reject the handshake with the problem, or with the close code if the server cannot send a response."""
    if "websocket.http.response" in (scope.get("extensions") or {}):
        problem = refused.problem
        await send(
            {
                "type": "websocket.http.response.start",
                "status": problem.status,
                "headers": [
                    (b"content-type", b"application/problem+json"),
                    *((name.lower().encode(), value.encode()) for name, value in problem.headers.items()),
                ],
            }
        )
        await send({"type": "websocket.http.response.body", "body": problem.body()})
    else:
        await send({"type": "websocket.close", "code": refused.close.code, "reason": refused.close.reason})
