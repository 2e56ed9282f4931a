"""The two keys of a session: the speak key lets its holder speak in it, the read key read it. Pure.

They are given when the session begins, travel in links (behind the ``#``, where no server and no other site
sees them) and are compared in constant time. The store holds them as they are, since whoever may invite
others has to be given them again; who can read the store can read all that was said anyway.
"""

import hmac
from enum import Enum
from typing import Final

from msgspec import UNSET, Struct, UnsetType

#: Characters of a key that is shown, at most: those given out have 22, those of older sessions may have 32.
KEY_LENGTH: Final = 64


class Right(Enum):
    """What a session's key gives."""

    NONE = "none"
    READ = "read"
    SPEAK = "speak"


class Keys(Struct, frozen=True, gc=False):
    """A session's keys. An empty key opens nothing."""

    speak: str = ""
    read: str = ""

    def __repr__(self) -> str:
        return "Keys(…)"

    def opens(self, shown: str) -> Right:
        """Return what a key gives that someone shows, in a time that does not depend on how near it comes."""
        given = shown.encode()
        is_speak = hmac.compare_digest(given, self.speak.encode())
        is_read = hmac.compare_digest(given, self.read.encode())
        if not given:
            return Right.NONE
        return Right.SPEAK if is_speak else Right.READ if is_read else Right.NONE


class GivenKeys(Struct, frozen=True, gc=False):
    """The keys that someone is given: both where they may speak, the read key alone where they only read."""

    read: str
    speak: str | UnsetType = UNSET

    def __repr__(self) -> str:
        return "GivenKeys(…)"


#: What opens nothing.
NO_KEYS: Final = Keys()


def given(keys: Keys, right: Right) -> GivenKeys:
    """Return the keys for someone with this right. It is for callers that let in who may read at least."""
    return GivenKeys(keys.read, keys.speak if right is Right.SPEAK else UNSET)
