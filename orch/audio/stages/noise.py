"""The stage *noise*: suppresses what is not the voice. Pure.

1. *Strokes* of keys and other clicks are lowered to what is around them (``strokes.py``).
2. Frames of 48 ms, one every 24 ms (``stft.py``). The power of the noise is followed at each frequency
   (``noise_estimation.py``).
3. *Kind of noise*, from how its power varies: a hum cannot sound like music, so the weight of the past is at
   most :data:`TONAL` there. Of voices in the background, the mean says little about a moment: as the noise
   becomes unsteady, N is multiplied by up to 1 + :data:`UNSTEADY_EXCESS`.
4. *Gain* of each frequency: log-MMSE, or spectral subtraction (``log_mmse.py``); ``smoothing`` is the weight
   of the past in the a-priori ratio.
5. *Musical noise*: with p, the presence of speech at a frequency, and m, ``musicNoiseSuppression``:
   G ← G^q · floor^(1 - q), q = 1 - :data:`MUSIC` · m · (1 - p).
6. *Floor*: gains are at least noiseFloor^strength: at strength 0.7 and a floor of 0.01, -28 dB. In unsteady
   noise it rises towards :data:`UNSTEADY_FLOOR`, since what is taken for noise there is often the voice.
7. *Voice protection*: while the confidence c of voice activity is above its threshold t, the floor rises
   towards :data:`PROTECTED`, by (c - t) / (1 - t) in dB. Without the VAD stage, c is the presence of speech
   in the frame.
8. *Gate*: while the RMS of the result stays below ``gateThreshold``, it is faded out by up to
   :data:`GATED` times the floor.

Latency: that of the strokes and a frame.
"""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from orch.audio.parameters import NoiseReduction
from orch.audio.stages.log_mmse import LEAST_PRIOR, MOST_RATIO, Presence, between, estimated, subtraction
from orch.audio.stages.noise_estimation import NOTHING, NoiseState, NoiseTracker
from orch.audio.stages.stage import Activity, Block, Signal
from orch.audio.stages.stft import Stft, StftState
from orch.audio.stages.strokes import StrokeFilter, StrokeState

FRAME_SECONDS: Final = 0.048
LEAST_FLOOR: Final = 1e-3
"""What a noise floor of less than this is."""
MUSIC: Final = 0.3
"""Of the logarithm of a gain, what suppression of musical noise moves to the floor at most."""
TONAL: Final = 0.7
TONAL_SPREAD: Final = (0.45, 0.3)
"""Spread of the noise (``noise_estimation.py``) below which it is tonal, and where it is a tone."""
UNSTEADY_EXCESS: Final = 6.0
UNSTEADY_FLOOR: Final = 0.42
"""-7.5 dB."""
PROTECTED: Final = 0.05
"""The least gain during voice, -26 dB."""
GATED: Final = 0.1
"""The gain of a closed gate, -20 dB."""
GATE_MEMORY: Final = 0.15
"""Seconds: time constant with which the gate closes; it opens at once."""


@dataclass(frozen=True, slots=True)
class NoiseStageState:
    """``amplitude``: the power of the voice estimated in the last frame; ``prior``: ξ smoothed over time.

    ``confidence``: that of the samples whose frames are not complete. ``gate``: 0 open, 1 closed.
    ``reduction``: the gain of the last frame, dB.
    """

    strokes: StrokeState
    stft: StftState
    noise: NoiseState
    amplitude: Signal
    prior: Signal
    confidence: Block
    gate: float
    reduction: float


