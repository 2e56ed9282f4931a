"""The test speech: "unless to be rather", a second of the recording that back ends are tested with."""

import wave
from collections.abc import Iterator
from importlib.resources import files
from typing import Final

RATE: Final = 16_000
BLOCK_SECONDS: Final = 0.04
BLOCK_BYTES: Final = round(BLOCK_SECONDS * RATE) * 2
BEGIN: Final = 0.2  # s, where the words begin in the recording
SECONDS: Final = 1.04

_SILENCE: Final = bytes(BLOCK_BYTES)


def read_speech() -> tuple[bytes, ...]:
    """Return the speech in blocks as a microphone gives them: 16-bit mono PCM of :data:`RATE`."""
    with files("orch.speech").joinpath("sample.wav").open("rb") as file, wave.open(file) as reader:
        reader.setpos(round(BEGIN * RATE))
        pcm = reader.readframes(round(SECONDS * RATE))
    return tuple(pcm[at : at + BLOCK_BYTES] for at in range(0, len(pcm), BLOCK_BYTES))


def as_spoken(speech: tuple[bytes, ...]) -> Iterator[bytes]:
    """Yield the speech, then the silence of somebody who waits, without end."""
    yield from speech
    while True:
        yield _SILENCE
