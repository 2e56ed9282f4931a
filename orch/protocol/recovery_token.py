"""What a client shows to be the participant that it was before its connection was lost. Pure.

A recovery token is private to one participant of one session: whoever shows it *is* that participant. It
reads ``participant_id.secret``; only a hash of the secret is kept: a copy of the store lets nobody in. It
stays valid as long as its session lives and the participant has not left by their own will; it does not
rotate, so that a client whose answer was lost on the way can try again with the token it has.
"""

import hashlib
import hmac

from msgspec import Struct


class Token(Struct, frozen=True):
    """A recovery token, as it was given or shown."""

    participant_id: str
    secret: str

    def __str__(self) -> str:
        return f"{self.participant_id}.{self.secret}"

    def __repr__(self) -> str:
        return f"Token({self.participant_id!r}, …)"

    def hashed(self) -> bytes:
        """Return what is kept. A plain hash is enough: the secret is 192 random bits, no password."""
        return hashlib.sha256(self.secret.encode()).digest()

    def opens(self, token_hash: bytes) -> bool:
        """Return whether this is the token of that hash, in a time that does not depend on it."""
        return hmac.compare_digest(self.hashed(), token_hash)


def read_token(text: str) -> Token | None:
    """Return the token a client shows, or None where it is none."""
    participant_id, dot, secret = text.partition(".")
    return Token(participant_id, secret) if participant_id and dot and secret else None
