import random

import pytest

from orch.bots.correlation.offsets import DRIFT_AFTER, MOST_BINS, MOST_RECENT, ClockOffset


def fed(
    *,
    seconds: float,
    delay: float,
    drift: float = 0.0,
    wrong: float = 0.0,
    noise: float = 0.15,
    rate: float = 2.0,
) -> ClockOffset:
    """Return an estimator after so many seconds. ``rate``: a second; ``wrong``: share of any delay."""
    dice = random.Random(5)
    clock = ClockOffset(expected=1.5, spread=0.8)
    for index in range(int(seconds * rate)):
        time = index / rate
        late = dice.uniform(-1, 8) if dice.random() < wrong else delay + drift * time + dice.gauss(0, noise)
        clock.add(time, late)
    return clock


@pytest.mark.parametrize("delay", [0.3, 1.0, 3.0, 6.5])
@pytest.mark.parametrize("wrong", [0.0, 0.3])
def test_the_offset_is_right_within_a_minute(delay: float, wrong: float) -> None:
    """Under 100 ms, also if three in ten matches are wrong."""
    clock = fed(seconds=60, delay=delay, wrong=wrong)
    assert clock.estimate.is_known
    assert abs(clock.at(60) - delay) < 0.1


def test_the_expected_delay_holds_until_there_are_samples() -> None:
    """A few samples prove nothing."""
    clock = ClockOffset(expected=1.5, spread=0.8)
    for time in range(5):
        clock.add(time, 3.0)
    before = clock.estimate
    assert not before.is_known
    assert clock.at(100) == 1.5
    clock.add(5, 3.0)
    after = clock.estimate
    assert after.is_known
    assert clock.at(5) == pytest.approx(3.0)


@pytest.mark.parametrize("drift", [-200e-6, 0.0, 200e-6])
def test_the_drift_is_zero_for_ten_minutes_and_then_fitted(drift: float) -> None:
    """Before, its error would be larger than any real drift; then it is under 50 millionths."""
    assert fed(seconds=DRIFT_AFTER - 1, delay=1.0, drift=drift).estimate.drift == 0.0
    clock = fed(seconds=DRIFT_AFTER + 20, delay=1.0, drift=drift, wrong=0.05)
    assert abs(clock.estimate.drift - drift) < 50e-6
    assert clock.at(DRIFT_AFTER) == pytest.approx(1.0 + drift * DRIFT_AFTER, abs=0.1)


def test_a_delay_that_changes_is_followed_and_is_no_drift() -> None:
    """Captions that become two seconds slower move the offset; the drift stays within that of real clocks."""
    clock = fed(seconds=700, delay=1.0)
    dice = random.Random(6)
    for index in range(300):
        clock.add(700 + index / 2, 3.0 + dice.gauss(0, 0.1))
    assert clock.at(850) == pytest.approx(3.0, abs=0.1)
    assert abs(clock.estimate.drift) <= 500e-6


def test_memory_does_not_grow_with_the_meeting() -> None:
    """A sample every five seconds for three hours leaves a bounded number of spans."""
    clock = fed(seconds=10_800, delay=1.0, drift=100e-6, rate=0.2)
    assert len(clock._bins) <= MOST_BINS
    assert len(clock._recent) <= MOST_RECENT
    assert abs(clock.estimate.drift - 100e-6) < 10e-6


def test_samples_may_come_in_any_order() -> None:
    """A transcript is late now and then."""
    clock = ClockOffset(expected=1.5, spread=0.8)
    for time in (50.0, 3.0, 20.0, 49.0, 10.0, 30.0, 1.0):
        clock.add(time, 0.7)
    assert clock.at(50) == pytest.approx(0.7)
