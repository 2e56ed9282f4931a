"""Follows many series for anomalies: which to learn next, and what was found. Pure.

The owner reads the series. It learns one model at a time, in a thread (some 60 ms of a core), hands it in
with :meth:`Watch.learnt`, and feeds each sample once its slot is over.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from orch.analytics.anomalies.anomaly import Anomaly
from orch.analytics.anomalies.detector import Detector
from orch.analytics.anomalies.model import Model

DAY: Final = 86_400.0

RELEARN: Final = DAY
"""Seconds after which a model is learnt again."""

RETRY: Final = 3_600.0
"""Seconds after which a history is looked at again that was too short."""

STORED: Final = 1_000
"""Anomalies that are stored; the one that ended first is dropped for another."""

STORED_SECONDS: Final = 30 * DAY


class Watch:
    """Follows series that are ``step`` seconds apart.

    The mutable state: a detector for each series with a model, when each was last learnt, and the anomalies
    of the last 30 days by identity.
    """

    def __init__(self, *, step: float) -> None:
        self.step = step
        self._detectors: dict[str, Detector] = {}
        self._learnt_at: dict[str, float] = {}
        self._found: dict[str, Anomaly] = {}

    def __repr__(self) -> str:
        is_open = sum(each.is_open for each in self._found.values())
        return f"<Watch of {len(self._detectors)} series, {is_open} anomalies open>"

    def __len__(self) -> int:
        return len(self._detectors)

    def next_to_learn(self, keys: Collection[str], now: float) -> str | None:
        """Return the series whose model should be learnt now: one without, or the oldest; None: none."""
        for gone in self._learnt_at.keys() - set(keys):
            self.forget(gone)
        if not keys:
            return None
        key = min(keys, key=lambda each: self._learnt_at.get(each, float("-inf")))
        patience = RELEARN if key in self._detectors else RETRY
        return key if now - self._learnt_at.get(key, float("-inf")) >= patience else None

    def learnt(
        self, key: str, model: Model | None, now: float, recent: Sequence[tuple[float, float]]
    ) -> None:
        """Take a model; ``recent``: the latest samples, which a new detector begins with.

        None: the history is too short, so that the series is not followed yet.
        """
        self._learnt_at[key] = now
        if model is None:
            return
        detector = self._detectors.get(key)
        if detector is not None:
            detector.relearn(model)
            return
        detector = self._detectors[key] = Detector(key, model)
        detector.warm_up(recent)
        resumed = [each for each in self._found.values() if each.key == key and each.is_open]
        if resumed:
            detector.resume(resumed[-1])

    def begin_again(self, now: float) -> None:
        """Forget what was found after ``now``: the clock was ahead, and samples under its times are gone.

        Anomalies that were open have ended. Models stay; :meth:`warmed_up` gives their detectors samples.
        """
        self._detectors = {key: Detector(key, each.model) for key, each in self._detectors.items()}
        self._learnt_at = {key: min(at, now) for key, at in self._learnt_at.items()}
        self._found = {
            identity: replace(each, until=min(each.until, now), ended=min(each.until, now))
            if each.is_open or each.until > now
            else each
            for identity, each in self._found.items()
            if each.began <= now
        }

    def warmed_up(self, key: str, recent: Sequence[tuple[float, float]]) -> None:
        """Have a detector that began again take the latest samples."""
        if key in self._detectors:
            self._detectors[key].warm_up(recent)

    def level_since(self, key: str) -> float | None:
        """Return since when a series has its present level, for :func:`learn_model`; None: always."""
        detector = self._detectors.get(key)
        if detector is not None and detector.level_since is not None:
            return detector.level_since
        became = [each.began for each in self._found.values() if each.key == key and each.became_usual]
        return max(became, default=None)

    def faulty(self, key: str, start: float, samples: int) -> NDArray[np.bool_]:
        """Return which of the samples from ``start`` on were part of an anomaly, for :func:`learn_model`."""
        found = np.zeros(samples, bool)
        for each in self._found.values():
            if each.key == key and not each.became_usual:
                first = max(int((each.began - start) // self.step), 0)
                last = int((each.until - start) // self.step)
                found[first : max(last + 1, 0)] = True
        return found

    def feed(self, key: str, at: float, value: float) -> Anomaly | None:
        """Take a sample (NaN: there is none); return the anomaly that it opened or closed, if any."""
        detector = self._detectors.get(key)
        if detector is None:
            return None
        anomaly = detector.feed(at, value)
        if anomaly is None:
            return None
        known = self._found.pop(anomaly.identity, None)
        self._found[anomaly.identity] = anomaly
        self._drop(at)
        return anomaly if known is None or known.is_open != anomaly.is_open else None

    def _drop(self, now: float) -> None:
        old = [each.identity for each in self._found.values() if now - each.until > STORED_SECONDS]
        for identity in old:
            del self._found[identity]
        while len(self._found) > STORED:
            ended = (each.identity for each in self._found.values() if not each.is_open)
            del self._found[next(ended, next(iter(self._found)))]

    def restore(self, anomalies: Iterable[Anomaly]) -> None:
        """Take anomalies of an earlier run, before series are learnt."""
        for each in anomalies:
            self._found.setdefault(each.identity, each)

    def forget(self, key: str) -> None:
        """Stop following a series; an anomaly of it ends."""
        self._learnt_at.pop(key, None)
        self._detectors.pop(key, None)
        for each in [each for each in self._found.values() if each.key == key and each.is_open]:
            self._found[each.identity] = replace(each, ended=each.until)

    def anomalies(self, since: float = float("-inf")) -> tuple[Anomaly, ...]:
        """Return the anomalies that lasted until ``since`` or later, in the order of their beginning."""
        found = (each for each in self._found.values() if each.is_open or each.until >= since)
        return tuple(sorted(found, key=lambda each: each.began))

    def model(self, key: str) -> Model | None:
        """Return the model of a series; None: it is not followed."""
        detector = self._detectors.get(key)
        return None if detector is None else detector.model

    def models(self) -> Mapping[str, Model]:
        """Return the models of the series that are followed."""
        return {key: detector.model for key, detector in self._detectors.items()}


def joined(coarse: Sequence[Anomaly], fine: Sequence[Anomaly], *, slack: float) -> tuple[Anomaly, ...]:
    """Return the anomalies of the same series at two resolutions, in the order of their beginning.

    What both have found is one: as the coarse one describes it, which knows the hour and the day, and since
    the fine one saw it. ``slack``: seconds apart that they may be.
    """
    found: list[Anomaly] = []
    left = list(fine)
    for each in coarse:
        same = [
            other
            for other in left
            if other.key == each.key
            and other.began <= each.until + slack
            and each.began <= other.until + slack
        ]
        left = [other for other in left if other not in same]
        if same and same[0].noticed < each.noticed:
            each = replace(each, began=same[0].began, noticed=same[0].noticed)  # noqa: PLW2901 - the same one
        found.append(each)
    return tuple(sorted((*found, *left), key=lambda each: each.began))
