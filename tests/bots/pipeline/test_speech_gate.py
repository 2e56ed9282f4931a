"""Words that nobody said are withheld, and no others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.bots.pipeline.invented_phrases import NEVER_SAID, SELDOM_SAID
from orch.bots.pipeline.levels import Levels
from orch.bots.pipeline.speech_gate import Judged, Sound, judge
from orch.protocol.messages import Word
from orch.sandbox.meeting.clips import ClipLibrary
from orch.sandbox.meeting.schedule import schedule
from orch.sandbox.meeting.script_decoding import decode_script
from tests.fakes.observed_meetings import VOICES, Channels

QUIET, LOUD = -80.0, -20.0
SPOKEN = Sound(lambda _start, _end: [-60.0, LOUD, -25.0, -50.0, -55.0], floor=-60.0)
SILENT = Sound(lambda _start, _end: [QUIET] * 5, floor=QUIET)
FAINT = Sound(lambda _start, _end: [-60.0, -52.0, -58.0], floor=-60.0)
STEADY = Sound(lambda _start, _end: [-40.0, -39.0, -40.5, -40.0], floor=-41.0)
UNKNOWN = Sound(lambda _start, _end: None, floor=-60.0)


def judged(
    text: str,
    sound: Sound = SPOKEN,
    *,
    words: tuple[Word, ...] = (),
    seconds: float = 2.0,
    confidence: float | None = 0.9,
) -> Judged:
    return judge(text, words, start=1.0, end=1.0 + seconds, confidence=confidence, sound=sound)


def timed(*words: tuple[str, float, float]) -> tuple[Word, ...]:
    return tuple(Word(text=text, start=start, end=end, confidence=0.9) for text, start, end in words)


@pytest.mark.parametrize("phrase", sorted(NEVER_SAID))
def test_what_nobody_says_in_a_meeting_is_withheld_however_sure_the_engine_is(phrase: str) -> None:
    for text in (phrase, phrase.upper() + "!", f" {phrase}. "):
        assert judged(text, SPOKEN, confidence=1.0) == Judged("", (), "invented")


@pytest.mark.parametrize("phrase", sorted(SELDOM_SAID))
def test_what_people_say_too_counts_where_it_is_loud_or_the_engine_is_sure(phrase: str) -> None:
    assert judged(phrase, SPOKEN, confidence=0.3).text == phrase
    assert judged(phrase, FAINT, confidence=0.9).text == phrase
    assert judged(phrase, FAINT, confidence=0.3).reason == "invented"
    assert judged(phrase, FAINT, confidence=None).reason == "invented"


def test_a_sentence_that_only_contains_such_a_phrase_is_said() -> None:
    text = "So thank you for watching the demo, let us go on."
    assert judged(text) == Judged(text, ())


@pytest.mark.parametrize(
    "text", ["[Music]", "(applause)", "♪", "*coughs*", "【音楽】", "\uff08拍手\uff09", "[BLANK_AUDIO]"]
)
def test_descriptions_of_sound_are_not_words(text: str) -> None:
    assert judged(text) == Judged("", (), "description")


def test_words_beside_a_description_stay() -> None:
    words = timed(("[Loud", 1.0, 1.2), ("music]", 1.2, 1.4), ("we", 1.5, 1.7), ("agree", 1.8, 2.2))
    assert judged("[Loud music] we agree", words=words) == Judged("we agree", words[2:], "description")


@pytest.mark.parametrize("text", ["...", "  ", "?!", ""])
def test_a_text_without_words_is_none(text: str) -> None:
    assert judged(text).text == ""


def test_words_need_sound_at_their_time() -> None:
    """A sentence, and one that an engine put into the silence after it."""

    def between(start: float, end: float) -> list[float]:
        return [LOUD if at < 40 else QUIET for at in range(round(start * 20), round(end * 20))]

    words = timed(("good", 1.0, 1.3), ("morning", 1.3, 1.8), ("thanks", 4.0, 4.4), ("everyone", 4.4, 4.9))
    sound = Sound(between, floor=QUIET)
    found = judged("good morning thanks everyone", sound, words=words, seconds=4.0)
    assert found == Judged("good morning", words[:2], "no sound")


def test_a_text_without_any_sound_is_withheld_whatever_its_words_are() -> None:
    assert judged("Let us begin with the report.", SILENT).reason == "no sound"


def test_a_quiet_speaker_is_not_silence() -> None:
    """-45 dBFS above a quiet room: a microphone far away."""
    sound = Sound(lambda _start, _end: [-75.0, -46.0, -50.0, -70.0], floor=-75.0)
    words = timed(("yes", 1.1, 1.5))
    assert judged("yes", sound, words=words, confidence=0.5) == Judged("yes", words)


def test_nobody_speaks_that_fast() -> None:
    assert judged("we have to talk about the budget of the next year " * 3, seconds=1.0).reason == "too fast"


@pytest.mark.parametrize("text", ["the report " * 6, "no " * 12, "I see it now. " * 5])
def test_a_phrase_that_goes_on_for_ever_is_none(text: str) -> None:
    assert judged(text, seconds=20.0).reason == "repeated"


@pytest.mark.parametrize(
    "text", ["no no no no", "very very very good", "ha ha ha ha ha", "one two one two three"]
)
def test_people_do_repeat_themselves(text: str) -> None:
    assert judged(text, seconds=4.0).text == text


def test_an_engine_has_to_be_sure_of_words_in_a_steady_sound() -> None:
    assert judged("we go there", STEADY, confidence=0.3).reason == "steady sound"
    assert judged("we go there", STEADY, confidence=0.8).text == "we go there"
    assert judged("we go there", STEADY, confidence=None).text == "we go there"


def test_where_the_sound_is_no_longer_known_the_engine_is_believed() -> None:
    words = timed(("good", 1.0, 1.3))
    assert judged("good", UNKNOWN, words=words, confidence=0.1) == Judged("good", words)


def test_no_word_of_real_speech_is_withheld() -> None:
    """All recordings of six voices, at their level and at a tenth of it, over their own background."""
    library = ClipLibrary(VOICES)
    says = "\n".join(f"  - {{who: a, clip: {name}, gap: 1}}" for name in sorted(library.clips))
    script = library.complete(
        decode_script(
            f"name: all\nparticipants: [{{id: a, name: A}}]\nsays:\n{says}\nchannels: {{mode: mixed}}",
            name="t",
        )
    )
    plan = schedule(script, library.clips)
    channel = Channels(plan, library).sounds[0].astype(np.float64)
    for gain in (1.0, 0.1):
        levels = Levels()
        ends = iter(sorted(plan.utterances, key=lambda each: each.end))
        following = next(ends, None)
        step = 16_000
        for first in range(0, len(channel) + 2 * step, step):
            levels.add((channel[first : first + step] * gain).astype("<i2").tobytes())
            while following is not None and following.end < (first + step) / 16_000:
                words = tuple(Word(text=w.word, start=w.begin, end=w.end) for w in following.words)
                found = judge(
                    following.text,
                    words,
                    start=following.begin,
                    end=following.end,
                    confidence=None,
                    sound=Sound(levels.between, levels.floor()),
                )
                assert (found.text, found.reason) == (following.text, ""), (following.clip, gain)
                following = next(ends, None)
        assert following is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["we", "agree", "[Music]", "you", "Bye."]), st.floats(0, 9)), max_size=8
    ),
    st.floats(-100, 0),
    st.floats(-100, 0),
    st.none() | st.floats(0, 1),
)
def test_what_remains_is_part_of_what_was_recognised(
    spoken: list[tuple[str, float]], level: float, floor: float, confidence: float | None
) -> None:
    words = tuple(Word(text=text, start=at, end=at + 0.3) for text, at in spoken)
    text = " ".join(each for each, _ in spoken)
    sound = Sound(lambda _start, _end: [level, level - 9], floor=floor)
    found = judge(text, words, start=0.0, end=10.0, confidence=confidence, sound=sound)
    kept = iter(words)
    assert all(any(word is each for each in kept) for word in found.words)
    assert set(found.text.split()) <= set(text.split())
    assert bool(found.text) or not found.words
