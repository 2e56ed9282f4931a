"""Golden vectors: what the stages return, for the kernels of the browser to return the same.

A file in ``tests/data/audio/vectors/`` has the cases of a stage: parameters, input and output. It is written
by ``scripts/golden_vectors.py`` from the cases in ``tests/audio/vector_cases/``; ``test_vectors.py`` compares
it with what the stages return today, and ``tests/js/golden-vectors.test.js`` with the kernels.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from orch.audio.parameters import Group
from orch.audio.stages.stage import Activity, Block, Stage

FOLDER: Final = Path(__file__).parents[1] / "data" / "audio" / "vectors"
SIZES: Final = (128, 1, 0, 500, 37)
"""Sizes of the blocks, repeated."""


@dataclass(frozen=True)
class Case:
    """One input for a stage."""

    name: str
    stage: Stage[Any]
    parameters: Group
    sample_rate: int
    sound: Block
    activity: Activity | None = None


#: The stages that have cases, as their modules spell them: ``voice_filter``.
STAGES: Final = tuple(sorted(path.stem for path in (Path(__file__).parent / "vector_cases").glob("*.py")))


def cases(stage: str) -> list[Case]:
    """Return the cases of a stage."""
    found: list[Case] = import_module(f"tests.audio.vector_cases.{stage}").CASES
    return found


def blocks(sound: Block, activity: Activity | None) -> Iterator[tuple[Block, Activity | None]]:
    """Yield a sound in blocks of :data:`SIZES`, with the activity of each."""
    begin = index = 0
    while begin < len(sound):
        part = slice(begin, begin + SIZES[index % len(SIZES)])
        yield sound[part], activity and Activity(activity.confidence[part], activity.speech[part])
        begin, index = part.stop, index + 1


def output(case: Case) -> dict[str, npt.NDArray[Any]]:
    """Return what the stage makes of a case: its samples, and for the VAD the activity."""
    state = case.stage.initial()
    parts: list[Block] = []
    found: list[Activity] = []
    detect = getattr(case.stage, "detect", None)
    for block, activity in blocks(case.sound, case.activity):
        if detect is None:
            part, state = case.stage.process(block, state, activity)
        else:
            part, seen, state = detect(block, state)
            found.append(seen)
        parts.append(part)
    rest, state = case.stage.flush(state)
    samples = {"output": np.concatenate((*parts, rest)).astype("<f4")}
    if not found:
        return samples
    return samples | {
        "detectedConfidence": np.concatenate([each.confidence for each in found]).astype("<f4"),
        "detectedSpeech": np.concatenate([each.speech for each in found]).astype("u1"),
    }


def document(stage: str, cases: list[Case]) -> bytes:
    """Return the file of a stage."""
    return msgspec.json.format(
        msgspec.json.encode({"stage": stage, "blocks": SIZES, "cases": [_encoded(case) for case in cases]}),
        indent=1,
    )


def _encoded(case: Case) -> dict[str, Any]:
    activity = case.activity
    return {
        "name": case.name,
        "sampleRate": case.sample_rate,
        "parameters": msgspec.to_builtins(case.parameters),
        "input": text(case.sound.astype("<f4")),
        "confidence": activity and text(activity.confidence.astype("<f4")),
        "speech": activity and text(activity.speech.astype("u1")),
        **{name: text(values) for name, values in output(case).items()},
    }


def text(values: npt.NDArray[Any]) -> str:
    """Return numbers as base64."""
    return base64.b64encode(values.tobytes()).decode()


def numbers(data: str, kind: str) -> npt.NDArray[Any]:
    """Return numbers from base64."""
    return np.frombuffer(base64.b64decode(data), dtype=kind)
