"""Whatever a decoder may pass on, the process of a file returns finite sound and finite measures."""

import gc
import math
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pytest

from orch.audio import decoder_frames as frames
from orch.audio.measured_pipeline import MeasuredPipeline
from orch.audio.pipeline_jobs import Emptied, Job, Outcome, Variant
from orch.audio.pipeline_process import FailedError, run
from orch.audio.pipeline_settings import encode
from orch.audio.presets import PRESETS
from orch.audio.wav import HEADER_BYTES
from tests.audio.vector_sounds import speech
from tests.fakes.wav_files import tones

RATE: Final = 8_000
TONE: Final = tones(RATE, 0.5)


def processed(sound: npt.NDArray[np.float64]) -> tuple[Outcome, npt.NDArray[np.int16]]:
    """Run decoded sound, shape (samples, channels), through preset default; a warning of NumPy is a fault."""
    channels = sound.shape[1]
    facts = (
        f'{{"format": "wav", "seconds": null, "whole": null, "tracks": 1, "track": 1, "rate": {RATE}, '
        f'"channels": {channels}, "own_rate": {RATE}}}'
    )
    end = b'{"damaged_at": null, "reason": "", "cut": "", "limited": false}'
    with np.errstate(over="ignore"):
        data = sound.astype("<f4").tobytes()
    size = frames.MOST_PCM // (4 * channels) * 4 * channels
    sent = [frames.pack(frames.FACTS, facts.encode())]
    sent += [frames.pack(frames.SOUND, data[at : at + size]) for at in range(0, len(data), size)]
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as output:
        source.write(b"".join([*sent, frames.pack(frames.END, end)]))
        source.seek(0)
        settings = encode(PRESETS["default"].settings)
        variant = Variant(field="preset", document=settings, is_preset=True, output=output.fileno())
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            outcome = run(Job(seconds=60, variants=(variant,), measured="stages"), source.fileno())
        content = os.pread(output.fileno(), 1 << 20, HEADER_BYTES)
    return outcome, np.frombuffer(content, "<i2")


def numbers(document: Any) -> Iterator[float]:
    """Yield every number of a JSON document."""
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list | tuple):
        for each in document:
            yield from numbers(each)
    elif isinstance(document, float):
        yield document


def spoilt(value: float, every: int) -> npt.NDArray[np.float64]:
    """Return the tone with another value in place of some samples."""
    sound = TONE.copy()
    sound[::every] = value
    return sound


@pytest.mark.parametrize(
    ("sound", "invalid"),
    [
        pytest.param(spoilt(np.nan, 3), 1_334, id="NaN"),
        pytest.param(spoilt(np.nan, 1), 4_000, id="nothing but NaN"),
        pytest.param(spoilt(np.inf, 5), 800, id="infinity"),
        pytest.param(spoilt(-np.inf, 2), 2_000, id="negative infinity"),
        pytest.param(TONE * 1e38, 0, id="huge"),
        pytest.param(TONE * 1e300, 3_999, id="beyond 32 bits"),
        pytest.param(TONE * 1e-40, 0, id="denormals"),
        pytest.param(np.full((4_000, 1), 0.9), 0, id="DC"),
        pytest.param(np.sign(TONE), 0, id="square"),
        pytest.param(np.clip(TONE * 50, -1, 1), 0, id="clipped"),
        pytest.param(np.zeros((4_000, 1)), 0, id="silence"),
        pytest.param(TONE[:1], 0, id="one sample"),
        pytest.param(tones(RATE, 0.5, 8) * [1, -1, 1, -1, 1, -1, 1, -1], 0, id="eight channels"),
    ],
)
def test_any_samples_give_finite_sound_and_measures(sound: npt.NDArray[np.float64], invalid: int) -> None:
    """What is no number is counted; an empty result has its reason."""
    outcome, result = processed(sound)
    (output,) = outcome.outputs
    assert outcome.invalid_samples == invalid
    assert outcome.seconds == len(sound) / RATE
    assert len(result) == round(output.seconds * output.sample_rate)
    assert all(math.isfinite(each) for each in numbers(msgspec.to_builtins(outcome)))
    kept = sum(end - start for start, end, _ in output.parts)
    assert kept == pytest.approx(output.seconds * RATE, abs=2)
    assert isinstance(output.emptied, Emptied) is (len(result) == 0)


def test_a_decoder_that_lies_is_not_believed() -> None:
    """Half a sample of a channel is a fault of its process."""
    facts = (
        b'{"format": "wav", "seconds": 1, "whole": null, "tracks": 1, "track": 1, "rate": 8000, '
        b'"channels": 2, "own_rate": 8000}'
    )
    with tempfile.TemporaryFile() as source:
        source.write(frames.pack(frames.FACTS, facts) + frames.pack(frames.SOUND, bytes(12)))
        source.seek(0)
        variant = Variant(field="preset", document=encode(PRESETS["default"].settings), is_preset=True)
        with pytest.raises(FailedError) as failed:
            run(Job(seconds=60, variants=(variant,), measured="nothing"), source.fileno())
    assert failed.value.reply.code == "decoder_died"


def held(root: object) -> int:
    """Return the bytes of all arrays that an object holds, with those that they are views of."""
    waiting, seen, total = [root], set[int](), 0
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, type | ModuleType | FunctionType):
            continue
        seen.add(id(each))
        if isinstance(each, np.ndarray):
            total += each.nbytes if each.base is None else 0
            waiting.append(each.base)
        else:
            waiting += gc.get_referents(each)
    return total


def test_what_a_pipeline_holds_does_not_grow_with_the_sound() -> None:
    """Measured at every stage; seven seconds more of sound would be 224 kB at one of them."""
    sound = np.concatenate((speech(1.5), np.zeros(RATE // 2, np.float32)))
    pipeline = MeasuredPipeline(PRESETS["minimal"].settings, RATE, "stages", clock=time.process_time)
    sizes = []
    for _ in range(2):
        pipeline.process(sound)
        pipeline.process(sound)
        sizes.append(held(pipeline))
    assert sizes[0] > 10_000
    assert sizes[1] < sizes[0] + 120_000
