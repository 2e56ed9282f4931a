import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.problems import ProblemError
from orch.protocol.identifiers import new_token
from orch.protocol.messages import Role
from orch.protocol.recovery_token import Token, read_token
from orch.stores.records import Appended, Origin, SessionRecord
from orch.websocket.connections.outbox import Frame
from orch.websocket.participants.member import Member
from orch.websocket.sessions.session import (
    CONFIG_LIMIT,
    PRESENCE_INTERVAL,
    Session,
    encoded_config,
    presence_interval,
    summary,
)
from orch.websocket.sessions.session_cache import SessionCache
from orch.websocket.statistics import Rates


class FakeReceiver:
    """Keeps what it is offered."""

    def __init__(self, connection_id: str = "c", *, room: bool = True) -> None:
        self.connection_id = connection_id
        self.received_at = 0.0
        self.answers_heartbeats = False
        self.room = room
        self.frames: list[bytes] = []
        self.has_overflowed = False

    def offer(self, frame: Frame) -> bool:
        if self.room:
            self.frames.append(frame.data)
        return self.room

    def overflow(self) -> None:
        self.has_overflowed = True

    def dismiss(self, left: Frame, session_id: str) -> None:
        self.frames.append(left.data)

    def expel(self, left: Frame, session_id: str) -> None:
        """Be removed by the host, which no test here does."""
        raise AssertionError


def record(session_id: str = "s") -> SessionRecord:
    return SessionRecord(session_id, "e", 4, 1, b'{"a":1}', 1.0, 2.0)


def member(receiver: FakeReceiver, name: str = "Ann", role: Role = "participant", limit: int = 100) -> Member:
    return Member(receiver, new_token(name), name=name, role=role, languages=("en",), limit=limit)


def test_members_come_and_go() -> None:
    """Who is in is listed in the order they came; going twice is no fault."""
    session = Session(record())
    ann, bob = member(FakeReceiver()), member(FakeReceiver(), "Bob")
    session.add(ann)
    session.add(bob)
    assert [each.name for each in session.participants()] == ["Ann", "Bob"]
    assert session.member("Bob") is bob
    assert session.remove(ann)
    assert not session.remove(ann)
    assert session.remove(bob)
    assert session.is_idle
    assert session.languages() == frozenset()


def test_a_message_reaches_all_and_its_sender_with_its_id() -> None:
    """One encoding for all; only the sender's copy carries the id, and only on the sender's connection."""
    session = Session(record())
    one, two = FakeReceiver("one"), FakeReceiver("two")
    session.add(member(one, "Ann"))
    session.add(member(two, "Bob"))
    session.appended(Appended("s", 5, b'{"type":"x","offset":5}', 9.0, Origin("one", 7)))
    assert one.frames == [b'{"type":"x","offset":5,"id":7}']
    assert two.frames == [b'{"type":"x","offset":5}']
    assert (session.offset, session.last_active) == (5, 9.0)
    session.appended(Appended("s", 6, b"{}", 3.0, None))
    assert (session.offset, session.last_active) == (6, 9.0)


@given(st.lists(st.sampled_from(["say", "hold", "release"])))
def test_holding_back_changes_neither_what_arrives_nor_its_order(steps: list[str]) -> None:
    """A member that catches up gets everything once and in order, however often it had to."""
    receiver = FakeReceiver()
    one = member(receiver, limit=10_000)
    said = []
    for number, step in enumerate(steps):
        if step == "say":
            said.append(b"%d" % number)
            one.deliver(Frame(said[-1], is_durable=True))
        elif step == "hold":
            one.release()
            one.hold()
        else:
            one.release()
    one.release()
    assert receiver.frames == said


def test_what_is_held_back_is_bounded() -> None:
    """A member that takes too long to catch up is closed as any slow client is."""
    receiver = FakeReceiver()
    one = member(receiver, limit=10)
    one.hold()
    assert one.deliver(Frame(b"x" * 10, is_durable=True))
    assert not receiver.has_overflowed
    assert not one.deliver(Frame(b"x", is_durable=True))
    assert receiver.has_overflowed


def test_whoever_is_let_out_again_hears_nothing() -> None:
    """What was held back for someone who did not get in after all is dropped."""
    receiver = FakeReceiver()
    one = member(receiver)
    one.hold()
    one.deliver(Frame(b"x", is_durable=True))
    one.forget_held()
    one.release()
    assert receiver.frames == []


