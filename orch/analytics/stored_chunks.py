"""Chunks of series as documents of the store. Pure.

A document has the series' figures, and their values as the ring has them: 16-bit codes, compressed. What
comes from a store is not trusted: sizes, numbers and names are checked before anything is allocated.
"""

import zlib
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from orch.analytics.ring import Chunk, Codes, Floats, Matrix, Resolution, decode, encode
from orch.analytics.series import MOST, Figure

VERSION: Final = 1
LARGEST: Final = 4_000_000
"""Bytes of a document at most; 500 series of values that cannot be compressed take 0.5 MB."""


class UnreadableChunkError(Exception):
    """A document is not one that this version has stored."""


class _Stored(Struct, frozen=True):
    version: int
    number: int
    slots: int
    figures: list[Figure]
    scales: bytes
    codes: bytes
    high_scales: bytes = b""
    high_codes: bytes = b""


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Stored)


def pack(figures: tuple[Figure, ...], chunk: Chunk) -> bytes:
    """Return a document. It takes milliseconds a hundred series: not on the event loop."""
    codes, scales = encode(chunk.values, np.uint16)
    high_scales = high_codes = b""
    if chunk.highs is not None:
        highs, of_highs = encode(chunk.highs, np.uint8)
        high_scales, high_codes = of_highs.tobytes(), zlib.compress(highs.tobytes(), 6)
    return _encoder.encode(
        _Stored(
            version=VERSION,
            number=chunk.number,
            slots=len(chunk.values),
            figures=list(figures),
            scales=scales.tobytes(),
            codes=zlib.compress(codes.tobytes(), 6),
            high_scales=high_scales,
            high_codes=high_codes,
        )
    )


def unpack(body: bytes, resolution: Resolution) -> tuple[tuple[Figure, ...], Chunk]:
    """Return what :func:`pack` was given. Raises :class:`UnreadableChunkError`."""
    if len(body) > LARGEST:
        raise UnreadableChunkError(f"{len(body)} bytes")
    try:
        stored = _decoder.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise UnreadableChunkError(str(error)) from error
    if stored.version != VERSION or stored.slots != resolution.chunk or not 0 <= stored.number < 2**40:
        raise UnreadableChunkError(f"version {stored.version}, {stored.slots} slots, number {stored.number}")
    if len(stored.figures) > MOST or len({each.key for each in stored.figures}) < len(stored.figures):
        raise UnreadableChunkError(f"{len(stored.figures)} series, or one of them twice")
    rows = len(stored.figures)
    values = _values(stored.codes, stored.scales, rows, resolution.chunk, np.uint16)
    highs = None
    if resolution.peaks and stored.high_codes:
        highs = _values(stored.high_codes, stored.high_scales, rows, resolution.chunk, np.uint8)
    return tuple(stored.figures), Chunk(number=stored.number, values=values, highs=highs)


def _values(packed: bytes, scales: bytes, rows: int, slots: int, kind: type[np.uint16 | np.uint8]) -> Matrix:
    size = rows * slots * np.dtype(kind).itemsize
    inflating = zlib.decompressobj()
    try:
        raw = inflating.decompress(packed, size + 1)
    except zlib.error as error:
        raise UnreadableChunkError(str(error)) from error
    if len(raw) != size or len(scales) != 2 * rows * 8:
        raise UnreadableChunkError(f"{len(raw)} bytes of values, {len(scales)} of scales for {rows} series")
    codes: Codes = np.frombuffer(raw, kind).reshape(rows, slots)
    known: Floats = np.frombuffer(scales, np.float64).reshape(2, rows)
    if not np.isfinite(known).all():
        raise UnreadableChunkError("a scale that is no number")
    return decode(codes, known)
