"""Recordings of speech as the engines are given them, and what they return. Pure."""

from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

SAMPLE_RATE = 16_000
"""Hz, of all audio for an engine: 16-bit little-endian mono PCM."""

BYTES_PER_SECOND = 2 * SAMPLE_RATE


class Word(Struct, frozen=True):
    """One word, from ``start`` to ``end`` in seconds. ``confidence``: the engine's probability of it."""

    text: str
    start: float
    end: float
    confidence: float | None


class Segment(Struct, frozen=True):
    """One segment of speech. ``confidence``: the engine's, or None."""

    start: float
    end: float
    text: str
    confidence: float | None
    words: tuple[Word, ...]


class Transcription(Struct, frozen=True):
    """A transcribed recording. ``language``: the spoken language, as the engine detected it.

    ``language_probability``: the engine's probability of the language that it detected; None if it was given.
    """

    segments: tuple[Segment, ...]
    language: str
    language_probability: float | None = None


def mean_confidence(words: tuple[Word, ...]) -> float | None:
    """Return the mean of the words' probabilities: the expected share of correct words."""
    known = [word.confidence for word in words if word.confidence is not None]
    return round(sum(known) / len(known), 6) if known else None


def cut(pcm: bytes, *, longest: float) -> tuple[tuple[int, int], ...]:
    """Return where to cut a recording so that no piece is longer than ``longest`` seconds.

    (start, end) in bytes, in order, without gap or overlap. A cut is in the quietest tenth of a second of the
    second half of the longest possible piece: most likely between two words.
    """
    limit = int(longest * SAMPLE_RATE)
    samples = np.frombuffer(pcm, dtype="<i2")
    pieces: list[tuple[int, int]] = []
    start = 0
    while len(samples) - start > limit:
        end = start + limit // 2 + _quietest(samples[start + limit // 2 : start + limit])
        pieces.append((2 * start, 2 * end))
        start = end
    pieces.append((2 * start, len(pcm)))
    return tuple(pieces)


def _quietest(samples: npt.NDArray[Any]) -> int:
    """Return the middle of the tenth of a second with the least energy."""
    block = SAMPLE_RATE // 10
    whole = samples[: len(samples) // block * block].astype(np.float64).reshape(-1, block)
    return int((whole**2).sum(axis=1).argmin()) * block + block // 2
