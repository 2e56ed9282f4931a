"""Spans within other spans."""

from contextlib import AbstractContextManager, nullcontext

from orch.telemetry.traces.span import Kind, Span
from orch.telemetry.traces.tracer import Tracer


def child(
    tracer: Tracer, name: str, parent: str, *, kind: Kind = "internal"
) -> AbstractContextManager[Span | None, bool | None]:
    """Record a block as a span within another.

    ``parent``: the ``traceparent`` of that one; "": it is not recorded, and neither is the block.
    """
    if not parent:
        return nullcontext()
    return tracer.start(name, kind=kind, parent=parent) or nullcontext()
