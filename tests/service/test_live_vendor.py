"""Live speech through the whole service to a vendor's socket: a real WebSocket, and a stand-in behind it."""

import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.server import ServerConnection, serve

from orch.speech.dialects.live import Frame
from orch.speech.live_socket import SocketClosedError
from tests.fakes import numbered_words
from tests.fakes.client import connected
from tests.fakes.live_vendors import Closing, Vendor, deepgram
from tests.fakes.service import service

pytestmark = pytest.mark.real_time
WORDS = 12


class _End:
    """The vendor's end of a real connection."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    async def send(self, frame: Frame) -> None:
        try:
            await self._connection.send(frame)
        except ConnectionClosed as error:
            raise SocketClosedError(1006, "") from error

    async def receive(self) -> Frame:
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise SocketClosedError(1006, "") from error


class _Chat(BaseHTTPRequestHandler):
    """A chat model that translates everything into the same word."""

    def do_POST(self) -> None:
        """Respond as OpenAI does."""
        self.rfile.read(int(self.headers["content-length"]))
        choice = {"message": {"role": "assistant", "content": "Hola"}, "finish_reason": "stop"}
        data = json.dumps({"choices": [choice]}).encode()
        self.send_response(200 if self.path == "/v1/chat/completions" else 404)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@contextmanager
def chat() -> Iterator[str]:
    """Serve the chat model for the block; yield its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Chat) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@asynccontextmanager
async def served(vendor: Vendor) -> AsyncIterator[str]:
    """Serve a vendor at a port of loopback; yield its URL."""

    async def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        headers = {key.lower().encode(): value.encode() for key, value in connection.request.headers.items()}
        vendor.dialled.append(("", connection.request.path, headers))
        try:
            await vendor.serve(vendor, _End(connection))
        except Closing as closing:
            await connection.aclose(closing.code, closing.reason)
        except SocketClosedError:
            return

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(lambda: serve(handler, listeners=listeners))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def test_words_come_from_deepgrams_socket_once_each_though_it_closes(tmp_path: Path) -> None:
    """With the key of the settings; the connection is lost in the middle of the second sentence.

    The chat model beside it serves ``/api/translate`` in the system's own shape.
    """
    vendor = Vendor(deepgram, close_after=[(5.0, Closing(1011, "NET-0000"))])
    async with served(vendor) as url:
        with chat() as other:
            await speak_and_translate(tmp_path, url, other)
    assert len(vendor.dialled) == 2
    assert {headers[b"authorization"] for _, _, headers in vendor.dialled} == {b"Token secret-key"}


async def speak_and_translate(tmp_path: Path, url: str, other: str) -> None:
    settings = (
        numbered_words.settings(url)
        .replace(f'url: "{url}"', f'url: "{url}", dialect: deepgram, api_key: secret-key')
        .replace('url: "http://127.0.0.1:9"', f'url: "{other}", dialect: openai, model: m')
    )
    with service("serve", tmp_path, settings=settings) as s:
        async with connected(s.url) as client:
            await client.ask("session_created", type="create_session", session_id="s")
            await client.ask(
                "audio_started",
                type="audio_start",
                session_id="s",
                sample_rate=16_000,
                source_language="en",
                target_languages=[],
            )
            await client.speak(numbered_words.sound(WORDS))
            await client.ask("audio_ended", type="audio_end")
            assert client.words() == [f"w{number}" for number in range(WORDS)]
        translated = s.post(
            "/api/translate", json={"text": "Hello", "source_language": "en", "target_language": "es"}
        )
        assert translated.json() | {"processing_time": 0} == {
            "translated_text": "Hola",
            "source_language": "en",
            "target_language": "es",
            "confidence_score": None,
            "processing_time": 0,
            "backend_used": "openai/m",
        }
        figures = s.get("/api/metrics/dashboard").json()["speech"]["back_ends"]
    assert [(each["service"], each["answered"]) for each in figures] == [("audio-service", 2)]
