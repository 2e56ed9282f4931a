"""Decides which worker processes are started, stopped and replaced. Pure.

The parent of the workers has a number of *places*, each with one serving worker. An event (a worker is ready,
has ended, a signal, a deadline) goes in with the time; what to do comes out as :data:`Action` values.

A worker that ends by itself is replaced, as the policy allows, and so is a serving one without a heartbeat
for :data:`HUNG_AFTER` seconds (unless it has never sent one). More failures of one place than the policy
allows stop all workers. While workers are rolled, a place has two for a moment: the next one is started
beside the serving one, which is terminated only when the next one is ready. If the next one does not become
ready, the roll is given up and the serving workers continue, so that unusable settings take nothing down.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Final

from orch.supervision.restart_policy import RestartPolicy

START_LIMIT: Final = 60.0
"""Seconds a worker has to become ready before it counts as stuck."""
LEAVE_MARGIN: Final = 2.0
"""Seconds beyond its grace after which a terminated worker is killed. It needs at most one itself."""
HUNG_AFTER: Final = 15.0
"""Seconds without a heartbeat after which a serving worker counts as hung (suspended, or blocked)."""
HURRY: Final = 1.0
"""Seconds that workers have after a second request to stop."""


class Phase(StrEnum):
    """The phases of a worker."""

    STARTING = "starting"
    SERVING = "serving"
    LEAVING = "leaving"


class Step(StrEnum):
    """The events that change a worker's phase."""

    READY = "ready"
    TERMINATED = "terminated"


TRANSITIONS: Final = {
    (Phase.STARTING, Step.READY): Phase.SERVING,
    (Phase.STARTING, Step.TERMINATED): Phase.LEAVING,
    (Phase.SERVING, Step.TERMINATED): Phase.LEAVING,
    # It was terminated while it was still starting.
    (Phase.LEAVING, Step.READY): Phase.LEAVING,
    (Phase.LEAVING, Step.TERMINATED): Phase.LEAVING,
}


HUNG: Final = f"did not respond for {HUNG_AFTER:g} s and was killed"
STUCK: Final = {
    Phase.STARTING: "was not ready in time",
    Phase.SERVING: f"has not responded for {HUNG_AFTER:g} s: it was stopped, or its event loop is blocked",
    Phase.LEAVING: "did not leave in time",
}
"""The reason for killing a worker, by its phase."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start a process in ``place``; its number is ``worker``."""

    worker: int
    place: int


@dataclass(frozen=True, slots=True)
class Terminate:
    """Stop the worker in order (SIGTERM)."""

    worker: int


@dataclass(frozen=True, slots=True)
class Kill:
    """End the worker at once (SIGKILL)."""

    worker: int
    reason: str


@dataclass(frozen=True, slots=True)
class Log:
    """Log a decision."""

    severity: str
    text: str


@dataclass(frozen=True, slots=True)
class AllServing:
    """Every place has a ready worker, for the first time or after a roll."""

    rolled: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """No worker is left: exit with this code."""

    code: int


Action = Start | Terminate | Kill | Log | AllServing | Finish


@dataclass(slots=True)
class _Worker:
    """One process. ``deadline``: when it is killed, unless a report or its end comes first."""

    number: int
    place: int
    deadline: float
    phase: Phase = Phase.STARTING
    is_killed: bool = False
    is_hung: bool = False
    has_beaten: bool = False


@dataclass(slots=True)
class _Place:
    """The current worker of a place, the one that replaces it, and the failures so far."""

    current: int | None = None
    next: int | None = None
    failures: list[float] = field(default_factory=list)
    start_at: float = inf


