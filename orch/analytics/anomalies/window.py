"""The latest samples of one series, with their deviations. Pure."""

from math import inf, isfinite, log, nan

import numpy as np

from orch.analytics.anomalies.measures import LONGEST, measured_last
from orch.analytics.anomalies.model import Model
from orch.analytics.anomalies.robust import Array

SIZE = LONGEST
"""Samples that are stored."""


class Window:
    """A ring of samples. The mutable state: it, and since when the figure has not moved, or is missing."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.at = -inf
        self.silence = 0
        self.moved_at = nan
        self._values = np.full(SIZE, nan)
        self._times = np.full(SIZE, nan)
        self._deviations = np.full(SIZE, nan)
        self._sound = np.full(SIZE, nan)
        self._surprise = 0.0
        self._last = nan

    def push(self, at: float, value: float) -> float:
        """Add a sample and return its deviation. NaN: there is no figure."""
        for ring in (self._values, self._times, self._deviations, self._sound):
            ring[:-1] = ring[1:]
        self.at = self._times[-1] = at
        self._values[-1] = value
        course, noise = self.model.usual.at(self._times[-1:])
        usual = self.model.usual.power.of(self._values[-1:])
        deviation = float((usual[0] - course[0]) / noise[0]) - self.model.limits.level
        self._deviations[-1] = self._sound[-1] = deviation
        if isfinite(value):
            if abs(value - self._last) <= self.model.still:
                self._surprise -= log(self.model.limits.chance(float(course[0])))
            else:
                self._surprise, self.moved_at = 0.0, at
            self.silence, self._last = 0, value
        else:
            self.silence += 1
        return deviation

    def relearn(self, model: Model) -> None:
        """Measure the deviations of the stored samples with another model."""
        there = np.isfinite(self._times)
        course, noise = model.usual.at(np.where(there, self._times, 0.0))
        deviations = (model.usual.power.of(self._values) - course) / noise - model.limits.level
        self._deviations = np.where(there, deviations, nan)
        self._sound = np.where(np.isfinite(self._sound), self._deviations, nan)
        self.model = model

    def measured(self) -> list[float]:
        """Return the value of each measure at the latest sample; samples of anomalies are left out."""
        return measured_last(self._sound, self._surprise, self.silence)

    def leave_out(self, samples: int) -> None:
        """Leave the latest samples out of measures from now on."""
        self._sound[-samples:] = nan

    def is_moving(self) -> bool:
        """Whether the latest figure differs from the one before it."""
        return self.moved_at == self.at

    def since(self, at: float) -> int:
        """Return how many of the samples are not before a time, at least 1."""
        return max(int(np.sum(self._times >= at)), 1)

    def values(self, samples: int) -> Array:
        """Return the latest figures."""
        return self._values[-samples:]

    def times(self, samples: int) -> Array:
        """Return the times of the latest samples."""
        return self._times[-samples:]

    def deviations(self, samples: int, *, sound: bool = False) -> Array:
        """Return the latest deviations; ``sound``: NaN for those of anomalies."""
        return (self._sound if sound else self._deviations)[-samples:]

    def usual(self, samples: int) -> Array:
        """Return what is usual at the latest samples."""
        return self.model.expected(self._times[-samples:])[0]
