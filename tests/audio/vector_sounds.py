"""Sounds for the golden vectors: short, exact, and the same on every machine."""

import numpy as np

from orch.audio.stages.stage import Activity, Block
from tests.fakes.sounds import clip, noise, voice


def _scaled(samples: object) -> Block:
    return (np.asarray(samples) / 32_768).astype(np.float32)


def speech(seconds: float = 0.5, begin: float = 0.9) -> Block:
    """Return a part of a recording at 16 kHz."""
    return _scaled(clip("austen-0870")[round(begin * 16_000) : round((begin + seconds) * 16_000)])


def noisy(seconds: float = 0.5, level_db: float = -35) -> Block:
    """Return speech in white noise at 16 kHz."""
    return speech(seconds) + _scaled(noise(seconds, level_db))


def tones(seconds: float, rate: int) -> Block:
    """Return a synthetic voice with some noise at any rate."""
    return _scaled(voice(seconds, rate) + noise(seconds, -50, rate))


def halves(count: int) -> Activity:
    """Return an activity that is noise in its first half and speech in its second."""
    speech_begins = count // 2
    confidence = np.where(np.arange(count) < speech_begins, 0.1, 0.9).astype(np.float32)
    return Activity(confidence, np.arange(count) >= speech_begins)
