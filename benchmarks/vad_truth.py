"""Speech of espeak-ng with exact truth: where it speaks, to the sample. For fitting and measuring the VAD.

The library reports the first sample of each phoneme. Passages of such sentences, with pauses, rooms,
microphones and noises, are what the VAD is fitted to (``fit_vad.py``) and, with other voices and seeds,
measured with (``audio_vad.py``). 16 kHz, mono, full scale 1.
"""

import ctypes
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import signal

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import audio_mixtures
from benchmarks.audio_mixtures import RATE, Samples

Truth = npt.NDArray[np.bool_]

GAP: Final = 0.2
"""Seconds: pauses that are shorter belong to the speech."""
TEXTS: Final = (
    *audio_mixtures.SENTENCES,
    *audio_mixtures.CROWD,
    "The weather tomorrow will be cold in the north, with some rain near the coast.",
    "Yes.",
    "No, thank you.",
    "Could you repeat the last number, please?",
    "Seven, four, nine, two, zero.",
    "First we talk about the budget; then we decide who writes the report.",
    "I think so.",
    "Good morning everybody, and welcome.",
    "His first thesis was about fish, physics, and the history of science.",
    "Open the window.",
    "What time is it?",
    "Stop!",
    "Perhaps half of them have heard of this house.",
    "Zebras, sharks and pigeons were painted on the wall of the chapel.",
    "We will now take a short break, and continue at a quarter past three.",
    "Thank you very much for your patience.",
)
LANGUAGES: Final = ("en-us", "en-gb-scotland", "en-gb-x-rp", "de", "fr", "es", "it")
VARIANTS: Final = (
    *(f"m{index}" for index in range(1, 8)),
    *(f"f{index}" for index in range(1, 6)),
    *("klatt", "klatt2", "klatt4", "croak", "steph", "linda", "grandma", "caleb", "edward", "adam"),
    *("max", "anika", "antonio", "belinda", "boris", "norbert", "pablo", "paul", "quincy", "robert"),
)
HELD_LANGUAGES: Final = ("pt", "nl", "pl", "en-us")
HELD_VARIANTS: Final = ("sandro", "travis", "michael", "marcelo", "henrique", "gustave", "diogo", "david")
"""Never fitted to."""

_RETRIEVAL, _PHONEMES, _PHONEME, _UTF8 = 1, 1, 7, 1
_SPEED, _PITCH, _RANGE = 1, 3, 4


class _Name(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Name),
    )


