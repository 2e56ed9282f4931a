"""The state of a lease: whether this worker holds it, and until when. Pure.

A *lease* is acquired in the store that the workers share, for a limited time, and renewed while its holder
lives. If the holder dies, it expires and another worker acquires it. The holder must never believe that it
holds the lease when another may: it counts from before the request was sent, and stops ``LeaseTimes.margin``
early, which is how long it may take to break off the work.

A holder that was suspended for longer still believes that it holds the lease when it resumes. So each
holder gets a *fence*, a number that grows with every holder: the receiver of an action may refuse a fence
lower than one it has seen.
"""

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Times of a lease, in seconds.

    ``lasts``: until it expires in the store; ``margin``: how much earlier its holder stops. ``renew_every``:
    between renewals while it is held, several may fail; ``ask_every``: between attempts while another worker
    holds it.
    """

    lasts: float = 20.0
    margin: float = 8.0
    renew_every: float = 4.0
    ask_every: float = 2.0


LEASE_TIMES: Final = LeaseTimes()


@dataclass(frozen=True, slots=True)
class LeaseState:
    """What a worker knows of a lease.

    ``until``: when it stops holding it, in monotonic seconds; None: it does not hold it.
    ``is_held_by_another``: as the store last replied; None: not known.
    """

    until: float | None = None
    fence: int = 0
    is_held_by_another: bool | None = None


def is_held(state: LeaseState, now: float) -> bool:
    """Return whether the worker may act as the holder."""
    return state.until is not None and now < state.until


def after_reply(state: LeaseState, times: LeaseTimes, *, sent_at: float, fence: int | None) -> LeaseState:
    """Return the state after the store replied. ``fence`` None: another worker holds the lease."""
    if fence is None:
        return LeaseState(fence=state.fence, is_held_by_another=True)
    return LeaseState(sent_at + times.lasts - times.margin, fence, is_held_by_another=False)


def after_failure(state: LeaseState, now: float) -> LeaseState:
    """Return the state after an attempt without reply: a held lease stays held until it expires."""
    if is_held(state, now):
        return state
    return replace(state, until=None, is_held_by_another=None)


def next_attempt_at(state: LeaseState, times: LeaseTimes, *, sent_at: float) -> float:
    """Return when to acquire or renew again, given when the last attempt was sent."""
    every = times.ask_every if state.until is None else times.renew_every
    return sent_at + every
