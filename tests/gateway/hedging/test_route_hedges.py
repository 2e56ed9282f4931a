"""When and how often the requests of a route are sent twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.gateway.hedging.first_bytes import FirstBytes
from orch.gateway.hedging.route_hedges import BURST, HedgeBudget, Hedges, RouteHedges, is_hedgeable
from orch.gateway.request_body import RequestBody
from orch.settings import Repeatable
from orch.settings.hedging import Hedging
from tests.fakes.gateway import UNHURRIED


class Streamed(RequestBody):
    is_streamed = True


@pytest.mark.parametrize(
    ("method", "repeatable", "expected"),
    [
        ("GET", "safe", True),
        ("HEAD", "safe", True),
        ("OPTIONS", "safe", True),
        ("GET", "never", False),
        ("POST", "safe", False),
        ("POST", "always", True),
        ("PATCH", "always", True),
        # Idempotent, and repeated after a failure; but two at a time may respond differently.
        ("PUT", "safe", False),
        ("DELETE", "safe", False),
    ],
)
def test_what_may_be_at_two_instances_at_a_time(
    method: str, repeatable: Repeatable, expected: object
) -> None:
    assert is_hedgeable(method, repeatable, RequestBody(b"x")) is expected
    assert not is_hedgeable(method, repeatable, Streamed())


def has_some(budget: HedgeBudget) -> bool:
    return budget.has_some


def test_a_budget_begins_with_nothing_and_gives_one_for_as_many_requests_as_the_share_says() -> None:
    """20 times 0.05 is less than 1 in floating point, and has to be one all the same."""
    budget = HedgeBudget()
    for _ in range(19):
        budget.asked(0.05)
    assert not has_some(budget)
    budget.asked(0.05)
    assert has_some(budget)
    budget.take()
    assert not has_some(budget)


@UNHURRIED
@given(st.floats(0.01, 1), st.lists(st.booleans(), max_size=300))
def test_extra_requests_are_never_more_than_the_share(share: float, wanted: list[bool]) -> None:
    """At no moment, and after a calm time no more than the burst on top."""
    budget, sent = HedgeBudget(), 0
    for asked, want in enumerate(wanted, 1):
        budget.asked(share)
        if want and budget.has_some:
            budget.take()
            sent += 1
        assert sent <= share * asked + 1e-6
        assert budget.tokens <= BURST


def test_a_calm_hour_does_not_pay_for_a_storm() -> None:
    budget = HedgeBudget()
    for _ in range(100_000):
        budget.asked(0.5)
    sent = 0
    while budget.has_some:
        budget.take()
        sent += 1
    assert sent == BURST


def hedges(**policy: float) -> RouteHedges:
    return RouteHedges("/api/x", "x", Hedging(extra=1, **policy))  # type: ignore[arg-type]


def test_a_fixed_delay_needs_no_samples() -> None:
    assert hedges(percentile=0, delay=0.3).delay(0.0) == 0.3


def test_a_percentile_needs_enough_samples_of_the_last_minute() -> None:
    """A percentile of three times is none; and a route that was quiet for a minute is not known any more."""
    route = hedges(percentile=95, delay=0, min_samples=20)
    for number in range(19):
        route.first_bytes.add(0.0, 0.1 * number)
    assert route.delay(1.0) is None
    route.first_bytes.add(1.0, 1.9)
    assert route.delay(2.0) == pytest.approx(1.8, rel=0.05)
    assert route.delay(63.0) is None


def test_the_delay_is_at_least_that_of_the_settings() -> None:
    """Where all responses come in 2 ms, one of 3 ms is not worth a second request."""
    route = hedges(percentile=95, delay=0.05, min_samples=1)
    for _ in range(100):
        route.first_bytes.add(0.0, 0.002)
    assert route.delay(1.0) == 0.05


def test_the_percentile_is_computed_at_most_once_a_second() -> None:
    times = FirstBytes()
    times.add(0.0, 1.0)
    assert times.count(0.0) == 1
    times.add(0.5, 1.0)
    assert times.count(0.9) == 1
    assert times.count(1.0) == 2


def test_overtaken_requests_keep_the_percentile_where_it_is() -> None:
    """If only those that were not overtaken counted, the percentile would fall round by round."""
    route = hedges(percentile=90, delay=0, min_samples=10)
    now = 0.0
    for number in range(1000):
        now += 0.05
        is_slow = number % 10 == 9
        delay = route.delay(now)
        taken = 1.0 if is_slow else 0.1
        overtaken_after = None if delay is None else delay + 0.1
        is_overtaken = overtaken_after is not None and taken > overtaken_after
        route.first_bytes.add(now, overtaken_after if is_overtaken and overtaken_after else taken)
    assert route.delay(now) == pytest.approx(0.1, rel=0.1)


def test_of_a_route_whose_service_changes_nothing_is_remembered() -> None:
    every = Hedges()
    first = every.of("/a", "one", Hedging(extra=1))
    first.sent = 3
    assert every.of("/a", "one", Hedging(extra=2)) is first
    assert first.policy.extra == 2
    assert every.of("/a", "two", Hedging(extra=2)) is not first
    every.retain({"/b"})
    assert every.get("/a") is None


def test_the_figures_say_what_was_sent_and_why_not() -> None:
    route = hedges(percentile=0, delay=0.3, budget=0.5)
    for _ in range(4):
        route.asked()
    route.take()
    route.decline("no_instance")
    figures = route.statistics(0.0)
    assert (figures.sent, figures.won, figures.budget_left, figures.delay_ms) == (1, 0, 1, 300)
    assert figures.declined["no_instance"] == 1
    assert sum(figures.declined.values()) == 1
