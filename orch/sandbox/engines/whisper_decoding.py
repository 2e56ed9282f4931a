"""How much work a recording is worth to Whisper, and which of its texts are believed. Pure.

Whisper encodes 30 s whatever it is given: most of a request's cost. It encodes fewer frames as well, but then
repeats itself more often, above all where less than a second of silence follows the speech. So a recording
gets a window of its own length, two seconds of room and up to five more, and again the whole window if the
text repeats itself. With the base model that is a quarter of the processor time (benchmarks/whisper.py). The
words of clean speech are the same; at 5 dB of noise two or three of 54 more are wrong.

Everything is decoded at temperature 0 first. Whisper's default of six attempts, each with more randomness,
costs up to 32 s of processor time on four seconds of noise.
"""

from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[Any]

WINDOW_SECONDS: Final = 30
FRAMES_PER_SECOND: Final = 100
WHOLE_WINDOW: Final = WINDOW_SECONDS * FRAMES_PER_SECOND

ROOM: Final = 2
"""Seconds of silence after the speech, at least."""
STEP: Final = 5
"""Seconds; windows are multiples of it."""

#: Maximum tokens for a window: people speak 4 to 5 a second. This stops a decoder in a loop.
TOKENS_PER_SECOND: Final = 8
TOKENS_BESIDE: Final = 12

#: Above the first and below the second, Whisper's text was probably not spoken. Measured with the base model:
#: every false text for noise, music and coughs is in that range, and 1 of 168 segments of real speech.
DOUBTED_NO_SPEECH: Final = 0.45
DOUBTED_LOGPROB: Final = -0.7

#: For noise, Whisper repeats its prompt, and is surer of it: ``no_speech_prob`` was 0.25 to 0.42, for the
#: beginnings of sentences 0.06 at most, except where the text was the prompt's.
DOUBTED_WITH_PROMPT: Final = 0.15

#: Whisper's own threshold: a text that compresses this well repeats itself.
LOOPING: Final = 2.4


@dataclass(frozen=True, slots=True)
class Attempt:
    """One decoding of a recording.

    ``frames``: encoded frames of each window, 10 ms each. ``temperatures``: in their order, the next where
    the text of the one before repeats itself or is unlikely. ``has_prompt``: with the names and terms that
    may be said.
    """

    frames: int
    temperatures: tuple[float, ...]
    has_prompt: bool = False


class Figures(Protocol):
    """What Whisper says of a segment besides its text."""

    no_speech_prob: float
    avg_logprob: float
    compression_ratio: float


def attempts(seconds: float) -> tuple[Attempt, ...]:
    """Return the decodings of a recording; the next is needed where a segment :func:`is_looping`."""
    whole = Attempt(WHOLE_WINDOW, (0.0, 0.4))
    frames = window_frames(seconds)
    return (whole,) if frames == WHOLE_WINDOW else (Attempt(frames, (0.0,)), whole)


def with_prompt(plan: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
    """Return the decodings with a prompt: one, and where it :func:`is_prompted`, those without."""
    return (replace(plan[0], has_prompt=True), *plan)


def is_prompted(segment: Figures) -> bool:
    """Return whether a segment's text, decoded with a prompt, may come from the prompt alone."""
    return is_looping(segment) or segment.no_speech_prob > DOUBTED_WITH_PROMPT


def window_frames(seconds: float) -> int:
    """Return how many frames are encoded of each window of a recording."""
    window = ceil((seconds + ROOM) / STEP) * STEP
    return min(window, WINDOW_SECONDS) * FRAMES_PER_SECOND


def is_same_window(window: Features, other: Features) -> bool:
    """Return whether two spectrograms (bands by frames) differ in one frame at most."""
    return window.shape == other.shape and bool(np.count_nonzero((window != other).any(axis=0)) <= 1)


def token_limit(seconds: float) -> int:
    """Return the token limit of one window of a recording."""
    return TOKENS_BESIDE + int(TOKENS_PER_SECOND * min(seconds, WINDOW_SECONDS))


def is_looping(segment: Figures) -> bool:
    """Return whether a segment's text repeats itself."""
    return segment.compression_ratio > LOOPING


def is_unreliable(segment: Figures) -> bool:
    """Return whether Whisper's own figures mark a segment as no speech or as a repetition."""
    is_unspoken = segment.no_speech_prob > DOUBTED_NO_SPEECH and segment.avg_logprob < DOUBTED_LOGPROB
    return is_unspoken or is_looping(segment)
