"""Who wins a race of attempts at one request."""

from itertools import product
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.gateway.hedging.race import Fail, Forward, Hedge, Race, Wait, is_usable
from tests.fakes.gateway import UNHURRIED


def race(*, extra: int = 1, delay: float | None = 1.0, begun: bool = True, added: int = 0) -> Race:
    made = Race(delay=delay, extra=extra)
    if begun:
        made.begun(0.0)
    for _ in range(added):
        made.added(1.0)
    return made


def test_a_request_in_our_own_queue_is_not_late() -> None:
    """That it waits there shows nothing about the instance, and a busy gateway must not send more."""
    waiting = race(begun=False)
    assert waiting.decide(100.0) == Wait(inf)
    waiting.begun(100.0)
    assert waiting.decide(100.0) == Wait(101.0)


def test_an_extra_attempt_is_due_after_the_delay_and_then_after_each_further_one() -> None:
    slow = race(extra=2)
    assert slow.decide(0.999) == Wait(1.0)
    assert slow.decide(1.0) == Hedge()
    assert slow.added(1.0) == 1
    assert slow.decide(1.5) == Wait(2.0)
    assert slow.decide(2.0) == Hedge()
    assert slow.added(2.0) == 2
    assert slow.decide(100.0) == Wait(inf)


def test_an_attempt_that_is_declined_is_not_asked_for_again_and_again() -> None:
    """One that is due while no budget is left uses up one of the chances; the first attempt goes on."""
    slow = race(extra=1)
    slow.declined(1.0)
    assert slow.decide(100.0) == Wait(inf)
    slow.responded(0, 200)
    assert slow.decide(100.0) == Forward(0)


def test_without_a_delay_there_is_no_extra_attempt() -> None:
    assert race(delay=None, extra=3).decide(1e9) == Wait(inf)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_failure_does_not_win_while_another_attempt_is_pending(status: int) -> None:
    """An instance that fails fast would win each race."""
    two = race(added=1)
    two.responded(1, status)
    assert two.decide(1.1) == Wait(inf)
    two.responded(0, 200)
    assert two.decide(5.0) == Forward(0)


@pytest.mark.parametrize("status", [200, 204, 206, 301, 304, 400, 401, 404, 410, 422])
def test_what_another_instance_would_say_as_well_wins(status: int) -> None:
    assert is_usable(status)
    two = race(added=1)
    two.responded(1, status)
    assert two.decide(1.1) == Forward(1)


def test_a_failure_alone_is_forwarded_at_once() -> None:
    """As without hedging: a complete response is not repeated."""
    one = race()
    one.responded(0, 500)
    assert one.decide(0.1) == Forward(0)


def test_if_none_is_usable_the_first_response_is_forwarded() -> None:
    two = race(added=1)
    two.responded(1, 429)
    two.responded(0, 500)
    assert two.decide(2.0) == Forward(1)


def test_a_response_even_a_failure_is_better_than_none() -> None:
    two = race(added=1)
    two.responded(1, 503)
    two.failed(0)
    assert two.decide(2.0) == Forward(1)


def test_an_attempt_that_failed_leaves_the_others() -> None:
    """The pending one is the repetition; a second one would be sent for nobody."""
    two = race(added=1)
    two.failed(0)
    assert two.decide(2.0) == Wait(inf)
    two.failed(1)
    assert two.decide(2.0) == Fail(1)


def test_a_response_that_breaks_off_before_it_is_forwarded_is_a_failure() -> None:
    two = race(added=1)
    two.responded(1, 200)
    two.failed(1)
    assert two.decide(2.0) == Wait(inf)


def test_of_two_usable_responses_the_first_one_wins() -> None:
    two = race(added=1)
    two.responded(1, 200)
    two.responded(0, 200)
    assert two.decide(2.0) == Forward(1)


def test_a_race_says_how_it_stands() -> None:
    two = race(added=1)
    two.responded(1, 500)
    assert repr(two) == "<Race pending, unusable; 0 left, due at 2>"


OUTCOMES = (200, 500, 429, None, "pending")


@pytest.mark.parametrize("outcomes", list(product(OUTCOMES, repeat=3)))
def test_every_combination_of_three_attempts(outcomes: tuple[int | str | None, ...]) -> None:
    """Usable, else wait for what is pending, else the first response, else the last failure."""
    three = race(extra=2, added=2)
    for number, outcome in enumerate(outcomes):
        if outcome is None:
            three.failed(number)
        elif isinstance(outcome, int):
            three.responded(number, outcome)
    decision = three.decide(9.0)
    responses = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, int)]
    if 200 in outcomes:
        assert decision == Forward(outcomes.index(200))
    elif "pending" in outcomes:
        assert decision == Wait(inf)
    elif responses:
        assert decision == Forward(responses[0])
    else:
        assert decision == Fail(2)


@UNHURRIED
@given(st.integers(0, 3), st.lists(st.tuples(st.integers(0, 3), st.sampled_from(OUTCOMES)), max_size=8))
def test_never_more_than_so_many_and_none_after_the_end(extra: int, events: list[tuple[int, object]]) -> None:
    """Whatever happens in whatever order."""
    running, now, number = race(extra=extra), 0.0, 1
    for attempt, outcome in events:
        now += 0.7
        decision = running.decide(now)
        if isinstance(decision, Forward | Fail):
            assert running.decide(now + 100) == decision
            break
        if isinstance(decision, Hedge):
            assert running.added(now) == number
            number += 1
            assert not isinstance(running.decide(now), Hedge)
        if attempt < number and outcome is None:
            running.failed(attempt)
        elif attempt < number and isinstance(outcome, int):
            running.responded(attempt, outcome)
    assert number - 1 <= extra
