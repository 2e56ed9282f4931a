"""What a lane has in progress, and whether it gets on. Pure.

A request makes progress if a part of its response has come lately, or if it is younger than the longest that
has succeeded in the last hour: an engine that transcribes a long recording says nothing until it is done.
Before the first success, the time limit of the request takes the place of the longest.
"""

from dataclasses import dataclass
from math import inf
from typing import Final

from orch.telemetry.sliding_window import SlidingWindow

LATELY: Final = 10.0
"""Seconds for which a part of a response counts as progress."""
STUCK_TIMES: Final = 3.0
"""A request that takes so many times as long as usual, while none succeeds, shows that nothing gets done."""

STUCK_SECONDS: Final = 10.0
"""Seconds that it takes at least: fast requests vary by more than their mean."""

_MINUTES: Final = 60


class Task:
    """A request in progress. ``began`` and ``moved_at``: Trio's clock; ``limit``: the seconds that it has."""

    __slots__ = ("began", "limit", "moved_at")

    def __init__(self, began: float, limit: float) -> None:
        self.began = began
        self.limit = limit
        self.moved_at: float | None = None


@dataclass(slots=True)
class _Minute:
    longest: float = 0.0
    total: float = 0.0
    count: int = 0


class WorkInProgress:
    """The requests of a lane. The mutable state is those in progress, and the longest of each minute."""

    __slots__ = ("_minutes", "_succeeded_at", "streams", "tasks")

    def __init__(self) -> None:
        self.tasks: set[Task] = set()
        self.streams: set[Task] = set()
        """WebSockets: one that brings something shows progress, one that is silent shows nothing."""
        self._succeeded_at = -inf
        self._minutes = SlidingWindow(_Minute, parts=_MINUTES, seconds=60.0)

    def begin(self, now: float, limit: float) -> Task:
        """Add a request."""
        task = Task(now, limit)
        self.tasks.add(task)
        return task

    def end(self, task: Task, now: float, *, succeeded: bool) -> None:
        """Remove a request."""
        self.tasks.discard(task)
        if succeeded:
            minute = self._minutes.part(now)
            minute.longest = max(minute.longest, now - task.began)
            minute.total += now - task.began
            minute.count += 1
            self._succeeded_at = now

    def usual(self, now: float) -> float | None:
        """Return the mean seconds of those that succeeded in the last hour, None if none did."""
        minutes = list(self._minutes.recent(now))
        count = sum(minute.count for minute in minutes)
        return sum(minute.total for minute in minutes) / count if count else None

    def is_stuck(self, now: float) -> bool:
        """Return whether nothing gets done; see :class:`orch.telemetry.work.Work`."""
        oldest = min(self.tasks, key=lambda task: task.began, default=None)
        if oldest is None or self._succeeded_at >= oldest.began or self.makes_progress(now):
            return False
        usual = self.usual(now)
        limit = oldest.limit if usual is None else max(STUCK_SECONDS, STUCK_TIMES * usual)
        return now - oldest.began > limit

    def makes_progress(self, now: float) -> bool:
        """Return whether a request gets on."""
        longest = max((minute.longest for minute in self._minutes.recent(now)), default=None)
        return any(
            now - task.began < (task.limit if longest is None else longest)
            or (task.moved_at is not None and now - task.moved_at < LATELY)
            for task in self.tasks
        ) or any(stream.moved_at is not None and now - stream.moved_at < LATELY for stream in self.streams)
