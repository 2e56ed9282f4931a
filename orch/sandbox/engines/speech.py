"""The interface of a speech engine."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import trio
from msgspec import Struct

SAMPLE_RATE = 16_000
"""Hz, of everything an engine is given: 16-bit little-endian mono."""

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

    ``language_probability``: how sure the engine is of a language that it detected; None where it was told.
    """

    segments: tuple[Segment, ...]
    language: str
    language_probability: float | None = None


class SpeechEngine(Protocol):
    """An engine. It is usable while :meth:`run` runs."""

    name: str
    model: str
    languages: tuple[str, ...]
    """ISO 639-1 codes, the likeliest first."""
    capacity: int
    """Recordings it hears at the same time; more only makes each of them slower."""

    async def run(self, *, task_status: trio.TaskStatus[None] = ...) -> None:
        """Keep the engine loaded until cancelled. Raises :class:`EngineFailed` when it dies under us."""

    async def hear(self, pcm: bytes, *, language: str | None, skip_silence: bool) -> Transcription:
        """Transcribe a recording. ``language``: one of :attr:`languages`, or None to detect it.

        ``skip_silence``: stretches without speech are not decoded. A cancel stops the work itself, not only
        the waiting for it. Raises :class:`EngineFailed`.
        """


class EngineFailed(Exception):  # noqa: N818 - what happened, in the past tense, as its catchers read it
    """The engine failed. The text has the reason, for the log."""


LoadEngine = Callable[[], Awaitable[SpeechEngine]]


def mean_confidence(words: tuple[Word, ...]) -> float | None:
    """Return the mean of the words' probabilities: the share of the words that is expected to be right."""
    known = [word.confidence for word in words if word.confidence is not None]
    return round(sum(known) / len(known), 6) if known else None


def cut(pcm: bytes, *, longest: float) -> tuple[tuple[int, int], ...]:
    """Return where to cut a recording so that no piece is longer than ``longest`` seconds.

    (start, end) in bytes, in order, without gap or overlap. A cut lies in the quietest tenth of a second of
    the second half of what one piece may be: most likely between two words.
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
