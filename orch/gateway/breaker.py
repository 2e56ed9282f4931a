"""When an instance that keeps failing is left alone. Pure.

    closed ──(threshold failures in a row)──► open ──(cooldown passed)──► half-open
      ▲                                        ▲                            │   │
      └──────────────(the trial succeeded)─────┼────────────────────────────┘   │
                                               └──────(the trial failed)────────┘

Half-open lets exactly one request through, the trial. Requests begun before a change of state carry the
permit of an older *generation*: their late outcomes say nothing about the instance as it is now, and count
for nothing.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final


class State(StrEnum):
    """What a breaker does with the next request."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Event(Enum):
    """What changes a breaker's state."""

    TRIPPED = auto()
    COOLED = auto()
    SUCCEEDED = auto()


TRANSITIONS: Final = {
    (State.CLOSED, Event.TRIPPED): State.OPEN,
    (State.OPEN, Event.COOLED): State.HALF_OPEN,
    (State.HALF_OPEN, Event.SUCCEEDED): State.CLOSED,
    (State.HALF_OPEN, Event.TRIPPED): State.OPEN,
}


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """``threshold``: failures in a row that trip it. ``cooldown``: seconds it then stays open."""

    threshold: int
    cooldown: float


@dataclass(frozen=True, slots=True)
class Permit:
    """One request's leave to go to the instance; its outcome is told with it."""

    generation: int


class Breaker:
    """One instance's breaker. Times are seconds of one monotonic clock.

    ``policy`` may be replaced at any time; a breaker that is open keeps the end of its cooldown.
    """

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.consecutive_failures = 0
        self._state = State.CLOSED
        self._generation = 0
        self._open_until = 0.0
        self._trial: Permit | None = None

    def __repr__(self) -> str:
        return (
            f"<Breaker {self._state}, {self.consecutive_failures} failures, trial={self._trial is not None}>"
        )

    @property
    def state(self) -> State:
        """The state as of the last call that was told the time."""
        return self._state

    def retry_in(self, now: float) -> float | None:
        """Return the seconds until an open breaker lets a trial through, None where it is not open."""
        return max(0.0, self._open_until - now) if self._state is State.OPEN else None

    def tick(self, now: float) -> None:
        """Become half-open if the cooldown has passed."""
        if self._state is State.OPEN and now >= self._open_until:
            self._apply(Event.COOLED)

    def is_admitting(self, now: float) -> bool:
        """Return whether :meth:`admit` would give a permit."""
        self.tick(now)
        return self._state is State.CLOSED or (self._state is State.HALF_OPEN and self._trial is None)

    def admit(self, now: float) -> Permit | None:
        """Give a permit, or None. Every permit must be settled by exactly one of the three below."""
        if not self.is_admitting(now):
            return None
        permit = Permit(self._generation)
        if self._state is State.HALF_OPEN:
            self._trial = permit
        return permit

    def succeeded(self, permit: Permit) -> None:
        """Hear that the request was answered well."""
        if permit.generation != self._generation:
            return
        self.consecutive_failures = 0
        if self._state is State.HALF_OPEN:
            self._apply(Event.SUCCEEDED)

    def failed(self, permit: Permit, now: float) -> None:
        """Hear that the request failed."""
        if permit.generation != self._generation:
            return
        self.consecutive_failures += 1
        if self._state is State.HALF_OPEN or self.consecutive_failures >= self.policy.threshold:
            self._apply(Event.TRIPPED)
            self._open_until = now + self.policy.cooldown

    def abandoned(self, permit: Permit) -> None:
        """Hear that the request was given up for a reason that says nothing about the instance."""
        if permit.generation == self._generation:
            self._trial = None

    def _apply(self, event: Event) -> None:
        self._state = TRANSITIONS[self._state, event]
        self._generation += 1
        self._trial = None
