"""The Redis commands about the codes that sessions are joined with. Pure.

Three kinds of keys: the code, with the session and the right that it opens; the session's code for a right,
which decides whether a code is valid, so that replacing or deleting it is one write; and an index by time of
expiry, to count them. The first two expire with the code.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from orch.protocol.session_keys import Right
from orch.stores.records import JoinCode
from orch.stores.redis.calls import Call, ServerCommands
from orch.stores.redis.keys import PROBE, UnreadableError, number, read_text

_CODE: Final = b"orch:code:"
_CODES: Final = b"orch:codes"
_GUESSES: Final = b"orch:code_guesses"

#: The rights that a code can have.
RIGHTS: Final = (Right.READ, Right.SPEAK)


class _StoredCode(Struct, array_like=True, frozen=True):
    session_id: str
    right: Right
    created: float
    expires: float


_stored_codes: Final = msgspec.json.Decoder(_StoredCode)


class JoinCodeCommands(ServerCommands):
    """Builds the calls about join codes; see :class:`orch.stores.redis.calls.ServerCommands`."""

    def command_probe(self) -> Call[None]:
        """Probe all operations on a code that does not exist, which no session's code can look like."""
        code = JoinCode(PROBE, PROBE, Right.READ, 0.0, 0.0)
        calls: tuple[Call[Any], ...] = (
            self.reserve(code, 1),
            self.make_valid(code, 1),
            self.find(PROBE),
            self.current(PROBE),
            self.invalidate(PROBE, Right.READ),
            self.forget([PROBE]),
            self.count(0.0),
            self.begin_guess(PROBE.encode(), 0, 1),
            self.end_guess(PROBE.encode()),
        )
        return Call(tuple(command for call in calls for command in call.commands), lambda _: None)

    def reserve(self, code: JoinCode, milliseconds: int) -> Call[bool]:
        """Store a code, not valid yet. False: it is in use already."""
        stored = _StoredCode(code.session_id, code.right, code.created, code.expires)
        return Call(
            (
                (
                    b"SET",
                    _CODE + code.code.encode(),
                    msgspec.json.encode(stored),
                    b"NX",
                    b"PX",
                    milliseconds,
                ),
            ),
            lambda replies: replies[0] is not None,
        )

    def make_valid(self, code: JoinCode, milliseconds: int) -> Call[None]:
        """Make a stored code valid, and the session's earlier one for this right invalid."""
        return Call(
            (
                (b"SET", _own(code.session_id, code.right), code.code, b"PX", milliseconds),
                (b"ZADD", _CODES, number(code.expires), code.code),
            ),
            lambda _: None,
            decisive=1,
        )

    def find(self, code: str) -> Call[JoinCode | None]:
        """Return a stored code, valid or not, or None."""
        return Call(((b"GET", _CODE + code.encode()),), lambda replies: _read(code, replies[0]))

    def current(self, session_id: str) -> Call[dict[Right, str]]:
        """Return the valid codes of a session."""
        return Call(
            tuple((b"GET", _own(session_id, right)) for right in RIGHTS),
            lambda replies: {
                right: read_text(reply)
                for right, reply in zip(RIGHTS, replies, strict=True)
                if reply is not None
            },
        )

    def invalidate(self, session_id: str, right: Right) -> Call[bool]:
        """Make a session's code for a right invalid; False: it has none."""
        return Call(((b"DEL", _own(session_id, right)),), lambda replies: int(replies[0]) > 0)

    def forget(self, codes: Sequence[str]) -> Call[None]:
        """Delete codes that are no longer valid."""
        return Call(
            (*((b"DEL", _CODE + code.encode()) for code in codes), (b"ZREM", _CODES, *codes)),
            lambda _: None,
        )

    def count(self, now: float) -> Call[int]:
        """Return the number of codes that have not expired."""
        return Call(
            ((b"ZREMRANGEBYSCORE", _CODES, b"-inf", number(now)), (b"ZCARD", _CODES)),
            lambda replies: int(replies[1]),
        )

    def begin_guess(self, digest: bytes, most: int, milliseconds: int) -> Call[bool]:
        """Count a guess, the same one once. False: the limit is reached."""
        return Call(
            (self._script("guess", (_GUESSES,), digest, most, milliseconds),), lambda replies: replies[0] == 1
        )

    def end_guess(self, digest: bytes) -> Call[None]:
        """Take a guess back."""
        return Call(((b"SREM", _GUESSES, digest),), lambda _: None)


def _own(session_id: str, right: Right) -> bytes:
    """Return the key of a session's valid code for a right."""
    return b"orch:{%s}:code:%s" % (session_id.encode(), right.value.encode())


def _read(code: str, data: Any) -> JoinCode | None:
    if data is None:
        return None
    try:
        stored = _stored_codes.decode(data)
    except (msgspec.MsgspecError, ValueError) as error:
        raise UnreadableError(str(error)[:200]) from error
    return JoinCode(code, stored.session_id, stored.right, stored.created, stored.expires)
