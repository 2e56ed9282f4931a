"""Which worker processes there are to be, and what is to be done about each. Pure.

The parent of the workers has a number of *places*, and in each place one worker serves. What happens (a
worker is ready, has ended, a signal, time) goes in with the time; what is to be done comes out as
:data:`Action` values.

A worker that ends without having been asked to is replaced, as the policy says, and so is one that serves and
has not beaten for :data:`HUNG_AFTER` seconds. One that has never beaten is not judged by that. More failures
of one place than the policy allows stop all of them. While workers are rolled, a place has two for a moment:
the next one is started beside the one that serves, which is asked to leave only when the next is ready. Where
the next one never gets ready the roll is given up and those that serve go on, so that settings which cannot
be used take nothing down.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Final

from orch.supervision.restart_policy import RestartPolicy

START_LIMIT: Final = 60.0
"""Seconds a worker has to get ready before it is taken for stuck."""
LEAVE_MARGIN: Final = 2.0
"""Seconds beyond the grace before a worker that was asked to leave is killed. It promises to take one."""
HUNG_AFTER: Final = 15.0
"""Seconds without a beat after which a worker that serves is taken for hung: it or its loop is stopped."""
HURRY: Final = 1.0
"""Seconds that are left after a second request to stop."""


class Phase(StrEnum):
    """What a worker is doing."""

    STARTING = "starting"
    SERVING = "serving"
    LEAVING = "leaving"


class Step(StrEnum):
    """What happens to a worker."""

    READY = "ready"
    ASKED = "asked"


TRANSITIONS: Final = {
    (Phase.STARTING, Step.READY): Phase.SERVING,
    (Phase.STARTING, Step.ASKED): Phase.LEAVING,
    (Phase.SERVING, Step.ASKED): Phase.LEAVING,
    # It was asked while it was still getting ready, and learns of it now.
    (Phase.LEAVING, Step.READY): Phase.LEAVING,
    (Phase.LEAVING, Step.ASKED): Phase.LEAVING,
}


HUNG: Final = f"did not respond for {HUNG_AFTER:g} s and was killed"
STUCK: Final = {
    Phase.STARTING: "was not ready in time",
    Phase.SERVING: f"has not responded for {HUNG_AFTER:g} s: it was stopped, or its event loop is blocked",
    Phase.LEAVING: "did not leave in time",
}
"""What is said of a worker that is killed."""


@dataclass(frozen=True, slots=True)
class Start:
    """Start a process in ``place``; it is called ``worker`` from now on."""

    worker: int
    place: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the worker to leave in order (SIGTERM)."""

    worker: int


@dataclass(frozen=True, slots=True)
class Kill:
    """End the worker at once (SIGKILL)."""

    worker: int
    reason: str


@dataclass(frozen=True, slots=True)
class Say:
    """Write down what was decided."""

    severity: str
    text: str


@dataclass(frozen=True, slots=True)
class Serving:
    """Every place has a worker that is ready, for the first time or after a roll."""

    rolled: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """Nobody is left: exit with this code."""

    code: int


Action = Start | Ask | Kill | Say | Serving | Finish


@dataclass(slots=True)
class _Worker:
    """One process. ``deadline``: when it is killed unless it gets ready, beats, or has left."""

    number: int
    place: int
    deadline: float
    phase: Phase = Phase.STARTING
    is_killed: bool = False
    is_hung: bool = False
    has_beaten: bool = False


@dataclass(slots=True)
class _Place:
    """The worker that serves here, the one that is to take over, and the failures so far."""

    current: int | None = None
    next: int | None = None
    failures: list[float] = field(default_factory=list)
    start_at: float = inf


