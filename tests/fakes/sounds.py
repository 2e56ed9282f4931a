"""Sounds for tests: the real clips, and what microphones hear besides speech. 16-bit mono."""

import wave
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

SPEECH: Final = Path(__file__).parents[1] / "data" / "speech"
CLIPS: Final = ("austen-0870", "austen-0890", "austen-0920")

Samples = npt.NDArray[np.float64]


def clip(name: str) -> Samples:
    """Return a clip's samples at 16 kHz, full scale 32768."""
    with wave.open(str(SPEECH / f"{name}.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64)


def silence(seconds: float, rate: int = 16_000) -> Samples:
    """Return digital silence."""
    return np.zeros(round(seconds * rate))


def noise(seconds: float, level_db: float, rate: int = 16_000, seed: int = 1) -> Samples:
    """Return white noise of an RMS level in dB of full scale."""
    return np.random.default_rng(seed).normal(0, 32768 * 10 ** (level_db / 20), round(seconds * rate))


def pink(seconds: float, level_db: float, rate: int = 16_000, seed: int = 1) -> Samples:
    """Return noise whose power falls with the frequency, as that of streets and rooms does; RMS in dB."""
    count = round(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(count, 1 / rate), 20))
    spectrum[0] = 0
    x: Samples = np.fft.irfft(spectrum, count)
    return x * float(32768 * 10 ** (level_db / 20) / np.sqrt(np.mean(x**2)))


def hum(seconds: float, frequency: float, rate: int = 16_000) -> Samples:
    """Return mains hum: five harmonics, falling."""
    at = np.arange(round(seconds * rate)) / rate
    total: Samples = np.zeros(len(at))
    for harmonic in range(1, 6):
        total += 3000 * np.sin(2 * np.pi * frequency * harmonic * at) / harmonic
    return total


def clicks(seconds: float, every: float, rate: int = 16_000) -> Samples:
    """Return full-scale clicks of two samples."""
    x = silence(seconds, rate)
    step = round(every * rate)
    x[step::step] = 30_000
    x[step + 1 :: step] = -30_000
    return x


def typing(seconds: float, rate: int = 16_000) -> Samples:
    """Return bursts of decaying noise, as keys make them: 25 ms, seven a second."""
    x = silence(seconds, rate)
    random = np.random.default_rng(2)
    length = round(0.025 * rate)
    for begin in range(0, len(x) - length, round(0.15 * rate)):
        x[begin : begin + length] += random.normal(0, 5000, length) * np.exp(
            -np.arange(length) / (length / 5)
        )
    return x


def voice(seconds: float, rate: int = 16_000, frequency: float = 140) -> Samples:
    """Return what repeats and swells like speech: a falling harmonic tone, four syllables a second."""
    at = np.arange(round(seconds * rate)) / rate
    swell = 0.02 + 0.98 * np.abs(np.sin(2 * np.pi * 2 * at + 0.5))
    total: Samples = np.zeros(len(at))
    for harmonic in range(1, 12):
        total += np.sin(2 * np.pi * frequency * harmonic * at) / harmonic
    return 4000 * swell * total


def pcm(*parts: Samples) -> bytes:
    """Return the parts one after the other, as 16-bit little-endian bytes."""
    whole = np.concatenate(parts) if parts else np.zeros(0)
    return np.clip(np.rint(whole), -32768, 32767).astype("<i2").tobytes()
