"""When an instance that keeps failing is left alone. Pure.

    closed ──(it fails)──► open ──(cooldown passed)──► half-open
      ▲                     ▲                            │   │
      └───(a trial worked)──┼────────────────────────────┘   │
                            └──────────(it fails)────────────┘

What is a failure of the instance? A connection that cannot be opened is one: nothing was sent, so nothing
that was sent is the reason. An answer of 500, silence, an answer that breaks off may be one, or the
instance's way of saying that it cannot read this upload. Whoever may choose what is sent could otherwise
close the instance to everyone. So failures are of two kinds:

- *certain* ones: ``threshold`` of them in a row trip the breaker, and one is enough while it is half-open;
- *doubtful* ones: they count once :data:`CALLERS` callers have met them in a row, and nobody was answered
  well in between. Fewer callers than that have their own requests fail, and nobody else's.

Half-open lets :data:`TRIALS` requests through at once, one a caller, so that a caller whose trial takes long,
or fails for what it sent, does not keep the others out: a doubtful failure of a trial makes room for another.

Requests begun before a change of state carry the permit of an older *generation*: their late outcomes say
nothing about the instance as it is now, and count for nothing.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final

CALLERS: Final = 3
"""How many callers have to fail in a row before what they sent is ruled out as the reason."""
TRIALS: Final = 3
"""How many callers may try a half-open instance at once."""


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
    caller: str = ""


class Breaker:
    """One flow's breaker of one instance. Times are seconds of one monotonic clock.

    ``policy`` may be replaced at any time; a breaker that is open keeps the end of its cooldown. A *caller*
    is whoever chooses what is sent: a client's address, or the same for all of the service's own requests.
    """

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.consecutive_failures = 0
        self._state = State.CLOSED
        self._generation = 0
        self._open_until = 0.0
        self._certain = 0
        self._failing: set[str] = set()  # callers that have met a doubtful failure; at most CALLERS of them
        self._trials: set[str] = set()  # callers whose trial is under way; at most TRIALS

    def __repr__(self) -> str:
        return f"<Breaker {self._state}, {self.consecutive_failures} failures, {len(self._trials)} trials>"

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

    def is_admitting(self, now: float, caller: str = "") -> bool:
        """Return whether :meth:`admit` would give the caller a permit."""
        self.tick(now)
        if self._state is State.HALF_OPEN:
            return len(self._trials) < TRIALS and caller not in self._trials
        return self._state is State.CLOSED

    def admit(self, now: float, caller: str = "") -> Permit | None:
        """Give a permit, or None. Every permit must be settled by exactly one of the three below."""
        if not self.is_admitting(now, caller):
            return None
        if self._state is State.HALF_OPEN:
            self._trials.add(caller)
        return Permit(self._generation, caller)

    def succeeded(self, permit: Permit) -> None:
        """Hear that the request was answered well."""
        if permit.generation != self._generation:
            return
        self.consecutive_failures = self._certain = 0
        self._failing.clear()
        if self._state is State.HALF_OPEN:
            self._apply(Event.SUCCEEDED)

    def failed(self, permit: Permit, now: float, *, is_doubtful: bool = False) -> None:
        """Hear that the request failed. ``is_doubtful``: what was sent may be the reason."""
        if permit.generation != self._generation:
            return
        self._trials.discard(permit.caller)
        self.consecutive_failures += 1
        if not is_doubtful:
            self._certain += 1
        elif len(self._failing) < CALLERS:
            self._failing.add(permit.caller)
        enough = 1 if self._state is State.HALF_OPEN else self.policy.threshold
        by_many = len(self._failing) >= CALLERS and self.consecutive_failures >= enough
        if self._certain >= enough or by_many:
            self._apply(Event.TRIPPED)
            self._open_until = now + self.policy.cooldown

    def abandoned(self, permit: Permit) -> None:
        """Hear that the request was given up for a reason that says nothing about the instance."""
        if permit.generation == self._generation:
            self._trials.discard(permit.caller)

    def _apply(self, event: Event) -> None:
        self._state = TRANSITIONS[self._state, event]
        self._generation += 1
        self._certain = 0
        self._failing.clear()
        self._trials.clear()
