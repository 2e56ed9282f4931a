"""Transcribes one speaker's utterances over a WebSocket to a vendor of live transcription.

It takes the place of requests over HTTP: a revision sends what is new of the utterance and returns the text
so far; a final sends the rest and waits for the whole. The backlog does not know the difference, so what it
promises holds here too: finals in order, one request at a time, further attempts with growing pauses, gaps
that are marked, and an utterance's sound held until its final has come. A connection that is lost in the
middle of an utterance fails one request; the next one opens another and sends the utterance again.

Bounded: one connection per stream, and of an utterance what the backlog holds.
"""

import secrets
from dataclasses import dataclass
from functools import partial
from typing import Final, Never

import structlog
import trio

from orch.problems import ProblemError
from orch.protocol.terms import MOST_TERM_CHARACTERS, Terms
from orch.settings import Service
from orch.speech.back_end import BackEnd
from orch.speech.dialects.deepgram_live import DeepgramConversation
from orch.speech.dialects.live import Frame, LiveConversation, Sound
from orch.speech.dialects.openai_live import RealtimeConversation
from orch.speech.dialects.vllm_live import VllmConversation
from orch.speech.live_socket import Dial, LiveSocket, SocketClosedError
from orch.speech.requests import AUDIO, RefusedError
from orch.speech.responses import cleaned
from orch.speech.results import Transcription
from orch.speech.terms import merged, own_terms

CONNECT_SECONDS: Final = 10.0
FINAL_SECONDS: Final = 30.0  # as the default of gateway.timeout
REVISION_SECONDS: Final = 0.3  # that a revision waits for news; they come about every second
QUIET_SECONDS: Final = 1.0  # without a message after which nearly everything is everything
KEEP_ALIVE_SECONDS: Final = 4.0  # Deepgram closes a connection after 10 s without a message
IDLE_SECONDS: Final = 60.0  # without speech after which a connection is closed; the next speech opens one
CLOSE_SECONDS: Final = 2.0
SEND_SECONDS: Final = 5.0

log = structlog.get_logger("speech")

NOTHING_NEW: Final = Transcription(text="")


def converse(service: Service, language: str, terms: Terms, *, diarizes: bool) -> LiveConversation:
    """Return a new conversation in the dialect of the service. ``diarizes``: it distinguishes speakers."""
    if service.dialect == "deepgram":
        label = secrets.token_hex(3) if diarizes else ""
        return DeepgramConversation(service, language, label=label, terms=terms)
    if service.streaming_protocol == "vllm":
        return VllmConversation(service, language)
    return RealtimeConversation(service, language, terms=terms)


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """A request of the backlog: of utterance ``number``, its sound so far, or all of it.

    ``terms``: the session's names and terms. ``trace``: the ``traceparent`` with which a connection is opened
    for it, if there is none; "": not recorded.
    """

    number: int
    sound: Sound
    is_final: bool
    terms: Terms = ()
    trace: str = ""


class _Opening:
    """A connection that is being opened to a service, and the outcome."""

    def __init__(self, service: Service, terms: Terms, trace: str) -> None:
        self.service = service
        self.terms = terms
        self.trace = trace
        self.connection: _Connection | None = None
        self.error: ProblemError | RefusedError | None = None
        self.done = trio.Event()


