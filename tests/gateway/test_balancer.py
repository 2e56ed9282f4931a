"""The four ways to choose an instance."""

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.gateway.balancer import Candidate, Fastest, LeastRequests, RoundRobin, Sticky, create_balancer
from tests.fakes.gateway import UNHURRIED

KINDS = ("round_robin", "least_requests", "fastest", "sticky")
WEIGHTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 7), min_size=1)


def weighing(weights: dict[str, int]) -> list[Candidate]:
    return [Candidate(name, weight) for name, weight in weights.items()]


def seeded() -> Callable[[], float]:
    """Return a draw that is the same in each run."""
    return random.Random(7).random


def test_the_order_is_smooth() -> None:
    """The example of nginx: a heavy instance's turns lie between the others', not in a row."""
    balancer = RoundRobin()
    candidates = weighing({"a": 5, "b": 1, "c": 1})
    assert "".join(balancer.choose(candidates) for _ in range(7)) == "aabacaa"


@UNHURRIED
@given(WEIGHTS, st.integers(1, 3))
def test_each_is_chosen_according_to_its_weight(weights: dict[str, int], rounds: int) -> None:
    """Over as many choices as the weights add up to, exactly so often."""
    balancer = RoundRobin()
    chosen = Counter(balancer.choose(weighing(weights)) for _ in range(rounds * sum(weights.values())))
    assert chosen == {name: weight * rounds for name, weight in weights.items()}


@UNHURRIED
@given(st.sampled_from(KINDS), st.lists(WEIGHTS, min_size=1, max_size=50), st.text(max_size=3))
def test_only_candidates_are_chosen(kind: str, offers: list[dict[str, int]], key: str) -> None:
    """One that is not offered is never chosen, whatever is remembered of it."""
    balancer = create_balancer(kind, seeded())
    for offer in offers:
        assert balancer.choose(weighing(offer), key) in offer


def test_the_others_share_the_part_of_an_instance_that_is_no_candidate() -> None:
    """An ejected one has no backlog when it returns."""
    balancer = RoundRobin()
    for _ in range(8):
        balancer.choose(weighing({"a": 2, "b": 1, "c": 1}))
    without = Counter(balancer.choose(weighing({"a": 2, "b": 1})) for _ in range(30))
    assert without == {"a": 20, "b": 10}
    again = Counter(balancer.choose(weighing({"a": 2, "b": 1, "c": 1})) for _ in range(8))
    assert again == {"a": 4, "b": 2, "c": 2}


def test_a_removed_instance_is_dropped() -> None:
    """State is bounded by the instances there are."""
    balancer = RoundRobin()
    for name in "abcdef":
        balancer.choose(weighing({name: 1}))
    balancer.retain({"a"})
    assert set(balancer._credit) == {"a"}


@pytest.mark.parametrize("kind", KINDS)
def test_no_candidate_is_an_error(kind: str) -> None:
    """The caller has to check first."""
    with pytest.raises(ValueError, match="no candidate"):
        create_balancer(kind, seeded()).choose([], "key")


def test_an_unknown_kind_is_an_error() -> None:
    """The settings allow only the four."""
    with pytest.raises(ValueError, match="'random'"):
        create_balancer("random", seeded())


def test_of_two_the_less_busy_one_for_its_weight_is_chosen() -> None:
    """With two candidates both are always drawn: weight 4 carries four times as many requests."""
    balancer = LeastRequests(seeded())
    for active, chosen in ((0, "b"), (3, "b"), (5, "a"), (9, "a")):
        candidates = [Candidate("a", 1, 1), Candidate("b", 4, active)]
        assert {balancer.choose(candidates) for _ in range(50)} == {chosen}


def test_idle_ones_are_chosen_by_their_weights() -> None:
    """Requests one after the other find everything idle; the heaviest must not get all of them."""
    balancer = LeastRequests(seeded())
    counts = Counter(balancer.choose(weighing({"a": 1, "b": 3})) for _ in range(10_000))
    assert 2.6 < counts["b"] / counts["a"] < 3.4


