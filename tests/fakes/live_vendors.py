"""Stand-ins of Deepgram's and OpenAI's sockets for live speech, written from their documented messages.

Deepgram: https://developers.deepgram.com/reference/speech-to-text/listen-streaming, docs/interim-results,
docs/finalize, docs/audio-keep-alive, docs/close-stream. OpenAI:
https://developers.openai.com/api/docs/guides/realtime-transcription, api/reference/resources/realtime.

They recognise numbered words (:mod:`tests.fakes.numbered_words`), so a test can say of each word whether it
was transcribed, and how often.
"""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import trio

from orch.audio.resampling import Resampler
from orch.problems import ProblemError
from orch.settings import Service
from orch.settings.addresses import read_address
from orch.settings.credentials import all_headers
from orch.speech.dialects.live import Frame
from orch.speech.live_socket import LiveSocket, SocketClosedError
from orch.speech.requests import Answer, RefusedError
from tests.fakes.numbered_words import heard

RATE = 16_000


class Closing(Exception):  # noqa: N818 - it is no error of the test
    """The stand-in closes the connection."""

    def __init__(self, code: int = 1006, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


@dataclass
class End:
    """One end of a WebSocket in memory."""

    incoming: trio.MemoryReceiveChannel[Frame]
    outgoing: trio.MemorySendChannel[Frame]
    close: Closing = field(default_factory=Closing)

    async def send(self, frame: Frame) -> None:
        try:
            await self.outgoing.send(frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise SocketClosedError(self.close.code, self.close.reason) from None

    async def receive(self) -> Frame:
        try:
            return await self.incoming.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise SocketClosedError(self.close.code, self.close.reason) from None


@dataclass
class Vendor:
    """A vendor: how it answers, and what it has received. ``serve`` holds one conversation.

    ``handshakes``: what the next handshakes are answered with instead of a connection. ``close_after``:
    seconds of sound after which the next connections are closed. ``odd``: messages that it adds. ``delay``:
    seconds before each of its messages.
    """

    serve: Callable[["Vendor", LiveSocket], Awaitable[None]]
    handshakes: list[Answer | ProblemError] = field(default_factory=list)
    close_after: list[tuple[float, Closing]] = field(default_factory=list)
    odd: list[Frame] = field(default_factory=list)
    delay: float = 0.0
    dialled: list[tuple[str, str, dict[bytes, bytes]]] = field(default_factory=list)
    traces: list[str] = field(default_factory=list)
    open: int = 0
    seconds: float = 0.0
    received: list[dict[str, Any]] = field(default_factory=list)

    @asynccontextmanager
    async def dial(self, service: Service, url: str, path: str, trace: str) -> AsyncIterator[End]:
        await trio.lowlevel.checkpoint()
        self.dialled.append((url, path, dict(all_headers(service, read_address(url)))))
        self.traces.append(trace)
        if self.handshakes:
            answer = self.handshakes.pop(0)
            if isinstance(answer, ProblemError):
                raise answer
            raise RefusedError(path, answer)
        there, here = trio.open_memory_channel[Frame](100), trio.open_memory_channel[Frame](100)
        ours, theirs = End(here[1], there[0]), End(there[1], here[0])
        self.open += 1
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._serve, ours, theirs)
            try:
                yield ours
            finally:
                self.open -= 1
                nursery.cancel_scope.cancel()

    async def _serve(self, client: End, end: End) -> None:
        try:
            await self.serve(self, end)
        except Closing as closing:
            client.close = closing
        except SocketClosedError:
            pass
        finally:
            end.incoming.close()
            end.outgoing.close()

    async def tell(self, end: LiveSocket, document: dict[str, Any]) -> None:
        await trio.sleep(self.delay)
        while self.odd:
            await end.send(self.odd.pop(0))
        await end.send(json.dumps(document))

    def take(self, pcm: bytes, rate: int) -> None:
        """Count sound, and close if it is time."""
        self.seconds += len(pcm) / 2 / rate
        if self.close_after:
            left, closing = self.close_after[0]
            left -= len(pcm) / 2 / rate
            if left <= 0:
                self.close_after.pop(0)
                raise closing
            self.close_after[0] = (left, closing)


# Deepgram.


def _quiet_point(pcm: bytes) -> int:
    """Return the byte after which nothing is said in the newest sound, or 0."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64) / 32_768
    frame = RATE // 100
    loud = np.sqrt(np.mean(samples[: len(samples) // frame * frame].reshape(-1, frame) ** 2, axis=1)) > 0.03
    still = np.flatnonzero(~loud)
    return 0 if not len(still) else int(still[-1]) * frame * 2


async def deepgram(vendor: Vendor, end: LiveSocket) -> None:
    """Hold one conversation: interim results every second, finals after three, the rest on request.

    Without a message for 10 s it closes, as documented.
    """
    pending, done, shown = b"", 0, 0

    async def results(size: int, *, is_final: bool, from_finalize: bool = False) -> None:
        words = [
            {
                "word": each["word"],
                "punctuated_word": each["word"],
                "start": round(done / 2 / RATE + each["start"], 3),
                "end": round(done / 2 / RATE + each["end"], 3),
                "confidence": 0.9,
                "language": "en",
                "speaker": 0,
            }
            for each in heard(pending[:size])
        ]
        alternative = {
            "transcript": " ".join(each["word"] for each in words),
            "confidence": 0.9 if words else 0.0,
            "languages": ["en"] if words else [],
            "words": words,
        }
        await vendor.tell(
            end,
            {
                "type": "Results",
                "channel_index": [0, 1],
                "duration": size / 2 / RATE,
                "start": done / 2 / RATE,
                "is_final": is_final,
                "speech_final": False,
                "channel": {"alternatives": [alternative]},
                "metadata": {"request_id": "r", "model_info": {"name": "nova"}, "model_uuid": "u"},
                **({"from_finalize": True} if from_finalize else {}),
            },
        )

    while True:
        with trio.move_on_after(10):
            frame = await end.receive()
            if isinstance(frame, bytes):
                vendor.take(frame, RATE)
                pending += frame
                point = _quiet_point(pending)
                if len(pending) >= 3 * 2 * RATE and point:
                    await results(point, is_final=True)
                    pending, done, shown = pending[point:], done + point, 0
                elif len(pending) - shown >= 2 * RATE:
                    shown = len(pending)
                    await results(len(pending), is_final=False)
                continue
            message = json.loads(frame)
            vendor.received.append(message)
            if message["type"] == "Finalize" and len(pending) > 0.2 * RATE:
                await results(len(pending), is_final=True, from_finalize=True)
                pending, done, shown = b"", done + len(pending), 0
            elif message["type"] == "CloseStream":
                await vendor.tell(end, {"type": "Metadata", "duration": done / 2 / RATE, "channels": 1})
                raise Closing(1000)
            continue
        raise Closing(1011, "NET-0001: no audio data or text was received in 10 s")


# OpenAI.

_TRANSCRIPTION = "conversation.item.input_audio_transcription."


class _Realtime:
    """One conversation: the buffer's sound, the number of its item, and how many words were told early."""

    def __init__(self, vendor: Vendor, end: LiveSocket, *, speaks_early: bool) -> None:
        self.vendor = vendor
        self.end = end
        self.speaks_early = speaks_early
        self.item = -1
        self.clear()

    def clear(self) -> None:
        self.pcm, self.told = b"", 0
        self.item += 1
        self.resampler = Resampler(source=24_000, target=RATE)

    async def transcribed(self, kind: str, **fields: str) -> None:
        document = {"type": _TRANSCRIPTION + kind, "item_id": f"item_{self.item}", "content_index": 0}
        await self.vendor.tell(self.end, document | fields)

    async def receive(self, message: dict[str, Any]) -> None:
        kind = message["type"].rpartition(".")[2]
        if kind == "update":
            await self.vendor.tell(self.end, {"type": "session.updated", "session": message["session"]})
        elif kind == "append":
            await self.append(base64.b64decode(message["audio"]))
        elif kind == "clear":
            self.clear()
            await self.vendor.tell(self.end, {"type": "input_audio_buffer.cleared"})
        elif kind == "commit":
            await self.commit()

    async def append(self, sound: bytes) -> None:
        self.vendor.take(sound, 24_000)
        self.pcm += self.resampler.feed(sound)
        # The newest word may be cut.
        sure = [each for each in heard(self.pcm) if each["end"] < len(self.pcm) / 2 / RATE - 0.06]
        if self.speaks_early and len(sure) > self.told:
            await self.transcribed("delta", delta="".join(f" {each['word']}" for each in sure[self.told :]))
            self.told = len(sure)

    async def commit(self) -> None:
        self.pcm += self.resampler.flush()
        if len(self.pcm) < 0.1 * 2 * RATE:
            error = {
                "type": "invalid_request_error",
                "code": "input_audio_buffer_commit_empty",
                "message": "Error committing input audio buffer: buffer too small.",
            }
            await self.vendor.tell(self.end, {"type": "error", "event_id": "e", "error": error})
            return
        committed = {"type": "input_audio_buffer.committed", "item_id": f"item_{self.item}"}
        await self.vendor.tell(self.end, committed)
        text = " ".join(each["word"] for each in heard(self.pcm))
        if not self.speaks_early:
            await self.transcribed("delta", delta=text)
        await self.transcribed("completed", transcript=text)
        self.clear()


def openai(*, speaks_early: bool = True) -> Callable[[Vendor, LiveSocket], Awaitable[None]]:
    """Return a conversation; ``speaks_early``: with deltas while sound arrives, as models for live speech."""

    async def serve(vendor: Vendor, end: LiveSocket) -> None:
        conversation = _Realtime(vendor, end, speaks_early=speaks_early)
        await vendor.tell(end, {"type": "session.created", "session": {"type": "transcription"}})
        while True:
            message = json.loads(await end.receive())
            vendor.received.append(message)
            await conversation.receive(message)

    return serve
