"""A session's two keys: the speak key allows speaking and reading, the read key only reading. Pure.

They are created with the session, travel in links (behind the ``#``, which browsers send to no server) and
are compared in constant time. The store holds them in plain text, since participants who may invite others
receive them again with every reply; someone who can read the store can read the transcript anyway.
"""

import hmac
from enum import Enum
from typing import Final

from msgspec import UNSET, Struct, UnsetType

#: Maximum characters of a presented key: new keys have 22, those of older sessions may have 32.
KEY_LENGTH: Final = 64


class Right(Enum):
    """The right that a session's key grants."""

    NONE = "none"
    READ = "read"
    SPEAK = "speak"


class Keys(Struct, frozen=True, gc=False):
    """A session's keys. An empty key grants nothing."""

    speak: str = ""
    read: str = ""

    def __repr__(self) -> str:
        return "Keys(…)"

    def opens(self, shown: str) -> Right:
        """Return the right that a presented key grants, in constant time."""
        given = shown.encode()
        is_speak = hmac.compare_digest(given, self.speak.encode())
        is_read = hmac.compare_digest(given, self.read.encode())
        if not given:
            return Right.NONE
        return Right.SPEAK if is_speak else Right.READ if is_read else Right.NONE


class GivenKeys(Struct, frozen=True, gc=False):
    """The keys that a participant may pass on: both for a speaker, the read key for a reader."""

    read: str
    speak: str | UnsetType = UNSET

    def __repr__(self) -> str:
        return "GivenKeys(…)"


#: Keys that grant nothing.
NO_KEYS: Final = Keys()


def given(keys: Keys, right: Right) -> GivenKeys:
    """Return the keys for a participant with ``right``, which is READ at least."""
    return GivenKeys(keys.read, keys.speak if right is Right.SPEAK else UNSET)
