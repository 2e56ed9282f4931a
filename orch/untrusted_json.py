"""Reads untrusted JSON of any shape and depth, compressed or not.

Pure. For any bytes there is a value or an :class:`UnreadableError`: a branch must not end because a parser
raises RecursionError for 60,000 brackets, or fails at a lone surrogate.
"""

import json
import zlib
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")

_BOM: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b"
_ZLIB: Final = frozenset({b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"})


class UnreadableError(ValueError):
    """The data has no value of the expected kind. The text is the reason, without quoting the data."""

    def __init__(self, reason: str, *, is_json: bool = False) -> None:
        super().__init__(reason)
        self.is_json = is_json
        """``is_json``: it is JSON, but of another shape than expected."""


def read_document(data: bytes | bytearray | str, kind: type[T] | Any = Any) -> Any:
    """Return the JSON value in ``data`` as ``kind``; a leading byte order mark is ignored."""
    text = data.removeprefix("\ufeff") if isinstance(data, str) else bytes(data).removeprefix(_BOM)
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        if kind is Any:  # a number out of range: every other value fits Any
            return _read_leniently(text, error)
        raise UnreadableError(str(error), is_json=True) from None
    except RecursionError:
        raise UnreadableError("it is nested too deeply") from None
    except (msgspec.DecodeError, ValueError, OverflowError) as error:
        if kind is Any:
            return _read_leniently(text, error)
        raise UnreadableError(str(error)) from None


def _read_leniently(text: bytes | str, error: Exception) -> Any:
    """Also accept NaN and infinite numbers, which Python's ``json`` writes although JSON forbids them.

    Raises UnreadableError with the message of ``error``, the strict parser's.
    """
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate cannot be encoded
    except (ValueError, OverflowError, RecursionError):
        raise UnreadableError(str(error)) from None
    return value


def unpacked(data: bytes, *, limit: int) -> bytes:
    """Return a body decompressed, if it was compressed without being requested; else unchanged.

    Detected by its first bytes, which no JSON begins with, since servers also name wrong codings. Raises
    UnreadableError if it is corrupt or decompresses to more than ``limit`` bytes.
    """
    for _ in range(2):  # some proxies compress what is compressed already
        if data[:2] == _GZIP:
            data = _inflated(data, wbits=31, limit=limit)
        elif data[:2] in _ZLIB:
            data = _inflated(data, wbits=15, limit=limit)
        else:
            break
    return data


def _inflated(data: bytes, *, wbits: int, limit: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=wbits)
    try:
        text = unpacker.decompress(data, limit + 1)
    except zlib.error:
        raise UnreadableError("its compressed data is corrupt") from None
    if len(text) > limit:
        raise UnreadableError(f"it decompresses to more than {limit} bytes")
    if not unpacker.eof:
        raise UnreadableError("its compressed data is truncated")
    return text
