"""A tracer that records everything, and what it has recorded."""

from collections.abc import Iterator
from typing import Any, Final

from orch.telemetry.traces import Span, Tracer

SECRETS: Final = ("hidden", "front.example", "203.0.113.9")
"""Words of clients that no span may have."""


class Recorded:
    """A tracer that records everything, and the spans that have ended. ``begun``: how many have begun."""

    def __init__(self, ratio: float = 1.0) -> None:
        self.spans: list[Span] = []
        self.begun = 0
        self.tracer = Tracer(self.spans.append, ratio=lambda: ratio, draw=self._draw)

    def _draw(self, bits: int) -> int:
        self.begun += bits == 64
        return self.begun or 1

    def tree(self) -> list[str]:
        """Return a line for each span, below its parent and indented, in the order of their beginning."""
        known = {each.context.span_id for each in self.spans}

        def below(parent: str | None, depth: int) -> Iterator[str]:
            for each in sorted(self.spans, key=lambda span: int(span.context.span_id, 16)):
                above = each.parent.span_id if each.parent else None
                if above == parent or (parent is None and above not in known):
                    yield f"{'  ' * depth}{each.kind} {each.name}"
                    yield from below(each.context.span_id, depth + 1)

        return list(below(None, 0))

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Return the attributes of the spans of a kind, in the order of their beginning."""
        found = (each for each in self.spans if each.kind == kind)
        return [each.attributes for each in sorted(found, key=lambda span: int(span.context.span_id, 16))]

    def check(self) -> None:
        """Each span that has begun has ended, in order, and none has anything of the client's."""
        assert self.begun == len(self.spans)
        for each in self.spans:
            assert each.ended is not None
            assert each.began <= each.ended
            shown = f"{each.name} {each.attributes} {each.events} {each.failure}"
            assert not any(secret in shown for secret in SECRETS), shown


def sent_parents(seen: list[bytes]) -> list[bytes]:
    """Return the ``traceparent`` of each request that back ends got."""
    return [
        line.partition(b": ")[2]
        for request in seen
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"traceparent:")
    ]
