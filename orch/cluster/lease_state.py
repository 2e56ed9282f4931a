"""What must be done once, by one worker of several: who may do it, and for how long. Pure.

A *lease* is taken in the store that the workers share, for a time, and renewed while its holder lives;
whoever dies loses it by that time's end, and another takes it. The holder must never believe that it has it
when another may: it counts from before it asked, and ends ``Terms.margin`` early, which is how long what it
does may take to be broken off.

A holder that was stopped for longer than all that (a machine that slept) wakes up believing. So each holder
has a *fence*, a number that grows with every holder: whatever is acted upon may refuse one that is lower than
one it has seen.
"""

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Terms:
    """In seconds: how long a lease lasts in the store, how much earlier its holder stops, how often it asks.

    ``renew_every`` while it is held: several renewals may fail before it is lost. ``ask_every`` while another
    has it.
    """

    lasts: float = 20.0
    margin: float = 8.0
    renew_every: float = 4.0
    ask_every: float = 2.0


TERMS: Final = Terms()


@dataclass(frozen=True, slots=True)
class Tenure:
    """What a worker knows of a lease. ``until``: when it stops believing that it has it, monotonic seconds.

    ``is_elsewhere``: another has it, as the store has said; None: the store has not said.
    """

    until: float | None = None
    fence: int = 0
    is_elsewhere: bool | None = None


def is_held(tenure: Tenure, now: float) -> bool:
    """Whether the holder may act."""
    return tenure.until is not None and now < tenure.until


def answered(tenure: Tenure, terms: Terms, *, asked_at: float, fence: int | None) -> Tenure:
    """Take in what the store said to a question that was asked then: our fence, or None: another has it."""
    if fence is None:
        return Tenure(fence=tenure.fence, is_elsewhere=True)
    return Tenure(asked_at + terms.lasts - terms.margin, fence, is_elsewhere=False)


def unanswered(tenure: Tenure, now: float) -> Tenure:
    """Take in that the store said nothing: what is held is held until its end, and then by nobody known."""
    if is_held(tenure, now):
        return tenure
    return replace(tenure, until=None, is_elsewhere=None)


def ask_at(tenure: Tenure, terms: Terms, *, asked_at: float) -> float:
    """Return when to ask again; what is held is lost at ``tenure.until`` where nothing comes of it."""
    every = terms.ask_every if tenure.until is None else terms.renew_every
    return asked_at + every
