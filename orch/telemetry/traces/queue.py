"""Ended spans on their way to the collector."""

from collections import deque
from collections.abc import Callable
from typing import Final

from orch.telemetry.traces.span import Span


class SpanQueue:
    """At most ``limit`` ended spans; one more is dropped and counted, so that a request never waits.

    ``on_filled`` is called when there are ``batch`` of them. The mutable state is the spans and the counts.
    """

    def __init__(self, limit: int, batch: int, on_filled: Callable[[], None] = lambda: None) -> None:
        self.limit: Final = limit
        self._batch = min(batch, limit)
        self._spans: deque[Span] = deque()
        self.on_filled = on_filled
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._spans)

    def offer(self, span: Span) -> None:
        """Add an ended span, or drop it if the queue is full."""
        if len(self._spans) >= self.limit:
            self.dropped += 1
            return
        self._spans.append(span)
        if len(self._spans) == self._batch:
            self.on_filled()

    def take(self) -> list[Span]:
        """Remove and return the oldest spans, at most one batch."""
        return [self._spans.popleft() for _ in range(min(self._batch, len(self._spans)))]

    def clear(self) -> list[Span]:
        """Remove and return all spans."""
        spans = list(self._spans)
        self._spans.clear()
        return spans
