"""What is said in sessions here and heard on other workers, and the other way round.

What is kept reaches every worker through the store. What passes is told through it too: captions that will be
revised, and who is in a session (:class:`PresenceSync`).
"""

from collections.abc import Callable
from typing import Final

import msgspec
import structlog
import trio
from msgspec import Struct

from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.stores.records import ClusterStore, SessionRecord, SteadyStore
from orch.websocket.cluster.presence_sync import PresenceSync
from orch.websocket.connections.outbox import Frame
from orch.websocket.participants.presence import PresencePublisher
from orch.websocket.sessions.session_cache import SessionCache


class _Object(Struct):
    """Any JSON object."""


_objects: Final = msgspec.json.Decoder(_Object)

_log = structlog.get_logger("websocket")

SURVEY_WITHIN: Final = 0.5
"""Seconds that whoever comes first waits for the other workers to send who is in the session there."""

_PASSING: Final = b"m"
_LASTING: Final = b"M"
_PRESENT: Final = b"p"
_WHO: Final = b"?"


class ClusterLink:
    """The same sessions on other workers.

    It keeps no state of its own but ``not_understood``, how many messages were not of the form that ours are.
    """

    def __init__(
        self, store: ClusterStore, survey: Survey, *, cache: SessionCache, presence: PresencePublisher
    ) -> None:
        self._store = store
        self._cache = cache
        self._presence_sync = PresenceSync(
            survey.me.name,
            tell=lambda session_id, told: store.tell(session_id, _PRESENT + told),
            ask=lambda session_id, worker: store.tell(session_id, _WHO + worker.encode()),
            cache=cache,
            presence=presence,
        )
        self.run = self._presence_sync.run
        self.boundary = self._presence_sync.boundary
        self.not_understood = 0
        self.on_ended: Callable[[str], None] | None = None
        self.on_lost: Callable[[str], None] | None = None
        self.on_state: Callable[[bool], None] | None = None
        store.on_told = self._heard
        store.on_gone = self._gone
        store.on_lost = self._lost
        store.on_state = self._changed
        self._is_steady = isinstance(store, SteadyStore)
        if isinstance(store, SteadyStore):
            store.on_steady = self._announce
        store.is_unused = self._is_unused
        survey.on_heartbeat = self._presence_sync.call

    async def load(self, session_id: str) -> SessionRecord | None:
        """Return a session and have what follows told of, or None."""
        return await self._store.watch(session_id)

    def begin(self, session_id: str) -> None:
        """Note that a session has come into memory, and that it is not known who is in it elsewhere."""
        self._presence_sync.survey.begin(session_id, trio.current_time())

    def is_known(self, session_id: str) -> bool:
        """Whether it is known who is in a session in memory on other workers."""
        return self._presence_sync.survey.is_known(session_id, trio.current_time())

    async def learn(self, session_id: str) -> None:
        """Return when every worker that follows a session has sent who is in it there, or soon after.

        The first caller sends the request.
        """
        survey = self._presence_sync.survey
        with trio.move_on_after(SURVEY_WITHIN):
            if survey.is_to_be_sent(session_id):
                try:
                    survey.sent(session_id, await self._store.survey(session_id, _WHO))
                except ProblemError:
                    survey.not_sent(session_id)  # whoever comes next asks
                    return
            await survey.wait(session_id)

    async def reach(self, session_id: str, offset: int) -> None:
        """Return once everything up to ``offset`` was told of here, or it is sure that there is no such."""
        await self._store.reach(session_id, offset)

    def tell(self, session_id: str, said: Frame) -> None:
        """Say a frame that is not kept to those in the session on other workers."""
        self._store.tell(session_id, (_LASTING if said.is_lasting else _PASSING) + said.data)

    # What the store tells.

    def _heard(self, session_id: str, payload: bytes) -> None:
        kind, rest = payload[:1], payload[1:]
        session = self._cache.peek(session_id)
        if session is None:
            if kind == _WHO:
                self._presence_sync.answer_nobody(session_id)
            return
        try:
            if kind in (_PASSING, _LASTING):
                _require_object(rest)
                session.deliver(Frame(rest, is_lasting=kind == _LASTING))
            elif kind == _PRESENT:
                self._presence_sync.hear(session, rest)
            elif kind == _WHO:
                self._presence_sync.answer(session, rest.decode())
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            # Anyone who can speak to the server can say anything there.
            self.not_understood += 1
            _log.debug("message of another worker invalid", session=session_id, reason=str(error)[:200])

    def _gone(self, session_id: str) -> None:
        self._presence_sync.let_go(session_id)
        if self.on_ended is not None:
            self.on_ended(session_id)

    def _lost(self, session_id: str) -> None:
        self._presence_sync.let_go(session_id)
        if self.on_lost is not None:
            self.on_lost(session_id)

    def _is_unused(self, session_id: str) -> bool:
        is_unused = self._cache.let_go(session_id)
        if is_unused:
            self._presence_sync.let_go(session_id)
        return is_unused

    def _changed(self, is_open: bool) -> None:  # noqa: FBT001 - the store calls it so
        if not self._is_steady:
            self._announce(is_open)
        if is_open:
            self._presence_sync.begin_anew()

    def _announce(self, is_open: bool) -> None:  # noqa: FBT001 - the same
        if self.on_state is not None:
            self.on_state(is_open)


def _require_object(frame: bytes) -> None:
    """Raise ValueError or a MsgspecError unless a frame is a JSON object in UTF-8, as clients expect."""
    frame.decode()
    _objects.decode(frame)
