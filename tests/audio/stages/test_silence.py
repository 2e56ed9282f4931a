from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.audio.parameters import Silence
from orch.audio.stages.silence import LONGEST_BREATH, SilenceStage, SilenceState
from orch.audio.stages.stage import Activity, Block
from orch.audio.time_map import Cut, TimeMap
from tests.audio.stages.properties import RATES, check_blocks, check_hostile, check_states, whole

RATE = 8_000
LOUD, BREATH, QUIET = -20, -40, -70


def sound(*parts: tuple[float, float], rate: int = RATE) -> Block:
    """Return noise: (seconds, RMS level in dBFS) one after the other; no sample is 0."""
    random = np.random.default_rng(4)
    pieces = []
    for seconds, level in parts:
        piece = random.uniform(0.5, 1, round(seconds * rate)) * random.choice([-1, 1], round(seconds * rate))
        pieces.append(piece / np.sqrt(np.mean(piece**2)) * 10 ** (level / 20))
    return np.concatenate(pieces).astype(np.float32)


def shortened(samples: Block, activity: Activity | None = None, **values: Any) -> tuple[float, list[Cut]]:
    """Return the seconds of the output, and the cuts."""
    stage = SilenceStage(Silence(**values), RATE)
    out, state = stage.process(samples, stage.initial(), activity)
    rest, after = stage.flush(state)
    return (len(out) + len(rest)) / RATE, [*state.cuts, *after.cuts]


TALK = sound((1, QUIET), (0.5, LOUD), (1, QUIET), (0.5, LOUD), (1, QUIET))


def test_pauses_are_shortened_to_their_padding_and_the_ends_trimmed_to_theirs() -> None:
    """0.15 s of padding: at the start, twice in the middle, at the end; the end fades out in 5 ms."""
    seconds, cuts = shortened(TALK)
    assert seconds == pytest.approx(0.15 + 0.5 + 0.3 + 0.5 + 0.155)
    edges = [edge / RATE for cut in cuts for edge in (cut.input_from, cut.input_to)]
    assert edges == pytest.approx([0, 0.85, 1.65, 2.35, 3.155, 4])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"pad_duration": 0}, 1.005),
        ({"pad_duration": 500}, 3.005),
        ({"trim_start": False}, 2.455),
        ({"trim_end": False}, 2.45),
        ({"trim_start": False, "trim_end": False, "min_duration": 1000, "pad_duration": 450}, 3.9),
        ({"threshold": -80, "breath_threshold": -75}, 4.0),
    ],
    ids=str,
)
def test_every_parameter_has_its_effect(values: dict[str, Any], expected: float) -> None:
    assert shortened(TALK, **values)[0] == pytest.approx(expected)


def test_shorter_pauses_stay() -> None:
    """A pause of minDuration is shortened, a shorter one is the rhythm of speech."""
    values: dict[str, Any] = {"pad_duration": 0, "min_duration": 300, "keep_breaths": True}
    for pause, stays in ((0.29, True), (0.3, False)):
        samples = sound((0.3, LOUD), (pause, QUIET), (0.3, LOUD))
        assert shortened(samples, **values)[0] == pytest.approx(0.6 + pause * stays)


def test_breaths_are_cut_between_silences_and_nowhere_else() -> None:
    """Without voice activity: what is short, faint and alone is a breath; the end of a word is not."""
    alone = sound((0.3, LOUD), (0.2, QUIET), (0.3, BREATH), (0.2, QUIET), (0.3, LOUD))
    assert shortened(alone, pad_duration=0)[0] == pytest.approx(0.6)
    assert shortened(alone, pad_duration=0, keep_breaths=True)[0] == pytest.approx(0.9)
    assert shortened(alone, pad_duration=0, breath_threshold=-44)[0] == pytest.approx(0.9)
    ends = sound((0.3, LOUD), (0.3, BREATH), (0.3, QUIET), (0.3, BREATH), (0.3, LOUD))
    assert shortened(ends, pad_duration=0)[0] == pytest.approx(1.2)
    long = sound((0.3, LOUD), (0.2, QUIET), (LONGEST_BREATH + 0.1, BREATH), (0.2, QUIET), (0.3, LOUD))
    assert shortened(long, pad_duration=0)[0] == pytest.approx(0.6 + LONGEST_BREATH + 0.1)


