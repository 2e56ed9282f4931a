"""The state of one realtime connection: which events are valid now, and how much sound is stored. Pure."""

from collections.abc import Collection
from typing import Final

from msgspec import Struct

from orch.sandbox.engines.recorded_speech import BYTES_PER_SECOND
from orch.sandbox.realtime.events import Append, Commit, EventError, Update, shortened, too_much
from orch.sandbox.realtime.growing_sound import LONGEST, GrowingSound


class RealtimeLimits(Struct, frozen=True, kw_only=True):
    """The limits of ``/v1/realtime``."""

    sockets: int = 16
    """Connections at the same time; more are refused with 503."""
    stored: float = 120.0
    """Seconds of sound before the commit that starts an utterance; more is refused."""
    ahead: float = 15.0
    """Seconds of sound stored besides one window, from which on the connection is not read."""
    utterance: float = 1800.0
    """Seconds of one utterance, as of an uploaded recording; more is refused."""
    silence: float = 120.0
    """Seconds without an event, while nothing is being finished, after which the connection is closed."""


DEFAULT_LIMITS: Final = RealtimeLimits()


class Session:
    """The session of one connection: one utterance after the other.

    The mutable state is the model's validation, the language, the utterance's sound and how much of it was
    accepted, and whether it is being transcribed.
    """

    def __init__(self, limits: RealtimeLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._is_validated = False
        self._accepted = 0
        self.language: str | None = None
        self.sound = GrowingSound()
        self.is_transcribing = False

    @property
    def is_finishing(self) -> bool:
        """Whether the client has sent everything and waits for ``transcription.done``."""
        return self.is_transcribing and self.sound.is_complete

    @property
    def has_room(self) -> bool:
        """Whether more events may be read: the sound is not too far ahead of the engine.

        If not, there is a step: more than a window is stored.
        """
        return not self.is_transcribing or self.sound.seconds <= LONGEST + self._limits.ahead

    def update(self, event: Update, models: Collection[str]) -> None:
        """Apply ``session.update``. ``models``: the names of the loaded model."""
        if event.model is not None and event.model not in models:
            raise EventError("model_not_found", f"The model `{shortened(event.model)}` does not exist.")
        self._is_validated = True
        self.language = event.language

    def append(self, event: Append) -> None:
        """Store sound. After the utterance's end it is dropped until ``transcription.done``, as by vLLM."""
        if self.sound.is_complete:
            return
        longest = self._limits.utterance if self.is_transcribing else self._limits.stored
        if self._accepted + len(event.pcm) > longest * BYTES_PER_SECOND:
            raise too_much(longest, is_started=self.is_transcribing)
        self._accepted += len(event.pcm)
        self.sound.append(event.pcm)

    def commit(self, event: Commit) -> None:
        """Start an utterance, or end its sound. One that has started is not started again, as by vLLM."""
        if not self._is_validated:
            raise EventError(
                "model_not_validated",
                "Model not validated. Make sure to validate the model by sending a session.update event.",
            )
        if event.is_final:
            self.sound.complete()
        else:
            self.is_transcribing = True

    def finish(self) -> None:
        """End the utterance: it is done, or has failed. What was stored of it is dropped."""
        self.sound = GrowingSound()
        self._accepted = 0
        self.is_transcribing = False
