"""Participants who speak over connections: their streams are started, fed, ended, and continued.

The stream of a speaker that stores what is not acknowledged stays open for ``speech.resume_seconds`` after
its connection is lost, so that it can continue in the middle of an utterance, over another connection. Where
that connection comes to another worker, this one ends the stream before the utterance, and the speaker sends
the utterance again there.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import msgspec
import structlog
import trio
from msgspec import UNSET, Struct

from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.protocol.messages import AudioEnd, AudioStart, AudioStarted
from orch.websocket.connections.connection import Connection
from orch.websocket.participants.member import Member
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.session_pipeline import requested_pipeline
from orch.websocket.sessions.sessions import Sessions
from orch.websocket.speech import resumption
from orch.websocket.speech.resumption import GAP, Progress, StreamStart
from orch.websocket.speech.sources import SocketSource
from orch.websocket.speech.speech_streams import SpeechStreams
from orch.websocket.speech.stream import Stream

#: Seconds of speech that one stream is fed at a time: other clients are served in between.
FED_AT_ONCE: Final = 0.2

#: Seconds that other workers have to reply how much of a stream of theirs they received.
RELEASE_WITHIN: Final = 1.0

_RELEASE: Final = "release_stream"

_log = structlog.get_logger("websocket")


class _Release(Struct, frozen=True):
    """Asks other workers to end a speaker's stream, and how much of it they received."""

    stream_id: str
    session_id: str
    participant_id: str


