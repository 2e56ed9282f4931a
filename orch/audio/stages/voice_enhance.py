"""The stage *voiceEnhance*: level and clarity. Pure.

In this order, everything on steps of a millisecond (``envelope.py``):

1. *Gain*: y = gain x.
2. *Compressor*: the peak level, in dB, gives a gain with a soft knee (Giannoulis et al. 2012); it falls with
   the attack and returns with the release (``gain_computer.py``); the make-up gain follows.
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
    ramps,
    step_size,
)
from orch.audio.stages.gain_computer import GainComputer, GainState
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
class NormalizationState:
    """What normalisation remembers: its gain in dB, and the K-weighted power, averaged slowly and fast."""

    gain: float = 0.0
    slow: float = 0.0
    fast: float = 0.0


@dataclass(frozen=True, slots=True)
class VoiceEnhanceState:
    """``ready``: output that is complete and not returned yet."""

    steps: Steps
    compressor: GainState
    de_esser: GainState
    normalization: NormalizationState
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
    _compressor: GainComputer = field(init=False, repr=False, compare=False)
    _de_esser: GainComputer = field(init=False, repr=False, compare=False)
    _clarity: Sections = field(init=False, repr=False, compare=False)
    _band: Sections = field(init=False, repr=False, compare=False)
    _weighting: Sections = field(init=False, repr=False, compare=False)
    _limiter: Limiter = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        compressor, clarity = self.parameters.compressor, self.parameters.clarity
        de_esser, rate = self.parameters.de_esser, self.sample_rate
        own = {
            "_compressor": GainComputer(
                compressor.threshold,
                compressor.ratio,
                compressor.knee,
                falling=coefficient(compressor.attack),
                rising=coefficient(compressor.release),
            ),
            "_de_esser": GainComputer(
                de_esser.threshold,
                de_esser.ratio,
                DE_ESSER_KNEE,
                falling=coefficient(DE_ESSER_ATTACK),
                rising=coefficient(DE_ESSER_RELEASE),
            ),
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
            compressor=GainState(),
            de_esser=GainState(),
            normalization=NormalizationState(),
            clarity=at_rest(self._clarity),
            band=at_rest(self._band),
            weighted=at_rest(self._weighting),
            limiter=self._limiter.initial(),
            ready=np.zeros(step_size(self.sample_rate)),
        )

    def adopted(self, state: VoiceEnhanceState) -> VoiceEnhanceState:
        """Return the state of a stage with other parameters: all of it has the same form.

        What waits in the limiter is measured again, for its target peak may be lower.
        """
        return replace(state, limiter=self._limiter.adopted(state.limiter))

    def reduction(self, state: VoiceEnhanceState) -> float:
        """Return the gain change of compressor, de-esser and limiter together in dB."""
        limiter = 20 * math.log10(max(state.limiter.gain, 1e-6))
        return state.compressor.gain + state.de_esser.gain + limiter

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
        steps, compressor = self._compressed(steps, state.compressor)
        de_esser, normalization = state.de_esser, state.normalization
        clarity, band, weighted = state.clarity, state.band, state.weighted
        if self.parameters.clarity.enabled:
            flat, clarity = filtered(self._clarity, steps.ravel(), clarity)
            steps = flat.reshape(steps.shape)
        if self.parameters.de_esser.enabled:
            steps, de_esser, band = self._de_essed(steps, de_esser, band)
        if self.parameters.normalize:
            steps, normalization, weighted = self._normalized(steps, normalization, weighted)
        limiter = state.limiter
        if self.parameters.limiter.enabled:
            steps, limiter = self._limiter.process(steps, limiter)
        else:
            # As late as it would be.
            held = np.concatenate((limiter.steps, steps))
            steps, limiter = held[: len(steps)], replace(self._limiter.initial(), steps=held[len(steps) :])
        ready = np.concatenate((state.ready, steps.ravel()))
        after = VoiceEnhanceState(
            cutter, compressor, de_esser, normalization, clarity, band, weighted, limiter, ready[count:]
        )
        return ready[:count].astype(np.float32), after

    def flush(self, state: VoiceEnhanceState) -> tuple[Block, VoiceEnhanceState]:
        """Return the last samples."""
        return self.process(np.zeros(self.latency, np.float32), state)

    def _compressed(self, steps: Signal, state: GainState) -> tuple[Signal, GainState]:
        unit = self.parameters.compressor
        if not unit.enabled:
            return steps, GainState()
        factors, after = self._compressor.factors(np.abs(steps).max(axis=1), state)
        if factors is None:
            return steps * unit.makeup_gain, after
        shares = ramps(unit.makeup_gain * factors, unit.makeup_gain * state.factor, steps.shape[1])
        return steps * shares, after

    def _de_essed(
        self, steps: Signal, state: GainState, filter_state: SectionState
    ) -> tuple[Signal, GainState, SectionState]:
        band, filter_state = filtered(self._band, steps.ravel(), filter_state)
        band = band.reshape(steps.shape)
        factors, after = self._de_esser.factors(np.abs(band).max(axis=1), state)
        if factors is not None:
            steps = steps + (ramps(factors, state.factor, steps.shape[1]) - 1) * band
        return steps, after, filter_state

    def _normalized(
        self, steps: Signal, state: NormalizationState, filter_state: SectionState
    ) -> tuple[Signal, NormalizationState, SectionState]:
        weighted, filter_state = filtered(self._weighting, steps.ravel(), filter_state)
        powers = np.mean(weighted.reshape(steps.shape) ** 2, axis=1)
        most = SLEW * step_size(self.sample_rate) / self.sample_rate
        slow, fast, gain = state.slow, state.fast, state.gain
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
        out = steps * ramps(factors, 10 ** (state.gain / 20), steps.shape[1])
        return out, NormalizationState(gain, slow, fast), filter_state
