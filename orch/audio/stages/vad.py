"""The stage ``vad``: finds speech and delays audio until it is known. Pure.

Every 10 ms the features of a frame of 40 ms (``vad_features.py``) give a logit, by a small network that was
fitted to speech with exact truth in seven kinds of noise (``vad_model.py``)::

    l = c . tanh(A z + b) + d            z: features minus their mean, over their deviation
    confidence = 1 / (1 + exp(-(s m + o)))        m: the mean of the last frameDuration / 10 ms logits

so the confidence is the probability of speech where speech is as likely as in the passages of the fit (a
half). The frame ends 20 ms after the 10 ms that it decides about.

**Decision**, every frameDuration. Speech begins when the evidence for it, a cumulative sum (E. S. Page,
"Continuous inspection schemes", Biometrika 41, 1954), reaches ``evidence`` of the aggressiveness::

    e = max(0, e + min(s m + o, CAP) - bias)         0 while the RMS is under the energy threshold

It lasts while confidence and RMS stay above what ends it, and for the hangover after that:
maxSilenceDuration; for speech shorter than minSpeechDuration its share of it. So a click that was
taken for speech ends at once, and a pause in a sentence does not end anything.

**Early.** A sentence may begin with a closure, a burst or breath, and noise hides what is faint: evidence
for it is complete only with the vowel. So speech begins :data:`EARLY` hops before the decision, and audio is
late by as much: by 90 ms with the 30 of the frames. It ends where it would end otherwise.

The energy threshold is lowered in a still room, where the floor of the noise is far below it, as the
segmenter does (``speech_thresholds.py``), by 10 dB at most.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import exp
from typing import Final, NamedTuple

import numpy as np

from orch.audio.parameters import Vad
from orch.audio.speech_thresholds import RELEASE_SHARE
from orch.audio.stages.stage import Activity, Block, Signal
from orch.audio.stages.vad_features import COUNT, SPAN, Bank, FeatureState, features
from orch.audio.stages.vad_model import HIDDEN, NUMBERS

HOP_MS: Final = 10
EARLY: Final = 6
"""Hops before its decision at which speech begins."""
LATE: Final = 3 + EARLY
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
    Eagerness(bias=-0.25, evidence=2.0, release=-1.0),
    Eagerness(bias=0.5, evidence=3.0, release=-0.5),
    Eagerness(bias=1.5, evidence=8.0, release=0.5),
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

    def after(
        self, logits: list[float], levels: list[float], hop: int, rule: Rule
    ) -> tuple[list[float], list[bool], "Decision"]:
        """Return confidence and decision for each logit and level (lg RMS/threshold), and what follows.

        ``hop``: the one that the first decision is about; it is negative before the first sample.
        """
        eagerness, step = rule.eagerness, rule.step
        recent = [*self.logits, *logits]
        evidence, is_speech, active, pause = self.evidence, self.is_speech, self.active, self.pause
        confidences, speech = [], []
        for index, level in enumerate(levels, len(self.logits) + 1):
            window = recent[max(0, index - step) : index]
            mean = rule.scale * (sum(window) / len(window)) + rule.shift
            mean = min(max(mean, -SURE), SURE)
            if hop % step:
                pass
            elif not is_speech:
                evidence += step * (min(mean, CAP) - eagerness.bias)
                if level < 0 or evidence < 0:
                    evidence = 0.0
                elif evidence >= eagerness.evidence:
                    evidence, is_speech, active, pause = 0.0, True, step, 0
            elif mean >= eagerness.release and level >= _BELOW:
                active, pause = active + pause + step, 0
            else:
                pause += step
                if pause > EARLY + rule.hangover * min(1.0, active / rule.shortest):
                    is_speech, active, pause = False, 0, 0
            hop += 1
            confidences.append(1 / (1 + exp(-mean)))
            speech.append(is_speech)
        after = Decision(tuple(recent[-_LONGEST:]), evidence, is_speech, active, pause)
        return confidences, speech, after


class VadState(NamedTuple):
    """What is between the samples and the decisions.

    ``held``: the samples that are not yet returned. ``frame``: the last samples that are in no complete hop,
    and the three hops before them. ``confidences`` and ``speech`` of the hops that are not yet returned;
    ``offset``: how many samples of the first of them were.
    """

    held: Block
    frame: Signal
    offset: int
    confidences: tuple[float, ...]
    speech: tuple[bool, ...]
    features: FeatureState = FeatureState()
    decision: Decision = Decision()


@dataclass(frozen=True)
class VadStage:
    """Finds speech. ``sample_rate`` in Hz."""

    parameters: Vad
    sample_rate: int

    @cached_property
    def hop(self) -> int:
        """Samples of a hop: 10 ms."""
        return round(self.sample_rate / 100)

    @cached_property
    def rule(self) -> Rule:
        """How the parameters decide."""
        return rule_of(self.parameters)

    @cached_property
    def bank(self) -> Bank:
        """The tables of the features."""
        return bank(self.sample_rate, self.parameters.voice_freq_min, self.parameters.voice_freq_max)

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
            confidences=(0.0,) * LATE,
            speech=(False,) * LATE,
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
        hop, length = self.hop, len(block)
        held = np.concatenate((state.held, block))
        signal: Signal = np.concatenate((state.frame, block))
        count = max(0, len(signal) // hop - (SPAN - 1))
        confidences, speech, seen, decision = state[3:]
        for begin in range(0, count, _CHUNK):
            shape, stride = (min(_CHUNK, count - begin), SPAN * hop), signal.itemsize
            frames: Signal = np.ndarray(
                shape, signal.dtype, signal, begin * hop * stride, (hop * stride, stride)
            )
            confident, decided, seen, decision = self._decided(frames, seen, decision)
            confidences += confident
            speech += decided
        end = state.offset + length
        over, hops = end // hop, -(-end // hop)
        activity = Activity(
            np.array(confidences[:hops], np.float32).repeat(hop)[state.offset : end],
            np.array(speech[:hops], np.bool_).repeat(hop)[state.offset : end],
        )
        after = VadState(
            held[length:].copy(),
            signal[count * hop :].copy(),
            end - over * hop,
            confidences[over:],
            speech[over:],
            seen,
            decision,
        )
        return held[:length], activity, after

    def _decided(
        self, frames: Signal, seen: FeatureState, decision: Decision
    ) -> tuple[tuple[float, ...], tuple[bool, ...], FeatureState, Decision]:
        """Return confidence and decision of the hops that frames complete, and the states after them."""
        before = seen.frames
        found, levels, seen = features(frames, self.bank, seen, self.parameters.energy_threshold)
        confidences, speech, decision = decision.after(
            network().logits(found), levels, before - LATE + 1, self.rule
        )
        # The first frames are before the first hop of the signal can be known or decided about.
        known, decided = max(0, LATE - EARLY - 1 - before), max(0, LATE - 1 - before)
        return tuple(confidences[known:]), tuple(speech[decided:]), seen, decision

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
