"""What a worker decides about a session that it follows, without a server."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.stores.records import Appended, SessionRecord
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
    Request,
    Stored,
    Unfollow,
    Wake,
    Warn,
)
from orch.stores.redis.session_feed import FEED_TIMES, SessionFeed
from tests.fakes.stores import record

GRACE, CONFIRM, RETRY = FEED_TIMES.grace, FEED_TIMES.confirm_lost, FEED_TIMES.retry
ENDED, LOST = Report(), Report(is_lost=True)


def message(offset: int, frame: bytes = b"{}") -> Appended:
    return Appended(session_id="s", offset=offset, frame=frame, at=1.0, origin=None)


def token() -> None:
    """Stand for a waiter."""


def another() -> None:
    """Stand for another waiter."""


def head(offset: int, epoch: str = "e") -> SessionRecord:
    return record(offset=offset, epoch=epoch)


def joined(offset: int = 0, *, epoch: str = "e") -> SessionFeed:
    """Return the feed of a session that was read at this offset."""
    feed = SessionFeed()
    assert feed.on(JoinStarted(), 0.0) == ()
    assert list(feed.on(JoinFinished(head(offset, epoch)), 0.0)) == []
    return feed


def after(feed: SessionFeed, *events: Event, now: float = 0.0) -> list[Action]:
    """Return the actions that the last of some events leads to."""
    actions: Sequence[Action] = ()
    for event in events:
        actions = feed.on(event, now)
    return list(actions)


def read(feed: SessionFeed, offset: int | None, *, epoch: str = "e", now: float = 0.0) -> list[Action]:
    """Look at the store, which has this newest offset, None: no such session."""
    feed.on(Doubted(), now)
    (asked,) = feed.on(LookDue(), now)
    assert isinstance(asked, ReadHead)
    return after(feed, HeadRead(None if offset is None else head(offset, epoch), asked), now=now)


# Messages.


TABLE: list[tuple[str, list[Event], list[Action]]] = [
    ("the next message is delivered", [Published(message(6))], [Deliver((message(6),))]),
    ("one that was delivered is not again", [Published(message(5))], []),
    ("a gap is left to what is under way", [Published(message(7))], [LookAt(GRACE)]),
    (
        "a gap that is filled",
        [Published(message(7)), Published(message(6))],
        [Deliver([message(6), message(7)])],
    ),
    (
        "an own message is delivered before its sender goes on",
        [Stored(message(6), token)],
        [Deliver([message(6)]), Wake((token,))],
    ),
    (
        "an own message that was published before is not delivered again",
        [Published(message(6)), Stored(message(6), token)],
        [Wake((token,))],
    ),
    ("the sender of a message behind a gap waits", [Stored(message(7), token)], [LookAt(GRACE)]),
    (
        "and goes on when the gap is filled",
        [Stored(message(7), token), Published(message(6))],
        [Deliver([message(6), message(7)]), Wake((token,))],
    ),
    ("what was delivered is not waited for", [Awaited(5, token)], [Wake((token,))]),
    ("what was not is looked for at once", [Awaited(6, token)], [LookAt(0.0)]),
    (
        "and waited for no longer than needed",
        [Awaited(6, token), Awaited(7, another), Published(message(6))],
        [Deliver([message(6)]), Wake((token,))],
    ),
    ("a waiter goes on when the store stops", [Awaited(6, token), Closed()], [Wake((token,))]),
    ("a doubt is looked into at once", [Doubted()], [LookAt(0.0)]),
    ("once", [Doubted(), Doubted()], []),
    ("sooner than a gap", [Published(message(7)), Doubted()], [LookAt(0.0)]),
    ("a look that failed is repeated", [LookFailed()], [LookAt(RETRY)]),
    ("a look", [Doubted(), LookDue()], [ReadHead(5, 5, 5)]),
    ("a look at a gap", [Published(message(8)), LookDue()], [ReadHead(5, 8, 5)]),
    ("none where the gap was filled", [Published(message(7)), Published(message(6)), LookDue()], []),
    (
        "a doubt stays one",
        [Doubted(), Published(message(7)), Published(message(6)), LookDue()],
        [ReadHead(7, 7, 5)],
    ),
    ("the end", [EndPublished("e")], [Unfollow(), ENDED]),
    ("the end of another of its name", [EndPublished("f")], []),
    (
        "the end wakes the waiters",
        [Awaited(6, token), EndPublished("e")],
        [Unfollow(), Wake((token,)), ENDED],
    ),
    ("after the end nothing is delivered", [EndPublished("e"), Published(message(6))], []),
    ("and nothing looked at", [EndPublished("e"), Doubted()], []),
    ("nor reported again", [EndPublished("e"), EndPublished("e")], []),
]


def as_lists(actions: Sequence[Action]) -> list[Any]:
    """Return actions so that a tuple of messages equals a list of them."""
    return [type(each)(list(each.messages)) if isinstance(each, Deliver) else each for each in actions]


@pytest.mark.parametrize(("events", "actions"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_each_event_has_its_actions(events: list[Event], actions: list[Action]) -> None:
    """Of a session of epoch ``e`` that was delivered up to offset 5."""
    assert as_lists(after(joined(5), *events)) == as_lists(actions)


# Joining.


def test_messages_published_while_a_session_is_read_follow_what_was_read() -> None:
    """Those that the reader has seen are not delivered; a gap after them is looked at."""
    feed = SessionFeed()
    feed.on(JoinStarted(), 0.0)
    assert after(feed, Published(message(3)), Published(message(4))) == []
    assert after(feed, JoinFinished(head(3)), now=1.0) == [LookAt(1.0)]
    assert (feed.position, feed.is_idle) == (3, True)
    assert after(feed, Published(message(4)), now=1.0) == [Deliver([message(4)])]


def test_an_own_message_is_delivered_also_before_the_session_was_read() -> None:
    """Its sender waits for it; whoever is joining reads it from the history."""
    feed = SessionFeed()
    feed.on(JoinStarted(), 0.0)
    assert after(feed, Stored(message(1), token)) == [Deliver((message(1),)), Wake((token,))]
    assert feed.position is None


def test_a_session_that_ended_while_it_was_read_is_read_again() -> None:
    """What was read may be from before its end: the count of ends says so, and nothing is reported twice."""
    feed = SessionFeed()
    feed.on(JoinStarted(), 0.0)
    before = feed.ends
    assert after(feed, EndPublished("e")) == []
    assert feed.ends == before + 1
    assert after(feed, JoinFinished(None)) == [Unfollow()]


def test_a_session_that_ends_while_someone_joins_stays_followed() -> None:
    """Its members are notified; the client that is joining may find another session of its name."""
    feed = joined(5)
    feed.on(JoinStarted(), 0.0)
    assert after(feed, EndPublished("e")) == [ENDED]
    # The offsets heard of before are a hint only: they are looked into.
    assert after(feed, JoinFinished(head(1, "f"))) == [LookAt(0.0)]
    assert (feed.epoch, feed.position) == ("f", 1)
    (asked,) = feed.on(LookDue(), 0.0)
    assert isinstance(asked, ReadHead)
    assert after(feed, HeadRead(head(1, "f"), asked)) == []


def test_another_epoch_ends_the_session_for_those_who_are_in_it() -> None:
    """A client that joins finds a session of the same name: the members are of the one before."""
    feed = joined(5)
    feed.on(Awaited(9, token), 0.0)
    feed.on(JoinStarted(), 0.0)
    assert after(feed, JoinFinished(head(2, "f"))) == [Wake((token,)), ENDED]
    assert (feed.epoch, feed.position, feed.sure) == ("f", 2, 2)


@pytest.mark.parametrize("others", [0, 1])
def test_a_session_that_does_not_exist_is_dropped_by_the_last_who_wanted_it(others: int) -> None:
    """As long as another client is joining, the subscription is kept."""
    feed = SessionFeed()
    for _ in range(others + 1):
        feed.on(JoinStarted(), 0.0)
    assert after(feed, JoinFinished(None)) == ([] if others else [Unfollow()])


def test_a_failed_join_leaves_those_who_are_in_the_session_alone() -> None:
    """The store did not reply to the one; the others are delivered to as before."""
    feed = joined(5)
    feed.on(JoinStarted(), 0.0)
    assert after(feed, JoinFinished(None)) == []
    assert after(feed, Published(message(6))) == [Deliver([message(6)])]


def test_what_was_read_over_an_old_subscription_is_not_begun_with() -> None:
    """Publications before the new one would be missed: the session is joined again."""
    feed = SessionFeed()
    feed.on(JoinStarted(), 0.0)
    assert after(feed, JoinFinished(head(3), is_current=False)) == []
    assert feed.position is None


def test_a_session_is_idle_only_if_nobody_joins_or_waits() -> None:
    """Otherwise it would be dropped under them."""
    found = [SessionFeed().is_idle]
    feed = joined(5)
    found.append(feed.is_idle)
    for event in (JoinStarted(), JoinFinished(head(5)), Awaited(6, token)):
        feed.on(event, 0.0)
        found.append(feed.is_idle)
    assert found == [False, True, False, True, False]


# Looking at the store.


def test_a_head_that_is_as_it_was_delivered_leads_to_nothing() -> None:
    """As most audits do."""
    assert read(joined(5), 5) == []


def test_a_newer_head_is_caught_up_with() -> None:
    """Messages were missed: they are read from the history."""
    feed = joined(5)
    assert read(feed, 8) == [ReadHistory(5, 8)]
    found = [message(offset) for offset in (6, 7, 8)]
    assert after(feed, HistoryRead(found, 8)) == [Deliver(found)]
    assert feed.position == 8


def test_dropped_broadcasts_are_skipped_and_dropped_captions_end_the_session() -> None:
    """Members see by the offsets that broadcasts are missing; of captions they must not miss one unaware."""
    feed = joined(5)
    found = [message(8)]
    assert after(feed, HistoryRead(found, 8, captions_dropped=5)) == [Deliver(found)]
    feed = joined(5)
    assert after(feed, HistoryRead([message(6)], 8, captions_dropped=7)) == [
        Deliver([message(6)]),
        Warn("missed messages no longer stored", 6),
        Unfollow(),
        LOST,
    ]


def test_captions_that_arrive_while_the_history_is_read_are_not_missing() -> None:
    """Publications fill the gap: nothing is lost, though the history has dropped it since."""
    feed = joined(5)
    after(feed, Published(message(6)), Published(message(7)))
    assert after(feed, HistoryRead([], 7, captions_dropped=7)) == []
    assert feed.position == 7


@pytest.mark.parametrize("found", [None, "f"], ids=["no such session", "another epoch"])
def test_a_session_that_is_gone_is_lost_at_the_second_look(found: str | None) -> None:
    """That it was ended may be under way at the first; between the two it may be there again."""
    feed = joined(5)
    offset = None if found is None else 1
    assert read(feed, offset, epoch=found or "") == [LookAt(CONFIRM)]
    assert read(feed, 5) == []
    assert read(feed, offset, epoch=found or "") == [LookAt(CONFIRM)]
    feed.on(Awaited(9, token), 0.0)
    assert read(feed, offset, epoch=found or "") == [Unfollow(), Wake((token,)), LOST]


def test_a_session_whose_end_is_published_between_the_looks_has_ended() -> None:
    """Nobody is told that it was lost."""
    feed = joined(5)
    read(feed, None)
    assert after(feed, EndPublished("e")) == [Unfollow(), ENDED]
    assert after(feed, HeadRead(None, ReadHead(5, 5, 5))) == []


def test_a_server_that_came_back_with_less_does_not_give_an_offset_twice() -> None:
    """Its offset is raised to the newest that it had acknowledged before the connection was lost."""
    feed = joined(5)
    after(feed, Published(message(6)), Published(message(7)), Disconnected())
    assert read(feed, 5) == [Warn("store lost messages", 5), RaiseOffset("e", 7)]
    assert feed.position == 7


def test_an_acknowledged_offset_is_never_given_again() -> None:
    """The server has forgotten a message that this worker appended, without a connection being lost."""
    feed = joined(5)
    after(feed, Stored(message(6), token))
    assert read(feed, 5) == [Warn("store lost messages", 5), RaiseOffset("e", 6)]


def test_a_published_message_that_the_store_never_had_is_taken_back() -> None:
    """Anyone with access to the server can publish: delivery goes on from the store's own offset."""
    feed = joined(5)
    after(feed, Published(message(6)))
    assert read(feed, 5) == [Warn("published message not stored", 6, is_failure=True)]
    assert feed.position == 5
    assert after(feed, Published(message(6, b"true"))) == [Deliver([message(6, b"true")])]


