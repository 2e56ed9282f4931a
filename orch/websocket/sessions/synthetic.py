"""Marks the sessions of test speech, which count in no figure of use. Pure.

The mark is a member of a session's ``config``, so every worker that serves the session knows it. Who creates
a session may set it: this machine and operators, who may leave their own tests out of the figures.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct, field

CONFIG: Final = {"orch.synthetic": True}


class _Marked(Struct):
    is_synthetic: Any = field(default=False, name="orch.synthetic")


class SyntheticSession(Struct, frozen=True):
    """A session of test speech, and the key of those who speak in it."""

    session_id: str
    key: str


_DECODER: Final = msgspec.json.Decoder(_Marked)


def is_synthetic(config: bytes) -> bool:
    """Return whether a session with this ``config`` is one of test speech."""
    if b"orch.synthetic" not in config:
        return False
    try:
        return _DECODER.decode(config).is_synthetic is True
    except msgspec.MsgspecError:
        return False
