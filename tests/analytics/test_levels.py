"""Series are looked at in turn, each once an hour, whatever the clock does."""

from orch.analytics.anomalies.changes import Change
from orch.analytics.levels import EVERY, Levels


def change(at: float) -> Change:
    return Change(at=at, before=1.0, after=2.0, shift=3.0)


def test_each_series_has_its_turn() -> None:
    levels, seen = Levels(), list[str]()
    for second in range(10):
        key = levels.next_to_look({"a", "b", "c"}, float(second))
        if key is not None:
            levels.looked(key, (), float(second))
            seen.append(key)
    assert sorted(seen) == ["a", "b", "c"]
    assert levels.next_to_look({"a", "b", "c"}, EVERY - 1) is None
    assert levels.next_to_look({"a", "b", "c"}, EVERY) == seen[0]
    assert levels.next_to_look(set(), EVERY) is None


def test_changes_are_listed_newest_first_until_their_series_is_gone() -> None:
    levels = Levels()
    assert levels.looked("a", (change(100.0), change(300.0)), 400.0)
    assert levels.looked("b", (change(200.0),), 400.0)
    assert not levels.looked("b", (change(200.0),), 401.0)
    assert [(key, each.at) for key, each in levels.since(150.0)] == [("a", 300.0), ("b", 200.0)]
    levels.next_to_look({"b"}, 402.0)
    assert [key for key, _ in levels.since(0.0)] == ["b"]


def test_a_clock_that_goes_back_stops_nothing() -> None:
    levels = Levels()
    levels.looked("a", (), 1e9)
    assert levels.next_to_look({"a"}, 1e6) == "a"
