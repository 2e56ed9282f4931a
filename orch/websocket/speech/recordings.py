"""Transcribes recordings in sessions: opens, lists and cancels them, on whichever worker they are read."""

import hmac
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from contextlib import ExitStack, aclosing, nullcontext
from functools import partial
from typing import Final, TypeVar

import msgspec
import structlog
import trio
from msgspec import Struct

from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.protocol.identifiers import new_session_key, new_stream_name
from orch.protocol.messages import CancelRecording, RecordingCancelled
from orch.telemetry.boundaries import Boundary
from orch.websocket.connections.connection import Connection
from orch.websocket.message_door import may_cancel_any_recording
from orch.websocket.participants.names import clean
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.sessions import Sessions
from orch.websocket.speech.sources import RecordingFacts, RecordingSource
from orch.websocket.speech.speech_streams import SpeechStreams
from orch.websocket.speech.stream import Stream

#: The sample rate of recordings' PCM, 16-bit mono.
RECORDING_RATE: Final = 16_000

#: Seconds for other workers to reply about their recordings.
ANSWER_WITHIN: Final = 1.0

_CANCEL: Final = "cancel_recording"
_LIST: Final = "list_recordings"

_Understood = TypeVar("_Understood")

_log = structlog.get_logger("websocket")


class RecordingOpened(Struct, frozen=True):
    """A recording that is being transcribed; its captions' ``segment_id`` begins with ``stream_id``.

    ``recording_key``: a client that presents it may cancel the recording.
    """

    session_id: str
    stream_id: str
    recording_key: str


class RecordingListed(Struct, frozen=True, kw_only=True):
    """A recording that is being transcribed. ``name``: the speaker of its lines.

    ``seconds``: its length, null if unknown; ``read_seconds``: how much of it has been read. ``started``: ms
    since the epoch.
    """

    stream_id: str
    name: str | None
    seconds: float | None
    read_seconds: float
    started: int


class _Cancel(Struct, frozen=True):
    """A request to other workers to cancel a recording. ``key``: its own, or None if none is needed."""

    session_id: str
    stream_id: str
    key: str | None


class _Outcome(Struct, frozen=True):
    """Whether a recording is read here, and whether it was cancelled."""

    is_known: bool
    is_cancelled: bool


class _List(Struct, frozen=True):
    """A request to other workers for their recordings in a session."""

    session_id: str


