"""The stage ``vad``: finds speech and delays audio until it is known. Pure.

Every 10 ms the features of a frame of 40 ms (``vad_features.py``) give a logit, by a small network that was
fitted to speech with exact truth in seven kinds of noise (``vad_model.py``)::

    l = c . tanh(A z + b) + d            z: features minus their mean, over their deviation
    confidence = 1 / (1 + exp(-(s m + o)))        m: the mean of the last frameDuration / 10 ms logits

so the confidence is the probability of speech where speech is as likely as in the passages of the fit (a
half). The frame ends 20 ms after the 10 ms that it decides about: that is the stage's latency of 30 ms.

**Decision**, every frameDuration. Speech begins when the evidence for it, a cumulative sum (E. S. Page,
"Continuous inspection schemes", Biometrika 41, 1954), reaches ``evidence`` of the aggressiveness::

    e = max(0, e + min(s m + o, CAP) - bias)         0 while the RMS is under the energy threshold

It lasts while confidence and RMS stay above what ends it, and for the hangover after that:
maxSilenceDuration; for speech shorter than minSpeechDuration its share of it. So a click that was
taken for speech ends at once, and a pause in a sentence does not end anything.

The energy threshold is lowered in a still room, where the floor of the noise is far below it, as the
segmenter does (``speech_thresholds.py``), by 10 dB at most.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from math import exp
from typing import Final, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from orch.audio.parameters import Vad
from orch.audio.speech_thresholds import RELEASE_SHARE
from orch.audio.stages.stage import Activity, Block, Signal
from orch.audio.stages.vad_features import COUNT, SPAN, Bank, FeatureState, features
from orch.audio.stages.vad_model import HIDDEN, NUMBERS

HOP_MS: Final = 10
LATE: Final = 3
"""Hops by which the stage is late."""
CAP: Final = 4.0
"""The most evidence of one decision: a click is not speech, however sure a frame is."""
SURE: Final = 30.0
"""Logits beyond it are the same probability in float32."""
_CHUNK: Final = 256
"""Frames that are analysed at once, at most: it bounds the memory of long blocks."""
_LONGEST: Final = 3
_BELOW: Final = float(np.log10(RELEASE_SHARE))


@dataclass(frozen=True, slots=True)
class Eagerness:
    """A row of the table of aggressiveness.

    ``bias``: the logit that is no evidence for speech. ``evidence``: how much begins speech. ``release``: the
    logit below which speech pauses.
    """

    bias: float
    evidence: float
    release: float


AGGRESSIVENESS: Final = (
    Eagerness(bias=-1.0, evidence=1.0, release=-1.5),
    Eagerness(bias=-0.5, evidence=2.0, release=-1.0),
    Eagerness(bias=0.0, evidence=3.0, release=-0.5),
    Eagerness(bias=1.0, evidence=8.0, release=0.5),
)


class Network:
    """The fitted network. Immutable."""

    def __init__(self) -> None:
        numbers = np.array(NUMBERS.split(), np.float64)
        sizes = (COUNT, COUNT, COUNT * HIDDEN, HIDDEN, HIDDEN, 1, 3, 3)
        mean, deviation, weights, offsets, self.output, bias, scale, shift = np.split(
            numbers, np.cumsum(sizes)[:-1]
        )
        # The standardisation is part of the weights: A (z - mean) / deviation + b.
        self.weights = weights.reshape(COUNT, HIDDEN) / deviation[:, None]
        self.offsets = offsets - mean @ self.weights
        self.bias = float(bias[0])
        self.scale: list[float] = scale.tolist()
        self.shift: list[float] = shift.tolist()

    def logits(self, found: Signal) -> list[float]:
        """Return the logit of each row of features."""
        logits: list[float] = (
            np.tanh(found @ self.weights + self.offsets) @ self.output + self.bias
        ).tolist()
        return logits


@lru_cache(maxsize=1)
def network() -> Network:
    """Return the network; it is parsed once."""
    return Network()


@lru_cache(maxsize=16)
def bank(sample_rate: int, lowest: float, highest: float) -> Bank:
    """Return the tables for a rate and a range, which are the same for every stream."""
    return Bank(sample_rate, lowest, highest)


class Rule(NamedTuple):
    """How parameters decide: durations in hops."""

    eagerness: Eagerness
    step: int
    shortest: float
    hangover: float
    scale: float
    shift: float


def rule_of(vad: Vad) -> Rule:
    """Return the rule for parameters."""
    step = vad.frame_duration // HOP_MS
    net = network()
    return Rule(
        AGGRESSIVENESS[vad.aggressiveness],
        step,
        vad.min_speech_duration / HOP_MS,
        vad.max_silence_duration / HOP_MS,
        net.scale[step - 1],
        net.shift[step - 1],
    )


class Decision(NamedTuple):
    """What the decisions remember: the last logits, the evidence, and the present speech in hops."""

    logits: tuple[float, ...] = ()
    evidence: float = 0.0
    is_speech: bool = False
    active: int = 0
    pause: int = 0

    def after(self, logit: float, level: float, hop: int, rule: Rule) -> tuple["Decision", float]:
        """Return what follows a hop's logit and level (lg RMS/threshold), and its own logit."""
        logits = (*self.logits, logit)[-_LONGEST:]
        recent = logits[-rule.step :]
        mean = rule.scale * (sum(recent) / len(recent)) + rule.shift
        mean = min(max(mean, -SURE), SURE)
        if hop % rule.step:
            return self._replace(logits=logits), mean
        return self._replace(logits=logits).decided(mean, level, rule), mean

    def decided(self, mean: float, level: float, rule: Rule) -> "Decision":
        """Return what follows a decision by a logit and a level."""
        eagerness = rule.eagerness
        if not self.is_speech:
            gain = rule.step * (min(mean, CAP) - eagerness.bias)
            evidence = max(0.0, self.evidence + gain) if level >= 0 else 0.0
            if evidence < eagerness.evidence:
                return self._replace(evidence=evidence)
            return self._replace(evidence=0.0, is_speech=True, active=rule.step, pause=0)
        if mean >= eagerness.release and level >= _BELOW:
            return self._replace(active=self.active + self.pause + rule.step, pause=0)
        pause = self.pause + rule.step
        if pause > rule.hangover * min(1.0, self.active / rule.shortest):
            return self._replace(is_speech=False, active=0, pause=0)
        return self._replace(pause=pause)