@dataclass(frozen=True)
class NoiseStage:
    """Noise suppression at a sample rate."""

    parameters: NoiseReduction
    sample_rate: int
    stft: Stft = field(init=False)
    strokes: StrokeFilter = field(init=False)
    tracker: NoiseTracker = field(init=False)
    presence: Presence = field(init=False)
    floor: float = field(init=False)
    gate_memory: float = field(init=False)
    scale: float = field(init=False)

    def __post_init__(self) -> None:
        parameters = self.parameters
        stft = Stft.of_rate(self.sample_rate, seconds=FRAME_SECONDS)
        floor = max(parameters.noise_floor, LEAST_FLOOR) ** parameters.strength
        hop = stft.hop / self.sample_rate
        for name, value in (
            ("stft", stft),
            ("strokes", StrokeFilter(self.sample_rate, floor)),
            ("tracker", NoiseTracker(stft.bins, self.sample_rate / stft.size, hop)),
            ("presence", Presence(stft.bins, self.sample_rate / stft.size, hop)),
            ("floor", floor),
            ("gate_memory", float(np.exp(-hop / GATE_MEMORY))),
            # From the sum of a frame's powers to its mean square.
            ("scale", 2 / (stft.size * float(np.sum(stft.window**2)))),
        ):
            object.__setattr__(self, name, value)

    @property
    def latency(self) -> int:
        """Samples by which the output is late."""
        return self.strokes.latency + self.stft.latency

    def initial(self) -> NoiseStageState:
        """Return the state before the first sample."""
        bins = self.stft.bins
        return NoiseStageState(
            strokes=self.strokes.initial(),
            stft=self.stft.initial(),
            noise=self.tracker.initial(),
            amplitude=np.zeros(bins),
            prior=np.full(bins, LEAST_PRIOR),
            confidence=np.zeros(self.strokes.latency + self.stft.frame // 2, np.float32),
            gate=0.0,
            reduction=0.0,
        )

    def process(
        self, block: Block, state: NoiseStageState, activity: Activity | None = None
    ) -> tuple[Block, NoiseStageState]:
        """Return the block with less noise, and the state after it."""
        calm, strokes = self.strokes.process(block, state.strokes)
        before = len(state.stft.pending)
        spectra, stft = self.stft.analyse(calm, state.stft)
        given = np.full(len(block), -1, np.float32) if activity is None else activity.confidence
        confidence = np.concatenate((state.confidence, given))
        noise, amplitude, prior, gate, reduction = (
            state.noise,
            state.amplitude,
            state.prior,
            state.gate,
            state.reduction,
        )
        gains = np.empty(spectra.shape)
        for index, power in enumerate(spectra.real**2 + spectra.imag**2 + NOTHING):
            # The middle of the frame, whose last sample is as many samples after the end of what was pending.
            end = (index + 1) * self.stft.hop + (self.stft.frame - self.stft.hop - before) - 1
            gains[index], noise, amplitude, prior, gate, reduction = self._gains(
                power, noise, amplitude, prior, gate, float(confidence[end])
            )
        output, stft = self.stft.synthesise(gains * spectra, len(block), stft)
        return output, NoiseStageState(
            strokes, stft, noise, amplitude, prior, confidence[len(block) :], gate, reduction
        )

    def flush(self, state: NoiseStageState) -> tuple[Block, NoiseStageState]:
        """Return the last ``latency`` samples."""
        return self.process(np.zeros(self.latency, np.float32), state)

    def adopted(self, state: object) -> NoiseStageState:
        """Return the state itself, or a first one where another engine was used before."""
        return state if isinstance(state, NoiseStageState) else self.initial()

    def reduction(self, state: NoiseStageState) -> float:
        """Return the change of the power of the last frame, in dB."""
        return state.reduction

    def _gains(
        self,
        power: Signal,
        noise: NoiseState,
        amplitude: Signal,
        smooth: Signal,
        gate: float,
        confidence: float,
    ) -> tuple[Signal, NoiseState, Signal, Signal, float, float]:
        """Return the gains of a frame and what follows: noise, amplitude, smoothed ξ, gate, reduction."""
        parameters = self.parameters
        total = float(np.add.reduce(power))
        if total <= 2 * NOTHING * len(power):
            return np.ones(len(power)), noise, amplitude, smooth, gate, 0.0
        noise = self.tracker.followed(power, noise, confidence)
        unsteadiness = noise.unsteadiness
        expected = noise.noise * (1 + UNSTEADY_EXCESS * unsteadiness**2)
        ratio = power / expected
        np.minimum(ratio, MOST_RATIO, out=ratio)
        past = parameters.smoothing
        past -= between(noise.spread, TONAL_SPREAD) * max(past - TONAL, 0.0)
        prior = np.maximum(ratio - 1, 0.0)
        prior *= 1 - past
        prior += amplitude * past / expected
        np.minimum(np.maximum(prior, LEAST_PRIOR, out=prior), MOST_RATIO, out=prior)
        second, v = estimated(prior, ratio)
        amplitude = second / ratio
        amplitude *= power
        squares, _ = estimated(np.maximum(second, LEAST_PRIOR, out=second), ratio)
        if parameters.spectral_subtraction:
            squares = subtraction(ratio, parameters.over_subtraction, parameters.spectral_floor)
        else:
            squares /= ratio
        smooth = self.presence.smoothed(prior, smooth)
        voiced = self.presence.frame(smooth)
        floor = self._floor(voiced if confidence < 0 else confidence, unsteadiness)
        weight = self.presence.absence(smooth, voiced, prior, v)
        weight *= -0.5 * parameters.music_noise_suppression * (1 - (1 - MUSIC) * voiced)
        weight += 0.5
        # G^q · floor^(1-q), and at least the floor.
        squares *= 1 / floor**2
        gains = np.log(np.maximum(squares, 1.0, out=squares), out=squares)
        gains *= weight
        np.exp(gains, out=gains)
        gains *= floor
        left = float(np.dot(gains * gains, power))
        level = math.sqrt(left * self.scale)
        gate = 0.0 if level >= parameters.gate_threshold else 1 - self.gate_memory * (1 - gate)
        if gate:
            gains *= max(GATED, floor) ** gate
        return (
            gains,
            noise,
            amplitude,
            smooth,
            gate,
            10 * math.log10(left / total) + 20 * gate * math.log10(max(GATED, floor)),
        )

    def _floor(self, confidence: float, unsteadiness: float) -> float:
        """Return the least gain while voice is as likely, and the noise as unsteady, as this."""
        parameters = self.parameters
        floor = self.floor
        if parameters.voice_protection and floor < PROTECTED:
            share = between(confidence, (min(parameters.voice_threshold, 0.99), 1.0))
            floor = floor ** (1 - share) * PROTECTED**share
        if floor < UNSTEADY_FLOOR:
            floor = floor ** (1 - unsteadiness) * UNSTEADY_FLOOR**unsteadiness
        return float(floor)
