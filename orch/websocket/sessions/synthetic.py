"""Marks the sessions of test speech, which count in no figure of use. Pure.

The mark is a member of a session's ``config``, so every worker that serves the session knows it. The service
itself and operators may set it, who may leave their own tests out of the figures. Others may create sessions
on this machine without operators' rights, and what they do is counted.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, field

from orch.access.actors import Actor
from orch.problems import ProblemError
from orch.websocket.message_door import may_create_synthetic

MARK: Final = "orch.synthetic"
CONFIG: Final = {MARK: True}


class _Marked(Struct):
    is_synthetic: Any = field(default=False, name=MARK)


class SyntheticSession(Struct, frozen=True):
    """A session of test speech, and the key of those who speak in it."""

    session_id: str
    key: str


_DECODER: Final = msgspec.json.Decoder(_Marked)


def is_synthetic(config: bytes) -> bool:
    """Return whether a session with this ``config`` is one of test speech."""
    if MARK.encode() not in config:
        return False
    try:
        return _DECODER.decode(config).is_synthetic is True
    except msgspec.MsgspecError:
        return False


def require_right(config: Mapping[str, Any], actor: Actor | None) -> None:
    """Raise ``token_required`` if this actor may not create a session with this ``config``.

    ``actor`` None: the service itself.
    """
    if config.get(MARK) is True and actor is not None and not may_create_synthetic(actor):
        raise ProblemError(
            "token_required",
            f"Only operators can mark a session as test speech ({MARK} in its config): it is in no figure of "
            "use and in no list. Create it without the mark, or with the control token.",
            path=f"$.config['{MARK}']",
            headers={"WWW-Authenticate": "Bearer"},
        )
