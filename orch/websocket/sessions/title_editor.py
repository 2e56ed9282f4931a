"""Gives sessions their titles: stored in the session's record, and published to everyone in it."""

from typing import Final

from orch.problems import ProblemError
from orch.protocol.messages import SessionTitled, TitleSession
from orch.stores.records import Origin
from orch.websocket.connections.connection import Connection
from orch.websocket.sessions.session import CONFIG_LIMIT
from orch.websocket.sessions.session_title import clean_title, title_of, with_title
from orch.websocket.sessions.sessions import Sessions

#: How often a change is repeated that another one overtook.
_TRIES: Final = 8


class TitleEditor:
    """Handles ``title_session``, and operators' changes over HTTP. Who may is decided before. Stateless."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def handle(self, connection: Connection, message: TitleSession) -> None:
        """Give a session a title; the reply is ``session_titled`` with the request's ``id``."""
        member = connection.members.get(message.session_id)
        if member is None:
            raise ProblemError(
                "not_in_session", f"Join session {message.session_id} before you give it a title."
            )
        origin = None if message.id is None else Origin(connection.connection_id, message.id)
        await self.change(
            message.session_id, message.title, participant_id=member.participant_id, origin=origin
        )

    async def change(
        self, session_id: str, title: str, *, participant_id: str | None = None, origin: Origin | None = None
    ) -> None:
        """Store a session's title and publish it to everyone in it, on all workers.

        Of two changes at the same time the one stored last remains: a worker whose change was replaced before
        it was published publishes the stored title once more. Raises ``unknown_session`` and
        ``invalid_message``.
        """
        text = clean_title(title)
        async with self._sessions.open(session_id):
            await self._store(session_id, text)
            await self._publish(session_id, text, participant_id, origin)
            for _ in range(_TRIES):
                stored = title_of(await self._config(session_id))
                if stored == text:
                    return
                text = stored
                await self._publish(session_id, text)

    async def _store(self, session_id: str, title: str) -> None:
        for _ in range(_TRIES):
            known = await self._config(session_id)
            config = with_title(known, title)
            if len(config) > CONFIG_LIMIT:
                raise ProblemError(
                    "invalid_message",
                    f"$.title: With it the session's config has {len(config):,} bytes of JSON; it can have "
                    f"{CONFIG_LIMIT:,} at most.",
                    path="$.title",
                )
            if config == known or await self._sessions.store.replace_config(session_id, known, config):
                return
        raise ProblemError("rate_limited", "Others are changing this session's title too. Try again.")

    async def _config(self, session_id: str) -> bytes:
        record = await self._sessions.store.load(session_id)
        if record is None:
            raise ProblemError("unknown_session", f"The session {session_id} has ended.")
        return record.config

    async def _publish(
        self,
        session_id: str,
        title: str,
        participant_id: str | None = None,
        origin: Origin | None = None,
    ) -> None:
        async with self._sessions.open(session_id) as session:
            message = SessionTitled(
                timestamp=0, session_id=session_id, title=title, participant_id=participant_id
            )
            ticket = await self._sessions.begin_publish(session, message, origin)
        await ticket.wait()
