"""Outlier ejection: Envoy's rules, and what must hold whatever happens."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from orch.gateway.ejection import (
    Cause,
    Ejected,
    Ejector,
    Presence,
    Review,
    is_last_resort,
    least_share,
    most_ejected,
)
from orch.settings import Ejection
from tests.fakes.gateway import UNHURRIED

POLICY = Ejection()


def ejector(count: int, policy: Ejection = POLICY) -> Ejector:
    made = Ejector(policy, 0)
    made.retain([str(number) for number in range(count)])
    return made


def fail(of: Ejector, url: str, times: int, now: float = 0, **more: bool | str) -> Ejected | None:
    """Let so many requests fail; return what the last one led to."""
    ejected = None
    of.is_ejected(url, now)
    for _ in range(times):
        assert ejected is None, "it was ejected earlier than that"
        ejected = of.failed(url, of.records[url].generation, now, **more)  # type: ignore[arg-type]
    return ejected


def succeed(of: Ejector, url: str, times: int = 1) -> None:
    for _ in range(times):
        of.records[url].succeeded(of.records[url].generation)


def test_the_fifth_failure_in_a_row_ejects() -> None:
    """Four do not, and a success between starts the count again."""
    one = ejector(2)
    assert fail(one, "0", 4) is None
    succeed(one, "0")
    assert fail(one, "0", 4) is None
    assert fail(one, "0", 1) == Ejected("0", Cause.BACK_END, 30, "failed 5 times in a row")
    assert one.is_ejected("0", 29.9)
    assert one.left("0", 10) == 20
    assert not one.is_ejected("0", 30)


def test_connections_are_counted_apart_from_responses() -> None:
    """Neither kind adds to the other; a response of 500 shows that it can be reached."""
    one = ejector(2)
    assert fail(one, "0", 4, is_connected=False) is None
    assert fail(one, "0", 4) is None
    assert fail(one, "0", 4, is_connected=False) is None
    ejected = fail(one, "0", 1, is_connected=False)
    assert ejected is not None
    assert ejected.cause is Cause.CONNECT


def test_what_one_caller_sends_ejects_nothing() -> None:
    """Neither do two; the third shows that it is the instance."""
    one = ejector(2)
    assert fail(one, "0", 50, caller="a", is_doubtful=True) is None
    assert fail(one, "0", 50, caller="b", is_doubtful=True) is None
    assert fail(one, "0", 1, caller="c", is_doubtful=True) is not None


def test_doubtful_failures_do_not_help_certain_ones() -> None:
    """A row of one caller's and then a single certain failure is not five certain ones."""
    one = ejector(2)
    assert fail(one, "0", 50, caller="a", is_doubtful=True) is None
    assert fail(one, "0", 4) is None
    assert fail(one, "0", 1) is not None


def test_each_ejection_is_longer_and_healthy_intervals_make_it_shorter() -> None:
    """30, 60, … at most 300 s; the multiplier falls by one with each interval without an ejection."""
    one = ejector(2)
    now, lengths = 0.0, []
    for _ in range(12):
        ejected = fail(one, "0", 5, now)
        assert ejected is not None
        lengths.append(ejected.seconds)
        now += ejected.seconds
    assert lengths == [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]
    for _ in range(4):
        now += 10
        one.review(now)
    # The interval in which it returned still counts as one with an ejection.
    assert fail(one, "0", 5, now) == Ejected("0", Cause.BACK_END, 240, "failed 5 times in a row")


def test_an_ejection_is_over_exactly_once() -> None:
    """It is reported by the first review after its end, also if requests came before that."""
    one = ejector(2)
    fail(one, "0", 5, 0)
    assert one.review(29) == Review()
    assert fail(one, "0", 1, 31) is None
    assert one.review(31).returned == ("0",)
    assert one.review(32).returned == ()


