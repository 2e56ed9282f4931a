"""What is known of the journeys so far, and the events that their results make. Pure."""

from collections.abc import Iterator
from typing import Final, get_args

from msgspec import Struct

from orch.journey.verdict import Outcome, Verdict
from orch.telemetry.events import Severity
from orch.telemetry.histogram import Histogram
from orch.telemetry.names import journey as names
from orch.telemetry.names.metric import Distribution, Reading

OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)


class JourneyStatistics(Struct, frozen=True, kw_only=True):
    """The journeys of this process.

    ``off``: why none are made, as a sentence; empty: they are. ``outcomes``: how many had each. ``last``: the
    last one that was judged, which ended at ``last_at``, in seconds since the epoch; null before the first,
    and while none are made. ``failing_since``: when the first failed of those that have failed since; null
    while they succeed.
    """

    off: str = ""
    outcomes: dict[Outcome, int]
    last: Verdict | None = None
    last_at: float | None = None
    failing_since: float | None = None


class JourneyEvent(Struct, frozen=True):
    """An event for operators."""

    severity: Severity
    text: str


class JourneyRecord:
    """Counts journeys. Times are in seconds since the epoch; the clock may jump.

    ``worker``: which of several the journeys are of, as events name it; "": there is one. The mutable state:
    the counts, the times of captions, the last judged journey, when one last succeeded, and since when they
    fail.
    """

    def __init__(self, worker: str = "") -> None:
        self._to = f" to {worker}" if worker else ""
        self._outcomes: dict[Outcome, int] = dict.fromkeys(OUTCOMES, 0)
        self._last: Verdict | None = None
        self._last_at: float | None = None
        self._failing_since: float | None = None
        self._succeeded_at = 0.0
        self._seconds = Histogram(names.JOURNEY_SECONDS.buckets)

    def add(self, verdict: Verdict, now: float) -> JourneyEvent | None:
        """Count a journey that ended at ``now``; return an event if it differs from the one before.

        The first one makes an event only if it failed.
        """
        self._outcomes[verdict.outcome] += 1
        if verdict.is_success is None:
            return None
        self._last, self._last_at = verdict, now
        since = self._failing_since
        if not verdict.is_success:
            if since is not None:
                return None
            self._failing_since = now
            return JourneyEvent(
                "bad", f"Test speech, sent{self._to} as users send theirs, got no caption: {verdict.reason}."
            )
        self._failing_since, self._succeeded_at = None, now
        self._seconds.observe(verdict.caption_seconds or 0.0)
        if since is None:
            return None
        minutes = max(1, round((now - since) / 60))
        return JourneyEvent(
            "ok",
            f"Test speech, sent{self._to} as users send theirs, is captioned again, after "
            f"{minutes} minute{'' if minutes == 1 else 's'}; it took {verdict.caption_seconds or 0.0:.1f} s.",
        )

    def forget_last(self) -> None:
        """Forget the last result: journeys are not made any more, so nothing is known of the present."""
        self._last = self._last_at = self._failing_since = None

    def statistics(self, off: str) -> JourneyStatistics:
        """Return the figures; ``off``: why no journeys are made, or empty."""
        return JourneyStatistics(
            off=off,
            outcomes=dict(self._outcomes),
            last=self._last,
            last_at=self._last_at,
            failing_since=self._failing_since,
        )

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads; nothing is said of success while nothing is known of it."""
        if self._last is not None:
            yield Reading(names.JOURNEY_SUCCESS, float(self._last.is_success is True))
        for outcome, count in self._outcomes.items():
            yield Reading(names.JOURNEYS, count, (outcome,))
        yield Distribution(names.JOURNEY_SECONDS, self._seconds)
        yield Reading(names.JOURNEY_AT, self._succeeded_at)
