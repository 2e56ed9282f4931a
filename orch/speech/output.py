"""Where a stream's captions go: a protocol that the caller of a stream implements. Pure."""

from collections.abc import Collection
from typing import Protocol

from orch.protocol.messages import AudioStatus, SpeakerIdentified, Transcript, Translation, TranslationUsage
from orch.protocol.terms import Terms


class CaptionOutput(Protocol):
    """Receives what a stream publishes, and knows what its readers read."""

    def languages(self) -> Collection[str]:
        """Return the languages to translate into now; called for every final."""

    def growing_languages(self) -> Collection[str]:
        """Return the languages into which growing lines are translated now; called for every revision."""

    def terms(self) -> Terms:
        """Return the session's names and terms now; called for every utterance and every translation."""

    async def publish(self, message: Transcript | Translation | SpeakerIdentified) -> object:
        """Store a message of the session and send it to everyone in it."""

    def send(self, message: Transcript | Translation | TranslationUsage | AudioStatus) -> object:
        """Send a message to everyone in the session, without storing it."""

    def acknowledge(self, status: AudioStatus) -> object:
        """Send the speaker alone how much of the speech has arrived."""