def test_what_is_loud_and_no_voice_is_cut_with_voice_activity() -> None:
    samples = sound((0.5, LOUD), (0.5, LOUD), (0.5, BREATH), (0.5, LOUD))
    speech = np.repeat([True, False, False, True], RATE // 2)
    activity = Activity(speech.astype(np.float32), speech)
    assert shortened(samples, activity, pad_duration=0)[0] == pytest.approx(1)
    assert shortened(samples, activity, pad_duration=0, keep_breaths=True)[0] == pytest.approx(1.5)
    assert shortened(samples, activity, pad_duration=0, use_voice_activity=False)[0] == pytest.approx(2)
    assert shortened(samples, None, pad_duration=0)[0] == pytest.approx(2)


def test_silence_alone_is_nothing() -> None:
    assert shortened(sound((2, QUIET))) == (0, [Cut(0, 0, 2 * RATE)])
    assert shortened(sound((2, QUIET)), trim_start=False) == (2, [])
    assert shortened(np.zeros(0, np.float32)) == (0, [])


def test_a_join_does_not_click() -> None:
    """A hum that goes on in the pause jumps by no more than it does anyway, whatever its phase."""
    at = np.arange(5 * RATE) / RATE
    hum = 0.003 * np.sin(2 * np.pi * 50 * at)
    talk = np.where((at % 1.237) < 0.4, 0.3 * np.sin(2 * np.pi * 200 * at), hum)
    for pad in (50, 150):
        stage = SilenceStage(Silence(pad_duration=pad), RATE)
        out, state = stage.process(talk.astype(np.float32), stage.initial())
        assert len(state.cuts) >= 3
        for cut in state.cuts:
            near = out[max(0, cut.output - 20) : cut.output + 60]
            assert np.abs(np.diff(near)).max() < 0.003 * 2 / (0.005 * RATE) + 0.003 * 2 * np.pi * 50 / RATE


def test_kept_samples_are_bit_identical_and_the_map_finds_them() -> None:
    """Apart from the 5 ms after a cut, output is the input sample that the time map says."""
    stage = SilenceStage(Silence(pad_duration=50), RATE)
    out, state = stage.process(TALK, stage.initial())
    times = TimeMap().extended(state.cuts)
    is_fade = np.zeros(len(out), bool)
    for cut in state.cuts:
        is_fade[cut.output : cut.output + 40] = True
    found = np.array([times.input_at(number) for number in range(len(out))]).astype(int)
    assert np.array_equal(out[~is_fade], TALK[found][~is_fade])
    assert np.all(np.diff(found) >= 1)


LEVELS = st.lists(
    st.tuples(st.sampled_from([0.03, 0.1, 0.26, 0.5]), st.sampled_from([LOUD, BREATH, QUIET])),
    min_size=1,
    max_size=10,
)
VALUES = st.fixed_dictionaries(
    {
        "pad_duration": st.sampled_from([0, 50, 150, 500]),
        "min_duration": st.sampled_from([100, 200, 1000]),
        "trim_start": st.booleans(),
        "trim_end": st.booleans(),
        "keep_breaths": st.booleans(),
    }
)


@settings(max_examples=40, deadline=None)
@given(LEVELS, VALUES, st.lists(st.integers(0, 900), min_size=1, max_size=6).filter(any), st.integers(0, 1))
def test_blocks_change_nothing(
    levels: list[tuple[float, float]],
    values: dict[str, Any],
    sizes: list[int],
    activity_is_given: int,
) -> None:
    samples = sound(*levels)
    speech = np.arange(len(samples)) % 3_000 < 2_000
    activity = Activity(speech.astype(np.float32), speech) if activity_is_given else None
    check_blocks(SilenceStage(Silence(**values), RATE), samples, sizes, activity)


@settings(max_examples=60, deadline=None)
@given(LEVELS, VALUES)
def test_the_cuts_account_for_every_sample(levels: list[tuple[float, float]], values: dict[str, Any]) -> None:
    """They do not overlap, and the lengths add up; the map is monotone and undoes itself."""
    samples = sound(*levels)
    stage = SilenceStage(Silence(**values), RATE)
    out, state = stage.process(samples, stage.initial())
    rest, after = stage.flush(state)
    cuts = [*state.cuts, *after.cuts]
    assert len(out) + len(rest) == len(samples) - sum(cut.input_to - cut.input_from for cut in cuts)
    output = source = 0
    for cut in cuts:
        assert cut.output - output == cut.input_from - source >= 0
        assert cut.input_to > cut.input_from
        output, source = cut.output, cut.input_to
    times = TimeMap().extended(cuts)
    mapped = [times.input_at(number) for number in range(0, len(out) + len(rest), 7)]
    assert all(b > a for a, b in pairwise(mapped))
    assert [times.output_at(each) for each in mapped] == list(range(0, len(out) + len(rest), 7))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 900), st.integers(1, 900)), max_size=20), st.integers(0, 9_000))
