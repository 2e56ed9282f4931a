"""What the speech of sessions passes through: set by hosts, applied to running streams on all workers."""

from typing import Final

import msgspec
import structlog
import trio
from msgspec import UNSET, Raw, Struct, UnsetType

from orch.audio.pipeline_choice import decoded, encoded, settings_of
from orch.audio.pipeline_settings import PipelineSettings, SettingsFaultError
from orch.audio.resampling import BACK_END_RATE
from orch.problems import ProblemError
from orch.protocol.messages import PipelineChoice, PipelineSet, SetPipeline
from orch.stores.records import SessionRecord
from orch.telemetry.boundaries import Boundary
from orch.websocket.connections.connection import Connection
from orch.websocket.connections.outbox import frame
from orch.websocket.participants.member import Member
from orch.websocket.sessions.entrance import reply_id
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.session_shared import Change, Shared
from orch.websocket.sessions.sessions import Sessions

#: Faults that the sentence of an error lists; its ``faults`` have all.
FAULTS_LISTED: Final = 3

_log = structlog.get_logger("websocket")


class PipelineShown(Struct, frozen=True, kw_only=True):
    """What a session's speech passes through: a preset's name or settings; null: nothing.

    ``revision``: how often it was set since the session was created.
    """

    pipeline: PipelineChoice | None
    revision: int


def accepted_pipeline(choice: PipelineChoice | None) -> bytes:
    """Return a pipeline as it is stored. Raises ``invalid_settings`` with all ``faults``.

    Their paths are those of the settings, such as ``vad.aggressiveness``.
    """
    try:
        if choice is not None:
            settings_of(choice, sample_rate=BACK_END_RATE)
        return encoded(choice)
    except SettingsFaultError as error:
        listed = "; ".join(f"{one.path}: expected {one.expected}" for one in error.faults[:FAULTS_LISTED])
        more = len(error.faults) - FAULTS_LISTED
        faults = [{"path": one.path, "expected": one.expected} for one in error.faults]
        raise ProblemError(
            "invalid_settings",
            f"$.pipeline: {listed}{f'; and {more} more' if more > 0 else ''}.",
            path="$.pipeline",
            faults=faults,
        ) from None


def requested_pipeline(
    choice: PipelineChoice | UnsetType | None,
) -> PipelineSettings | UnsetType | None:
    """Return what a stream asks for, UNSET where it does not. Raises ``invalid_settings``."""
    return UNSET if isinstance(choice, UnsetType) else decoded(accepted_pipeline(choice))


def pipeline_of(session: Session) -> PipelineSettings | None:
    """Return what a session's speech passes through now.

    None: nothing, or what this version does not know.
    """
    try:
        return decoded(session.pipeline)
    except (SettingsFaultError, msgspec.MsgspecError) as error:
        _log.warning("pipeline unknown", session_id=session.session_id, reason=str(error)[:200])
        return None


class SessionPipelines:
    """Handles ``set_pipeline``, and operators' changes over HTTP. Who may send it is decided before.

    Stateless.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._shared: Shared[PipelineSet] = Shared(
            sessions,
            boundary=Boundary("pipelines of sessions"),
            title="The pipeline",
            publish=sessions.cluster.publish_pipeline,
            take=self._take,
        )
        self.boundary = self._shared.boundary

    async def handle(self, connection: Connection, message: SetPipeline) -> None:
        """Store a session's pipeline and send it to those who may speak; the sender with the ``id``.

        Raises ``not_in_session``, ``invalid_settings``, ``store_full``.
        """
        member = connection.members.get(message.session_id)
        if member is None:
            raise ProblemError("not_in_session", f"Join session {message.session_id} to set its pipeline.")
        changed = await self.set(message.session_id, message.pipeline, by=member)
        member.deliver(frame(msgspec.structs.replace(changed, id=reply_id(message.id)), is_durable=True))

    async def set(
        self, session_id: str, choice: PipelineChoice | None, *, by: Member | None = None
    ) -> PipelineSet:
        """Store a session's pipeline, apply it, and send it to all who may speak but ``by``.

        Raises ``unknown_session``, ``invalid_settings``, ``store_full``.
        """
        pipeline = accepted_pipeline(choice)
        change = Change(
            size=len(pipeline),
            store=lambda known_id: self._sessions.store.store_pipeline(known_id, pipeline),
            message=lambda session, revision: msgspec.structs.replace(
                self._shown(session.session_id, pipeline, revision),
                participant_id=UNSET if by is None else by.participant_id,
            ),
            apply=lambda session, revision: self._apply(session, pipeline, revision),
        )
        return await self._shared.set(session_id, change, by=by)

    async def shown(self, session_id: str) -> PipelineShown:
        """Return a session's pipeline now. Raises ``unknown_session``."""
        session = await self._sessions.view(session_id)
        return PipelineShown(
            pipeline=msgspec.json.decode(session.pipeline or b"null"), revision=session.pipeline_revision
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read the pipelines of sessions in use again whenever messages of other workers were lost."""
        await self._shared.run(task_status=task_status)

    def _apply(self, session: Session, pipeline: bytes, revision: int) -> bool:
        is_new = session.set_pipeline(pipeline, revision)
        if is_new:
            self._sessions.on_pipeline(session)
        return is_new

    def _take(self, session: Session, record: SessionRecord) -> PipelineSet | None:
        if not self._apply(session, record.pipeline, record.pipeline_revision):
            return None
        return self._shown(session.session_id, session.pipeline, session.pipeline_revision)

    def _shown(self, session_id: str, pipeline: bytes, revision: int) -> PipelineSet:
        return PipelineSet(
            timestamp=self._sessions.now_ms(),
            session_id=session_id,
            pipeline=Raw(pipeline or b"null"),
            revision=revision,
        )
