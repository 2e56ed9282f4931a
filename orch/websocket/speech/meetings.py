"""Sessions in which bots publish what is said in a meeting: :class:`orch.bots.pipeline.ports.Hub`."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from orch.problems import ProblemError
from orch.protocol.messages import ServerMessage, SpeakerAudio
from orch.protocol.terms import Terms
from orch.websocket.history.shares import Numbered
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.sessions import Sessions


class AttendedSession:
    """A session that a bot holds open: it does not expire meanwhile, however silent the meeting is."""

    def __init__(self, session: Session, sessions: Sessions) -> None:
        self._session = session
        self._sessions = sessions

    def __repr__(self) -> str:
        return f"<AttendedSession {self._session!r}>"

    @property
    def wants_audio(self) -> bool:
        """Whether any participant, on any worker, receives the raw sound of speakers."""
        return False

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
        """Send sound to those who receive it."""


class Meetings:
    """Opens sessions for bots. Stateless."""

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

    async def _create(self, session_id: str, title: str) -> None:
        try:
            await self._sessions.create(session_id, {"title": title} if title else {})
        except ProblemError as error:
            if error.code != "session_exists":  # another caller has just created it
                raise
