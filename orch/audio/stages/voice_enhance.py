"""The stage *voiceEnhance*: level and clarity. Pure.

In this order, everything on steps of a millisecond (``envelope.py``):

1. *Gain*: y = gain x.
2. *Compressor*: the peak level of each step, in dB, gives a gain with a soft knee (Giannoulis et al. 2012);
   it falls with the attack and returns with the release; the make-up gain follows.
3. *Clarity*: a bell (``biquad.peaking``) of up to +6 dB around the focus frequency.
4. *De-esser*: a band-pass is the side chain; above the threshold the band, not the whole, is reduced:
   y = x + (g - 1) band, with the compressor's curve and time constants of 1 and 60 ms.
5. *Normalisation*: K-weighted loudness (BS.1770) over :data:`MEMORY` seconds of what is not silence; the gain
   moves towards the target by at most :data:`SLEW` dB a second, within ± :data:`MOST` dB.
6. *Limiter*: true peaks at most ``target_peak`` (``limiter.py``).

Latency: one step until a step is complete, and the limiter's.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from orch.audio.loudness import k_weighting, lufs
from orch.audio.parameters import VoiceEnhancement
from orch.audio.stages.biquad import Sections, SectionState, at_rest, band_pass, filtered, peaking
from orch.audio.stages.envelope import (
    Steps,
    coefficient,
    compression,
    decibels,
    ramps,
    smoothed,
    step_size,
)
from orch.audio.stages.limiter import Limiter, LimiterState
from orch.audio.stages.stage import Activity, Block, Signal

CLARITY: Final = 2.0
"""The gain of clarity at amount 1."""
DE_ESSER_ATTACK: Final = 0.001
DE_ESSER_RELEASE: Final = 0.06
DE_ESSER_KNEE: Final = 6.0
MEMORY: Final = 3.0
"""Seconds."""
MOMENT: Final = 0.4
"""Seconds; what is quieter than :data:`GATE` for so long is silence."""
GATE: Final = -50.0
"""LUFS."""
SLEW: Final = 3.0
"""dB a second."""
MOST: Final = 12.0
"""dB."""
_SLOW: Final = coefficient(MEMORY)
_FAST: Final = coefficient(MOMENT)


def _factor(decibel: Signal) -> Signal:
    factor: Signal = 10 ** (decibel / 20)
    return factor


@dataclass(frozen=True, slots=True)
class Levels:
    """The gains of the last step in dB, each its unit's: 0 for none. ``loudness``: slow and fast K-powers."""

    compressor: float = 0.0
    de_esser: float = 0.0
    normalization: float = 0.0
    slow: float = 0.0
    fast: float = 0.0


@dataclass(frozen=True, slots=True)
class VoiceEnhanceState:
    """``ready``: output that is complete and not returned yet."""

    steps: Steps
    levels: Levels
    clarity: SectionState
    band: SectionState
    weighted: SectionState
    limiter: LimiterState
    ready: Signal


