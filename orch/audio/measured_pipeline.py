"""Runs a pipeline and measures what leaves its stages. Pure.

The voice activity of a sample is known later than the sample; measures wait for it. What ``silence`` and
``resample`` return has other times, so its activity is detected again, with the parameters of ``vad``.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from orch.audio.analysis import Analyzer
from orch.audio.deepfilternet import notice
from orch.audio.parameters import GROUPS, STAGE_IDS, StageId, Vad
from orch.audio.pipeline import FADING, Pipeline, Processed, is_on
from orch.audio.pipeline_jobs import Measured
from orch.audio.pipeline_settings import PipelineSettings
from orch.audio.shortened import Shortened
from orch.audio.stages.stage import Activity, Block
from orch.audio.stages.vad import VadStage

#: Where sound differs from what it was before; ``resample`` returns what ``final`` does, ``vad`` no other.
_MEASURED: Final[tuple[StageId, ...]] = ("decoded", *FADING, "silence", "final")
_BEFORE: Final[StageId] = "voiceProcess"
"""What ``silence`` is given."""
_NOTHING = np.zeros(0, np.float32)


class Meter:
    """Measures sound together with its voice activity, whichever of both is known first.

    ``has_activity``: whether :meth:`add_activity` will follow. The mutable state: the analyzer, and what
    waits for the other.
    """

    def __init__(self, sample_rate: int, channels: int, *, has_activity: bool) -> None:
        self._analyzer = Analyzer(sample_rate, channels)
        self._has_activity = has_activity
        self._sound = np.zeros((channels, 0), np.float32)
        self._confidence = np.zeros(0, np.float32)
        self._speech = np.zeros(0, np.bool_)

    def add(self, sound: npt.NDArray[np.float32]) -> None:
        """Add the next samples, shape (channels, samples)."""
        if not self._has_activity:
            self._analyzer.add(sound)
            return
        self._sound = np.concatenate((self._sound, sound), axis=1)
        self._measure()

    def add_activity(self, activity: Activity) -> None:
        """Add the activity of the next samples."""
        self._confidence = np.concatenate((self._confidence, activity.confidence))
        self._speech = np.concatenate((self._speech, activity.speech))
        self._measure()

    def _measure(self) -> None:
        count = min(self._sound.shape[1], len(self._speech))
        if count:
            known = Activity(self._confidence[:count], self._speech[:count])
            self._analyzer.add(self._sound[:, :count], known)
            self._sound = self._sound[:, count:]
            self._confidence, self._speech = self._confidence[count:], self._speech[count:]

    def result(self) -> dict[str, Any]:
        """Return the measures as JSON values."""
        if self._sound.shape[1]:  # without activity at the end
            self._analyzer.add(self._sound)
            self._sound = self._sound[:, :0]
        measures: dict[str, Any] = msgspec.to_builtins(self._analyzer.result())
        return measures


class _Detector:
    """Detects the voice activity of a sound; the latency of the stage is taken out."""

    def __init__(self, parameters: Vad, sample_rate: int) -> None:
        self._stage = VadStage(parameters, sample_rate)
        self._state = self._stage.initial()
        self._surplus = self._stage.latency

    def detect(self, block: Block, *, is_last: bool) -> Activity:
        """Return the activity of as many samples as are certain; at the end of all."""
        if is_last:
            block = np.concatenate((block, np.zeros(self._stage.latency, np.float32)))
        _, activity, self._state = self._stage.detect(block, self._state)
        surplus = min(self._surplus, len(activity.speech))
        self._surplus -= surplus
        return Activity(activity.confidence[surplus:], activity.speech[surplus:])


class MeasuredPipeline:
    """A pipeline with a meter at each stage that changes sound. ``clock``: seconds, for the timings.

    The mutable state: the pipeline, its meters, the detectors of what ``silence`` returned, and what it cut.
    """

    def __init__(
        self,
        settings: PipelineSettings,
        sample_rate: int,
        measured: Measured,
        *,
        clock: Callable[[], float],
    ) -> None:
        self.pipeline = Pipeline(settings, sample_rate, clock=clock)
        self.has_activity = is_on(settings, "vad")
        self.shortened = Shortened(settings, has_activity=self.has_activity)
        self._meters: dict[StageId, Meter] = {}
        self._detectors: dict[StageId, _Detector] = {}
        stages = {"stages": _MEASURED, "ends": _MEASURED[-1:], "nothing": ()}[measured]
        for stage in stages:
            if stage in GROUPS and not is_on(settings, stage):
                continue
            rate = self.pipeline.output_rate if stage == "final" else sample_rate
            self._meters[stage] = Meter(rate, 1, has_activity=self.has_activity)
            if stage in {"silence", "final"} and self.has_activity:
                self._detectors[stage] = _Detector(settings.parameters.vad, rate)

        self._taps: set[StageId] = {*self._meters, _BEFORE, "silence"}

    def process(self, block: Block) -> Processed:
        """Process a block of one channel."""
        return self._measure(self.pipeline.process(block, self._taps), is_last=False)

    def flush(self) -> Processed:
        """Return what is still inside."""
        return self._measure(self.pipeline.flush(self._taps), is_last=True)

    def _measure(self, processed: Processed, *, is_last: bool) -> Processed:
        self.shortened.add(processed.taps[_BEFORE], processed.taps["silence"], processed.cuts)
        for stage, meter in self._meters.items():
            tap = processed.taps.get(stage, _NOTHING)
            meter.add(tap[None])
            if stage in self._detectors:
                meter.add_activity(self._detectors[stage].detect(tap, is_last=is_last))
            elif processed.activity is not None:
                meter.add_activity(processed.activity)
        return processed

    def stages(self) -> dict[StageId, dict[str, Any]]:
        """Return the measures of what left each stage; a stage that is off returned what it was given."""
        found: dict[StageId, dict[str, Any]] = {}
        latest: dict[str, Any] | None = None
        results = {stage: meter.result() for stage, meter in self._meters.items()}
        for stage in STAGE_IDS[1:]:
            latest = results.get(stage, results.get("final") if stage == "resample" else latest)
            if latest is not None:
                found[stage] = latest
        return found

    @property
    def notice(self) -> str | None:
        """What is not done as the settings ask, and why."""
        settings = self.pipeline.settings
        return notice(settings.parameters.noise_reduction) if is_on(settings, "noise") else None

    def timings_ms(self) -> dict[StageId, float]:
        """Return the milliseconds spent in each stage that is on."""
        return {
            stage: round(milliseconds, 3)
            for stage, milliseconds in self.pipeline.timings_ms.items()
            if is_on(self.pipeline.settings, stage)
        }
