import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.audio.periodicity import is_periodic
from orch.audio.segmenter import (
    Event,
    Pause,
    Resumed,
    Segmenter,
    Silence,
    SpeechStarted,
    Utterance,
)
from orch.audio.speech_thresholds import PRE_ROLL, TAIL
from orch.settings import Vad
from tests.fakes.sounds import CLIPS, clicks, clip, hum, noise, pcm, pink, silence, typing, voice

RATES = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


def segment(
    data: bytes, *, block: int = 3200, rate: int = 16_000, vad: Vad | None = None, longest: float = 15
) -> list[Event]:
    segmenter = Segmenter(sample_rate=rate, vad=vad or Vad(), max_utterance=longest)
    events: list[Event] = []
    for begin in range(0, len(data), block * 2):
        events += segmenter.feed(data[begin : begin + block * 2])
    return events + segmenter.flush()


def utterances(events: list[Event]) -> list[Utterance]:
    return [event for event in events if isinstance(event, Utterance)]


def joined(events: list[Event], data: bytes) -> bytes:
    """Put the partition together again, checking its order and that it has no holes."""
    at = 0
    whole = b""
    for event in events:
        if isinstance(event, Silence | Utterance):
            assert event.start == at
            assert event.end > event.start
            whole += event.pcm if isinstance(event, Utterance) else data[event.start * 2 : event.end * 2]
            at = event.end
    return whole


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("scale", [1.0, 0.2])
def test_a_sentence_is_one_utterance(name: str, scale: float) -> None:
    """A real sentence, loud or quiet, is one utterance: no pause is detected before its end."""
    sound = clip(name) * scale
    data = pcm(silence(1), sound, silence(1))
    found = utterances(segment(data))
    assert len(found) == 1
    assert found[0].start / 16_000 < 1.2
    assert found[0].end / 16_000 > 1 + len(sound) / 16_000 - 0.6
    assert not found[0].cut


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("scale", [0.1, 0.07])
def test_a_quiet_microphone_is_detected_in_a_still_room(name: str, scale: float) -> None:
    """Gain control is off: many microphones are 20 dB lower, and their noise with them."""
    sound = clip(name) * scale
    noise_db = -75
    whole = np.concatenate((silence(3), sound, silence(1)))
    found = utterances(segment(pcm(whole + noise(len(whole) / 16_000, noise_db)[: len(whole)])))
    assert len(found) == 1
    assert found[0].start / 16_000 < 3.2
    assert found[0].end / 16_000 > 3 + len(sound) / 16_000 - 0.7
    louder = Vad(energy_threshold=0.1)
    assert not utterances(segment(pcm(whole), vad=louder))


def test_sentences_with_pauses_between_are_apart() -> None:
    """A second and a half of silence ends an utterance, and so does just more than the hangover."""
    data = pcm(
        silence(1), clip(CLIPS[0]), silence(1.5), clip(CLIPS[1]), silence(0.8), clip(CLIPS[2]), silence(2)
    )
    assert len(utterances(segment(data))) == 3


@pytest.mark.parametrize("level", [-60, -50, -45, -40, -35])
def test_noise_under_speech_does_not_hide_it_or_lengthen_it(level: float) -> None:
    """The floor adapts: over a fan, the same three sentences are found."""
    speech = np.concatenate(
        (silence(3), clip(CLIPS[0]), silence(2), clip(CLIPS[1]), silence(2), clip(CLIPS[2]), silence(2))
    )
    found = utterances(segment(pcm(speech + noise(len(speech) / 16_000, level)[: len(speech)])))
    assert len(found) == 3
    assert [round(one.start / 16_000) for one in found] == [3, 12, 19]


