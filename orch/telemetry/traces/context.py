"""The place of a span in its trace: W3C Trace Context's ``traceparent`` as text. Pure.

https://www.w3.org/TR/trace-context/#traceparent-header
"""

import re
from collections.abc import Callable
from random import getrandbits
from typing import Final, NamedTuple

#: Version, trace, span and flags; ids of zeros are invalid (§3.2.2.3, §3.2.2.4). A later version (§4.3) may
#: have more after them; 255 is none (§3.2.2.1).
_TRACEPARENT: Final = re.compile(
    r"(?!ff)(?:00-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})"
    r"|(?!00)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(?:-[!-~]{0,200})?)",
    re.ASCII,
)
_SAMPLED: Final = 0x01


class Context(NamedTuple):
    """A span, and whether its trace is recorded. The ids are lower-case hexadecimal."""

    trace_id: str
    span_id: str
    is_recorded: bool

    def __str__(self) -> str:
        """Format as ``traceparent``."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.is_recorded else '00'}"


def read(traceparent: str) -> Context | None:
    """Return what a ``traceparent`` says; None if it is invalid.

    >>> read("00-" + "a" * 32 + "-" + "b" * 16 + "-01").is_recorded
    True
    """
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return None
    trace_id, span_id, flags = found.groups()[:3] if found[1] else found.groups()[3:]
    return Context(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def new_trace_id(draw: Callable[[int], int] = getrandbits) -> str:
    """Return the id of a new trace: 32 digits, not all of them 0."""
    return f"{draw(128) or 1:032x}"


def new_span_id(draw: Callable[[int], int] = getrandbits) -> str:
    """Return the id of a new span: 16 digits, not all of them 0."""
    return f"{draw(64) or 1:016x}"
