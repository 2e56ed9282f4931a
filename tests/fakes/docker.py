"""A part of Docker's API on a Unix socket: containers that are restarted, and replies that are odd."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import trio


class FakeDocker:
    """Serves ``POST /containers/NAME/restart``. ``replies``: what the daemon responds for a container."""

    def __init__(self, **replies: tuple[int, str] | bytes | None) -> None:
        self.replies = replies
        self.restarts: list[tuple[str, dict[str, list[str]]]] = []
        self.asked = trio.Event()
        self.dropped = trio.Event()

    @asynccontextmanager
    async def serving(self, path: Path) -> AsyncIterator[str]:
        """Serve during the block, at a socket in the folder ``path``."""
        place = str(path / "docker.sock")
        listening = trio.socket.socket(trio.socket.AF_UNIX)
        await listening.bind(place)
        listening.listen()
        async with trio.open_nursery() as nursery:
            listener = trio.SocketListener(listening)
            nursery.start_soon(trio.serve_listeners, self._serve, [listener])
            yield place
            nursery.cancel_scope.cancel()

    async def _serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                part = await stream.receive_some()
                if not part:
                    return
                head += part
            await self._respond(stream, *head.split(b" ", 2)[:2])

    async def _respond(self, stream: trio.SocketStream, method: bytes, target: bytes) -> None:
        parts = urlsplit(target.decode())
        match method.decode(), parts.path.split("/"):
            case "POST", ["", "containers", name, "restart"]:
                name = unquote(name)
            case _:
                await stream.send_all(_response(404, '{"message":"page not found"}'))
                return
        self.asked.set()
        self.restarts.append((name, parse_qs(parts.query)))
        reply = self.replies.get(name, (404, json.dumps({"message": f"No such container: {name}"})))
        if reply is None:  # it hangs, until the client goes away
            await stream.receive_some()
            self.dropped.set()
        elif isinstance(reply, bytes):
            await stream.send_all(reply)
        else:
            await stream.send_all(_response(*reply))


def _response(status: int, body: str) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", "Api-Version: 1.51"]
    if status not in {204, 304}:
        lines += [f"Content-Length: {len(body)}", "Content-Type: application/json"]
    return "\r\n".join([*lines, "", body]).encode()
