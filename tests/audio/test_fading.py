"""A stage is switched and changed while audio runs, without a click and without a sample too many."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.audio.fading import FadingStage
from orch.audio.stages.delay import delayed
from orch.audio.stages.stage import Activity, Block

LATE = 32
FADE = 480


@dataclass(frozen=True)
class Gain:
    """A stage that multiplies by ``gain``, LATE samples late."""

    gain: float
    latency: int = LATE

    def initial(self) -> Block:
        return np.zeros(self.latency, np.float32)

    def process(self, block: Block, state: Block, activity: Activity | None = None) -> tuple[Block, Block]:
        return delayed((block * self.gain).astype(np.float32), state)

    def flush(self, state: Block) -> tuple[Block, Block]:
        return state, state

    def adopted(self, state: Block) -> Block:
        return state

    def reduction(self, state: Block) -> float:
        return float(20 * np.log10(self.gain))


def tone(count: int) -> Block:
    return np.sin(np.arange(count) * 2 * np.pi * 440 / 16_000).astype(np.float32)


def run(stage: FadingStage, sound: Block, sizes: list[int]) -> Block:
    """Process a sound in blocks of these sizes, repeated."""
    out, begin, index = [], 0, 0
    while begin < len(sound):
        size = sizes[index % len(sizes)]
        out.append(stage.process(sound[begin : begin + size], None))
        begin, index = begin + size, index + 1
    return np.concatenate(out)


def test_a_stage_that_is_off_is_a_delay_of_its_latency() -> None:
    sound = tone(1000)
    stage = FadingStage(Gain(0.5), is_on=False, fade=FADE)
    out = np.concatenate((run(stage, sound, [100]), stage.flush(None)))
    assert np.array_equal(out[LATE:], sound)
    assert not out[:LATE].any()
    assert stage.reduction == 0


@pytest.mark.parametrize(("before", "after"), [(True, False), (False, True)])
@given(sizes=st.lists(st.integers(1, 700), min_size=1, max_size=4))
@settings(deadline=None, max_examples=30)
def test_it_is_switched_by_a_fade_that_blocks_do_not_change(
    *, before: bool, after: bool, sizes: list[int]
) -> None:
    """The output moves from one to the other in FADE samples, whatever the blocks."""
    sound = tone(4000)
    stage = FadingStage(Gain(0.5), is_on=before, fade=FADE)
    first = run(stage, sound[:1000], sizes)
    stage.change(Gain(0.5), is_on=after)
    out = np.concatenate((first, run(stage, sound[1000:], sizes), stage.flush(None)))[LATE:]
    assert len(out) == len(sound)
    begin = 1000 - LATE + (0 if before else 2 * LATE)
    share = np.clip((np.arange(4000) - begin + 0.5) / FADE, 0, 1)
    gain = 0.5 + 0.5 * share if before else 1 - 0.5 * share
    assert np.allclose(out, sound * gain, atol=1e-6)


def test_of_many_changes_during_a_fade_the_newest_follows() -> None:
    sound = np.ones(6 * FADE, np.float32)
    stage = FadingStage(Gain(1.0), is_on=True, fade=FADE)
    out = [stage.process(sound[:FADE], None)]
    for gain in (0.5, 0.4, 0.3, 0.25):
        stage.change(Gain(gain), is_on=True)
    out.append(stage.process(sound[FADE:], None))
    out.append(stage.process(sound, None))
    heard = np.concatenate(out)
    assert heard[-1] == pytest.approx(0.25)
    assert np.abs(np.diff(heard[LATE:])).max() < 1.5 * 0.5 / FADE


def test_a_copy_continues_on_its_own() -> None:
    sound = tone(2000)
    stage = FadingStage(Gain(0.5), is_on=True, fade=FADE)
    stage.process(sound[:500], None)
    stage.change(Gain(0.2), is_on=True)
    stage.process(sound[500:600], None)
    other = stage.copy()
    assert np.array_equal(other.process(sound[600:], None), stage.process(sound[600:], None))
