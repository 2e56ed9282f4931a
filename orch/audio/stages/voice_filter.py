"""The stage ``voiceFilter``: shapes bands by what a voice is made of. Pure.

A cascade of second-order filters (``biquad.py``)::

    H = highpass4(edge) . voice . highshelf(sibilanceMin, s) . highshelf(sibilanceMax, 1/s)

- **Lower edge.** A Butterworth high-pass of 24 dB an octave removes what is below the fundamental. Its edge,
  where it has -3 dB, is fundamentalMin; where it follows the voice, :data:`SHARE` of the fundamental, between
  fundamentalMin and fundamentalMax: the fundamental itself loses 0.2 dB.
- **Voice.** With preserveFormants one gain, voiceBandGain, up to formant3Max, where a shelf has half of it
  in dB: the balance of the formants stays. Without it, a bell for each formant, with half of the gain in dB
  at the edges of its band, so that where bands overlap both count.
- **Sibilance.** Between sibilanceMin and sibilanceMax the gain s = sibilanceBoost; half of it in dB at both.

An edge at or above half the sample rate is open: nothing ends there, and a band that begins there does
nothing. The fundamental is measured every 40 ms (:mod:`orch.audio.fundamental`) and counts where it is
harmonic. The edge falls with a time constant of 80 ms and rises with one of 1 s, by 3 % at a time at most:
a change of a filter that runs is a click if it is large. There is no latency.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import atan as arctan
from math import exp, pi, sqrt, tan
from typing import Final

import numpy as np

from orch.audio.fundamental import Tables, measure
from orch.audio.parameters import VoiceFilter
from orch.audio.stages.biquad import (
    HIGHEST,
    Sections,
    SectionState,
    at_rest,
    cascade,
    filtered,
    high_pass,
    high_shelf,
    peaking,
)
from orch.audio.stages.block_filter import BlockFilter, block_filter
from orch.audio.stages.stage import Activity, Block, Signal

SHARE: Final = 0.7
"""Of the fundamental."""
HARMONIC: Final = 0.7
"""The harmonicity from which a frame is a voice."""
HOP: Final = 0.04
"""Seconds between two measurements, and of a frame."""
FALL: Final = 0.08
RISE: Final = 1.0
"""Time constants in seconds."""
STEP: Final = 1.03
"""The largest change of the edge at a time."""
#: Q of the two sections of a Butterworth high-pass of fourth order: 1 / (2 cos(pi/8)), 1 / (2 cos(3 pi/8)).
Q4: Final = (0.5411961001461970, 1.3065629648763766)


@dataclass(frozen=True, slots=True)
class VoiceFilterState:
    """What the filters remember, the samples since the last measurement, and the present lower edge in Hz."""

    edge: float
    low: SectionState
    rest: SectionState
    recent: Signal


@dataclass(frozen=True)
class VoiceFilterStage:
    """Shapes the bands of a voice. ``sample_rate`` in Hz."""

    parameters: VoiceFilter
    sample_rate: int

    @property
    def latency(self) -> int:
        """0: the filters have no more than their phase."""
        return 0

    @cached_property
    def hop(self) -> int:
        """Samples between two measurements of the fundamental."""
        return round(HOP * self.sample_rate)

    @cached_property
    def bands(self) -> Sections:
        """The filters that do not move."""
        return _bands(self.parameters, self.sample_rate)

    @cached_property
    def _still(self) -> BlockFilter | None:
        """The same, ready to be applied; None where nothing changes."""
        return block_filter(self.bands) if len(self.bands) else None

    @cached_property
    def _tables(self) -> Tables:
        p = self.parameters
        return _tables(self.sample_rate, p.fundamental_min, p.fundamental_max)

    def sections(self, edge: float) -> Sections:
        """Return all filters at a lower edge in Hz."""
        return cascade(_lower(edge, self.sample_rate), self.bands)

    def initial(self) -> VoiceFilterState:
        """Return the state before the first sample."""
        edge = float(self.parameters.fundamental_min)
        low = _lower(edge, self.sample_rate)
        return VoiceFilterState(edge, at_rest(low), at_rest(self.bands), np.zeros(0))

    def process(
        self, block: Block, state: VoiceFilterState, activity: Activity | None = None
    ) -> tuple[Block, VoiceFilterState]:
        """Return the filtered block and the state after it."""
        del activity
        samples = block.astype(np.float64)
        edge, recent = state.edge, state.recent
        if not self.parameters.adaptive_filtering:
            samples, low = filtered(_lower(edge, self.sample_rate), samples, state.low)
        elif 0 < len(samples) < self.hop - len(recent):
            recent = np.concatenate((recent, samples))
            samples, low = filtered(_lower(edge, self.sample_rate), samples, state.low)
        else:
            samples, low, edge, recent = self._following(samples, state)
        rest = state.rest
        if self._still is not None:
            (samples,), rest = self._still.process(samples, rest)
        return samples.astype(np.float32), VoiceFilterState(edge, low, rest, recent)

    def _following(
        self, samples: Signal, state: VoiceFilterState
    ) -> tuple[Signal, SectionState, float, Signal]:
        """Return the samples behind the lower edge, the state of its filter, the edge and what is recent."""
        parts: list[Signal] = []
        edge, low, recent = state.edge, state.low, state.recent
        begin = 0
        # The edge moves on a grid that is counted from the first sample.
        while begin < len(samples):
            part = samples[begin : begin + self.hop - len(recent)]
            begin += len(part)
            moved, low = filtered(_lower(edge, self.sample_rate), part, low)
            parts.append(moved)
            recent = np.concatenate((recent, part))
            if len(recent) == self.hop:
                edge, recent = self._followed(recent, edge), np.zeros(0)
        if len(parts) != 1:
            return np.concatenate(parts) if parts else samples, low, edge, recent
        return parts[0], low, edge, recent

    def _followed(self, frame: Signal, edge: float) -> float:
        """Return the edge after a frame."""
        p = self.parameters
        found = measure(frame[None], self._tables)
        if found.harmonicity[0] < HARMONIC:
            return edge
        target = min(max(SHARE * float(found.frequency[0]), p.fundamental_min), p.fundamental_max)
        share = 1 - exp(-HOP / (FALL if target < edge else RISE))
        moved = edge * (target / edge) ** share
        return float(min(max(moved, edge / STEP), edge * STEP))

    def flush(self, state: VoiceFilterState) -> tuple[Block, VoiceFilterState]:
        """Return nothing: nothing is late."""
        return np.zeros(0, np.float32), state

    def adopted(self, state: VoiceFilterState) -> VoiceFilterState:
        """Return a state with the edge inside the new range; filters go on where they are as many."""
        p = self.parameters
        edge = min(max(state.edge, p.fundamental_min), p.fundamental_max)
        if not p.adaptive_filtering:
            edge = float(p.fundamental_min)
        rest = state.rest if len(state.rest) == len(self.bands) else at_rest(self.bands)
        return VoiceFilterState(edge, state.low, rest, state.recent)

    def reduction(self, state: VoiceFilterState) -> float:
        """Return 0: the stage is linear, its gain does not follow the sound."""
        del state
        return 0.0


@lru_cache(maxsize=16)
def _bands(p: VoiceFilter, rate: int) -> Sections:
    parts = [np.zeros((0, 6))]
    if p.preserve_formants:
        parts += _raised(_shelf(p.formant3_max, 1 / p.voice_band_gain, rate), p.voice_band_gain)
    else:
        for low, high in (
            (p.formant1_min, p.formant1_max),
            (p.formant2_min, p.formant2_max),
            (p.formant3_min, p.formant3_max),
        ):
            parts += _bell(low, high, p.voice_band_gain, rate)
    if p.sibilance_min < HIGHEST * rate:
        parts += _shelf(p.sibilance_min, p.sibilance_boost, rate)
        parts += _shelf(p.sibilance_max, 1 / p.sibilance_boost, rate)
    return cascade(*parts)


@lru_cache(maxsize=64)
def _lower(edge: float, sample_rate: int) -> Sections:
    return cascade(*(high_pass(edge, sample_rate, q) for q in Q4))


@lru_cache(maxsize=16)
def _tables(sample_rate: int, lowest: float, highest: float) -> Tables:
    return Tables(sample_rate, lowest=lowest, highest=highest, frame=round(HOP * sample_rate))


def _shelf(frequency: float, gain: float, sample_rate: int) -> list[Sections]:
    """Return a shelf from ``frequency`` on; none where it is open or changes nothing."""
    if frequency >= HIGHEST * sample_rate or gain == 1:
        return []
    return [high_shelf(frequency, gain, sample_rate)]


def _raised(filters: list[Sections], gain: float) -> list[Sections]:
    """Return the filters with another gain."""
    if gain == 1:
        return filters
    first, *others = filters or [np.array([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]])]
    return [first * np.array([gain, gain, gain, 1.0, 1.0, 1.0]), *others]


def _bell(low: float, high: float, gain: float, sample_rate: int) -> list[Sections]:
    """Return a bell with half of ``gain`` in dB at ``low`` and ``high``, exactly, at any sample rate."""
    if low >= HIGHEST * sample_rate or gain == 1:
        return []
    first, last = (tan(pi * min(edge / sample_rate, HIGHEST)) for edge in (low, high))
    centre = arctan(sqrt(first * last)) * sample_rate / pi
    return [peaking(centre, centre * (last - first) / sqrt(first * last), gain, sample_rate)]