class LiveTranscriber:
    """The connection of one stream, opened for its first utterance, and again after a loss.

    Resource handling: :meth:`run` owns the connection; when it is cancelled, the connection is closed within
    :data:`CLOSE_SECONDS`. The mutable state is the connection, the one that is being opened, and to which
    instance the next one is.
    """

    def __init__(
        self,
        *,
        back_end: BackEnd,
        dial: Dial,
        language: str,
        diarizes: bool = False,
    ) -> None:
        self._back_end = back_end
        self._dial = dial
        self._language = language
        self._diarizes = diarizes
        self._connection: _Connection | None = None
        self._opening: _Opening | None = None
        self._nursery: trio.Nursery | None = None
        self._failures = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Own the connection until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()
        raise AssertionError("cancelled")

    async def transcribe(self, request: LiveRequest) -> Transcription:
        """Return the text of an utterance so far, or of the whole; empty if a revision has nothing new.

        ProblemError. A request that is cancelled while it waits leaves the connection as it is.
        """
        return await self._back_end.call(partial(self._transcribe, request), counts_success=request.is_final)

    async def _transcribe(self, request: LiveRequest) -> Transcription:
        connection: _Connection | None = None
        with trio.move_on_after(FINAL_SECONDS):
            connection = await self._connected(request)
            return await connection.transcribe(request)
        if connection is not None:
            connection.close()
        raise ProblemError(
            "gateway_timeout", f"The {AUDIO} did not respond within {FINAL_SECONDS:g} s.", service=AUDIO
        )

    async def _connected(self, request: LiveRequest) -> "_Connection":
        """Return a connection that can be used for an utterance.

        It is opened by a task of its own: a revision that is cancelled meanwhile does not end that. An
        utterance with other terms needs another connection: they are sent when one is opened.
        """
        service = self._back_end.service
        terms = merged(request.terms, own_terms(service), characters=MOST_TERM_CHARACTERS)
        while True:
            connection = self._connection
            if connection is not None:
                if connection.can_be_used(service, terms, request):
                    return connection
                self._failures += connection.has_failed
                connection.close()
                self._connection = None
            if self._opening is None or (self._opening.service, self._opening.terms) != (service, terms):
                assert self._nursery is not None, "run() is running"  # noqa: S101 - the owner's promise
                self._opening = _Opening(service, terms, request.trace)
                self._nursery.start_soon(self._open, self._opening, self._nursery)
            opening = self._opening
            await opening.done.wait()
            self._opening = None
            if opening.error is not None:
                raise opening.error
            assert opening.connection is not None  # noqa: S101 - opened, as there is no error
            opening.connection.raise_failure()  # a refusal of the configuration comes right after it
            self._connection = opening.connection

    async def _open(self, opening: "_Opening", nursery: trio.Nursery) -> None:
        """Open a connection, and note the outcome."""
        try:
            with trio.fail_after(CONNECT_SECONDS):
                opening.connection = await nursery.start(self._serve, opening)
        except trio.TooSlowError:
            opening.error = ProblemError(
                "service_unavailable",
                f"The {AUDIO} did not accept a connection within {CONNECT_SECONDS:g} s.",
                service=AUDIO,
            )
        except (ProblemError, RefusedError) as error:
            opening.error = error
        self._failures += opening.error is not None
        opening.done.set()
        if opening.connection is not None and self._opening is not opening:
            opening.connection.close()  # it is to the back end of former settings

    async def _serve(
        self,
        opening: "_Opening",
        *,
        task_status: trio.TaskStatus["_Connection"] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Open a connection and read from it until it ends."""
        service, terms = opening.service, opening.terms
        instances = service.all_instances()
        conversation = converse(service, self._language, terms, diarizes=self._diarizes)
        is_open = False
        try:
            url = instances[self._failures % len(instances)].url
            async with self._dial(service, url, conversation.path, opening.trace) as socket:
                connection = _Connection(service, terms, conversation, socket)
                for frame in conversation.opening():
                    await socket.send(frame)
                is_open = True
                task_status.started(connection)
                await connection.run()
        except SocketClosedError as error:
            if not is_open:
                raise _lost(error) from error
        except (ProblemError, RefusedError):
            raise
        except Exception:
            log.exception("connection failed", service=AUDIO)
            if not is_open:
                raise ProblemError(
                    "internal_error", "The connection failed. The log has the reason.", service=AUDIO
                ) from None


class _Connection:
    """One open connection: who waits for its messages, and how it ended.

    The mutable state is the utterance it is used for, how much news its requests have returned, the failure
    that ended it, and when something was last sent.
    """

    def __init__(
        self, service: Service, terms: Terms, conversation: LiveConversation, socket: LiveSocket
    ) -> None:
        self._service = service
        self._terms = terms
        self._conversation = conversation
        self._socket = socket
        self._number: int | None = None
        self._returned = 0
        self._failure: ProblemError | RefusedError | None = None
        self._arrived = trio.Event()
        self._scope = trio.CancelScope()
        self._sending = trio.Lock()
        self._is_torn = False
        self._sent_at = self._spoke_at = trio.current_time()

    def can_be_used(self, service: Service, terms: Terms, request: LiveRequest) -> bool:
        """Return whether it is open, to this service, with these terms, and not in another utterance."""
        if self._failure is not None or self._is_torn or service != self._service:
            return False
        if request.number == self._number:
            return self._conversation.can_continue(request.sound)
        return terms == self._terms and self._conversation.can_begin

    def raise_failure(self) -> None:
        """Raise the failure with which it ended by itself, if it has."""
        if self._failure is not None and self.has_failed:
            raise self._failure

    @property
    def has_failed(self) -> bool:
        """Whether it ended by itself."""
        return self._failure is not None and not self._scope.cancel_called

    def close(self) -> None:
        """Close it: :meth:`run` does."""
        self._scope.cancel()

    async def run(self) -> None:
        """Read until the connection ends; then no request waits any longer."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._keep_alive)
                    await self._read()
                    nursery.cancel_scope.cancel()
        finally:
            self._failure = self._failure or ProblemError(
                "service_unavailable", f"The connection to the {AUDIO} was closed.", service=AUDIO
            )
            self._wake()
            await self._take_leave()

    async def _read(self) -> None:
        try:
            while True:
                self._conversation.receive(await self._socket.receive())
                self._wake()
        except SocketClosedError as error:
            self._failure = _lost(error)
        except (ProblemError, RefusedError) as error:
            self._failure = error
        except Exception:
            log.exception("message invalid", service=AUDIO)
            self._failure = ProblemError(
                "bad_gateway", f"The {AUDIO} sent an invalid message.", service=AUDIO
            )

    async def _keep_alive(self) -> None:
        """Send something in silence, and end a connection that nobody speaks over."""
        while True:
            await trio.sleep_until(self._sent_at + KEEP_ALIVE_SECONDS)
            now = trio.current_time()
            if now >= self._spoke_at + IDLE_SECONDS and not self._conversation.is_finishing:
                self._scope.cancel()
            elif now >= self._sent_at + KEEP_ALIVE_SECONDS:
                if self._conversation.keep_alive is not None:
                    try:
                        await self._send([self._conversation.keep_alive])
                    except (ProblemError, RefusedError):
                        return  # reading ends too, with the reason
                self._sent_at = now

    async def _take_leave(self) -> None:
        """Send the last message; what follows it is of no use any more."""
        closing = self._conversation.closing
        if closing is None or self._is_torn:
            return
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            try:
                await self._socket.send(closing)
            except SocketClosedError:
                return

    async def transcribe(self, request: LiveRequest) -> Transcription:
        """Serve a request. Raises ProblemError and RefusedError, after which it cannot be used."""
        conversation, sound = self._conversation, request.sound
        if request.number != self._number:
            frames = conversation.begin(sound.start)
            self._number = request.number
            await self._send(frames)
        self._spoke_at = trio.current_time()
        if not request.is_final:
            return await self._revise(sound)
        if not conversation.is_finishing:
            await self._send(conversation.finish(sound))
        while conversation.is_finishing:
            with trio.move_on_after(QUIET_SECONDS) as quiet:
                await self._news()
            if quiet.cancelled_caught and conversation.is_nearly_finished:
                break
        return conversation.transcription(sound)

    async def _revise(self, sound: Sound) -> Transcription:
        conversation = self._conversation
        await self._send(conversation.sound(sound))
        with trio.move_on_after(REVISION_SECONDS):
            while conversation.news == self._returned:
                await self._news()
        if conversation.news == self._returned:
            return NOTHING_NEW
        self._returned = conversation.news
        return conversation.transcription(sound)

    async def _news(self) -> None:
        """Wait for the next message. Raises the failure that ended the connection."""
        if self._failure is None:
            await self._arrived.wait()
        if self._failure is not None:
            raise self._failure

    def _wake(self) -> None:
        self._arrived.set()
        self._arrived = trio.Event()

    async def _send(self, frames: list[Frame]) -> None:
        """Send messages; a connection on which that was cut short is not used again.

        A request that is cancelled meanwhile waits for it, :data:`SEND_SECONDS` at most: another connection
        would be sent the whole utterance again.
        """
        if not frames:
            return
        async with self._sending:
            self._is_torn = True
            with trio.move_on_after(SEND_SECONDS, shield=True):
                try:
                    for frame in frames:
                        await self._socket.send(frame)
                except SocketClosedError as error:
                    raise self._failure or _lost(error) from error
                self._is_torn = False
                self._sent_at = trio.current_time()
        if self._is_torn:
            raise ProblemError(
                "service_unavailable", f"The {AUDIO} accepts no more sound: it is too slow.", service=AUDIO
            )


def _lost(error: SocketClosedError) -> ProblemError:
    """Return the problem of a connection that was lost."""
    reason = f": {cleaned(error.reason)}" if error.reason else ""
    return ProblemError(
        "service_unavailable",
        f"The {AUDIO} closed the connection with code {error.code}{reason}.",
        service=AUDIO,
    )
