"""The title of a session, which is a member of its ``config``. Pure."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from orch.protocol.messages import TITLE_LENGTH, SessionTitled
from orch.websocket.participants.names import clean

#: How an encoded ``session_titled`` begins.
_TITLED: Final = b'{"type":"session_titled"'


class _Titled(Struct):
    title: Any = None


_CONFIG: Final = msgspec.json.Decoder(_Titled)
_MESSAGE: Final = msgspec.json.Decoder(SessionTitled)


def clean_title(text: str) -> str:
    """Return a title as it is stored: one row, cleaned like a participant's name; may be empty."""
    return clean(text, TITLE_LENGTH)


def title_of(config: bytes) -> str:
    """Return the title in a session's ``config``; empty: it has none.

    Its creator wrote the ``config``, so the title is cleaned, and anything but a text is none.
    """
    if b'"title"' not in config:
        return ""
    try:
        given = _CONFIG.decode(config).title
    except msgspec.MsgspecError:
        return ""
    return clean_title(given[: 8 * TITLE_LENGTH]) if isinstance(given, str) else ""


def with_title(config: bytes, title: str) -> bytes:
    """Return a session's ``config`` with another title; an empty one removes it."""
    fields: dict[str, Any] = msgspec.json.decode(config, type=dict[str, Any])
    if title:
        fields["title"] = title
    else:
        fields.pop("title", None)
    return msgspec.json.encode(fields)


def new_title(frame: bytes) -> str | None:
    """Return the title that a stored message gives its session; None: it is another message."""
    return _MESSAGE.decode(frame).title if frame.startswith(_TITLED) else None