def test_a_session_knows_whether_everyone_got_it() -> None:
    """Presence that someone was too slow for is told again."""
    session = Session(record())
    session.add(member(FakeReceiver(), "Ann"))
    assert session.deliver(Frame(b"x", is_durable=False))
    session.add(member(FakeReceiver(room=False), "Bob"))
    assert not session.deliver(Frame(b"x", is_durable=False))


def test_a_config_is_bounded() -> None:
    """A session's configuration is a few settings, not a store of files."""
    assert encoded_config({"a": 1}) == b'{"a":1}'
    with pytest.raises(ProblemError) as caught:
        encoded_config({"a": "x" * CONFIG_LIMIT})
    assert (caught.value.code, caught.value.extra["path"]) == ("invalid_message", "$.config")


def test_a_sign_of_life_keeps_a_session() -> None:
    """A session is as alive as the liveliest connection in it."""
    session = Session(record())
    assert session.last_used() == 2.0
    receiver = FakeReceiver()
    receiver.received_at = 50.0
    session.add(member(receiver))
    assert session.last_used() == 50.0


def test_presence_is_told_less_often_to_a_crowd() -> None:
    """What presence costs a second does not grow with the crowd, and a few are told at once."""
    assert presence_interval(0) == pytest.approx(PRESENCE_INTERVAL)
    assert presence_interval(20) < 2 * PRESENCE_INTERVAL
    for members in (1, 100, 10_000, 1_000_000):
        assert members / presence_interval(members) < 500


def test_summaries_are_the_same_from_use_and_from_rest() -> None:
    """The list of sessions reads the same whether someone is in one or not."""
    assert summary(Session(record())) == summary(record())
    assert summary(record()).participant_count == 0
    assert summary(record(), is_known=False).participant_count is None


def test_idle_sessions_leave_memory_oldest_first_and_those_in_use_stay() -> None:
    """Memory is bounded by what is in use, however many sessions there are."""
    cache = SessionCache(3)
    used = Session(record("used"))
    used.add(member(FakeReceiver()))
    pinned = Session(record("pinned"))
    pinned.pins = 1
    for session in (used, pinned, *(Session(record(str(number))) for number in range(10))):
        cache.add(session)
        cache.get("used")
    assert {session.session_id for session in cache} == {"pinned", "9", "used"}
    assert cache.get("0") is None
    assert cache.add(Session(record("9"))) is cache.get("9")


def test_a_session_that_was_asked_for_lately_stays_longer() -> None:
    """Looking a session up is a use."""
    cache = SessionCache(2)
    for name in "ab":
        cache.add(Session(record(name)))
    cache.get("a")
    cache.add(Session(record("c")))
    assert [session.session_id for session in cache.latest(1)] == ["c"]
    assert [session.session_id for session in cache] == ["a", "c"]


def test_more_sessions_in_use_than_the_limit_all_stay() -> None:
    """The limit is for those that can be read back without anyone noticing."""
    cache = SessionCache(2)
    for number in range(50):
        session = Session(record(str(number)))
        session.pins = 1
        cache.add(session)
    assert len(cache) == 50


def test_tokens_open_only_what_they_were_made_for() -> None:
    """A token is its own participant's; the secret is in no representation and no record."""
    token = new_token("p")
    shown = read_token(str(token))
    assert shown == token
    assert shown is not None
    assert shown.opens(token.hashed())
    assert not new_token("p").opens(token.hashed())
    assert not Token("p", token.secret[:-1]).opens(token.hashed())
    assert token.secret not in repr(token)
    assert token.secret.encode() not in member(FakeReceiver()).record(1.0).token_hash


@pytest.mark.parametrize("text", ["", ".", "p", "p.", ".x"])
def test_what_is_no_token_is_none(text: str) -> None:
    """A broken token is refused, not looked up."""
    assert read_token(text) is None


def test_rates_are_of_the_last_seconds() -> None:
    """A burst a minute ago is no rate now; without time there is none."""
    rates = Rates()
    assert rates.per_second() == (0.0, 0.0)
    rates.sample(0.0, 0, 0)
    assert rates.per_second() == (0.0, 0.0)
    rates.sample(0.0, 5, 5)
    assert rates.per_second() == (0.0, 0.0)
    rates.sample(1.0, 10, 20)
    assert rates.per_second() == (10.0, 20.0)
    for second in range(2, 10):
        rates.sample(float(second), 10, 20)
    assert rates.per_second() == (0.0, 0.0)
