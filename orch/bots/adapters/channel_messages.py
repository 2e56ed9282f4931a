"""The captions that arrive on a meeting's data channel. Pure.

The page's script passes each message on: a text, or bytes as Base64. A text is JSON with ``segment``,
``version``, ``device`` and ``text``, as the sandbox sends it.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from orch.bots.caption_blocks import LONGEST, LONGEST_NAME, Message


class _Passed(Struct, frozen=True):
    """What the page's script sends. ``lost``: messages of the last second that were too many."""

    text: str = ""
    bytes: str = ""
    lost: int = 0


class _Caption(Struct, frozen=True):
    segment: int | str
    device: str
    text: str
    version: int = 0
    language: str | None = None


_PASSED: Final[msgspec.json.Decoder[_Passed]] = msgspec.json.Decoder(_Passed)
_CAPTION: Final[msgspec.json.Decoder[_Caption]] = msgspec.json.Decoder(_Caption)


def decode_message(passed: str) -> Message | None:
    """Return the caption of what the page's script sent; None if it is none."""
    sent = _decoded(_PASSED, passed)
    found = _decoded(_CAPTION, sent.text) if sent is not None and sent.text else None
    if found is None or not found.device or not found.text:
        return None
    return Message(
        device=found.device[:LONGEST_NAME],
        id=str(found.segment)[:LONGEST_NAME],
        text=found.text[-LONGEST:],
        version=found.version,
        language=found.language[:LONGEST_NAME] if found.language else None,
    )


def _decoded(decoder: msgspec.json.Decoder[Any], text: str) -> Any:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
