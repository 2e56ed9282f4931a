from types import SimpleNamespace

import numpy as np
import pytest

from orch.sandbox.engines.whisper_decoding import (
    ROOM,
    WHOLE_WINDOW,
    attempts,
    is_looping,
    is_same_window,
    is_unreliable,
    token_limit,
    window_frames,
)


@pytest.mark.parametrize(
    ("seconds", "window"),
    [(0, 5), (1, 5), (3, 5), (3.01, 10), (8, 10), (15, 20), (27.9, 30), (28.1, 30), (600, 30)],
)
def test_a_window_has_room_after_the_speech(seconds: float, window: int) -> None:
    """With less than a second of room Whisper repeats itself."""
    assert window_frames(seconds) == window * 100
    assert window >= min(seconds + ROOM, 30)


def test_only_a_shortened_window_has_a_second_attempt() -> None:
    """What repeats itself in the whole window would do so again."""
    assert [attempt.frames for attempt in attempts(4)] == [1000, WHOLE_WINDOW]
    assert [attempt.frames for attempt in attempts(60)] == [WHOLE_WINDOW]


def test_the_first_attempt_has_no_randomness_and_no_repetition() -> None:
    """The whole window is its second attempt: a random one before it would only cost time."""
    first, second = attempts(4)
    assert first.temperatures == (0.0,)
    assert second.temperatures[0] == 0.0
    assert len(second.temperatures) <= 2


def test_the_tokens_are_limited_by_the_recording_and_by_the_decoder() -> None:
    """Whisper's decoder has 448 places, of which the prompt takes some."""
    assert token_limit(1) == 20
    assert token_limit(3600) == token_limit(30) < 400


def test_windows_that_differ_by_their_last_frame_are_the_same() -> None:
    """The one in which a language was detected has one frame of padding more."""
    window = np.random.default_rng(1).normal(size=(80, 500))
    other = window.copy()
    other[:, 320] = 0
    assert is_same_window(window, other)
    other[3, 321] = 0
    assert not is_same_window(window, other)
    assert not is_same_window(window, window[:, :400])


@pytest.mark.parametrize(
    ("no_speech", "logprob", "ratio", "unreliable"),
    [
        (0.74, -0.84, 0.8, True),  # "You", for noise
        (0.58, -1.82, 0.8, True),  # "The", for noise
        (0.1, -1.4, 0.8, False),  # mumbled, but spoken
        (0.9, -0.2, 0.8, False),  # sure of its words
        (0.01, -0.1, 9.0, True),  # a loop
    ],
)
def test_a_text_for_noise_or_a_loop_is_unreliable(
    *, no_speech: float, logprob: float, ratio: float, unreliable: bool
) -> None:
    segment = SimpleNamespace(no_speech_prob=no_speech, avg_logprob=logprob, compression_ratio=ratio)
    assert is_unreliable(segment) is unreliable
    assert is_looping(segment) is (ratio > 2.4)
