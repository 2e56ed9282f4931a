"""Decodes text frames into messages, or into errors for their sender. Pure."""

import re
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct

from orch.problems import ProblemError
from orch.protocol.messages import AnyClientMessage, ClientMessage, MessageId
from orch.protocol.messages import TestMessage as _TestMessage

#: Maximum bytes of a text frame (as UTF-8) and of a binary frame; more closes the connection (1009).
FRAME_LIMIT: Final = 2**20

#: Maximum depth of nesting; deeper messages would exhaust the stack.
_TOO_DEEP: Final = "The message is nested too deeply."

_PLACE: Final = re.compile(r"^(?P<said>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_MISSING: Final = re.compile(r"^Object missing required field `(?P<name>[^`]+)`$")
_UNKNOWN: Final = re.compile(r"^Invalid value ")


class Echo(Struct, frozen=True):
    """A ``test_message``: the complete object."""

    fields: dict[str, Any]


class _Envelope(Struct):
    id: Any = None
    type: Any = None


_MESSAGE: Final = msgspec.json.Decoder(AnyClientMessage)
_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_ID: Final = msgspec.json.Decoder(MessageId)


def type_name(kind: Any) -> str:
    """Return the ``type`` of a struct's messages."""
    return str(kind.__struct_config__.tag)


TYPES: Final[tuple[str, ...]] = tuple(type_name(kind) for kind in get_args(AnyClientMessage))


def size_of(frame: str | bytes) -> int:
    """Return the bytes of a frame as it was sent."""
    # Of ASCII, which most text is, the length is known at once.
    if isinstance(frame, bytes) or frame.isascii():
        return len(frame)
    return len(frame.encode("utf-8", "surrogatepass"))


def decode(text: str) -> ClientMessage | Echo:
    """Return the message in a text frame.

    Raises ProblemError ``invalid_json``, ``unknown_type`` or ``invalid_message``; its ``extra`` has the
    ``path`` of the invalid field (``$.session_id``) and the frame's ``id`` if it is readable.
    """
    try:
        message: ClientMessage = _MESSAGE.decode(text)
        if isinstance(message, _TestMessage):
            return Echo(_OBJECT.decode(text))
    except msgspec.ValidationError as error:
        raise _invalid(text, str(error)) from error
    except msgspec.DecodeError as error:
        raise ProblemError("invalid_json", f"The message is not JSON: {_sentence(str(error))}") from error
    except UnicodeError as error:
        raise ProblemError("invalid_json", "The message is not JSON: half of a surrogate pair.") from error
    except RecursionError as error:
        raise ProblemError("invalid_json", _TOO_DEEP) from error
    return message


def _invalid(text: str, error: str) -> ProblemError:
    """Return the error for a frame that is JSON, but not a valid message."""
    extra = identity(text)
    found = _PLACE.match(error)
    said, path = (found["said"], found["path"]) if found else (error, None)
    if path == "$.type" and _UNKNOWN.match(said):
        kind = _ENVELOPE.decode(text).type
        shown = kind if isinstance(kind, str) and len(kind) <= 64 else "this"  # noqa: PLR2004 - a line's worth
        return ProblemError(
            "unknown_type", f"Unknown message type {shown}. Known types: {', '.join(TYPES)}.", **extra
        )
    if missing := _MISSING.match(said):
        path = f"{path or '$'}.{missing['name']}"
        said = "Required, but missing"
    path = path or "$"
    return ProblemError("invalid_message", f"{path}: {_sentence(said)}", path=path, **extra)


def identity(text: str) -> dict[str, Any]:
    """Return the frame's ``id`` in a dict if it has a valid one; else an empty dict."""
    try:
        name = _ID.decode(msgspec.json.encode(_ENVELOPE.decode(text).id))
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return {}
    return {"id": name}


def _sentence(said: str) -> str:
    return (said[:1].upper() + said[1:]).rstrip(".") + "."
