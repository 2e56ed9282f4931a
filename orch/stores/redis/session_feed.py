"""Decides what happens with one session that this worker follows. Pure.

Publications are lost whenever a connection is, and the server does not report it. So the state of a session
is known only from its offsets: after every new connection, at every gap and now and then without cause, the
session's *head* (its epoch and newest offset) is read from the store and compared with what was delivered.

:meth:`SessionFeed.on` is called with each event and returns the actions to take, in order;
:mod:`orch.stores.redis.feed` takes them. What can be found:

==========================================  =============================================================
finding                                     actions
==========================================  =============================================================
a gap between messages                      wait for publications under way, then read the history
behind: the head is newer                   read the history
the gap is no longer stored                 broadcasts: skip it; captions: report the session as lost
published, but never stored                 go back to the head; log
the server came back with less              raise its offset, so that no offset is given twice
another epoch, or no such session           look once more, as its end may be under way; then report it lost
ended                                       report it; a client that is joining reads the session again
==========================================  =============================================================
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from msgspec import Struct

from orch.stores.records import Appended
from orch.stores.redis.feed_events import (
    Action,
    Awaited,
    Closed,
    Deliver,
    Disconnected,
    Doubted,
    EndPublished,
    Event,
    HeadRead,
    HistoryRead,
    JoinFinished,
    JoinStarted,
    LookAt,
    LookDue,
    LookFailed,
    Published,
    RaiseOffset,
    ReadHead,
    ReadHistory,
    Report,
    Stored,
    Token,
    Unfollow,
    Wake,
    Warn,
)
from orch.stores.redis.sequencer import Sequencer


class FeedTimes(Struct, frozen=True):
    """Seconds. ``grace``: how long a gap is left to publications under way.

    ``confirm_lost``: after which a session that is not there is looked at again: that it was ended may be
    under way. ``retry``: after which a look that failed is repeated.
    """

    grace: float = 0.03
    confirm_lost: float = 0.5
    retry: float = 1.0


FEED_TIMES: Final = FeedTimes()


_NOTHING: Final[tuple[Action, ...]] = ()


class SessionFeed:
    """What is known of one session that this worker follows.

    The mutable state is the order of its messages (:class:`Sequencer`), its ``epoch``, the number of joining
    clients, the waiters, and when it is checked next. ``ends``: how often its end was published; a session
    that was read while this changed is read again.
    """

    __slots__ = ("_due", "_is_missing", "_joining", "_must", "_order", "_times", "_waiters", "ends", "epoch")

    def __init__(self, times: FeedTimes = FEED_TIMES) -> None:
        self.epoch = ""
        self.ends = 0
        self._times = times
        self._order = Sequencer()
        self._joining = 0
        self._is_missing = False
        self._waiters: list[tuple[int, Token]] = []
        self._due: float | None = None
        self._must = False

    def __repr__(self) -> str:
        return f"<SessionFeed {self._order}, {self._joining} joining, {len(self._waiters)} waiting>"

    @property
    def position(self) -> int | None:
        """The newest offset delivered; None while the session is not followed: not read yet, or ended."""
        return self._order.position

    @property
    def sure(self) -> int:
        """The newest offset that the store is known to have given."""
        return self._order.sure

    @property
    def is_idle(self) -> bool:
        """Whether it may be dropped if no client is in the session: nobody is joining or waiting."""
        return self._order.position is not None and not self._joining and not self._waiters

    def on(self, event: Event, now: float) -> Sequence[Action]:
        """Apply an event; return the actions to take, in order."""
        return self._handlers[type(event)](self, event, now)

    # Joining.

    def _join_started(self, _event: JoinStarted, _now: float) -> Sequence[Action]:
        self._joining += 1
        return _NOTHING

    def _join_finished(self, event: JoinFinished, now: float) -> Sequence[Action]:
        self._joining -= 1
        record = event.record
        if record is None:
            return (Unfollow(),) if not self._joining and self.position is None else _NOTHING
        if not event.is_current:
            return _NOTHING  # the session is joined again, over the new subscription
        actions: list[Action] = []
        if self.position is not None and self.epoch != record.epoch:
            actions += self._stop(Report())
        if self.position is None:
            self.epoch, self._is_missing = record.epoch, False
            self._order.begin(record.offset)
            if self._order.is_behind:
                actions += self._look(now)
        return actions

    # Messages.

    def _stored(self, event: Stored, now: float) -> Sequence[Action]:
        message = event.message
        self._order.confirm(message.offset)
        if self.position is None:
            self._order.accept((message,))
            return (Deliver((message,)), Wake((event.token,)))
        actions = self._delivered(self._order.accept((message,)), now)
        if message.offset > self.position:
            self._waiters.append((message.offset, event.token))
        else:
            actions.append(Wake((event.token,)))
        return actions

    def _published(self, event: Published, now: float) -> Sequence[Action]:
        return self._delivered(self._order.accept((event.message,)), now)

    def _awaited(self, event: Awaited, now: float) -> Sequence[Action]:
        if self.position is None or self.position >= event.offset:
            return (Wake((event.token,)),)
        self._waiters.append((event.offset, event.token))
        return self._look(now, must=True)

    def _delivered(self, messages: Sequence[Appended], now: float) -> list[Action]:
        actions: list[Action] = [Deliver(messages)] if messages else []
        if self._waiters and self.position is not None:
            actions += self._wake(self.position)
        if self._order.is_behind:
            actions += self._look(now, after=self._times.grace)
        return actions

    # The end.

    def _end_published(self, event: EndPublished, _now: float) -> Sequence[Action]:
        self.ends += 1
        if self.position is None or self.epoch != event.epoch:
            return _NOTHING  # not read yet, or a session of the same name
        return self._stop(Report(), unfollow=not self._joining)

    def _stop(self, report: Report, *, unfollow: bool = False) -> list[Action]:
        """Stop delivering, and report why; the session may be joined again, as another one."""
        self._order.position = None
        actions: list[Action] = [Unfollow()] if unfollow else []
        return [*actions, *self._wake(None), report]

    def _closed(self, _event: Closed, _now: float) -> Sequence[Action]:
        return self._wake(None)

    # Looking at the store.

    def _doubted(self, _event: Doubted, now: float) -> Sequence[Action]:
        return _NOTHING if self.position is None else self._look(now, must=True)

    def _disconnected(self, _event: Disconnected, _now: float) -> Sequence[Action]:
        self._order.confirm(self.position or 0)
        return _NOTHING

    def _look_due(self, _event: LookDue, _now: float) -> Sequence[Action]:
        must, self._due, self._must = self._must, None, False
        if not must and not self._order.is_behind:
            return _NOTHING  # the gap was filled meanwhile
        return (ReadHead(self.position or 0, self._order.newest, self._order.sure),)

    def _look_failed(self, _event: LookFailed, now: float) -> Sequence[Action]:
        return self._look(now, after=self._times.retry, must=True)

    def _head_read(self, event: HeadRead, now: float) -> Sequence[Action]:
        order, head = self._order, event.head
        if order.position is None:
            return _NOTHING
        if head is None or head.epoch != self.epoch:
            if self._is_missing:
                return self._stop(Report(is_lost=True), unfollow=True)
            self._is_missing = True
            return self._look(now, after=self._times.confirm_lost, must=True)
        self._is_missing = False
        actions: list[Action] = []
        if not order.compare(head.offset, delivered=event.asked.delivered, newest=event.asked.newest):
            actions.append(Warn("published message not stored", event.asked.delivered, is_failure=True))
        if order.is_behind and order.newest > head.offset:
            actions += self._look(now, after=self._times.grace)
        if head.offset < min(event.asked.delivered, event.asked.sure):
            actions += (Warn("store lost messages", head.offset), RaiseOffset(self.epoch, order.sure))
        elif head.offset > order.position:
            actions.append(ReadHistory(order.position, head.offset))
        return actions

    def _history_read(self, event: HistoryRead, now: float) -> Sequence[Action]:
        if self.position is None:
            return _NOTHING
        if event.captions_dropped <= self.position:
            # Broadcasts may have been dropped: clients see that by the offsets.
            return self._delivered(self._order.skip_to(event.until, event.messages), now)
        actions = self._delivered(self._order.accept(event.messages), now)
        if self.position < event.until:
            # Captions are no longer stored: clients must not believe that they have received all.
            warning = Warn("missed messages no longer stored", self.position)
            actions += (warning, *self._stop(Report(is_lost=True), unfollow=True))
        return actions

    def _look(self, now: float, *, after: float = 0.0, must: bool = False) -> list[Action]:
        """Schedule a check after this many seconds, unless an earlier one is scheduled.

        Without ``must`` it is skipped if nothing is missing by then.
        """
        self._must = self._must or must
        if self._due is not None and self._due <= now + after:
            return []
        self._due = now + after
        return [LookAt(self._due)]

    def _wake(self, position: int | None) -> list[Action]:
        """Wake the waiters for offsets up to ``position`` (None: all of them)."""
        woken = tuple(token for offset, token in self._waiters if position is None or offset <= position)
        if not woken:
            return []
        self._waiters = [] if position is None else [each for each in self._waiters if each[0] > position]
        return [Wake(woken)]

    _handlers: ClassVar[dict[type[Event], Callable[["SessionFeed", Any, float], Sequence[Action]]]] = {
        JoinStarted: _join_started,
        JoinFinished: _join_finished,
        Stored: _stored,
        Published: _published,
        EndPublished: _end_published,
        Awaited: _awaited,
        Doubted: _doubted,
        Disconnected: _disconnected,
        LookDue: _look_due,
        LookFailed: _look_failed,
        HeadRead: _head_read,
        HistoryRead: _history_read,
        Closed: _closed,
    }
