"""wsproto as the judge of our frames, and what a client may send to both."""

import itertools
import zlib
from typing import Any, Final

import wsproto.events
from wsproto.connection import Connection, ConnectionType

from orch.front.websocket.frame_decoder import FrameDecoder
from orch.front.websocket.frames import Binary, CloseFrame, Ping, Pong, ProtocolViolationError, Text

LIMIT: Final = 4096
UNLIMITED: Final = 2**63
"""wsproto has no limit of its own."""
REST: Final = bytes(12)
"""As much as a frame's length and mask can be."""
REGISTERED: Final = 1014

Verdict = tuple[list[Any], int | None]
"""Messages, and the close code of a violation."""


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    is_last: bool = True,
    mask: bytes | None = b"\x01\x02\x03\x04",
    reserved: int = 0,
    width: int | None = None,
) -> bytes:
    """Return a client's frame. ``width``: bytes of the length, else as few as it needs."""
    size = len(payload)
    if width is None:
        width = 0 if size <= 125 else 2 if size < 65_536 else 8
    marker = {0: size, 2: 126, 8: 127}[width]
    head = bytes((is_last << 7 | reserved << 4 | opcode, (mask is not None) << 7 | marker))
    head += size.to_bytes(width, "big") if width else b""
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def decode(
    wire: bytes, *cuts: int, limit: int = LIMIT, deflate: bool = False, allowance: int = UNLIMITED
) -> Verdict:
    """Feed ``wire``, cut at ``cuts``; return the events and the close code of the violation, if any."""
    decoder = FrameDecoder(message_limit=limit, deflate=deflate)
    decoder.allowance = allowance
    events: list[Any] = []
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    try:
        for begin, end in itertools.pairwise(edges):
            events += decoder.feed(wire[begin:end])
            while decoder.is_failed or decoder.has_more:
                events += decoder.feed(b"")
    except ProtocolViolationError as violation:
        return events, violation.close_code
    return events, None


def deflated(payload: bytes) -> bytes:
    """Return it as permessage-deflate has it in a frame (RFC 7692, 7.2.1)."""
    deflate = zlib.compressobj(wbits=-15)
    return (deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def judged(wire: bytes, *cuts: int) -> Verdict:  # noqa: C901 - one case for each of its events
    """Return what wsproto makes of ``wire``, in our words."""
    connection = Connection(ConnectionType.SERVER)
    events: list[Any] = []
    partial: list[Any] = []
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    for begin, end in itertools.pairwise(edges):
        try:
            connection.receive_data(wire[begin:end])
        except wsproto.utilities.LocalProtocolError:
            return events, None  # it was closed before
        for event in connection.events():
            if isinstance(event, wsproto.events.Message):
                partial.append(event.data)
                if event.message_finished:
                    if isinstance(event, wsproto.events.TextMessage):
                        events.append(Text("".join(partial)))
                    else:
                        events.append(Binary(b"".join(partial)))
                    partial = []
            elif isinstance(event, wsproto.events.Ping):
                events.append(Ping(bytes(event.payload)))
            elif isinstance(event, wsproto.events.Pong):
                events.append(Pong(bytes(event.payload)))
            elif isinstance(event, wsproto.events.CloseConnection):
                if connection.state is wsproto.connection.ConnectionState.REMOTE_CLOSING:
                    return [*events, CloseFrame(int(event.code), event.reason or "")], None
                return events, int(event.code)
    return events, None


def differs(wire: bytes, ours: Verdict) -> Verdict | None:
    """Return how wsproto reads ``wire``, where that is not as ``ours``; None: it agrees.

    Ours refuses a frame by its first bytes, wsproto once its length and mask have come. Ours takes close code
    1014, which IANA has registered. And of a close frame that is wrong in two ways (1002, 1007) the other may
    be named.
    """
    theirs = judged(wire)
    if ours[1] is not None and not _is_alike(ours, theirs):
        theirs = judged(wire + REST)
    return None if _is_alike(ours, theirs) else theirs


def _is_alike(ours: Verdict, theirs: Verdict) -> bool:
    """Whether two readings are the same, but for what :func:`differs` allows."""
    if ours == theirs or (ours[0] == theirs[0] and {ours[1], theirs[1]} == {1002, 1007}):
        return True
    last = ours[0][-1] if ours[0] else None
    is_registered = isinstance(last, CloseFrame) and last.code == REGISTERED
    return is_registered and (ours[0][:-1], 1002) == theirs
