"""Speech that arrives over sockets and is on its way to becoming captions; recordings.py feeds it files.

A stream runs in the hub's nursery, not in its speaker's connection: what was said before a connection was
lost is still transcribed. The stream of a speaker that stores what is not acknowledged stays open for
``speech.resume_seconds``, so that it can go on in the middle of a word, on another connection; where that
one comes to another worker, this one ends the stream before the word, and the speaker says it again there.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Final

import msgspec
import structlog
import trio
from msgspec import UNSET, Struct

from orch.access.rate_limits import address_of
from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.protocol.identifiers import new_stream_name
from orch.protocol.messages import (
    AudioEnd,
    AudioEnded,
    AudioStart,
    AudioStarted,
    AudioStatus,
    Error,
    ParticipantRenamed,
)
from orch.websocket.connections.connection import Connection
from orch.websocket.connections.outbox import frame
from orch.websocket.participants.member import Member
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.sessions import Numbered, Sessions
from orch.websocket.speech import resumption
from orch.websocket.speech.resumption import GAP, Progress, StreamStart
from orch.websocket.speech.stream import Speech, Stream
from orch.websocket.speech.stream_limits import StreamLimits, admit

#: Seconds for which a caption is tried again while the store cannot be written, and between two tries.
PUBLISH_WITHIN: Final = 60.0
PUBLISH_AGAIN: Final = 1.0

#: Seconds of speech that one stream is fed at a time: other clients are served in between.
FED_AT_ONCE: Final = 0.2

#: Seconds between two names of one participant that are stored.
RENAME_INTERVAL: Final = 1.0

#: Ended streams whose length is remembered, for a speaker who did not learn of the end: in all, and of one
#: participant, so that nobody pushes out those of others.
ENDED_REMEMBERED: Final = 1_000
ENDED_OF_ONE: Final = 4

#: Seconds that other workers are given to say how far a stream of theirs is.
RELEASE_WITHIN: Final = 1.0

_RELEASE: Final = "release_stream"

_log = structlog.get_logger("websocket")


class _Release(Struct, frozen=True):
    """Asks other workers to end a stream of this speaker's, and how far it came."""

    stream_id: str
    session_id: str
    participant_id: str


class _Ended(Struct, frozen=True):
    """A stream that has ended; ``until``: when its last sample was recorded, seconds of the steady wall."""

    session_id: str
    participant_id: str | None
    received_seconds: float
    until: float


