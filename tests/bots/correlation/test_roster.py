from orch.bots.correlation.roster import LATE, MOST_NAMES, Roster


def test_a_name_means_everyone_who_has_it() -> None:
    """Spaces aside; another case is another name if someone has it, and a similar name always is."""
    roster = Roster()
    roster.update("p1", "Anna Kovács", 0, is_present=True)
    roster.update("p2", "Anna  Kovács", 0, is_present=True)
    roster.update("p3", "Ana Kovacs", 0, is_present=True)
    roster.update("p4", "ANA KOVACS", 0, is_present=True)
    assert sorted(roster.keys("Anna Kovács", None, 5)) == ["p1", "p2"]
    assert roster.keys("Anna Kovács", "p2", 5) == ["p2"]
    assert roster.keys("Ana Kovacs", None, 5) == ["p3"]
    assert roster.keys("ANA KOVACS", None, 5) == ["p4"]
    assert roster.keys("ana kovacs", None, 5) == ["p3", "p4"]


def test_a_name_alone_stands_for_its_owner_until_that_one_is_known() -> None:
    """Captions may be first."""
    roster = Roster()
    (mere,) = roster.keys("Ben", None, 5)
    name = roster.name(mere)
    assert name is not None
    assert (name.name, name.participant_id) == ("Ben", None)
    assert roster.update("p1", "Ben", 6, is_present=True) == mere
    assert roster.keys("ben", None, 7) == ["p1"]
    assert roster.update("p2", "Ben", 8, is_present=True) is None


def test_who_left_does_not_speak() -> None:
    """A namesake who is present is meant; their own late captions still count."""
    roster = Roster()
    roster.update("p1", "Ben", 0, is_present=True)
    roster.update("p1", "Ben", 100, is_present=False)
    assert roster.may_speak("p1", 100 + LATE)
    assert not roster.may_speak("p1", 101 + LATE)
    assert roster.keys("Ben", None, 200) == ["p1"]
    roster.update("p2", "Ben", 150, is_present=True)
    assert roster.keys("Ben", None, 200) == ["p2"]


def test_a_new_name_replaces_the_old_one() -> None:
    """Participants rename themselves."""
    roster = Roster()
    roster.update("p1", "Ben", 0, is_present=True)
    roster.update("p1", "Benjamin", 5, is_present=True)
    assert roster.keys("Benjamin", None, 9) == ["p1"]
    assert roster.keys("Ben", None, 9) != ["p1"]


def test_names_are_bounded() -> None:
    """A meeting that people join and leave all day forgets who left first."""
    roster = Roster()
    for index in range(MOST_NAMES + 50):
        roster.update(f"p{index}", f"name {index}", index, is_present=True)
        if index < 100:
            roster.update(f"p{index}", f"name {index}", index, is_present=False)
    assert len(roster._entries) == MOST_NAMES
    assert roster.name("p0") is None
    assert roster.name("p100") is not None
