"""New identifiers, recovery tokens, session keys and join codes, from the system's random numbers.

Request ids alone come from a generator that the system's numbers have seeded: they are no secrets, and every
request gets one.
"""

import os
import random
import secrets
from typing import Final

from orch.protocol.join_codes import ALPHABET
from orch.protocol.recovery_token import Token
from orch.protocol.session_keys import Keys

#: Bytes of randomness: of names, which must not collide, and of secrets, which must not be guessable.
_NAME: Final = 8
_SECRET: Final = 24
#: Bytes of randomness of a session key.
_KEY: Final = 16
_REQUEST: Final = 16

_ids: Final = random.Random(secrets.randbits(256))
os.register_at_fork(after_in_child=lambda: _ids.seed(secrets.randbits(256)))


def new_name() -> str:
    """Return a name for a connection, a session, a participant or an epoch."""
    return secrets.token_hex(_NAME)


def new_request_id() -> str:
    """Return an id for a request (see :mod:`orch.protocol.request_id`)."""
    return f"{_ids.getrandbits(8 * _REQUEST):0{2 * _REQUEST}x}"


def new_stream_name() -> str:
    """Return a name for a speech stream: short, since it is the prefix of every segment's name."""
    return secrets.token_hex(4)


def new_token(participant_id: str) -> Token:
    """Return a new recovery token for a participant."""
    return Token(participant_id, secrets.token_urlsafe(_SECRET))


def new_session_keys() -> Keys:
    """Return the keys of a new session."""
    return Keys(new_session_key(), new_session_key())


def new_session_key() -> str:
    """Return a key: 128 random bits, URL-safe."""
    return secrets.token_urlsafe(_KEY)


def new_join_code(length: int) -> str:
    """Return a code of ``length`` characters that can be spoken (see :mod:`orch.protocol.join_codes`)."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
