"""Commands and subscriptions of a DevTools connection, without a connection."""

import json
from typing import Any

import pytest

from orch.bots.chromium.errors import (
    CommandError,
    ConnectionLostError,
    EventsLostError,
    PageCrashedError,
    SessionLostError,
    TooManyCommandsError,
    UnusableMessageError,
)
from orch.bots.chromium.exchange import MOST_PENDING, Effects, Exchange, Overflow
from orch.bots.chromium.messages import Event, Reply, Unusable

LOST = ConnectionLostError("gone")


def event(method: str = "A.b", session: str = "", **params: Any) -> Event:
    return Event(method, params, session)


def test_replies_settle_their_own_commands_in_any_order() -> None:
    """By number, each once."""
    exchange = Exchange()
    first, data = exchange.request("A.b", {"c": 1})
    second, _ = exchange.request("C.d", session="S")
    assert json.loads(data) == {"id": first, "method": "A.b", "params": {"c": 1}}
    assert exchange.receive(Reply(second, {"x": 2})).settled == {second: {"x": 2}}
    assert exchange.receive(Reply(first, {})).settled == {first: {}}
    assert exchange.receive(Reply(first, {})) == Effects()
    assert exchange.statistics().unmatched == 1
    assert exchange.statistics().pending == 0


def test_a_refusal_names_the_command() -> None:
    """The browser's words alone do not say what was refused."""
    exchange = Exchange()
    number, _ = exchange.request("Page.navigate")
    outcome = exchange.receive(Reply(number, None, -32602, "Invalid parameters")).settled[number]
    assert isinstance(outcome, CommandError)
    assert str(outcome) == "Page.navigate: Invalid parameters"
    assert outcome.code == -32602


def test_the_reply_to_an_abandoned_command_is_ignored() -> None:
    """A cancelled caller is not woken, and its number is not reused."""
    exchange = Exchange()
    number, _ = exchange.request("A.b")
    exchange.abandon(number)
    exchange.abandon(number)
    assert exchange.receive(Reply(number, {})) == Effects()
    assert exchange.request("A.b")[0] != number


def test_commands_without_a_reply_are_limited() -> None:
    """A fault of ours becomes an error, not a growing table; a reply makes room."""
    exchange = Exchange()
    for _ in range(MOST_PENDING):
        number, _ = exchange.request("A.b")
    with pytest.raises(TooManyCommandsError, match=r"A\.b"):
        exchange.request("A.b")
    exchange.receive(Reply(number, {}))
    exchange.request("A.b")


def test_a_command_that_cannot_be_encoded_is_not_pending() -> None:
    """The caller gets the encoder's error; nothing waits for a reply."""
    exchange = Exchange()
    with pytest.raises(TypeError):
        exchange.request("A.b", {"x": object()})
    assert exchange.statistics().pending == 0


def test_a_crash_fails_the_commands_of_its_page_alone() -> None:
    """The browser never replies to them."""
    exchange = Exchange()
    crashed, _ = exchange.request("A.b", session="S")
    other, _ = exchange.request("A.b", session="T")
    browser, _ = exchange.request("A.b")
    settled = exchange.receive(event("Inspector.targetCrashed", "S")).settled
    assert isinstance(settled[crashed], PageCrashedError)
    assert list(settled) == [crashed]
    assert exchange.receive(Reply(other, {})).settled
    assert exchange.receive(Reply(browser, {})).settled


def test_a_detached_session_fails_its_commands() -> None:
    """The event is its parent's and names the session."""
    exchange = Exchange()
    number, _ = exchange.request("A.b", session="S")
    settled = exchange.receive(event("Target.detachedFromTarget", sessionId="S")).settled
    assert isinstance(settled[number], SessionLostError)
    assert not exchange.receive(event("Target.detachedFromTarget")).settled


def test_a_crash_event_of_no_session_fails_nothing() -> None:
    """Commands to the browser itself do not belong to a page."""
    exchange = Exchange()
    exchange.request("A.b")
    assert not exchange.receive(event("Inspector.targetCrashed")).settled
    assert not exchange.receive(event("Target.detachedFromTarget", sessionId="")).settled


def test_a_subscriber_gets_the_events_that_it_asked_for() -> None:
    """By method, session and values."""
    exchange = Exchange()
    every = exchange.subscribe("A.b", "C.d")
    one = exchange.subscribe("A.b", session="S")
    named = exchange.subscribe("A.b", where={"name": "n"})
    sent = [
        event(),
        event("C.d"),
        event(session="S"),
        event(session="T", name="n"),
        event(name="m"),
        event("E.f"),
    ]
    touched = [exchange.receive(each).touched for each in sent]
    assert touched == [(every,), (every,), (every, one), (every, named), (every,), ()]
    assert list(every.events) == sent[:5]
    assert list(one.events) == [sent[2]]
    assert list(named.events) == [sent[3]]