def test_a_map_that_forgets_the_past_is_the_same_from_there_on(steps: list[tuple[int, int]], at: int) -> None:
    """A stream's map keeps only what is needed."""
    output = source = 0
    times = TimeMap()
    for kept, removed in steps:
        output, source = output + kept, source + kept + removed
        times = times.extended([Cut(output, source - removed, source)])
    later = times.since(at)
    assert len(later.breaks) <= 1 + sum(begin > at for begin, _ in times.breaks)
    for number in range(at, at + 3_000, 61):
        assert later.input_at(number) == times.input_at(number)
    assert times.seconds(at / 100, 100) == times.input_at(at) / 100


def test_the_seconds_of_a_sample_are_that_sample_whatever_their_rounding() -> None:
    """0.29 s times 100 is less than 29."""
    times = TimeMap().extended([Cut(29, 29, 500)])
    assert times.seconds(29 / 100, 100) == 5


def test_where_it_was_cut_the_time_is_that_of_the_join() -> None:
    """A word that began in the removed part is placed at the cut."""
    times = TimeMap().extended([Cut(100, 100, 500), Cut(200, 600, 900)])
    assert [times.output_at(source) for source in (-5, 99, 300, 500, 599, 700, 950)] == [
        0,
        99,
        100,
        100,
        199,
        200,
        250,
    ]


@pytest.mark.parametrize("rate", RATES)
def test_sound_is_late_by_the_declared_latency(rate: int) -> None:
    """A sample of sound is returned with its frame: after that many samples at most, and no fewer."""
    stage = SilenceStage(Silence(), rate)
    samples = sound((0.2, LOUD), rate=rate)
    state = stage.initial()
    produced, waits = 0, []
    for number in range(len(samples)):
        out, state = stage.process(samples[number : number + 1], state)
        waits.append(number - produced + 1)
        produced += len(out)
    assert max(waits) == stage.latency == round(rate / 100)


def test_memory_is_bounded_in_a_long_pause() -> None:
    for values, most in (({}, 0.15), ({"trim_end": False}, 10)):
        stage = SilenceStage(Silence(**values), RATE)
        _, state = stage.process(TALK[: RATE * 3 // 2], stage.initial())
        for _ in range(15):
            _, state = stage.process(sound((1, QUIET)), state)
        assert len(state.held) == pytest.approx(most * RATE)
        assert stage.reduction(state) == -120


def test_other_parameters_continue_from_the_state() -> None:
    """Nothing is lost or doubled: every kept sample is still where the map says."""
    choices = [Silence(), Silence(trim_start=False, pad_duration=500), Silence(threshold=-20, trim_end=False)]
    stages = [SilenceStage(each, RATE) for each in choices]
    state: SilenceState = stages[0].initial()
    times, parts = TimeMap(), []
    samples = np.concatenate((TALK, TALK, TALK))
    for index, begin in enumerate(range(0, len(samples), 1_234)):
        stage = stages[index % 3]
        out, state = stage.process(samples[begin : begin + 1_234], stage.adopted(state))
        parts.append(out)
        times = times.extended(state.cuts)
    out = np.concatenate(parts)
    found = np.array([times.input_at(number) for number in range(len(out))]).astype(int)
    assert np.mean(out == samples[found]) > 0.95


@pytest.mark.parametrize("rate", RATES)
def test_hostile_sounds_stay_finite_and_bounded(rate: int) -> None:
    check_hostile(SilenceStage(Silence(), rate), rate, most=1)
    assert len(whole(SilenceStage(Silence(), rate), np.full(rate, np.nan, np.float32))) == 0


def test_an_older_state_can_be_used_again() -> None:
    check_states(SilenceStage(Silence(), RATE), TALK)
