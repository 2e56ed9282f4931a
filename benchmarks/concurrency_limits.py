"""How well three ways to find a concurrency limit fit speech engines: a simulation, in virtual time.

``python -m benchmarks.concurrency_limits``. Envoy's gradient controller and Netflix's Gradient2 with their
own defaults and with a least limit of 1, the gateway's :class:`FoundLimit`, and the best fixed limit.

An engine shares its work evenly among the requests in progress; with n of them it does ``capacity(n)``
seconds of work in a second. A request has 1 to 15 s of sound, each of which is 0.25 s of work, and 0.1 s for
itself. Requests come at random at 1.3 times what the engine can do, wait in a queue, and leave it after 10 s.
Shown for the last 20 of 30 minutes: the mean limit; seconds of work that a request took in the engine, as a
multiple of what it takes alone; the sound transcribed, as a part of what the engine can do; and the time
until 95 % of the served requests had their response.
"""

import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from orch.gateway.shedding.found_limit import FoundLimit

MINUTES: Final = 30
WARM_UP: Final = 600.0
DEADLINE: Final = 10.0
LOAD: Final = 1.3
SEEDS: Final = (1, 2, 3)
WORK: Final = 0.25
OWN_WORK: Final = 0.1


class Limit(Protocol):
    """A way to find the limit. ``now``: seconds. Envoy's and Netflix's need no :meth:`mark`."""

    def places(self) -> int:
        """Return the limit."""

    def took(self, taken: int, now: float, *, waits: bool) -> None:
        """Note how many are in progress now, and whether others wait."""

    def done(self, now: float, began: float, sound: float, in_flight: int, mark: float) -> None:
        """Note a response; ``mark``: what :meth:`mark` was when it was sent."""

    def mark(self, now: float) -> float:
        """Return what has to be remembered of the beginning of a request."""


@dataclass
class Fixed:
    """A declared limit."""

    limit: int

    def places(self) -> int:
        """Return the limit."""
        return self.limit

    def took(self, taken: int, now: float, *, waits: bool) -> None:
        """Note how many are in progress."""
        del taken, now, waits

    def done(self, now: float, began: float, sound: float, in_flight: int, mark: float) -> None:
        """Note a response."""
        del now, began, sound, in_flight, mark

    def mark(self, now: float) -> float:
        """Return what has to be remembered."""
        return now


