"""Where a stream's speech comes from: a connection's microphone, or a recording.

:class:`SpeechSource` is what :class:`~orch.websocket.speech.speech_streams.SpeechStreams` needs of one.
Another kind (a bot that speaks, a call) is another class with these members, opened with
:meth:`~orch.websocket.speech.speech_streams.SpeechStreams.open`; nothing else has to know of it. Who opened
the source feeds its stream, at the pace of the source: with ``Stream.feed`` what arrives in its own time, as
over a connection; with ``stream.speech.feed_paced`` what could come all at once, as a file.
"""

from typing import Protocol

import msgspec
from msgspec import UNSET, Struct, UnsetType

from orch.access.addresses import group
from orch.audio.pipeline_settings import PipelineSettings
from orch.protocol.messages import AudioEnded, AudioStatus, Error, Role
from orch.websocket.connections.connection import Connection
from orch.websocket.connections.outbox import frame
from orch.websocket.participants.member import Member
from orch.websocket.participants.presence import PresencePublisher
from orch.websocket.sessions.session import Session


class SpeechSource(Protocol):
    """A speaker, as far as a stream knows it. What is read from it does not change while a stream is open."""

    @property
    def session(self) -> Session:
        """The session it speaks in."""

    @property
    def sample_rate(self) -> int:
        """Samples a second: 16-bit, mono."""

    @property
    def source_language(self) -> str:
        """The language spoken, or ``auto``."""

    @property
    def target_languages(self) -> frozenset[str]:
        """What it asks to be translated into, besides what the session's participants read."""

    @property
    def pipeline(self) -> PipelineSettings | UnsetType | None:
        """What its sound passes through; None: nothing; UNSET: what the session's speech passes through."""

    @property
    def diarization(self) -> bool:
        """Whether several people speak in it, and its lines should say which."""

    @property
    def speaker(self) -> str | None:
        """The name that its lines carry."""

    @property
    def participant_id(self) -> str | None:
        """The participant who speaks; None: none does."""

    @property
    def role(self) -> Role | None:
        """The role of that participant; None: none speaks."""

    @property
    def address(self) -> str | None:
        """For which address the limits count it; None: it is limited where it is opened, and never idle."""

    @property
    def is_stored(self) -> bool:
        """Whether the speaker stores its speech until it is acknowledged, so that its stream can go on."""

    @property
    def age(self) -> float:
        """How many seconds ago its first sample was recorded."""

    @property
    def traceparent(self) -> str:
        """What its trace is a part of; "": of nothing. What a client has sent was admitted before."""

    def begin(self, stream_id: str) -> None:
        """Note that a stream accepts its speech."""

    def end(self, stream_id: str) -> None:
        """Note that its speech is no longer accepted; called at least once, also at the end of its stream."""

    def acknowledge(self, status: AudioStatus) -> None:
        """Receive how much of its speech has arrived."""

    def report_error(self, error: Error) -> None:
        """Receive what went wrong in its stream."""

    def report_end(self, ended: AudioEnded) -> None:
        """Receive, and pass on to the others in the session, that all of it is transcribed."""


class SocketSource:
    """A participant who speaks over a connection. One whose connection was lost may return with another."""

    def __init__(
        self,
        session: Session,
        connection: Connection,
        member: Member,
        presence: PresencePublisher,
        *,
        sample_rate: int,
        source_language: str,
        target_languages: frozenset[str],
        is_stored: bool,
        age: float = 0.0,
        diarization: bool = False,
        pipeline: PipelineSettings | UnsetType | None = UNSET,
        traceparent: str = "",
    ) -> None:
        self.session = session
        self.sample_rate = sample_rate
        self.source_language = source_language
        self.target_languages = target_languages
        self.speaker: str | None = member.name
        self.participant_id: str | None = member.participant_id
        self.role: Role | None = member.role
        self.address: str | None = group(connection.host)
        self.is_stored = is_stored
        self.age = age
        self.diarization = diarization
        self.pipeline = pipeline
        self.traceparent = traceparent
        self._connection = connection
        self._member = member
        self._presence = presence
        self._is_speaking = False

    def begin(self, stream_id: str) -> None:
        """Have the connection's binary frames be the stream's, and show that the participant speaks."""
        self._connection.stream_id = stream_id
        self._connection.last_stream = (self.session.session_id, stream_id)
        self._is_speaking = True
        self._member.streams += 1
        self._presence.refresh(self.session, self._member)

    def end(self, stream_id: str) -> None:
        """Show that the participant has stopped speaking; the speech may still be in transcription."""
        if self._connection.stream_id == stream_id:
            self._connection.stream_id = None
        if self._is_speaking:
            self._is_speaking = False
            self._member.streams -= 1
            self._presence.refresh(self.session, self._member)

    def acknowledge(self, status: AudioStatus) -> None:
        """Send the speaker how much has arrived, unless it is behind in reading."""
        self._connection.offer(frame(status, is_durable=False))

    def report_error(self, error: Error) -> None:
        """Send the speaker an error."""
        self._connection.answer(error)

    def report_end(self, ended: AudioEnded) -> None:
        """Answer the speaker's ``audio_end``, and send all others the same without its ``id``."""
        self._connection.answer(ended)
        others = frame(msgspec.structs.replace(ended, id=UNSET))
        for member in self.session.members():
            if member.receiver is not self._connection:
                member.deliver(others)


class RecordingFacts(Struct, frozen=True, kw_only=True):
    """What is known of a recording: its length in seconds, if it says one; which sound track is read.

    ``track`` is counted from 1, of ``tracks``. ``name``: the speaker of its lines. ``key``: cancels it.
    """

    track: int = 1
    tracks: int = 1
    seconds: float | None = None
    name: str | None = None
    key: str = ""

    def __repr__(self) -> str:
        return f"RecordingFacts({self.name!r}, track {self.track} of {self.tracks})"


class RecordingSource:
    """A recording. Its upload has been answered already: errors and the end go to everyone in the session."""

    participant_id: str | None = None
    role: Role | None = None
    address: str | None = None
    is_stored = False
    age = 0.0
    pipeline: PipelineSettings | UnsetType | None = UNSET

    def __init__(
        self,
        session: Session,
        facts: RecordingFacts,
        *,
        sample_rate: int,
        source_language: str,
        target_languages: frozenset[str],
        diarization: bool = False,
        traceparent: str = "",
    ) -> None:
        self.session = session
        self.facts = facts
        self.traceparent = traceparent
        self.sample_rate = sample_rate
        self.source_language = source_language
        self.target_languages = target_languages
        self.diarization = diarization
        self.speaker = facts.name

    def begin(self, stream_id: str) -> None:
        """Nobody speaks: presence shows nothing."""

    def end(self, stream_id: str) -> None:
        """Nobody spoke."""

    def acknowledge(self, status: AudioStatus) -> None:
        """Its file is read here: nothing is sent again."""

    def report_error(self, error: Error) -> None:
        """Send everyone in the session an error."""
        self._send(error)

    def report_end(self, ended: AudioEnded) -> None:
        """Send everyone in the session that it has ended, and which of its tracks was read."""
        self._send(msgspec.structs.replace(ended, tracks=self.facts.tracks, track=self.facts.track))

    def _send(self, message: Error | AudioEnded) -> None:
        sent = frame(message)
        for member in self.session.members():
            member.deliver(sent)
