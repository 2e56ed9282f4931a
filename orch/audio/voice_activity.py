"""Decides for each frame of sound whether it is speech. Pure.

The segmenter has one of two sources, which return an :class:`Activity` for each frame:

- :class:`NoiseActivity`: level, and how far the frame stands above the noise, over eight bands
  (:mod:`orch.audio.noise_floor`). It needs nothing besides NumPy.
- :class:`ModelActivity`: the probability of speech, by a model.

A frame is **loud** where speech may begin with it, and **active** where speech that has begun goes on.

In :class:`NoiseActivity` a frame is loud at ``energy_threshold`` where it stands ``onset`` dB above the
noise; it is active at 40 % of ``energy_threshold`` and ``release`` dB. So trailing syllables stay in and a
hiss does not begin anything. The noise is trusted after 2 s; until then the level alone counts, so that
speech at the very beginning is found. In a still room a quiet microphone counts, too: where six times the
lowest level of the last 2.5 s is less than ``energy_threshold``, it replaces the threshold, down to 30 % of
it.

In :class:`ModelActivity` a frame is loud at the probability ``onset`` and active at ``release``; sound below
what a still room allows (30 % of ``energy_threshold``) is neither, whatever the model says.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Protocol

import numpy as np
import numpy.typing as npt

from orch.audio.noise_floor import NoiseFloor
from orch.audio.speech_thresholds import (
    AGGRESSIVENESS,
    FLOOR_SECONDS,
    FLOOR_TRUSTED,
    FULL_SCALE,
    MODEL_THRESHOLDS,
    RELEASE_SHARE,
    SMOOTH_FRAMES,
    STILL_ROOM,
    STILL_SHARE,
)
from orch.settings import Vad

Frames = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Activity:
    """What a frame is. ``level``: RMS, full scale 1, without its mean (a DC offset is no sound)."""

    level: float
    is_loud: bool
    is_active: bool


class VoiceActivity(Protocol):
    """Decides frame by frame, in their order; the state is that of one stream."""

    frame: int
    """Samples of a frame."""
    voiced: int
    """Milliseconds of an onset that must repeat at a voice's rate, as not all noise does; 0: no such test."""

    def decide(self, frames: Frames) -> list[Activity]:
        """Return the activity of each row of ``frames`` (full scale 1)."""


class NoiseActivity:
    """Decides by level and by distance from the noise. The mutable state: the last levels, and the noise."""

    def __init__(self, *, sample_rate: int, vad: Vad) -> None:
        self.frame = round(sample_rate * vad.frame_duration / 1000)
        self._eagerness = AGGRESSIVENESS[vad.aggressiveness]
        self.voiced = self._eagerness.voiced
        self._energy_threshold = vad.energy_threshold
        seconds = self.frame / sample_rate
        self._noise = NoiseFloor(sample_rate=sample_rate, frame=self.frame)
        self._recent: deque[float] = deque(maxlen=SMOOTH_FRAMES)
        self._levels: deque[float] = deque(maxlen=ceil(FLOOR_SECONDS / seconds))
        self._floor_trusted_at = round(FLOOR_TRUSTED / seconds)

    def decide(self, frames: Frames) -> list[Activity]:
        """Return the activity of each frame."""
        return [
            self._decide(level, powers)
            for level, powers in zip(levels(frames), self._noise.powers(frames), strict=True)
        ]

    def _decide(self, level: float, powers: list[float]) -> Activity:
        self._recent.append(level)
        self._levels.append(float(np.sqrt(sum(value * value for value in self._recent) / len(self._recent))))
        above = self._noise.above(powers)
        threshold = self._energy_threshold
        is_trusted = len(self._levels) >= self._floor_trusted_at
        if is_trusted:
            floor = min(self._levels)
            threshold = min(threshold, max(floor * STILL_ROOM, threshold * STILL_SHARE))
        # Never at 0: what is perfectly still is not active, whatever the settings.
        loud, active = max(threshold, 1 / FULL_SCALE), max(threshold * RELEASE_SHARE, 1 / FULL_SCALE)
        return Activity(
            level=level,
            is_loud=level >= loud and (not is_trusted or above >= self._eagerness.onset),
            is_active=level >= active and (not is_trusted or above >= self._eagerness.release),
        )


class ModelActivity:
    """Decides by the ``probability`` of speech that a model returns for each frame, in their order.

    ``frame``: the number of samples that the model accepts. The mutable state is the model's.
    """

    voiced = 0  # a model tells hums and clicks from voices by itself

    def __init__(self, *, frame: int, probability: Callable[[Frames], float], vad: Vad) -> None:
        self.frame = frame
        self._probability = probability
        self._thresholds = MODEL_THRESHOLDS[vad.aggressiveness]
        loud = vad.energy_threshold * STILL_SHARE
        self._loud, self._active = max(loud, 1 / FULL_SCALE), max(loud * RELEASE_SHARE, 1 / FULL_SCALE)

    def decide(self, frames: Frames) -> list[Activity]:
        """Return the activity of each frame. Every frame is given to the model: it remembers those before."""
        return [
            self._decide(level, self._probability(frame))
            for level, frame in zip(levels(frames), frames, strict=True)
        ]

    def _decide(self, level: float, probability: float) -> Activity:
        return Activity(
            level=level,
            is_loud=level >= self._loud and probability >= self._thresholds.onset,
            is_active=level >= self._active and probability >= self._thresholds.release,
        )


def levels(frames: Frames) -> list[float]:
    """Return the RMS of each frame, its mean removed."""
    power: list[float] = np.sqrt(
        np.maximum(np.mean(frames**2, axis=1) - np.mean(frames, axis=1) ** 2, 0.0)
    ).tolist()
    return power