@dataclass
class Envoy:
    """Envoy's gradient controller (``gradient_controller.cc``) with its documented defaults."""

    least: int = 3
    most: int = 1000
    limit: float = 3
    window: float = 0.1
    buffer: float = 0.25
    interval: float = 60.0
    requests: int = 50
    _samples: list[float] = field(default_factory=list)
    _least_rtt: float | None = None
    _until: float = 0.0
    _measure_at: float = 0.0
    _since: float = 0.0
    _is_measuring: bool = True
    _at_least: int = 0
    _deferred: float = 3

    def places(self) -> int:
        """Return the limit."""
        return self.least if self._is_measuring else max(self.least, int(self.limit))

    def took(self, taken: int, now: float, *, waits: bool) -> None:
        """Note how many are in progress."""
        del taken, waits
        if not self._is_measuring and now >= self._measure_at:
            self._is_measuring, self._since, self._samples = True, now, []

    def done(self, now: float, began: float, sound: float, in_flight: int, mark: float) -> None:
        """Note a response."""
        del sound, in_flight, mark
        if self._is_measuring:
            if began >= self._since:
                self._samples.append(now - began)
            if len(self._samples) >= self.requests:
                self._least_rtt = sorted(self._samples)[len(self._samples) // 2]
                self._is_measuring, self._samples = False, []
                self._measure_at, self._until = now + self.interval, now + self.window
            return
        self._samples.append(now - began)
        if now >= self._until and self._least_rtt is not None:
            seen = sorted(self._samples)[len(self._samples) // 2]
            gradient = min(2.0, max(0.5, self._least_rtt * (1 + self.buffer) / seen))
            limit = self.limit * gradient
            self.limit = min(self.most, max(self.least, limit + math.sqrt(limit)))
            self._at_least = self._at_least + 1 if self.limit <= self.least else 0
            if self._at_least >= 5:
                self._measure_at, self._at_least = now, 0
            self._samples, self._until = [], now + self.window

    def mark(self, now: float) -> float:
        """Return what has to be remembered."""
        return now


@dataclass
class Gradient2:
    """Netflix's ``Gradient2Limit``, as it is in concurrency-limits."""

    least: int = 20
    limit: float = 20
    most: int = 200
    queue: int = 4
    smoothing: float = 0.2
    window: int = 600
    _long: float | None = None
    _count: int = 0
    _sum: float = 0.0

    def places(self) -> int:
        """Return the limit."""
        return max(1, int(self.limit))

    def took(self, taken: int, now: float, *, waits: bool) -> None:
        """Note how many are in progress."""
        del taken, now, waits

    def done(self, now: float, began: float, sound: float, in_flight: int, mark: float) -> None:
        """Note a response."""
        del sound, mark
        short = now - began
        if self._long is None or self._count < 10:
            self._count += 1
            self._sum += short
            self._long = self._sum / self._count
        else:
            self._long += (short - self._long) * 2 / (self.window + 1)
        if self._long / short > 2:
            self._long *= 0.9
        if in_flight < self.limit / 2:
            return
        gradient = max(0.5, min(1.0, self._long / short))
        limit = self.limit * gradient + self.queue
        limit = self.limit * (1 - self.smoothing) + limit * self.smoothing
        self.limit = max(self.least, min(self.most, limit))

    def mark(self, now: float) -> float:
        """Return what has to be remembered."""
        return now


@dataclass
class Ours:
    """The gateway's."""

    found: FoundLimit = field(default_factory=FoundLimit)

    def places(self) -> int:
        """Return the limit."""
        return self.found.limit

    def took(self, taken: int, now: float, *, waits: bool) -> None:
        """Note how many are in progress."""
        self.found.occupied(taken, now)
        if waits:
            self.found.wanted()

    def done(self, now: float, began: float, sound: float, in_flight: int, mark: float) -> None:
        """Note a response."""
        del in_flight
        self.found.measured(now, began=began, sound=sound, idle=mark)

    def mark(self, now: float) -> float:
        """Return what has to be remembered."""
        return self.found.idle(now)


@dataclass
class Job:
    """A request: when it came and was sent, its sound, and what is left of its work."""

    came: float
    sound: float
    left: float
    began: float = 0.0
    mark: float = 0.0


def lengths(chance: random.Random) -> Iterator[float]:
    """Yield seconds of sound: many short utterances, some long ones."""
    while True:
        yield min(15.0, max(1.0, chance.lognormvariate(1.2, 0.7)))


@dataclass
class Result:
    """What a run has shown."""

    limit: float
    stretch: float
    done: float
    p95: float


def simulate(limit: Limit, capacity: Callable[[int], float], best: float, seed: int) -> Result:
    """Run one engine behind one limit. ``best``: the engine's greatest capacity."""
    chance = random.Random(seed)
    sounds = lengths(chance)
    mean = 4.0 * WORK + OWN_WORK
    now, arrival = 0.0, 0.0
    waiting: deque[Job] = deque()
    running: list[Job] = []
    area = sound_done = work_done = taken_seconds = 0.0
    latencies: list[float] = []
    end = MINUTES * 60.0
    while now < end:
        rate = capacity(len(running)) / len(running) if running else 0.0
        finish = min((job.left for job in running), default=math.inf)
        step = min(arrival - now, finish / rate if rate else math.inf)
        for job in running:
            job.left -= step * rate
        now += step
        if now > WARM_UP:
            area += step * limit.places()
        if now >= arrival:
            sound = next(sounds)
            waiting.append(Job(now, sound, sound * WORK + OWN_WORK))
            arrival = now + chance.expovariate(LOAD * best / mean)
        for job in [each for each in running if each.left <= 1e-9]:
            limit.done(now, job.began, job.sound, len(running), job.mark)
            running.remove(job)
            if now > WARM_UP:
                alone = job.sound * WORK + OWN_WORK
                sound_done += job.sound
                work_done += alone
                taken_seconds += now - job.began
                latencies.append(now - job.came)
        while waiting and now - waiting[0].came > DEADLINE:
            waiting.popleft()
        while waiting and len(running) < limit.places():
            job = waiting.popleft()
            job.began, job.mark = now, limit.mark(now)
            running.append(job)
            limit.took(len(running), now, waits=bool(waiting))
        limit.took(len(running), now, waits=bool(waiting))
    seconds = end - WARM_UP
    return Result(
        area / seconds,
        taken_seconds / work_done,
        work_done / (seconds * best),
        sorted(latencies)[int(0.95 * len(latencies))],
    )


ENGINES: Final[dict[str, tuple[Callable[[int], float], int]]] = {
    "one at a time": (lambda _: 1.0, 1),
    "two cores": (lambda n: min(n, 2.0), 2),
    "four cores": (lambda n: min(n, 4.0), 4),
    "GPU, batches": (lambda n: min(n, 8) ** 0.75, 8),
}

LIMITS: Final[dict[str, Callable[[], Limit]]] = {
    "Envoy, least 3": Envoy,
    "Envoy, least 1": lambda: Envoy(least=1, limit=1),
    "Gradient2, least 20": Gradient2,
    "Gradient2, least 1": lambda: Gradient2(least=1, limit=1),
    "found": Ours,
}


def main() -> None:
    """Print a table for each engine."""
    for engine, (capacity, most) in ENGINES.items():
        best = capacity(most)
        print(f"\n{engine}\n{'limit':<22}{'mean':>8}{'stretch':>9}{'work done':>11}{'p95':>8}")
        ways: dict[str, Callable[[], Limit]] = {**LIMITS, f"fixed at {most}": partial(Fixed, most)}
        for name, make in ways.items():
            runs = [simulate(make(), capacity, best, seed) for seed in SEEDS]
            mean = [sum(column) / len(runs) for column in zip(*map(_row, runs), strict=True)]
            print(f"{name:<22}{mean[0]:>8.1f}{mean[1]:>8.1f}×{100 * mean[2]:>10.0f}%{mean[3]:>6.1f} s")


def _row(result: Result) -> tuple[float, float, float, float]:
    return result.limit, result.stretch, result.done, result.p95


if __name__ == "__main__":
    main()
