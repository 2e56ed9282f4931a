"""Where sound is in the session: gaps, clocks and tracks together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from orch.bots.recordings.alignment import LATE, RATE, WINDOW, Alignment
from orch.bots.recordings.mixing import BEHIND, Mixer

BLOCK = RATE // 10


def tone(count: int = BLOCK, level: int = 1_000) -> NDArray[np.int16]:
    return np.full(count, level, dtype=np.int16)


def test_a_gap_is_silence_of_its_size_and_a_repetition_is_nothing() -> None:
    """Lost samples are numbered, so the size is known exactly."""
    track = Alignment()
    first = track.place(5.1, 0, tone())
    assert first is not None
    assert (first.first, first.silence) == (5 * RATE, 0)
    after = track.place(6.1, RATE, tone())
    assert after is not None
    assert (after.first, after.silence, track.lost) == (6 * RATE, RATE - BLOCK, RATE - BLOCK)
    assert track.place(6.1, RATE, tone()) is None
    half = track.place(6.15, RATE + BLOCK // 2, tone())
    assert half is not None
    assert (half.first, len(half.samples), half.silence) == (6 * RATE + BLOCK, BLOCK // 2, 0)


@given(
    st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 2_000)), min_size=1, max_size=40),
    st.floats(0, 0.1),
)
def test_whatever_is_lost_the_place_is_the_sum_of_what_was_before(
    blocks: list[tuple[int, int]], jitter: float
) -> None:
    """Each block follows the last one, with silence for what is between."""
    track, number, end = Alignment(), 0, None
    for lost, count in blocks:
        number += lost if end is not None else 0
        found = track.place(2.0 + (number + count) / RATE + jitter * (number % 2), number, tone(count))
        number += count
        assert found is not None
        if end is not None:
            assert found.first == end + found.silence
        end = found.first + len(found.samples)


def test_a_page_that_stood_still_is_met_by_silence_and_jitter_is_not() -> None:
    """Its numbers go on where they were; the time is right again after two seconds."""
    track, silence = Alignment(), 0
    for number in range(100):
        late = (0.09 if number % 3 else 0.0) + (7.0 if number >= 50 else 0.0)
        found = track.place((number + 1) * 0.1 + late, number * BLOCK, tone())
        assert found is not None
        silence += found.silence
    assert abs(silence - 7 * RATE) <= 0.1 * RATE


@pytest.mark.parametrize("ppm", [-400, 400])
def test_clocks_that_differ_stay_together_for_three_hours(ppm: int) -> None:
    """By silence, or by leaving out quiet blocks; never by more than the limit and a block."""
    track, speed, worst = Alignment(), 1 + ppm / 1e6, 0.0
    for number in range(3 * 3600 * 2):
        samples = tone(RATE // 2, 1_000 if number % 7 else 0)
        at = (number + 1) * 0.5 * speed
        found = track.place(at, number * RATE // 2, samples)
        if found is not None and number > WINDOW:
            worst = max(worst, abs(at - (found.first + len(found.samples)) / RATE))
    assert worst < LATE + 0.6 + 7 * 0.5 * 4e-4 + 0.01


def mixed(*blocks: tuple[int, NDArray[np.int16]]) -> tuple[int, NDArray[np.int16], Mixer]:
    mixer = Mixer()
    pieces = [piece for first, samples in blocks for piece in mixer.add(first, samples)]
    pieces += list(mixer.finish())
    assert mixer.first is not None
    return mixer.first, np.concatenate(pieces), mixer


def test_tracks_are_added_at_their_places_and_limited() -> None:
    """Two at once are louder, up to the largest sample."""
    at = 100 * RATE
    first, found, _ = mixed((at, tone(level=20_000)), (at, tone(level=20_000)), (at + BLOCK, tone(level=-5)))
    begin = at - first
    assert (found[:begin] == 0).all()
    assert (found[begin : begin + BLOCK] == 32_767).all()
    assert (found[begin + BLOCK :] == -5).all()


def test_a_block_that_is_too_late_is_counted_and_one_from_before_the_first_is_in() -> None:
    """Tracks are waited for by so many seconds, not for ever."""
    at = 100 * RATE
    late = 60 * RATE
    first, found, mixer = mixed(
        (at, tone()),
        (at - BLOCK, tone(level=7)),
        *((at + n * BLOCK, tone()) for n in range(1, 200)),
        (at, tone()),
    )
    assert found[at - BLOCK - first] == 7
    assert mixer.late == BLOCK
    assert mixed((late, tone()))[0] == late - int(BEHIND * RATE) // 2


@given(st.lists(st.integers(0, 12 * RATE), min_size=1, max_size=6), st.integers(1, 3 * RATE))
def test_the_pieces_of_the_mix_follow_each_other(gaps: list[int], count: int) -> None:
    """Its length is that from the first to the last sound, and its sum that of all that was added."""
    blocks, at = [], 5 * RATE
    for gap in gaps:
        at += gap
        blocks.append((at, tone(count, 3)))
        at += count
    first, found, mixer = mixed(*blocks)
    assert first + len(found) == at
    assert mixer.late == 0
    assert int(found.sum(dtype=np.int64)) == 3 * count * len(gaps)
