"""Speech that comes in over sockets and as recordings, and is on its way to becoming captions.

A stream runs in the hub's nursery, not in its speaker's connection: what was said before a connection was
lost is still written down.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Coroutine
from contextlib import ExitStack, aclosing, nullcontext
from functools import partial
from typing import Any, Final, Protocol

import msgspec
import structlog
import trio
from msgspec import UNSET, Struct

from orch.problems import ProblemError
from orch.websocket.connection import Connection
from orch.websocket.members import Member
from orch.websocket.messages import (
    AudioEnd,
    AudioEnded,
    AudioStart,
    AudioStarted,
    Error,
    MessageId,
    ServerMessage,
)
from orch.websocket.outbox import frame
from orch.websocket.rooms import Numbered, Rooms
from orch.websocket.sessions import Session
from orch.websocket.tokens import new_stream_name

#: What a recording is fed at: 16-bit mono samples a second.
RECORDING_RATE: Final = 16_000

#: Seconds for which a caption is tried again while the store cannot be written, and between two tries.
PUBLISH_WITHIN: Final = 60.0
PUBLISH_AGAIN: Final = 1.0

_log = structlog.get_logger("websocket")


class SpeechStream(Protocol):
    """Speech in, captions out: see ``orch.speech.live``."""

    @property
    def seconds(self) -> float:
        """Seconds of speech taken in."""

    @property
    def lost_seconds(self) -> float:
        """Seconds of speech given up."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write down what is fed, until the stream has ended and all of it is written down."""

    def feed(self, pcm: bytes) -> None:
        """Take speech in, without waiting. Raises ``odd_byte_count``."""

    async def feed_paced(self, pcm: bytes) -> None:
        """Take speech in, waiting while much is pending."""

    def end(self) -> None:
        """Say that no more will come."""


class Speech(Protocol):
    """Where streams come from."""

    def stream(
        self,
        *,
        session_id: str,
        stream_id: str,
        sample_rate: int,
        source_language: str,
        targets: Callable[[], Collection[str]],
        speaker: str | None,
        participant_id: str | None,
        publish: Callable[[Numbered], Coroutine[Any, Any, int]],
        tell: Callable[[ServerMessage], None],
    ) -> SpeechStream:
        """Begin a stream. Raises ``unsupported_sample_rate``, ``unsupported_language``."""


class RecordingOpened(Struct, frozen=True):
    """A recording is being written down; its captions' ``segment_id`` begins with ``stream_id``."""

    session_id: str
    stream_id: str


class _Stream:
    """A stream that is open, or being written down to its end."""

    def __init__(
        self,
        stream_id: str,
        session: Session,
        speech: SpeechStream,
        *,
        connection: Connection | None,
        member: Member | None,
    ) -> None:
        self.stream_id = stream_id
        self.session = session
        self.speech = speech
        self.connection = connection
        self.member = member
        self.scope = trio.CancelScope()
        self.feeding = trio.CancelScope()
        self.ended_by: MessageId | None = None
        self.is_open = True


