"""Cases of the silence stage: the pauses of two bursts of a voice, with and without voice activity."""

from typing import Any, Final

import numpy as np

from orch.audio.parameters import Silence
from orch.audio.stages.silence import SilenceStage
from orch.audio.stages.stage import Activity, Block
from tests.audio.vector_sounds import halves, speech
from tests.audio.vectors import Case

RATE: Final = 8_000


def _bursts(*levels_db: float) -> Block:
    """Return noise of 0.1 s at each level (dBFS, RMS)."""
    random = np.random.default_rng(9)
    parts = [10 ** (level / 20) * random.uniform(-1.7, 1.7, RATE // 10) for level in levels_db]
    return np.concatenate(parts).astype(np.float32)


def _case(name: str, sound: Block, activity: Activity | None = None, rate: int = RATE, **values: Any) -> Case:
    parameters = Silence(**values)
    return Case(name, SilenceStage(parameters, rate), parameters, rate, sound, activity)


_PAUSES: Final = _bursts(-70, -70, -20, -70, -70, -70, -40, -70, -20, -60, -20, -70, -70)

CASES: Final = [
    _case("trimmed and shortened", _PAUSES, pad_duration=50, min_duration=200),
    _case("no padding, a breath stays", _PAUSES, pad_duration=0, min_duration=100, keep_breaths=True),
    _case("ends stay", _PAUSES, pad_duration=0, min_duration=100, trim_start=False, trim_end=False),
    _case("only voice stays", speech(0.3), halves(4_800), 16_000, pad_duration=50),
]
