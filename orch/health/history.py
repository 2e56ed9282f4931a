"""The latest checks of an instance, and figures from them. Pure.

One bar on the page is one interval between checks: the quick checks during a failure are merged into one as
long as they show the same state, so that the bars cover minutes and not the last ten seconds.
"""

from collections import deque
from itertools import dropwhile
from typing import Final

from msgspec import Struct

from orch.health.verdict import Finding, State, Verdict
from orch.telemetry.percentiles import percentile

STORED: Final = 45
"""Checks stored: as many bars as fit on a phone, and seven and a half minutes at one check every 10 s."""

QUICK: Final = 0.25
"""Seconds between checks of an instance that is starting or has just failed a check."""

WATCHFUL: Final = 1.0
"""Seconds between checks of an instance that has just become unhealthy, or takes long to start."""

WATCHFUL_FOR: Final = 30.0
"""Seconds for which a state counts as recent."""

PATIENT: Final = 5.0
"""Seconds between checks of an instance that stays unhealthy, if the usual interval is longer."""

LIVELY: Final = 2.0
"""Seconds between checks of an instance whose notice changes: people follow the progress in it."""

LIVELY_FOR: Final = 15.0
"""Seconds without a change of the notice after which the checks have the usual interval again."""


class Check(Struct, frozen=True, kw_only=True):
    """One check, or several merged.

    ``at``: epoch seconds, of the first of them; ``latency_ms``: of the last.
    """

    at: float
    state: State
    latency_ms: float | None


_SHOWN: Final = {
    Finding.GOOD: State.HEALTHY,
    Finding.SLOW: State.DEGRADED,
    Finding.IMPAIRED: State.DEGRADED,
    Finding.BUSY: State.BUSY,
    Finding.STUCK: State.DEGRADED,
    Finding.STARTING: State.RECOVERING,
    Finding.BEGUN: State.RECOVERING,
    Finding.MISSED: State.UNHEALTHY,
    Finding.REFUSED: State.UNHEALTHY,
    Finding.EXITED: State.UNHEALTHY,
    Finding.UNSEEN: State.UNKNOWN,
}


def check_state(finding: Finding, verdict: Verdict) -> State:
    """Return the state that a single check shows, whatever the verdict is."""
    if verdict.starting and finding in {Finding.MISSED, Finding.REFUSED}:
        return State.RECOVERING
    return _SHOWN[finding]


class History:
    """The last :data:`STORED` checks; older ones are dropped."""

    def __init__(self) -> None:
        self._checks: deque[Check] = deque(maxlen=STORED)

    def add(self, check: Check, *, interval: float) -> None:
        """Store a check, merged with the last one if both show the same state within half of ``interval``."""
        last = self._checks[-1] if self._checks else None
        if last is not None and last.state is check.state and check.at - last.at < interval / 2:
            self._checks[-1] = Check(at=last.at, state=last.state, latency_ms=check.latency_ms)
        else:
            self._checks.append(check)

    @property
    def checks(self) -> tuple[Check, ...]:
        """The stored checks, oldest first."""
        return tuple(self._checks)

    @property
    def latency_ms(self) -> float | None:
        """The latency of the last check that had a response."""
        return next((c.latency_ms for c in reversed(self._checks) if c.latency_ms is not None), None)

    @property
    def p95_ms(self) -> float | None:
        """The 95th percentile of the latencies."""
        return percentile((c.latency_ms for c in self._checks if c.latency_ms is not None), 0.95)

    @property
    def answered(self) -> float | None:
        """The share of the stored checks that had a response (0..1), or None if none counts yet.

        It is a share of checks, not of time: those during a failure are merged. Checks during the first start
        do not count, since the instance has not been down yet.
        """
        counted = list(self._checks)
        if len(counted) < STORED:
            counted = list(dropwhile(lambda check: check.state is State.RECOVERING, counted))
        if not counted:
            return None
        up = sum(check.state in {State.HEALTHY, State.DEGRADED, State.BUSY} for check in counted)
        return up / len(counted)


def next_check(
    verdict: Verdict, *, interval: float, in_state_for: float, noticed_for: float, jitter: float
) -> float:
    """Return the seconds until the next check.

    ``interval`` is the usual one; ``noticed_for``: seconds since the instance's notice changed; ``jitter`` in
    0..1 varies the result by a tenth either way, so that the checks of many instances do not coincide.
    """
    is_recent = in_state_for < WATCHFUL_FOR
    if verdict.state is State.UNHEALTHY:
        usual = min(interval, WATCHFUL if is_recent else PATIENT)
    elif verdict.is_troubled:
        usual = min(interval, QUICK if is_recent else WATCHFUL)
    elif noticed_for < LIVELY_FOR:
        usual = min(interval, LIVELY)
    else:
        usual = interval
    return usual * (0.9 + 0.2 * jitter)
