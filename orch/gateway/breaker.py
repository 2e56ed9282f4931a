"""Circuit breaker: an instance that keeps failing gets no requests for a while. Pure.

    closed ──(it fails)──► open ──(cooldown passed)──► half-open
      ▲                     ▲                            │   │
      └───(a trial worked)──┼────────────────────────────┘   │
                            └──────────(it fails)────────────┘

A connection that cannot be opened is a failure of the instance: nothing was sent, so the request cannot be
the reason. A response of 500, no response, or one that breaks off may be a failure of the instance, or mean
that it cannot process this particular request. If these counted alike, one client with a bad upload could
cut the instance off from all others. So there are two kinds of failures:

- *certain* ones: ``threshold`` of them in a row trip the breaker, and one is enough while it is half-open;
- *doubtful* ones: they count once :data:`CALLERS` callers had one in a row, without a success of any caller
  in between. The failures of fewer callers affect only their own requests.

Half-open admits a few requests at once, one of each caller, so that a caller whose trial takes long, or fails
because of what it sent, does not block the others: a doubtful failure of a trial frees its place.

A service has a breaker, too, for requests to any of its instances. Its policy names the number of different
instances (``sites``) that have to fail in a row: one that fails alone is that instance's breaker's business.

Requests begun before a change of state carry the permit of an older *generation*: their late outcomes show
nothing about the instance as it is now, and do not count.
"""

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final

from msgspec import Struct

CALLERS: Final = 3
"""Callers that have to fail in a row before their requests are ruled out as the reason."""
TRIALS: Final = 3
"""Callers that may try a half-open instance at once."""


class State(StrEnum):
    """The state of a breaker, which decides on the next request."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Event(Enum):
    """What changes a breaker's state."""

    TRIPPED = auto()
    COOLED = auto()
    SUCCEEDED = auto()
    RESET = auto()


TRANSITIONS: Final = {
    (State.CLOSED, Event.TRIPPED): State.OPEN,
    (State.OPEN, Event.COOLED): State.HALF_OPEN,
    (State.HALF_OPEN, Event.SUCCEEDED): State.CLOSED,
    (State.HALF_OPEN, Event.TRIPPED): State.OPEN,
    (State.OPEN, Event.RESET): State.CLOSED,
    (State.HALF_OPEN, Event.RESET): State.CLOSED,
    (State.CLOSED, Event.RESET): State.CLOSED,
}


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """``threshold``: failures in a row that trip it. ``cooldown``: seconds it then stays open.

    ``trials``: requests that it admits at once while it is half-open; ``sites``: instances that have to fail.
    """

    threshold: int
    cooldown: float
    trials: int = TRIALS
    sites: int = 1


class Permit(Struct, frozen=True):
    """The permission to send one request; its outcome is reported with it."""

    generation: int
    caller: str = ""
    of_service: "Permit | None" = None
    """That of the service's breaker, if it has one."""
    of_ejection: int = 0
    """The generation of the instance's ejections."""


class Breaker:
    """One flow's breaker of one instance. Times are seconds of one monotonic clock.

    ``policy`` may be replaced at any time; a breaker that is open keeps the end of its cooldown. A *caller*
    is the one that chose what is sent: a client's address, or the same name for all of the service's own
    requests.
    """

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.consecutive_failures = 0
        self.is_by_hand = False
        """Whether its state is what an operator has set."""
        self._state = State.CLOSED
        self._generation = 0
        self._open_until = 0.0
        self._certain = 0
        self._failing: set[str] = set()  # callers that had a doubtful failure; at most CALLERS
        self._trials: set[str] = set()  # callers whose trial is in progress; at most policy.trials
        self._sites: set[str] = set()  # instances that failed in a row; at most policy.sites

    def __repr__(self) -> str:
        return f"<Breaker {self._state}, {self.consecutive_failures} failures, {len(self._trials)} trials>"

    @property
    def state(self) -> State:
        """The state as of the last call that had a ``now``."""
        return self._state

    def retry_in(self, now: float) -> float | None:
        """Return the seconds until an open breaker admits a trial, None if it is not open."""
        return max(0.0, self._open_until - now) if self._state is State.OPEN else None

    def tick(self, now: float) -> None:
        """Become half-open if the cooldown has passed."""
        if self._state is State.OPEN and now >= self._open_until:
            self._apply(Event.COOLED)

    def end_cooldown(self, now: float) -> bool:
        """Become half-open now if it is open; return whether it was."""
        was_open = self._state is State.OPEN
        if was_open:
            self._open_until = now
            self.tick(now)
        return was_open

    def is_admitting(self, now: float, caller: str = "") -> bool:
        """Return whether :meth:`admit` would give the caller a permit."""
        self.tick(now)
        if self._state is State.HALF_OPEN:
            return len(self._trials) < self.policy.trials and caller not in self._trials
        return self._state is State.CLOSED

    def admit(self, now: float, caller: str = "") -> Permit | None:
        """Return a permit, or None. Every permit must be settled by exactly one of the three below."""
        if not self.is_admitting(now, caller):
            return None
        if self._state is State.HALF_OPEN:
            self._trials.add(caller)
        return Permit(self._generation, caller)

    @property
    def generation(self) -> int:
        """How many times the state has changed."""
        return self._generation

    def succeeded(self, permit: Permit) -> None:
        """Note that the request succeeded."""
        if permit.generation != self._generation:
            return
        if self.consecutive_failures:
            self.consecutive_failures = self._certain = 0
            self._failing.clear()
            self._sites.clear()
        if self._state is State.HALF_OPEN:
            self._apply(Event.SUCCEEDED)

    def failed(self, permit: Permit, now: float, *, is_doubtful: bool = False, site: str = "") -> None:
        """Note that the request failed. ``is_doubtful``: what was sent may be the reason.

        ``site``: the instance that failed.
        """
        if permit.generation != self._generation:
            return
        self._trials.discard(permit.caller)
        self.consecutive_failures += 1
        if not is_doubtful:
            self._certain += 1
        elif len(self._failing) < CALLERS:
            self._failing.add(permit.caller)
        if len(self._sites) < self.policy.sites:
            self._sites.add(site)
        enough = self.policy.sites if self._state is State.HALF_OPEN else self.policy.threshold
        by_many = len(self._failing) >= CALLERS and self.consecutive_failures >= enough
        if (self._certain >= enough or by_many) and len(self._sites) >= self.policy.sites:
            self._apply(Event.TRIPPED)
            self._open_until = now + self.policy.cooldown

    def trip(self, now: float) -> None:
        """Open it now, for a whole cooldown; one that is open stays open for so long."""
        if self._state is not State.OPEN:
            self._apply(Event.TRIPPED)
        self.is_by_hand = True
        self._open_until = now + self.policy.cooldown

    def reset(self) -> None:
        """Close it, and count from zero."""
        self._apply(Event.RESET)
        self.consecutive_failures = 0

    def abandoned(self, permit: Permit) -> None:
        """Note that the request ended for a reason that shows nothing about the instance."""
        if permit.generation == self._generation:
            self._trials.discard(permit.caller)

    def _apply(self, event: Event) -> None:
        self._state = TRANSITIONS[self._state, event]
        self.is_by_hand = event is Event.RESET
        self._generation += 1
        self._certain = 0
        self._failing.clear()
        self._trials.clear()
        self._sites.clear()
