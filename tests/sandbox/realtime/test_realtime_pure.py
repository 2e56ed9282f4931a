"""The events, the sound and the text of ``/v1/realtime``, without any I/O."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.sandbox.engines.recorded_speech import BYTES_PER_SECOND
from orch.sandbox.realtime import events
from orch.sandbox.realtime.events import Append, Commit, EventError, Update, decode
from orch.sandbox.realtime.growing_sound import LONGEST, GrowingSound, Step
from orch.sandbox.realtime.growing_text import GrowingText
from orch.sandbox.realtime.session import RealtimeLimits, Session
from orch.speech.results import TranscribedWord, Transcription


def encoded(pcm: bytes) -> str:
    return base64.b64encode(pcm).decode()


def seconds(number: float) -> bytes:
    """Return so much sound, each second of it with bytes of its own."""
    size = int(number * BYTES_PER_SECOND / 2) * 2
    return b"".join(bytes([at % 256]) * BYTES_PER_SECOND for at in range(1, int(number) + 2))[:size]


def speech(text: str, *, word: float = 0.5, first: float = 0.0, language: str = "en") -> Transcription:
    """Return a transcription of words that take ``word`` seconds each."""
    words = text.split()
    return Transcription(
        text=text,
        language=language,
        words=tuple(
            TranscribedWord(each, first + at * word, first + (at + 0.9) * word, 0.9)
            for at, each in enumerate(words)
        ),
    )


def hypothesis(number: float) -> Step:
    return Step(bytes(int(number * BYTES_PER_SECOND)), "hypothesis")


# Events.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"type":"session.update","model":"en-us"}', Update("en-us", None)),
        ('{"type":"session.update","model":null,"language":"en","temperature":0}', Update(None, "en")),
        ('\ufeff{"type":"input_audio_buffer.commit"}', Commit(is_final=False)),
        ('{"type":"input_audio_buffer.commit","final":true}', Commit(is_final=True)),
        (json.dumps({"type": "input_audio_buffer.append", "audio": encoded(b"\1\2")}), Append(b"\1\2")),
    ],
)
def test_events_are_those_of_vllm(text: str, expected: Update | Append | Commit) -> None:
    assert decode(text) == expected


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("[" * 60_000, "invalid_json"),
        ("[]", "processing_error"),
        ("null", "processing_error"),
        ({}, "unknown_event"),
        ({"type": ["session.update"]}, "unknown_event"),
        ({"type": "input_audio_buffer.clear"}, "unknown_event"),
        ({"type": "session.update"}, "processing_error"),
        ({"type": "session.update", "model": 1}, "processing_error"),
        ({"type": "session.update", "model": None, "language": 1}, "processing_error"),
        ({"type": "input_audio_buffer.commit", "final": "yes"}, "processing_error"),
        ({"type": "input_audio_buffer.append"}, "processing_error"),
        ({"type": "input_audio_buffer.append", "audio": 1}, "processing_error"),
        ({"type": "input_audio_buffer.append", "audio": ""}, "invalid_audio"),
        ({"type": "input_audio_buffer.append", "audio": "A"}, "invalid_audio"),
        ({"type": "input_audio_buffer.append", "audio": "AAAA AAAA"}, "invalid_audio"),
        ({"type": "input_audio_buffer.append", "audio": "\u00e9"}, "invalid_audio"),
        ({"type": "input_audio_buffer.append", "audio": encoded(b"odd")}, "invalid_audio"),
    ],
)
def test_refused_events_have_vllms_codes(event: Any, code: str) -> None:
    with pytest.raises(EventError) as refused:
        decode(event if isinstance(event, str) else json.dumps(event))
    assert refused.value.code == code
    assert str(refused.value)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5) | st.text())
def test_whatever_a_client_sends_is_an_event_or_refused(value: Any) -> None:
    """And the refusal can be sent, however long or odd the value is."""
    for text in (json.dumps({"type": value}), value if isinstance(value, str) else json.dumps(value)):
        with pytest.raises(EventError) as refused:
            decode(text)
        assert len(json.loads(events.failed(refused.value.code, str(refused.value)))["error"]) < 400


def test_what_is_sent_is_what_vllm_sends() -> None:
    created = json.loads(events.created("sess-1", at=7))
    assert created == {"type": "session.created", "id": "sess-1", "created": 7}
    assert json.loads(events.delta(" é")) == {"type": "transcription.delta", "delta": " é"}
    assert json.loads(events.done("a")) == {"type": "transcription.done", "text": "a", "usage": None}
    assert json.loads(events.failed("invalid_json", "Why.")) == {
        "type": "error",
        "error": "Why.",
        "code": "invalid_json",
    }


# The session.


def test_a_commit_needs_a_valid_model() -> None:
    session = Session()
    for event in (Commit(is_final=False), Commit(is_final=True)):
        with pytest.raises(EventError) as refused:
            session.commit(event)
        assert refused.value.code == "model_not_validated"
    with pytest.raises(EventError) as refused:
        session.update(Update("x" * 10_000, None), {"en-us"})
    assert refused.value.code == "model_not_found"
    assert len(str(refused.value)) < 200
    with pytest.raises(EventError):
        session.commit(Commit(is_final=False))
    session.update(Update(None, None), {"en-us"})
    session.commit(Commit(is_final=False))
    assert (session.is_transcribing, session.is_finishing) == (True, False)


def test_stored_sound_is_limited_before_and_after_the_commit() -> None:
    session = Session(RealtimeLimits(stored=2, ahead=0, utterance=16))
    session.update(Update(None, None), ())
    session.append(Append(seconds(2)))
    with pytest.raises(EventError, match="2 s"):
        session.append(Append(b"\0\0"))
    session.commit(Commit(is_final=False))
    session.append(Append(seconds(13)))
    rooms = [session.has_room]
    session.append(Append(seconds(1)))
    assert [*rooms, session.has_room] == [True, False]
    step = session.sound.next_step()
    assert step is not None
    assert step.kind == "piece"
    with pytest.raises(EventError, match="16 s"):
        session.append(Append(b"\0\0"))
    session.commit(Commit(is_final=True))
    session.append(Append(seconds(60)))  # dropped, as vLLM does
    assert session.sound.seconds == 16 - step.seconds
    assert session.is_finishing
    session.finish()
    session.append(Append(seconds(2)))
    assert session.sound.seconds == 2


# The sound.


@given(
    st.lists(st.integers(1, 3 * BYTES_PER_SECOND).map(lambda size: size // 2 * 2), max_size=8),
    st.integers(1, 6),
)
def test_the_steps_depend_on_the_sound_alone(sizes: list[int], parts: int) -> None:
    """Not on how it was divided, as long as the window is not cut for its length."""
    sound = seconds(sum(sizes) / BYTES_PER_SECOND)[: int(LONGEST * BYTES_PER_SECOND)]

    def steps(pieces: list[bytes]) -> list[Step]:
        growing, found = GrowingSound(), []
        for piece in pieces:
            growing.append(piece)
            while (step := growing.next_step()) is not None:
                found.append(step)
        growing.complete()
        while (step := growing.next_step()) is not None:
            found.append(step)
        return found

    size = max(2, len(sound) // parts // 2 * 2)
    one = steps([sound])
    assert one == steps([sound[at : at + size] for at in range(0, len(sound), size)])
    assert one[-1] == Step(sound, "last")
    assert [step.kind for step in one[:-1]] == ["hypothesis"] * (len(one) - 1)
    assert all(sound.startswith(step.pcm) for step in one)
    assert [step.seconds for step in one] == sorted(step.seconds for step in one)


def test_no_sound_is_lost_and_no_window_is_longer_than_the_limit() -> None:
    sound = seconds(100.5)
    growing, transcribed = GrowingSound(), b""
    growing.append(sound)
    growing.complete()
    growing.append(b"late")
    while (step := growing.next_step()) is not None:
        assert step.seconds <= LONGEST
        if step.kind != "hypothesis":
            transcribed += step.pcm
    assert transcribed == sound
    assert growing.seconds == 0
    assert growing.next_step() is None


def test_nothing_is_transcribed_before_a_second_is_there() -> None:
    growing = GrowingSound()
    assert growing.next_step() is None
    growing.append(seconds(0.99))
    assert growing.next_step() is None
    growing.append(seconds(0.02))
    assert growing.next_step() is not None
    assert growing.next_step() is None


def test_an_utterance_without_sound_has_a_last_step_without_sound() -> None:
    growing = GrowingSound()
    growing.complete()
    assert growing.next_step() == Step(b"", "last")
    assert growing.next_step() is None


def test_a_window_that_begins_later_grows_from_there() -> None:
    growing = GrowingSound()
    growing.append(seconds(4))
    while growing.next_step():
        pass
    growing.forget(3)
    assert growing.seconds == 1
    growing.append(seconds(1))
    step = growing.next_step()
    assert step is not None
    assert step.seconds == 2
    assert step.pcm[0] == 4  # the bytes of the fourth second


# The text.


def test_a_word_is_sent_once_two_hypotheses_have_it() -> None:
    text = GrowingText()
    assert text.add(hypothesis(1), speech("but mister")) == ""
    assert text.add(hypothesis(2), speech("but mister john guess")) == "but mister"
    assert text.add(hypothesis(3), speech("but mister john dashwood had then")) == " john"
    last = Step(bytes(2 * BYTES_PER_SECOND), "last")
    assert text.add(last, speech("but mister john dashwood")) == " dashwood"
    assert text.text == "but mister john dashwood"


def test_what_was_sent_stays_although_the_last_opinion_is_another() -> None:
    text = GrowingText()
    text.add(hypothesis(2), speech("their there they are"))
    assert text.add(hypothesis(3), speech("their there they are now and")) == "their there they are"
    last = Step(bytes(3 * BYTES_PER_SECOND), "last")
    assert text.add(last, speech("there there they are now")) == " now"
    assert text.text == "their there they are now"


def test_a_last_opinion_without_words_adds_none() -> None:
    text = GrowingText()
    text.add(hypothesis(1), speech("hello"))
    assert text.add(Step(b"\0\0" * 16_000, "last"), Transcription(text="")) == ""
    assert text.text == ""


def test_words_without_times_and_in_another_language_are_not_lost() -> None:
    text = GrowingText()
    for number in (2, 3):
        text.add(hypothesis(number), Transcription(text="hello there my", language="en"))
    last = Step(bytes(3 * BYTES_PER_SECOND), "last")
    assert text.add(last, Transcription(text="hello there my friend", language="de")) == " my friend"
    assert text.text == "hello there my friend"


@given(
    st.integers(1, 120),
    st.sampled_from([0.2, 0.35, 0.5, 1.1]),
    st.integers(0, 3),
    st.sampled_from([0.5, 4.0, 40.0]),
)
def test_every_word_is_sent_once_and_in_order(count: int, word: float, pause: int, burst: float) -> None:
    """Of any length, however it arrives: it is transcribed in windows, which overlap or are cut.

    Of an engine that recognises everything but the words in which a window was cut.
    """
    starts = {f"word{number}x": number * word + number // 10 * pause for number in range(count)}
    length = max(starts.values()) + word
    sound, text = GrowingSound(), GrowingText()
    begin, sent, deltas, cuts = 0.0, 0.0, "", []
    while True:
        step = sound.next_step()
        if step is None and sound.is_complete:
            break
        if step is None:
            sound.append(seconds(min(burst, length - sent)))
            sent += burst
            if sent >= length:
                sound.complete()
            continue
        until = begin + step.seconds
        heard = tuple(
            TranscribedWord(each, max(0.0, start - begin), start + word * 0.9 - begin, 0.9)
            for each, start in starts.items()
            if start >= begin - 0.01 and start + word * 0.9 <= until
        )
        opinion = Transcription(text=" ".join(each.text for each in heard), language="en", words=heard)
        deltas += text.add(step, opinion)
        if step.kind == "hypothesis":
            forgotten = text.forget(step.seconds)
            sound.forget(forgotten)
            begin += forgotten
        else:
            begin = until
            cuts.append(until)
    assert deltas == text.text
    whole = [
        each
        for each, start in starts.items()
        if not any(start < cut - 0.01 and start + word * 0.9 > cut for cut in cuts)
    ]
    assert text.text.split() == whole
