"""The recovery token, with which a client resumes as the same participant after a lost connection. Pure.

A recovery token is private to one participant of one session: a client that presents it *is* that
participant. Its form is ``participant_id.secret``; only a hash of the secret is stored, so a copy of the
store does not grant access. It is valid until the session ends or the participant leaves; it does not
rotate, so that a client whose reply was lost can try again with the same token.
"""

import hashlib
import hmac

from msgspec import Struct


class Token(Struct, frozen=True):
    """A recovery token, as issued or presented."""

    participant_id: str
    secret: str

    def __str__(self) -> str:
        return f"{self.participant_id}.{self.secret}"

    def __repr__(self) -> str:
        return f"Token({self.participant_id!r}, …)"

    def hashed(self) -> bytes:
        """Return the hash to store. A plain hash is enough: the secret is 192 random bits, no password."""
        return hashlib.sha256(self.secret.encode()).digest()

    def opens(self, token_hash: bytes) -> bool:
        """Return whether this token has that hash, in constant time."""
        return hmac.compare_digest(self.hashed(), token_hash)


def read_token(text: str) -> Token | None:
    """Return the token that a client presents, or None if it is malformed."""
    participant_id, dot, secret = text.partition(".")
    return Token(participant_id, secret) if participant_id and dot and secret else None
