"""The sessions of one client: delivers their messages, and recovers them after a lost connection. Pure.

``static/js/models/sessions.js`` does the same in the browser; ``tests/data/recovery/sessions.json`` are the
test vectors of both.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec import UNSET, Raw, Struct

from orch.client.backlog import Backlog
from orch.client.events import HistoryDelivered, Lost, Message, Recovered, Unrecognized, decode
from orch.client.recovery import Numbered, SessionLog
from orch.protocol.messages import (
    AudioReceiving,
    Error,
    ReceiveAudio,
    RecoverSession,
    SessionCreated,
    SessionHistory,
    SessionJoined,
    SessionRecovered,
)

#: Recoveries of one gap before it is called lost.
RECOVERY_TRIES: Final = 3

#: Seconds that the reply to a recovery may take: longer than the service waits for its store (30) before it
#: reports ``store_unavailable``; and seconds until the next attempt then.
RECOVERY_WITHIN: Final = 35.0
RECOVERY_AGAIN: Final = 2.0

#: A message and the bytes it came in.
Sized = tuple[Message, int]


@dataclass(slots=True)
class _Session:
    """A session of the client, and its recovery.

    ``recovery_id``: of the recovery in progress; ``due``: when it is retried. ``is_behind``: the reader has
    to catch up first. ``more``: further parts of a reply follow, of a recovery's if ``missed`` counts
    messages. ``history``: whether the requested history is complete so far, until all of it is delivered;
    ``has_broadcasts``: whether all broadcasts are among the delivered messages. ``growing``: what the
    join requested. ``audio``: whether the sound of a meeting was requested, and ``audio_due`` again on this
    connection; ``audio_id``: of that request.
    """

    log: SessionLog[Sized]
    token: str | None = None
    tries: int = 0
    recovery_id: int | None = None
    due: float | None = None
    is_behind: bool = False
    more: bool = False
    missed: int | None = None
    history: bool | None = None
    has_broadcasts: bool = True
    growing: bool = False
    audio: bool = False
    audio_due: bool = False
    audio_id: int | None = None


class SessionStatistics(Struct, frozen=True):
    """The position in a session: the offset delivered last, in its epoch."""

    session_id: str
    epoch: str | None
    offset: int | None
    is_behind: bool


class Sessions:
    """Sessions over one connection after another. Messages to be delivered go into the backlog.

    Messages are delivered in order and exactly once. Missed ones are requested: the caller sends the returned
    ``RecoverSession``. If the service no longer has them, ``Lost`` reports it and the session is dropped.
    Nothing is skipped silently.
    """

    def __init__(self, backlog: Backlog, new_id: Callable[[], int]) -> None:
        self._backlog = backlog
        self._new_id = new_id
        self._all: dict[str, _Session] = {}

    def statistics(self) -> tuple[SessionStatistics, ...]:
        """Return the state of each session."""
        return tuple(
            SessionStatistics(session_id, session.log.epoch, session.log.offset, session.is_behind)
            for session_id, session in self._all.items()
        )

    def credentials(self, session_id: str) -> tuple[str, str] | None:
        """Return the token and epoch for ``resume``, or None if the client is not in the session."""
        session = self._all.get(session_id)
        if session is None or session.token is None or session.log.epoch is None:
            return None
        return session.token, session.log.epoch

    def forget(self, session_id: str) -> None:
        """Drop a session."""
        self._all.pop(session_id, None)

    def resume(self, session_id: str, *, token: str, epoch: str, offset: int) -> None:
        """Add a session that an earlier client was in."""
        self._all[session_id] = _Session(SessionLog(offset=offset, epoch=epoch, is_waiting=True), token)

    # Joining.

    def expect(self, session_id: str) -> None:
        """Hold a session's messages from the moment a join is sent: they may arrive before its reply."""
        session = self._all.setdefault(session_id, _Session(SessionLog()))
        session.log.is_waiting = True

    def refused(self, session_id: str, code: str) -> None:
        """Note that a join was refused: the client is not in the session, or still in it as before."""
        session = self._all.get(session_id)
        if session is None:
            return
        if session.token is None or code == "unknown_session":
            self.forget(session_id)
        elif session.recovery_id is None:
            session.log.is_waiting = session.more

    def unexpect(self, session_id: str, now: float) -> list[RecoverSession]:
        """Stop holding messages: the join of a session that the client was in already was abandoned."""
        session = self._all.get(session_id)
        if session is None or session.token is None or session.recovery_id is not None or session.more:
            return []
        session.log.is_waiting = False
        return self._mend(session_id, session, now)

    def joined(self, message: SessionCreated | SessionJoined, now: float) -> list[RecoverSession]:
        """Process the reply to a join."""
        session = self._all.setdefault(message.session_id, _Session(SessionLog()))
        session.token = message.recovery_token
        own = message.participant_id
        session.growing = any(one.growing for one in message.participants if one.participant_id == own)
        if isinstance(message, SessionCreated) or message.messages is UNSET:
            if session.more and session.log.epoch == message.epoch:
                return []  # only the name changed: the parts still to come have the position
            session.more = False
            self._answered(session, epoch=message.epoch, offset=message.offset, messages=())
            return self._mend(message.session_id, session, now)
        session.more, session.missed = message.more is True, None
        session.history = message.complete is True
        self._answered(session, epoch=message.epoch, offset=message.offset, messages=message.messages)
        return self._finish(message.session_id, session, now)

    def continued(self, message: SessionHistory, now: float) -> list[RecoverSession]:
        """Process another part of the reply to a join or a recovery."""
        session = self._all.get(message.session_id)
        if session is None or not session.more or session.is_behind or session.log.epoch != message.epoch:
            return []  # part of a reply that another one has replaced
        if message.reason is not UNSET:
            session.more = False
            return self._broken_off(message.session_id, session, message.reason, now)
        if session.log.offset is None or message.after > session.log.offset:
            return self.recover(message.session_id, now)
        session.more = message.more
        if session.history is not None:
            session.history &= message.complete
        session.has_broadcasts &= message.broadcasts_complete
        ready = session.log.continued(
            offset=message.offset, messages=_sized(message.messages), more=message.more
        )
        self._deliver(session, ready)
        if session.missed is not None:
            session.missed += len(ready)
        return self._finish(message.session_id, session, now)

    def _broken_off(
        self, session_id: str, session: _Session, reason: str, now: float
    ) -> list[RecoverSession]:
        """Request the rest of a reply that the service could not complete, if it is available."""
        if reason == "history_expired":
            self._lose(session_id, reason)
            return []
        if reason == "store_unavailable":
            session.tries -= 1
        session.due = now + RECOVERY_AGAIN
        return []

    def _finish(self, session_id: str, session: _Session, now: float) -> list[RecoverSession]:
        """Report that all is delivered, once it is; request what is missing."""
        if session.is_behind or session.more:
            return []
        asked = self._mend(session_id, session, now)
        if asked or self._all.get(session_id) is not session or session.log.has_gap:
            return asked
        if session.missed is not None:
            session.tries = 0
            self._backlog.offer(Recovered(session_id, session.missed, session.has_broadcasts))
        if session.history is not None:
            self._backlog.offer(HistoryDelivered(session_id, session.history))
        session.missed = session.history = None
        return []

    # Losing and recovering.

    def lost(self) -> None:
        """Note that the connection has ended."""
        for session in self._all.values():
            session.log.is_waiting = True
            session.more = False
            session.recovery_id = session.due = session.audio_id = None
            session.audio_due = session.audio

    def greeted(self, now: float) -> list[RecoverSession]:
        """Recover everything on a new connection."""
        asked: list[RecoverSession] = []
        for session_id, session in tuple(self._all.items()):
            session.tries = 0
            # A session whose join had no reply cannot be recovered; the join has failed.
            if session.token is None:
                self.forget(session_id)
            else:
                asked += self.recover(session_id, now)
        return asked

    def recover(self, session_id: str, now: float) -> list[RecoverSession]:
        """Request all missed messages."""
        session = self._all[session_id]
        session.log.is_waiting = True
        session.is_behind = session.more = False
        session.recovery_id = session.due = None
        if session.tries >= RECOVERY_TRIES:
            self._lose(session_id, "gap")
            return []
        session.tries += 1
        session.recovery_id, session.due = self._new_id(), now + RECOVERY_WITHIN
        return [
            RecoverSession(
                id=session.recovery_id,
                session_id=session_id,
                recovery_token=session.token,
                epoch=session.log.epoch,
                offset=session.log.offset,
                # A client that floods a session with broadcasts must not keep others from recovering it.
                broadcasts_optional=True,
                growing=session.growing,
            )
        ]

    def recovered(self, message: SessionRecovered, now: float) -> list[RecoverSession]:
        """Process the reply to a recovery."""
        session = self._all.get(message.session_id)
        if session is None:
            return []
        session.recovery_id = session.due = None
        if not message.recovered or message.epoch is UNSET or message.offset is UNSET:
            self._lose(message.session_id, message.reason or "gap")
            return []
        missed = () if message.messages is UNSET else message.messages
        session.more = message.more is True
        session.missed = self._answered(
            session, epoch=message.epoch, offset=message.offset, messages=missed, is_recovery=True
        )
        session.has_broadcasts = message.broadcasts_complete is not False
        return self._finish(message.session_id, session, now)

    # The sound of a meeting.

    def audio_receiving(self, message: AudioReceiving) -> None:
        """Note whether the service sends the sound of a session: it does for this connection alone."""
        session = self._all.get(message.session_id)
        if session is not None:
            session.audio, session.audio_id = message.enabled, None

    def audio_again(self, session_id: str) -> list[ReceiveAudio]:
        """Request the sound of a session again that has been recovered on another connection."""
        session = self._all.get(session_id)
        if session is None or not (session.audio and session.audio_due):
            return []
        session.audio_due, session.audio_id = False, self._new_id()
        return [ReceiveAudio(session_id=session_id, id=session.audio_id)]

    def audio_refused(self, error: Error) -> None:
        """Do not request sound again that was refused."""
        for session in self._all.values():
            if error.id is not UNSET and session.audio_id == error.id:
                session.audio, session.audio_id = False, None

    def failed(self, error: Error, now: float) -> bool:
        """Process an ``error``; return False if it is not the reply to a recovery."""
        for session_id, session in tuple(self._all.items()):
            if error.id is UNSET or session.recovery_id != error.id:
                continue
            session.recovery_id = session.due = None
            if error.code == "store_unavailable":
                # Stored messages are not lost while the store is unavailable.
                session.tries -= 1
                session.due = now + RECOVERY_AGAIN
            else:
                self._lose(session_id, error.code)
            return True
        return False

    def next_due(self) -> float | None:
        """Return the time of the next ``tick``."""
        return min((s.due for s in self._all.values() if s.due is not None), default=None)

    def tick(self, now: float) -> list[RecoverSession]:
        """Retry recoveries that timed out."""
        due = [name for name, s in self._all.items() if s.due is not None and s.due <= now]
        return self._recover_all(due, now)

    def drained(self, now: float) -> list[RecoverSession]:
        """Request the messages that the backlog had no room for, once it has."""
        if not self._backlog.has_room:
            return []
        behind = [name for name, session in self._all.items() if session.is_behind]
        for name in behind:
            self._all[name].tries = 0
        return self._recover_all(behind, now)

    # Messages.

    def receive(
        self, session_id: str, offset: int, message: Message, size: int, now: float
    ) -> list[RecoverSession]:
        """Process a session's message."""
        session = self._all.get(session_id)
        # After a loss nothing more is delivered until the session is joined again. If the reader is behind,
        # the message is requested again with the others once there is room.
        if session is None or session.is_behind:
            return []
        self._deliver(session, session.log.receive(offset, (message, size)))
        return self._mend(session_id, session, now)

    def _answered(
        self,
        session: _Session,
        *,
        epoch: str,
        offset: int,
        messages: Sequence[Raw],
        is_recovery: bool = False,
    ) -> int:
        """Deliver the messages of a reply; return their number."""
        ready = session.log.answered(
            epoch=epoch,
            offset=offset,
            messages=_sized(messages),
            more=session.more,
            is_recovery=is_recovery,
        )
        self._deliver(session, ready)
        return len(ready)

    def _deliver(self, session: _Session, ready: Sequence[Numbered[Sized]]) -> None:
        """Put messages into the backlog; if it is full, the rest is requested again later."""
        for number, (message, size) in ready:
            if not self._backlog.offer(message, size, is_lasting=True):
                session.log.fall_back(number - 1)
                session.is_behind = True
                session.more = False
                return

    def _mend(self, session_id: str, session: _Session, now: float) -> list[RecoverSession]:
        """Request what is missing, unless it was requested or the reader has to catch up first."""
        if session.is_behind or session.log.is_waiting or not session.log.has_gap:
            return []
        return self.recover(session_id, now)

    def _recover_all(self, names: Iterable[str], now: float) -> list[RecoverSession]:
        return [message for name in names for message in self.recover(name, now)]

    def lose(self, session_id: str, reason: str) -> None:
        """Note that the service has lost a session, if this client is in it."""
        if session_id in self._all:
            self._lose(session_id, reason)

    def _lose(self, session_id: str, reason: str) -> None:
        session = self._all.pop(session_id)
        self._backlog.offer(Lost(session_id, reason, session.log.offset))


def _sized(messages: Sequence[Raw]) -> list[Numbered[Sized]]:
    """Return messages of a history by offset, with their bytes."""
    numbered: list[Numbered[Sized]] = []
    for raw in messages:
        message = decode(raw)
        number = offset_of(message)
        if number is not None:
            numbered.append((number, (message, len(memoryview(raw)))))
    return numbered


def offset_of(message: Message) -> int | None:
    """Return a message's offset, None if it has none."""
    number = field_of(message, "offset")
    return number if isinstance(number, int) else None


def field_of(message: Message, name: str) -> Any:
    """Return a field, also of a message whose type is unknown here; None if it has none."""
    return message.fields.get(name) if isinstance(message, Unrecognized) else getattr(message, name, None)
