from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.protocol.identifiers import new_token
from orch.protocol.messages import Participant
from orch.stores.records import SessionRecord
from orch.websocket.cluster import remote_participants as module
from orch.websocket.cluster.remote_participants import (
    DELTA_PARTICIPANTS,
    Departure,
    PresenceDelta,
    RemoteParticipants,
    deltas,
)
from orch.websocket.connections.outbox import Frame
from orch.websocket.participants.member import Member
from orch.websocket.sessions.session import Session


def someone(name: str, called: str = "Ann") -> Participant:
    return Participant(participant_id=name, name=called, role="participant")


def whole(worker: str, *names: str, number: int = 1) -> PresenceDelta:
    (told,) = deltas(worker, number, [someone(name) for name in names], [], is_full=True)
    return told


def change(worker: str, number: int, here: str = "", gone: str = "", how: str = "silent") -> PresenceDelta:
    going = [Departure(name, "left" if how == "left" else "silent") for name in gone]
    (told,) = deltas(worker, number, [someone(name) for name in here], going, is_full=False)
    return told


def seen(found: tuple[tuple[Participant, str | None], ...] | None) -> list[tuple[str, str | None]]:
    assert found is not None
    return [(participant.participant_id, what) for participant, what in found]


def test_a_worker_tells_everyone_once_and_then_what_changes() -> None:
    """Someone who comes is told of alone."""
    others = RemoteParticipants()
    assert seen(others.apply(whole("w", "a", "b"))) == [("a", "joined"), ("b", "joined")]
    assert seen(others.apply(change("w", 2, here="c", gone="a"))) == [("c", "joined"), ("a", "silent")]
    assert seen(others.apply(change("w", 3, gone="b", how="left"))) == [("b", "left")]
    assert repr(others) == "<RemoteParticipants: 1 on w>"
    assert others.get("c") == someone("c")
    assert seen(others.apply(change("w", 4, gone="c"))) == [("c", "silent")]
    assert others.workers == frozenset()
    assert repr(others) == "<RemoteParticipants: none>"


def test_telling_everyone_again_changes_nothing() -> None:
    """Whoever asks who is there makes no news for those who know."""
    others = RemoteParticipants()
    others.apply(whole("w", "a", "b"))
    assert seen(others.apply(whole("w", "a", "b", number=7))) == []
    assert seen(others.apply(whole("w", "b", number=8))) == [("a", "silent")]
    told = PresenceDelta("w", 9, snapshot_begins=False, snapshot_ends=False, present=(someone("b", "Bob"),))
    assert seen(others.apply(told)) == [("b", None)]


def test_what_was_missed_is_noticed() -> None:
    """A gap in the numbers, or a worker that nothing is known of, is asked for; nothing is made up."""
    others = RemoteParticipants()
    assert others.apply(change("w", 2, here="a")) is None
    others.apply(whole("w", "a"))
    assert others.apply(change("w", 3, here="b")) is None
    assert others.get("b") is None
    assert seen(others.apply(change("w", 2, here="b"))) == [("b", "joined")]


def test_who_is_on_two_workers_is_there_once() -> None:
    """Someone who has come over, while the old worker has not noticed: neither news nor gone."""
    others = RemoteParticipants()
    others.apply(whole("old", "a"))
    assert seen(others.apply(whole("new", "a"))) == []
    assert seen(others.apply(change("old", 2, gone="a"))) == []
    assert others.get("a") == someone("a")
    others.apply(whole("old", "b"))
    told = PresenceDelta("new", 2, snapshot_begins=False, snapshot_ends=False, present=(someone("b", "Bob"),))
    assert seen(others.apply(told)) == [("b", None)]
    assert seen(others.apply(change("new", 3, gone="b"))) == [("b", None)]
    assert others.get("b") == someone("b")


def test_a_worker_that_is_gone_takes_its_own_with_it() -> None:
    """Those who are on another as well stay."""
    others = RemoteParticipants()
    others.apply(whole("w", "a", "b"))
    others.apply(whole("x", "b"))
    assert seen(others.drop_worker("w")) == [("a", "silent")]
    assert seen(others.drop_worker("w")) == []
    assert others.workers == {"x"}


