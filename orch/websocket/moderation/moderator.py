"""Carries out what hosts request: mute, remove and rename participants, lock a session, replace its keys."""

from collections.abc import Callable
from typing import Final

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from orch.access.actors import Actor
from orch.access.permissions import SPEAKERS
from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.protocol.identifiers import new_session_keys
from orch.protocol.messages import ParticipantRenamed, Role, Speaking
from orch.protocol.session_keys import GivenKeys, Right, given
from orch.stores.records import SessionRecord
from orch.telemetry.logs import AUDIT
from orch.websocket.moderation import decisions
from orch.websocket.moderation.decisions import Decisions, decode, encode
from orch.websocket.moderation.enforcement import Enforcement
from orch.websocket.participants.names import clean
from orch.websocket.sessions.join_codes import JoinCodes
from orch.websocket.sessions.sessions import Sessions

#: Seconds for the worker of a participant to rename them.
RENAME_WITHIN: Final = 1.0

#: Attempts at a change while others are made at the same time.
ATTEMPTS: Final = 10

_RENAME: Final = "rename_participant"

_log = structlog.get_logger(AUDIT)

Change = Callable[[Decisions], Decisions]


class Host(Struct, frozen=True):
    """A requester: a participant, or an operator over HTTP."""

    actor: Actor
    participant_id: str | None = None


class _Rename(Struct, frozen=True):
    """A request to all workers to rename a participant who is connected there."""

    session_id: str
    participant_id: str
    name: str


