"""Responses to the handshakes of WebSockets that are refused."""

from collections.abc import Awaitable, Callable
from typing import Any

from orch.problems import ProblemError

Send = Callable[[dict[str, Any]], Awaitable[None]]


async def refuse_handshake(error: ProblemError, send: Send) -> None:
    """Answer a handshake, whose ``websocket.connect`` was received, with a problem document."""
    body = error.body()
    headers = {"content-type": "application/problem+json", "content-length": str(len(body))} | error.headers
    await send(
        {
            "type": "websocket.http.response.start",
            "status": error.status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "websocket.http.response.body", "body": body})
