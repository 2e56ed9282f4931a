"""Recordings of several people's voices: tests/data/voices."""

from pathlib import Path
from typing import Final

import av
from av.audio.resampler import AudioResampler

VOICES: Final = Path(__file__).parents[1] / "data" / "voices"


def voices() -> dict[str, list[bytes]]:
    """Return each person's utterances: 16 kHz, mono, 16-bit."""
    found: dict[str, list[bytes]] = {}
    for path in sorted(VOICES.glob("*.opus")):
        found.setdefault(path.stem.rpartition("-")[0], []).append(decoded(path))
    return found


def decoded(path: Path) -> bytes:
    """Return a file's PCM."""
    resampler = AudioResampler(format="s16", layout="mono", rate=16_000)
    pcm = bytearray()
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                pcm += part.to_ndarray().tobytes()
    return bytes(pcm)