def test_an_offset_that_was_only_published_is_forgotten() -> None:
    """It would be waited for in vain."""
    feed = joined(5)
    after(feed, Published(message(900)))
    (asked,) = feed.on(LookDue(), GRACE)
    assert isinstance(asked, ReadHead)
    assert after(feed, HeadRead(head(5), asked)) == []
    assert after(feed, Doubted(), LookDue()) == [ReadHead(5, 5, 5)]


def test_what_was_published_while_the_head_was_read_is_not_taken_for_false() -> None:
    """The head is older than it."""
    feed = joined(5)
    after(feed, Doubted())
    (asked,) = feed.on(LookDue(), 0.0)
    assert isinstance(asked, ReadHead)
    after(feed, Published(message(6)), Published(message(8)))
    actions = after(feed, HeadRead(head(5), asked), now=1.0)
    assert [each for each in actions if isinstance(each, (Warn, RaiseOffset))] == []
    assert feed.position == 6


def test_what_was_acknowledged_while_the_head_was_read_is_not_lost() -> None:
    """The head is older: a busy session must not be reported as one whose messages the store has lost."""
    feed = joined(5)
    after(feed, Doubted())
    (asked,) = feed.on(LookDue(), 0.0)
    assert isinstance(asked, ReadHead)
    after(feed, Stored(message(6), token), Stored(message(7), token))
    assert after(feed, HeadRead(head(5), asked)) == []
    assert feed.position == 7


