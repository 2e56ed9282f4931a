"""The fuzzers find nothing in a few hundred inputs; `make fuzz` gives them ten minutes each."""

from random import Random

from benchmarks import fuzz_frames, fuzz_http1


def test_http_reads_as_h11_does() -> None:
    """And the inputs lead to many outcomes, or nothing was tried."""
    fuzzer = fuzz_http1.Fuzzer(Random(1))
    for _ in range(500):
        fuzzer.try_one(fuzzer.input())
    assert len(fuzzer.outcomes) > 50


def test_frames_read_as_wsproto_does() -> None:
    """And every verdict is among them."""
    fuzzer = fuzz_frames.Fuzzer(Random(1))
    assert {fuzzer.try_one(fuzzer.conversation()) for _ in range(500)} == {None, 1002, 1007, 1009}


def test_compressed_messages_read_like_uncompressed_ones() -> None:
    """And every verdict is among them, once it is broken."""
    fuzzer = fuzz_frames.Fuzzer(Random(1))
    assert {fuzzer.try_twins(*fuzzer.twins()) for _ in range(500)} == {None, 1002, 1007, 1009}
