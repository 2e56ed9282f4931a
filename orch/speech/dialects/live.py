"""What a live dialect is: the conversation over one WebSocket, without the socket. Pure.

The service's own segmenter decides what an utterance is; the vendor's is not used. So the sound of an
utterance is held until its final has come, whatever happens to a socket, and silence is not sent.

A request carries the whole utterance so far. The conversation knows what of it was sent already, and sends
the rest; a new conversation, after a lost connection, sends it from the beginning.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from orch.audio.resampling import BACK_END_RATE
from orch.speech.results import Transcription

Frame = str | bytes
"""A WebSocket message: text, or binary."""

CUT: Final = BACK_END_RATE // 2
"""Samples sent beyond the end of an utterance from which it must have been cut: silence is shorter."""


@dataclass(frozen=True, slots=True)
class Sound:
    """The sound of an utterance so far. ``start`` and ``end`` are samples of the stream at 16 kHz."""

    start: int
    end: int
    pcm: bytes


class LiveConversation(Protocol):
    """One conversation with a vendor: which messages to send, and what the received ones mean."""

    path: str
    """The path of the socket, with its query."""
    keep_alive: str | None
    """The message that keeps an idle connection open."""
    closing: str | None
    """The message after which the vendor ends its work."""

    @property
    def news(self) -> int:
        """How many messages have changed the text."""

    @property
    def can_begin(self) -> bool:
        """Whether another utterance can begin on this connection."""

    def can_continue(self, sound: Sound) -> bool:
        """Return whether an utterance, ``sound`` so far, can go on from what was sent of it."""

    @property
    def is_finishing(self) -> bool:
        """Whether the text of an utterance has been requested and is not complete."""

    @property
    def is_nearly_finished(self) -> bool:
        """Whether so little is missing that the vendor may have nothing to send for it."""

    def opening(self) -> list[Frame]:
        """Return the first messages."""

    def begin(self, start: int) -> list[Frame]:
        """Begin an utterance at a sample of the stream."""

    def sound(self, sound: Sound) -> list[Frame]:
        """Return the messages with what was not sent of an utterance."""

    def finish(self, sound: Sound) -> list[Frame]:
        """Return the messages that request the text of the whole utterance."""

    def receive(self, message: Frame) -> None:
        """Apply a message of the vendor. Raises RefusedError, ProblemError."""

    def transcription(self, sound: Sound) -> Transcription:
        """Return the text of the utterance so far."""
