"""Runs audio through the stages that are on, and changes them while it runs. Pure.

One channel of float32 in, one out, in blocks of any length; their sizes change nothing. Before the first
stage NaN and infinity become silence, and what is 18 dB over full scale is clipped.

**Latency.** A stage is late by a fixed number of samples, also while it is off: then a delay of that length
stands in its place. So stages are switched without a gap. The zeros at the beginning are dropped, and
``flush`` returns what is still inside: output sample n belongs to input sample n, except for what ``silence``
cut (:attr:`Processed.cuts`) and the rate that ``resample`` made. A live pipeline therefore returns nothing
for its first :attr:`Pipeline.latency` samples.

**Changes.** A stage with new parameters continues from the state of the old one; both run for :data:`FADE`
seconds (``fading.py``). Of the changes that arrive meanwhile the newest follows. What would change the number
of samples applies at the next start: rate, filter and switch of ``resample``.

**Pause.** Paused at a stage, the later ones are off, except ``resample``: the output keeps its rate.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from msgspec import structs

from orch.audio.deepfilternet import noise_stage
from orch.audio.fading import FadingStage
from orch.audio.parameters import GROUPS, STAGE_IDS, StageId
from orch.audio.pipeline_settings import PipelineSettings
from orch.audio.stages.delay import Recent, delayed_activity, joined, no_activity
from orch.audio.stages.resample import ResampleStage
from orch.audio.stages.silence import SilenceStage
from orch.audio.stages.stage import Activity, Block, Stage
from orch.audio.stages.vad import VadStage
from orch.audio.stages.voice_enhance import VoiceEnhanceStage
from orch.audio.stages.voice_filter import VoiceFilterStage
from orch.audio.stages.voice_process import VoiceProcessStage
from orch.audio.time_map import Cut

FADE: Final = 0.03
"""Seconds."""
LOUDEST: Final = 8.0
"""The highest magnitude that reaches a stage."""
FAINTEST: Final = 1e-20
"""A sample below it is 0: processors are slow with numbers that are nearly too small for them."""
_NOTHING: Final = np.zeros(0, np.float32)

#: The stages that change samples and return as many as they are given; ``vad`` is between the first two.
FADING: Final[dict[StageId, Callable[[Any, int], Stage[Any]]]] = {
    "voiceFilter": VoiceFilterStage,
    "noise": noise_stage,
    "voiceEnhance": VoiceEnhanceStage,
    "voiceProcess": VoiceProcessStage,
}
_AFTER_VAD: Final[tuple[StageId, ...]] = ("noise", "voiceEnhance", "voiceProcess")
_ORDER: Final[tuple[StageId, ...]] = ("voiceFilter", "vad", *_AFTER_VAD)


@dataclass(frozen=True, slots=True)
class Processed:
    """What a call returned.

    ``samples``: the output at :attr:`Pipeline.output_rate`. ``activity``: of the samples before ``silence``;
    None where the VAD stage is off. ``taps``: what left each stage that was asked for, each from its first
    sample on. ``cuts``: what ``silence`` removed, in samples since the start of the pipeline.
    """

    samples: Block
    activity: Activity | None
    taps: dict[StageId, Block]
    cuts: tuple[Cut, ...] = ()


def sanitised(block: Block) -> Block:
    """Return the block without what no stage accepts: NaN and infinity are silence, the rest is bounded."""
    sizes = np.abs(block)
    if sizes.max(initial=0) <= LOUDEST:  # not so with NaN
        clean: Block = block * (sizes >= FAINTEST)
        return clean
    clean = np.where(np.isfinite(block) & (sizes >= FAINTEST), block, np.float32(0))
    return np.clip(clean, -LOUDEST, LOUDEST).astype(np.float32, copy=False)


def is_on(settings: PipelineSettings, stage: StageId) -> bool:
    """Return whether a stage processes audio: it is enabled, and no pause is before it."""
    if stage not in settings.enabled:
        return False
    paused_at = settings.paused_at
    return paused_at is None or STAGE_IDS.index(stage) <= STAGE_IDS.index(paused_at)


class Pipeline:
    """A running pipeline. ``clock``: returns seconds, for :attr:`timings_ms`; without one nothing is timed.

    The mutable state: the states, delays and fades of the stages, and how much of the beginning was dropped.
    """

    def __init__(
        self, settings: PipelineSettings, sample_rate: int, *, clock: Callable[[], float] | None = None
    ) -> None:
        self.settings = settings
        self.sample_rate = sample_rate
        self._clock = clock
        self._seconds: dict[StageId, float] = dict.fromkeys(GROUPS, 0.0)
        self._fading = {
            stage: FadingStage(
                factory(getattr(settings.parameters, GROUPS[stage]), sample_rate),
                is_on=is_on(settings, stage),
                fade=round(FADE * sample_rate),
            )
            for stage, factory in FADING.items()
        }
        self._vad = _Detector(settings, sample_rate)
        # Only the noise stage looks at the activity; behind it, it waits until the block is out.
        self._held = no_activity(sum(self._fading[stage].latency for stage in _AFTER_VAD))
        self._late: dict[StageId, int] = {}
        late = 0
        for stage in _ORDER:
            late += self._vad.latency if stage == "vad" else self._fading[stage].latency
            self._late[stage] = late
        self._surplus = dict(self._late)  # samples before the first, of each tap
        self._silence = _Shortener(settings, sample_rate)
        self._resample: ResampleStage | None = None
        if "resample" in settings.enabled:
            self._resample = ResampleStage(settings.parameters.resampling, sample_rate)
            self._resample_state = self._resample.initial()

    @property
    def latency(self) -> int:
        """Samples of input for which a live pipeline returns nothing."""
        resample = 0 if self._resample is None else self._resample.latency
        return self._late[_ORDER[-1]] + self._silence.latency + resample

    @property
    def output_rate(self) -> int:
        """Samples a second of the output."""
        return self.sample_rate if self._resample is None else self._resample.parameters.target_rate

    @property
    def timings_ms(self) -> dict[StageId, float]:
        """Milliseconds spent in each stage since the start."""
        return {stage: 1000 * seconds for stage, seconds in self._seconds.items()}

    @property
    def reductions(self) -> dict[StageId, float]:
        """The present gain change of each stage in dB: negative where it reduces, 0 where it is off."""
        return {stage: slot.reduction for stage, slot in self._fading.items()}

    def change(self, settings: PipelineSettings) -> None:
        """Continue with other settings, without a click."""
        for stage, slot in self._fading.items():
            parameters = getattr(settings.parameters, GROUPS[stage])
            slot.change(FADING[stage](parameters, self.sample_rate), is_on=is_on(settings, stage))
        self._vad.change(settings)
        self._silence.change(settings)
        if self._resample is not None:
            wanted = settings.parameters.resampling
            parameters = structs.replace(
                self._resample.parameters, dithering=wanted.dithering, dither_type=wanted.dither_type
            )
            if parameters != self._resample.parameters:
                self._resample = ResampleStage(parameters, self.sample_rate)
                self._resample_state = self._resample.adopted(self._resample_state)
        self.settings = settings

    def process(self, block: Block, taps: Collection[StageId] = ()) -> Processed:
        """Process a block; ``taps``: the stages whose output is wanted besides."""
        return self._run(block, taps, is_last=False)

    def flush(self, taps: Collection[StageId] = ()) -> Processed:
        """Return what is still inside. Nothing may follow."""
        return self._run(_NOTHING, taps, is_last=True)

    def copy(self) -> "Pipeline":
        """Return a pipeline that continues from here on its own."""
        other = object.__new__(Pipeline)
        other.__dict__.update(self.__dict__)
        other._seconds = dict(self._seconds)
        other._fading = {stage: slot.copy() for stage, slot in self._fading.items()}
        other._vad = self._vad.copy()
        other._surplus = dict(self._surplus)
        other._silence = self._silence.copy()
        return other

    def _run(self, block: Block, taps: Collection[StageId], *, is_last: bool) -> Processed:
        left: dict[StageId, Block] = {"original": block}
        block = left["decoded"] = sanitised(block)
        activity: Activity | None = None
        surplus = 0
        for stage in _ORDER:
            begun = self._now()
            if stage == "vad":
                block, activity = self._vad.process(block, is_last=is_last)
            else:
                block = self._steady(stage, block, activity if stage == "noise" else None, is_last=is_last)
            self._seconds[stage] += self._now() - begun
            # What is before the first sample is dropped, whether this call asks for the tap or another.
            surplus = min(self._surplus[stage], len(block))
            self._surplus[stage] -= surplus
            left[stage] = block[surplus:] if surplus else block
        activity = self._late_activity(activity, len(block), surplus, is_last=is_last)
        begun = self._now()
        block, cuts = self._silence.process(left[_ORDER[-1]], activity, is_last=is_last)
        self._seconds["silence"] += self._now() - begun
        left["silence"] = block
        begun = self._now()
        left["resample"] = left["final"] = self._resampled(block, is_last=is_last)
        self._seconds["resample"] += self._now() - begun
        return Processed(left["final"], activity, {tap: left[tap] for tap in taps}, cuts)

    def _steady(self, stage: StageId, block: Block, activity: Activity | None, *, is_last: bool) -> Block:
        """Return the output of one of :data:`FADING`."""
        slot = self._fading[stage]
        out = slot.process(block, activity)
        if is_last:
            out = np.concatenate((out, slot.flush(activity and no_activity(slot.latency))))
        return out

    def _late_activity(
        self, activity: Activity | None, count: int, surplus: int, *, is_last: bool
    ) -> Activity | None:
        """Return the activity of the ``count`` samples that left the last stage, without the first ones."""
        if activity is None:
            _, self._held = delayed_activity(no_activity(count), self._held)
            return None
        late, self._held = delayed_activity(activity, self._held)
        if is_last:
            late = joined(late, self._held)
        return Activity(late.confidence[surplus:], late.speech[surplus:]) if surplus else late

    def _resampled(self, block: Block, *, is_last: bool) -> Block:
        if self._resample is None:
            return block
        block, self._resample_state = self._resample.process(block, self._resample_state)
        if is_last:
            rest, self._resample_state = self._resample.flush(self._resample_state)
            block = np.concatenate((block, rest))
        return block

    def _now(self) -> float:
        return 0.0 if self._clock is None else self._clock()


class _Detector:
    """Runs the VAD stage. Audio is delayed in the same way where it is off, so it is switched at once."""

    def __init__(self, settings: PipelineSettings, sample_rate: int) -> None:
        self._stage = VadStage(settings.parameters.vad, sample_rate)
        self._state = self._stage.initial() if is_on(settings, "vad") else None
        self._recent = Recent(self._stage.latency)
        self.latency = self._stage.latency

    def change(self, settings: PipelineSettings) -> None:
        """Continue with other parameters, on or off."""
        stage = VadStage(settings.parameters.vad, self._stage.sample_rate)
        if not is_on(settings, "vad"):
            self._state = None
        elif self._state is None:
            self._state = stage.initial()
        elif stage != self._stage:
            self._state = stage.adopted(self._state)
        self._stage = stage

    def process(self, block: Block, *, is_last: bool) -> tuple[Block, Activity | None]:
        """Return the delayed block and its activity; None where the stage is off."""
        if is_last:
            block = np.concatenate((block, np.zeros(self.latency, np.float32)))
        late = self._recent.delayed(block)
        if self._state is None:
            return late, None
        _, activity, self._state = self._stage.detect(block, self._state)
        return late, activity

    def copy(self) -> "_Detector":
        """Return another one that continues from here on its own."""
        other = object.__new__(_Detector)
        other.__dict__.update(self.__dict__)
        other._recent = self._recent.copy()
        return other


class _Shortener:
    """Runs the silence stage, which returns fewer samples than it is given; off, it passes everything.

    Samples that are not cut stay in their order whatever changes, so that nothing can click.
    """

    def __init__(self, settings: PipelineSettings, sample_rate: int) -> None:
        self._stage = SilenceStage(settings.parameters.silence, sample_rate)
        self._state = self._stage.initial() if is_on(settings, "silence") else None
        self._rest = _NOTHING  # what was inside when the stage was switched off
        self._passed = self._written = 0  # samples of input and of output
        self._begun = (0, 0)  # of both, before the stage was switched on

    @property
    def latency(self) -> int:
        """Samples by which the output is late."""
        return 0 if self._state is None else self._stage.latency

    def change(self, settings: PipelineSettings) -> None:
        """Continue with other parameters, on or off."""
        stage = SilenceStage(settings.parameters.silence, self._stage.sample_rate)
        if not is_on(settings, "silence"):
            if self._state is not None:
                self._rest, _ = self._stage.flush(self._state)
                self._state = None
        elif self._state is None:
            self._state = stage.initial()
            self._begun = (self._passed, self._written + len(self._rest))
        elif stage != self._stage:
            self._state = stage.adopted(self._state)
        self._stage = stage

    def process(
        self, block: Block, activity: Activity | None, *, is_last: bool
    ) -> tuple[Block, tuple[Cut, ...]]:
        """Return the samples that stay, and what was cut."""
        self._passed += len(block)
        rest, self._rest = self._rest, _NOTHING
        cuts: tuple[Cut, ...] = ()
        if self._state is not None:
            block, self._state = self._stage.process(block, self._state, activity)
            cuts = self._state.cuts
            if is_last:
                end, self._state = self._stage.flush(self._state)
                block = np.concatenate((block, end))
                cuts += self._state.cuts
        out = np.concatenate((rest, block)) if len(rest) else block
        self._written += len(out)
        if not cuts:
            return out, cuts
        before, written = self._begun
        return out, tuple(
            Cut(cut.output + written, cut.input_from + before, cut.input_to + before) for cut in cuts
        )

    def copy(self) -> "_Shortener":
        """Return another one that continues from here on its own."""
        other = object.__new__(_Shortener)
        other.__dict__.update(self.__dict__)
        return other
