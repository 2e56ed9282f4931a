"""A speech stream as the hub knows it, and what turns it into captions."""

from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final, Protocol

import trio
from msgspec import Struct

from orch.access.rate_limits import address_of
from orch.problems import ProblemError
from orch.protocol.messages import AudioStatus, MessageId, ServerMessage
from orch.websocket.connections.connection import Connection
from orch.websocket.participants.member import Member
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.sessions import Numbered

#: A stream is fed so many times faster than speech, once it has been fed this many seconds ahead of time:
#: what a client stored over a lost connection is welcome at once, a flood is not.
CATCHING_UP: Final = 8.0
AHEAD: Final = 90.0


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


class SpeechStream(Protocol):
    """Speech in, captions out: see ``orch.speech.service``."""

    @property
    def seconds(self) -> float:
        """Seconds of speech taken in."""

    @property
    def received_seconds(self) -> float:
        """Seconds that have arrived or were skipped, exact to the sample."""

    @property
    def is_speaking(self) -> bool:
        """Whether someone speaks in it now."""

    @property
    def lost_seconds(self) -> float:
        """Seconds of speech given up."""

    @property
    def speech_seconds(self) -> float:
        """Seconds of speech in which words were heard."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write down what is fed, until the stream has ended and all of it is written down."""

    def feed(self, pcm: bytes) -> None:
        """Take speech in, without waiting. Raises ``odd_byte_count``."""

    async def feed_paced(self, pcm: bytes) -> None:
        """Take speech in, waiting while much is pending."""

    def end(self) -> None:
        """Say that no more will come."""

    def release(self) -> float:
        """End before the utterance that is being spoken; return the seconds that the stream then has."""

    def skip(self, seconds: float, error: ProblemError) -> None:
        """Count speech that was lost on its way: a gap."""

    def rename(self, speaker: str | None) -> None:
        """Have what is published from now on carry another name."""

    def acknowledge(self) -> None:
        """Send the speaker how much has arrived."""


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
        acknowledge: Callable[[AudioStatus], object],
        age: float,
        address: str,
    ) -> SpeechStream:
        """Begin a stream. Raises ``unsupported_sample_rate``, ``unsupported_language``."""


class Stream:
    """A stream that is open, waits for its speaker to return, or is being transcribed to its end."""

    def __init__(
        self,
        stream_id: str,
        session: Session,
        *,
        sample_rate: int,
        source_language: str,
        target_languages: Collection[str],
        connection: Connection | None,
        member: Member | None,
        is_stored: bool,
        started: float,
    ) -> None:
        self.stream_id = stream_id
        self.session = session
        self.sample_rate = sample_rate
        self.source_language = source_language
        self.asked = frozenset(target_languages)
        self.connection = connection
        self.member = member
        self.participant_id = member.participant_id if member else None
        self.address = None if connection is None else address_of(connection.host)
        self.is_stored = is_stored
        self.started = started
        self.fed_at = self.spoken_at = trio.current_time()
        self.full_at = self.fed_at - AHEAD / CATCHING_UP
        self.scope = trio.CancelScope()
        self.feeding = trio.CancelScope()
        self.away: trio.CancelScope | None = None
        self.ended_by: MessageId | None = None
        self.is_open = True
        self.recording: RecordingFacts | None = None
        self.is_cancelled = False
        self.speech: SpeechStream

    @property
    def session_id(self) -> str:
        """Where it is spoken."""
        return self.session.session_id

    @property
    def silent_since(self) -> float | None:
        """Since when nobody has spoken in it; None where it is fed no more, or a recording."""
        return self.spoken_at if self.is_open and self.address is not None else None

    @property
    def is_unused(self) -> bool:
        """Whether it was never sent audio."""
        return not self.speech.received_seconds

    @property
    def until(self) -> float:
        """When its last sample was recorded, on the steady wall."""
        return self.started + self.speech.received_seconds

    def languages(self) -> Collection[str]:
        """Return what is translated into now."""
        return self.asked | self.session.languages()

    def feed(self, pcm: bytes) -> None:
        """Feed a part of a frame. Raises ``audio_not_started``, ``odd_byte_count``."""
        self.speech.feed(pcm)
        self.fed_at = trio.current_time()
        if self.speech.is_speaking:
            self.spoken_at = self.fed_at
        self.full_at = max(self.full_at, self.fed_at - AHEAD / CATCHING_UP)
        self.full_at += len(pcm) / 2 / self.sample_rate / CATCHING_UP