def test_least_requests_spreads_by_weight_and_never_to_the_busiest() -> None:
    """Filled one by one, three instances end with requests as their weights; the busiest of all gets none."""
    balancer = LeastRequests(seeded())
    active = {"a": 0, "b": 0, "c": 0}
    weights = {"a": 1, "b": 2, "c": 3}
    for _ in range(600):
        active[balancer.choose([Candidate(name, weights[name], active[name]) for name in active])] += 1
    assert {name: round(count / 100) for name, count in active.items()} == weights
    busy = [Candidate("a", 1, 50), Candidate("b", 1, 0), Candidate("c", 1, 3)]
    chosen = Counter(balancer.choose(busy) for _ in range(300))
    assert chosen["a"] == 0
    assert chosen["b"] > chosen["c"] > 0


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ([Candidate("a", 1, 0, 0.2), Candidate("b", 1, 0, 0.1)], "b"),
        ([Candidate("a", 1, 0, 0.2), Candidate("b", 1, 2, 0.1)], "a"),
        ([Candidate("a", 3, 0, 0.2), Candidate("b", 1, 0, 0.1)], "a"),
        ([Candidate("a", 1, 0, 0.001), Candidate("b", 1, 5, None)], "b"),
    ],
    ids=["faster", "less busy", "heavier", "not known yet"],
)
def test_the_fastest_is_chosen(candidates: list[Candidate], chosen: str) -> None:
    """Seconds × (1 + requests in progress) / weight; one that has not answered is tried."""
    assert Fastest().choose(candidates) == chosen


def test_equally_fast_ones_take_turns() -> None:
    """At the start nothing is known of any, and the first would get everything."""
    balancer = Fastest()
    assert Counter(balancer.choose(weighing({"a": 1, "b": 1, "c": 1})) for _ in range(30)) == {
        "a": 10,
        "b": 10,
        "c": 10,
    }


def test_a_key_stays_at_its_instance_and_only_the_keys_of_a_lost_one_move() -> None:
    """1,000 keys over four instances; they come back as they were."""
    balancer = Sticky(RoundRobin())
    keys = [f"session-{number}" for number in range(1000)]
    four = weighing(dict.fromkeys("abcd", 1))
    before = {key: balancer.choose(four, key) for key in keys}
    counts = Counter(before.values())
    assert all(200 < counts[name] < 300 for name in "abcd")
    three = weighing(dict.fromkeys("abc", 1))
    after = {key: balancer.choose(three, key) for key in keys}
    assert all(after[key] == before[key] for key in keys if before[key] != "d")
    assert set(after.values()) == {"a", "b", "c"}
    assert {key: balancer.choose(list(reversed(four)), key) for key in keys} == before


def test_keys_are_spread_by_weight() -> None:
    """Weight 3 gets three times as many."""
    balancer = Sticky(RoundRobin())
    counts = Counter(balancer.choose(weighing({"a": 1, "b": 3}), str(number)) for number in range(4000))
    assert 2.6 < counts["b"] / counts["a"] < 3.4


def test_names_that_begin_alike_are_different_instances() -> None:
    """URLs may be long, and differ only at their end."""
    balancer = Sticky(RoundRobin())
    same = "http://audio." + "x" * 80
    candidates = weighing({f"{same}1": 1, f"{same}2": 1})
    counts = Counter(balancer.choose(candidates, str(number)) for number in range(1000))
    assert all(400 < count < 600 for count in counts.values())


def test_without_a_key_requests_are_spread() -> None:
    """Otherwise one instance would get all of them."""
    balancer = Sticky(RoundRobin())
    assert Counter(balancer.choose(weighing({"a": 1, "b": 1})) for _ in range(10)) == {"a": 5, "b": 5}
