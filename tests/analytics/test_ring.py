"""A ring: means of slots, bounded memory, gaps that stay gaps, and an order that clocks cannot break."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from orch.analytics.ring import Chunk, Floats, Resolution, Ring

SMALL = Resolution(name="small", step=10, slots=24, chunk=6, peaks=True)


def one(value: float) -> Floats:
    return np.array([value])


def read(ring: Ring, first: int, last: int, row: int = 0) -> list[float | None]:
    return [None if np.isnan(each) else float(each) for each in ring.read(row, first, last)[0]]


def test_a_slot_is_the_mean_of_its_values_and_has_the_highest_beside_it() -> None:
    ring = Ring(SMALL, 1)
    for at, value in ((100, 1.0), (104, 2.0), (109.9, 6.0), (110, 7.0)):
        ring.add(at, one(value))
    values, highs = ring.read(0, 10, 11)
    assert values.tolist() == [3.0, 7.0]
    assert highs.tolist() == [6.0, 7.0]


def test_what_was_not_measured_is_a_gap_also_after_sealing() -> None:
    """Neither nan nor infinity becomes a number, nor what is too large for 32 bits."""
    ring = Ring(SMALL, 2)
    for slot in range(60, 73):
        ring.add(slot * 10.0, np.array([np.nan if slot % 3 else 5.0, np.inf if slot % 2 else -1e200]))
    assert read(ring, 60, 72) == [5.0 if slot % 3 == 0 else None for slot in range(60, 73)]
    assert read(ring, 60, 72, row=1) == [None] * 13


def test_at_least_its_slots_are_stored_and_never_much_more() -> None:
    ring = Ring(SMALL, 1)
    for slot in range(1_000):
        ring.add(slot * 10.0, one(float(slot)))
    assert read(ring, 976, 999) == [float(slot) for slot in range(976, 1_000)]
    assert read(ring, 900, 960) == [None] * 61


def test_whole_numbers_stay_exact() -> None:
    """A number of connections is what was counted."""
    ring = Ring(SMALL, 1)
    for slot in range(12):
        ring.add(slot * 10.0, one(1_000_000.0 + slot * 5_957))
    assert read(ring, 0, 5) == [1_000_000.0 + slot * 5_957 for slot in range(6)]


CHUNKS = arrays.arrays(
    np.float32, (6, 2), elements=st.floats(-(2.0**99), 2.0**99, width=32) | st.just(float("nan"))
)


@given(CHUNKS)
@settings(max_examples=60)
def test_a_sealed_value_is_off_by_a_131068th_of_what_the_chunk_spans(matrix: np.ndarray) -> None:
    ring = Ring(SMALL, 2)
    for slot in range(6):
        ring.add(slot * 10.0, matrix[slot].astype(np.float64))
    ring.add(70.0, np.array([1.0, 1.0]))
    for row in range(2):
        values, highs = ring.read(row, 0, 5)
        wanted = matrix[:, row].astype(np.float64)
        assert (np.isnan(values) == np.isnan(wanted)).all()
        if np.isnan(wanted).all():
            continue
        span = np.nanmax(wanted) - np.nanmin(wanted)
        # The sums of a slot are of 64 bits, what is stored before sealing of 32.
        allowed = span / 131_068 + np.nanmax(np.abs(wanted)) * 1e-6
        assert np.nanmax(np.abs(values - wanted)) <= allowed
        assert (highs[~np.isnan(wanted)] >= wanted[~np.isnan(wanted)] - allowed).all()


def test_a_peak_outlives_the_roll_up() -> None:
    """One second at 900 within five minutes at 1 is still seen a month later."""
    ring = Ring(Resolution(name="5min", step=300, slots=8_640, chunk=288, peaks=True), 1)
    for second in range(600):
        ring.add(float(second), one(900.0 if second == 450 else 1.0))
    for slot in range(3, 600):
        ring.add(slot * 300.0, one(1.0))
    values, highs = ring.read(0, 0, 2)
    assert values[1] == pytest.approx(1 + 899 / 300, abs=0.01)
    assert 900 <= highs[1] <= 904


def test_a_clock_that_goes_back_a_little_changes_no_order() -> None:
    ring = Ring(SMALL, 1)
    for at in (100, 110, 120, 95, 105, 131):
        ring.add(at, one(float(at)))
    assert read(ring, 9, 13) == [None, 100.0, 110.0, pytest.approx((120 + 95 + 105) / 3), 131.0]


def test_a_clock_that_goes_back_far_drops_what_was_later() -> None:
    """What was measured under the wrong time is not shown beside what is measured now."""
    ring = Ring(SMALL, 1)
    for slot in range(20):
        ring.add(slot * 10.0, one(float(slot)))
    for slot in (8, 9):
        ring.add(slot * 10.0, one(100.0 + slot))
    assert read(ring, 4, 19) == [4.0, 5.0, 6.0, 7.0, 108.0, 109.0, *[None] * 10]
    ring.add(0.0, one(7.0))
    assert read(ring, 0, 9) == [7.0, *[None] * 9]


def test_a_clock_that_leaps_leaves_a_gap() -> None:
    ring = Ring(SMALL, 1)
    ring.add(0.0, one(1.0))
    ring.add(1e9, one(2.0))
    assert read(ring, 10**8 - 5, 10**8) == [None] * 5 + [2.0]
    assert ring.chunk_numbers() == (10**8 // 6,)


@given(st.lists(st.tuples(st.integers(-400, 400), st.floats(-5, 5)), max_size=60))
@settings(max_examples=60)
def test_whatever_the_clock_does_values_are_those_that_were_added(moves: list[tuple[int, float]]) -> None:
    """Slots are read in order, none is later than the newest, and no value is out of the range added."""
    ring, at = Ring(SMALL, 1), 10_000.0
    for move, value in moves:
        at = max(0.0, at + move)
        ring.add(at, one(value))
    values, highs = ring.read(0, ring.newest - 23, ring.newest + 3)
    assert np.isnan(values[24:]).all()
    known = values[~np.isnan(values)]
    assert len(known) <= len(moves)
    assert ((known >= -5.0001) & (known <= 5.0001)).all()
    assert (highs[~np.isnan(values)] >= known - 1e-3).all()


def test_a_chunk_survives_a_restart() -> None:
    """The next run goes on in the same open chunk, and fills what it has no value for."""
    first = Ring(SMALL, 1)
    for slot in range(15):
        first.add(slot * 10.0, one(float(slot)))
    chunks = [first.chunk(number) for number in first.chunk_numbers()]
    second = Ring(SMALL, 1)
    second.add(160.0, one(16.0))
    assert all(chunk is not None and second.restore(chunk, now=165.0) for chunk in chunks)
    assert read(second, 0, 16) == [*map(float, range(15)), None, 16.0]


@pytest.mark.parametrize("number", [-1, 30, 10**6])
def test_a_chunk_of_another_time_is_not_restored(number: int) -> None:
    """Neither one that has left the ring, nor one of a clock that was wrong."""
    ring = Ring(SMALL, 1)
    ring.add(60 * 25.0, one(1.0))
    chunk = Chunk(number=number, values=np.ones((6, 1), np.float32))
    assert not ring.restore(chunk, now=60 * 25.0)
    assert ring.chunk_numbers() == (25,)


def test_a_row_that_is_cleared_has_no_value_left() -> None:
    ring = Ring(SMALL, 2)
    for slot in range(20):
        ring.add(slot * 10.0, np.array([1.0, 2.0]))
    ring.clear_row(0)
    assert read(ring, 0, 19) == [None] * 20
    assert read(ring, 0, 19, row=1) == [2.0] * 20
