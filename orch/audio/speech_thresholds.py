"""The fixed parameters of finding speech in a stream. Pure.

The configurable parameters (``vad`` in the settings) are in :class:`orch.settings.Vad`, with their limits and
defaults: settings are decoded and shown without the audio area. Here are the fixed parameters of human speech
and of the algorithms in ``segmenter.py`` and ``voice_activity.py``.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Eagerness:
    """A row of the table: ``onset``, ``release``: dB above the noise; ``voiced`` ms at the onset."""

    onset: float
    release: float
    voiced: int


AGGRESSIVENESS: Final = (
    Eagerness(onset=7.5, release=5.5, voiced=0),  # nothing else tells noise from speech here
    Eagerness(onset=7.5, release=4.5, voiced=20),
    Eagerness(onset=7.5, release=4.7, voiced=40),
    Eagerness(onset=9.0, release=5.3, voiced=80),
)


@dataclass(frozen=True, slots=True)
class Probabilities:
    """A row of the table for models: probabilities of speech at which it begins and goes on."""

    onset: float
    release: float


MODEL_THRESHOLDS: Final = (
    Probabilities(onset=0.3, release=0.2),
    Probabilities(onset=0.4, release=0.25),
    Probabilities(onset=0.5, release=0.35),  # Silero's own
    Probabilities(onset=0.7, release=0.5),
)

PRE_ROLL: Final = 0.3  # s; a plosive with its closure, or a breathed h, fits
TAIL: Final = 0.1  # s; a final stop's release follows its closure by less
STILL_ROOM: Final = (
    6.0  # times the floor: 16 dB above it is speech, not noise, if it passes the onset's tests
)
STILL_SHARE: Final = 0.3  # of energy_threshold: who sets it keeps a say of 10 dB
RELEASE_SHARE: Final = 0.4  # of energy_threshold: 8 dB, the fall from a vowel to an unstressed ending
FLOOR_SECONDS: Final = 2.5
FLOOR_TRUSTED: Final = 2.0  # s
ONSET_WINDOW: Final = 1.0  # s
ONSET_HOLE: Final = 0.2  # s; the longest closure inside a word, and some
STEADY_DB: Final = 0.75
PERIODIC: Final = 0.45  # autocorrelation at the period, of 1; white noise stays under 0.2
DIP: Final = 0.2  # how much lower the autocorrelation must have been at a shorter lag
SMOOTH_FRAMES: Final = 3
FULL_SCALE: Final = 32768.0
