"""Requests to the service's audio pipeline, and an audio-service for its comparisons."""

import io
import json
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import httpx2
import numpy as np
import numpy.typing as npt

from tests.fakes.sounds import CLIPS, SPEECH
from tests.fakes.speech_back_ends import form as form_of
from tests.fakes.whole import Whole, whole

CLIP: Final = (SPEECH / f"{CLIPS[0]}.wav").read_bytes()
NOTHING: Final = json.dumps({"parameters": {}, "enabledStages": []})
"""Settings with every stage off."""


@asynccontextmanager
async def running(folder: Path, **overlay: Any) -> AsyncIterator[tuple[Whole, httpx2.AsyncClient]]:
    """Run the service, and a client of it."""
    limits = {f"orchestration.pipeline.{name}": value for name, value in overlay.items() if "." not in name}
    rest = {name: value for name, value in overlay.items() if "." in name}
    async with (
        whole(folder, **limits, **rest) as service,
        httpx2.AsyncClient(base_url=service.url, timeout=300) as client,
    ):
        yield service, client


async def post(client: httpx2.AsyncClient, what: str, data: bytes, **fields: str) -> httpx2.Response:
    return await client.post(f"/api/pipeline/{what}", files={"audio": ("a.wav", data)}, data=fields)


def problem(response: httpx2.Response) -> tuple[int, str, Any]:
    """Return status, code and path of a problem document."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document = response.json()
    return response.status_code, document["code"], document.get("path")


def integers(file: bytes) -> tuple[npt.NDArray[np.float64], int]:
    """Return the samples and the rate of a 16-bit WAV file of one channel."""
    with wave.open(io.BytesIO(file)) as reader:
        assert (reader.getnchannels(), reader.getsampwidth()) == (1, 2)
        data = reader.readframes(reader.getnframes())
        return np.frombuffer(data, "<i2") / 32768, reader.getframerate()


def floats(file: bytes) -> tuple[npt.NDArray[np.float32], int]:
    """Return the samples and the rate of a float WAV file of one channel."""
    assert file[20:24] == b"\x03\x00\x01\x00"
    assert file[38:42] == b"fact"
    assert int.from_bytes(file[54:58], "little") == len(file) - 58
    assert int.from_bytes(file[46:50], "little") == (len(file) - 58) // 4
    return np.frombuffer(file[58:], "<f4"), int.from_bytes(file[24:28], "little")


class AudioService(BaseHTTPRequestHandler):
    """Returns a text by the length of the audio, with the times of its first and last word."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        fields = form_of(((b"content-type", self.headers["content-type"].encode()),), body)
        samples, rate = integers(fields["audio"])
        is_whole = len(samples) / rate > 6.9
        text = "it was the best of times" if is_whole else "it was the best times"
        length = len(samples) / rate
        words = [
            {"word": "it", "start": 0.1, "end": 0.2},
            {"word": "times", "start": length - 0.3, "end": length},
        ]
        self._send({"text": text, "language": fields["language"].decode(), "words": words})

    def do_GET(self) -> None:
        self._send({"status": "healthy"})

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def _send(self, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def audio_service() -> Iterator[str]:
    """Serve :class:`AudioService`; yield its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), AudioService) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
