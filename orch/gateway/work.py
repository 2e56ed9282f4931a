"""What a lane has in progress, and whether it gets on. Pure.

A request makes progress if a part of its response has come lately, or if it is younger than the longest that
has succeeded in the last hour: an engine that transcribes a long recording says nothing until it is done.
Before the first success, the time limit of the request takes the place of the longest.
"""

from dataclasses import dataclass
from typing import Final

from orch.telemetry.sliding_window import SlidingWindow

LATELY: Final = 10.0
"""Seconds for which a part of a response counts as progress."""
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


class WorkInProgress:
    """The requests of a lane. The mutable state is those in progress, and the longest of each minute."""

    __slots__ = ("_minutes", "tasks")

    def __init__(self) -> None:
        self.tasks: set[Task] = set()
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

    def makes_progress(self, now: float) -> bool:
        """Return whether a request gets on."""
        longest = max((minute.longest for minute in self._minutes.recent(now)), default=None)
        return any(
            now - task.began < (task.limit if longest is None else longest)
            or (task.moved_at is not None and now - task.moved_at < LATELY)
            for task in self.tasks
        )
