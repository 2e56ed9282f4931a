"""Begins spans, and decides which traces are recorded."""

import time
from collections.abc import Callable, Mapping, Sequence
from random import getrandbits, random
from typing import Final

import trio

from orch.telemetry.traces.callers import CallersLimit
from orch.telemetry.traces.context import Context, new_span_id, new_trace_id, read
from orch.telemetry.traces.span import AttributeValue, Kind, Span

STEP: Final = 0.05
"""Seconds by which the wall clock must have moved against Trio's to be followed."""


def _drop(_span: Span) -> None:
    """Do nothing with an ended span."""


class Tracer:
    """Begins spans where a trace is recorded.

    A trace is recorded if the one who begins it has decided so: here a share of them (``ratio``), elsewhere
    the caller, as the ``sampled`` flag of its ``traceparent`` says. What comes from outside of the service is
    first passed through :meth:`admit`, which limits how many a caller may have recorded.

    Without ``on_end``, which receives each ended span, it is off: no span ever begins. The mutable state is
    the limit of callers, and how the wall clock differs from Trio's.
    """

    def __init__(
        self,
        on_end: Callable[[Span], None] | None = None,
        *,
        ratio: Callable[[], float] = lambda: 1.0,
        callers_per_second: Callable[[], float] = lambda: 10.0,
        clock: Callable[[], float] = trio.current_time,
        wall: Callable[[], float] = time.time,
        chance: Callable[[], float] = random,
        draw: Callable[[int], int] = getrandbits,
    ) -> None:
        self.is_on: Final = on_end is not None
        self._on_end = on_end or _drop
        self._ratio = ratio
        self._per_second = callers_per_second
        self._clock = clock
        self._wall = wall
        self._chance = chance
        self._draw = draw
        self._epoch: float | None = None
        self.callers: Final = CallersLimit()

    def __repr__(self) -> str:
        return f"<Tracer {'on' if self.is_on else 'off'}>"

    def start(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        parent: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        started_at: float | None = None,
        links: Sequence[str] = (),
    ) -> Span | None:
        """Begin a span, now or at ``started_at`` on Trio's clock; None if its trace is not recorded.

        ``parent``: the ``traceparent`` of the span that it is a part of. None, or one that is invalid, begins
        a trace, of which a share is recorded. ``links``: of spans that it follows without being a part of
        them; invalid ones are left out.
        """
        if not self.is_on:
            return None
        above = None if parent is None else read(parent)
        if above is None:
            if self._chance() >= self._ratio():
                return None
        elif not above.is_recorded:
            return None
        if self._epoch is None:
            self.follow_clock()
        trace_id = new_trace_id(self._draw) if above is None else above.trace_id
        return Span(
            name,
            kind,
            Context(trace_id, new_span_id(self._draw), is_recorded=True),
            above,
            began=self._clock() if started_at is None else started_at,
            epoch=self._epoch or 0.0,
            clock=self._clock,
            on_end=self._on_end,
            attributes=dict(attributes or {}),
            links=tuple(found for each in links if (found := read(each)) is not None) if links else (),
        )

    def admit(self, traceparent: str) -> str:
        """Return a ``traceparent`` from outside as a parent here.

        It is not recorded if its caller has decided so, or if callers have had as many recorded as they may
        (``callers_per_second``), which is counted. An invalid one stays as it is, and begins a trace.
        """
        if not self.is_on:
            return traceparent
        found = read(traceparent)
        if found is None or not found.is_recorded or self.callers.admits(self._clock(), self._per_second()):
            return traceparent
        return str(found._replace(is_recorded=False))

    def follow_clock(self) -> None:
        """Follow the wall clock if it has moved against Trio's; spans that have begun stay as they are."""
        epoch = self._wall() - self._clock()
        if self._epoch is None or abs(epoch - self._epoch) >= STEP:
            self._epoch = epoch


OFF: Final = Tracer()
"""A tracer that is off."""
