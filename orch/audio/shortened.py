"""What ``silence`` left of a file: which parts, and why, if it left nothing. Pure."""

from collections.abc import Sequence

import numpy as np

from orch.audio.pipeline_jobs import Emptied
from orch.audio.pipeline_settings import PipelineSettings
from orch.audio.stages.stage import Block
from orch.audio.time_map import Cut, TimeMap


class Shortened:
    """Follows a pipeline with ``settings``. The mutable state: its cuts, and what it was given and returned.

    ``has_activity``: whether the stage knows what is voice.
    """

    def __init__(self, settings: PipelineSettings, *, has_activity: bool) -> None:
        self._silence = settings.parameters.silence
        self._uses_activity = has_activity and self._silence.use_voice_activity
        self._breaks: list[tuple[int, int]] = [(0, 0)]
        self._given = self._kept = 0
        self._peak = 0.0

    def add(self, given: Block, kept: Block, cuts: Sequence[Cut]) -> None:
        """Add what the stage was given, what of it stays, and what was cut."""
        self._given += len(given)
        self._kept += len(kept)
        self._peak = max(self._peak, float(np.abs(given).max(initial=0)))
        self._breaks += [(cut.output, cut.input_to) for cut in cuts]

    def parts(self) -> tuple[tuple[int, int, int], ...]:
        """Return what stays: start and end in the output, and where it begins in the input, in samples."""
        return TimeMap(tuple(self._breaks)).parts(self._kept)

    def emptied(self) -> Emptied | None:
        """Return why nothing stays; None: something does."""
        if self._kept or not self._given:
            return None
        threshold = self._silence.threshold
        is_loud = self._peak >= 10 ** (threshold / 20)
        if self._uses_activity and is_loud:
            return Emptied(
                path="silence.useVoiceActivity",
                detail="No voice was found in the file, so the stage silence removed all of it. "
                "Turn off silence.useVoiceActivity to keep sounds that are no voice, or turn off the stage.",
            )
        return Emptied(
            path="silence.threshold",
            detail=f"Nothing in the file is louder than {threshold:g} dBFS, so the stage silence removed all "
            "of it. Lower silence.threshold, or turn off the stage.",
        )