def test_a_slow_subscriber_loses_the_newest_events_and_counts_them() -> None:
    """Rule COUNT: the others are not affected, and it goes on."""
    exchange = Exchange()
    slow = exchange.subscribe("A.b", capacity=2, overflow=Overflow.COUNT)
    quick = exchange.subscribe("A.b", capacity=9)
    for number in range(5):
        exchange.receive(event(n=number))
    assert [each.params["n"] for each in slow.events] == [0, 1]
    assert (slow.lost, slow.failure) == (3, None)
    assert (quick.lost, len(quick.events)) == (0, 5)
    slow.events.popleft()
    exchange.receive(event(n=5))
    assert [each.params["n"] for each in slow.events] == [1, 5]
    assert exchange.statistics().lost == 3


def test_a_slow_subscriber_to_states_is_ended() -> None:
    """Rule END: there is no gap in what it reads, and an error after it."""
    exchange = Exchange()
    slow = exchange.subscribe("A.b", capacity=2)
    for number in range(4):
        exchange.receive(event(n=number))
    slow.events.popleft()
    exchange.receive(event(n=4))
    assert [each.params["n"] for each in slow.events] == [1]
    assert isinstance(slow.failure, EventsLostError)


def test_an_ended_subscription_gets_nothing_and_stays_counted() -> None:
    """What it lost remains in the statistics; ending it twice does nothing."""
    exchange = Exchange()
    slow = exchange.subscribe("A.b", capacity=1, overflow=Overflow.COUNT)
    for _ in range(3):
        exchange.receive(event())
    exchange.unsubscribe(slow)
    exchange.unsubscribe(slow)
    assert exchange.receive(event()).touched == ()
    assert exchange.statistics().lost == 2
    assert exchange.statistics().subscriptions == 0


def test_capacity_is_at_least_one() -> None:
    """A subscription without room would lose everything unseen."""
    with pytest.raises(ValueError, match="capacity"):
        Exchange().subscribe("A.b", capacity=0)


def test_an_unusable_reply_fails_its_command() -> None:
    """With the reason; the connection goes on."""
    exchange = Exchange()
    number, _ = exchange.request("Page.captureScreenshot")
    settled = exchange.receive(Unusable("it is larger than 9 bytes", number=number)).settled
    assert isinstance(settled[number], UnusableMessageError)
    assert (
        str(settled[number]) == "Page.captureScreenshot: the reply cannot be used: it is larger than 9 bytes."
    )
    assert exchange.receive(Unusable("again", number=number)) == Effects()


def test_an_unusable_event_is_missing_for_its_subscribers() -> None:
    """By each one's own rule."""
    exchange = Exchange()
    counting = exchange.subscribe("A.b", overflow=Overflow.COUNT)
    ending = exchange.subscribe("A.b")
    other = exchange.subscribe("C.d")
    effects = exchange.receive(Unusable("it is nonsense", method="A.b"))
    assert effects.touched == (counting, ending)
    assert (counting.lost, counting.failure) == (1, None)
    assert isinstance(ending.failure, EventsLostError)
    assert (other.lost, other.failure) == (0, None)
    assert exchange.statistics().unusable == 1


def test_a_lost_connection_ends_everything_once() -> None:
    """Pending and later commands fail, subscriptions end after their queued events; a second loss is none."""
    exchange = Exchange()
    first, _ = exchange.request("A.b")
    second, _ = exchange.request("A.b", session="S")
    subscription = exchange.subscribe("A.b")
    exchange.receive(event())
    effects = exchange.lose(LOST)
    assert effects.settled == {first: LOST, second: LOST}
    assert effects.touched == (subscription,)
    assert (len(subscription.events), subscription.failure) == (1, LOST)
    assert exchange.lose(ConnectionLostError("again")) == Effects()
    with pytest.raises(ConnectionLostError, match="gone"):
        exchange.request("A.b")
    assert exchange.subscribe("A.b").failure is LOST
    assert exchange.receive(Reply(first, {})) == Effects()
    assert exchange.receive(event()) == Effects()


def test_a_loss_does_not_hide_that_events_were_lost_before() -> None:
    """The first reason is the one that the reader gets."""
    exchange = Exchange()
    slow = exchange.subscribe("A.b", capacity=1)
    exchange.receive(event())
    exchange.receive(event())
    exchange.lose(LOST)
    assert isinstance(slow.failure, EventsLostError)
