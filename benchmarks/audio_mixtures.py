"""Speech, noises and mixtures of both, for the benchmarks of the audio pipeline. 16 kHz, mono, full scale 1.

Speech: the clips of ``tests/data/speech`` and sentences of espeak-ng, all scaled to the same active level.
Seven noises, each a function of the number of samples and a seed; the same seed gives the same sound.
Mixtures begin with :data:`LEAD` seconds of noise alone, as a microphone that is opened before someone speaks.
"""

import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import signal

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.fakes.sounds import CLIPS, clip

Samples = npt.NDArray[np.float64]

RATE: Final = 16_000
ACTIVE_LEVEL: Final = -26.0
"""dBFS: the RMS of the frames of speech. Telephony's usual test level (ITU-T P.56, P.862)."""
LEAD: Final = 0.5
"""Seconds of noise before the speech."""
RATIOS: Final = (-5, 0, 5, 10, 15, 20)
"""Active level of the speech over the RMS of the noise, dB."""

TEXTS: Final = (
    (
        "and mister john dashwood had then leisure to consider how much there might be prudently in his "
        "power to do for them"
    ),
    "unless to be rather cold hearted and rather selfish is to be ill disposed",
    "had he married a more amiable woman he might have been made still more respectable than he was",
)
"""What is spoken in the clips."""

SENTENCES: Final = (
    "The committee will meet again on Thursday, and the minutes of this meeting will be sent to everyone.",
    "Please speak slowly: sixteen people are listening, and each of them reads another language.",
    "She asked whether the shipment had passed the customs office, which it had, three weeks before.",
)
"""What espeak-ng says."""
VOICES: Final = (("en-us", 45, 150), ("en-gb+f3", 60, 165), ("en-gb-scotland", 35, 140))
"""For each sentence: voice, pitch (0-99) and words a minute."""

CROWD: Final = (
    "Well, the train was late, so we walked along the river and talked about the summer.",
    "No, I never said that. What I said was that nobody had paid for the second round.",
    "My sister bought a house by the sea, with a small garden and eleven apple trees.",
    "You take the eggs, beat them with sugar, and then you add the flour little by little.",
    "They have changed the timetable, they have changed the prices, and now there is no bus.",
    "If it rains on Sunday we could go to the museum, or simply stay at home and read.",
)
"""What the voices of the babble say."""
CROWD_VOICES: Final = ("en-us", "en-gb+f2", "en-gb-scotland+m3", "en-us+f4", "en-gb+m7", "en-us+m2")


@dataclass(frozen=True, slots=True)
class Speech:
    """Clean speech and its text."""

    name: str
    samples: Samples
    text: str


def level_db(samples: Samples) -> float:
    """Return the active level in dBFS: the RMS of the 20-ms frames that are within 25 dB of the loudest.

    This is near what ITU-T P.56 measures, and needs no time constant.
    """
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    powers = np.mean(frames**2, axis=1)
    return float(10 * np.log10(np.mean(powers[powers > powers.max() * 10**-2.5])))


def scaled(samples: Samples, level: float = ACTIVE_LEVEL) -> Samples:
    """Return speech at an active level in dBFS."""
    return samples * float(10 ** ((level - level_db(samples)) / 20))


@cache
def spoken(text: str, voice: str = "en-us", pitch: int = 50, speed: int = 160) -> Samples:
    """Return what espeak-ng says, at 16 kHz; its pauses are digital silence. Read-only."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "-w", str(path), text]
        subprocess.run(command, check=True, capture_output=True)
        with wave.open(str(path)) as file:
            rate = file.getframerate()
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    resampled: Samples = signal.resample_poly(samples, RATE, rate)
    resampled.flags.writeable = False
    return resampled


def clips() -> list[Speech]:
    """Return the clips of a reader."""
    return [Speech(name, scaled(clip(name) / 32768), text) for name, text in zip(CLIPS, TEXTS, strict=True)]


def sentences() -> list[Speech]:
    """Return sentences of espeak-ng, each in another voice."""
    return [
        Speech(f"espeak-{voice}", scaled(spoken(text, voice, pitch, speed)), text)
        for text, (voice, pitch, speed) in zip(SENTENCES, VOICES, strict=True)
    ]


def white(count: int, seed: int) -> Samples:
    """Return white noise."""
    return _unit(np.random.default_rng(seed).normal(size=count))


def pink(count: int, seed: int) -> Samples:
    """Return noise whose power is inverse to the frequency, from 20 Hz."""
    return _unit(_coloured(count, np.random.default_rng(seed), lambda hertz: 1 / np.maximum(hertz, 20)))


def hum(count: int, seed: int) -> Samples:
    """Return mains hum, of 50 or 60 Hz, 20 falling harmonics of random phases, and a hiss 40 dB below."""
    random = np.random.default_rng(seed)
    fundamental = random.choice((50.0, 60.0)) * (1 + random.uniform(-2e-3, 2e-3))
    at = np.arange(count) / RATE
    total = np.zeros(count)
    for harmonic in range(1, 21):
        amplitude = random.uniform(0.5, 1) / harmonic**1.2
        total += amplitude * np.sin(2 * np.pi * (fundamental * harmonic * at + random.uniform()))
    return _unit(_unit(total) + 0.01 * random.normal(size=count))


def fan(count: int, seed: int) -> Samples:
    """Return a fan: air, 12 dB an octave less above 500 Hz, swelling as it turns, and its blades' tone."""
    random = np.random.default_rng(seed)
    at = np.arange(count) / RATE
    turns = random.uniform(18, 28)
    air = _unit(_coloured(count, random, lambda hertz: 1 / (1 + (hertz / 500) ** 4) + 1e-4))
    air *= 1 + 0.15 * np.sin(2 * np.pi * (turns * at + random.uniform()))
    tones = np.zeros(count)
    for harmonic in range(1, 6):
        tones += np.sin(2 * np.pi * (5 * turns * harmonic * at + random.uniform())) / harmonic**1.5
    return _unit(air + 0.5 * _unit(tones))


