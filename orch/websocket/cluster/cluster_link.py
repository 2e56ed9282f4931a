"""Messages and participants of sessions, exchanged with the other workers through the store.

Stored messages reach every worker as they are appended. This sends what is not stored: interim captions,
sound, changes of a session's participants (:class:`PresenceSync`), its terms and pipeline, and that its host
has decided something.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import structlog
import trio
from msgspec import Raw, Struct

from orch.audio.pipeline_choice import decoded
from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.protocol.terms import Terms
from orch.stores.protocols import ClusterStore
from orch.stores.records import SessionRecord
from orch.websocket.cluster.presence_sync import PresenceSync
from orch.websocket.connections.outbox import Frame
from orch.websocket.participants.presence import PresencePublisher
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.session_cache import SessionCache


class _Object(Struct):
    """Any JSON object."""


class _TermsNotice(Struct):
    """Names and terms that another worker stored, as its clients received them."""

    terms: Terms
    revision: int


class _PipelineNotice(Struct):
    """A pipeline that another worker stored, as its clients received it."""

    pipeline: Raw
    revision: int


_pipelines: Final = msgspec.json.Decoder(_PipelineNotice)
_terms: Final = msgspec.json.Decoder(_TermsNotice)
_objects: Final = msgspec.json.Decoder(_Object)

_log = structlog.get_logger("websocket")

SURVEY_WITHIN: Final = 0.5
"""Seconds that the first client to join waits for the other workers to send their participants."""

_TRANSIENT: Final = b"m"
_DURABLE: Final = b"M"
_PARTICIPANTS: Final = b"p"
_SURVEY: Final = b"?"
_MODERATION: Final = b"d"
_TERMS: Final = b"t"
_PIPELINE: Final = b"a"
_SOUND: Final = b"s"


class ClusterLink:
    """Exchanges a session's messages and participants with the other workers.

    ``moderated`` is called with a session whose host has decided something through another worker,
    ``pipeline_changed`` with one whose pipeline was changed there.
    Its state is ``invalid``, the number of malformed messages, and whether messages may have been lost.
    """

    is_shared = True

    def __init__(
        self,
        store: ClusterStore,
        survey: Survey,
        *,
        cache: SessionCache,
        presence: PresencePublisher,
        moderated: Callable[[str], None] = lambda _session_id: None,
        pipeline_changed: Callable[[Session], None] = lambda _session: None,
    ) -> None:
        self._store = store
        self._cache = cache
        self._moderated = moderated
        self._pipeline_changed = pipeline_changed
        self._presence_sync = PresenceSync(
            survey.me.name,
            publish=lambda session_id, delta: store.publish(session_id, _PARTICIPANTS + delta),
            request=lambda session_id, worker: store.publish(session_id, _SURVEY + worker.encode()),
            cache=cache,
            presence=presence,
        )
        self.run = self._presence_sync.run
        self.boundaries = (self._presence_sync.boundary,)
        self.invalid = 0
        self._interruption = trio.Event()
        self.drop = self._presence_sync.drop
        survey.on_heartbeat = self._presence_sync.check_workers

    async def load(self, session_id: str) -> SessionRecord | None:
        """Load a session and follow it; None if it does not exist."""
        return await self._store.follow(session_id)

    def begin(self, session_id: str) -> None:
        """Note that a session was loaded and that its participants on other workers are not known yet."""
        self._presence_sync.survey.begin(session_id, trio.current_time())

    def is_known(self, session_id: str, *, is_cached: bool = True) -> bool:
        """Return whether a session's participants on all workers are known."""
        return is_cached and self._presence_sync.survey.is_known(session_id, trio.current_time())

    async def learn(self, session_id: str) -> None:
        """Wait until every worker that follows a session has sent its participants, or :data:`SURVEY_WITHIN`.

        The first caller sends the request.
        """
        survey = self._presence_sync.survey
        with trio.move_on_after(SURVEY_WITHIN):
            if survey.is_to_be_sent(session_id):
                try:
                    survey.sent(session_id, await self._store.publish_counted(session_id, _SURVEY))
                except ProblemError:
                    survey.not_sent(session_id)  # the next client to join sends it again
                    return
            await survey.wait(session_id)

    async def reach(self, session_id: str, offset: int) -> None:
        """Wait until all messages up to ``offset`` have arrived, or it is certain that there are none."""
        await self._store.wait_for(session_id, offset)

    def publish(self, session_id: str, frame: Frame) -> None:
        """Send a frame that is not stored to the members of a session on other workers."""
        self._store.publish(session_id, (_DURABLE if frame.is_durable else _TRANSIENT) + frame.data)

    def publish_audio(self, session_id: str, frame: Frame) -> None:
        """Send sound to the members of a session on other workers who receive it."""
        self._store.publish(session_id, _SOUND + frame.data)

    async def publish_moderation(self, session_id: str) -> None:
        """Notify the other workers that what the host of a session decided has changed: they read it."""
        await self._store.publish_counted(session_id, _MODERATION)

    def publish_terms(self, session_id: str, frame: Frame) -> None:
        """Send changed names and terms to the other workers that have the session."""
        self._store.publish(session_id, _TERMS + frame.data)

    def publish_pipeline(self, session_id: str, frame: Frame) -> None:
        """Send a changed pipeline to the other workers that have the session."""
        self._store.publish(session_id, _PIPELINE + frame.data)

    def resynchronise(self) -> None:
        """Exchange all participants with the other workers again: messages between them were lost."""
        self._presence_sync.resynchronise()
        self._interruption.set()

    async def interrupted(self) -> None:
        """Wait until messages of other workers may have been lost, and they can be reached again."""
        await self._interruption.wait()
        self._interruption = trio.Event()

    def idle_since(self, before: float) -> float:
        """Return ``before``: only the store knows whether a session is in use on another worker."""
        return before

    def receive(self, session_id: str, payload: bytes) -> None:
        """Apply a message that another worker published about a session; an invalid one is counted."""
        kind, rest = payload[:1], payload[1:]
        if kind == _MODERATION:
            self._moderated(session_id)
            return
        session = self._cache.peek(session_id)
        if session is None:
            if kind == _SURVEY:
                self._presence_sync.reply_empty(session_id)
            return
        try:
            if kind in (_TRANSIENT, _DURABLE):
                _require_object(rest)
                session.deliver(Frame(rest, is_durable=kind == _DURABLE))
            elif kind == _SOUND:
                _require_object(rest)
                session.deliver_audio(Frame(rest, is_durable=False))
            elif kind in (_TERMS, _PIPELINE):
                _require_object(rest)
                (self._receive_terms if kind == _TERMS else self._receive_pipeline)(session, rest)
            elif kind == _PARTICIPANTS:
                self._presence_sync.apply(session, rest)
            elif kind == _SURVEY:
                self._presence_sync.reply(session, rest.decode())
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            # Anyone with access to the Redis server can publish there.
            self.invalid += 1
            _log.debug("message of another worker invalid", session=session_id, reason=str(error)[:200])

    def _receive_terms(self, session: Session, rest: bytes) -> None:
        changed = _terms.decode(rest)
        if session.set_terms(changed.terms, changed.revision):
            session.deliver_to_speakers(Frame(rest, is_durable=True))

    def _receive_pipeline(self, session: Session, rest: bytes) -> None:
        changed = _pipelines.decode(rest)
        pipeline = bytes(changed.pipeline)
        pipeline = b"" if pipeline == b"null" else pipeline
        decoded(pipeline)  # raises if it is none
        if session.set_pipeline(pipeline, changed.revision):
            session.deliver_to_speakers(Frame(rest, is_durable=True))
            self._pipeline_changed(session)


def _require_object(frame: bytes) -> None:
    """Raise ValueError or a MsgspecError unless a frame is a JSON object in UTF-8, as clients expect."""
    frame.decode()
    _objects.decode(frame)