class Recordings:
    """Opens, lists and cancels recordings. The mutable state is the number being read."""

    def __init__(self, *, sessions: Sessions, speech_streams: SpeechStreams, survey: Survey) -> None:
        self._sessions = sessions
        self._speech_streams = speech_streams
        self._survey = survey
        self._count = 0
        self.boundary = Boundary("recordings")
        survey.register(_CANCEL, self._cancelled)
        survey.register(_LIST, self._listed)

    async def open(
        self,
        session_id: str,
        *,
        name: str | None,
        source_language: str,
        target_languages: Collection[str],
        chunks: AsyncIterator[bytes],
        facts: RecordingFacts | None = None,
        held: Callable[[], None] | None = None,
        diarization: bool = False,
        traceparent: str = "",
    ) -> RecordingOpened:
        """Transcribe a recording in a session, as fast as the back ends can.

        ``chunks``: 16-bit mono PCM at :data:`RECORDING_RATE`; closed here once it is opened. Returns when the
        stream has begun; ``held`` is called once all of it is transcribed. ``traceparent``: of the request
        that opens it. Raises
        ``unknown_session``, ``session_ended``, ``too_many_recordings``, ``unsupported_language``.
        """
        limit = self._sessions.settings.orchestration.speech.concurrent_recordings
        if self._count >= limit:
            raise ProblemError(
                "too_many_recordings", f"{limit} recordings are being transcribed, which is the limit."
            )
        self._count += 1
        place = ExitStack()
        place.callback(self._give_back_place)
        try:
            async with self._sessions.open(session_id) as session:
                session.decisions.require_running(session_id)
                named = self._name(session, name)
                source = RecordingSource(
                    session,
                    msgspec.structs.replace(facts or RecordingFacts(), name=named, key=new_session_key()),
                    sample_rate=RECORDING_RATE,
                    source_language=source_language,
                    target_languages=frozenset(target_languages),
                    diarization=diarization,
                    traceparent=traceparent,
                )
                stream = self._speech_streams.open(source)
                await self._speech_streams.launch(stream, partial(self._read, stream, chunks, place))
        except BaseException:
            place.close()
            raise
        if held is not None:
            if self._speech_streams.find(stream.stream_id) is not None:
                place.callback(held)
            else:
                held()
        return RecordingOpened(session_id, stream.stream_id, source.facts.key)

    async def of(self, session_id: str) -> tuple[RecordingListed, ...]:
        """Return a session's recordings on all workers that reply in time, oldest first."""
        found = self._of(session_id)
        if self._survey.is_shared:
            asked = msgspec.json.encode(_List(session_id))
            for answer in (await self._survey.collect(_LIST, asked, within=ANSWER_WITHIN)).replies:
                found += self._understood(answer.data, tuple[RecordingListed, ...]) or ()
        by_stream = {each.stream_id: each for each in found}
        return tuple(sorted(by_stream.values(), key=lambda each: each.started))

    async def cancel(self, session_id: str, stream_id: str, *, key: str | None) -> None:
        """Cancel a recording, on whichever worker it is. ``key``: its own; None: none is needed.

        Raises ``unknown_recording``, ``not_your_recording``.
        """
        wanted = _Cancel(session_id, stream_id, key)
        outcomes = [self._cancel(wanted)]
        if not outcomes[0].is_known and self._survey.is_shared:
            found = await self._survey.collect(_CANCEL, msgspec.json.encode(wanted), within=ANSWER_WITHIN)
            outcomes += [
                outcome
                for answer in found.replies
                if (outcome := self._understood(answer.data, _Outcome)) is not None
            ]
        if any(outcome.is_cancelled for outcome in outcomes):
            return
        if any(outcome.is_known for outcome in outcomes):
            raise ProblemError(
                "not_your_recording",
                "Only its sender, the session's owner or an operator can cancel a recording.",
            )
        raise ProblemError(
            "unknown_recording", f"No recording {stream_id} is being transcribed in {session_id}."
        )

    async def handle_cancel(self, connection: Connection, message: CancelRecording) -> None:
        """Cancel a recording for the owner of its session, or for a client with the recording's key."""
        member = connection.members.get(message.session_id)
        if member is None:
            raise ProblemError(
                "not_in_session", f"Join session {message.session_id} before cancelling in it."
            )
        may = may_cancel_any_recording(connection.actor, member.role)
        await self.cancel(message.session_id, message.stream_id, key=None if may else message.key or "")
        connection.answer(
            RecordingCancelled(
                timestamp=self._sessions.now_ms(),
                id=msgspec.UNSET if message.id is None else message.id,
                session_id=message.session_id,
                stream_id=message.stream_id,
            )
        )

    def _cancelled(self, payload: bytes) -> bytes:
        return msgspec.json.encode(self._cancel(msgspec.json.decode(payload, type=_Cancel)))

    def _cancel(self, wanted: _Cancel) -> _Outcome:
        stream = self._speech_streams.find(wanted.stream_id)
        if stream is None or stream.recording is None or stream.session_id != wanted.session_id:
            return _Outcome(is_known=False, is_cancelled=False)
        own = stream.recording.facts.key.encode()
        if wanted.key is not None and not hmac.compare_digest(wanted.key.encode(), own):
            return _Outcome(is_known=True, is_cancelled=False)
        stream.is_cancelled = True
        stream.scope.cancel()
        return _Outcome(is_known=True, is_cancelled=True)

    def _listed(self, payload: bytes) -> bytes:
        return msgspec.json.encode(self._of(msgspec.json.decode(payload, type=_List).session_id))

    def _of(self, session_id: str) -> tuple[RecordingListed, ...]:
        return tuple(
            RecordingListed(
                stream_id=stream.stream_id,
                name=stream.recording.facts.name,
                seconds=stream.recording.facts.seconds,
                read_seconds=round(stream.speech.received_seconds, 3),
                started=round(stream.started * 1000),
            )
            for stream in self._speech_streams.of_session(session_id)
            if stream.recording is not None
        )

    def _understood(self, data: bytes | msgspec.Raw, kind: type[_Understood]) -> _Understood | None:
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.DecodeError as error:  # from a worker of another version
            _log.warning("reply invalid", reason=str(error))
            return None

    def _name(self, session: Session, name: str | None) -> str | None:
        """Return the speaker's name of a recording's lines, which no participant has or gets."""
        cleaned = clean(name or "")
        return session.name_recording(new_stream_name(), cleaned) if cleaned else None

    def _give_back_place(self) -> None:
        self._count -= 1

    async def _read(
        self,
        stream: Stream,
        chunks: AsyncIterator[bytes],
        place: ExitStack,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Feed a recording and run its stream to the end; then another may take its place."""
        with place:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._speech_streams.run_stream, stream)
                task_status.started()
                with stream.feeding:
                    await self._feed(stream, chunks)
                self._speech_streams.end_stream(stream)

    async def _feed(self, stream: Stream, chunks: AsyncIterator[bytes]) -> None:
        """Feed a recording to its end, or until it cannot be read."""
        try:
            async with aclosing(chunks) if isinstance(chunks, AsyncGenerator) else nullcontext():
                async for chunk in chunks:
                    await stream.speech.feed_paced(chunk)
        except ProblemError as error:
            self._speech_streams.report_error(stream, error.code, error.detail)
        except trio.BrokenResourceError:
            return  # the stream has ended and reported why
        except Exception:  # noqa: BLE001 - what a broken file does to its decoder is not known in advance
            self.boundary.count()
            _log.exception("recording failed", session_id=stream.session.session_id)
            self._speech_streams.report_error(
                stream, "internal_error", "The recording could not be decoded to its end."
            )
