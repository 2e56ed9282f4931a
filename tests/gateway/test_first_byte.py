"""How long an instance's responses usually take to begin, and how it returns."""

import math
import random
from collections import Counter

import pytest

from orch.gateway.balancer import Candidate, Fastest, LeastRequests, create_balancer
from orch.gateway.first_byte import DECAY, FirstByte
from orch.gateway.slow_start import LEAST, SlowStart


def test_nothing_is_known_before_the_first_response() -> None:
    """None is not 0 seconds."""
    average = FirstByte()
    assert average.average(5.0) is None
    average.answered(5.0, 0.2)
    assert average.average(5.0) == 0.2


def test_slower_counts_at_once_and_faster_slowly() -> None:
    """A peak is believed; recovery takes its time, by the seconds that pass and not by the responses."""
    average = FirstByte()
    average.answered(0.0, 0.1)
    average.answered(0.0, 2.0)
    assert average.average(0.0) == 2.0
    for _ in range(100):
        average.answered(0.0, 0.1)
    assert average.average(0.0) == pytest.approx(2.0)
    average.answered(DECAY, 0.1)
    assert average.average(DECAY) == pytest.approx(2.0 / math.e + 0.1 * (1 - 1 / math.e))


def test_what_is_known_fades() -> None:
    """An instance that gets no requests is tried again."""
    average = FirstByte()
    average.answered(0.0, 30.0)
    assert average.average(DECAY) == pytest.approx(30.0 / math.e)
    assert (average.average(6 * DECAY) or 1.0) < 0.1


@pytest.mark.parametrize(
    ("before", "limit", "after"), [(0.1, 30.0, 1.0), (5.0, 30.0, 30.0), (None, 30.0, 30.0)]
)
def test_a_failure_is_slow(before: float | None, limit: float, after: float) -> None:
    """Ten times the average, or the time limit if that is less, or if nothing is known."""
    average = FirstByte()
    if before is not None:
        average.answered(0.0, before)
    average.failed(0.0, limit)
    assert average.average(0.0) == pytest.approx(after)


def test_failing_fast_attracts_nothing() -> None:
    """Three instances, one of which answers 500 within 1 ms: it gets less than 10 % of 300 requests."""
    averages = {name: FirstByte() for name in "abc"}
    balancer = Fastest()
    chosen: Counter[str] = Counter()
    now = 0.0
    for _ in range(300):
        now += 0.02
        name = balancer.choose([Candidate(each, 1, 0, averages[each].average(now)) for each in averages])
        chosen[name] += 1
        if name == "c":
            averages[name].failed(now, 30.0)
        else:
            averages[name].answered(now, 0.05)
    assert chosen["c"] < 30
    assert min(chosen["a"], chosen["b"]) > 100


@pytest.mark.parametrize("kind", ["least_requests", "round_robin"])
def test_ways_that_ignore_speed_are_not_attracted_either(kind: str) -> None:
    """They give it its share at most, until the breaker takes it out."""
    balancer = create_balancer(kind, iter([0.1, 0.5, 0.9, 0.3, 0.7] * 200).__next__)
    chosen = Counter(balancer.choose([Candidate(name, 1, 0) for name in "abc"]) for _ in range(300))
    assert chosen["c"] <= 100 if kind == "round_robin" else chosen["c"] < 300


def test_what_returns_begins_with_a_tenth_and_grows() -> None:
    """Linearly, to all of its weight; what was there from the start has it at once."""
    steady = SlowStart(0.0, is_new=False)
    assert steady.share(0.0, 10.0) == 1.0
    new = SlowStart(0.0, is_new=True)
    assert [new.share(now, 10.0) for now in (0.0, 0.5, 5.0, 10.0, 20.0)] == [LEAST, LEAST, 0.5, 1.0, 1.0]
    steady.see(100.0, is_usable=False)
    steady.see(101.0, is_usable=False)
    steady.see(105.0, is_usable=True)
    steady.see(106.0, is_usable=True)
    assert steady.share(107.0, 10.0) == pytest.approx(0.2)
    assert steady.share(107.0, 0.0) == 1.0


def test_one_that_returns_gets_few_requests_at_first() -> None:
    """A tenth of its weight is about a tenth of the requests, or as many in progress."""
    start = SlowStart(0.0, is_new=True)
    balancer = LeastRequests(random.Random(7).random)
    new = Candidate("new", start.share(0.0, 10.0), 0)
    chosen = Counter(balancer.choose([Candidate("old", 1, 0), new]) for _ in range(970))
    assert 60 < chosen["new"] < 120
    busy = new._replace(active=1)
    assert {balancer.choose([Candidate("old", 1, 9), busy]) for _ in range(50)} == {"old"}
    assert {balancer.choose([Candidate("old", 1, 11), busy]) for _ in range(50)} == {"new"}
