from dataclasses import dataclass
from itertools import product
from typing import Literal
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, UnsetType

from orch.protocol.messages import Participant, Role
from orch.websocket.participants import roster as module
from orch.websocket.participants.roster import PARTICIPANTS_LISTED, RANKS, Roster

LIMIT = 4
ROLES: tuple[Role, ...] = ("owner", "participant", "observer")


@dataclass(frozen=True)
class One:
    """Someone."""

    participant_id: str
    role: Role = "participant"
    speaking: bool = False
    growing: bool = False
    audio: Literal[True] | UnsetType = UNSET
    languages: tuple[str, ...] = ()
    name: str = ""

    def described(self) -> Participant:
        return Participant(
            participant_id=self.participant_id,
            name=self.name,
            role=self.role,
            languages=self.languages,
            speaking=self.speaking,
        )


def names(roster: Roster, also: str | None = None) -> list[str]:
    return [each.participant_id for each in roster.listed(also)]


def test_those_who_may_speak_are_named_before_those_who_read_and_the_first_before_the_last() -> None:
    """Of a crowd, the first names say most, and they are the same every time."""
    roster = Roster()
    for number in range(PARTICIPANTS_LISTED * 3):
        roster.put(One(f"o{number}", "observer"))
    assert names(roster) == [f"o{number}" for number in range(PARTICIPANTS_LISTED)]
    roster.put(One("p", "participant"))
    roster.put(One("w", "owner"))
    expected = ["w", "p", *(f"o{number}" for number in range(PARTICIPANTS_LISTED - 2))]
    assert names(roster) == expected == names(roster)
    roster.put(One("late", "observer"))
    assert names(roster) == expected
    assert len(roster) == PARTICIPANTS_LISTED * 3 + 3


def test_a_meeting_of_a_hundred_sees_all_its_names() -> None:
    """The limit is for crowds."""
    roster = Roster()
    for number in range(100):
        roster.put(One(str(number)))
    assert names(roster) == [str(number) for number in range(100)]


def test_whoever_asks_is_named_in_any_case() -> None:
    """A client finds itself in the list that it is answered with, at the end of its role."""
    roster = Roster()
    for number in range(PARTICIPANTS_LISTED * 2):
        roster.put(One(str(number)))
    last = str(PARTICIPANTS_LISTED * 2 - 1)
    assert names(roster, last) == [*(str(number) for number in range(PARTICIPANTS_LISTED - 1)), last]
    assert names(roster, "5") == names(roster) == names(roster, "nobody")


def test_whoever_speaks_is_named() -> None:
    """Of thousands, those who speak are the ones to be told of."""
    roster = Roster()
    for number in range(PARTICIPANTS_LISTED * 2):
        roster.put(One(str(number)))
    roster.put(One("150", speaking=True))
    assert names(roster)[-1] == "150"
    assert names(roster, "160")[-2:] == ["150", "160"]
    roster.put(One("150"))
    assert "150" not in names(roster)
    roster.put(One("150", speaking=True))
    roster.drop("150")
    assert "150" not in names(roster)
    assert "150" not in roster


def test_where_all_speak_there_is_still_a_bound() -> None:
    """Nobody can make the list longer."""
    roster = Roster()
    for number in range(PARTICIPANTS_LISTED * 2):
        roster.put(One(str(number), speaking=True))
    assert len(names(roster)) == PARTICIPANTS_LISTED
    last = str(PARTICIPANTS_LISTED * 2 - 1)
    assert last in names(roster, last)
    assert len(names(roster, last)) == PARTICIPANTS_LISTED


def test_a_list_that_nobody_in_it_changes_is_not_made_again() -> None:
    """What a crowd's list costs does not depend on who comes to the crowd."""
    roster = Roster()
    for number in range(PARTICIPANTS_LISTED * 2):
        roster.put(One(str(number)))
    before = roster.listed()
    roster.put(One("new"))
    roster.put(One("reader", "observer"))
    roster.drop("150")
    assert roster.listed() is before
    roster.put(One("3", name="Ann"))
    assert roster.listed()[3].name == "Ann"


