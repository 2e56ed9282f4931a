"""Detection of labelled faults: ours beside a 3-sigma rule and PyOD's ECOD and IForest on windows.

All see the same series, learn from the 28 days before the first fault, and are held to the same rules: an
event counts for a fault if it begins while the fault lasts or within an hour after it; every other event is a
false alarm. Alarms of a peer at most an hour apart are one event. Of each peer's possible thresholds the one
counts that gives it the best F1 on these very faults, which nobody can know beforehand; ours has none.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import Pool
from typing import Any, Final

import numpy as np

from benchmarks.analytics_series import (
    DAY,
    FAULTS,
    MONDAY,
    NATURES,
    STEP,
    Array,
    Fault,
    Made,
    quiet,
    with_faults,
)
from orch.analytics.anomalies.anomaly import Anomaly
from orch.analytics.anomalies.detector import Detector
from orch.analytics.anomalies.measures import LONGEST
from orch.analytics.anomalies.model import learn_model

LEARNT: Final = 28 * DAY
HOUR: Final = 12
WINDOW: Final = 12
"""Samples of a peer's window: an hour."""

QUANTILES: Final = (0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999, 1.0)
"""Thresholds of a peer: quantiles of its scores of the 28 days."""

BEYOND: Final = (1.05, 1.2, 1.5, 2.0, 3.0)
"""The same, as multiples of the highest of them."""

SIGMAS: Final = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True, slots=True)
class Event:
    """A run of alarms: the places of the first and the last."""

    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class Score:
    """How many faults were found, how many events were for a fault, and how many there were."""

    found: int = 0
    faults: int = 0
    right: int = 0
    events: int = 0

    def __add__(self, other: "Score") -> "Score":
        """Return the sum."""
        return Score(
            self.found + other.found,
            self.faults + other.faults,
            self.right + other.right,
            self.events + other.events,
        )

    @property
    def recall(self) -> float:
        """Part of the faults that were found."""
        return self.found / self.faults if self.faults else 0.0

    @property
    def precision(self) -> float:
        """Part of the events that were for a fault."""
        return self.right / self.events if self.events else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        whole = self.recall + self.precision
        return 2 * self.recall * self.precision / whole if whole else 0.0


def scored(events: Sequence[Event], faults: Sequence[Fault]) -> Score:
    """Return the score of a series."""

    def is_for(event: Event, fault: Fault) -> bool:
        return fault.begins <= event.begins < fault.ends + HOUR

    found = sum(any(is_for(event, fault) for event in events) for fault in faults)
    right = sum(any(is_for(event, fault) for fault in faults) for event in events)
    return Score(found, len(faults), right, len(events))


def followed(values: Array, since: int) -> list[Anomaly]:
    """Return the anomalies from ``since`` on; models are learnt each day, from the 28 days before."""
    found: dict[str, Anomaly] = {}
    faulty = np.zeros(len(values), bool)
    detector: Detector | None = None
    for begins in range(since, len(values), DAY):
        low = max(0, begins - LEARNT)
        model = learn_model(
            values[low:begins],
            begins=MONDAY + low * STEP,
            step=STEP,
            faulty=faulty[low:begins],
            level_since=detector.level_since if detector else None,
        )
        if model is None:
            continue
        if detector is None:
            detector = Detector("made", model)
            detector.warm_up(
                (MONDAY + place * STEP, values[place]) for place in range(begins - LONGEST, begins)
            )
        else:
            detector.relearn(model)
        for place in range(begins, min(begins + DAY, len(values))):
            anomaly = detector.feed(MONDAY + place * STEP, float(values[place]))
            if anomaly is None:
                continue
            found[anomaly.identity] = anomaly
            if not anomaly.became_usual:
                faulty[_place(anomaly.began) : place + (anomaly.ended is None)] = True
            else:
                faulty[_place(anomaly.began) : place] = False
    return list(found.values())


def _place(at: float) -> int:
    return round((at - MONDAY) / STEP)


def ours(made: Made) -> tuple[Score, dict[str, list[float]]]:
    """Return the score, and for each kind of fault the minutes until each one was noticed (nan: never)."""
    anomalies = followed(made.values, LEARNT)
    events = [Event(_place(each.noticed), _place(each.until)) for each in anomalies]
    minutes: dict[str, list[float]] = {kind: [] for kind in FAULTS}
    for fault in made.faults:
        after = [
            each.begins - fault.begins for each in events if fault.begins <= each.begins < fault.ends + HOUR
        ]
        minutes[fault.kind].append(min(after, default=float("nan")) * STEP / 60)
    return scored(events, made.faults), minutes


def events_of(alarms: np.ndarray) -> list[Event]:
    """Return runs of alarms, with gaps of at most an hour."""
    places = np.flatnonzero(alarms)
    if not places.size:
        return []
    cuts = np.flatnonzero(np.diff(places) > HOUR)
    begins, ends = np.concatenate([[0], cuts + 1]), np.concatenate([cuts, [len(places) - 1]])
    return [Event(int(places[low]), int(places[high])) for low, high in zip(begins, ends, strict=True)]


