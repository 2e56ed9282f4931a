"""An engine on loopback that answers as real ones do: words after a while, 500 to what it cannot decode."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from tests.fakes.gateway import ok, read_request

JSON = b"Content-Type: application/json"


class EngineServer:
    """Both kinds of back end at one ``url``. ``seconds``: what a transcription takes.

    ``failed`` counts the uploads that it could not decode: those that are no WAV.
    """

    def __init__(self, seconds: float) -> None:
        self.url = ""
        self.failed = 0
        self._seconds = seconds

    async def serve(self, stream: trio.SocketStream) -> None:
        """Answer one connection's requests."""
        try:
            while request := await read_request(stream):
                await stream.send_all(await self._answer(request))
        except trio.BrokenResourceError:
            return  # whoever asked has gone
        finally:
            await trio.aclose_forcefully(stream)

    async def _answer(self, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        method, path = head.split(b" ", 2)[:2]
        if path == b"/api/translate":
            return _json({"translated_text": "dicho", "source_language": "en"})
        if method == b"GET":
            return _json({"status": "healthy", "models": [{"name": "m", "languages": ["en"]}]})
        if b"RIFF" not in body:
            self.failed += 1
            return ok(b'{"error": "cannot decode"}', JSON, status=b"500 Internal Server Error")
        await trio.sleep(self._seconds)
        return _json({"text": "said", "language": "en"})


def _json(document: dict[str, Any]) -> bytes:
    return ok(msgspec.json.encode(document), JSON)


@asynccontextmanager
async def engine_server(seconds: float = 0.0) -> AsyncIterator[EngineServer]:
    """Run an engine for the length of the block."""
    engine = EngineServer(seconds)
    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        engine.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.start_soon(trio.serve_listeners, engine.serve, [listener])
        yield engine
        nursery.cancel_scope.cancel()


class Nuisance:
    """Clients who hold the gateway up: uploads that never end, and uploads that the engine fails on."""

    def __init__(self, url: str, nursery: trio.Nursery) -> None:
        self._host, _, port = url.removeprefix("http://").rpartition(":")
        self._port = int(port)
        self._nursery = nursery

    async def start(self, *, stuck: int, refused: int) -> None:
        """Open ``stuck`` uploads of which one byte comes, and send ``refused`` that cannot be decoded."""
        for _ in range(stuck):
            await self._nursery.start(self._stick)
        await self.refuse(refused)

    async def refuse(self, count: int) -> None:
        """Send some uploads that cannot be decoded; each is answered."""
        for _ in range(count):
            stream = await trio.open_tcp_stream(self._host, self._port)
            async with stream:
                await stream.send_all(self._head(8) + b"garbage!")
                assert await stream.receive_some(65_536)

    async def _stick(self, *, task_status: trio.TaskStatus[None]) -> None:
        while True:
            stream = await trio.open_tcp_stream(self._host, self._port)
            async with stream:
                await stream.send_all(self._head(1000) + b"x")
                task_status.started()
                task_status = trio.TASK_STATUS_IGNORED
                await stream.receive_some(65_536)  # until it is refused; then another one

    def _head(self, length: int) -> bytes:
        return (
            b"POST /api/audio/transcribe HTTP/1.1\r\n"
            b"Host: %b:%d\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
            % (self._host.encode(), self._port, length)
        )
