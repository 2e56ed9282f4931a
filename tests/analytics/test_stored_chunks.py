"""Chunks as documents: the same after reading, and nothing from a store is trusted."""

import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.analytics.ring import Chunk
from orch.analytics.series import RESOLUTIONS, Figure
from orch.analytics.stored_chunks import LARGEST, UnreadableChunkError, pack, unpack

FINE, _, COARSE = RESOLUTIONS
FIGURES = (
    Figure(name="a", title="A", area="test", subject='quo"te\n' + "x" * 10_000),
    Figure(name="b", title="B", area="test", unit="ms"),
)


def chunk(number: int = 5, *, slots: int = COARSE.chunk, peaks: bool = True) -> Chunk:
    values = np.random.default_rng(1).normal(100, 10, (slots, 2)).astype(np.float32)
    values[3:9, 0] = np.nan
    return Chunk(number=number, values=values, highs=values + 1 if peaks else None)


def test_a_chunk_is_the_same_after_reading() -> None:
    stored = chunk()
    figures, found = unpack(pack(FIGURES, stored), COARSE)
    assert figures == FIGURES
    assert found.number == 5
    np.testing.assert_allclose(found.values, stored.values, atol=1e-3)
    assert found.highs is not None
    assert stored.highs is not None
    assert (found.highs >= stored.highs - 1e-3)[np.isfinite(stored.highs)].all()


def test_a_chunk_of_another_resolution_is_refused() -> None:
    with pytest.raises(UnreadableChunkError, match="288 slots"):
        unpack(pack(FIGURES, chunk()), FINE)


def altered(**fields: object) -> bytes:
    return msgspec.msgpack.encode(msgspec.msgpack.decode(pack(FIGURES, chunk())) | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 2},
        {"number": -1},
        {"slots": 10**9},
        {"figures": []},
        {"scales": b""},
        {"scales": np.full(4, np.nan).tobytes()},
        {"codes": b"no zlib"},
        {"codes": zlib.compress(b"\0" * 30_000_000)},
        {"high_codes": zlib.compress(b"\0")},
        {"figures": [{"name": "a", "title": "", "area": ""}] * 2},
        {"figures": [{"name": str(n), "title": "", "area": ""} for n in range(501)]},
    ],
    ids=str,
)
def test_a_document_that_was_changed_is_refused(fields: dict[str, object]) -> None:
    """Before memory is taken for it: what is packed may claim any size."""
    with pytest.raises(UnreadableChunkError):
        unpack(altered(**fields), COARSE)


def test_scales_of_any_size_make_no_infinity() -> None:
    _, found = unpack(altered(scales=np.full(4, 1e300).tobytes()), COARSE)
    assert not np.isinf(found.values).any()


@given(st.binary(max_size=300))
@settings(max_examples=100)
def test_bytes_that_are_no_document_are_refused(body: bytes) -> None:
    with pytest.raises(UnreadableChunkError):
        unpack(body, COARSE)


def test_a_document_that_is_too_large_is_refused() -> None:
    with pytest.raises(UnreadableChunkError, match="bytes"):
        unpack(b"\0" * (LARGEST + 1), COARSE)
