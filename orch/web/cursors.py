"""Where a page of a list ends, as an opaque text: the next page begins after it. Pure."""

import base64
import binascii
from typing import Any, Final, TypeVar

import msgspec

from orch.problems import ProblemError

LONGEST: Final = 1_024
V = TypeVar("V", float, str)


def write_cursor(value: float | str, key: str) -> str:
    """Return a cursor: the value that the list is ordered by, and the key that decides between equal ones."""
    return base64.urlsafe_b64encode(msgspec.json.encode((value, key))).decode().rstrip("=")


def read_cursor(text: str, kind: type[V]) -> tuple[V, str]:
    """Return value (of the ``kind``) and key. ProblemError ``invalid_request`` if it is no cursor."""
    found: tuple[Any, str]
    try:
        decoded = base64.b64decode(text[:LONGEST] + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        found = msgspec.json.decode(decoded, type=tuple[Any, str])
        value = msgspec.convert(found[0], kind)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise _invalid() from None
    if any(each < " " for part in (str(value), found[1]) for each in part):
        raise _invalid()
    return value, found[1]


def _invalid() -> ProblemError:
    return ProblemError(
        "invalid_request",
        "after is no cursor. Send the value of next from the page before, unchanged.",
        path="after",
        expected="the value of next from the page before",
    )
