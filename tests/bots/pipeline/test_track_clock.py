"""When samples were recorded, from when they arrived; and how loud they were."""

import random

import numpy as np
import pytest

from orch.bots.pipeline.levels import FRAME, KEPT, SILENT, Levels
from orch.bots.pipeline.track_clock import RATE, TrackClock


def test_late_blocks_do_not_move_the_time() -> None:
    clock, draw = TrackClock(), random.Random(1)
    for block in range(1, 3_000):
        late = 0.02 + (0.4 if draw.random() < 0.2 else 0.0) * draw.random()
        clock.arrived(10.0 + block * 0.02 + late, block * 320)
        assert clock.time_of(0) == pytest.approx(10.02, abs=0.4 if block == 1 else 0.02)
    assert clock.time_of(RATE) == pytest.approx(11.02, abs=1e-9)


@pytest.mark.parametrize("drift", [-200e-6, 200e-6])
def test_a_sound_card_that_drifts_is_followed_over_three_hours(drift: float) -> None:
    """Without that it would be 2 s off in the end."""
    clock = TrackClock()
    for second in range(10_800):
        clock.arrived(second * (1 + drift) + 0.05, second * RATE)
    now = 10_799 * (1 + drift) + 0.05
    assert clock.time_of(10_799 * RATE) == pytest.approx(now, abs=0.02)


def test_before_anything_has_arrived_it_is_the_begin() -> None:
    assert TrackClock().time_of(RATE) == 1.0


def tone(seconds: float, dbfs: float) -> bytes:
    """Return a square wave, whose level is its amplitude's."""
    amplitude = 32_768 * 10 ** (dbfs / 20)
    samples = np.where(np.arange(round(seconds * RATE)) // 20 % 2, amplitude, -amplitude)
    return samples.astype("<i2").tobytes()


def test_levels_are_those_of_the_sound_at_the_time() -> None:
    levels = Levels()
    for number, dbfs in enumerate((-20.0, -40.0), start=1):
        measured = levels.add(tone(1.0, dbfs))
        assert measured is not None
        assert measured.dbfs == pytest.approx(dbfs, abs=0.1)
        assert measured.end == number * RATE
    first, last = levels.between(0.2, 0.8), levels.between(1.2, 1.8)
    assert first == pytest.approx([-20.0] * 12, abs=0.1)
    assert last == pytest.approx([-40.0] * 12, abs=0.1)
    assert levels.floor() == pytest.approx(-40.0, abs=0.1)


@pytest.mark.parametrize("size", [1, 7, 160, 799, 801, 5_000])
def test_the_size_of_blocks_changes_no_level(size: int) -> None:
    whole, parts = Levels(), Levels()
    sound = tone(0.3, -20) + tone(0.3, -50)
    whole.add(sound)
    for first in range(0, len(sound), 2 * size):
        parts.add(sound[first : first + 2 * size])
    assert parts.between(0, 0.6) == whole.between(0, 0.6)


def test_lost_samples_are_silent_and_keep_their_time() -> None:
    levels = Levels()
    levels.add(tone(0.5, -20)[: -2 * 100])
    levels.skip(RATE)
    levels.add(tone(0.5, -20))
    assert levels.between(0.6, 1.4) == [SILENT] * 16
    assert levels.between(1.6, 1.9) == pytest.approx([-20.0] * 6, abs=0.2)


def test_what_is_long_ago_is_no_longer_known() -> None:
    levels = Levels()
    for _ in range(round(KEPT) + 10):
        levels.add(tone(1.0, -30))
    assert levels.between(5, 6) is None
    assert levels.between(KEPT, KEPT + 1) is not None
    levels.skip(10**9)
    assert levels.between(KEPT, KEPT + 1) is None


def test_ten_levels_a_second_are_reported_each_the_loudest_since_the_last() -> None:
    levels = Levels()
    sound = tone(0.5, -50) + tone(0.05, -20) + tone(0.45, -50)
    found = [levels.add(sound[at : at + 640]) for at in range(0, len(sound), 640)]
    reported = [each for each in found if each is not None]
    assert [each.end for each in reported] == list(range(1_600, 16_001, 1_600))
    loud = [each for each in reported if each.dbfs > -30]
    assert [each.end for each in loud] == [9_600]


def test_digital_silence_has_a_level() -> None:
    measured = Levels().add(bytes(4 * FRAME))
    assert measured is not None
    assert measured.dbfs == SILENT
    assert Levels().floor() == SILENT
    assert Levels().add(b"") is None
