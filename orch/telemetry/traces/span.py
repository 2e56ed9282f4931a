"""A span: one piece of work in a trace, from its begin to its end."""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self

import trio

from orch.telemetry.traces.context import Context

AttributeValue = str | bool | int | float | Sequence[str]
Kind = Literal["internal", "server", "client", "producer", "consumer"]

MOST_ATTRIBUTES: Final = 64
"""Attributes of a span; more are dropped and counted in it."""
MOST_EVENTS: Final = 128
"""Events of a span; more are dropped and counted in it."""
MOST_LINKS: Final = 32
"""Links of a span; more are dropped and counted in it."""


class SpanEvent(NamedTuple):
    """Something that happened during a span. ``at``: on Trio's clock."""

    at: float
    name: str
    attributes: Mapping[str, AttributeValue]


class Span:
    """One piece of work, recorded until :meth:`end`, which passes it on to be exported.

    What is set after the end is ignored: the span may be on its way to the collector. Times are those of
    ``trio.current_time()``. A span holds neither what people said nor their names, and no keys: it leaves the
    machine.

    As a context manager it ends with the block: an Exception marks it as failed, with its class alone; a
    cancellation is noted (``orch.cancelled``), and is no failure.

    The mutable state is what it describes.
    """

    __slots__ = (
        "_clock",
        "_on_end",
        "attributes",
        "began",
        "context",
        "dropped_attributes",
        "dropped_events",
        "dropped_links",
        "ended",
        "epoch",
        "events",
        "failure",
        "kind",
        "links",
        "name",
        "parent",
        "traceparent",
    )

    def __init__(
        self,
        name: str,
        kind: Kind,
        context: Context,
        parent: Context | None,
        *,
        began: float,
        epoch: float,
        clock: Callable[[], float],
        on_end: Callable[["Span"], None],
        attributes: dict[str, AttributeValue],
        links: tuple[Context, ...],
    ) -> None:
        self.name = name
        self.kind: Kind = kind
        self.context = context
        self.parent = parent
        self.traceparent = str(context)
        """What makes another span a child of this one."""
        self.began = began
        self.epoch = epoch
        """What is added to a time to have seconds since 1970."""
        self.ended: float | None = None
        self.attributes = attributes
        self.events: list[SpanEvent] = []
        self.links = links[:MOST_LINKS]
        self.failure: str | None = None
        """Why it failed, "" without a reason; None: it did not."""
        self.dropped_attributes = self.dropped_events = 0
        self.dropped_links = len(links) - len(self.links)
        self._clock = clock
        self._on_end = on_end

    def __repr__(self) -> str:
        return f"<Span {self.name} {self.traceparent}>"

    @property
    def trace_id(self) -> str:
        """The id of the trace: 32 hexadecimal digits."""
        return self.context.trace_id

    def set(self, name: str, value: AttributeValue) -> None:
        """Set an attribute; an existing one is replaced."""
        if self.ended is not None:
            return
        if len(self.attributes) >= MOST_ATTRIBUTES and name not in self.attributes:
            self.dropped_attributes += 1
            return
        self.attributes[name] = value

    def event(
        self, name: str, attributes: Mapping[str, AttributeValue] | None = None, *, at: float | None = None
    ) -> None:
        """Note that something happened, now or at ``at``."""
        if self.ended is not None:
            return
        if len(self.events) >= MOST_EVENTS:
            self.dropped_events += 1
            return
        self.events.append(SpanEvent(self._clock() if at is None else at, name, dict(attributes or {})))

    def failed(self, reason: str = "") -> None:
        """Mark the span as failed; the first reason stays. The reason is sent to the collector."""
        if self.ended is None and self.failure is None:
            self.failure = reason

    def end(self, at: float | None = None) -> None:
        """End the span, now or at ``at``, and pass it on; a second end does nothing."""
        if self.ended is not None:
            return
        # A time of the caller's may be from before the begin; a span does not end before it began.
        self.ended = max(self.began, self._clock() if at is None else at)
        self._on_end(self)

    def __enter__(self) -> Self:
        """Nothing: it has begun."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._note(error)
        self.end()

    def _note(self, error: BaseException) -> None:
        cause = _cause(error)
        if isinstance(cause, Exception):
            name = type(cause).__name__
            self.set("error.type", name)
            self.failed(name)
        elif isinstance(cause, trio.Cancelled):
            self.set("orch.cancelled", value=True)


def _cause(error: BaseException) -> BaseException:
    """Return the first Exception in nested groups; another BaseException if there is none."""
    while isinstance(error, BaseExceptionGroup):
        found = error.split(Exception)[0]
        error = (found or error).exceptions[0]
    return error
