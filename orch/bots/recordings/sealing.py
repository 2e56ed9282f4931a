"""The form of an encrypted file: chunks of AES-256-GCM whose order and end are authenticated. Pure.

The problem: a recording is long, is written while it grows, and is read from any place. One GCM message for
all of it could not be verified before its end, and messages for each chunk alone could be left out, repeated
or exchanged. So each chunk's nonce has its number and whether it is the last one, as in STREAM (Hoang,
Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance",
2015), which Tink's streaming encryption uses too. Each file has a key of its own, derived from the master key
and 16 random bytes (HKDF-SHA256), so that numbers can be nonces.

    header   magic (8), bytes of a chunk (4, big-endian), salt (16), check of the key (8)
    chunk    up to so many bytes, encrypted, and 16 bytes of tag; all but the last one are full
    nonce    number of the chunk (8, big-endian), zeros (3), flags (1)

The header is authenticated with every chunk. The last chunk is never full; it may be empty. The first chunk
is written twice, as a file of sound begins with its length: the second time with another flag, thus another
nonce, so none is used for two texts. A file without its last chunk was cut: its process was killed, or
somebody has cut it. What can be read of it is authentic.
"""

import struct
from enum import IntFlag
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

MAGIC: Final = b"ORCHENC1"
CHUNK: Final = 65_536
TAG: Final = 16
SALT: Final = 16
_CHECK: Final = 8
HEADER: Final = len(MAGIC) + 4 + SALT + _CHECK
_LARGEST_CHUNK: Final = 2**24


class SealError(Exception):
    """A file that cannot be read; the message says why."""


class LockedError(SealError):
    """It is encrypted with another key, or there is none."""


class DamagedError(SealError):
    """It was changed, or is none of ours."""


class Flag(IntFlag):
    """What a chunk is, as a part of its nonce."""

    NONE = 0
    LAST = 1
    BEGIN = 2
    """The first chunk, written again at the end."""


class Sealer:
    """Encrypts and decrypts the chunks of one file. ``salt``: random, of this file alone."""

    def __init__(self, key: bytes, salt: bytes, *, chunk: int = CHUNK) -> None:
        derived = _derive(key, salt, b"orch recording")
        self.chunk = chunk
        self.header = MAGIC + struct.pack(">I", chunk) + salt + _derive(key, salt, b"orch check")[:_CHECK]
        self._cipher = AESGCM(derived)

    @classmethod
    def of_header(cls, header: bytes, key: bytes | None) -> "Sealer":
        """Return the one of a file that begins with this header. LockedError, DamagedError."""
        if len(header) != HEADER or not header.startswith(MAGIC):
            raise DamagedError("The file is no encrypted recording.")
        (chunk,) = struct.unpack_from(">I", header, len(MAGIC))
        if not 1 <= chunk <= _LARGEST_CHUNK:
            raise DamagedError("The file's header was changed.")
        if key is None:
            raise LockedError("The file is encrypted, and there is no key (ORCH_BOTS__RECORDING_KEY).")
        begin = len(MAGIC) + 4
        found = cls(key, header[begin : begin + SALT], chunk=chunk)
        if found.header != header:
            raise LockedError("The file is encrypted with another key.")
        return found

    def seal(self, number: int, data: bytes, flags: Flag) -> bytes:
        """Encrypt a chunk. Never call it twice with the same number and flags for different data."""
        return self._cipher.encrypt(_nonce(number, flags), data, self.header)

    def open(self, number: int, sealed: bytes, flags: Flag) -> bytes | None:
        """Decrypt a chunk; None: it is not this chunk of this file, or was changed."""
        try:
            return self._cipher.decrypt(_nonce(number, flags), sealed, self.header)
        except InvalidTag:
            return None


class Layout(Struct, frozen=True):
    """The chunks of a file of ``size`` bytes. ``tail``: bytes after the full ones, the last chunk."""

    full: int
    tail: int

    @staticmethod
    def of(size: int, chunk: int) -> "Layout":
        """Return the layout of a file with its header."""
        full, tail = divmod(max(0, size - HEADER), chunk + TAG)
        return Layout(full, tail)


def offset_of(number: int, chunk: int) -> int:
    """Return where a chunk begins in the file."""
    return HEADER + number * (chunk + TAG)


def _nonce(number: int, flags: Flag) -> bytes:
    return struct.pack(">Q3xB", number, flags)


def _derive(key: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=purpose).derive(key)
