"""What is said in sessions here and heard on other workers, and the other way round.

What is kept reaches every worker through the store. What passes is told through it too: captions that will be
revised, and who is in a session. Each worker tells who is in it *there*; what is shown is all of it.
"""

from collections.abc import Callable
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from orch.asking import Asking
from orch.stores.records import ClusterStore, SessionRecord
from orch.websocket.messages import Participant, PresenceChange
from orch.websocket.outbox import Frame
from orch.websocket.presence import PresenceTeller
from orch.websocket.sessions import Resident, Session

_PASSING: Final = b"m"
_LASTING: Final = b"M"
_PRESENT: Final = b"p"
_WHO: Final = b"?"

_log = structlog.get_logger("websocket")


class _Present(Struct, frozen=True, array_like=True):
    """Who is in a session on one worker, and who of those before has left by their own will."""

    worker: str
    participants: tuple[Participant, ...]
    left: tuple[str, ...] = ()


_present: Final = msgspec.json.Decoder(_Present)


class Elsewhere:
    """The same sessions on other workers.

    The mutable state: who is in each session in memory on which other worker, and what was last told of those
    here; both go when the session does.
    """

    def __init__(
        self, store: ClusterStore, asking: Asking, *, resident: Resident, presence: PresenceTeller
    ) -> None:
        self._store = store
        self._resident = resident
        self._presence = presence
        self._worker = asking.me.name
        self._there: dict[str, dict[str, tuple[Participant, ...]]] = {}
        self._told_of: dict[str, tuple[Participant, ...]] = {}
        self._absent: set[str] = set()
        self.on_ended: Callable[[str], None] | None = None
        self.on_state: Callable[[bool], None] | None = None
        presence.on_change = self._tell_present
        store.on_told = self._heard
        store.on_gone = self._gone
        store.on_state = self._changed
        store.is_unused = self._is_unused
        asking.on_roll = self._called

    async def load(self, session_id: str) -> SessionRecord | None:
        """Return a session and have what follows told of, or None; the others say who is in it there."""
        record = await self._store.watch(session_id)
        if record is not None:
            self._store.tell(session_id, _WHO)
        return record

    async def reach(self, session_id: str, offset: int) -> None:
        """Return once everything up to ``offset`` was told of here, or it is sure that there is no such."""
        await self._store.reach(session_id, offset)

    def tell(self, session_id: str, said: Frame) -> None:
        """Say a frame that is not kept to those in the session on other workers."""
        self._store.tell(session_id, (_LASTING if said.is_lasting else _PASSING) + said.data)

    # What the store tells.

    def _heard(self, session_id: str, payload: bytes) -> None:
        kind, rest = payload[:1], payload[1:]
        session = self._resident.get(session_id)
        if session is None:
            return
        if kind in (_PASSING, _LASTING):
            session.deliver(Frame(rest, is_lasting=kind == _LASTING))
        elif kind == _PRESENT:
            present = _present.decode(rest)
            self._note(session, present.worker, present.participants, left=present.left)
        elif kind == _WHO and session.count:
            self._told_of.pop(session_id, None)
            self._tell_present(session, ())

    def _note(
        self,
        session: Session,
        worker: str,
        participants: tuple[Participant, ...],
        *,
        left: tuple[str, ...] = (),
    ) -> None:
        before = {each.participant_id: each for each in session.participants()}
        there = self._there.setdefault(session.session_id, {})
        if participants:
            there[worker] = participants
        else:
            there.pop(worker, None)
        if not there:
            self._there.pop(session.session_id)
        others = tuple(each for worker in sorted(there) for each in there[worker])
        if others != session.others:
            session.others = others
            self._presence.mark(session)
            now = {each.participant_id: each for each in session.participants()}
            for name in now.keys() - before.keys():
                self._presence.note(session, now[name], "joined")
            for name in before.keys() - now.keys():
                self._presence.note(session, before[name], "left" if name in left else "silent")

    def _tell_present(self, session: Session, changes: tuple[PresenceChange, ...]) -> None:
        """Tell the other workers who is in the session here, where that has changed."""
        here = tuple(member.described() for member in session.members())
        if here != self._told_of.get(session.session_id, ()):
            self._told_of[session.session_id] = here
            left = tuple(each.participant_id for each in changes if each.change == "left")
            told = msgspec.json.encode(_Present(self._worker, here, left))
            self._store.tell(session.session_id, _PRESENT + told)
        if not here:
            self._told_of.pop(session.session_id, None)

    def _called(self, here: frozenset[str]) -> None:
        """Notice workers that are gone (one that twice gives no answer is), and with them who was there."""
        known = {worker for there in self._there.values() for worker in there}
        missing = known - here
        for worker in missing & self._absent:
            self._forget(worker)
        self._absent = missing

    def _forget(self, worker: str) -> None:
        _log.info("worker gone", worker=worker)
        for session_id, there in tuple(self._there.items()):
            session = self._resident.get(session_id)
            if session is None:
                del self._there[session_id]
            elif worker in there:
                self._note(session, worker, ())

    def _gone(self, session_id: str) -> None:
        self._let_go(session_id)
        if self.on_ended is not None:
            self.on_ended(session_id)

    def _is_unused(self, session_id: str) -> bool:
        is_unused = self._resident.let_go(session_id)
        if is_unused:
            self._let_go(session_id)
        return is_unused

    def _let_go(self, session_id: str) -> None:
        self._there.pop(session_id, None)
        self._told_of.pop(session_id, None)

    def _changed(self, is_open: bool) -> None:  # noqa: FBT001 - the store calls it so
        if self.on_state is not None:
            self.on_state(is_open)
        if is_open:
            # Nobody heard meanwhile who came and who went.
            for session in self._resident:
                if session.count:
                    self._told_of.pop(session.session_id, None)
                    self._tell_present(session, ())
                    self._store.tell(session.session_id, _WHO)
