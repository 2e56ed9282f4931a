"""Opens and closes the anomalies of one series as its samples arrive. Pure.

A measure above its limit opens an anomaly, which begins where the deviation began and not where it was
noticed. It ends when the series is back, or after a day, when the figure counts as usual: a shift that lasts
is news once. Samples of an anomaly are no history for later ones: they are left out of the measures.
"""

from collections.abc import Iterable
from math import isfinite
from typing import Final

import numpy as np
from msgspec.structs import replace

from orch.analytics.anomalies.anomaly import OF_LEVELS, Anomaly, Direction, Kind
from orch.analytics.anomalies.measures import MEASURES, Measure, Sort
from orch.analytics.anomalies.model import Model
from orch.analytics.anomalies.robust import Array, median
from orch.analytics.anomalies.window import SIZE, Window

ACCEPTED: Final = 86_400.0
"""Seconds after which another level is usual."""

RELEVANT: Final = 0.05
"""Share of the usual figure that a change must have at least."""

AGAIN: Final = 12
"""Samples after its end in which an anomaly goes on rather than another one begins."""

BACK: Final = 0.4
"""Part of an anomaly's deviation below which the series is back."""

FEW: Final = 3
MANY: Final = 12
"""Samples that make a spike, and that make a shift: what takes more to be seen is a drift."""