def babble(count: int, seed: int) -> Samples:
    """Return six people who talk at the same time."""
    random = np.random.default_rng(seed)
    total = np.zeros(count)
    for index, voice in enumerate(CROWD_VOICES):
        texts = [CROWD[(index + turn) % len(CROWD)] for turn in range(2)]
        voiced = scaled(spoken(" ".join(texts), voice, 30 + 8 * index, 150 + 6 * index))
        repeated = np.tile(voiced, count // len(voiced) + 2)
        begin = int(random.integers(len(voiced)))
        total += repeated[begin : begin + count] * 10 ** (random.uniform(-3, 3) / 20)
    return _unit(total)


def street(count: int, seed: int) -> Samples:
    """Return a street: a rumble, and cars, whose tyres hiss from 300 to 2500 Hz for seconds as they pass."""
    random = np.random.default_rng(seed)
    at = np.arange(count) / RATE
    total = _unit(_coloured(count, random, lambda hertz: 1 / np.maximum(hertz, 30) ** 1.5))
    for _ in range(max(1, count // (4 * RATE))):
        centre, width = random.uniform(0, count / RATE), random.uniform(0.8, 2.0)
        hiss = _unit(
            _coloured(
                count, random, lambda hertz: 1 / (1 + (300 / np.maximum(hertz, 1)) ** 4 + (hertz / 2500) ** 4)
            )
        )
        total += random.uniform(0.4, 1.0) * hiss / (1 + ((at - centre) / width) ** 2)
    return _unit(total)


def keyboard(count: int, seed: int) -> Samples:
    """Return typing: about six keys a second, each a loud stroke and a softer release, in a quiet room."""
    random = np.random.default_rng(seed)
    total = np.zeros(count + RATE)
    begin = 0.0
    while (begin := begin + random.gamma(4, 0.04)) < count / RATE:
        loudness = random.uniform(0.4, 1)
        for delay, gain in ((0.0, 1.0), (random.uniform(0.06, 0.11), 0.35)):
            _add_stroke(total, round((begin + delay) * RATE), gain * loudness, random)
    return _unit(_unit(total[:count]) + 0.02 * pink(count, seed + 1))


def _add_stroke(total: Samples, begin: int, gain: float, random: np.random.Generator) -> None:
    """Add a click, of a band around 2 to 5 kHz, and the low thud of the table."""
    length = round(0.03 * RATE)
    at = np.arange(length) / RATE
    band = signal.butter(
        2, [random.uniform(1_500, 2_500), random.uniform(4_000, 6_500)], "band", fs=RATE, output="sos"
    )
    click = signal.sosfilt(band, random.normal(size=length)) * np.exp(-at / random.uniform(0.002, 0.006))
    thud = np.sin(2 * np.pi * random.uniform(120, 250) * at) * np.exp(-at / 0.008)
    total[begin : begin + length] += gain * (click + 0.3 * thud)


NOISES: Final[dict[str, Callable[[int, int], Samples]]] = {
    "white": white,
    "pink": pink,
    "hum": hum,
    "fan": fan,
    "babble": babble,
    "street": street,
    "keyboard": keyboard,
}
"""Each returns ``count`` samples with an RMS of 1."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """Speech in noise. ``clean`` and ``noisy`` are as long, and both begin with the lead."""

    name: str
    noise: str
    ratio: float
    clean: Samples
    noisy: Samples
    text: str


def mixture(speech: Speech, noise: str, ratio: float, seed: int = 1, lead: float = LEAD) -> Mixture:
    """Return speech in noise ``ratio`` dB below the active level of the speech, clipped at full scale."""
    clean = np.concatenate((np.zeros(round(lead * RATE)), speech.samples))
    gain = float(10 ** ((level_db(speech.samples) - ratio) / 20))
    noisy = np.clip(clean + gain * NOISES[noise](len(clean), seed), -1, 1)
    return Mixture(speech.name, noise, ratio, clean, noisy, speech.text)


def _unit(samples: Samples) -> Samples:
    unit: Samples = samples / float(np.sqrt(np.mean(samples**2)))
    return unit


def _coloured(count: int, random: np.random.Generator, power: Callable[[Samples], Samples]) -> Samples:
    """Return noise with a spectrum of power, a function of the frequency in Hz."""
    spectrum = np.fft.rfft(random.normal(size=count)) * np.sqrt(
        power(np.asarray(np.fft.rfftfreq(count, 1 / RATE), np.float64))
    )
    spectrum[0] = 0
    coloured: Samples = np.fft.irfft(spectrum, count)
    return coloured