@pytest.mark.parametrize(
    ("here", "gone", "messages"),
    [
        (0, 0, 1),
        (1, 0, 1),
        (DELTA_PARTICIPANTS, DELTA_PARTICIPANTS, 1),
        (DELTA_PARTICIPANTS + 1, 3, 2),
        (0, DELTA_PARTICIPANTS * 2 + 1, 3),
    ],
)
def test_no_message_between_workers_grows_with_the_crowd(here: int, gone: int, messages: int) -> None:
    """Everyone is told in parts, each of a bounded size and with a number of its own."""
    told = deltas(
        "w",
        5,
        [someone(f"h{number}") for number in range(here)],
        [Departure(f"g{number}", "left") for number in range(gone)],
        is_full=True,
    )
    assert len(told) == messages
    assert all(
        len(each.present) <= DELTA_PARTICIPANTS and len(each.departed) <= DELTA_PARTICIPANTS for each in told
    )
    assert sum(len(each.present) for each in told) == here
    assert sum(len(each.departed) for each in told) == gone
    assert all(two.number == one.number + 1 for one, two in pairwise(told))
    assert [each.snapshot_begins for each in told] == [True] + [False] * (messages - 1)
    assert [each.snapshot_ends for each in told] == [False] * (messages - 1) + [True]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["w", "x"]),
            st.sets(st.sampled_from("abcde")),
            st.booleans(),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_whoever_listens_ends_up_knowing_who_is_there(
    steps: list[tuple[str, set[str], bool, bool]],
) -> None:
    """Whatever was lost on the way: it is noticed, asked for, and what was seen leads to what is."""
    others = RemoteParticipants()
    there: dict[str, set[str]] = {"w": set(), "x": set()}
    numbers = {"w": 0, "x": 0}
    known: set[str] = set()

    def hear(told: PresenceDelta) -> bool:
        found = others.apply(told)
        for participant, what in found or ():
            name = participant.participant_id
            assert (name in known) == (what != "joined")
            if what == "joined":
                known.add(name)
            elif what is not None:
                known.remove(name)
        return found is not None

    def say(worker: str, *, is_whole: bool, before: set[str], is_lost: bool = False) -> None:
        now = there[worker]
        told = deltas(
            worker,
            numbers[worker] + 1,
            [someone(name) for name in sorted(now if is_whole else now - before)],
            [Departure(name, "silent") for name in sorted(before - now)],
            is_full=is_whole,
        )
        numbers[worker] = told[-1].number if now else 0
        heard = [True] if is_lost else [hear(each) for each in told]
        if not all(heard):
            say(worker, is_whole=True, before=now)

    with patch.object(module, "DELTA_PARTICIPANTS", 2):
        for worker, now, is_asked, is_lost in steps:
            before, there[worker] = there[worker], now
            say(worker, is_whole=is_asked or not numbers[worker], before=before, is_lost=is_lost)
        for worker, now in there.items():
            say(worker, is_whole=True, before=now)
    assert known == there["w"] | there["x"]
    assert {name for name in "abcde" if others.get(name) is not None} == known
    assert others.workers == {worker for worker, names in there.items() if names}


class Deaf:
    """A client that takes nothing."""

    connection_id = "c"
    received_at = 0.0
    answers_heartbeats = False

    def offer(self, frame: Frame) -> bool:
        return True

    def overflow(self) -> None:
        raise AssertionError

    def dismiss(self, left: Frame, session_id: str) -> None:
        raise AssertionError

    def expel(self, left: Frame, session_id: str) -> None:
        """Be removed by the host, which no test here does."""
        raise AssertionError


def member(name: str) -> Member:
    return Member(Deaf(), new_token(name), name="Ann", role="participant", languages=("en",), limit=1)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.sampled_from("abcd")),
            st.tuples(st.just("remove"), st.sampled_from("abcd")),
            st.tuples(st.sampled_from(["w", "x"]), st.text("abcd", max_size=4)),
            st.tuples(st.just("forget"), st.sampled_from("wx")),
        ),
        max_size=20,
    )
)
def test_a_session_counts_everyone_once(steps: list[tuple[str, str]]) -> None:
    """Here, elsewhere, or both: the count, the list and what was seen agree."""
    session = Session(SessionRecord("s", "e", 0, 1, b"{}", 1.0, 2.0))
    here: dict[str, Member] = {}
    there: dict[str, set[str]] = {}
    for what, name in steps:
        before = {name for name in "abcd" if name in session.present}
        found: list[tuple[str, str | None]] = []
        if what == "add":
            if name not in here:
                here[name] = member(name)
                session.add(here[name])
        elif what == "remove":
            if name in here:
                assert session.remove(here.pop(name))
        elif what == "forget":
            there.pop(name, None)
            found = seen(session.drop_worker(name))
        else:
            there[what] = set(name)
            found = seen(session.apply(whole(what, *sorted(set(name)))))
        everyone = set(here).union(*there.values())
        for one, change in found:
            before.add(one) if change == "joined" else before.discard(one)
            assert one not in here
        if what in ("forget", "w", "x"):
            assert before == everyone
        assert session.participant_count == len(everyone)
        assert {name for name in "abcd" if name in session.present} == everyone
        assert {each.participant_id for each in session.participants()} == everyone
        assert session.count == len(here)
        assert session.workers == {worker for worker, names in there.items() if names}
        for one in "abcd":
            assert session.is_remote(one) == any(one in names for names in there.values())
        assert session.is_idle == (not here)
