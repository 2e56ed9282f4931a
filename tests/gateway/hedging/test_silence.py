"""When overtaken tries show that an instance hangs. Pure."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.gateway.hedging.silence import LEAST_PATIENCE, PAUSE, ROW, STORED, Silence, patience


def overtaken(silence: Silence, times: int, *, now: float = 100.0) -> list[bool]:
    """Note tries of different callers; return which of them wanted a witness."""
    return [silence.overtaken(f"c{number}", now) for number in range(times)]


def test_the_fifth_try_in_a_row_asks_for_one_witness() -> None:
    """There is one at a time, however many are overtaken meanwhile."""
    silence = Silence()
    assert overtaken(silence, ROW + 20) == [False] * (ROW - 1) + [True] + [False] * 20


def test_a_first_byte_of_anything_begins_the_row_anew() -> None:
    """The instance has answered somebody."""
    silence = Silence()
    for _ in range(10):
        assert not any(overtaken(silence, ROW - 1))
        silence.answered()
    assert silence.row == 0


def test_a_silent_witness_makes_the_row_count_with_its_callers() -> None:
    """Those of the latest tries; then the row begins anew."""
    silence = Silence()
    overtaken(silence, STORED + 4)
    assert silence.witness_ended(110, is_silent=True) == tuple(
        f"c{number}" for number in range(4, STORED + 4)
    )
    assert silence.row == 0
    assert overtaken(silence, ROW, now=111)[-1]


def test_a_witness_that_was_answered_lets_the_next_one_wait() -> None:
    """An instance that is merely slow is not sent one after the other."""
    silence = Silence()
    overtaken(silence, ROW)
    silence.answered()
    assert silence.witness_ended(103, is_silent=False) == ()
    assert not any(overtaken(silence, 50, now=103 + PAUSE - 1))
    assert silence.overtaken("c", 103 + PAUSE)


def test_an_answer_to_another_request_acquits_it() -> None:
    """The witness may be a request that takes long by itself."""
    silence = Silence()
    overtaken(silence, ROW)
    silence.answered()
    assert silence.witness_ended(110, is_silent=True) == ()


def test_a_witness_that_cannot_be_sent_is_asked_for_again() -> None:
    """Its body may be on disk, that of the next one need not."""
    silence = Silence()
    assert overtaken(silence, ROW)[-1]
    silence.witness_missing()
    assert silence.overtaken("c", 100)


@pytest.mark.parametrize(
    ("usual", "limit", "expected"), [(0.1, 30, 10), (2, 30, 20), (9, 30, 30), (0.1, 3, 3)]
)
def test_a_witness_waits_longer_than_a_slow_instance_takes(
    usual: float, limit: float, expected: float
) -> None:
    """But no longer than a request may take."""
    assert patience(usual, limit) == expected
    assert LEAST_PATIENCE == 10


@given(st.integers(0, 2**32), st.floats(1.1, 9.0))
def test_what_answers_within_the_patience_is_never_blamed(seed: int, factor: float) -> None:
    """Whatever is overtaken: an instance ``factor`` times as slow as usual answers the witness."""
    drawn, silence, now = random.Random(seed), Silence(), 0.0
    for number in range(200):
        now += drawn.random()
        if drawn.random() < 0.1:
            silence.answered()
        elif silence.overtaken(f"c{number % 7}", now):
            took = factor * (0.5 + drawn.random())
            is_silent = took > patience(2.0, 30)
            assert not is_silent
            silence.answered()
            assert silence.witness_ended(now + took, is_silent=is_silent) == ()