class Fleet:
    """The workers. The mutable state is who is where, and which places are still to be rolled.

    ``grace`` is the seconds a worker has once it was asked to leave. In a roll's step the newcomer is the
    worker that is getting ready, the leaver the one it has replaced; the step is over when neither is there.
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
        told = " ".join(f"{worker.place}:{worker.number}={worker.phase}" for worker in self._workers.values())
        roll = " rolling" if self.is_rolling else ""
        return f"<Fleet {told or 'empty'}{roll}{' stopping' if self._is_stopping else ''}>"

    @property
    def is_stopping(self) -> bool:
        """Whether all are to end."""
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
                done += self._ask(self._workers[old], now)
        if self._newcomer == number:
            self._newcomer = None
            if self._leaver is None:
                done += self._roll_next(now)
        if not self._has_served and all(self._serves(each) for each in self._places):
            self._has_served = True
            done.append(Serving(rolled=False))
        return done

    def beat(self, number: int, now: float) -> None:
        """Note that a worker's event loop goes round."""
        worker = self._workers.get(number)
        if worker is None:
            return
        worker.has_beaten = True
        if worker.phase is Phase.SERVING and not worker.is_killed:
            worker.deadline = now + HUNG_AFTER

    def waiting(self, number: int, now: float) -> None:
        """Note that a worker is well and awaits the store.

        Where none serves in its place it may wait for ever. The next one of a roll may not: the one that
        serves is the better one.
        """
        worker = self._workers.get(number)
        if worker is None:
            return
        worker.has_beaten = True
        if worker.phase is not Phase.STARTING or worker.is_killed:
            return
        if self._places[worker.place].current == number:
            worker.deadline = now + START_LIMIT

    def stood_still(self, now: float) -> None:
        """Note that the parent itself was stopped, and perhaps all with it: nobody was observed."""
        for worker in self._workers.values():
            if worker.phase is Phase.SERVING and worker.deadline != inf:
                worker.deadline = max(worker.deadline, now + HUNG_AFTER)

    def is_served(self) -> bool:
        """Return whether any worker serves."""
        return any(worker.phase is Phase.SERVING for worker in self._workers.values())

    def waiters(self) -> list[int]:
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
            # Where another is on its way it takes the place.
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
        """Note that a worker has begun to leave, and how long that may take by its own settings."""
        worker = self._workers.get(number)
        if worker is not None and worker.phase is Phase.LEAVING and not self._is_hurried:
            worker.deadline = inf if worker.is_killed else now + grace + LEAVE_MARGIN
        return []

    def roll(self, now: float) -> list[Action]:
        """Replace every worker by a new one, one place at a time.

        While a roll goes on, another one begins anew after the step under way: those that were started since
        may know less than the new ones will.
        """
        if self._is_stopping:
            return []
        self._to_roll = list(range(len(self._places)))
        if self.is_rolling:
            return [Say("info", "All workers are replaced again after the current step.")]
        return [Say("info", "Replacing all workers, one at a time."), *self._roll_next(now)]

    def stop(self, now: float, *, code: int = 0) -> list[Action]:
        """Ask every worker to leave; asked a second time, leave them no more than a moment."""
        if self._is_stopping:
            self._is_hurried = True
            for worker in self._workers.values():
                if not worker.is_killed:
                    worker.deadline = min(worker.deadline, now + HURRY)
            return [Ask(number) for number in self._workers]
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
            for action in self._ask(worker, now)
        ]

    def due(self, now: float) -> list[Action]:
        """Return what time has made necessary."""
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
        """Return when :meth:`due` has something to say; infinity where only events can."""
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

    def _ask(self, worker: _Worker, now: float) -> Iterator[Action]:
        worker.phase = TRANSITIONS[worker.phase, Step.ASKED]
        worker.deadline = now + self.grace + LEAVE_MARGIN
        yield Ask(worker.number)

    def _serves(self, place: _Place) -> bool:
        return place.current is not None and self._workers[place.current].phase is Phase.SERVING

    def _fail(self, worker: _Worker, now: float, how: str) -> list[Action]:
        """Replace a worker that has ended by itself, or stop all where that has happened too often."""
        place = self._places[worker.place]
        place.failures = [*self._policy.recent(place.failures, now), now]
        delay = self._policy.delay(place.failures, now)
        if delay is None:
            policy = self._policy
            text = (
                f"Worker {worker.place} {how}. Workers ended more than {policy.limit} times in "
                f"{policy.window:g} s, so the service stops."
            )
            return [Say("bad", text), *self.stop(now, code=1)]
        done: list[Action] = []
        if place.current is None:
            place.start_at = now + delay
            done.append(Say("bad", f"Worker {worker.place} {how}. Its successor starts in {delay:g} s."))
        else:
            done.append(Say("bad", f"Worker {worker.place} {how}. Its successor is starting."))
        if self._newcomer == worker.number:
            done += self._give_up_roll(f"Worker {worker.place} does not stay up.")
        return done

    def _roll_next(self, now: float) -> list[Action]:
        """Start the next place's new worker, or say that the roll is over."""
        if not self._to_roll:
            return [Serving(rolled=True)]
        start = self._start(self._to_roll.pop(0), now)
        self._newcomer = start.worker
        return [start]

    def _give_up_roll(self, why: str) -> list[Action]:
        self._to_roll, self._newcomer = [], None
        return [Say("bad", f"{why} No more workers are replaced; running workers continue.")]