class SpeechStreams:
    """Opens streams, feeds them, and says when all of one is transcribed.

    The mutable state is the streams: one that is open per connection, bounded per session, per address and
    in all (``stream_shares``) with those that are still being transcribed; and how long the last ended ones
    were.
    """

    def __init__(self, *, sessions: Sessions, speech: Speech, survey: Survey) -> None:
        self._sessions = sessions
        self._speech = speech
        self._survey = survey
        self._streams: dict[str, Stream] = {}
        self._ended: OrderedDict[str, _Ended] = OrderedDict()
        self._renaming: set[Member] = set()
        self._nursery: trio.Nursery | None = None
        self._is_draining = False
        self._done = trio.lowlevel.ParkingLot()
        sessions.on_ended = self._cut_off
        sessions.on_renamed = self._renamed
        survey.register(_RELEASE, self._released)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run streams until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    def close(self) -> None:
        """Accept no more speech.

        A speaker that stores its speech says the word it is in the middle of again, to who is there then.
        """
        self._is_draining = True
        for stream in tuple(self._streams.values()):
            stream.feeding.cancel()
            if stream.is_stored and stream.is_open:
                stream.speech.release()
                stream.speech.acknowledge()
            self.end_stream(stream)

    async def drain(self) -> None:
        """Accept no more speech; return when all that was said is transcribed."""
        self.close()
        while self._streams:
            await self._done.park()

    async def start(self, connection: Connection, message: AudioStart) -> None:
        """Answer ``audio_started``; from here on the connection's binary frames are speech."""
        member = self._speaker(connection, message)
        async with self._sessions.open(message.session_id) as session:
            stream = self._own(message, member)
            if stream is not None and self._is_same(stream, message):
                beginning = self._take_over(stream, connection, member, message)
            else:
                progress = await self._progress(message, member)
                # The client may have left, or closed, while other workers were asked.
                if connection.is_closing or self._speaker(connection, message) is not member:
                    return
                stream, beginning = self._begin(session, connection, member, message, progress)
                _listen(connection, stream)
                await self.launch(stream, partial(self.run_stream, stream))
        connection.answer(
            AudioStarted(
                timestamp=self._sessions.now_ms(),
                id=UNSET if message.id is None else message.id,
                session_id=session.session_id,
                stream_id=stream.stream_id,
                continued=stream.stream_id == message.stream_id,
                position=round(beginning.position, 6),
                received_seconds=round(stream.speech.received_seconds, 6),
            )
        )

    def feed(self, connection: Connection, pcm: bytes) -> Callable[[], Awaitable[None]] | None:
        """Feed a binary frame; return what has to wait, if anything has.

        All but the first :data:`FED_AT_ONCE` seconds waits until other clients were served. Where audio comes
        faster than a stream may be fed, the rest waits, and with it the client's next frame.
        Raises ``audio_not_started``, ``odd_byte_count``.
        """
        stream = self._open_stream(connection)
        if len(pcm) % 2:
            raise ProblemError(
                "odd_byte_count", f"Audio is 16-bit: {len(pcm)} bytes are not a whole number of samples."
            )
        step = round(FED_AT_ONCE * stream.sample_rate) * 2
        if len(pcm) > step:
            return partial(self._feed_slowly, connection, stream, pcm, step)
        stream.feed(pcm)
        stream.session.last_active = self._sessions.wall()
        if stream.full_at > stream.fed_at:
            return partial(trio.sleep_until, stream.full_at)
        return None

    async def _feed_slowly(self, connection: Connection, stream: Stream, pcm: bytes, step: int) -> None:
        """Feed a large frame in parts of ``step`` bytes; other clients are served between them."""
        for begin in range(0, len(pcm), step):
            if begin:
                await trio.lowlevel.checkpoint()
                if connection.stream_id != stream.stream_id:
                    return  # it has ended, or goes on over another connection
            stream.feed(pcm[begin : begin + step])
            if stream.full_at > stream.fed_at:
                await trio.sleep_until(stream.full_at)
        stream.session.last_active = self._sessions.wall()

    def end(self, connection: Connection, message: AudioEnd) -> None:
        """Accept no more speech; ``audio_ended`` answers once all of it is transcribed."""
        stream = self._open_stream(connection)
        stream.ended_by = message.id
        self.end_stream(stream)

    def hang_up(self, connection: Connection, session_id: str | None = None) -> None:
        """End the connection's stream (if it is in ``session_id``): its speaker has left."""
        stream = self._streams.get(connection.stream_id or "")
        if stream is not None and session_id in (None, stream.session_id):
            self.end_stream(stream)

    def lose(self, connection: Connection) -> None:
        """Take it that a connection has ended. A speaker who may return finds the stream as it was."""
        stream = self._streams.get(connection.stream_id or "")
        if stream is None:
            return
        patience = self._sessions.settings.orchestration.speech.resume_seconds
        is_gone = connection.has_left or not stream.is_stored or not patience
        if is_gone or not stream.is_open or self._nursery is None or self._is_draining:
            self.end_stream(stream)
            return
        self._silence(stream)
        stream.away = trio.CancelScope()
        self._nursery.start_soon(self._await_return, stream, stream.away, patience)

    async def _await_return(self, stream: Stream, away: trio.CancelScope, seconds: float) -> None:
        with away:
            await trio.sleep(seconds)
        if not away.cancelled_caught:
            self.end_stream(stream)

    def stream(self, stream_id: str) -> Stream | None:
        """Return a stream that is still being transcribed."""
        return self._streams.get(stream_id)

    def streams_of(self, session_id: str) -> tuple[Stream, ...]:
        """Return the streams of a session that are still being transcribed."""
        return tuple(stream for stream in self._streams.values() if stream.session_id == session_id)

    def _cut_off(self, session: Session) -> None:
        """Break off the streams of a session that has ended."""
        for stream_id in session.streams:
            self._streams[stream_id].scope.cancel()

    # Beginning, and going on after a lost connection.

    def _speaker(self, connection: Connection, message: AudioStart) -> Member:
        member = connection.members.get(message.session_id)
        if member is None:
            raise ProblemError("not_in_session", f"Join session {message.session_id} before speaking in it.")
        member.may_speak()
        if connection.stream_id is not None:
            raise ProblemError("audio_already_started", "Send audio_end before another audio_start.")
        return member

    def _own(self, message: AudioStart, member: Member) -> Stream | None:
        """Return the stream that is asked for, if it is this speaker's and still open."""
        stream = self._streams.get(message.stream_id or "")
        if stream is None or not stream.is_open or not stream.is_stored:
            return None
        mine = (message.session_id, member.participant_id)
        return stream if (stream.session_id, stream.participant_id) == mine else None

    def _is_same(self, stream: Stream, message: AudioStart) -> bool:
        """Return whether what follows may go on in the same stream."""
        spoken = (message.sample_rate, message.source_language)
        return (stream.sample_rate, stream.source_language) == spoken

    def _take_over(
        self, stream: Stream, connection: Connection, member: Member, message: AudioStart
    ) -> StreamStart:
        """Have a stream go on over this connection. What still comes over the former is dropped."""
        beginning = resumption.resumed(
            message,
            Progress(stream.speech.received_seconds),
            silent_for=trio.current_time() - stream.fed_at,
        )
        self._require_nursery()
        self._silence(stream)
        if stream.away is not None:
            stream.away.cancel()
            stream.away = None
        stream.connection, stream.member = connection, member
        stream.address = address_of(connection.host)
        stream.asked = frozenset(message.target_languages)
        stream.fed_at = trio.current_time()
        _listen(connection, stream)
        member.streams += 1
        self._sessions.presence.refresh(stream.session, member)
        stream.speech.rename(member.name)
        stream.speech.skip(beginning.lost_seconds, _gap())
        return beginning

    async def _progress(self, message: AudioStart, member: Member) -> Progress | None:
        """Return how far the stream that is asked for came, wherever it was; it is fed no more."""
        if message.stream_id is None:
            return None
        asked = _Release(message.stream_id, message.session_id, member.participant_id)
        mine = self._release(asked)
        if mine is not None or not self._survey.is_shared:
            return mine
        found = await self._survey.collect(_RELEASE, msgspec.json.encode(asked), within=RELEASE_WITHIN)
        for answer in found.replies:
            try:
                progress = msgspec.json.decode(answer.data, type=Progress | None)
            except msgspec.DecodeError as error:  # of a worker of another version
                _log.warning("reply invalid", worker=answer.worker.name, reason=str(error))
                continue
            if progress is not None:
                return progress
        return None

    def _released(self, payload: bytes) -> bytes:
        return msgspec.json.encode(self._release(msgspec.json.decode(payload, type=_Release)))

    def _release(self, asked: _Release) -> Progress | None:
        """End a stream of the speaker's, and return how far it came; None: it is not known here."""
        stream = self._streams.get(asked.stream_id)
        whose = (asked.session_id, asked.participant_id)
        if stream is not None and (stream.session_id, stream.participant_id) == whose:
            if stream.is_open and stream.is_stored:
                stream.speech.release()
                self.end_stream(stream)
            return Progress(stream.speech.received_seconds)
        ended = self._ended.get(asked.stream_id)
        if ended is not None and (ended.session_id, ended.participant_id) == whose:
            return Progress(ended.received_seconds)
        return None

    def _begin(
        self,
        session: Session,
        connection: Connection,
        member: Member,
        message: AudioStart,
        progress: Progress | None,
    ) -> tuple[Stream, StreamStart]:
        now = self._sessions.wall()
        beginning = resumption.started(
            message,
            progress,
            session_age=now - session.created,
            spoken_until=self._spoken_until(session.session_id, member.participant_id, now),
        )
        stream = self.open_stream(
            session,
            sample_rate=message.sample_rate,
            source_language=message.source_language,
            target_languages=message.target_languages,
            speaker=member.name,
            connection=connection,
            member=member,
            is_stored=message.age is not None,
            age=beginning.age,
        )
        stream.speech.skip(beginning.lost_seconds, _gap())
        return stream, beginning

    def _spoken_until(self, session_id: str, participant_id: str, now: float) -> float | None:
        """Return how many seconds ago the last stream of someone ended, where that is known here."""
        whose = (session_id, participant_id)
        known: list[Stream | _Ended] = [*self._ended.values(), *self._streams.values()]
        until = [each.until for each in known if (each.session_id, each.participant_id) == whose]
        return now - max(until) if until else None

    # One stream.

    def open_stream(
        self,
        session: Session,
        *,
        sample_rate: int,
        source_language: str,
        target_languages: Collection[str],
        speaker: str | None,
        connection: Connection | None = None,
        member: Member | None = None,
        is_stored: bool = False,
        age: float = 0.0,
    ) -> Stream:
        """Begin a stream. Raises what the limits, its rate and its languages are refused with."""
        self._require_nursery()
        settings = self._sessions.settings.orchestration.speech
        address = None if connection is None else address_of(connection.host)
        ended = admit(
            self._streams.values(),
            session_id=session.session_id,
            address=address,
            limits=StreamLimits(
                total=settings.max_streams,
                per_session=settings.max_streams_per_session,
                per_address=settings.max_streams_per_address,
            ),
            now=trio.current_time(),
        )
        session_id, stream_id = session.session_id, new_stream_name()
        stream = Stream(
            stream_id,
            session,
            sample_rate=sample_rate,
            source_language=source_language,
            target_languages=target_languages,
            connection=connection,
            member=member,
            is_stored=is_stored,
            started=self._sessions.wall() - age,
        )
        stream.speech = self._speech.stream(
            session_id=session_id,
            stream_id=stream_id,
            sample_rate=sample_rate,
            source_language=source_language,
            targets=stream.languages,
            speaker=speaker,
            participant_id=member.participant_id if member else None,
            publish=partial(self._publish, session_id, member.participant_id if member else ""),
            tell=lambda message: self._sessions.tell(session_id, message),
            acknowledge=partial(self._acknowledge, stream),
            age=age,
            address=address or "",
        )
        for idle in ended:
            self.end_stream(idle)
        self._streams[stream_id] = stream
        session.streams = (*session.streams, stream_id)
        if member is not None:
            member.streams += 1
            self._sessions.presence.refresh(session, member)
        return stream

    def _acknowledge(self, stream: Stream, status: AudioStatus) -> None:
        if stream.connection is not None:
            stream.connection.offer(frame(status, is_lasting=False))

    def _renamed(self, session: Session, member: Member) -> None:
        """Have what is said from now on carry the new name, and readers give it to what was said before."""
        for stream_id in session.streams:
            stream = self._streams[stream_id]
            if stream.participant_id == member.participant_id:
                stream.speech.rename(member.name)
        if self._nursery is not None and member not in self._renaming:
            self._renaming.add(member)
            self._nursery.start_soon(self._publish_name, session.session_id, member)

    async def _publish_name(self, session_id: str, member: Member) -> None:
        """Publish someone's name as it is, and again when it has changed meanwhile: once a second at most."""
        published = None
        try:
            while member.name != published:
                published = member.name
                renamed = ParticipantRenamed(
                    timestamp=0,
                    session_id=session_id,
                    participant_id=member.participant_id,
                    name=published,
                )
                await self._sessions.publish(session_id, renamed)
                await trio.sleep(RENAME_INTERVAL)
        except ProblemError as error:
            # Presence shows the name, and the next line carries it.
            _log.warning("rename not published", session_id=session_id, reason=error.detail)
        finally:
            self._renaming.discard(member)

    async def _publish(self, session_id: str, speaker: str, message: Numbered) -> int:
        """Publish a caption; it takes its speaker's share of the history.

        What was heard is not given up because the store is away for a while.
        """
        give_up_at = trio.current_time() + PUBLISH_WITHIN
        while True:
            try:
                return await self._sessions.publish(session_id, message, speaker=speaker)
            except ProblemError as error:
                if error.code != "store_unavailable" or trio.current_time() >= give_up_at:
                    raise
            await trio.sleep(PUBLISH_AGAIN)

    async def launch(self, stream: Stream, run: Callable[..., Awaitable[None]]) -> None:
        """Have ``run`` carry a stream to its end, in the nursery of all streams; return once it runs."""
        try:
            await self._require_nursery().start(run)
        except BaseException:
            if stream.stream_id in self._streams:
                self._finish(stream, is_whole=False)  # it never came to run
            raise

    def _require_nursery(self) -> trio.Nursery:
        if self._nursery is None or self._is_draining:
            raise ProblemError("shutting_down", "Speech cannot be accepted right now. Try again soon.")
        return self._nursery

    def _open_stream(self, connection: Connection) -> Stream:
        stream = self._streams.get(connection.stream_id or "")
        if stream is None:
            raise ProblemError("audio_not_started", "Send audio_start before audio.")
        return stream

    async def run_stream(
        self, stream: Stream, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
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

    def end_stream(self, stream: Stream) -> None:
        """Accept no more speech for a stream; what it has is transcribed."""
        if stream.is_open:
            stream.is_open = False
            if stream.away is not None:
                stream.away.cancel()
            stream.speech.end()
            stream.speech.acknowledge()
            self._silence(stream)

    def _silence(self, stream: Stream) -> None:
        """Let the speaker speak no more, though what was said may still be on its way."""
        if stream.connection is not None and stream.connection.stream_id == stream.stream_id:
            stream.connection.stream_id = None
        if stream.member is not None:
            stream.member.streams -= 1
            self._sessions.presence.refresh(stream.session, stream.member)
            stream.member = None

    def _finish(self, stream: Stream, *, is_whole: bool) -> None:
        del self._streams[stream.stream_id]
        self._done.unpark_all()
        if is_whole:
            self._remember(stream)
        stream.is_open = False
        if stream.away is not None:
            stream.away.cancel()
        session = stream.session
        session.streams = tuple(name for name in session.streams if name != stream.stream_id)
        self._silence(stream)
        stream.feeding.cancel()  # nobody takes what is fed from here on
        if session.has_ended:
            return
        if not is_whole and not stream.is_cancelled:
            self.complain(stream, "speech_lost", "The audio stream failed. Start it again.")
        ended = AudioEnded(
            timestamp=self._sessions.now_ms(),
            session_id=session.session_id,
            stream_id=stream.stream_id,
            seconds=stream.speech.seconds,
            lost_seconds=stream.speech.lost_seconds,
            speech_seconds=round(stream.speech.speech_seconds, 3),
            tracks=None if stream.recording is None else stream.recording.tracks,
            track=None if stream.recording is None else stream.recording.track,
            cancelled=stream.is_cancelled,
        )
        self._say(stream, ended, to_all=True)

    def _remember(self, stream: Stream) -> None:
        whose = (stream.session_id, stream.participant_id)
        before = [
            name for name, each in self._ended.items() if (each.session_id, each.participant_id) == whose
        ]
        for name in before[: max(0, len(before) - ENDED_OF_ONE + 1)]:
            del self._ended[name]
        self._ended[stream.stream_id] = _Ended(
            session_id=stream.session_id,
            participant_id=stream.participant_id,
            received_seconds=stream.speech.received_seconds,
            until=stream.until,
        )
        while len(self._ended) > ENDED_REMEMBERED:
            self._ended.popitem(last=False)

    def complain(self, stream: Stream, code: str, detail: str) -> None:
        """Send an error about a stream to its speaker, or of a recording to all in the session."""
        message = Error(
            timestamp=self._sessions.now_ms(),
            code=code,
            detail=detail,
            session_id=stream.session_id,
            stream_id=stream.stream_id,
        )
        # Whoever sent a recording is told through the session: its upload was answered long ago.
        self._say(stream, message, to_all=stream.connection is None)

    def _say(self, stream: Stream, message: AudioEnded | Error, *, to_all: bool) -> None:
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


def _listen(connection: Connection, stream: Stream) -> None:
    """Have a connection's audio be a stream's from here on."""
    connection.stream_id = stream.stream_id
    connection.last_stream = (stream.session_id, stream.stream_id)


def _gap() -> ProblemError:
    return ProblemError("speech_lost", GAP, service="speaker")
