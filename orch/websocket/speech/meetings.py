"""Sessions in which bots publish what is said in a meeting: :class:`orch.bots.pipeline.ports.Hub`."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final

import msgspec
import trio
from msgspec import UNSET

from orch.problems import ProblemError
from orch.protocol.messages import AudioReceiving, ReceiveAudio, ServerMessage, SpeakerAudio
from orch.protocol.terms import Terms
from orch.websocket.connections.connection import Connection
from orch.websocket.connections.outbox import frame
from orch.websocket.history.shares import Numbered
from orch.websocket.sessions.entrance import reply_id
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.sessions import Sessions

LOOKED_UP: Final = 0.5
"""Seconds after which it is looked up again whether anyone receives sound."""


class AttendedSession:
    """A session that a bot holds open: it does not expire meanwhile, however silent the meeting is."""

    def __init__(self, session: Session, sessions: Sessions) -> None:
        self._session = session
        self._sessions = sessions
        self._look_at = float("-inf")
        self._wants_audio = False

    def __repr__(self) -> str:
        return f"<AttendedSession {self._session!r}>"

    @property
    def wants_audio(self) -> bool:
        """Whether any participant, on any worker, receives the raw sound of speakers.

        Looked up every :data:`LOOKED_UP` seconds: a meeting has many blocks of sound a second.
        """
        now = trio.current_time()
        if now >= self._look_at:
            self._look_at = now + LOOKED_UP
            self._wants_audio = self._session.wants_audio
        return self._wants_audio

    def languages(self) -> Collection[str]:
        """Return the languages that its participants read now."""
        return self._session.languages()

    def growing_languages(self) -> Collection[str]:
        """Return the languages into which growing lines are translated now."""
        return self._session.growing_languages()

    def terms(self) -> Terms:
        """Return its names and terms."""
        return self._session.terms

    async def publish(self, message: Numbered, *, speaker: str) -> int:
        """Store a message and send it to everyone; see :meth:`Sessions.publish`."""
        # A track's name in a share has a space, which no participant's id has.
        share = f"bot {speaker}" if speaker else ""
        return await self._sessions.publish(self._session.session_id, message, speaker=share)

    def send(self, message: ServerMessage) -> None:
        """Send a message to everyone, without storing it."""
        self._sessions.broadcast(self._session.session_id, message)

    def send_audio(self, message: SpeakerAudio) -> None:
        """Send sound to those who receive it; it is shed for a client that is behind."""
        sent = frame(msgspec.structs.replace(message, timestamp=self._sessions.now_ms()), is_durable=False)
        self._session.deliver_audio(sent)
        self._sessions.cluster.publish_audio(self._session.session_id, sent)


class Meetings:
    """Opens sessions for bots, and notes who receives their sound. Stateless."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @asynccontextmanager
    async def attend(self, session_id: str, *, title: str = "") -> AsyncIterator[AttendedSession]:
        """Hold a session open for the block; one that does not exist is created, with a title.

        Raises ``store_unavailable``, ``store_full``.
        """
        try:
            await self._sessions.view(session_id)
        except ProblemError as error:
            if error.code != "unknown_session":
                raise
            await self._create(session_id, title)
        async with self._sessions.open(session_id) as session:
            yield AttendedSession(session, self._sessions)

    async def receive_audio(self, connection: Connection, message: ReceiveAudio) -> None:
        """Have a member receive the sound of the meeting's speakers, or no longer."""
        member = connection.members.get(message.session_id)
        if member is None:
            raise ProblemError("not_in_session", f"Join session {message.session_id} to receive its sound.")
        async with self._sessions.open(message.session_id) as session:
            member.audio = True if message.enabled else UNSET
            self._sessions.presence.refresh(session, member)
        connection.answer(
            AudioReceiving(
                timestamp=self._sessions.now_ms(),
                id=reply_id(message.id),
                session_id=message.session_id,
                enabled=message.enabled,
            )
        )

    async def _create(self, session_id: str, title: str) -> None:
        try:
            await self._sessions.create(session_id, {"title": title} if title else {})
        except ProblemError as error:
            if error.code != "session_exists":  # another caller has just created it
                raise