class Fleet:
    """The workers. The mutable state is the worker of each place, and the places that are still to be rolled.

    ``grace`` is the seconds a worker has once it was terminated. In one step of a roll, the newcomer is the
    worker that is starting and the leaver the one it replaces; the step is over when neither is left.
    """

    def __init__(self, count: int, *, policy: RestartPolicy, grace: float) -> None:
        self._policy = policy
        self._places = [_Place() for _ in range(count)]
        self._workers: dict[int, _Worker] = {}
        self._last = 0
        self._to_roll: list[int] = []
        self._newcomer: int | None = None
        self._leaver: int | None = None
        self._has_served = False
        self._is_stopping = False
        self._is_hurried = False
        self._code = 0
        self.grace = grace

    def __repr__(self) -> str:
        listed = " ".join(
            f"{worker.place}:{worker.number}={worker.phase}" for worker in self._workers.values()
        )
        roll = " rolling" if self.is_rolling else ""
        return f"<Fleet {listed or 'empty'}{roll}{' stopping' if self._is_stopping else ''}>"

    @property
    def is_stopping(self) -> bool:
        """Whether all workers are being stopped."""
        return self._is_stopping

    @property
    def is_rolling(self) -> bool:
        """Whether workers are being replaced."""
        return self._newcomer is not None or self._leaver is not None

    def begin(self, now: float) -> list[Action]:
        """Start a worker in every place."""
        return [self._start(place, now) for place in range(len(self._places))]

    def ready(self, number: int, now: float) -> list[Action]:
        """Note that a worker serves."""
        worker = self._workers.get(number)
        if worker is None:
            return []
        worker.phase = TRANSITIONS[worker.phase, Step.READY]
        if worker.phase is not Phase.SERVING:
            return []
        worker.deadline = now + HUNG_AFTER if worker.has_beaten else inf
        place = self._places[worker.place]
        done: list[Action] = []
        if place.next == number:
            old, place.current, place.next = place.current, number, None
            if old is not None:
                self._leaver = old
                done += self._terminate(self._workers[old], now)
        if self._newcomer == number:
            self._newcomer = None
            if self._leaver is None:
                done += self._roll_next(now)
        if not self._has_served and all(self._serves(each) for each in self._places):
            self._has_served = True
            done.append(AllServing(rolled=False))
        return done

    def beat(self, number: int, now: float) -> None:
        """Note a heartbeat of a worker: its event loop runs."""
        worker = self._workers.get(number)
        if worker is None:
            return
        worker.has_beaten = True
        if worker.phase is Phase.SERVING and not worker.is_killed:
            worker.deadline = now + HUNG_AFTER

    def waiting(self, number: int, now: float) -> None:
        """Note that a worker works and waits for the store.

        If no other serves in its place, it may wait for ever. The next one of a roll may not: the serving one
        is better.
        """
        worker = self._workers.get(number)
        if worker is None:
            return
        worker.has_beaten = True
        if worker.phase is not Phase.STARTING or worker.is_killed:
            return
        if self._places[worker.place].current == number:
            worker.deadline = now + START_LIMIT

    def was_suspended(self, now: float) -> None:
        """Note that the parent was suspended, and perhaps all workers with it: no heartbeat was observed."""
        for worker in self._workers.values():
            if worker.phase is Phase.SERVING and worker.deadline != inf:
                worker.deadline = max(worker.deadline, now + HUNG_AFTER)

    def has_serving_worker(self) -> bool:
        """Return whether any worker serves."""
        return any(worker.phase is Phase.SERVING for worker in self._workers.values())

    def starting_workers(self) -> list[int]:
        """Return the workers that are not ready yet."""
        return [number for number, worker in self._workers.items() if worker.phase is Phase.STARTING]

    def ended(self, number: int, now: float, how: str) -> list[Action]:
        """Note that a worker's process has ended; ``how`` in words."""
        worker = self._workers.pop(number, None)
        if worker is None:
            return []
        if worker.is_hung:
            how = HUNG
        place = self._places[worker.place]
        was_next = place.next == number
        if was_next:
            place.next = None
        if place.current == number:
            # If another one is starting, it takes the place.
            place.current, place.next = place.next, None
        if self._is_stopping:
            return [] if self._workers else [Finish(self._code)]
        if self._leaver == number:
            self._leaver = None
            return self._roll_next(now)
        if was_next:
            return self._give_up_roll(f"Worker {worker.place}'s successor {how} before it was ready.")
        return self._fail(worker, now, how)

    def leaving(self, number: int, grace: float, now: float) -> list[Action]:
        """Note that a worker has begun to stop, and how long that may take by its own settings."""
        worker = self._workers.get(number)
        if worker is not None and worker.phase is Phase.LEAVING and not self._is_hurried:
            worker.deadline = inf if worker.is_killed else now + grace + LEAVE_MARGIN
        return []

    def roll(self, now: float) -> list[Action]:
        """Replace every worker by a new one, one place at a time.

        During a roll, another one begins again after the current step: workers that were started before may
        have older settings.
        """
        if self._is_stopping:
            return []
        self._to_roll = list(range(len(self._places)))
        if self.is_rolling:
            return [Log("info", "All workers are replaced again after the current step.")]
        return [Log("info", "Replacing all workers, one at a time."), *self._roll_next(now)]

    def stop(self, now: float, *, code: int = 0) -> list[Action]:
        """Terminate every worker; at a second call, give them only a moment."""
        if self._is_stopping:
            self._is_hurried = True
            for worker in self._workers.values():
                if not worker.is_killed:
                    worker.deadline = min(worker.deadline, now + HURRY)
            return [Terminate(number) for number in self._workers]
        self._is_stopping, self._code = True, code
        self._to_roll, self._newcomer, self._leaver = [], None, None
        for place in self._places:
            place.start_at = inf
        if not self._workers:
            return [Finish(code)]
        return [
            action
            for worker in self._workers.values()
            if worker.phase is not Phase.LEAVING
            for action in self._terminate(worker, now)
        ]

    def due(self, now: float) -> list[Action]:
        """Return the actions whose deadline has come."""
        done: list[Action] = []
        for worker in self._workers.values():
            if worker.deadline <= now and not worker.is_killed:
                worker.is_killed, worker.deadline = True, inf
                worker.is_hung = worker.phase is Phase.SERVING
                done.append(Kill(worker.number, f"Worker {worker.place} {STUCK[worker.phase]}."))
        for number, place in enumerate(self._places):
            if place.start_at <= now:
                done.append(self._start(number, now))
        return done

    def next_at(self) -> float:
        """Return the time of the next deadline; infinity if there is none."""
        return min(
            (
                *(worker.deadline for worker in self._workers.values()),
                *(place.start_at for place in self._places),
            ),
            default=inf,
        )

    def _start(self, number: int, now: float) -> Start:
        place = self._places[number]
        place.start_at = inf
        self._last += 1
        self._workers[self._last] = _Worker(self._last, number, now + START_LIMIT)
        if place.current is None:
            place.current = self._last
        else:
            place.next = self._last
        return Start(self._last, number)

    def _terminate(self, worker: _Worker, now: float) -> Iterator[Action]:
        worker.phase = TRANSITIONS[worker.phase, Step.TERMINATED]
        worker.deadline = now + self.grace + LEAVE_MARGIN
        yield Terminate(worker.number)

    def _serves(self, place: _Place) -> bool:
        return place.current is not None and self._workers[place.current].phase is Phase.SERVING

    def _fail(self, worker: _Worker, now: float, how: str) -> list[Action]:
        """Replace a worker that has ended by itself, or stop all if that has happened too often."""
        place = self._places[worker.place]
        place.failures = [*self._policy.recent(place.failures, now), now]
        delay = self._policy.delay(place.failures, now)
        if delay is None:
            policy = self._policy
            text = (
                f"Worker {worker.place} {how}. Workers ended more than {policy.limit} times in "
                f"{policy.window:g} s, so the service stops."
            )
            return [Log("bad", text), *self.stop(now, code=1)]
        done: list[Action] = []
        if place.current is None:
            place.start_at = now + delay
            done.append(Log("bad", f"Worker {worker.place} {how}. Its successor starts in {delay:g} s."))
        else:
            done.append(Log("bad", f"Worker {worker.place} {how}. Its successor is starting."))
        if self._newcomer == worker.number:
            done += self._give_up_roll(f"Worker {worker.place} does not stay up.")
        return done

    def _roll_next(self, now: float) -> list[Action]:
        """Start the new worker of the next place, or report the end of the roll."""
        if not self._to_roll:
            return [AllServing(rolled=True)]
        start = self._start(self._to_roll.pop(0), now)
        self._newcomer = start.worker
        return [start]

    def _give_up_roll(self, why: str) -> list[Action]:
        self._to_roll, self._newcomer = [], None
        return [Log("bad", f"{why} No more workers are replaced; running workers continue.")]
