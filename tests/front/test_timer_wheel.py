"""The timer wheel never calls early, and late by one slot at most."""

from hypothesis import given
from hypothesis import strategies as st

from orch.front.timer_wheel import TimerWheel


def test_due_items_are_returned_once_and_removed_ones_never() -> None:
    """Each in its slot, whatever order they were put in."""
    wheel: TimerWheel[str] = TimerWheel(span=0.25, slots=512, now=100.0)
    wheel.put("late", 110.0)
    wheel.put("soon", 100.5)
    slot = wheel.put("removed", 100.5)
    wheel.remove("removed", slot)
    assert len(wheel) == 2
    assert wheel.advance(100.25) == []
    assert wheel.advance(100.5) == ["soon"]
    assert wheel.advance(109.9) == []
    assert wheel.advance(200.0) == ["late"]
    assert len(wheel) == 0


def test_items_beyond_the_wheel_are_returned_early() -> None:
    """It is put into the last slot."""
    wheel: TimerWheel[str] = TimerWheel(span=1.0, slots=8, now=0.0)
    wheel.put("far", 1000.0)
    assert wheel.advance(7.0) == []
    assert wheel.advance(8.0) == ["far"]


def test_items_already_due_are_returned_at_the_next_advance() -> None:
    """A deadline in the past is not lost for a round."""
    wheel: TimerWheel[str] = TimerWheel(span=1.0, slots=8, now=50.0)
    wheel.put("past", 3.0)
    assert wheel.advance(51.0) == ["past"]


@given(st.lists(st.floats(0, 100), max_size=30), st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_none_is_early_and_none_is_lost(times: list[float], steps: list[float]) -> None:
    """However time passes."""
    wheel: TimerWheel[int] = TimerWheel(span=0.5, slots=256, now=0.0)
    for number, at in enumerate(times):
        wheel.put(number, at)
    taken: set[int] = set()
    now = before = 0.0
    for step in [*steps, 200.0]:
        now, before = now + step, now
        for number in wheel.advance(now):
            assert times[number] <= now
            assert times[number] > before - 1.0 or times[number] <= 0.5
            taken.add(number)
    assert taken == set(range(len(times)))
