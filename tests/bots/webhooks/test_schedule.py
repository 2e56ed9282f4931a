"""When deliveries of webhooks are retried, and when no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.bots.webhooks.schedule import (
    JITTER,
    LONGEST_REST,
    PAUSES,
    REST,
    RETRIED_FOR,
    Answer,
    Fault,
    State,
    Verdict,
    judge,
)

NOW = 1_700_000_000.0


def after(outcome: Answer | Fault, *, attempt: int = 1, first_at: float = NOW, draw: float = 0.5) -> Verdict:
    return judge(outcome, attempt=attempt, first_at=first_at, now=NOW, draw=draw)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 226, 299])
def test_any_status_of_the_200s_is_delivered(status: int) -> None:
    """Whatever the receiver writes after it."""
    verdict = after(Answer(status))
    assert (verdict.state, verdict.next_at, verdict.rests_until) == (State.DELIVERED, None, None)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 304, 400, 401, 404, 409, 500, 599, 600, 999])
def test_any_other_status_is_retried(status: int) -> None:
    """Redirects too: a webhook goes to the URL that was checked and to no other."""
    verdict = after(Answer(status, ((b"location", b"https://other.example/"),)))
    assert (verdict.state, verdict.next_at, verdict.rests_until) == (State.RETRYING, NOW + PAUSES[0], None)
    assert ("redirects are not followed" in verdict.reason) == (300 <= status < 400)


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_is_retried_and_named(fault: Fault) -> None:
    """A host may be in DNS tomorrow, and a certificate renewed."""
    verdict = after(fault)
    assert (verdict.state, verdict.next_at) == (State.RETRYING, NOW + PAUSES[0])
    assert fault.value.replace("_", " ") in verdict.reason.lower()


def test_410_ends_the_delivery_and_disables_the_endpoint() -> None:
    """The receiver wants nothing any more; a Retry-After does not change that."""
    verdict = after(Answer(410, ((b"retry-after", b"5"),)))
    assert (verdict.state, verdict.disables, verdict.next_at) == (State.FAILED, True, None)


@pytest.mark.parametrize(
    ("status", "headers", "rest"),
    [
        (429, ((b"retry-after", b"120"),), 120.0),
        (503, ((b"x", b"y"), (b"retry-after", b" 7 ")), 7.0),
        (503, ((b"retry-after", b"0"),), 0.0),
        (429, ((b"retry-after", b"999999999999"),), LONGEST_REST),
        (429, ((b"retry-after", b"Fri, 31 Dec 9999 23:59:59 GMT"),), LONGEST_REST),
        (503, ((b"retry-after", b"Tue, 14 Nov 2023 22:14:20 GMT"),), 60.0),
        (503, ((b"retry-after", b"Tue, 14 Nov 2000 22:14:20 GMT"),), 0.0),
        (503, ((b"retry-after", b"soon"),), REST),
        (503, ((b"retry-after", b"-5"),), REST),
        (429, (), REST),
        (502, (), REST),
        (504, (), REST),
        (504, ((b"retry-after", b"5"),), REST),
    ],
)
def test_an_endpoint_rests_as_long_as_it_asks_for(
    status: int, headers: tuple[tuple[bytes, bytes], ...], rest: float
) -> None:
    """In seconds or as a date, up to an hour; a minute if it does not say."""
    verdict = after(Answer(status, headers))
    assert verdict.rests_until == NOW + rest
    assert verdict.next_at == max(NOW + PAUSES[0], NOW + rest)


@pytest.mark.parametrize("status", [400, 404, 500, 307])
def test_a_broken_endpoint_does_not_rest(status: int) -> None:
    """Only those that have too much to do: Retry-After means nothing with other statuses."""
    assert after(Answer(status, ((b"retry-after", b"60"),))).rests_until is None


def all_attempts(draw: float, outcome: Answer | Fault = Fault.CUT, takes: float = 20.0) -> list[float]:
    """Return when each attempt begins, in seconds after the first, until the delivery is given up."""
    began, times = NOW, [0.0]
    while True:
        verdict = judge(outcome, attempt=len(times), first_at=NOW, now=began + takes, draw=draw)
        if verdict.state is State.FAILED:
            assert "24 hours" in verdict.reason
            return times
        assert verdict.next_at is not None
        began = verdict.next_at
        times.append(began - NOW)


def test_the_pauses_grow_to_four_hours_and_the_last_attempt_is_after_24() -> None:
    """The schedule of the documents."""
    times = all_attempts(0.5, takes=0.0)
    assert times[:9] == [0.0, 5.0, 35.0, 155.0, 755.0, 2555.0, 6155.0, 13_355.0, 27_755.0]
    assert times[9:] == [42_155.0, 56_555.0, 70_955.0, 85_355.0, RETRIED_FOR]


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 30))
def test_however_the_dice_fall_it_is_retried_for_24_hours(draw: float, takes: float) -> None:
    """Never after them, never so often that it is a burden, and the last attempt near the end."""
    times = all_attempts(draw, takes=takes)
    assert times == sorted(times)
    assert RETRIED_FOR - 60 - takes <= times[-1] <= RETRIED_FOR
    assert 12 <= len(times) <= 18


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 40))
def test_a_pause_is_up_to_a_fifth_longer_or_shorter(draw: float, attempt: int) -> None:
    """So that what failed together does not come back together."""
    verdict = after(Fault.CUT, attempt=attempt, draw=draw)
    pause = PAUSES[min(attempt, len(PAUSES)) - 1]
    assert verdict.next_at is not None
    assert pause * (1 - JITTER) - 1e-6 <= verdict.next_at - NOW <= pause * (1 + JITTER) + 1e-6


def test_a_clock_set_back_does_not_retry_for_ever() -> None:
    """The first attempt lies in the future then: 24 hours from now are the most."""
    verdict = after(Answer(500), attempt=8, first_at=NOW + 10 * RETRIED_FOR)
    assert verdict.next_at is not None
    assert verdict.next_at <= NOW + RETRIED_FOR


def test_a_rest_past_the_24_hours_moves_the_last_attempt_to_their_end() -> None:
    """One more, rather than none."""
    verdict = after(Answer(429, ((b"retry-after", b"3600"),)), attempt=12, first_at=NOW - RETRIED_FOR + 600)
    assert (verdict.state, verdict.next_at) == (State.RETRYING, NOW + 600)
