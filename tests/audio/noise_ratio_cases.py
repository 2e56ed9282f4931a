"""Sounds whose ratio of speech to noise is estimated by the service and by the browser: the same numbers.

Each case says how its sound is made, so that both make it: noise from a linear congruential generator,
harmonics with syllables as speech, and a decay after it as a room has one. ``scripts/golden_vectors.py``
writes the file with what :mod:`orch.audio.snr` finds.
"""

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct, json

from orch.audio.snr import NoiseRatio, NoiseRatioMeter
from orch.audio.stages.stage import Activity

FILE: Final = Path(__file__).parents[1] / "data" / "audio" / "noise-ratio.json"
PITCH: Final = 140.0
HARMONICS: Final = 12
SYLLABLES: Final = 4.0
"""A second."""
BLOCK: Final = 500
"""Samples: what is unknown around the moment from which the activity is known depends on it."""


class Case(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a sound is made.

    ``noise``: its highest magnitude; ``swell``: how often a second it swells; ``speech``: from and until,
    seconds; ``depth``: of its syllables, 0.5: down to nothing; ``decay``: its time constant after each;
    ``hang``: so long after each its activity is still speech; ``activity_from``: the second from which the
    activity is known, None: never.
    """

    name: str
    sample_rate: int = 16_000
    seconds: float = 5.0
    noise: float = 0.02
    swell: float = 0.0
    speech: tuple[tuple[float, float], ...] = ((1.0, 2.2), (3.0, 4.1))
    loud: float = 0.1
    depth: float = 0.5
    decay: float = 0.02
    hang: float = 0.0
    activity_from: float | None = None


class Found(Struct, frozen=True):
    """What is found of a case."""

    snr_db: float | None
    noise_floor_db: float | None
    confidence: float
    reason: str | None


CASES: Final = (
    Case(name="speech in steady noise"),
    Case(name="the same with its activity", activity_from=0.0),
    Case(name="loud noise", noise=0.08),
    Case(name="louder noise", noise=0.2),
    Case(name="faint noise", noise=0.001),
    Case(name="noise that swells", swell=1.3),
    Case(name="noise that swells, with activity", swell=1.3, activity_from=0.0),
    Case(
        name="a room that decays",
        noise=0.0005,
        depth=0.3,
        decay=0.1,
        seconds=4.2,
        speech=((0.3, 1.5), (2.5, 4.0)),
    ),
    Case(
        name="a room that decays, with activity",
        noise=0.0005,
        depth=0.3,
        decay=0.1,
        hang=0.6,
        seconds=4.2,
        speech=((0.3, 1.5), (2.5, 4.0)),
        activity_from=0.0,
    ),
    Case(
        name="activity that begins later",
        noise=0.0005,
        depth=0.3,
        decay=0.1,
        hang=0.6,
        seconds=4.2,
        speech=((0.3, 1.5), (2.5, 4.0)),
        activity_from=0.503,
    ),
    Case(name="noise alone", speech=()),
    Case(name="nothing", noise=0.0, speech=()),
    Case(name="half a second", seconds=0.5, speech=((0.1, 0.4),)),
    Case(name="8 kHz", sample_rate=8_000),
    Case(name="22.05 kHz", sample_rate=22_050, seconds=3.0, speech=((1.0, 2.0),)),
    Case(name="44.1 kHz", sample_rate=44_100, seconds=3.0, speech=((1.0, 2.0),)),
    Case(name="48 kHz", sample_rate=48_000, seconds=3.0, speech=((1.0, 2.0),)),
)


def sound(case: Case) -> npt.NDArray[np.float64]:
    """Return the samples of a case."""
    count = round(case.seconds * case.sample_rate)
    time = np.arange(count) / case.sample_rate
    values = np.empty(count)
    state = 1
    for index in range(count):
        state = (1_664_525 * state + 1_013_904_223) % 2**32
        values[index] = state / 2**31 - 1
    values *= case.noise
    if case.swell:
        values *= (0.5 - 0.5 * np.cos(2 * np.pi * case.swell * time)) ** 2 + 0.01
    envelope = np.zeros(count)
    for begin, end in case.speech:
        inside = (time >= begin) & (time < end)
        envelope[inside] = 1 - case.depth - case.depth * np.cos(2 * np.pi * SYLLABLES * time[inside])
        after = time >= end
        envelope[after] = np.maximum(envelope[after], 0.7 * np.exp(-(time[after] - end) / case.decay))
    voice = np.zeros(count)
    for n in range(1, HARMONICS + 1):
        voice += np.sin(2 * np.pi * PITCH * n * time) / n
    whole: npt.NDArray[np.float64] = values + case.loud * envelope * voice
    return whole


def activity(case: Case) -> Activity | None:
    """Return the whole voice activity of a case: known from its beginning or later, or None."""
    if case.activity_from is None:
        return None
    time = np.arange(round(case.seconds * case.sample_rate)) / case.sample_rate
    speech = np.zeros(len(time), np.bool_)
    for begin, end in case.speech:
        speech |= (time >= begin) & (time < end + case.hang)
    return Activity(np.where(speech, 0.9, 0.1).astype(np.float32), speech)


@cache
def found(case: Case) -> Found:
    """Return what is found of a case today."""
    samples, known = sound(case), activity(case)
    meter = NoiseRatioMeter(case.sample_rate)
    begin = round((case.activity_from or 0.0) * case.sample_rate)
    if begin:
        meter.add(samples[:begin])
    for at in range(begin, len(samples), BLOCK):
        part = slice(at, at + BLOCK)
        meter.add(samples[part], known and Activity(known.confidence[part], known.speech[part]))
    ratio: NoiseRatio = meter.result()
    return Found(ratio.snr_db, ratio.noise_floor_db, ratio.confidence, ratio.reason)


def document() -> bytes:
    """Return the file."""
    cases = [{"case": case, "found": found(case)} for case in CASES]
    return json.format(json.encode(cases), indent=1) + b"\n"
