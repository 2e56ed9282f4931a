"""Whatever the network does, each message is delivered once and in order, or reported as lost."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from orch.client.backlog import Backlog
from orch.client.events import (
    ConnectionLostError,
    Event,
    Lost,
    RefusedError,
    StateChanged,
    StoppedError,
    TooManyRequestsError,
    Unrecognized,
    decode,
)
from orch.client.state import Action, ClientState, Send, Settle
from orch.protocol.messages import (
    Broadcast,
    JoinSession,
    MeetingChat,
    Ping,
    RecoverSession,
    SessionMessage,
    SpeakerAudio,
    Subscribe,
    Update,
)

CONNECTED = {
    "type": "connected",
    "connection_id": "c",
    "server_time": 0,
    "ping_interval": 25,
    "recovery_window": 9,
}


def receive(state: ClientState, message: dict[str, Any], now: float = 0) -> list[Action]:
    text = json.dumps({"timestamp": 0} | message)
    return state.receive(decode(text), len(text), now)


def live() -> ClientState:
    state = ClientState(Backlog())
    receive(state, CONNECTED)
    return state


class Session:
    """The service's side of a session, as in the hub: all messages; the last ``kept`` are stored."""

    def __init__(self, kept: int) -> None:
        self.kept = kept
        self.said = 0
        self.epoch = 1

    def message(self, offset: int) -> dict[str, Any]:
        return {
            "type": "session_message",
            "timestamp": 0,
            "session_id": "s",
            "sender": "p",
            "data": self.epoch * 1000 + offset,
            "offset": offset,
        }

    def joined(self, identity: int) -> dict[str, Any]:
        return {
            "type": "session_joined",
            "id": identity,
            "session_id": "s",
            "participant_id": "p",
            "recovery_token": "t",
            "epoch": str(self.epoch),
            "offset": self.said,
            "config": {},
            "participants": [],
            "participant_count": 1,
        }

    def recovered(self, asked: dict[str, Any]) -> dict[str, Any]:
        answer = {"type": "session_recovered", "id": asked["id"], "session_id": "s"}
        if asked["epoch"] != str(self.epoch):
            return answer | {"recovered": False, "reason": "epoch_changed"}
        if asked["offset"] < self.said - self.kept:
            return answer | {"recovered": False, "reason": "history_expired"}
        missed = [self.message(offset) for offset in range(asked["offset"] + 1, self.said + 1)]
        return answer | {
            "recovered": True,
            "epoch": str(self.epoch),
            "offset": self.said,
            "messages": missed,
        }


