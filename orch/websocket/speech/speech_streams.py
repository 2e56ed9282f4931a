"""Streams of speech on their way to captions: opened, run, reported on and ended.

A stream runs in the hub's nursery, not in its speaker's connection: speech from before a lost connection is
still transcribed. What is particular to speech over connections is in speakers.py, to recordings in
recordings.py.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import trio
from msgspec import UNSET

from orch.problems import ProblemError
from orch.protocol.identifiers import new_stream_name
from orch.protocol.messages import AudioEnded, Error, ParticipantRenamed
from orch.speech.captions import Origin
from orch.speech.service import SpeechService
from orch.telemetry.boundaries import Boundary
from orch.websocket.participants.member import Member
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.sessions import Sessions
from orch.websocket.speech.caption_output import SessionOutput
from orch.websocket.speech.ended_streams import EndedStream, EndedStreams
from orch.websocket.speech.sources import SpeechSource
from orch.websocket.speech.stream import Stream
from orch.websocket.speech.stream_limits import StreamLimits, admit

#: Seconds between two names of one participant that are stored.
RENAME_INTERVAL: Final = 1.0

_log = structlog.get_logger("websocket")


class SpeechStreams:
    """All streams of this worker.

    The mutable state is the streams that are open or still being transcribed, bounded per session, per
    address and in all (``stream_limits``); the lengths of the last ended ones; and whose new name is being
    published.
    """

    def __init__(self, *, sessions: Sessions, speech: SpeechService) -> None:
        self._sessions = sessions
        self._speech = speech
        self._streams: dict[str, Stream] = {}
        self.ended = EndedStreams()
        self._renaming: set[Member] = set()
        self._nursery: trio.Nursery | None = None
        self._is_draining = False
        self._done = trio.lowlevel.ParkingLot()
        self.boundary = Boundary("speech streams")
        sessions.on_ended = self._cancel_all
        sessions.on_renamed = self._rename
        sessions.on_pipeline = self._change_pipeline

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

        A speaker that stores its speech sends the current utterance again, to the worker it connects to then.
        """
        self._is_draining = True
        for stream in tuple(self._streams.values()):
            stream.feeding.cancel()
            if stream.is_stored and stream.is_open:
                stream.speech.release()
                stream.speech.acknowledge()
            self.end_stream(stream)

    async def drain(self) -> None:
        """Accept no more speech; return when all of it is transcribed."""
        self.close()
        while self._streams:
            await self._done.park()

    @property
    def is_accepting(self) -> bool:
        """Whether streams may be opened: it runs, and the service is not shutting down."""
        return self._nursery is not None and not self._is_draining

    def find(self, stream_id: str | None) -> Stream | None:
        """Return a stream that is open or still being transcribed."""
        return self._streams.get(stream_id or "")

    def of_session(self, session_id: str) -> tuple[Stream, ...]:
        """Return the streams of a session that are open or still being transcribed."""
        return tuple(stream for stream in self._streams.values() if stream.session_id == session_id)

    def spoken_until(self, session_id: str, participant_id: str) -> float | None:
        """Return when the last sample of a participant's streams was recorded, if known here."""
        streams = [one for one in self.of_session(session_id) if one.participant_id == participant_id]
        until = [one.until for one in streams]
        until += [one.until for one in self.ended.of(session_id, participant_id)]
        return max(until, default=None)

    def admitted(self, traceparent: str) -> str:
        """Return a client's ``traceparent`` as that of a source; it counts towards the limit of callers."""
        return self._speech.admitted(traceparent)

    # The life of a stream.

    def open(self, source: SpeechSource) -> Stream:
        """Open a stream for a source. :meth:`launch` must follow.

        At a limit, an idle stream is ended for it. Raises ``shutting_down``,
        ``too_many_streams``, ``unsupported_sample_rate``, ``unsupported_language``.
        """
        self.require_accepting()
        settings = self._sessions.settings.orchestration.speech
        session = source.session
        idle = admit(
            self._streams.values(),
            session_id=session.session_id,
            address=source.address,
            limits=StreamLimits(
                total=settings.max_streams,
                per_session=settings.max_streams_per_session,
                per_address=settings.max_streams_per_address,
            ),
            now=trio.current_time(),
        )
        stream_id = new_stream_name()
        stream = Stream(stream_id, source, started=self._sessions.wall() - source.age)
        stream.speech = self._speech.stream(
            Origin(
                session_id=session.session_id,
                stream_id=stream_id,
                started=self._sessions.now_ms() - round(source.age * 1000),
                source_language=source.source_language,
                speaker=source.speaker,
                participant_id=source.participant_id,
                diarization=source.diarization,
                is_synthetic=session.is_synthetic,
            ),
            sample_rate=source.sample_rate,
            output=SessionOutput(stream, self._sessions),
            address=source.address or "",
            pipeline=stream.pipeline(),
            trace=source.traceparent,
        )
        for other in idle:
            self.end_stream(other)
        self._streams[stream_id] = stream
        session.streams = (*session.streams, stream_id)
        source.begin(stream_id)
        return stream

    async def launch(self, stream: Stream, run: Callable[..., Awaitable[None]]) -> None:
        """Start ``run``, which runs a stream to its end, in the nursery of all streams."""
        try:
            await self.require_accepting().start(run)
        except BaseException:
            if stream.stream_id in self._streams:
                self._finish(stream, is_whole=False)  # it was never run
            raise

    async def run_stream(
        self, stream: Stream, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run a stream to its end, whatever happens in it: the boundary of one stream."""
        is_whole = False
        task_status.started()
        try:
            with stream.scope:
                await stream.speech.run()
                is_whole = True
        except* Exception:  # noqa: BLE001 - one stream's boundary
            self.boundary.count()
            _log.exception("stream failed", session_id=stream.session_id, stream_id=stream.stream_id)
        finally:
            self._finish(stream, is_whole=is_whole)

    def suspend(self, stream: Stream, seconds: float) -> None:
        """Let an open stream wait for its speaker, whose connection is lost; it ends after ``seconds``."""
        stream.source.end(stream.stream_id)
        stream.away = trio.CancelScope()
        self.require_accepting().start_soon(self._await_return, stream, stream.away, seconds)

    async def _await_return(self, stream: Stream, away: trio.CancelScope, seconds: float) -> None:
        with away:
            await trio.sleep(seconds)
        if not away.cancelled_caught:
            self.end_stream(stream)

    def resume(self, stream: Stream, source: SpeechSource) -> None:
        """Continue an open stream with its speaker's new connection; the old one is no longer read."""
        self.require_accepting()
        stream.source.end(stream.stream_id)
        if stream.away is not None:
            stream.away.cancel()
            stream.away = None
        stream.source = source
        stream.fed_at = trio.current_time()
        source.begin(stream.stream_id)
        stream.speech.rename(source.speaker)
        stream.speech.process_with(stream.pipeline())

    def end_stream(self, stream: Stream) -> None:
        """Accept no more speech for a stream; what has arrived is transcribed."""
        if stream.is_open:
            stream.is_open = False
            if stream.away is not None:
                stream.away.cancel()
            stream.speech.end()
            stream.speech.acknowledge()
            stream.source.end(stream.stream_id)

    def require_accepting(self) -> trio.Nursery:
        """Return the nursery of all streams. Raises ``shutting_down``."""
        if self._nursery is None or self._is_draining:
            raise ProblemError("shutting_down", "Speech cannot be accepted right now. Try again soon.")
        return self._nursery

    def _change_pipeline(self, session: Session) -> None:
        """Let the streams of a session pass through its pipeline from now on, also while someone speaks."""
        for stream in self.of_session(session.session_id):
            stream.speech.process_with(stream.pipeline())

    def _cancel_all(self, session: Session) -> None:
        """Cancel the streams of a session that has ended."""
        for stream_id in session.streams:
            self._streams[stream_id].scope.cancel()

    def _finish(self, stream: Stream, *, is_whole: bool) -> None:
        del self._streams[stream.stream_id]
        self._done.unpark_all()
        if is_whole:
            self.ended.add(
                stream.stream_id,
                EndedStream(
                    session_id=stream.session_id,
                    participant_id=stream.participant_id,
                    received_seconds=stream.speech.received_seconds,
                    until=stream.until,
                ),
            )
        stream.is_open = False
        if stream.away is not None:
            stream.away.cancel()
        session = stream.session
        session.streams = tuple(name for name in session.streams if name != stream.stream_id)
        stream.source.end(stream.stream_id)
        stream.feeding.cancel()  # the stream no longer reads its input
        if session.has_ended:
            return
        if not is_whole and not stream.is_cancelled:
            self.report_error(stream, "speech_lost", "The audio stream failed. Start it again.")
        stream.source.report_end(
            AudioEnded(
                timestamp=self._sessions.now_ms(),
                id=UNSET if stream.ended_by is None else stream.ended_by,
                session_id=session.session_id,
                stream_id=stream.stream_id,
                seconds=stream.speech.seconds,
                lost_seconds=stream.speech.lost_seconds,
                speech_seconds=round(stream.speech.speech_seconds, 3),
                cancelled=stream.is_cancelled,
            )
        )

    def report_error(self, stream: Stream, code: str, detail: str) -> None:
        """Send an error about a stream to its source."""
        stream.source.report_error(
            Error(
                timestamp=self._sessions.now_ms(),
                id=UNSET if stream.ended_by is None else stream.ended_by,
                code=code,
                detail=detail,
                session_id=stream.session_id,
                stream_id=stream.stream_id,
            )
        )

    # Names.

    def _rename(self, session: Session, member: Member) -> None:
        """Change a participant's name in future captions, and publish it for the earlier ones."""
        for stream_id in session.streams:
            stream = self._streams[stream_id]
            if stream.participant_id == member.participant_id:
                stream.speech.rename(member.name)
        if self._nursery is not None and member not in self._renaming:
            self._renaming.add(member)
            self._nursery.start_soon(self._publish_name, session.session_id, member)

    async def _publish_name(self, session_id: str, member: Member) -> None:
        """Publish a participant's name, and again if it has changed meanwhile: once a second at most."""
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
            # Presence shows the name, and the next caption carries it.
            _log.warning("rename not published", session_id=session_id, reason=error.detail)
        finally:
            self._renaming.discard(member)