# All of it together.


class World:
    """A session on a server, and a worker that follows it.

    ``stored``: the frames by offset; ``wire``: publications that have not arrived; ``delivered``: the frames
    delivered, by epoch.
    """

    def __init__(self) -> None:
        self.epoch = "e0"
        self.stored: dict[int, bytes] = {}
        self.offset = 0
        self.captions_dropped = 0
        self.wire: list[tuple[str, Event]] = []
        self.delivered: dict[str, list[Appended]] = {"e0": []}
        self.reports: list[Report] = []
        self.waiting = 0
        self.woken = 0
        self.now = 0.0
        self.is_followed = True
        self.feed = joined(epoch="e0")

    def apply(self, event: Event) -> None:
        """Apply an event, and do what it leads to as the shell does."""
        if not self.is_followed:
            return
        for action in self.feed.on(event, self.now):
            match action:
                case Deliver():
                    self.delivered[self.feed.epoch] += action.messages
                case Wake():
                    for wake in action.tokens:
                        wake()
                case Report():
                    self.reports.append(action)
                case Unfollow():
                    self.is_followed = False
                case ReadHead() | ReadHistory() | RaiseOffset():
                    self.serve(action)
                case LookAt() | Warn():
                    continue

    def serve(self, request: Request) -> None:
        """Do what the server is needed for."""
        match request:
            case ReadHead():
                found = record(epoch=self.epoch, offset=self.offset) if self.exists else None
                self.apply(HeadRead(found, request))
            case ReadHistory():
                wanted = range(request.after + 1, request.until + 1)
                frames = [message(offset, self.stored[offset]) for offset in wanted if offset in self.stored]
                self.apply(HistoryRead(frames, request.until, self.captions_dropped))
            case RaiseOffset():
                self.offset = max(self.offset, request.offset)

    @property
    def exists(self) -> bool:
        """Whether the session is there."""
        return bool(self.epoch)

    def append(self, *, is_own: bool) -> None:
        """Store a message, and publish it."""
        if not self.exists:
            return
        if self.is_followed and self.feed.epoch == self.epoch and self.feed.position is not None:
            self.offset = max(self.offset, self.feed.sure) if is_own else self.offset
        self.offset += 1
        self.stored[self.offset] = b"%s %d" % (self.epoch.encode(), self.offset)
        stored = message(self.offset, self.stored[self.offset])
        self.wire.append((self.epoch, Published(stored)))
        if is_own and self.feed.epoch == self.epoch:
            self.waiting += 1
            self.apply(Stored(stored, self.wake)) if self.is_followed else self.wake()

    def wake(self) -> None:
        """Count a waiter that goes on."""
        self.woken += 1

    def wait_for(self) -> None:
        """Wait for the newest message of the store."""
        if self.exists and self.is_followed and self.feed.epoch == self.epoch:
            self.waiting += 1
            self.apply(Awaited(self.offset, self.wake))

    def arrive(self, place: int) -> None:
        """Have a publication arrive, not always the first."""
        if self.wire:
            epoch, event = self.wire.pop(place % len(self.wire))
            if epoch == self.feed.epoch:
                self.apply(event)

    def lose(self) -> None:
        """Lose the connection, and all publications with it; it is confirmed again."""
        self.wire.clear()
        self.apply(Disconnected())
        self.apply(Doubted())

    def end(self) -> None:
        """End the session."""
        if self.exists:
            self.wire.append((self.epoch, EndPublished(self.epoch)))
            self.epoch, self.stored, self.offset = "", {}, 0

    def drop(self, count: int) -> None:
        """Drop the oldest messages, captions among them."""
        for offset in sorted(self.stored)[:count]:
            del self.stored[offset]
            self.captions_dropped = offset

    def look(self) -> None:
        """Let time pass until a look is due."""
        self.now += 1.0
        self.apply(LookDue())


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.booleans()),
        st.tuples(st.just("arrive"), st.integers(0, 5)),
        st.tuples(st.just("lose")),
        st.tuples(st.just("wait_for")),
        st.tuples(st.just("end")),
        st.tuples(st.just("drop"), st.integers(1, 3)),
        st.tuples(st.just("look")),
    ),
    max_size=40,
)


@settings(max_examples=500, deadline=None)
@given(OPERATIONS)
def test_whatever_is_lost_all_is_delivered_once_in_order_or_the_session_is_reported(
    operations: list[tuple[Any, ...]],
) -> None:
    """And every waiter goes on, whatever happens in whatever order."""
    world = World()
    for name, *arguments in operations:
        if name == "append":
            world.append(is_own=arguments[0])
        else:
            getattr(world, name)(*arguments)
    for _ in range(3):  # the second look confirms that it is gone
        world.apply(Doubted())
        world.look()
    offsets = [each.offset for each in world.delivered["e0"]]
    assert offsets == sorted(set(offsets))
    assert all(each.frame == b"e0 %d" % each.offset for each in world.delivered["e0"])
    if world.is_followed:
        assert world.exists
        assert world.feed.position == world.offset
        assert world.reports == []
        if not world.captions_dropped:
            assert offsets == list(range(1, world.offset + 1))
    else:
        assert len(world.reports) == 1
        if world.reports[0].is_lost:
            assert not world.exists or world.captions_dropped
    assert world.woken == world.waiting