@pytest.mark.parametrize(("snr", "heard"), [(10, 0.96), (5, 0.94), (0, 0.85)])
@pytest.mark.parametrize("seed", [1, 2])
def test_words_in_the_noise_of_a_room_are_whole(snr: float, heard: float, seed: int) -> None:
    """Noise below the voice's own band cuts neither the beginnings nor the ends of sentences."""
    spoken = np.concatenate((silence(3), *(part for name in CLIPS for part in (clip(name), silence(1.2)))))
    level = 20 * np.log10(np.sqrt(np.mean(np.concatenate([clip(name) for name in CLIPS]) ** 2)) / 32768)
    sound = spoken + pink(len(spoken) / 16_000, level - snr, seed=seed)[: len(spoken)]
    levels = np.sqrt(np.mean(spoken[: len(spoken) // 320 * 320].reshape(-1, 320) ** 2, axis=1))
    is_speech = np.repeat(levels > levels.max() * 10 ** (-30 / 20), 320)
    is_heard = np.zeros(len(is_speech), dtype=bool)
    found = utterances(segment(pcm(sound)))
    for one in found:
        is_heard[one.start : one.end] = True
    assert np.mean(is_heard[is_speech]) > heard
    assert np.sum(is_heard[: 2 * 16_000]) == 0
    assert 3 <= len(found) <= 4


@pytest.mark.parametrize(
    "sound",
    [
        silence(10),
        silence(10) + 8000,
        noise(10, -30),
        noise(10, -45),
        pink(10, -30),
        pink(10, -20, seed=3),
        clicks(10, 0.2),
        typing(10),
        *(np.concatenate((silence(1), hum(8, frequency), silence(1))) for frequency in (50, 60, 100, 120)),
        hum(8, 50),
    ],
    ids=[
        "silence",
        "offset",
        "hiss",
        "faint",
        "street",
        "loud street",
        "clicks",
        "typing",
        "50",
        "60",
        "100",
        "120",
        "from-start",
    ],
)
@pytest.mark.parametrize("frame", [10, 20, 30])
def test_what_is_not_speech_is_silence(
    sound: np.ndarray[tuple[int], np.dtype[np.float64]], frame: int
) -> None:
    """Noise, hum, clicks and still air make no utterance: engines invent words for them."""
    vad = Vad(frame_duration=frame)  # type: ignore[arg-type]  # the parameter is one of the literals
    data = pcm(sound)
    events = segment(data, vad=vad)
    assert events == [Silence(0, len(data) // 2)]


def test_steady_noise_at_the_lowest_aggressiveness_is_learned() -> None:
    """Aggressiveness 0 accepts everything loud; the noise floor still ends it."""
    found = utterances(segment(pcm(noise(12, -30)), vad=Vad(aggressiveness=0)))
    assert len(found) == 1
    assert found[0].end < 3 * 16_000


def test_a_short_burst_is_silence() -> None:
    """A sound shorter than min_speech_duration is no utterance, even if it is a voice."""
    data = pcm(silence(1), voice(0.15), silence(1))
    assert not utterances(segment(data))
    assert utterances(segment(data, vad=Vad(min_speech_duration=50)))


def test_too_few_frames_to_tell_hum_are_speech() -> None:
    """Two frames are too few to judge by; a voice is detected all the same."""
    vad = Vad(aggressiveness=1, frame_duration=30, min_speech_duration=50, energy_threshold=0.0)
    assert utterances(segment(pcm(voice(1.0)), vad=vad))


def test_the_pre_roll_comes_from_the_silence_before() -> None:
    """An utterance begins 300 ms before the first loud frame, but never inside the utterance before it."""
    events = segment(
        pcm(silence(1), voice(1), silence(0.45), voice(1), silence(1)), vad=Vad(max_silence_duration=200)
    )
    first, second = utterances(events)
    assert first.start == pytest.approx((1 - PRE_ROLL) * 16_000, abs=400)
    assert first.end == pytest.approx((2 + TAIL) * 16_000, abs=400)
    assert second.start >= first.end
    data = pcm(voice(1), silence(1))
    assert utterances(segment(data))[0].start == 0


def test_a_pause_tells_the_extent_the_utterance_will_have() -> None:
    sounds = (silence(1), voice(1), silence(0.45), voice(1), silence(1))
    events = segment(pcm(*sounds), vad=Vad(max_silence_duration=200))
    segmenter = Segmenter(sample_rate=16_000, vad=Vad(), max_utterance=15)
    events = segmenter.feed(pcm(silence(1), voice(1.5), silence(0.14)))
    pause = events[-1]
    assert isinstance(pause, Pause)
    events = segmenter.feed(pcm(silence(1)))
    (utterance,) = utterances(events)
    assert (pause.start, pause.end, pause.pcm) == (utterance.start, utterance.end, utterance.pcm)
    assert utterance.end - utterance.speech_end == TAIL * 16_000


def test_a_pause_that_is_no_end_is_resumed() -> None:
    """A pause shorter than the hangover does not end the utterance, and the next pause is an event again."""
    events = segment(pcm(silence(1), voice(1), silence(0.3), voice(1), silence(1)))
    kinds = [type(event) for event in events]
    assert kinds == [Silence, SpeechStarted, Pause, Resumed, Pause, Utterance, Silence]


def test_a_tick_in_a_pause_does_not_resume() -> None:
    """One active frame, a click, leaves the pause and its extent as they are."""
    tick = noise(0.02, -42)
    events = segment(pcm(silence(1), voice(1), silence(0.2), tick, silence(1)))
    assert not any(isinstance(event, Resumed) for event in events)


def test_a_monologue_is_cut_where_it_is_quietest() -> None:
    """No utterance is longer than max_utterance; cuts fall into the dips, in the second half."""
    part = np.concatenate([clip(name)[2000:-6000] for name in CLIPS])
    data = pcm(*[part] * 4)
    found = utterances(segment(data, longest=10))
    assert all(one.cut for one in found[:-1])
    assert all(5 * 16_000 <= one.end - one.start <= 10 * 16_000 for one in found[:-1])
    samples = np.frombuffer(data, dtype="<i2").astype(float)
    for one in found[:-1]:
        around = samples[one.end - 800 : one.end + 800]
        assert np.sqrt(np.mean(around**2)) < 0.25 * np.sqrt(np.mean(samples**2))


def test_the_end_of_the_stream_ends_the_utterance() -> None:
    """Flush returns the current utterance; the segmenter may be fed again."""
    segmenter = Segmenter(sample_rate=16_000, vad=Vad(), max_utterance=15)
    data = pcm(silence(0.5), voice(1)) + b"\x01\x00" * 7
    events = segmenter.feed(data) + segmenter.flush()
    assert isinstance(events[-1], Utterance)
    assert events[-1].end == len(data) // 2
    assert segmenter.flush() == []
    assert segmenter.speaking_since is None


def test_half_a_sample_is_refused_and_changes_nothing() -> None:
    segmenter = Segmenter(sample_rate=16_000, vad=Vad(), max_utterance=15)
    with pytest.raises(ValueError, match="even"):
        segmenter.feed(b"\x00" * 3)
    assert segmenter.position == 0


def test_memory_is_bounded() -> None:
    """Of an hour of silence, noise or speech no more than an utterance is in memory."""
    segmenter = Segmenter(sample_rate=16_000, vad=Vad(), max_utterance=15)
    most = 0
    for sound in (silence(1), noise(1, -25), np.concatenate([clip(name) for name in CLIPS])):
        data = pcm(sound)
        for _ in range(40):
            for begin in range(0, len(data), 6400):
                segmenter.feed(data[begin : begin + 6400])
                most = max(most, segmenter.stored_samples)
                assert len(segmenter._utterance_levels) <= 16 * 50
    assert most <= (15 + 1 + PRE_ROLL) * 16_000


def test_the_growing_utterance_can_be_read() -> None:
    """A revision sees the utterance from its pre-roll to its last speech."""
    segmenter = Segmenter(sample_rate=16_000, vad=Vad(), max_utterance=15)
    assert segmenter.growing() is None
    data = pcm(silence(1), voice(1))
    segmenter.feed(data)
    growing = segmenter.growing()
    assert growing is not None
    start, end, samples = growing
    assert samples == data[start * 2 : end * 2]
    assert end == len(data) // 2


@pytest.mark.parametrize("rate", RATES)
def test_every_rate_hears_the_same(rate: int) -> None:
    """Thresholds are in seconds and shares of full scale, not in samples."""
    data = pcm(silence(1, rate), voice(2, rate), silence(1, rate), hum(2, 50, rate), silence(1, rate))
    (one,) = utterances(segment(data, rate=rate, block=777))
    assert one.start / rate == pytest.approx(0.7, abs=0.05)
    assert one.end / rate == pytest.approx(3.1, abs=0.05)


SOUNDS = st.lists(
    st.one_of(
        st.builds(silence, st.floats(0, 0.9)),
        st.builds(voice, st.floats(0, 1.2)),
        st.builds(noise, st.floats(0, 0.6), st.sampled_from((-60, -40, -20))),
        st.builds(hum, st.floats(0, 0.4), st.sampled_from((50, 120))),
        st.builds(
            lambda name, scale: clip(name)[8000:40000] * scale, st.sampled_from(CLIPS), st.floats(0.05, 2)
        ),
    ),
    max_size=7,
)
VADS = st.builds(
    Vad,
    aggressiveness=st.integers(0, 3),
    frame_duration=st.sampled_from((10, 20, 30)),
    min_speech_duration=st.integers(50, 1000),
    max_silence_duration=st.integers(100, 2000),
    energy_threshold=st.floats(0, 0.1),
)


@settings(max_examples=60, deadline=None)
@given(sounds=SOUNDS, vad=VADS, longest=st.floats(2, 4), extra=st.integers(0, 50), data=st.data())
def test_the_events_partition_the_input_whatever_the_blocks(
    sounds: list[np.ndarray[tuple[int], np.dtype[np.float64]]],
    vad: Vad,
    longest: float,
    extra: int,
    data: st.DataObject,
) -> None:
    """No sample is lost or given twice, and how the input is cut into blocks changes no event."""
    whole = pcm(*sounds) + b"\x07\x00" * extra
    events = segment(whole, block=len(whole) // 2 + 1, vad=vad, longest=longest)
    assert joined(events, whole) == whole
    assert all(one.end - one.start <= longest * 16_000 for one in utterances(events))
    segmenter = Segmenter(sample_rate=16_000, vad=vad, max_utterance=longest)
    again: list[Event] = []
    at = 0
    while at < len(whole):
        size = 2 * data.draw(st.integers(1, 20_000))
        again += segmenter.feed(whole[at : at + size])
        at += size
    again += segmenter.flush()
    assert again == events


def test_a_pause_does_not_make_an_utterance_longer_than_it_may_be() -> None:
    """Speech just short of the limit, a pause that is stillest beyond it, speech again."""
    vad = Vad(aggressiveness=0, max_silence_duration=2000, energy_threshold=0.02)
    whole = pcm(voice(1.6), noise(1.2, -60), silence(0.5), voice(1.5), silence(3))
    events = segment(whole, vad=vad, longest=2.0)
    assert joined(events, whole) == whole
    assert len(utterances(events)) > 1
    assert all(one.end - one.start <= 2 * 16_000 for one in utterances(events))


@settings(max_examples=40, deadline=None)
@given(sounds=SOUNDS, vad=VADS)
def test_events_come_in_an_order_that_makes_sense(
    sounds: list[np.ndarray[tuple[int], np.dtype[np.float64]]], vad: Vad
) -> None:
    """Speech starts before it pauses, pauses before it resumes, and the last pause is the utterance."""
    pause: Pause | None = None
    start: int | None = None
    for event in segment(pcm(*sounds), vad=vad, longest=3):
        match event:
            case SpeechStarted():
                assert start is None
                start = event.start
            case Pause():
                assert start == event.start
                assert pause is None
                pause = event
            case Resumed():
                assert pause is not None
                pause = None
            case Utterance():
                assert start == event.start
                if pause is not None:
                    assert event == Utterance(pause.start, pause.end, event.speech_end, pause.pcm, cut=False)
                start = pause = None
            case Silence():
                assert start is None
    assert start is None


@pytest.mark.parametrize("frequency", [85, 110, 180, 250, 299])
def test_a_voice_repeats(frequency: float) -> None:
    assert is_periodic(voice(0.05, frequency=frequency), 16_000, lowest=85, highest=300)


def test_hiss_rumble_and_stillness_do_not_repeat() -> None:
    rumble = np.cumsum(noise(0.05, -40))
    for block in (noise(0.05, -20), rumble, silence(0.05), voice(0.01)):
        assert not is_periodic(block, 16_000, lowest=85, highest=300)