def test_outcomes_from_before_or_during_an_ejection_do_not_count() -> None:
    """They show nothing about the instance that returned, and do not end the ejection."""
    one = ejector(2)
    early = one.records["0"].generation
    fail(one, "0", 5)
    during = one.records["0"].generation
    one.records["0"].succeeded(during)
    assert one.is_ejected("0", 1)
    for generation in (early, during):
        for _ in range(10):
            assert one.failed("0", generation, 31) is None
    assert fail(one, "0", 5, 31) is not None


@pytest.mark.parametrize(
    ("instances", "percent", "most"),
    [(1, 10, 0), (2, 10, 1), (10, 10, 1), (19, 10, 1), (20, 10, 2), (3, 100, 2), (5, 0, 0), (0, 10, 0)],
)
def test_a_share_is_ejected_at_most_and_one_stays(instances: int, percent: float, most: int) -> None:
    """At most 10 %, but one in any case, and never the last."""
    assert most_ejected(instances, percent) == most
    one = ejector(instances, Ejection(percent=percent))
    for url in list(one.records):
        for _ in range(5):
            one.failed(url, 0, 0)
    assert sum(one.is_ejected(url, 1) for url in one.records) == most


def rated(count: int, bad: int, successes: int, requests: int = 100) -> Review:
    """Let one of so many instances succeed less often, alternating; return the interval's end."""
    one = ejector(count)
    for url in one.records:
        good = successes if url == str(bad) else requests
        for number in range(requests):
            if number * good // requests < (number + 1) * good // requests:
                succeed(one, url)
            else:
                fail(one, url, 1)
    return one.review(10)


def test_an_outlier_by_its_share_of_successes_is_ejected() -> None:
    """Five instances with 100 requests each: one that fails a tenth of them is far below the mean."""
    [ejected] = rated(5, 2, 90).ejected
    assert (ejected.url, ejected.cause) == ("2", Cause.SUCCESS_RATE)
    assert "90%" in ejected.detail


def test_shares_need_hosts_and_requests() -> None:
    """Four instances, or 99 requests, are too few to compare."""
    assert rated(4, 2, 90).ejected == ()
    assert rated(5, 2, 90, requests=99).ejected == ()


def test_equal_shares_eject_nobody() -> None:
    """Also if the mean of equal numbers is rounded."""
    for successes in range(0, 101, 7):
        one = ejector(7, Ejection(consecutive=0))
        for url in one.records:
            succeed(one, url, successes)
            fail(one, url, 100 - successes)
        assert one.review(10).ejected == ()


def test_shares_of_one_caller_are_not_compared() -> None:
    """One that sends nonsense to the instance where it is kept does not get that instance ejected."""
    one = ejector(5)
    for url in one.records:
        succeed(one, url, 60)
        for _ in range(40):
            if url == "2":
                fail(one, url, 1, caller="a", is_doubtful=True)
            else:
                succeed(one, url)
    assert one.review(10).ejected == ()


def test_connections_are_compared_apart() -> None:
    """One that cannot be reached now and then is an outlier of its own kind."""
    one = ejector(5)
    for url in one.records:
        for number in range(110):
            if url == "3" and number % 5 == 0:
                fail(one, url, 1, is_connected=False)
            else:
                succeed(one, url)
    assert [each.cause for each in one.review(10).ejected] == [Cause.CONNECT_RATE]


@pytest.mark.parametrize("bad", [0.0, 0.5, 0.9])
def test_the_limit_is_the_mean_less_deviations(bad: float) -> None:
    """With four at 1 and one below, that one is two deviations below the mean: beyond 1.9, not beyond 2.1."""
    shares = [1.0, 1.0, 1.0, 1.0, bad]
    assert least_share(shares, 2.1) < bad < least_share(shares, 1.9)


def test_switched_off_nothing_is_ejected() -> None:
    """A zero switches each rule off."""
    off = Ejection(consecutive=0, consecutive_connects=0, deviations=0)
    one = ejector(5, off)
    for url in one.records:
        for connected in (True, False):
            assert fail(one, url, 200, is_connected=connected) is None
    succeed(one, "0", 200)
    assert one.review(10).ejected == ()


