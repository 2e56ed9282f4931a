"""The checks that are kept of an instance, and what can be read from them.

Pure. One bar on the page is one interval between checks: the quick checks of a bad moment are folded into one
as long as they all say the same, so that the bars cover minutes and not the last ten seconds.
"""

from collections import deque
from itertools import dropwhile
from typing import Final

from msgspec import Struct

from orch.health.verdict import Seen, State, Verdict
from orch.telemetry.percentiles import percentile

KEPT: Final = 45
"""As many bars as fit on a phone, and with checks every 10 s seven and a half minutes."""

QUICK: Final = 0.25
"""Seconds between checks of what is being started or has just faltered."""

WATCHFUL: Final = 1.0
"""Seconds between checks of what has just become unhealthy, and of what takes long to start."""

WATCHFUL_FOR: Final = 30.0
"""Seconds that a state counts as recent."""

PATIENT: Final = 5.0
"""Seconds between checks of what stays unhealthy, where the usual interval is longer."""


class Check(Struct, frozen=True, kw_only=True):
    """One check, or several folded together.

    ``at``: epoch seconds, of the first of them; ``latency_ms``: of the last.
    """

    at: float
    state: State
    latency_ms: float | None


def check_state(seen: Seen, verdict: Verdict) -> State:
    """Return the state that a single check shows, whatever the verdict makes of it."""
    match seen:
        case Seen.GOOD:
            return State.HEALTHY
        case Seen.SLOW | Seen.IMPAIRED:
            return State.DEGRADED
        case Seen.STARTING | Seen.BEGUN:
            return State.RECOVERING
        case Seen.MISSED | Seen.REFUSED:
            return State.RECOVERING if verdict.starting else State.UNHEALTHY
        case Seen.EXITED:
            return State.UNHEALTHY
        case Seen.UNSEEN:
            return State.UNKNOWN


class History:
    """The last :data:`KEPT` checks; older ones are dropped."""

    def __init__(self) -> None:
        self._checks: deque[Check] = deque(maxlen=KEPT)

    def add(self, check: Check, *, interval: float) -> None:
        """Keep a check, folded into the last one where both say the same within half of ``interval``."""
        last = self._checks[-1] if self._checks else None
        if last is not None and last.state is check.state and check.at - last.at < interval / 2:
            self._checks[-1] = Check(at=last.at, state=last.state, latency_ms=check.latency_ms)
        else:
            self._checks.append(check)

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks kept, oldest first."""
        return tuple(self._checks)

    @property
    def latency_ms(self) -> float | None:
        """What the last answered check took."""
        return next((c.latency_ms for c in reversed(self._checks) if c.latency_ms is not None), None)

    @property
    def p95_ms(self) -> float | None:
        """The time within which 95 % of the answered checks kept were answered."""
        return percentile((c.latency_ms for c in self._checks if c.latency_ms is not None), 0.95)

    @property
    def answered(self) -> float | None:
        """The share of the checks kept that found it answering (0..1), or None where none counts yet.

        Of the checks, not of time: those of a bad moment are folded, and what is older than the oldest kept
        is not known here. Those of its first start do not count: it has not been away yet.
        """
        counted = list(self._checks)
        if len(counted) < KEPT:
            counted = list(dropwhile(lambda check: check.state is State.RECOVERING, counted))
        if not counted:
            return None
        up = sum(check.state in {State.HEALTHY, State.DEGRADED} for check in counted)
        return up / len(counted)


def next_check(verdict: Verdict, *, interval: float, in_state_for: float, jitter: float) -> float:
    """Return the seconds until the next check.

    ``interval`` is the usual one, ``jitter`` in 0..1 spreads checks by a tenth of it either way, so that
    those of many instances do not fall together.
    """
    is_recent = in_state_for < WATCHFUL_FOR
    if verdict.state is State.UNHEALTHY:
        usual = min(interval, WATCHFUL if is_recent else PATIENT)
    elif verdict.is_troubled:
        usual = min(interval, QUICK if is_recent else WATCHFUL)
    else:
        usual = interval
    return usual * (0.9 + 0.2 * jitter)
