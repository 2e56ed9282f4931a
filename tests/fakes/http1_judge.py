"""Reads the same bytes with our parser and with h11, and finds where they part.

What both read must be the same; what we read, h11 must not refuse. The exceptions are written here:

- One empty line before a request is ignored (RFC 9112, 2.2); h11 refuses it. It is cut off for h11.
- A target in absolute form replaces the Host header; h11 leaves that to its caller. Hosts are not compared.
- ``Transfer-Encoding`` is given as it came; h11 gives it in lower case.
- HTTP/1.0 with ``Connection: keep-alive`` is kept open; h11 never does.
"""

from collections.abc import Iterable

import h11
from msgspec import Struct

from orch.front.http1.request_parser import (
    BadRequestError,
    Data,
    EndOfMessage,
    Limits,
    RequestHead,
    RequestParser,
)


class Message(Struct):
    """One request as it was read, in what both readers tell."""

    method: bytes
    target: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    keep_alive: bool | None
    expects_continue: bool
    body: bytes = b""
    is_complete: bool = False


class Reading(Struct):
    """All requests of a stream, and the kind of refusal it ended with (``""`` for none)."""

    messages: list[Message]
    refusal: str = ""


def read_ours(pieces: Iterable[bytes], limits: Limits | None = None) -> Reading:
    """Read a stream that comes in pieces; each request is taken to be answered at once."""
    parser = RequestParser(limits)
    reading = Reading([])
    try:
        for piece in pieces:
            events = parser.feed(piece)
            while events:
                is_done = _note(events, reading.messages)
                events = parser.next_request() if is_done else []
    except BadRequestError as error:
        reading.refusal = error.kind
    return reading


def _note(events: list[RequestHead | Data | EndOfMessage], messages: list[Message]) -> bool:
    for event in events:
        match event:
            case RequestHead():
                messages.append(
                    Message(
                        event.method,
                        event.target,
                        event.version,
                        event.headers,
                        event.keep_alive,
                        event.expects_continue,
                    )
                )
            case Data(data):
                assert data, "an empty piece of body says nothing"
                messages[-1].body += data
            case EndOfMessage():
                messages[-1].is_complete = True
                return True
    return False


def read_h11(data: bytes) -> Reading:
    """Read a stream with h11; a connection for each request, since it stops after one that closes."""
    reading = Reading([])
    while data:
        data = data.removeprefix(b"\r\n")
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=2**24)
        connection.receive_data(data)
        try:
            is_complete = _read_request(connection, reading.messages)
        except h11.RemoteProtocolError as error:
            reading.refusal = str(error)
            return reading
        if not is_complete:
            return reading
        data, _ = connection.trailing_data
    return reading


def _read_request(connection: h11.Connection, messages: list[Message]) -> bool:
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            is_waiting = connection.they_are_waiting_for_100_continue
            messages.append(
                Message(
                    event.method,
                    event.target,
                    event.http_version.decode(),
                    list(event.headers),
                    keep_alive=True,
                    expects_continue=is_waiting,
                )
            )
        elif isinstance(event, h11.Data):
            messages[-1].body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            messages[-1].is_complete = True
            # None while it might switch protocols: h11 tells only once the upgrade is answered.
            messages[-1].keep_alive = {h11.DONE: True, h11.MUST_CLOSE: False}.get(connection.their_state)
            return True
        else:
            return False


def judge(data: bytes, limits: Limits | None = None) -> Reading:
    """Read ``data`` with both and return our reading; raises ``AssertionError`` where they part."""
    ours = read_ours([data], limits)
    theirs = read_h11(data)
    assert len(ours.messages) <= len(theirs.messages), f"h11 refuses what we read: {theirs.refusal}"
    for mine, its in zip(ours.messages, theirs.messages, strict=False):
        assert (mine.method, mine.target, mine.version) == (its.method, its.target, its.version)
        assert _comparable(mine) == _comparable(its)
        assert its.body.startswith(mine.body)
        if mine.is_complete:
            assert its.is_complete, f"h11 refuses a body that we read: {theirs.refusal}"
            assert mine.body == its.body
            assert its.keep_alive in (mine.keep_alive, None) or mine.version == "1.0"
            assert mine.expects_continue == (its.expects_continue and has_body(mine))
        elif not ours.refusal:
            assert not its.is_complete, "h11 sees an end that we do not"
    if not ours.refusal:
        assert len(ours.messages) == len(theirs.messages), "h11 sees a request that we do not"
    return ours


def has_body(message: Message) -> bool:
    """Whether a body was announced."""
    headers = dict(message.headers)
    return b"transfer-encoding" in headers or int(headers.get(b"content-length", b"0")) > 0


def _comparable(message: Message) -> list[tuple[bytes, bytes]]:
    is_absolute = not message.target.startswith((b"/", b"*"))
    return [
        (name, value.lower() if name == b"transfer-encoding" else value)
        for name, value in message.headers
        if not (is_absolute and name == b"host")
    ]


def check_cuts(data: bytes, pieces: Iterable[bytes], whole: Reading, limits: Limits | None = None) -> None:
    """Check that the stream reads in ``pieces`` as in one; of a refused request, only the refusal counts."""
    cut = read_ours(pieces, limits)
    assert cut.refusal == whole.refusal, (cut.refusal, whole.refusal, data)
    assert _told(cut) == _told(whole)


def _told(reading: Reading) -> list[Message]:
    messages = reading.messages
    if reading.refusal and messages and not messages[-1].is_complete:
        return messages[:-1]
    return messages