class World:
    """A service, a network that drops, duplicates and breaks, a client, and a reader at its own pace."""

    def __init__(self, *, kept: int, room: int) -> None:
        self.session = Session(kept)
        self.state = ClientState(Backlog(count=room))
        self.now = 0.0
        self.is_connected = False
        self.is_member = False
        self.asked: list[dict[str, Any]] = []
        self.taken: list[int] = []
        self.base: int | None = None
        self.losses = 0

    def do(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self.asked.append(msgspec.to_builtins(action.message))

    def hear(self, message: dict[str, Any]) -> None:
        self.do(receive(self.state, message, self.now))

    # What may happen.

    def connect(self) -> None:
        if not self.is_connected:
            self.is_connected, self.is_member, self.asked = True, False, []
            self.hear(CONNECTED)

    def drop(self) -> None:
        if self.is_connected:
            self.is_connected, self.is_member, self.asked = False, False, []
            self.do(self.state.lost())

    def join(self) -> None:
        if not self.state.sessions():
            self.do(self.state.request(JoinSession(session_id="s"))[1])

    def answer(self) -> None:
        """Let the service process the oldest request."""
        if not self.asked or not self.is_connected:
            return
        asked = self.asked.pop(0)
        if asked["type"] == "join_session":
            self.is_member = True
            self.hear(self.session.joined(asked["id"]))
        elif asked["type"] == "recover_session":
            answer = self.session.recovered(asked)
            self.is_member = self.is_member or answer["recovered"]
            self.hear(answer)

    def forget(self) -> None:
        """Lose a request on the way."""
        if self.asked:
            self.asked.pop(0)

    def say(self) -> None:
        self.session.said += 1
        if self.is_member:
            self.hear(self.session.message(self.session.said))

    def say_unheard(self) -> None:
        """Tear a message out."""
        self.session.said += 1

    def say_again(self) -> None:
        if self.is_member and self.session.said:
            self.hear(self.session.message(self.session.said))

    def begin_anew(self) -> None:
        """End the session and create another with its name."""
        if not self.is_member:
            self.session.epoch += 1
            self.session.said = 0

    def wait(self) -> None:
        self.now += 4
        self.do(self.state.tick(self.now))

    def take(self) -> None:
        event = self.state.backlog.take()
        if event is None:
            return
        if self.is_connected:
            self.do(self.state.drained(self.now))
        if isinstance(event, SessionMessage):
            self.take_message(event)
        elif isinstance(event, Lost):
            self.losses += 1
            self.base = None

    def take_message(self, message: SessionMessage) -> None:
        number = msgspec.json.decode(message.data, type=int)
        assert message.offset is not UNSET
        assert number % 1000 == message.offset
        if self.base is not None:
            assert number == self.base + 1, "in order, each once, nothing skipped without a word"
        self.base = number
        self.taken.append(number)


STEPS: list[Callable[[World], None]] = [
    World.connect,
    World.drop,
    World.join,
    World.answer,
    World.answer,
    World.forget,
    World.say,
    World.say,
    World.say_unheard,
    World.say_again,
    World.begin_anew,
    World.wait,
    World.take,
]


@given(
    steps=st.lists(st.sampled_from(STEPS), max_size=120),
    kept=st.integers(1, 30),
    room=st.integers(1, 12),
)
@settings(max_examples=400, deadline=None)
def test_each_message_is_delivered_once_in_order_or_reported_as_lost(
    steps: list[Callable[[World], None]], kept: int, room: int
) -> None:
    """Drops, doubles, holes, lost questions, slow readers, sessions begun anew, in any order."""
    world = World(kept=kept, room=room)
    for step in (World.connect, World.join, World.answer, *steps):
        step(world)
    # And once the network is well again, nothing more is missing than what was said to be lost.
    for _ in range(60):
        for step in (World.connect, World.wait, World.answer, World.take, World.take, World.take):
            step(world)
    standing = world.state.sessions()
    if standing and standing[0].epoch is not None:
        assert standing[0].epoch == str(world.session.epoch)
        behind = world.session.said - (standing[0].offset or 0)
        # Only a hole that nothing after it has shown can be left: the next message shows it.
        world.say()
        for _ in range(80):
            for step in (World.wait, World.answer, World.take):
                step(world)
        assert behind >= 0
        if world.state.sessions():
            assert world.state.sessions()[0].offset == world.session.said
        else:
            assert world.losses


@given(count=st.integers(1, 40), room=st.integers(1, 8))
def test_a_slow_reader_gets_every_message_in_the_end(count: int, room: int) -> None:
    """Messages that its backlog had no room for are requested again; none is dropped."""
    world = World(kept=1000, room=room)
    for step in (World.connect, World.join, World.answer):
        step(world)
    for _ in range(count):
        world.say()
    while len(world.taken) < count:
        world.take()
        world.answer()
    assert world.taken == list(range(1001, 1001 + count))


def test_a_newer_state_replaces_an_unread_one() -> None:
    """A late reader gets the current state, not the earlier ones."""
    backlog = Backlog(count=3)
    updates = [Update(timestamp=0, topic="tree", data=msgspec.Raw(str(n).encode())) for n in range(9)]
    events: list[Event] = [*updates, StateChanged("live"), StateChanged("waiting")]
    assert all(backlog.offer(event, 1) for event in events)
    assert len(backlog) == 2
    assert backlog.take() == updates[-1]
    assert backlog.take() == StateChanged("waiting")
    assert backlog.take() is None


def test_a_full_backlog_drops_transient_events_and_reports_every_loss() -> None:
    """Count and bytes are bounded; a loss is never dropped."""
    backlog = Backlog(count=10, size=100)
    other = Unrecognized(type="x", fields={})
    assert backlog.offer(other, 5_000), "one that is larger than all still goes into an empty backlog"
    assert not backlog.offer(other, 1)
    assert not backlog.offer(other, 1, is_lasting=True)
    assert backlog.dropped == 1
    assert backlog.offer(Lost("s", "gap", 3))
    assert backlog.offer(Lost("s", "gap", 9)), "each in its place"
    assert [backlog.take() for _ in range(3)] == [other, Lost("s", "gap", 3), Lost("s", "gap", 9)]


def test_a_request_gets_the_reply_with_its_id_and_errors_are_raised() -> None:
    """Replies may arrive in any order."""
    state = live()
    first, _ = state.request(Ping())
    second, _ = state.request(Subscribe(topic="nope"))
    (refused,) = receive(state, {"type": "error", "id": second, "code": "unknown_topic", "detail": "None."})
    assert isinstance(refused, Settle)
    assert refused.id == second
    assert isinstance(refused.outcome, RefusedError)
    assert refused.outcome.code == "unknown_topic"
    (answered,) = receive(state, {"type": "pong", "id": first})
    assert isinstance(answered, Settle)
    assert answered.id == first
    assert state.backlog.take() is None, "answers are no events"


def test_requests_sent_before_a_lost_connection_have_an_unknown_outcome_and_are_not_repeated() -> None:
    """What was not sent waits for the next connection."""
    state = live()
    sent, _ = state.request(Broadcast(session_id="s", data=msgspec.Raw(b"1")))
    (failed,) = state.lost()
    assert isinstance(failed, Settle)
    assert failed.id == sent
    assert isinstance(failed.outcome, ConnectionLostError)
    waiting, actions = state.request(Ping())
    assert actions == []
    assert [a.message.id for a in receive(state, CONNECTED) if isinstance(a, Send)] == [waiting]


def test_requests_that_wait_are_bounded_and_all_fail_at_the_end() -> None:
    """The sixty-fifth is refused."""
    state = ClientState(Backlog())
    for _ in range(64):
        state.request(Ping())
    with pytest.raises(TooManyRequestsError):
        state.request(Ping())
    assert len(state.stopped(StoppedError(4001, "Closed by an operator."))) == 64
    assert state.requests == 0


def test_an_abandoned_join_hides_no_message() -> None:
    """A client that was in the session already, and cancels a rejoin, still gets its messages."""
    state = live()
    identity, _ = state.request(JoinSession(session_id="s"))
    session = Session(10)
    receive(state, session.joined(identity))
    again, _ = state.request(JoinSession(session_id="s", name="Ann"))
    session.said = 2
    receive(state, session.message(2))
    (asked,) = state.abandon(again, 0)
    assert isinstance(asked, Send)
    assert isinstance(asked.message, RecoverSession)
    assert asked.message.offset == 0


def test_a_topic_is_unsubscribed_with_its_last_subscriber() -> None:
    """Two subscribers of one topic are one subscription."""
    state = live()
    assert state.follow("tree")
    assert not state.follow("tree")
    assert state.unfollow("tree") == []
    assert [type(a.message).__name__ for a in state.unfollow("tree") if isinstance(a, Send)] == [
        "Unsubscribe"
    ]
    assert state.topics == ()


def test_messages_about_a_meeting_are_known_and_leave_no_gap_in_its_session() -> None:
    """Each has an offset: one that was taken for unknown would be requested again and again."""
    state = live()
    state.request(JoinSession(session_id="s"))
    receive(state, Session(9).joined(1))
    chat = {"type": "meeting_chat", "session_id": "s", "message_id": "m", "text": "x", "sender": "A", "at": 1}
    assert receive(state, chat | {"offset": 1}) == []
    assert receive(state, Session(9).message(2)) == []
    first, second = state.backlog.take(), state.backlog.take()
    assert isinstance(first, MeetingChat)
    assert isinstance(second, SessionMessage)
    newer = {"type": "meeting_vote", "session_id": "s", "offset": 3}
    assert receive(state, newer) == []
    assert isinstance(state.backlog.take(), Unrecognized)
    assert receive(state, newer) == []
    assert state.backlog.take() is None
    sound = {"type": "speaker_audio", "session_id": "s", "track": "t", "first": 0, "at": 0, "data": "AAE="}
    heard = decode(json.dumps(sound | {"timestamp": 0}))
    assert isinstance(heard, SpeakerAudio)
    assert heard.data == b"\x00\x01"
