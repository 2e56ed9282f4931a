"""Messages of the DevTools protocol: framed, encoded, decoded. Pure.

Over the pipe each message is JSON in UTF-8 and ends with a zero byte. A reply has ``id`` and ``result`` or
``error``; an event has ``method`` and ``params``; both have ``sessionId`` if they belong to an attached
target ("flat" sessions). https://chromedevtools.github.io/devtools-protocol/
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

from orch.untrusted_json import UnreadableError, read_document

LONGEST_MESSAGE: Final = 50 * 1024 * 1024
"""Maximum bytes of a message from the browser. A screenshot of 4K as PNG has up to about 30 MB in base64."""

HEAD: Final = 256
"""Bytes of a message that cannot be used by which its command or event is recognised."""

_END: Final = b"\0"
_REPLY_HEAD: Final = re.compile(rb'\{"id":(\d{1,15})[,}]')
_EVENT_HEAD: Final = re.compile(rb'\{"method":"([A-Za-z]{1,40}\.[A-Za-z]{1,60})"')


class Reply(Struct, frozen=True):
    """The reply to a command: ``result``, or the browser's refusal (``code``, ``detail``)."""

    number: int
    result: dict[str, Any] | None = None
    code: int = 0
    detail: str = ""


class Event(Struct, frozen=True):
    """Something that happened. ``session``: "" for the browser itself."""

    method: str
    params: dict[str, Any]
    session: str = ""


class Unusable(Struct, frozen=True):
    """A message that is too large or not valid, and what its first bytes reveal of it.

    ``number`` of the command that it replies to, or ``method`` of the event; neither if it shows none.
    """

    reason: str
    number: int | None = None
    method: str = ""


class _Refusal(Struct):
    code: int = 0
    message: str = ""
    data: Any = None


class _Message(Struct):
    id: int | None = None
    result: dict[str, Any] | UnsetType = UNSET
    error: _Refusal | UnsetType = UNSET
    method: str = ""
    params: dict[str, Any] = {}
    sessionId: str = ""  # noqa: N815 - the wire's


def encode(number: int, method: str, params: Mapping[str, Any], session: str) -> bytes:
    """Return a command as JSON, without the end mark. A zero byte in a text becomes an escape."""
    command: dict[str, Any] = {"id": number, "method": method, "params": params}
    if session:
        command["sessionId"] = session
    return msgspec.json.encode(command)


def decode(data: bytes | bytearray | str) -> Reply | Event | Unusable:
    """Return what a message is. Every input has a result; what is neither reply nor event is unusable."""
    try:
        message = msgspec.convert(read_document(data), _Message)
    except (UnreadableError, msgspec.ValidationError) as error:
        head = data[:HEAD]
        return unusable(head.encode("utf-8", "replace") if isinstance(head, str) else head, str(error))
    if message.method:
        return Event(message.method, message.params, message.sessionId)
    if message.id is None:
        return Unusable("it is neither a reply nor an event")
    if message.error is not UNSET:
        detail = message.error.message
        if isinstance(message.error.data, str) and message.error.data:
            detail = f"{detail} ({message.error.data})"
        return Reply(message.id, None, message.error.code, detail[:500])
    return Reply(message.id, message.result if message.result is not UNSET else {})


def unusable(head: bytes | bytearray, reason: str) -> Unusable:
    """Return what the first bytes of a message reveal. Chromium writes ``id`` or ``method`` first."""
    if (reply := _REPLY_HEAD.match(head)) is not None:
        return Unusable(reason, number=int(reply[1]))
    event = _EVENT_HEAD.match(head)
    return Unusable(reason, method=event[1].decode() if event else "")


class Framing:
    """Cuts the bytes of a pipe into messages.

    A message of more than ``longest`` bytes is skipped to its end and yielded as :class:`Unusable`, so that
    it costs its own command, not the connection. At most ``longest`` bytes are stored.
    """

    def __init__(self, longest: int = LONGEST_MESSAGE) -> None:
        self._longest = longest
        self._stored = bytearray()
        self._skipped: Unusable | None = None

    def feed(self, data: bytes | bytearray) -> Iterator[bytes | Unusable]:
        """Yield the messages that ``data`` completes. The iterator must be read to its end."""
        *complete, rest = data.split(_END)
        for piece in complete:
            self._add(piece)
            if self._skipped is not None:
                yield self._skipped
            elif self._stored:
                yield bytes(self._stored)
            self._stored = bytearray()
            self._skipped = None
        self._add(rest)

    def _add(self, piece: bytes | bytearray) -> None:
        if self._skipped is not None:
            return
        if len(self._stored) + len(piece) > self._longest:
            head = bytes(self._stored[:HEAD]) + bytes(piece[:HEAD])
            self._skipped = unusable(head[:HEAD], f"it is larger than {self._longest} bytes")
            self._stored = bytearray()
            return
        self._stored += piece

    @property
    def is_within(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._stored) or self._skipped is not None
