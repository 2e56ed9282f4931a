import io
import wave

import pytest

from orch.audio.wav import canonical_pcm, wav


def test_a_wav_file_holds_exactly_the_samples() -> None:
    """Python's own reader gives back rate, width, channels and every byte."""
    pcm = bytes(range(200))
    with wave.open(io.BytesIO(wav(pcm, 16_000))) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (16_000, 2, 1)
        assert file.readframes(file.getnframes()) == pcm


PCM = bytes(range(200))
FILE = wav(PCM, 16_000)


def test_a_converted_recording_is_read_without_a_decoder() -> None:
    assert canonical_pcm(FILE, 16_000) == PCM


@pytest.mark.parametrize(
    "other",
    [
        b"",
        FILE[:43],
        FILE[:44],
        FILE[:-2],
        FILE + b"\0\0",
        FILE[:-1],
        wav(PCM, 8_000),
        wav(b"", 16_000),
        wav(PCM + b"\0", 16_000),
        b"RIFX" + FILE[4:],
        FILE[:22] + b"\2\0" + FILE[24:],
        FILE[:34] + b"\x08\0" + FILE[36:],
        FILE[:40] + b"\xff\xff\xff\xff" + FILE[44:],
        b"fLaC" + FILE,
    ],
    ids=[
        "nothing",
        "half-head",
        "head",
        "cut",
        "more",
        "half-sample",
        "other-rate",
        "empty",
        "odd",
        "big-endian",
        "two-channels",
        "8-bit",
        "unknown-length",
        "behind-something",
    ],
)
def test_every_other_file_is_for_a_decoder(other: bytes) -> None:
    """Cut, longer than declared, at another rate, with other samples: nothing is guessed."""
    assert canonical_pcm(other, 16_000) is None
