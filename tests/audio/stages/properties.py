"""What holds for every stage, whatever its parameters."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from orch.audio.stages.stage import Activity, Block, Stage

RATES: Final = (8_000, 16_000, 44_100, 48_000)


def whole(stage: Stage[Any], sound: Block, activity: Activity | None = None) -> Block:
    """Return the whole output for a sound that is given as one block."""
    first, state = stage.process(sound, stage.initial(), activity)
    rest, _ = stage.flush(state)
    return np.concatenate((first, rest))


def in_blocks(stage: Stage[Any], sound: Block, sizes: list[int], activity: Activity | None = None) -> Block:
    """Return the whole output for blocks of ``sizes``, repeated; sizes must not all be 0."""
    state = stage.initial()
    parts: list[Block] = []
    begin = index = 0
    while begin < len(sound):
        part = slice(begin, begin + sizes[index % len(sizes)])
        block = sound[part].copy()
        out, state = stage.process(
            block, state, activity and Activity(activity.confidence[part], activity.speech[part])
        )
        parts.append(out)
        assert np.array_equal(block, sound[part], equal_nan=True), "the input was modified"
        begin, index = part.stop, index + 1
    rest, _ = stage.flush(state)
    return np.concatenate((*parts, rest))


def check_blocks(stage: Stage[Any], sound: Block, sizes: list[int], activity: Activity | None = None) -> None:
    """Check that the sizes of the blocks do not change the output."""
    expected = whole(stage, sound, activity)
    found = in_blocks(stage, sound, sizes, activity)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    assert np.allclose(found, expected, atol=2e-7, rtol=0)


def check_states(stage: Stage[Any], sound: Block, activity: Activity | None = None) -> None:
    """Check that an older state can be used again: it is not changed by what follows it."""
    half = len(sound) // 2
    first, second = (slice(0, half), slice(half, None))
    parts = [activity and Activity(activity.confidence[p], activity.speech[p]) for p in (first, second)]
    _, state = stage.process(sound[first], stage.initial(), parts[0])
    once, _ = stage.process(sound[second], state, parts[1])
    stage.flush(state)
    again, _ = stage.process(sound[second], state, parts[1])
    assert np.array_equal(once, again)


def check_length(stage: Stage[Any], sound: Block) -> None:
    """Check that the output is as long as the input and the latency."""
    assert len(whole(stage, sound)) == len(sound) + stage.latency


def hostile(sample_rate: int) -> dict[str, Block]:
    """Return finite sounds that break careless arithmetic, half a second each."""
    count = sample_rate // 2
    random = np.random.default_rng(3)
    square = np.where(np.arange(count) % 20 < 10, 1.0, -1.0)
    sounds: dict[str, npt.NDArray[Any]] = {
        "silence": np.zeros(count),
        "denormal": np.full(count, 1e-40),
        "constant": np.full(count, 0.7),
        "clipped": np.clip(8 * np.sin(np.arange(count) * 0.1), -1, 1),
        "square": square,
        "loud": 8 * square,
        "click": np.eye(1, count, count // 2)[0],
        "noise": random.normal(0, 0.3, count),
        "silence after noise": np.concatenate(
            (random.normal(0, 0.3, count // 2), np.zeros(count - count // 2))
        ),
    }
    return {name: sound.astype(np.float32) for name, sound in sounds.items()}


def check_hostile(stage: Stage[Any], sample_rate: int, *, most: float) -> None:
    """Check that hostile sounds give finite output, at most ``most`` times as loud as they are."""
    for name, sound in hostile(sample_rate).items():
        found = whole(stage, sound)
        assert np.isfinite(found).all(), name
        assert np.abs(found).max(initial=0) <= most * max(float(np.abs(sound).max()), 1e-6), name


def measured_latency(stage: Stage[Any], sound: Block, longest: int, activity: Activity | None = None) -> int:
    """Return by how many samples the output is late: where its correlation with the input is greatest."""
    found = whole(stage, sound, activity).astype(np.float64)
    size = 1 << (len(found) + len(sound)).bit_length()
    products = np.fft.irfft(np.fft.rfft(found, size) * np.conj(np.fft.rfft(sound, size)), size)
    return int(np.argmax(products[: longest + 1]))


def loudest_elsewhere(found: Block, frequency: float, sample_rate: int) -> float:
    """Return in dB how far below a tone everything but the tone is; for aliases."""
    window = np.blackman(len(found))
    lines = np.abs(np.fft.rfft(found * window))
    at = round(frequency * len(found) / sample_rate)
    tone = lines[at - 4 : at + 5].max()
    lines[max(0, at - 40) : at + 41] = 0
    lines[:40] = 0
    return float(20 * np.log10(lines.max() / tone + 1e-12))
