"""One connection to ``/v1/realtime``: its reader, and the task that transcribes."""

import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

import trio

from orch.problems import ProblemError
from orch.protocol import closes
from orch.protocol.closes import Close
from orch.sandbox.engines.speech import SpeechEngine
from orch.sandbox.realtime import events
from orch.sandbox.realtime.events import Append, Code, EventError, Update
from orch.sandbox.realtime.growing_text import GrowingText, transcription_of
from orch.sandbox.realtime.session import RealtimeLimits, Session
from orch.sandbox.spoken_language import choose_language
from orch.speech.languages import AUTO

if TYPE_CHECKING:
    from orch.sandbox.audio_service import Transcript

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Transcriber(Protocol):
    """What is needed of the audio-service."""

    async def loaded(self) -> SpeechEngine:
        """Return the engine. Raises :class:`ProblemError`."""

    async def transcribe(
        self, pcm: bytes, *, language: str, enable_vad: bool, session_id: str | None, is_interim: bool
    ) -> "Transcript":
        """Transcribe a recording. Raises :class:`ProblemError`."""


class RealtimeConnection:
    """An accepted connection.

    Resource handling: when :meth:`run` returns, its tasks have ended, and a transcription in progress is
    cancelled. Error handling: a refused event, and an utterance that fails, are an ``error`` event; the
    connection stays open. A client that is gone ends it silently.

    Overflow: while the sound is too far ahead of the engine, nothing is read, so TCP slows the client down.
    A client that does not read is ended by the server's own limit for sending.
    """

    def __init__(
        self, transcriber: Transcriber, receive: Receive, send: Send, *, limits: RealtimeLimits, wall: float
    ) -> None:
        self._transcriber = transcriber
        self._receive = receive
        self._asgi_send = send
        self._limits = limits
        self._wall = wall
        self._name = f"sess-{secrets.token_hex(16)}"
        self._session = Session(limits)
        self._changed = trio.Event()
        self._scope = trio.CancelScope()
        self._closing: Close | None = None

    async def run(self) -> None:
        """Serve the client until one of both closes the connection."""
        await self._send(events.created(self._name, at=int(self._wall)))
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._transcribe)
                await self._read()
                nursery.cancel_scope.cancel()
        if self._closing is not None:
            await self._send(
                {"type": "websocket.close", "code": self._closing.code, "reason": self._closing.reason}
            )

    def stop(self) -> None:
        """Close the connection: the service stops."""
        self._closing = closes.GOING_AWAY
        self._scope.cancel()

    async def _read(self) -> None:
        """Apply the client's events until it leaves or has to."""
        while True:
            while not self._session.has_room:
                await self._changed.wait()
            message = await self._next_message()
            if message is None or message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is None:
                self._closing = closes.UNSUPPORTED
                return
            try:
                await self._apply(text)
            except EventError as error:
                await self._fail(error.code, str(error))

    async def _next_message(self) -> dict[str, Any] | None:
        """Return the next message; None if the client sends nothing although it is its turn."""
        while True:
            with trio.move_on_after(self._limits.silence):
                return await self._receive()
            if not self._session.is_finishing:
                limit = f"No event arrived within {self._limits.silence:g} s."
                self._closing = Close(closes.POLICY.code, "silent", limit, "back_off")
                return None

    async def _apply(self, text: str) -> None:
        event = events.decode(text)
        if isinstance(event, Update):
            await self._update(event)
        elif isinstance(event, Append):
            self._session.append(event)
        else:
            self._session.commit(event)
        self._change()

    async def _update(self, event: Update) -> None:
        """Apply the model and the language, which the engine has to have."""
        try:
            engine = await self._transcriber.loaded()
            choose_language(event.language or AUTO, engine)
        except ProblemError as error:
            raise EventError("processing_error", error.detail) from error
        self._session.update(event, {engine.model, f"{engine.name}/{engine.model}"})

    async def _transcribe(self) -> None:
        """Transcribe one utterance after the other."""
        session = self._session
        while True:
            while not session.is_transcribing:
                await self._changed.wait()
            text = GrowingText()
            try:
                await self._transcribe_utterance(text)
            except ProblemError as error:
                session.finish()
                await self._fail("processing_error", error.detail)
            else:
                # In this order: what the client sends once it has received this is the next utterance's.
                session.finish()
                await self._send(events.done(text.text))
            self._change()

    async def _transcribe_utterance(self, text: GrowingText) -> None:
        session = self._session
        sound = session.sound
        is_last = False
        while not is_last:
            step = sound.next_step()
            if step is None:
                await self._changed.wait()
                continue
            is_last = step.kind == "last"
            self._change()
            if not step.pcm:
                continue
            transcript = await self._transcriber.transcribe(
                step.pcm,
                language=session.language or AUTO,
                enable_vad=True,
                session_id=self._name,
                is_interim=step.kind == "hypothesis",
            )
            new = text.add(step, transcription_of(transcript.segments, transcript.language))
            if step.kind == "hypothesis":
                sound.forget(text.forget(step.seconds))
                self._change()
            if new:
                await self._send(events.delta(new))

    def _change(self) -> None:
        """Let both tasks look again."""
        self._changed.set()
        self._changed = trio.Event()

    async def _fail(self, code: Code, detail: str) -> None:
        await self._send(events.failed(code, detail))

    async def _send(self, event: str | dict[str, Any]) -> None:
        message = {"type": "websocket.send", "text": event} if isinstance(event, str) else event
        try:
            await self._asgi_send(message)
        except OSError:
            # ASGI: a send to a client that has disconnected raises OSError. Reading ends, too.
            self._closing = None
            self._scope.cancel()
