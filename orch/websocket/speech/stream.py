"""A speech stream in the hub, and the protocol of its transcription."""

from collections.abc import Collection
from typing import Protocol

import trio

from orch.problems import ProblemError
from orch.protocol.messages import MessageId
from orch.speech.captions import Origin
from orch.speech.output import CaptionOutput
from orch.websocket.speech.pacing import CatchUpLimit
from orch.websocket.speech.sources import RecordingSource, SpeechSource


class SpeechStream(Protocol):
    """Transcribes speech into captions: see ``orch.speech.service``."""

    @property
    def seconds(self) -> float:
        """Seconds of speech accepted."""

    @property
    def received_seconds(self) -> float:
        """Seconds that have arrived or were skipped, exact to the sample."""

    @property
    def is_speaking(self) -> bool:
        """Whether speech is detected now."""

    @property
    def lost_seconds(self) -> float:
        """Seconds of speech given up."""

    @property
    def speech_seconds(self) -> float:
        """Seconds of speech in which words were recognised."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Transcribe what is fed, until the stream has ended and all of it is transcribed."""

    def feed(self, pcm: bytes) -> None:
        """Queue speech without waiting. Raises ``odd_byte_count``."""

    async def feed_paced(self, pcm: bytes) -> None:
        """Queue speech; waits while much is queued."""

    def end(self) -> None:
        """End the input."""

    def release(self) -> float:
        """End the stream before the current utterance; return its length in seconds."""

    def skip(self, seconds: float, error: ProblemError) -> None:
        """Insert a gap for speech that was lost."""

    def rename(self, speaker: str | None) -> None:
        """Change the speaker's name in captions from now on."""

    def acknowledge(self) -> None:
        """Send the speaker how much has arrived."""


class Speech(Protocol):
    """Creates streams: see ``orch.speech.service``."""

    def stream(
        self, origin: Origin, *, sample_rate: int, output: CaptionOutput, address: str
    ) -> SpeechStream:
        """Return a stream. Raises ``unsupported_sample_rate``, ``unsupported_language``."""


class Stream:
    """A stream that is open, waits for its speaker to return, or is being transcribed to its end.

    ``source``: its speaker; another object once the speaker has returned over another connection.
    """

    def __init__(self, stream_id: str, source: SpeechSource, *, started: float) -> None:
        self.stream_id = stream_id
        self.session = source.session
        self.source = source
        self.is_stored = source.is_stored
        self.started = started
        self.fed_at = self.spoken_at = trio.current_time()
        self.scope = trio.CancelScope()
        self.feeding = trio.CancelScope()
        self.away: trio.CancelScope | None = None
        self.ended_by: MessageId | None = None
        self.is_open = True
        self.is_cancelled = False
        self.speech: SpeechStream
        self._limit = CatchUpLimit(self.fed_at)

    @property
    def session_id(self) -> str:
        """The session it is spoken in."""
        return self.session.session_id

    @property
    def participant_id(self) -> str | None:
        """The speaker's participant id; None for a recording."""
        return self.source.participant_id

    @property
    def address(self) -> str | None:
        """The address that the limits count it for."""
        return self.source.address

    @property
    def recording(self) -> RecordingSource | None:
        """The recording that is read, if it is one."""
        return self.source if isinstance(self.source, RecordingSource) else None

    @property
    def silent_since(self) -> float | None:
        """Since when no speech was detected; None if it is no longer fed, or cannot be idle."""
        return self.spoken_at if self.is_open and self.address is not None else None

    @property
    def is_unused(self) -> bool:
        """Whether it has received no audio."""
        return not self.speech.received_seconds

    @property
    def until(self) -> float:
        """When its last sample was recorded, on the slewed clock."""
        return self.started + self.speech.received_seconds

    def languages(self) -> Collection[str]:
        """Return the languages to translate into now."""
        return self.source.target_languages | self.session.languages()

    def feed(self, pcm: bytes) -> float | None:
        """Feed a part of a frame; return when more may be fed, None: at once.

        Raises ``audio_not_started``, ``odd_byte_count``.
        """
        self.speech.feed(pcm)
        now = self.fed_at = trio.current_time()
        if self.speech.is_speaking:
            self.spoken_at = now
        ready_at = self._limit.add(len(pcm) / 2 / self.source.sample_rate, now)
        return ready_at if ready_at > now else None