class Speakers:
    """Starts, feeds and ends the streams of connections. It has no state of its own."""

    def __init__(self, *, sessions: Sessions, streams: SpeechStreams, survey: Survey) -> None:
        self._sessions = sessions
        self._streams = streams
        self._survey = survey
        survey.register(_RELEASE, self._reply_release)

    async def start(self, connection: Connection, message: AudioStart) -> None:
        """Answer ``audio_started``; from here on the connection's binary frames are speech."""
        member = self._speaker(connection, message)
        async with self._sessions.open(message.session_id) as session:
            stream = self._own(message, member)
            if stream is not None and _is_same_sound(stream, message):
                begins = self._resume(stream, connection, member, message)
            else:
                progress = await self._progress(message, member)
                # The client may have left, or closed, while other workers were asked.
                if connection.is_closing or self._speaker(connection, message) is not member:
                    return
                stream, begins = self._open(session, connection, member, message, progress)
                await self._streams.launch(stream, partial(self._streams.run_stream, stream))
        connection.answer(
            AudioStarted(
                timestamp=self._sessions.now_ms(),
                id=UNSET if message.id is None else message.id,
                session_id=session.session_id,
                stream_id=stream.stream_id,
                continued=stream.stream_id == message.stream_id,
                position=round(begins.position, 6),
                received_seconds=round(stream.speech.received_seconds, 6),
            )
        )

    def feed(self, connection: Connection, pcm: bytes) -> Callable[[], Awaitable[None]] | None:
        """Feed a binary frame; return what has to wait, if anything has.

        All but the first :data:`FED_AT_ONCE` seconds waits until other clients were served. Where audio comes
        faster than a stream may be fed, the rest waits, and with it the client's next frame.
        Raises ``audio_not_started``, ``odd_byte_count``.
        """
        stream = self._stream_of(connection)
        if len(pcm) % 2:
            raise ProblemError(
                "odd_byte_count", f"Audio is 16-bit: {len(pcm)} bytes are not a whole number of samples."
            )
        step = round(FED_AT_ONCE * stream.source.sample_rate) * 2
        if len(pcm) > step:
            return partial(self._feed_slowly, connection, stream, pcm, step)
        ready_at = stream.feed(pcm)
        stream.session.last_active = self._sessions.wall()
        return None if ready_at is None else partial(trio.sleep_until, ready_at)

    async def _feed_slowly(self, connection: Connection, stream: Stream, pcm: bytes, step: int) -> None:
        """Feed a large frame in parts of ``step`` bytes; other clients are served between them."""
        for begin in range(0, len(pcm), step):
            if begin:
                await trio.lowlevel.checkpoint()
                if connection.stream_id != stream.stream_id:
                    return  # it has ended, or continues over another connection
            ready_at = stream.feed(pcm[begin : begin + step])
            if ready_at is not None:
                await trio.sleep_until(ready_at)
        stream.session.last_active = self._sessions.wall()

    def end(self, connection: Connection, message: AudioEnd) -> None:
        """Accept no more speech; ``audio_ended`` answers once all of it is transcribed."""
        stream = self._stream_of(connection)
        stream.ended_by = message.id
        self._streams.end_stream(stream)

    def leave(self, connection: Connection, session_id: str) -> None:
        """End the connection's stream, if it is in the session that its participant leaves."""
        stream = self._streams.find(connection.stream_id)
        if stream is not None and stream.session_id == session_id:
            self._streams.end_stream(stream)

    def disconnect(self, connection: Connection) -> None:
        """Suspend the stream of a lost connection if its speaker may return; end it otherwise."""
        stream = self._streams.find(connection.stream_id)
        if stream is None:
            return
        seconds = self._sessions.settings.orchestration.speech.resume_seconds
        may_return = stream.is_stored and not connection.has_left and seconds > 0
        if may_return and stream.is_open and self._streams.is_accepting:
            self._streams.suspend(stream, seconds)
        else:
            self._streams.end_stream(stream)

    def _speaker(self, connection: Connection, message: AudioStart) -> Member:
        member = connection.members.get(message.session_id)
        if member is None:
            raise ProblemError("not_in_session", f"Join session {message.session_id} before speaking in it.")
        if member.muted:
            raise ProblemError(
                "muted",
                "The host has muted you, so your speech is not transcribed. Unmute yourself if the host "
                "allows it, or ask the host.",
            )
        if connection.stream_id is not None:
            raise ProblemError("audio_already_started", "Send audio_end before another audio_start.")
        return member

    def _stream_of(self, connection: Connection) -> Stream:
        stream = self._streams.find(connection.stream_id)
        if stream is None:
            raise ProblemError("audio_not_started", "Send audio_start before audio.")
        return stream

    # New streams.

    def _open(
        self,
        session: Session,
        connection: Connection,
        member: Member,
        message: AudioStart,
        progress: Progress | None,
    ) -> tuple[Stream, StreamStart]:
        now = self._sessions.wall()
        until = self._streams.spoken_until(session.session_id, member.participant_id)
        begins = resumption.started(
            message,
            progress,
            session_age=now - session.created,
            spoken_until=None if until is None else now - until,
        )
        traceparent = self._streams.admitted(connection.traceparent)
        stream = self._streams.open(
            self._source(session, connection, member, message, age=begins.age, traceparent=traceparent)
        )
        stream.speech.skip(begins.lost_seconds, _gap())
        return stream, begins

    def _source(
        self,
        session: Session,
        connection: Connection,
        member: Member,
        message: AudioStart,
        *,
        age: float,
        traceparent: str = "",
    ) -> SocketSource:
        return SocketSource(
            session,
            connection,
            member,
            self._sessions.presence,
            sample_rate=message.sample_rate,
            source_language=message.source_language,
            target_languages=frozenset(message.target_languages),
            is_stored=message.age is not None,
            age=age,
            diarization=message.diarization,
            pipeline=requested_pipeline(message.pipeline),
            traceparent=traceparent,
        )

    # Streams that continue after a lost connection.

    def _own(self, message: AudioStart, member: Member) -> Stream | None:
        """Return the stream that is asked for, if it is this speaker's and still open."""
        stream = self._streams.find(message.stream_id)
        if stream is None or not stream.is_open or not stream.is_stored:
            return None
        mine = (message.session_id, member.participant_id)
        return stream if (stream.session_id, stream.participant_id) == mine else None

    def _resume(
        self, stream: Stream, connection: Connection, member: Member, message: AudioStart
    ) -> StreamStart:
        """Continue a stream over this connection. What still arrives over the former one is dropped."""
        begins = resumption.resumed(
            message,
            Progress(stream.speech.received_seconds),
            silent_for=trio.current_time() - stream.fed_at,
        )
        self._streams.resume(
            stream, self._source(stream.session, connection, member, message, age=begins.age)
        )
        stream.speech.skip(begins.lost_seconds, _gap())
        return begins

    async def _progress(self, message: AudioStart, member: Member) -> Progress | None:
        """Return how much of the stream that is asked for was received, on any worker; it is ended there."""
        if message.stream_id is None:
            return None
        wanted = _Release(message.stream_id, message.session_id, member.participant_id)
        mine = self._release(wanted)
        if mine is not None or not self._survey.is_shared:
            return mine
        found = await self._survey.collect(_RELEASE, msgspec.json.encode(wanted), within=RELEASE_WITHIN)
        for reply in found.replies:
            try:
                progress = msgspec.json.decode(reply.data, type=Progress | None)
            except msgspec.DecodeError as error:  # of a worker of another version
                _log.warning("reply invalid", worker=reply.worker.name, reason=str(error))
                continue
            if progress is not None:
                return progress
        return None

    def _reply_release(self, payload: bytes) -> bytes:
        return msgspec.json.encode(self._release(msgspec.json.decode(payload, type=_Release)))

    def _release(self, wanted: _Release) -> Progress | None:
        """End a speaker's stream, and return how much of it was received; None: it is not known here."""
        stream = self._streams.find(wanted.stream_id)
        speaker = (wanted.session_id, wanted.participant_id)
        if stream is not None and (stream.session_id, stream.participant_id) == speaker:
            if stream.is_open and stream.is_stored:
                stream.speech.release()
                self._streams.end_stream(stream)
            return Progress(stream.speech.received_seconds)
        ended = self._streams.ended.find(wanted.stream_id, *speaker)
        return None if ended is None else Progress(ended.received_seconds)


def _is_same_sound(stream: Stream, message: AudioStart) -> bool:
    """Return whether what follows can continue the stream: the same rate, language and number of people."""
    source = stream.source
    before = (source.sample_rate, source.source_language, source.diarization)
    return before == (message.sample_rate, message.source_language, message.diarization)


def _gap() -> ProblemError:
    return ProblemError("speech_lost", GAP, service="speaker")