def test_an_operator_may_eject_any_and_return_it() -> None:
    """Even the last; a return ends it at once, and the next ejection is a first one."""
    one = ejector(1)
    ejected = one.eject("0", 0)
    assert ejected == Ejected("0", Cause.OPERATOR, 30, "an operator ejected it")
    assert one.eject("unknown", 0) is None
    assert one.give_back("0")
    assert not one.is_ejected("0", 1)
    assert not one.give_back("0")
    again = one.eject("0", 2)
    assert again is not None
    assert again.seconds == 30


def test_a_reload_keeps_the_state() -> None:
    """What stays is still ejected with its end; what is new begins at zero."""
    one = ejector(3)
    fail(one, "0", 5)
    fail(one, "1", 4)
    one.policy = Ejection(base=1)
    one.retain(["0", "1", "9"])
    assert one.left("0", 0) == 30
    assert fail(one, "9", 1) is None
    assert one.records["1"].failures == 4
    assert not one.is_ejected("2", 0)


@pytest.mark.parametrize(
    ("presence", "cause", "is_it"),
    [
        ("silent", None, True),
        ("unknown", None, True),
        ("gone", None, False),
        ("gone", Cause.BACK_END, False),
        ("silent", Cause.BACK_END, True),
        ("responding", Cause.SUCCESS_RATE, True),
        ("responding", Cause.CONNECT, True),
        ("unknown", Cause.CONNECT, False),
        ("silent", Cause.CONNECT_RATE, False),
    ],
)
def test_what_is_silent_may_work_and_what_refuses_does_not(
    presence: Presence,
    cause: Cause | None,
    *,
    is_it: bool,
) -> None:
    """Fail open towards what is merely silent or ejected, never towards what refuses or is gone."""
    assert is_last_resort(presence, cause) is is_it


class AnyOutcomes(RuleBasedStateMachine):
    """Outcomes in any order, of any age, while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.one = ejector(
            4, Ejection(percent=50, consecutive=2, consecutive_connects=2, hosts=2, requests=3)
        )
        self.permits: list[tuple[str, int]] = []

    @rule(seconds=st.floats(0, 90))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.one.review(self.now)

    @rule(url=st.sampled_from("0123"))
    def begin(self, url: str) -> None:
        self.permits.append((url, self.one.records[url].generation))

    @rule(
        data=st.data(),
        outcome=st.sampled_from(["good", "bad", "doubtful", "unreached"]),
        caller=st.sampled_from("abc"),
    )
    def end(self, data: st.DataObject, outcome: str, caller: str) -> None:
        if not self.permits:
            return
        url, generation = self.permits.pop(data.draw(st.integers(0, len(self.permits) - 1)))
        before = self.one.left(url, self.now)
        if outcome == "good":
            self.one.records[url].succeeded(generation)
        else:
            self.one.failed(
                url,
                generation,
                self.now,
                caller=caller,
                is_connected=outcome != "unreached",
                is_doubtful=outcome == "doubtful",
            )
        if before is not None:
            assert self.one.left(url, self.now) == before, "an outcome changes no ejection that lasts"

    @rule(url=st.sampled_from("0123"))
    def give_back(self, url: str) -> None:
        self.one.give_back(url)
        assert not self.one.is_ejected(url, self.now)

    @invariant()
    def enough_stay(self) -> None:
        ejected = [url for url in self.one.records if self.one.is_ejected(url, self.now)]
        assert len(ejected) <= 2
        assert all(0 < (self.one.left(url, self.now) or 0) <= 300 for url in ejected)

    def teardown(self) -> None:
        self.now += 300
        assert not any(self.one.is_ejected(url, self.now) for url in self.one.records)


AnyOutcomes.TestCase.settings = settings(UNHURRIED, max_examples=60, stateful_step_count=40)
TestAnyOutcomes = AnyOutcomes.TestCase