def without_week(values: Array) -> Array:
    """Return values less the median of the same hour of the week in the 28 days."""
    hours = np.arange(len(values)) // HOUR % (7 * 24)
    usual = np.array([np.median(values[:LEARNT][hours[:LEARNT] == hour]) for hour in range(7 * 24)])
    return np.asarray(values - usual[hours])


def sigma(values: Array) -> dict[str, np.ndarray]:
    """Return the alarms of k-sigma rules, by k."""
    past = values[:LEARNT]
    distance = np.abs(values - past.mean()) / max(float(past.std()), 1e-12)
    return {f"{k:g} sigma": distance > k for k in SIGMAS}


def _pyod(make: Callable[[], Any]) -> Callable[[Array], dict[str, np.ndarray]]:
    def alarms(values: Array) -> dict[str, np.ndarray]:
        windows = np.lib.stride_tricks.sliding_window_view(values, WINDOW)
        past, model = windows[: LEARNT - WINDOW + 1], make()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(past)
            scores = np.full(len(values), -np.inf)
            scores[LEARNT:] = model.decision_function(windows[LEARNT - WINDOW + 1 :])
        usual = np.asarray(model.decision_scores_)
        limits = {f"quantile {each:g}": float(np.quantile(usual, each)) for each in QUANTILES}
        low, high = float(np.median(usual)), float(usual.max())
        limits |= {f"{each:g} × the highest": low + each * (high - low) for each in BEYOND}
        return {name: scores > limit for name, limit in limits.items()}

    return alarms


def _ecod() -> Any:
    from pyod.models.ecod import ECOD  # noqa: PLC0415 - a peer, which only this needs

    return ECOD()


def _iforest() -> Any:
    from pyod.models.iforest import IForest  # noqa: PLC0415 - the same

    return IForest(n_estimators=100, random_state=0)


PEERS: Final[dict[str, Callable[[Array], dict[str, np.ndarray]]]] = {
    "sigma rule": sigma,
    "sigma rule, week subtracted": lambda values: sigma(without_week(values)),
    "ECOD": _pyod(_ecod),
    "ECOD, week subtracted": lambda values: _pyod(_ecod)(without_week(values)),
    "IForest": _pyod(_iforest),
    "IForest, week subtracted": lambda values: _pyod(_iforest)(without_week(values)),
}


def _one(job: tuple[str, int, int, int, bool]) -> tuple[Any, ...]:
    nature, seed, days, count, has_peers = job
    made = with_faults(quiet(nature, seed, 28 + days), since=LEARNT, count=count)
    score, minutes = ours(made)
    peers = {}
    for name, alarms in PEERS.items() if has_peers else ():
        of_peer = {}
        for threshold, rows in alarms(made.values).items():
            after = rows.copy()
            after[:LEARNT] = False
            of_peer[threshold] = scored(events_of(after), made.faults)
        peers[name] = of_peer
    kinds = [fault.kind for fault in made.faults]
    return nature, score, minutes, peers, kinds


@dataclass(frozen=True, slots=True)
class Detection:
    """All scores: of each nature and in all; each peer with its best threshold, and with the usual one."""

    natures: dict[str, Score]
    minutes: dict[str, list[float]]
    best: dict[str, tuple[str, Score]]
    usual: dict[str, tuple[str, Score]]

    @property
    def score(self) -> Score:
        """Ours, of all."""
        return sum(self.natures.values(), Score())


def detect(seeds: Sequence[int], *, days: int, count: int, jobs: int, has_peers: bool = True) -> Detection:
    """Return the scores on series of these seeds: ``days`` with ``count`` faults each."""
    work = [(nature, seed, days, count, has_peers) for seed in seeds for nature in NATURES]
    natures = dict.fromkeys(NATURES, Score())
    minutes: dict[str, list[float]] = {kind: [] for kind in FAULTS}
    sums: dict[str, dict[str, Score]] = {name: {} for name in PEERS}
    with Pool(jobs) as pool:
        for nature, score, times, peers, _ in pool.imap_unordered(_one, work):
            natures[nature] += score
            for kind, each in times.items():
                minutes[kind] += each
            for name, thresholds in peers.items():
                for threshold, of_peer in thresholds.items():
                    sums[name][threshold] = sums[name].get(threshold, Score()) + of_peer
    best, usual = {}, {}
    for name, thresholds in sums.items() if has_peers else ():
        best[name] = max(thresholds.items(), key=lambda each: each[1].f1)
        default = "3 sigma" if "3 sigma" in thresholds else "quantile 0.9"
        usual[name] = (default, thresholds[default])
    return Detection(natures, minutes, best, usual)


def _quiet(job: tuple[str, int, int]) -> tuple[str, int, list[Anomaly]]:
    nature, seed, days = job
    return nature, seed, followed(quiet(nature, seed, 28 + days).values, LEARNT)


def quiet_anomalies(seeds: Sequence[int], *, days: int, jobs: int) -> dict[tuple[str, int], list[Anomaly]]:
    """Return the anomalies of series without faults, by nature and seed: all of them false alarms."""
    work = [(nature, seed, days) for seed in seeds for nature in NATURES]
    with Pool(jobs) as pool:
        return {(nature, seed): found for nature, seed, found in pool.imap_unordered(_quiet, work)}