@dataclass(frozen=True, slots=True)
class VadState:
    """What is between the samples and the decisions.

    ``held``: the samples that are not yet returned. ``frame``: the last samples that are in no complete hop,
    and the three hops before them. ``pending``: confidence and decision of the hops that are not yet
    returned; ``offset``: how many samples of the first of them were.
    """

    held: Block
    frame: Signal
    offset: int
    pending: tuple[tuple[float, bool], ...]
    features: FeatureState = field(default_factory=FeatureState)
    decision: Decision = field(default_factory=Decision)


@dataclass(frozen=True)
class VadStage:
    """Finds speech. ``sample_rate`` in Hz."""

    parameters: Vad
    sample_rate: int

    @property
    def hop(self) -> int:
        """Samples of a hop: 10 ms."""
        return round(self.sample_rate / 100)

    @property
    def latency(self) -> int:
        """Samples by which the output is late."""
        return LATE * self.hop

    def initial(self) -> VadState:
        """Return the state before the first sample."""
        # The first hops' decisions concern the zeros that are returned before the first sample.
        return VadState(
            held=np.zeros(self.latency, np.float32),
            frame=np.zeros((SPAN - 1) * self.hop),
            offset=0,
            pending=((0.0, False),) * LATE,
        )

    def process(
        self, block: Block, state: VadState, activity: Activity | None = None
    ) -> tuple[Block, VadState]:
        """Return the delayed block and the state after it."""
        del activity
        late, _, state = self.detect(block, state)
        return late, state

    def detect(self, block: Block, state: VadState) -> tuple[Block, Activity, VadState]:
        """Return the delayed block, where speech is in it, and the state after it."""
        held = np.concatenate((state.held, block))
        late, held = held[: len(block)], held[len(block) :].copy()
        signal: Signal = np.concatenate((state.frame, block.astype(np.float64)))
        count = max(0, len(signal) // self.hop - (SPAN - 1))
        seen, decision, pending = state.features, state.decision, state.pending
        for begin in range(0, count, _CHUNK):
            end = min(begin + _CHUNK, count)
            part = signal[begin * self.hop : (end + SPAN - 1) * self.hop]
            decided, seen, decision = self._decided(part, seen, decision)
            pending += decided
        activity, pending, offset = self._returned(len(block), pending, state.offset)
        return late, activity, VadState(held, signal[count * self.hop :], offset, pending, seen, decision)

    def _decided(
        self, signal: Signal, seen: FeatureState, decision: Decision
    ) -> tuple[tuple[tuple[float, bool], ...], FeatureState, Decision]:
        """Return confidence and decision of the hops that a signal of whole frames completes."""
        tables = bank(self.sample_rate, self.parameters.voice_freq_min, self.parameters.voice_freq_max)
        frames = sliding_window_view(signal, SPAN * self.hop)[:: self.hop]
        before = seen.frames
        found, levels, seen = features(frames, tables, seen, self.parameters.energy_threshold)
        rule, net = rule_of(self.parameters), network()
        decided = []
        for index, logit in enumerate(net.logits(found)):
            decision, mean = decision.after(logit, float(levels[index]), before + index - LATE + 1, rule)
            # The first frames end before the first hop of the signal can be decided about.
            if before + index >= LATE - 1:
                decided.append((1 / (1 + exp(-mean)), decision.is_speech))
        return tuple(decided), seen, decision

    def _returned(
        self, count: int, pending: tuple[tuple[float, bool], ...], offset: int
    ) -> tuple[Activity, tuple[tuple[float, bool], ...], int]:
        """Return the activity of the next samples, and what is pending after them."""
        end = offset + count
        hops = pending[: -(-end // self.hop)]
        confidence = np.repeat(np.array([each[0] for each in hops], np.float32), self.hop)
        speech = np.repeat(np.array([each[1] for each in hops], np.bool_), self.hop)
        over = end // self.hop
        return Activity(confidence[offset:end], speech[offset:end]), pending[over:], end - over * self.hop

    def flush(self, state: VadState) -> tuple[Block, VadState]:
        """Return the samples that are still inside, and the state after them."""
        late, _, state = self.detect(np.zeros(self.latency, np.float32), state)
        return late, state

    def adopted(self, state: VadState) -> VadState:
        """Return the state itself: floors, levels and a sentence that has begun go on."""
        return state

    def reduction(self, state: VadState) -> float:
        """Return 0: the stage changes no gain."""
        del state
        return 0.0
