"""New identifiers, recovery tokens and session keys, from the system's random numbers."""

import secrets
from typing import Final

from orch.protocol.recovery_token import Token
from orch.protocol.session_keys import Keys

#: Bytes of randomness: names that must not meet by chance, and secrets that cannot be guessed.
_NAME: Final = 8
_SECRET: Final = 24
#: Bytes of randomness of a session key.
_KEY: Final = 16


def new_name() -> str:
    """Return a name for a connection, a session, a participant or an epoch."""
    return secrets.token_hex(_NAME)


def new_stream_name() -> str:
    """Return a name for a speech stream: short, since every segment's name begins with it."""
    return secrets.token_hex(4)


def new_token(participant_id: str) -> Token:
    """Return a token for someone."""
    return Token(participant_id, secrets.token_urlsafe(_SECRET))


def new_session_keys() -> Keys:
    """Return the keys of a new session."""
    return Keys(new_session_key(), new_session_key())


def new_session_key() -> str:
    """Return a key: 128 random bits that may stand in a URL."""
    return secrets.token_urlsafe(_KEY)
