from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.gateway.balancer import Balancer
from tests.fakes.gateway import UNHURRIED

WEIGHTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 7), min_size=1)


def test_the_order_is_smooth() -> None:
    """The example of nginx's example: a heavy instance's turns lie between the others', not in a row."""
    balancer = Balancer()
    assert "".join(balancer.choose({"a": 5, "b": 1, "c": 1}) for _ in range(7)) == "aabacaa"


@UNHURRIED
@given(WEIGHTS, st.integers(1, 3))
def test_each_is_chosen_according_to_its_weight(weights: dict[str, int], rounds: int) -> None:
    """Over as many choices as the weights add up to, exactly so often."""
    balancer = Balancer()
    chosen = Counter(balancer.choose(weights) for _ in range(rounds * sum(weights.values())))
    assert chosen == {name: weight * rounds for name, weight in weights.items()}


@UNHURRIED
@given(st.lists(WEIGHTS, min_size=1, max_size=50))
def test_only_candidates_are_chosen(offers: list[dict[str, int]]) -> None:
    """One that is not offered is never chosen, whatever credit it has."""
    balancer = Balancer()
    for offer in offers:
        assert balancer.choose(offer) in offer


def test_the_others_share_the_part_of_an_instance_that_is_no_candidate() -> None:
    """An ejected one has no backlog when it returns."""
    balancer = Balancer()
    for _ in range(8):
        balancer.choose({"a": 2, "b": 1, "c": 1})
    without = Counter(balancer.choose({"a": 2, "b": 1}) for _ in range(30))
    assert without == {"a": 20, "b": 10}
    again = Counter(balancer.choose({"a": 2, "b": 1, "c": 1}) for _ in range(8))
    assert again == {"a": 4, "b": 2, "c": 2}


def test_a_removed_instance_is_dropped() -> None:
    """State is bounded by the instances there are."""
    balancer = Balancer()
    for name in "abcdef":
        balancer.choose({name: 1})
    balancer.retain({"a"})
    assert set(balancer._credit) == {"a"}


def test_no_candidate_is_an_error() -> None:
    """The caller has to check first."""
    with pytest.raises(ValueError, match="no candidate"):
        Balancer().choose({})
