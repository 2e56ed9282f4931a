"""Publishes the captions of a stream in its session."""

from collections.abc import Collection
from typing import Final

import trio

from orch.problems import ProblemError
from orch.protocol.messages import AudioStatus, SpeakerIdentified, Transcript, Translation, TranslationUsage
from orch.protocol.terms import Terms
from orch.websocket.sessions.sessions import Sessions
from orch.websocket.speech.stream import Stream

#: Seconds for which a caption is published again while the store cannot be written, and between two attempts.
PUBLISH_WITHIN: Final = 60.0
PUBLISH_AGAIN: Final = 1.0


class SessionOutput:
    """The :class:`~orch.speech.output.CaptionOutput` of a stream: its session. It has no state of its own."""

    def __init__(self, stream: Stream, sessions: Sessions) -> None:
        self._stream = stream
        self._sessions = sessions

    def languages(self) -> Collection[str]:
        """Return what the speaker asked for and what the participants read now."""
        return self._stream.languages()

    def growing_languages(self) -> Collection[str]:
        """Return what the participants read who want growing lines translated."""
        return self._stream.session.growing_languages()

    def terms(self) -> Terms:
        """Return the session's names and terms."""
        return self._stream.session.terms

    async def publish(self, message: Transcript | Translation | SpeakerIdentified) -> int:
        """Publish a caption; it takes its speaker's share of the history.

        What was recognised is not given up because the store is unavailable for a while.
        """
        give_up_at = trio.current_time() + PUBLISH_WITHIN
        while True:
            try:
                return await self._sessions.publish(
                    self._stream.session_id, message, speaker=self._stream.participant_id or ""
                )
            except ProblemError as error:
                if error.code != "store_unavailable" or trio.current_time() >= give_up_at:
                    raise
            await trio.sleep(PUBLISH_AGAIN)

    def send(self, message: Transcript | Translation | TranslationUsage | AudioStatus) -> None:
        """Send a message to everyone in the session, without storing it."""
        self._sessions.broadcast(self._stream.session_id, message)

    def acknowledge(self, status: AudioStatus) -> None:
        """Send the speaker how much has arrived."""
        self._stream.source.acknowledge(status)