def test_a_roster_says_who_is_in_it() -> None:
    """By name, and how many."""
    roster = Roster()
    roster.put(One("a", speaking=True))
    assert roster.get("a") == One("a", speaking=True)
    assert roster.get("b") is None
    assert [one.participant_id for one in roster] == ["a"]
    assert repr(roster) == "<Roster of 1, 1 speaking>"
    roster.drop("b")
    roster.drop("a")
    assert len(roster) == 0
    assert roster.listed() == ()


def test_the_place_of_a_first_one_who_is_not_named_is_free_once_they_are_gone() -> None:
    """Of those who made way for someone who speaks, one who leaves still lets the next move up."""
    crowd = [One(name) for name in "abcdef"]
    with patch.object(module, "PARTICIPANTS_LISTED", LIMIT):
        roster = Roster()
        for one in [*crowd, One("f", speaking=True), One("e", speaking=True)]:
            roster.put(one)
        assert names(roster) == ["a", "b", "f", "e"]
        roster.drop("c")
        assert names(roster) == ["a", "b", "e", "f"]


def check(roster: Roster, came: list[str], spoke: list[str], ones: dict[str, One]) -> None:
    """Compare with what a list must be, said another way."""
    ranked = sorted((ones[name] for name in came), key=lambda one: RANKS[one.role])
    silent = [one.participant_id for one in ranked if not one.speaking]
    assert len(roster) == len(came)
    for also in (None, *came, "nobody"):
        listed = roster.listed(also)
        assert len(listed) == min(len(came), LIMIT)
        told = [each.participant_id for each in listed]
        assert len(set(told)) == len(told)
        assert list(listed) == [ones[name].described() for name in told]
        ranks = [RANKS[each.role] for each in listed]
        assert ranks == sorted(ranks)
        assert also not in came or also in told
        if len(spoke) < LIMIT:
            assert set(spoke) <= set(told)
        first = [name for name in told if not ones[name].speaking and name != also]
        assert first == [name for name in silent if name != also][: len(first)]
    # What was kept from before is what would be made now.
    anew = Roster()
    for name in came:
        anew.put(One(name, ones[name].role))
    for name in spoke:
        anew.put(ones[name])
    for name in came:
        anew.put(ones[name])
    assert anew.listed() == roster.listed()


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcdefgh"),
            st.sampled_from(["put", "put", "speak", "drop"]),
            st.sampled_from(["", "Ann"]),
        ),
        max_size=40,
    )
)
def test_a_list_is_right_whatever_has_happened(steps: list[tuple[str, str, str]]) -> None:
    """It is bounded, in order, names whom it must, and is never out of date."""
    roster = Roster()
    came: list[str] = []
    spoke: list[str] = []
    ones: dict[str, One] = {}
    with patch.object(module, "PARTICIPANTS_LISTED", LIMIT):
        for name, what, called in steps:
            if what == "drop":
                roster.drop(name)
                came = [each for each in came if each != name]
                spoke = [each for each in spoke if each != name]
            else:
                ones[name] = One(name, ROLES[ord(name) % 3], speaking=what == "speak", name=called)
                roster.put(ones[name])
                came += [name] if name not in came else []
                if what == "speak" and name not in spoke:
                    spoke.append(name)
                elif what != "speak":
                    spoke = [each for each in spoke if each != name]
            check(roster, came, spoke, ones)


@pytest.mark.parametrize("size", range(LIMIT + 3))
def test_every_small_crowd_is_listed_right(size: int) -> None:
    """All roles in all orders, with each of them speaking or none."""
    with patch.object(module, "PARTICIPANTS_LISTED", LIMIT):
        for roles in product(ROLES, repeat=size):
            for speaker in range(-1, size):
                roster = Roster()
                ones = {
                    str(place): One(str(place), role, speaking=place == speaker)
                    for place, role in enumerate(roles)
                }
                for one in ones.values():
                    roster.put(one)
                spoke = [str(speaker)] if speaker >= 0 else []
                check(roster, list(ones), spoke, ones)
