"""Where processing ends, the sound as it came goes on without a click."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.audio.borders import MOST, joined

Samples = npt.NDArray[np.int16]
TONE: Samples = np.rint(9_000 * np.sin(2 * np.pi * 150 * np.arange(1_600) / 16_000)).astype("<i2")


@pytest.mark.parametrize("gain", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("at", range(400, 500, 7))
def test_the_border_is_as_smooth_as_the_sound(gain: float, at: int) -> None:
    """No step is larger than the steepest one of the louder side; then the sound is as it came."""
    made = np.rint(gain * TONE[:at]).astype("<i2")
    after = np.frombuffer(joined(TONE[:at].tobytes(), made.tobytes(), TONE[at : at + 480].tobytes()), "<i2")
    whole = np.concatenate((made, after, TONE[at + 480 :])).astype(float)
    steepest = max(1, gain) * np.abs(np.diff(TONE.astype(float))).max()
    assert np.abs(np.diff(whole)).max() <= steepest * 1.05 + 2


def test_a_pipeline_that_inverts_does_not_click() -> None:
    made = -TONE[:453]
    after = np.frombuffer(joined(TONE[:453].tobytes(), made.tobytes(), TONE[453:933].tobytes()), "<i2")
    steps = np.abs(np.diff(np.concatenate((made, after)).astype(float)))
    offset = 2 * 9_000 * np.pi / 2 / 480  # the most that the fade adds to a step
    assert steps.max() <= np.abs(np.diff(TONE.astype(float))).max() + offset + 2


def test_what_was_not_changed_goes_on_unchanged() -> None:
    data = TONE.tobytes()
    assert joined(data[:640], data[:640], data[640:1600]) == data[640:1600]


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_anything_is_joined(before: bytes, made: bytes, after: bytes) -> None:
    """As many samples, none beyond what the two sides allow."""
    after = after[: len(after) // 2 * 2]
    found = joined(before, made, after)
    assert len(found) == len(after)
    if found:
        most = MOST * np.abs(np.frombuffer(after, "<i2").astype(float)).max() + (MOST + 1) * 32_768
        assert np.abs(np.frombuffer(found, "<i2").astype(float)).max() <= min(most, 32_768)
