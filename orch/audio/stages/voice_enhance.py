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
from orch.audio.stages.biquad import SectionState, band_pass, cascade, peaking
from orch.audio.stages.block_filter import BlockFilter, block_filter
from orch.audio.stages.envelope import Compression, Steps, coefficient, ramped, step_size
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


@dataclass(frozen=True, slots=True)
class NormalizationState:
    """What normalisation remembers: its gain in dB, and the K-weighted power, averaged slowly and fast."""

    gain: float = 0.0
    slow: float = 0.0
    fast: float = 0.0


@dataclass(frozen=True, slots=True)
class VoiceEnhanceState:
    """``filters``: clarity and the band of the de-esser. ``ready``: output that is not returned yet."""

    steps: Steps
    compressor: GainState
    de_esser: GainState
    normalization: NormalizationState
    filters: SectionState
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
    _filters: BlockFilter = field(init=False, repr=False, compare=False)
    _weighting: BlockFilter = field(init=False, repr=False, compare=False)
    _limiter: Limiter = field(init=False, repr=False, compare=False)
    latency: int = field(init=False, repr=False, compare=False)
    """Samples by which the output is late."""

    def __post_init__(self) -> None:
        compressor, clarity = self.parameters.compressor, self.parameters.clarity
        de_esser, rate = self.parameters.de_esser, self.sample_rate
        size, limiter = step_size(rate), Limiter(self.parameters.target_peak, rate)
        amount = clarity.amount if clarity.enabled else 0.0
        own = {
            "_compressor": GainComputer(
                Compression(compressor.threshold, compressor.ratio, compressor.knee),
                falling=coefficient(compressor.attack),
                rising=coefficient(compressor.release),
                size=size,
            ),
            "_de_esser": GainComputer(
                Compression(de_esser.threshold, de_esser.ratio, DE_ESSER_KNEE),
                falling=coefficient(DE_ESSER_ATTACK),
                rising=coefficient(DE_ESSER_RELEASE),
                size=size,
            ),
            "_filters": block_filter(
                cascade(
                    peaking(clarity.focus_freq, clarity.bandwidth, CLARITY**amount, rate),
                    band_pass(de_esser.frequency, de_esser.bandwidth, rate),
                ),
                (0, 1) if de_esser.enabled else (0,),
            ),
            "_weighting": block_filter(k_weighting(rate)),
            "_limiter": limiter,
            "latency": (1 + limiter.late) * size,
        }
        for name, value in own.items():
            object.__setattr__(self, name, value)

    def initial(self) -> VoiceEnhanceState:
        """Return the state before the first sample."""
        return VoiceEnhanceState(
            steps=Steps.at(self.sample_rate),
            compressor=GainState(),
            de_esser=GainState(),
            normalization=NormalizationState(),
            filters=np.zeros((2, 2)),
            weighted=np.zeros((2, 2)),
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
        unit, count = self.parameters, len(block)
        sound, cutter = state.steps.cut(block * np.float64(unit.gain))
        if not len(sound):
            ready = state.ready
            return ready[:count].astype(np.float32), replace(state, steps=cutter, ready=ready[count:])
        compressor = GainState()
        if unit.compressor.enabled:
            sound, compressor = self._compressed(sound, state.compressor)
        de_esser, normalization = state.de_esser, state.normalization
        filters, weighted = state.filters, state.weighted
        if unit.clarity.enabled or unit.de_esser.enabled:
            (sound, *bands), filters = self._filters.process(sound, filters)
            for band in bands:
                sound, de_esser = self._de_essed(sound, band, de_esser)
        if unit.normalize:
            sound, normalization, weighted = self._normalized(sound, normalization, weighted)
        limiter = state.limiter
        if unit.limiter.enabled:
            sound, limiter = self._limiter.process(sound, limiter)
        else:
            # As late as it would be.
            held = np.concatenate((limiter.waiting, sound))
            used = len(sound)
            sound, limiter = held[:used], replace(self._limiter.initial(), waiting=held[used:])
        ready = np.concatenate((state.ready, sound))
        after = VoiceEnhanceState(
            cutter, compressor, de_esser, normalization, filters, weighted, limiter, ready[count:]
        )
        return ready[:count].astype(np.float32), after

    def flush(self, state: VoiceEnhanceState) -> tuple[Block, VoiceEnhanceState]:
        """Return the last samples."""
        return self.process(np.zeros(self.latency, np.float32), state)

    def _compressed(self, sound: Signal, state: GainState) -> tuple[Signal, GainState]:
        makeup = self.parameters.compressor.makeup_gain
        factors, after = self._compressor.factors(sound, state)
        if factors is None:
            return sound * makeup, after
        return ramped(sound, factors * makeup, self._compressor.size), after

    def _de_essed(self, sound: Signal, band: Signal, state: GainState) -> tuple[Signal, GainState]:
        factors, after = self._de_esser.factors(band, state)
        if factors is not None:
            sound = sound + ramped(band, factors - 1, self._de_esser.size)
        return sound, after

    def _normalized(
        self, sound: Signal, state: NormalizationState, filter_state: SectionState
    ) -> tuple[Signal, NormalizationState, SectionState]:
        (weighted,), filter_state = self._weighting.process(sound, filter_state)
        size = self._compressor.size
        weighted *= weighted
        powers = np.add.reduce(weighted.reshape(-1, size), axis=1) / size
        most = SLEW * size / self.sample_rate
        slow, fast, gain = state.slow, state.fast, state.gain
        gains = [gain]
        for power in powers.tolist():
            fast = power + _FAST * (fast - power)
            if lufs(fast) >= GATE:
                # The first seconds are averaged over what there was: slow begins at the first level.
                slow = power + _SLOW * (slow - power) if slow else fast
                target = min(MOST, max(-MOST, self.parameters.target_level - lufs(slow)))
                gain += min(most, max(-most, target - gain))
            gains.append(gain)
        factors = 10 ** (np.array(gains) / 20)
        return ramped(sound, factors, size), NormalizationState(gain, slow, fast), filter_state