@dataclass(frozen=True)
class VoiceEnhanceStage:
    """The stage at a sample rate (Hz)."""

    parameters: VoiceEnhancement
    sample_rate: int
    _clarity: Sections = field(init=False, repr=False, compare=False)
    _band: Sections = field(init=False, repr=False, compare=False)
    _weighting: Sections = field(init=False, repr=False, compare=False)
    _limiter: Limiter = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        clarity, de_esser = self.parameters.clarity, self.parameters.de_esser
        rate = self.sample_rate
        own = {
            "_clarity": peaking(clarity.focus_freq, clarity.bandwidth, CLARITY**clarity.amount, rate),
            "_band": band_pass(de_esser.frequency, de_esser.bandwidth, rate),
            "_weighting": k_weighting(rate),
            "_limiter": Limiter(self.parameters.target_peak, rate),
        }
        for name, value in own.items():
            object.__setattr__(self, name, value)

    @property
    def latency(self) -> int:
        """Samples by which the output is late."""
        return (1 + self._limiter.late) * step_size(self.sample_rate)

    def initial(self) -> VoiceEnhanceState:
        """Return the state before the first sample."""
        return VoiceEnhanceState(
            steps=Steps.at(self.sample_rate),
            levels=Levels(),
            clarity=at_rest(self._clarity),
            band=at_rest(self._band),
            weighted=at_rest(self._weighting),
            limiter=self._limiter.initial(),
            ready=np.zeros(step_size(self.sample_rate)),
        )

    def adopted(self, state: VoiceEnhanceState) -> VoiceEnhanceState:
        """Return the state of a stage with other parameters: all of it has the same form."""
        return state

    def reduction(self, state: VoiceEnhanceState) -> float:
        """Return the gain change of compressor, de-esser and limiter together in dB."""
        limiter = 20 * math.log10(max(state.limiter.gain, 1e-6))
        return state.levels.compressor + state.levels.de_esser + limiter

    def process(
        self,
        block: Block,
        state: VoiceEnhanceState,
        activity: Activity | None = None,  # noqa: ARG002 - of the protocol
    ) -> tuple[Block, VoiceEnhanceState]:
        """Return the processed block and the state after it."""
        count = len(block)
        steps, cutter = state.steps.cut(block * np.float64(self.parameters.gain))
        if not len(steps):
            return (
                state.ready[:count].astype(np.float32),
                replace(state, steps=cutter, ready=state.ready[count:]),
            )
        steps, levels = self._compressed(steps, state.levels)
        clarity, band, weighted = state.clarity, state.band, state.weighted
        if self.parameters.clarity.enabled:
            flat, clarity = filtered(self._clarity, steps.ravel(), clarity)
            steps = flat.reshape(steps.shape)
        if self.parameters.de_esser.enabled:
            steps, levels, band = self._de_essed(steps, levels, band)
        if self.parameters.normalize:
            steps, levels, weighted = self._normalized(steps, levels, weighted)
        limiter = state.limiter
        if self.parameters.limiter.enabled:
            steps, limiter = self._limiter.process(steps, limiter)
        else:
            # As late as it would be.
            held = np.concatenate((limiter.steps, steps))
            steps, limiter = held[: len(steps)], replace(self._limiter.initial(), steps=held[len(steps) :])
        ready = np.concatenate((state.ready, steps.ravel()))
        after = VoiceEnhanceState(cutter, levels, clarity, band, weighted, limiter, ready[count:])
        return ready[:count].astype(np.float32), after

    def flush(self, state: VoiceEnhanceState) -> tuple[Block, VoiceEnhanceState]:
        """Return the last samples."""
        return self.process(np.zeros(self.latency, np.float32), state)

    def _compressed(self, steps: Signal, levels: Levels) -> tuple[Signal, Levels]:
        unit = self.parameters.compressor
        if not unit.enabled:
            return steps, replace(levels, compressor=0.0)
        wanted = compression(
            decibels(np.abs(steps).max(axis=1)), threshold=unit.threshold, ratio=unit.ratio, knee=unit.knee
        )
        gains = smoothed(
            wanted, levels.compressor, falling=coefficient(unit.attack), rising=coefficient(unit.release)
        )
        factors = unit.makeup_gain * _factor(gains)
        before = unit.makeup_gain * 10 ** (levels.compressor / 20)
        return steps * ramps(factors, before, steps.shape[1]), replace(levels, compressor=float(gains[-1]))

    def _de_essed(
        self, steps: Signal, levels: Levels, state: SectionState
    ) -> tuple[Signal, Levels, SectionState]:
        unit = self.parameters.de_esser
        band, state = filtered(self._band, steps.ravel(), state)
        band = band.reshape(steps.shape)
        wanted = compression(
            decibels(np.abs(band).max(axis=1)),
            threshold=unit.threshold,
            ratio=unit.ratio,
            knee=DE_ESSER_KNEE,
        )
        gains = smoothed(
            wanted,
            levels.de_esser,
            falling=coefficient(DE_ESSER_ATTACK),
            rising=coefficient(DE_ESSER_RELEASE),
        )
        shares = ramps(_factor(gains), 10 ** (levels.de_esser / 20), steps.shape[1]) - 1
        return steps + shares * band, replace(levels, de_esser=float(gains[-1])), state

    def _normalized(
        self, steps: Signal, levels: Levels, state: SectionState
    ) -> tuple[Signal, Levels, SectionState]:
        weighted, state = filtered(self._weighting, steps.ravel(), state)
        powers = np.mean(weighted.reshape(steps.shape) ** 2, axis=1)
        most = SLEW * step_size(self.sample_rate) / self.sample_rate
        slow, fast, gain = levels.slow, levels.fast, levels.normalization
        gains = []
        for power in powers.tolist():
            fast = power + _FAST * (fast - power)
            if lufs(fast) >= GATE:
                # The first seconds are averaged over what there was: slow begins at the first level.
                slow = power + _SLOW * (slow - power) if slow else fast
                target = min(MOST, max(-MOST, self.parameters.target_level - lufs(slow)))
                gain += min(most, max(-most, target - gain))
            gains.append(gain)
        factors = _factor(np.array(gains))
        out = steps * ramps(factors, 10 ** (levels.normalization / 20), steps.shape[1])
        return out, replace(levels, slow=slow, fast=fast, normalization=gain), state
