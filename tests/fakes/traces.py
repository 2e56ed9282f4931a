"""A tracer whose spans a test reads."""

from collections.abc import Iterator

from orch.telemetry.traces import Span, Tracer


class SpansKept:
    """What a tracer has recorded, in the order of the ends. ``ratio``: the share that it records."""

    def __init__(self, ratio: float = 1.0) -> None:
        self.ended: list[Span] = []
        self.ratio = ratio
        self.callers_per_second = 10.0
        self.tracer = Tracer(
            self.ended.append,
            ratio=lambda: self.ratio,
            callers_per_second=lambda: self.callers_per_second,
            wall=lambda: 1_700_000_000.0,
        )

    def named(self, name: str) -> list[Span]:
        """Return the ended spans with a name, in the order of their beginning."""
        return sorted((each for each in self.ended if each.name == name), key=lambda each: each.began)

    def one(self, name: str) -> Span:
        """Return the only span with a name."""
        (found,) = self.named(name)
        return found

    def tree(self) -> list[str]:
        """Return the spans as lines, each below its parent and indented, in the order of their beginning."""
        known = {each.context.span_id for each in self.ended}

        def below(parent: str, depth: int) -> Iterator[str]:
            for each in sorted(self.ended, key=lambda span: span.began):
                above = "" if each.parent is None else each.parent.span_id
                if above == parent or (not depth and above not in known):
                    yield "  " * depth + each.name
                    yield from below(each.context.span_id, depth + 1)

        return list(below("-", 0))

    def texts(self) -> str:
        """Return everything that the spans say, to look for what they may not."""
        return "\n".join(
            repr((each.name, each.attributes, each.events, each.failure, each.links)) for each in self.ended
        )
