"""Sound through a pipeline and past it: nothing is lost, doubled or moved, whatever happens."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.audio import borders
from orch.audio.live_pipeline import IN_FLIGHT, OPENING, PATIENCE
from orch.audio.segmenter import Event
from orch.problems import ProblemError
from orch.settings import Vad
from orch.speech.sound_queue import Gap, SoundEnded, SoundQueue
from orch.speech.stream_sound import FADED_OUT, FIRST_PAUSE, StreamSound
from tests.fakes.pipelines import LATENCY, FakePipelines, gain

RATE = 16_000
BORDER = round(borders.FADE * RATE)
LOST = ProblemError("speech_lost", "It was lost.", service="speaker")


class Recorder(SoundQueue):
    """A sound queue that notes what it is given to segment."""

    def __init__(self, sample_rate: int = RATE) -> None:
        super().__init__(sample_rate=sample_rate, vad=Vad(), max_utterance=15)
        self.segmented = bytearray()
        self.arrivals: list[float] = []

    def segment(self, pcm: bytes, at: float) -> list[Event]:
        self.segmented += pcm
        self.arrivals += [at] * (len(pcm) // 2)
        return super().segment(pcm, at)

    def samples(self) -> list[int]:
        return [int(sample) for sample in np.frombuffer(bytes(self.segmented), "<i2")]


def ramp(first: int, count: int) -> bytes:
    """Return samples that show their place, from ``first`` on."""
    return np.array([value(n) for n in range(first, first + count)], "<i2").tobytes()


def value(n: int) -> int:
    return 2 * (n % 8_000 + 1)


def values(count: int, factor: Callable[[int], float] = lambda n: 1.0) -> list[int]:
    return [round(value(n) * factor(n)) for n in range(count)]


def check_border(found: list[int], at: int, count: int) -> None:
    """Half of each sample before ``at``, then a fade to all of it; none is lost or moved."""
    after = at + min(BORDER, LATENCY)
    assert len(found) == count
    assert found[:at] == values(at, lambda n: 0.5)
    assert found[after:] == values(count)[after:]
    shares = [found[n] / value(n) for n in range(at, after)]
    assert shares[0] == pytest.approx(0.5, abs=0.01)
    assert shares[-1] == pytest.approx(1, abs=0.01)
    assert all(-0.001 < after - before < 0.01 for before, after in pairwise(shares))  # but for rounding


def drained(sound: StreamSound, now: float) -> list[object]:
    events: list[object] = []
    while (step := sound.step(now)) is not None:
        events += step
    return events


class Setup:
    def __init__(self, **pool: object) -> None:
        self.queue = Recorder()
        self.pool = FakePipelines(**pool)  # type: ignore[arg-type]
        self.woken = 0
        self.sound = StreamSound(self.queue, pipelines=self.pool, changed=self.wake)
        self.fed = 0

    def wake(self) -> None:
        self.woken += 1

    def feed(self, count: int, now: float) -> None:
        self.queue.add(ramp(self.fed, count), now)
        self.fed += count
        drained(self.sound, now)


def test_each_sample_leaves_in_its_place_with_the_time_of_its_arrival() -> None:
    """Late by the latency while sound flows, and all of it at the end."""
    one = Setup()
    one.sound.want(gain(0.5))
    for number in range(10):
        one.feed(1_000, float(number))
    assert one.queue.samples() == values(10_000 - LATENCY, lambda n: 0.5)
    assert one.sound.owed_seconds == pytest.approx(LATENCY / RATE)
    one.queue.add_end(10.0)
    events = drained(one.sound, 10.0)
    assert isinstance(events[-1], SoundEnded)
    assert one.queue.samples() == values(10_000, lambda n: 0.5)
    assert one.queue.arrivals == [float(n // 1_000) for n in range(10_000)]
    assert (one.sound.is_bypassed, one.pool.receivers) == (False, {})


def test_a_gap_separates_the_sound_before_it_from_that_after_it() -> None:
    """Nothing of one is in the pipeline when the other is."""
    one = Setup()
    one.sound.want(gain(0.5))
    one.feed(4_000, 0.0)
    one.queue.add_gap(2.0, LOST, 1.0)
    one.queue.add(ramp(4_000, 4_000), 2.0)
    one.queue.add_end(3.0)
    events = drained(one.sound, 3.0)
    assert [event for event in events if isinstance(event, Gap)] == [Gap(4_000, 36_000, LOST)]
    assert one.queue.samples() == values(8_000, lambda n: 0.5)
    assert one.queue.position == 40_000
    assert one.pool.opened == 2


def test_settings_change_while_sound_flows() -> None:
    """The pipeline goes on with them; it is not opened again."""
    one = Setup()
    one.sound.want(gain(0.5))
    one.feed(4_000, 0.0)
    one.sound.want(gain(2.0))
    one.feed(4_000, 1.0)
    at = 4_000 - LATENCY
    assert one.queue.samples() == values(8_000 - LATENCY, lambda n: 0.5 if n < at else 2.0)
    assert one.pool.opened == 1


def test_a_pipeline_that_is_removed_fades_out_and_is_left() -> None:
    """Then sound is not late any more; one that is added again joins where the sound is."""
    one = Setup()
    one.sound.want(gain(0.5))
    one.feed(4_000, 0.0)
    one.sound.want(None)
    assert not one.sound.is_processed
    one.feed(round(FADED_OUT * RATE), 1.0)
    assert (one.pool.receivers, one.sound.owed_seconds) == ({}, 0)
    at = 4_000 - LATENCY
    assert one.queue.samples() == values(20_000, lambda n: 0.5 if n < at else 1.0)
    one.sound.want(gain(2.0))
    one.feed(4_000, 2.0)
    one.queue.add_end(3.0)
    drained(one.sound, 3.0)
    assert len(one.queue.samples()) == 24_000
    assert one.pool.opened == 2


def test_sound_goes_on_unprocessed_where_the_process_dies() -> None:
    """At exactly the sample that had not returned; once, it is noted; later a pipeline is tried again."""
    one = Setup()
    one.sound.want(gain(0.5))
    one.feed(4_000, 0.0)
    before = one.woken
    one.pool.die()
    assert one.woken > before
    drained(one.sound, 1.0)
    assert (one.sound.is_bypassed, one.sound.owed_seconds) == (True, 0)
    one.feed(1_000, 1.0)
    at = 4_000 - LATENCY
    check_border(one.queue.samples(), at, 5_000)
    assert one.pool.reasons == ["It ended with code -9."]
    one.feed(1_000, 1.0 + FIRST_PAUSE)
    assert (one.sound.is_bypassed, one.sound.is_processed, one.pool.opened) == (False, True, 2)
    one.pool.die()
    one.feed(1_000, 2.0 + FIRST_PAUSE)
    assert len(one.pool.reasons) == 1, "one notice of one trouble"


def test_a_pipeline_that_returns_nothing_is_left() -> None:
    """When it has had what it needs for the patience; the sound is not late for longer."""
    one = Setup()
    one.sound.want(gain(0.5))
    one.feed(4_000, 0.0)
    one.pool.is_stalled = True
    one.feed(1_000, 1.0)
    assert one.sound.due == 1.0 + PATIENCE
    drained(one.sound, 0.9 + PATIENCE)
    assert len(one.queue.samples()) == 4_000 - LATENCY
    drained(one.sound, 1.0 + PATIENCE)
    check_border(one.queue.samples(), 4_000 - LATENCY, 5_000)
    assert (one.pool.closed_late, one.sound.is_bypassed) == (1, True)
    assert one.sound.due is None


def test_a_process_that_starts_has_longer() -> None:
    """Until then sound waits, up to what may be in flight; the rest stays in the queue."""
    one = Setup(is_stalled=True)
    one.sound.want(gain(0.5))
    for _ in range(50):
        one.feed(1_000, 0.0)
    assert one.queue.samples() == []
    assert one.queue.queued_seconds * RATE == 50_000 - 2 * IN_FLIGHT * RATE
    assert one.sound.due == OPENING
    drained(one.sound, OPENING)
    assert one.queue.samples() == values(50_000)


def test_a_stream_without_a_process_goes_on_at_once() -> None:
    """It is bypassed, and noted once."""
    one = Setup(refusal="All are busy.")
    one.sound.want(gain(0.5))
    one.feed(1_000, 0.0)
    one.feed(1_000, 1.0)
    assert one.queue.samples() == values(2_000)
    assert (one.pool.reasons, one.sound.is_bypassed) == (["All are busy."], True)


def test_clearing_closes_the_pipeline() -> None:
    one = Setup()
    one.sound.want(gain(0.5))
    one.feed(4_000, 0.0)
    one.sound.clear()
    assert (one.pool.receivers, one.sound.owed_seconds) == ({}, 0)
    assert one.sound.step(9.0) is None


@given(
    st.lists(
        st.one_of(
            st.integers(min_value=0, max_value=3_000),
            st.sampled_from(["die", "stall", "go", "on", "off", "wait", "refuse"]),
        ),
        max_size=25,
    )
)
def test_no_sample_is_lost_or_moved_whatever_happens(happenings: list[int | str]) -> None:
    """Every sample is segmented once, in its place: as it came, or processed."""
    one = Setup()
    now = 0.0
    for what in happenings:
        now += 0.1
        if isinstance(what, int):
            one.feed(what, now)
        elif what == "die":
            one.pool.die()
        elif what in ("stall", "go"):
            one.pool.is_stalled = what == "stall"
        elif what in ("on", "off"):
            one.sound.want(gain(0.5) if what == "on" else None)
        elif what == "refuse":
            one.pool.refusal = None if one.pool.refusal else "All are busy."
        else:
            now += 7.0
        drained(one.sound, now)
    one.queue.add_end(now)
    for _ in range(4):
        now += 10
        drained(one.sound, now)
    found = one.queue.samples()
    assert len(found) == one.fed
    fading = 0
    for n, sample in enumerate(found):
        assert value(n) // 2 <= sample <= value(n)
        fading += sample not in (value(n), value(n) // 2)
    assert fading <= one.pool.opened * BORDER