class Detector:
    """Follows one series. The mutable state: the latest samples, and the anomaly that is open.

    A sample that is not later than the one before it is refused: after a clock went back, a series goes on
    where it was. A missing one is fed as NaN.
    """

    def __init__(self, key: str, model: Model) -> None:
        self._key = key
        self._window = Window(model)
        self._since_end = AGAIN
        self._ended: Anomaly | None = None
        self._moves = 0
        self._width = FEW
        self.open: Anomaly | None = None
        self.level_since: float | None = None

    def __repr__(self) -> str:
        return f"<Detector {self._key}: {self.open.kind if self.open else 'usual'}>"

    @property
    def model(self) -> Model:
        """What is known of the series."""
        return self._window.model

    def relearn(self, model: Model) -> None:
        """Go on with another model; an open anomaly stays open."""
        self._window.relearn(model)

    def warm_up(self, samples: Iterable[tuple[float, float]]) -> None:
        """Take the latest samples of a history as they are, without a look for anomalies in them."""
        for at, value in samples:
            if at > self._window.at:
                self._window.push(at, value)

    def resume(self, anomaly: Anomaly) -> None:
        """Go on with an anomaly that was open when the samples ended that were given to :meth:`warm_up`."""
        samples = self._window.since(anomaly.began)
        self._window.leave_out(samples)
        self.open = anomaly
        self._width = FEW if anomaly.samples <= FEW else 2 * FEW

    def feed(self, at: float, value: float) -> Anomaly | None:
        """Take a sample; return the anomaly that it opened, changed or closed; None if it is usual."""
        if at <= self._window.at:
            return None
        self._window.push(at, value)
        if self.open is not None:
            return self._follow(self.open)
        self._since_end += 1
        return self._look()

    # --- opening --------------------------------------------------------------------------------------------

    def _look(self) -> Anomaly | None:
        limits = self.model.limits
        best, strength = None, 1.0
        for measure, value, above, below in zip(
            MEASURES, self._window.measured(), limits.above, limits.below, strict=True
        ):
            if value >= strength * above:
                best, strength = (measure, 1), value / above
            elif -value >= strength * below:
                best, strength = (measure, -1), -value / below
        return None if best is None else self._found(best[0], best[1], strength)

    def _found(self, measure: Measure, sign: int, strength: float) -> Anomaly | None:
        window, width = self._window, measure.width
        if measure.sort is Sort.STUCK:
            return self._begin(Kind.STUCK, "", window.since(window.moved_at), strength)
        if measure.sort is Sort.SILENT:
            return self._begin(Kind.SILENT, "", min(window.silence, SIZE), strength)
        if measure.sort is Sort.NOISE:
            differences = np.abs(np.diff(window.values(width + 1)))
            if not np.nanmean(differences) > self.model.floor:
                return None
            return self._begin(Kind.NOISE, "", width, strength)
        samples = _since_when(sign * window.deviations(width, sound=True))
        usual = float(window.usual(samples).mean())
        difference = abs(float(np.nanmean(window.values(samples))) - usual)
        if not difference > max(self.model.floor, RELEVANT * abs(usual)):
            return None
        kind = Kind.SPIKE if width <= FEW else Kind.SHIFT if width <= MANY else Kind.DRIFT
        return self._begin(kind, "up" if sign > 0 else "down", samples, strength)

    def _begin(self, kind: Kind, direction: Direction, samples: int, strength: float) -> Anomaly:
        window = self._window
        window.leave_out(samples)
        self._width = FEW if samples <= FEW else 2 * FEW
        began = float(window.times(samples)[0])
        opened = Anomaly(
            key=self._key,
            kind=kind,
            direction=direction,
            began=began,
            noticed=window.at,
            until=window.at,
            strength=strength,
            hour=self.model.hour,
        )
        opened = _with_samples(opened, window, samples)
        ended = self._ended
        if ended is not None and self._since_end <= AGAIN and ended.direction == direction:
            opened = replace(
                opened,
                began=ended.began,
                noticed=ended.noticed,
                kind=kind if kind in OF_LEVELS and ended.kind in OF_LEVELS else ended.kind,
                strength=max(strength, ended.strength),
            )
        self.open, self._ended = opened, None
        return opened

    # --- following ------------------------------------------------------------------------------------------

    def _follow(self, before: Anomaly) -> Anomaly:
        window = self._window
        window.leave_out(1)
        if before.kind is not Kind.SILENT and not isfinite(window.values(1)[0]):
            return before
        if self._is_back(before):
            return self._end(replace(before, ended=window.at))
        now = _with_samples(replace(before, until=window.at), window, 1)
        if now.kind is Kind.SPIKE and now.samples > FEW:
            now = replace(now, kind=Kind.SHIFT)
        if now.kind in OF_LEVELS and window.at - now.began >= ACCEPTED:
            return self._accept(now)
        self.open = now
        return now

    def _is_back(self, anomaly: Anomaly) -> bool:
        window = self._window
        if anomaly.kind is Kind.SILENT:
            return window.silence == 0
        if anomaly.kind is Kind.STUCK:
            return window.is_moving()
        if anomaly.kind is Kind.NOISE:
            return self._is_calm()
        width = min(self._width, window.since(anomaly.noticed))
        sign = 1.0 if anomaly.direction == "up" else -1.0
        latest = sign * window.deviations(width)
        whole = sign * window.deviations(window.since(anomaly.began))
        typical = float(np.nanmean(whole[: max(len(whole) - width, 1)]))
        return bool(np.nanmean(latest) < BACK * max(typical, 1.0))

    def _is_calm(self) -> bool:
        """Return whether the differences of neighbours are usual again, over a few samples."""
        place = next(i for i, measure in enumerate(MEASURES) if measure.sort is Sort.NOISE)
        differences = np.abs(np.diff(self._window.deviations(FEW * 2 + 1)))
        mean = float(np.nanmean(differences)) if np.isfinite(differences).any() else 0.0
        return mean < BACK * float(np.exp(self.model.limits.above[place]))

    def _accept(self, anomaly: Anomaly) -> Anomaly:
        """Take the level of an anomaly that has lasted for so long as the usual one."""
        level = median(self._window.deviations(min(self._window.since(anomaly.began), SIZE // 2)))
        limits = replace(self.model.limits, level=self.model.limits.level + (level if isfinite(level) else 0))
        self._window.relearn(replace(self.model, limits=limits))
        self.level_since = anomaly.began
        return self._end(replace(anomaly, ended=self._window.at, became_usual=True))

    def _end(self, anomaly: Anomaly) -> Anomaly:
        self.open, self._ended, self._since_end = None, anomaly, 0
        return anomaly


def _since_when(deviations: Array) -> int:
    """Return for how many samples deviations have lasted (upwards).

    They began where the sum of what exceeds half their mean is greatest.
    """
    there = np.where(np.isfinite(deviations), deviations, 0.0)
    sums = np.cumsum((there - 0.5 * max(float(there.mean()), 0.0))[::-1])
    return int(np.argmax(sums)) + 1


def _with_samples(anomaly: Anomaly, window: Window, samples: int) -> Anomaly:
    """Return the anomaly with the latest samples in its figures."""
    values, usual, deviations = window.values(samples), window.usual(samples), window.deviations(samples)
    there = np.isfinite(values)
    count = int(there.sum())
    if not count:
        return anomaly
    whole = anomaly.samples + count
    part = count / whole
    mean, usual_mean = float(values[there].mean()), float(usual[there].mean())
    worst = int(np.nanargmax(np.abs(deviations)))
    value, expected = float(values[worst]), float(usual[worst])
    if anomaly.value is not None and anomaly.usual is not None:
        is_worse = abs(value - expected) > abs(anomaly.value - anomaly.usual)
        value, expected = (value, expected) if is_worse else (anomaly.value, anomaly.usual)
    return replace(
        anomaly,
        samples=whole,
        value=value,
        usual=expected,
        mean=mean if anomaly.mean is None else anomaly.mean + (mean - anomaly.mean) * part,
        usual_mean=(
            usual_mean
            if anomaly.usual_mean is None
            else anomaly.usual_mean + (usual_mean - anomaly.usual_mean) * part
        ),
    )
