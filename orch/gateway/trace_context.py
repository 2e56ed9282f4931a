"""The trace that a request belongs to: W3C Trace Context (https://www.w3.org/TR/trace-context/). Pure.

A valid ``traceparent`` is passed on, with its ``tracestate``. Where the request is recorded here, each try
sends its own span's in its place (:mod:`orch.gateway.spans`); elsewhere the caller's span stays the parent of
the back end's. Without a valid one a new trace begins, and a ``tracestate``, which
belongs to a trace that cannot be read, is dropped (§3.3: "If the vendor failed to parse traceparent, it MUST
NOT attempt to parse tracestate").
"""

import re
from collections.abc import Callable, Iterable, Sequence
from random import getrandbits
from typing import Final

Header = tuple[bytes, bytes]

PARENT: Final = b"traceparent"
STATE: Final = b"tracestate"

#: Version, trace, parent and flags; ids of zeros are invalid (§3.2.2.3, §3.2.2.4).
_PARENT: Final = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
#: A later version (§4.3), which may have more after them. 255 is none (§3.2.2.1).
_LATER: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}(-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-)([0-9a-f]{2})(?:-[!-~]{0,200})?"
)
_STATE: Final = re.compile(rb"[\t -~]*")
_STATE_MEMBERS: Final = 32
"""§3.3.1.1: "There can be a maximum of 32 list-members in a list"."""
_STATE_BYTES: Final = 4_096
"""Bytes of ``tracestate``; §3.3.1.5 asks for 512 at least."""
_SAMPLED: Final = 0x01
"""The only flag of version 00 (§3.2.2.5); others must not be passed on."""
_NONZERO: Final = 1 << 64 | 1
"""Bits that make neither id zero."""


def trace_headers(given: Iterable[Header], draw: Callable[[int], int] = getrandbits) -> list[Header]:
    """Return ``traceparent``, and ``tracestate`` if there is one, for the back end.

    ``given``: the client's headers of these two names, in lower case. ``draw`` returns so many random bits.

    >>> trace_headers([(b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")])[0][1]
    b'00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01'
    """
    parents = [value for name, value in given if name == PARENT]
    # §3.2: several are as bad as none that can be read.
    parent = _checked(parents[0]) if len(parents) == 1 else None
    if parent is None:
        return [(PARENT, new_parent(draw))]
    state = _state([value for name, value in given if name == STATE])
    return [(PARENT, parent), (STATE, state)] if state else [(PARENT, parent)]


def recorded_trace(headers: Sequence[Header]) -> str:
    """Return the id of the trace of a request to a back end if it is recorded, else "".

    A metric names it as an example; one that nobody records would lead nowhere.

    >>> recorded_trace([(b"traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01")])
    'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
    """
    for name, value in reversed(headers):  # ours are the last ones
        if name == PARENT:
            return value[3:35].decode("ascii") if value.endswith(b"-01") else ""
    return ""


def new_parent(draw: Callable[[int], int] = getrandbits) -> bytes:
    """Return the ``traceparent`` of a new trace, which nobody has decided to record."""
    ids = b"%048x" % (draw(192) | _NONZERO)
    return b"00-%b-%b-00" % (ids[:32], ids[32:])


def _checked(value: bytes) -> bytes | None:
    """Return a ``traceparent`` as it is passed on, None if it is invalid (§3.2.2, §4.3)."""
    if _PARENT.fullmatch(value):
        return value
    found = None if value.startswith(b"00") else _LATER.fullmatch(value)
    if found is None:
        return None
    # A later version is passed on as the newest that we know.
    return b"00%b%02x" % (found[1], int(found[2], 16) & _SAMPLED)


def _state(values: list[bytes]) -> bytes:
    """Return ``tracestate`` in one header, empty if it cannot be passed on."""
    whole = b",".join(values)
    if len(whole) > _STATE_BYTES or not _STATE.fullmatch(whole):
        return b""
    members = [member for part in whole.split(b",") if (member := part.strip(b" \t"))]
    # §3.3.1.1: empty members are allowed, and mean nothing.
    if len(members) > _STATE_MEMBERS or not all(b"=" in member for member in members):
        return b""
    return b",".join(members)