class Speaking:
    """Opens streams, feeds them, and says when all of one is written down.

    The mutable state is the streams: one that is open per connection, ``STREAMS_PER_SESSION`` per session
    with those that are still being written down, and ``speech.concurrent_recordings`` recordings.
    """

    def __init__(self, *, rooms: Rooms, speech: Speech) -> None:
        self._rooms = rooms
        self._speech = speech
        self._streams: dict[str, _Stream] = {}
        self._recordings = 0
        self._nursery: trio.Nursery | None = None
        self._is_draining = False
        self._done = trio.lowlevel.ParkingLot()
        rooms.on_ended = self._cut_off

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run streams until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    async def drain(self) -> None:
        """Take no more speech; return when all that was said is written down."""
        self._is_draining = True
        for stream in tuple(self._streams.values()):
            stream.feeding.cancel()
            self._end(stream)
        while self._streams:
            await self._done.park()

    async def start(self, connection: Connection, message: AudioStart) -> None:
        """Answer ``audio_started``; from here on the connection's binary frames are speech."""
        member = connection.members.get(message.session_id)
        if member is None:
            raise ProblemError("not_in_session", f"Join session {message.session_id} before speaking in it.")
        member.may_speak()
        if connection.stream_id is not None:
            raise ProblemError("audio_already_started", "Send audio_end before another audio_start.")
        async with self._rooms.open(message.session_id) as session:
            stream = self._open(
                session,
                sample_rate=message.sample_rate,
                source_language=message.source_language,
                target_languages=message.target_languages,
                speaker=member.name,
                connection=connection,
                member=member,
            )
            connection.stream_id = stream.stream_id
            await self._launch(stream, partial(self._run, stream))
        connection.answer(
            AudioStarted(
                timestamp=self._rooms.now_ms(),
                id=UNSET if message.id is None else message.id,
                session_id=session.session_id,
                stream_id=stream.stream_id,
            )
        )

    def feed(self, connection: Connection, pcm: bytes) -> None:
        """Take a binary frame. Raises ``audio_not_started``, ``odd_byte_count``."""
        stream = self._open_stream(connection)
        stream.speech.feed(pcm)
        stream.session.last_active = self._rooms.wall()

    def end(self, connection: Connection, message: AudioEnd) -> None:
        """Take no more speech; ``audio_ended`` answers once all of it is written down."""
        stream = self._open_stream(connection)
        stream.ended_by = message.id
        self._end(stream)

    def hang_up(self, connection: Connection, session_id: str | None = None) -> None:
        """End the connection's stream (if it is in ``session_id``): its speaker has gone."""
        stream = self._streams.get(connection.stream_id or "")
        if stream is not None and session_id in (None, stream.session.session_id):
            self._end(stream)

    async def open_recording(
        self,
        session_id: str,
        *,
        name: str | None,
        source_language: str,
        target_languages: Collection[str],
        chunks: AsyncIterator[bytes],
    ) -> RecordingOpened:
        """Have a recording written down in a session, as fast as the back ends take it.

        ``chunks``: 16-bit mono PCM at :data:`RECORDING_RATE`; closed here once it is opened. Returns when the
        stream has begun. Raises ``unknown_session``, ``too_many_recordings``, ``unsupported_language``.
        """
        limit = self._rooms.settings.orchestration.speech.concurrent_recordings
        if self._recordings >= limit:
            raise ProblemError("too_many_recordings", f"{limit} recordings are being read now.")
        self._recordings += 1
        place = ExitStack()
        place.callback(self._give_back_place)
        try:
            async with self._rooms.open(session_id) as session:
                stream = self._open(
                    session,
                    sample_rate=RECORDING_RATE,
                    source_language=source_language,
                    target_languages=target_languages,
                    speaker=name,
                )
                await self._launch(stream, partial(self._record, stream, chunks, place))
        except BaseException:
            place.close()
            raise
        return RecordingOpened(session_id=session_id, stream_id=stream.stream_id)

    def _give_back_place(self) -> None:
        self._recordings -= 1

    def _cut_off(self, session: Session) -> None:
        """Break off the streams of a session that has ended."""
        for stream_id in session.streams:
            self._streams[stream_id].scope.cancel()

    # One stream.

    def _open(
        self,
        session: Session,
        *,
        sample_rate: int,
        source_language: str,
        target_languages: Collection[str],
        speaker: str | None,
        connection: Connection | None = None,
        member: Member | None = None,
    ) -> _Stream:
        session.may_open_stream()
        self._require_nursery()
        session_id, stream_id = session.session_id, new_stream_name()
        asked = frozenset(target_languages)

        speech = self._speech.stream(
            session_id=session_id,
            stream_id=stream_id,
            sample_rate=sample_rate,
            source_language=source_language,
            targets=lambda: asked | session.languages(),
            speaker=speaker,
            participant_id=member.participant_id if member else None,
            publish=partial(self._publish, session_id),
            tell=lambda message: self._rooms.tell(session_id, message),
        )
        stream = _Stream(stream_id, session, speech, connection=connection, member=member)
        self._streams[stream_id] = stream
        session.streams = (*session.streams, stream_id)
        if member is not None:
            member.streams += 1
            self._rooms.presence.refresh(session, member)
        return stream

    async def _publish(self, session_id: str, message: Numbered) -> int:
        """Publish a caption. What was heard is not given up because the store is away for a while."""
        give_up_at = trio.current_time() + PUBLISH_WITHIN
        while True:
            try:
                return await self._rooms.publish(session_id, message)
            except ProblemError as error:
                if error.code != "store_unavailable" or trio.current_time() >= give_up_at:
                    raise
            await trio.sleep(PUBLISH_AGAIN)

    async def _launch(self, stream: _Stream, run: Callable[..., Awaitable[None]]) -> None:
        try:
            await self._require_nursery().start(run)
        except BaseException:
            if stream.stream_id in self._streams:
                self._finish(stream, is_whole=False)  # it never came to run
            raise

    def _require_nursery(self) -> trio.Nursery:
        if self._nursery is None or self._is_draining:
            raise ProblemError("shutting_down", "Speech is not taken right now. Try again soon.")
        return self._nursery

    def _open_stream(self, connection: Connection) -> _Stream:
        stream = self._streams.get(connection.stream_id or "")
        if stream is None:
            raise ProblemError("audio_not_started", "Send audio_start before audio.")
        return stream

    async def _run(
        self, stream: _Stream, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run a stream to its end, whatever becomes of it: the boundary of one stream."""
        is_whole = False
        task_status.started()
        try:
            with stream.scope:
                await stream.speech.run()
                is_whole = True
        except* Exception:  # noqa: BLE001 - one stream's boundary
            _log.exception("stream failed", session_id=stream.session.session_id, stream_id=stream.stream_id)
        finally:
            self._finish(stream, is_whole=is_whole)

    async def _record(
        self,
        stream: _Stream,
        chunks: AsyncIterator[bytes],
        place: ExitStack,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Feed a recording and run its stream to the end; then another may take its place."""
        with place:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._run, stream)
                task_status.started()
                with stream.feeding:
                    await self._feed_all(stream, chunks)
                self._end(stream)

    async def _feed_all(self, stream: _Stream, chunks: AsyncIterator[bytes]) -> None:
        """Feed a recording to its end, or to where it can no longer be read."""
        try:
            async with aclosing(chunks) if isinstance(chunks, AsyncGenerator) else nullcontext():
                async for chunk in chunks:
                    await stream.speech.feed_paced(chunk)
        except ProblemError as error:
            self._complain(stream, error.code, error.detail)
        except trio.BrokenResourceError:
            return  # the stream has ended, and said why
        except Exception:  # noqa: BLE001 - what a broken file does to its decoder is not known in advance
            _log.exception("recording failed", session_id=stream.session.session_id)
            self._complain(stream, "internal_error", "The recording could not be read to its end.")

    def _end(self, stream: _Stream) -> None:
        if stream.is_open:
            stream.is_open = False
            stream.speech.end()
            self._silence(stream)

    def _silence(self, stream: _Stream) -> None:
        """Let the speaker speak no more, though what was said may still be on its way."""
        if stream.connection is not None and stream.connection.stream_id == stream.stream_id:
            stream.connection.stream_id = None
        if stream.member is not None:
            stream.member.streams -= 1
            self._rooms.presence.refresh(stream.session, stream.member)
            stream.member = None

    def _finish(self, stream: _Stream, *, is_whole: bool) -> None:
        del self._streams[stream.stream_id]
        self._done.unpark_all()
        session = stream.session
        session.streams = tuple(name for name in session.streams if name != stream.stream_id)
        self._silence(stream)
        stream.feeding.cancel()  # nobody takes what is fed from here on
        if session.has_ended:
            return
        if not is_whole:
            self._complain(stream, "speech_lost", "The stream was broken off. Start it again.")
        ended = AudioEnded(
            timestamp=self._rooms.now_ms(),
            session_id=session.session_id,
            stream_id=stream.stream_id,
            seconds=stream.speech.seconds,
            lost_seconds=stream.speech.lost_seconds,
        )
        self._say(stream, ended, to_all=True)

    def _complain(self, stream: _Stream, code: str, detail: str) -> None:
        message = Error(timestamp=self._rooms.now_ms(), code=code, detail=detail)
        # Whoever sent a recording is told through the session: its upload was answered long ago.
        self._say(stream, message, to_all=stream.connection is None)

    def _say(self, stream: _Stream, message: AudioEnded | Error, *, to_all: bool) -> None:
        """Tell the speaker, as the answer to its ``audio_end``, and (``to_all``) the others there."""
        speaker = stream.connection
        if speaker is not None:
            identity = UNSET if stream.ended_by is None else stream.ended_by
            speaker.answer(msgspec.structs.replace(message, id=identity))
        if to_all:
            said = frame(message)
            for member in stream.session.members():
                if member.receiver is not speaker:
                    member.deliver(said)