class Moderator:
    """Changes what the host of a session has decided, in the store and on all workers. Stateless.

    Every change is logged for the audit. Errors of all methods: ``unknown_session``, ``store_unavailable``.
    """

    def __init__(
        self, *, sessions: Sessions, enforcement: Enforcement, join_codes: JoinCodes, survey: Survey
    ) -> None:
        self._sessions = sessions
        self._enforcement = enforcement
        self._join_codes = join_codes
        self._survey = survey
        survey.register(_RENAME, self._reply_rename)

    async def decided(self, session_id: str) -> Decisions:
        """Return what is decided now."""
        return decode((await self._record(session_id)).moderation)

    async def set_session(
        self, host: Host, session_id: str, *, locked: bool | None, speaking: Speaking | None
    ) -> Decisions:
        """Lock or unlock a session, and decide who may speak; None: as before."""

        def change(decided: Decisions) -> Decisions:
            if locked is not None:
                decided = replace(decided, locked=locked)
            return decided if speaking is None else decisions.speaking_by(decided, speaking)

        return await self._change(host, session_id, "session set", change, locked=locked, speaking=speaking)

    async def mute(
        self, host: Host, session_id: str, participant_id: str | None, *, muted: bool
    ) -> Decisions:
        """Mute a participant, or let them speak. None: mute all who may speak now, except owners.

        Raises ``unknown_participant``, ``invalid_message``.
        """
        if participant_id is None:
            if not muted:
                raise ProblemError(
                    "invalid_message",
                    "$.participant_id: Required, but missing: participants are unmuted one by one.",
                    path="$.participant_id",
                )
            async with self._sessions.open(session_id) as session:
                wanted = session.speakers()
            return await self._change(
                host, session_id, "all muted", lambda decided: decisions.muting(decided, wanted)
            )
        await self._require_participant(session_id, participant_id)

        def change(decided: Decisions) -> Decisions:
            if muted:
                return decisions.muting(decided, (participant_id,))
            return decisions.unmuting(decided, participant_id)

        what = "participant muted" if muted else "participant unmuted"
        return await self._change(host, session_id, what, change, participant_id=participant_id)

    async def unmute(self, host: Host, session_id: str, *, is_owner: bool) -> Decisions:
        """Let a muted participant speak again who wants to, if the host allows it. Raises ``muted``."""
        assert host.participant_id is not None  # noqa: S101 - it is a participant
        me = host.participant_id

        def change(decided: Decisions) -> Decisions:
            role: Role = "owner" if is_owner else "participant"
            if not decided.is_muted(me, role):
                return decided
            if not decided.may_unmute(role):
                raise ProblemError(
                    "muted", "Only the host decides who may speak. Ask the host to unmute you."
                )
            return decisions.unmuting(decided, me)

        return await self._change(host, session_id, "participant unmuted themselves", change)

    async def remove(self, host: Host, session_id: str, participant_id: str, *, new_keys: bool) -> Decisions:
        """Remove a participant, who cannot return as the same one; ``new_keys``: nor with the former keys.

        Raises ``unknown_participant``; ``invalid_message`` for oneself.
        """
        if participant_id == host.participant_id:
            raise ProblemError(
                "invalid_message",
                "$.participant_id: You cannot remove yourself. Leave the session, or end it.",
                path="$.participant_id",
            )
        await self._require_participant(session_id, participant_id)
        decided = await self._change(
            host,
            session_id,
            "participant removed",
            lambda decided: decisions.removing(decided, participant_id),
            replaces_keys=new_keys,
            participant_id=participant_id,
        )
        await self._sessions.store.drop_participant(session_id, participant_id)
        return decided

    async def replace_keys(self, host: Host, session_id: str) -> GivenKeys:
        """Replace a session's keys, so that former links and codes stop; return the new ones."""
        await self._change(host, session_id, "keys replaced", lambda decided: decided, replaces_keys=True)
        return given((await self._record(session_id)).keys, Right.SPEAK)

    async def rename(self, host: Host, session_id: str, participant_id: str, name: str) -> str:
        """Rename a participant, on whichever worker they are, also in earlier lines; return the new name.

        Raises ``unknown_participant``, ``invalid_message``.
        """
        wanted = clean(name)
        if not wanted:
            raise ProblemError("invalid_message", "$.name: Empty.", path="$.name")
        await self._require_participant(session_id, participant_id)
        request = msgspec.json.encode(_Rename(session_id, participant_id, wanted))
        found = await self._survey.collect(_RENAME, request, within=RENAME_WITHIN)
        names = [msgspec.json.decode(reply.data, type=str | None) for reply in found.replies]
        named = next((each for each in names if each is not None), None)
        if named is None:  # they are not connected now
            async with self._sessions.open(session_id) as session:
                named = session.name_absent(participant_id, wanted)
            await self._sessions.publish(
                session_id,
                ParticipantRenamed(
                    timestamp=0, session_id=session_id, participant_id=participant_id, name=named
                ),
            )
        known = await self._sessions.store.participant(session_id, participant_id)
        if known is not None:
            await self._sessions.store.put_participant(session_id, replace(known, name=named))
        self._log(host, session_id, "participant renamed", participant_id=participant_id, name=named)
        return named

    def _reply_rename(self, payload: bytes) -> bytes:
        """Rename a participant if they are connected here; reply with their name now, or null."""
        wanted = msgspec.json.decode(payload, type=_Rename)
        session = self._sessions.cache.peek(wanted.session_id)
        member = None if session is None else session.member(wanted.participant_id)
        if session is None or member is None:
            return b"null"
        former, member.name = member.name, session.take_name(member.participant_id, wanted.name)
        self._sessions.presence.refresh(session, member)
        if member.name != former and member.role in SPEAKERS:  # observers have no captions
            self._sessions.on_renamed(session, member)
        return msgspec.json.encode(member.name)

    async def change(self, host: Host, session_id: str, what: str, change: Change) -> Decisions:
        """Make another change; ``what`` names it in the audit log."""
        return await self._change(host, session_id, what, change)

    async def _change(
        self,
        host: Host,
        session_id: str,
        what: str,
        change: Change,
        *,
        replaces_keys: bool = False,
        **details: object,
    ) -> Decisions:
        """Store changed decisions, on top of those that others store meanwhile; apply and log them."""
        keys = new_session_keys() if replaces_keys else None
        for _ in range(ATTEMPTS):
            record = await self._record(session_id)
            before = decode(record.moderation)
            after = change(before)
            if after == before and keys is None:
                # A former request may have been stored, and the notice of it not sent.
                await self._sessions.cluster.publish_moderation(session_id)
                return before
            after = replace(after, revision=before.revision + 1)
            data = encode(after)
            if await self._sessions.store.moderate(session_id, record.moderation, data, keys):
                break
        else:
            raise ProblemError("store_unavailable", "Others changed the session at the same time. Try again.")
        self._log(host, session_id, what, **details)
        self._enforcement.apply(replace(record, moderation=data, keys=keys or record.keys))
        await self._sessions.cluster.publish_moderation(session_id)
        if keys is not None:
            # A code leads to the keys of its session, so it would lead to the new ones.
            await self._join_codes.delete_all(session_id)
        return after

    async def _record(self, session_id: str) -> SessionRecord:
        record = await self._sessions.store.load(session_id)
        if record is None:
            raise ProblemError("unknown_session", f"No session is called {session_id}. It may have ended.")
        return record

    async def _require_participant(self, session_id: str, participant_id: str) -> None:
        """Raise ``unknown_participant`` unless the session has one of this id, who may be disconnected."""
        async with self._sessions.open(session_id) as session:
            if participant_id in session.present:
                return
            if await self._sessions.store.participant(session_id, participant_id) is not None:
                return
        raise ProblemError(
            "unknown_participant",
            f"No participant {participant_id} is in session {session_id}. They may have left.",
        )

    def _log(self, host: Host, session_id: str, what: str, **details: object) -> None:
        shown = {name: value for name, value in details.items() if value is not None}
        _log.info(
            "changed",
            change=what,
            via=host.actor.via,
            address=host.actor.address,
            session_id=session_id,
            by=host.participant_id,
            **shown,
        )
