from hypothesis import given
from hypothesis import strategies as st

from orch.protocol.messages import Change, Participant
from orch.websocket.participants.presence_changes import CHANGES_LISTED, PresenceChanges


def someone(name: str) -> Participant:
    return Participant(participant_id=name, name=name.upper(), role="participant")


def test_each_way_of_coming_and_going_is_named() -> None:
    """A page can write "Ann has left" without comparing lists."""
    comings = PresenceChanges()
    comings.add(someone("a"), "joined")
    comings.add(someone("b"), "left")
    comings.add(someone("c"), "silent")
    told = [(each.participant_id, each.name, each.change) for each in comings.current({"a", "d"})]
    assert told == [("a", "A", "joined"), ("b", "B", "left"), ("c", "C", "silent")]
    assert "3" in repr(comings)


def test_a_return_before_anyone_was_told_is_no_change() -> None:
    """A connection that is lost and back at once is not news."""
    comings = PresenceChanges()
    comings.add(someone("a"), "silent")
    comings.add(someone("a"), "joined")
    comings.add(someone("b"), "joined")
    comings.add(someone("b"), "left")
    assert comings.current({"a"}) == ()


def test_what_is_told_agrees_with_who_is_there() -> None:
    """Someone who came over to another worker has not gone silent."""
    comings = PresenceChanges()
    comings.add(someone("a"), "silent")
    assert comings.current({"a"}) == ()


def test_a_crowd_is_not_named_one_by_one() -> None:
    """What is kept and said is bounded."""
    comings = PresenceChanges()
    for number in range(CHANGES_LISTED * 3):
        comings.add(someone(str(number)), "joined")
    told = comings.current({str(number) for number in range(CHANGES_LISTED * 3)})
    assert len(told) == CHANGES_LISTED
    assert told[-1].participant_id == str(CHANGES_LISTED * 3 - 1)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["left", "silent"]))),
    st.sets(st.sampled_from("abc")),
)
def test_changes_lead_from_what_was_told_to_what_is(
    steps: list[tuple[str, Change]], before: set[str]
) -> None:
    """Whoever applies them to the old list has the new one."""
    comings, present = PresenceChanges(), set(before)
    for name, going in steps:
        comings.add(someone(name), going if name in present else "joined")
        present ^= {name}
    applied = set(before)
    for change in comings.current(present):
        if change.change == "joined":
            assert change.participant_id not in applied
            applied.add(change.participant_id)
        else:
            applied.remove(change.participant_id)
    assert applied == present
