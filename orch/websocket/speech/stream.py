"""A speech stream in the hub: its source, its state, and its transcription."""

from collections.abc import Collection
from typing import Final

import trio
from msgspec import UnsetType

from orch.audio.pipeline_settings import PipelineSettings
from orch.protocol.messages import MessageId
from orch.speech.stream import SpeechStream
from orch.websocket.sessions.session_pipeline import pipeline_of
from orch.websocket.speech.pacing import CatchUpLimit
from orch.websocket.speech.sources import RecordingSource, SpeechSource

#: Seconds that a speaker waits with the next frame while its pipeline is behind.
CROWDED_PAUSE: Final = 0.1


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

    def pipeline(self) -> PipelineSettings | None:
        """Return what its sound passes through now: what its source asked for, else the session's."""
        own = self.source.pipeline
        return pipeline_of(self.session) if isinstance(own, UnsetType) else own

    def feed(self, pcm: bytes) -> float | None:
        """Feed a part of a frame; return when more may be fed, None: at once.

        Raises ``audio_not_started``, ``odd_byte_count``.
        """
        self.speech.feed(pcm)
        now = self.fed_at = trio.current_time()
        if self.speech.is_speaking:
            self.spoken_at = now
        ready_at = self._limit.add(len(pcm) / 2 / self.source.sample_rate, now)
        if self.speech.is_crowded:
            ready_at = max(ready_at, now + CROWDED_PAUSE)
        return ready_at if ready_at > now else None
