"""Signs webhooks as Standard Webhooks 1.0 says. Pure.

What is signed is ``{id}.{timestamp}.{body}``: the id is the same for every attempt of one delivery, the
timestamp (whole seconds) is that of the attempt, and the body is the bytes that are sent. A signature is
``v1,`` and the base64 of HMAC-SHA256. While a secret is being replaced, the request has one signature for
each secret that is still valid, and a receiver accepts it if any of them is right.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

PREFIX: Final = "whsec_"
SHORTEST_KEY: Final = 24
LONGEST_KEY: Final = 64
"""Bytes of a key (192 to 512 bits)."""

TOLERANCE: Final = 300.0
"""Seconds by which a receiver lets the timestamp differ from its clock."""

OVERLAP: Final = 86_400.0
"""Seconds for which a replaced secret goes on to sign: as long as a delivery is retried."""

MOST_SECRETS: Final = 4
"""Secrets of one endpoint at a time; each is a signature in the header."""

ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"

_VERSION: Final = "v1"
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


class SecretError(ValueError):
    """A secret that cannot be used; the message says why, and does not quote it."""


class VerificationError(ValueError):
    """A request that is not authentic; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Secret:
    """The key of a signature. It is not shown by ``repr``."""

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not SHORTEST_KEY <= len(self.key) <= LONGEST_KEY:
            size = len(self.key)
            raise SecretError(f"expected a key of {SHORTEST_KEY} to {LONGEST_KEY} bytes, got {size} bytes")


@dataclass(frozen=True, slots=True)
class ReplacedSecret:
    """A former secret, which signs until ``until`` (seconds since the epoch)."""

    secret: Secret
    until: float


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """The secret of an endpoint, and those it had before, the latest first."""

    current: Secret
    replaced: tuple[ReplacedSecret, ...] = ()

    def at(self, now: float) -> tuple[Secret, ...]:
        """Return the secrets that sign at ``now``, the current one first."""
        return (self.current, *(each.secret for each in self.replaced if now < each.until))

    def rotated(self, new: Secret, now: float, *, overlap: float = OVERLAP) -> "SigningKeys":
        """Return the keys after ``new`` has replaced the current secret, which signs ``overlap`` s longer.

        An overlap of 0 ends all former secrets at once: one of them is known to others. Of more than
        :data:`MOST_SECRETS` the oldest end.
        """
        if new == self.current:
            raise SecretError("expected a secret other than the current one")
        if overlap <= 0:
            return SigningKeys(new)
        former = (ReplacedSecret(self.current, now + overlap), *self.replaced)
        valid = [each for each in former if now < each.until and each.secret != new]
        return SigningKeys(new, tuple(valid[: MOST_SECRETS - 1]))


def read_secret(text: str) -> Secret:
    """Return the secret of ``whsec_BASE64``, or of the base64 alone. SecretError: it is neither."""
    encoded = text.strip().removeprefix(PREFIX)
    if not encoded:
        raise SecretError(f"expected {PREFIX} and base64, got an empty secret")
    try:
        # Receivers' libraries accept base64 without padding too.
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SecretError(f"expected {PREFIX} and base64, got something else") from None
    return Secret(key)


def write_secret(secret: Secret) -> str:
    """Return the form in which a receiver gets the secret."""
    return PREFIX + base64.b64encode(secret.key).decode("ascii")


def sign(secret: Secret, message_id: str, timestamp: int, body: bytes) -> str:
    """Return ``v1,BASE64``. ValueError: the id has a full stop or another character that ids do not have."""
    if not _ID.fullmatch(message_id):
        raise ValueError(f"expected an id of letters, digits, _ and -, got {message_id!r}")
    content = f"{message_id}.{timestamp}.".encode("ascii") + body
    return f"{_VERSION},{base64.b64encode(_digest(secret, content)).decode('ascii')}"


def signed_headers(
    message_id: str, at: float, body: bytes, secrets: Sequence[Secret]
) -> tuple[tuple[str, str], ...]:
    """Return the three headers of an attempt at ``at`` (seconds since the epoch), with one signature each."""
    timestamp = math.floor(at)
    signatures = " ".join(sign(secret, message_id, timestamp, body) for secret in secrets)
    return (
        (ID_HEADER, message_id),
        (TIMESTAMP_HEADER, str(timestamp)),
        (SIGNATURE_HEADER, signatures),
    )


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[Secret], now: float) -> None:
    """Verify a received request: the receiver's part, for the documents' example and for the tests.

    ``headers``: their names in any case. VerificationError: a header is missing or malformed, the timestamp
    is more than :data:`TOLERANCE` from ``now``, or no signature is right.
    """
    given = {name.lower(): value for name, value in headers.items()}
    names = (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
    message_id, timestamp, signatures = (given.get(name, "") for name in names)
    for name, value in zip(names, (message_id, timestamp, signatures), strict=True):
        if not value:
            raise VerificationError(f"{name} is missing")
    if not re.fullmatch(r"[0-9]{1,15}", timestamp):
        raise VerificationError(f"{TIMESTAMP_HEADER} is no whole number of seconds")
    if abs(now - int(timestamp)) > TOLERANCE:
        raise VerificationError(f"{TIMESTAMP_HEADER} is more than {TOLERANCE:.0f} s from now")
    content = f"{message_id}.{timestamp}.".encode("utf-8", "surrogateescape") + body
    expected = [_digest(secret, content) for secret in secrets]
    for each in signatures.split(" "):
        version, _, encoded = each.partition(",")
        if version != _VERSION:
            continue
        try:
            signature = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            continue
        # No generator: every secret is compared, so that the time does not say which one is near.
        if any([hmac.compare_digest(signature, digest) for digest in expected]):  # noqa: C419
            return
    raise VerificationError(f"{SIGNATURE_HEADER} has no right signature")


def _digest(secret: Secret, content: bytes) -> bytes:
    return hmac.new(secret.key, content, hashlib.sha256).digest()