_CALLBACK: Final = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class Speaker:
    """The library of espeak-ng. The mutable state: what it has said of the present text."""

    def __init__(self) -> None:
        self._library: Any = ctypes.CDLL("libespeak-ng.so.1")
        self.rate: int = self._library.espeak_Initialize(_RETRIEVAL, 0, None, _PHONEMES)
        self._parts: list[npt.NDArray[np.int16]] = []
        self._events: list[tuple[int, bool]] = []
        self._callback = _CALLBACK(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type:
            if events[index].type == _PHONEME:
                name = bytes(events[index].id.string)
                self._events.append((events[index].sample, bool(name) and not name.startswith(b"_")))
            index += 1
        return 0

    def say(self, text: str, voice: str, pitch: int, speed: int, span: int) -> tuple[Samples, Truth]:
        """Return what a voice says, at ``rate``, full scale 1, and where it speaks. Pitch, span: 0 to 99."""
        self._parts, self._events = [], []
        if self._library.espeak_SetVoiceByName(voice.encode()):
            message = f"espeak-ng has no voice {voice}."
            raise LookupError(message)
        for name, value in ((_SPEED, speed), (_PITCH, pitch), (_RANGE, span)):
            self._library.espeak_SetParameter(name, value, 0)
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        samples = np.concatenate(self._parts) / 32768
        truth = np.zeros(len(samples), np.bool_)
        ends = [*(begin for begin, _ in self._events[1:]), len(samples)]
        for (begin, is_speech), end in zip(self._events, ends, strict=True):
            truth[begin:end] = is_speech
        return samples, truth


@cache
def speaker() -> Speaker:
    """Return the library: it can be started once a process."""
    return Speaker()


@dataclass(frozen=True, slots=True)
class Passage:
    """Sentences and pauses in a noise. ``truth``: of each sample, pauses up to :data:`GAP` closed."""

    noise: str
    ratio: float
    samples: npt.NDArray[np.float32]
    truth: Truth


def onset(seed: int) -> tuple[Samples, int]:
    """Return a sentence of a voice that nothing was fitted to, and its first sample, at 16 kHz."""
    random = np.random.default_rng((7, seed))
    samples, truth = _sentence(random, HELD_LANGUAGES, HELD_VARIANTS)
    rate = speaker().rate
    heard: Samples = signal.resample_poly(samples, RATE, rate)
    return heard, round(int(np.argmax(truth)) * RATE / rate)


def closed(truth: Truth, gap: int) -> Truth:
    """Return ``truth`` with gaps of at most ``gap`` values closed."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], truth.astype(np.int8), [0]))))
    out = truth.copy()
    for end, begin in zip(edges[1::2][:-1], edges[2::2], strict=True):
        if begin - end <= gap:
            out[end:begin] = True
    return out


def passages(
    seed: int, count: int, *, seconds: float, languages: Sequence[str], variants: Sequence[str]
) -> list[Passage]:
    """Return passages, the noises in turn, at -3 to 28 dB; one in seven is noise alone."""
    random = np.random.default_rng(seed)
    names = [*audio_mixtures.NOISES, "babble", "colour", "quiet", "knocks", "babble", "fan", "mixed"]
    found = []
    for index in range(count):
        speech, truth = _speech(random, seconds, languages, variants)
        name = names[index % len(names)]
        noise = _noise(random, name, len(speech), languages, variants)
        ratio = random.uniform(25, 45) if name == "quiet" else random.uniform(-3, 28)
        if random.random() < 1 / 7:
            speech, truth = np.zeros_like(speech), np.zeros_like(truth)
        else:
            speech /= np.sqrt(np.mean(speech[truth] ** 2))
        total = speech + _unit(noise) * 10 ** (-ratio / 20)
        room = _coloured(random, len(speech)) * _swell(random, len(speech), random.uniform(0, 3))
        faintness = random.uniform(17, 50) if random.random() < 0.75 else random.uniform(50, 100)
        total += room * 10 ** (-faintness / 20) + _breaths(random, len(speech))
        total = np.clip(total * 10 ** (random.normal(-26, 5) / 20), -1, 1)
        found.append(Passage(name, ratio, total.astype(np.float32), truth))
    return found


def alone(
    seed: int, count: int, *, seconds: float, languages: Sequence[str], variants: Sequence[str]
) -> list[Passage]:
    """Return passages of noise alone, three of eight of people who talk at the same time."""
    random = np.random.default_rng(seed)
    names = ("babble", "babble", "babble", "keyboard", "mixed", "fan", "knocks", "street")
    length = round(seconds * RATE)
    found = []
    for index in range(count):
        name = names[index % len(names)]
        total = _unit(_noise(random, name, length, languages, variants))
        total = total + _coloured(random, length) * 10 ** (-random.uniform(20, 60) / 20)
        total = np.clip(total * 10 ** (random.normal(-36, 6) / 20), -1, 1)
        found.append(Passage(name, 0.0, total.astype(np.float32), np.zeros(length, np.bool_)))
    return found


def _sentence(
    random: np.random.Generator, languages: Sequence[str], variants: Sequence[str]
) -> tuple[Samples, Truth]:
    voice = f"{random.choice(languages)}+{random.choice(variants)}"
    text = TEXTS[random.integers(len(TEXTS))]
    pitch, speed, span = random.integers((20, 120, 20), (80, 230, 80))
    samples, truth = speaker().say(text, voice, int(pitch), int(speed), int(span))
    return samples / np.sqrt(np.mean(samples[truth] ** 2)), truth


def _speech(
    random: np.random.Generator, seconds: float, languages: Sequence[str], variants: Sequence[str]
) -> tuple[Samples, Truth]:
    """Return sentences with pauses, in a room, through a microphone."""
    rate = speaker().rate
    samples, truth = np.zeros(round(seconds * rate)), np.zeros(round(seconds * rate), np.bool_)
    longest = 1.0 if random.random() < 0.5 else 4.0
    begin = int(random.uniform(0, 2.5) * rate)
    while True:
        spoken, where = _sentence(random, languages, variants)
        end = begin + len(spoken)
        if end > len(samples):
            break
        samples[begin:end] += spoken * 10 ** (random.normal(0, 2) / 20)
        truth[begin:end] |= where
        begin = end + int(random.uniform(0.1, longest) * rate)
    if not truth.any():  # the first sentence was too long
        return _speech(random, seconds, languages, variants)
    heard: Samples = signal.resample_poly(samples, RATE, rate)
    at = np.minimum((np.arange(len(heard)) * (rate / RATE)).astype(np.int64), len(truth) - 1)
    return _recorded(random, heard), closed(truth[at], round(GAP * RATE))


def _recorded(random: np.random.Generator, samples: Samples) -> Samples:
    count = len(samples)
    if random.random() < 0.6:
        length = random.uniform(0.1, 0.5)
        tail = random.normal(size=round(length * RATE))
        tail *= 10 ** (-3 * np.arange(len(tail)) / len(tail))
        tail = _unit(tail) / np.sqrt(len(tail)) * 10 ** (-random.uniform(3, 15) / 20)
        tail[0] = 1
        samples = signal.fftconvolve(samples, tail)[:count]
    gains = 10 ** (random.normal(0, 3, 6) / 20)
    samples = np.convolve(samples, signal.firwin2(129, [0, 0.05, 0.15, 0.3, 0.6, 1], gains), "same")
    if random.random() < 0.3:
        edge = random.uniform(100, 300)
        samples = signal.sosfilt(signal.butter(2, edge, "high", fs=RATE, output="sos"), samples)
    if random.random() < 0.15:
        samples = signal.sosfilt(signal.butter(6, 3600, "low", fs=RATE, output="sos"), samples)
    return samples


def _noise(
    random: np.random.Generator, name: str, count: int, languages: Sequence[str], variants: Sequence[str]
) -> Samples:
    if name == "babble":
        return _crowd(random, count, languages, variants)
    if name == "colour":
        return _coloured(random, count) * _swell(random, count, random.uniform(0, 4))
    if name == "quiet":
        return audio_mixtures.pink(count, int(random.integers(1 << 30)))
    if name == "knocks":
        return _knocks(random, count)
    if name == "mixed":
        one, other = random.choice(sorted(audio_mixtures.NOISES), 2, replace=False)
        seeds = random.integers(1 << 30, size=2)
        return audio_mixtures.NOISES[one](count, int(seeds[0])) + random.uniform(
            0.3, 1
        ) * audio_mixtures.NOISES[other](count, int(seeds[1]))
    return audio_mixtures.NOISES[name](count, int(random.integers(1 << 30)))


def _crowd(
    random: np.random.Generator, count: int, languages: Sequence[str], variants: Sequence[str]
) -> Samples:
    """Return four to nine people who talk without a pause: other voices than those of the mixtures."""
    rate = speaker().rate
    total = np.zeros(count)
    for _ in range(random.integers(4, 10)):
        parts: list[Samples] = []
        while sum(map(len, parts)) * RATE < count * rate:
            parts.append(_sentence(random, languages, variants)[0])
        voice = signal.resample_poly(np.concatenate(parts), RATE, rate)
        total += np.roll(voice, int(random.integers(len(voice))))[:count] * 10 ** (random.uniform(-3, 3) / 20)
    return total


def _coloured(random: np.random.Generator, count: int) -> Samples:
    """Return steady noise of a random spectrum with an RMS of 1."""
    octaves = np.log2(np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20))
    falls = random.normal(0, 6, 7) - np.arange(7) * random.uniform(0, 6)
    gains = 10 ** (np.interp(octaves, np.linspace(4.3, 13, 7), falls) / 20)
    return _unit(np.fft.irfft(np.fft.rfft(random.normal(size=count)) * gains, count))


def _swell(random: np.random.Generator, count: int, deviation: float) -> Samples:
    """Return a gain that wanders, with a deviation in dB."""
    steps = max(2, int(count / RATE * random.uniform(0.3, 4)))
    wander: Samples = np.interp(
        np.linspace(0, steps - 1, count), np.arange(steps), random.normal(0, deviation, steps)
    )
    return 10 ** (wander / 20)


def _breaths(random: np.random.Generator, count: int) -> Samples:
    """Return bursts of noise that are no speech: breaths, chairs, paper."""
    total = np.zeros(count)
    for _ in range(random.poisson(count / RATE * random.choice((0, 0.2, 0.6)))):
        begin = int(random.integers(count - 1000))
        length = min(int(random.uniform(0.03, 0.6) * RATE), count - begin)
        burst = _coloured(random, length + 512)[:length]
        burst *= np.sin(np.pi * np.linspace(0, 1, length)) ** random.uniform(0.3, 2)
        total[begin : begin + length] += burst * 10 ** (-random.uniform(10, 28) / 20)
    return total


def _knocks(random: np.random.Generator, count: int) -> Samples:
    """Return short sounds in stillness: clicks, keys, knocks and drops, once to ten times a second."""
    total = np.zeros(count + RATE)
    pause, longest = random.uniform(0.1, 1), random.choice((0.001, 0.02, 0.1))
    is_regular = random.random() < 0.5
    begin = 0.0
    while (begin := begin + pause * (1 if is_regular else random.uniform(0.3, 1.7))) < count / RATE:
        length = max(2, round(random.uniform(0.2, 1) * longest * RATE))
        at = np.arange(5 * length)
        stroke = random.normal(size=len(at)) * np.exp(-at / length)
        if random.random() < 0.3:
            stroke = np.sin(2 * np.pi * random.uniform(100, 3000) / RATE * at) * np.exp(-at / length)
        first = int(begin * RATE)
        total[first : first + len(at)] += random.uniform(0.3, 1) * stroke[: len(total) - first]
    return total[:count]


def _unit(samples: Samples) -> Samples:
    unit: Samples = samples / np.sqrt(np.mean(samples**2) + 1e-20)
    return unit
