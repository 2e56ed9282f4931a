"""How many deliveries are on their way at once."""

from hypothesis import given
from hypothesis import strategies as st

from orch.bots.webhooks.places import (
    IN_SUM,
    OF_ONE_ENDPOINT,
    OF_UNPROVEN,
    REMEMBERED,
    Places,
)


def test_one_endpoint_has_few_places() -> None:
    """The rest is for the others."""
    places = Places()
    places.succeeded("a")
    assert [places.take("a") for _ in range(OF_ONE_ENDPOINT + 1)] == [True] * OF_ONE_ENDPOINT + [False]
    assert places.room().without == {"a"}
    assert places.take("b")
    places.give_back("a")
    assert places.room().without == {"b"}
    assert places.take("a")


def test_a_new_or_failing_endpoint_has_one_place_until_it_succeeds() -> None:
    """It is tried, not stormed."""
    places = Places()
    assert [places.take("a"), places.take("a")] == [True, False]
    places.succeeded("a")
    assert places.take("a")
    places.failed("a")
    places.give_back("a")
    assert not places.take("a")


def test_all_endpoints_that_are_not_proven_leave_half_of_the_places() -> None:
    """Any number of endpoints that time out holds up none that responds."""
    places = Places()
    good = [f"good{number}" for number in range(100)]
    for name in good:
        places.succeeded(name)
    bad = [f"bad{number}" for number in range(100)]
    assert sum(places.take(name) for name in bad) == OF_UNPROVEN
    assert places.room().only == frozenset(good)
    assert sum(places.take(name) for name in good) == IN_SUM - OF_UNPROVEN
    assert places.room().most == 0


def test_without_proven_endpoints_nothing_more_is_asked_for() -> None:
    """The store need not be read for it."""
    places = Places()
    assert sum(places.take(f"bad{number}") for number in range(100)) == OF_UNPROVEN
    assert places.room().most == 0
    places.give_back("bad0")
    assert (places.room().most, places.room().only) == (IN_SUM - OF_UNPROVEN + 1, None)


def test_the_proven_endpoints_that_are_remembered_are_bounded() -> None:
    """The one that succeeded the longest ago is forgotten, and proves itself again."""
    places = Places()
    for number in range(REMEMBERED + 1):
        places.succeeded(str(number))
    assert places.statistics().proven_endpoints == REMEMBERED
    assert [places.take("0"), places.take("0")] == [True, False]
    assert [places.take("1"), places.take("1")] == [True, True]


@given(st.lists(st.tuples(st.sampled_from(["take", "back", "fail", "ok"]), st.integers(0, 40)), max_size=200))
def test_the_limits_hold_whatever_happens(steps: list[tuple[str, int]]) -> None:
    """In any order of starts, ends, failures and successes."""
    places, taken = Places(), dict.fromkeys(map(str, range(41)), 0)
    for step, number in steps:
        name = str(number)
        if step == "take":
            taken[name] += places.take(name)
        elif step == "back" and taken[name]:
            places.give_back(name)
            taken[name] -= 1
        elif step == "fail":
            places.failed(name)
        elif step == "ok":
            places.succeeded(name)
        statistics, room = places.statistics(), places.room()
        assert statistics.in_flight == sum(taken.values()) <= IN_SUM
        assert max(taken.values()) <= OF_ONE_ENDPOINT
        assert room.most in {0, IN_SUM - statistics.in_flight}
        assert (room.only is None) == (statistics.to_unproven < OF_UNPROVEN)
