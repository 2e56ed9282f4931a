"""The conversations with Deepgram and OpenAI as values: what is sent for which sound, and what is read."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.sandbox.realtime.events import EventError, decode, failed
from orch.settings import Service
from orch.speech.dialects.deepgram import language_code
from orch.speech.dialects.deepgram_live import DeepgramConversation
from orch.speech.dialects.live import Frame, Sound
from orch.speech.dialects.openai_live import RealtimeConversation
from orch.speech.requests import RefusedError

RATE = 16_000
DEEPGRAM = Service(url="https://d", dialect="deepgram")
OPENAI = Service(url="https://o", dialect="openai", streaming="always", streaming_model="m")


def sound(start: float, end: float) -> Sound:
    """Return sound in which each sample is its own place, so that what was sent can be told."""
    first, last = round(start * RATE), round(end * RATE)
    pcm = b"".join((place % 65_536).to_bytes(2, "little") for place in range(first, last))
    return Sound(first, last, pcm)


def results(words: list[tuple[str, float, float]], start: float, end: float, **more: Any) -> str:
    listed = [{"word": word, "start": begin, "end": to, "confidence": 0.5} for word, begin, to in words]
    alternative = {"transcript": " ".join(word for word, _, _ in words), "words": listed, "languages": ["es"]}
    document = {"type": "Results", "start": start, "duration": end - start, **more}
    return json.dumps(document | {"channel": {"alternatives": [alternative]}})


def binary(frames: list[Frame]) -> bytes:
    return b"".join(frame for frame in frames if isinstance(frame, bytes))


@given(
    st.lists(
        st.tuples(st.integers(0, 30_000), st.lists(st.integers(1, 9_000), min_size=1, max_size=5)), max_size=6
    )
)
def test_of_each_utterance_what_is_new_is_sent_once(utterances: list[tuple[int, list[int]]]) -> None:
    """Whatever the silence between them and the requests for them are; the final may be shorter."""
    conversation = DeepgramConversation(DEEPGRAM, "en")
    at, sent, spoken = 0, b"", b""
    for still, steps in utterances:
        start = at = at + still
        conversation.begin(start)
        for step in steps:
            at += step
            sent += binary(conversation.sound(Sound(start, at, sound(start / RATE, at / RATE).pcm)))
        whole = sound(start / RATE, at / RATE)
        sent += binary(conversation.finish(whole))
        spoken += whole.pcm
    assert sent == spoken


def test_words_have_the_times_of_the_stream_though_silence_was_not_sent() -> None:
    conversation = DeepgramConversation(DEEPGRAM, "auto")
    first, second = sound(2, 4), sound(10, 12)
    conversation.begin(first.start)
    conversation.finish(first)
    conversation.receive(results([("uno", 0.5, 0.9), ("dos", 1.2, 1.8)], 0, 2, is_final=True))
    assert not conversation.is_finishing
    heard = conversation.transcription(first)
    assert [(word.text, word.start, word.end) for word in heard.words] == [
        ("uno", 0.5, 0.9),
        ("dos", 1.2, 1.8),
    ]
    assert (heard.text, heard.language, heard.confidence) == ("uno dos", "es", 0.5)
    conversation.begin(second.start)
    conversation.finish(second)
    conversation.receive(results([("tres", 2.5, 2.9)], 2, 4, is_final=True, from_finalize=True))
    (word,) = conversation.transcription(second).words
    assert (word.text, word.start, word.end) == ("tres", 0.5, 0.9)


def test_words_after_a_cut_are_the_next_utterances() -> None:
    """The sound after the cut was sent already; nothing is sent again, and no word is lost or doubled."""
    conversation = DeepgramConversation(DEEPGRAM, "en")
    whole, before, after = sound(0, 4), sound(0, 3), sound(3, 5)
    conversation.begin(0)
    assert len(binary(conversation.sound(whole))) == 4 * 2 * RATE
    conversation.receive(results([("a", 0.5, 1), ("b", 2.5, 2.9), ("c", 3.1, 3.5)], 0, 4, is_final=False))
    assert conversation.transcription(whole).text == "a b c"
    assert binary(conversation.finish(before)) == b""
    conversation.receive(results([("a", 0.5, 1), ("b", 2.5, 2.9), ("c", 3.1, 3.5)], 0, 4, is_final=True))
    assert conversation.transcription(before).text == "a b"
    conversation.begin(after.start)
    assert len(binary(conversation.sound(after))) == 2 * RATE
    heard = conversation.transcription(after)
    assert [(word.text, word.start) for word in heard.words] == [("c", 0.1)]


def test_a_finalize_without_an_answer_is_nearly_everything() -> None:
    """Deepgram may send nothing for the last tenth of a second."""
    conversation = DeepgramConversation(DEEPGRAM, "en")
    conversation.begin(0)
    assert conversation.finish(sound(0, 2))[-1] == '{"type":"Finalize"}'
    found = [(conversation.is_finishing, conversation.is_nearly_finished)]
    conversation.receive(results([("a", 0.1, 0.5)], 0, 1.8, is_final=True))
    found.append((conversation.is_finishing, conversation.is_nearly_finished))
    conversation.receive(results([], 1.8, 1.9, is_final=True, from_finalize=True))
    assert [*found, conversation.is_finishing] == [(True, False), (True, True), False]


def test_a_transcript_without_words_is_shown_all_the_same() -> None:
    conversation = DeepgramConversation(DEEPGRAM, "en")
    conversation.begin(0)
    conversation.sound(sound(0, 1))
    document = {
        "type": "Results",
        "start": 0,
        "duration": 1,
        "channel": {"alternatives": [{"transcript": "hi"}]},
    }
    conversation.receive(json.dumps(document))
    assert conversation.transcription(sound(0, 1)).text == "hi"


@pytest.mark.parametrize(
    ("language", "code"),
    [("en", "en"), ("en-GB", "en-GB"), ("pt_br", "pt-BR"), ("de-AT", "de"), ("nb", "no"), ("zh-TW", "zh-TW")],
)
def test_a_region_that_deepgram_does_not_have_is_left_out(language: str, code: str) -> None:
    assert language_code(language) == code


def test_openai_gets_24_khz_and_the_sound_of_a_cut_utterance_again() -> None:
    conversation = RealtimeConversation(OPENAI, "nb")
    opening = json.loads(str(conversation.opening()[0]))
    assert opening["session"]["audio"]["input"]["transcription"] == {"model": "m", "language": "no"}
    assert conversation.begin(0) == []
    conversation.sound(sound(0, 4))
    transcription = "conversation.item.input_audio_transcription."
    conversation.receive(json.dumps({"type": f"{transcription}delta", "item_id": "x", "delta": "a b c"}))
    messages = [json.loads(str(frame)) for frame in conversation.finish(sound(0, 3))]
    kinds = [message["type"].rpartition(".")[2] for message in messages]
    assert (kinds[0], kinds[-1]) == ("clear", "commit")
    sent = b"".join(base64.b64decode(message["audio"]) for message in messages if "audio" in message)
    assert len(sent) == 3 * 24_000 * 2
    for item, text in (("x", "a b c"), ("y", "a b")):
        conversation.receive(json.dumps({"type": "input_audio_buffer.committed", "item_id": item}))
        completed = {"type": f"{transcription}completed", "item_id": item, "transcript": text}
        conversation.receive(json.dumps(completed))
        assert conversation.is_finishing is (item == "x")
    assert conversation.transcription(sound(0, 3)).text == "a b"


def test_an_empty_commit_of_openai_ends_the_wait() -> None:
    conversation = RealtimeConversation(OPENAI, "auto")
    conversation.begin(0)
    conversation.finish(sound(0, 0.05))
    was_finishing = conversation.is_finishing
    conversation.receive('{"type": "error", "error": {"code": "input_audio_buffer_commit_empty"}}')
    assert (was_finishing, conversation.is_finishing) == (True, False)
    assert conversation.transcription(sound(0, 0.05)).text == ""


@pytest.mark.parametrize(
    ("numbers", "label"),
    [([0, 0, 0], "1-ab12cd"), ([1, 1, 1, 0], "2-ab12cd"), ([0, 1], "?"), ([None], None), ([-1, "x"], None)],
)
def test_who_said_most_of_an_utterance_is_its_speaker(numbers: list[Any], label: str | None) -> None:
    conversation = DeepgramConversation(DEEPGRAM, "en", label="ab12cd")
    conversation.begin(0)
    conversation.sound(sound(0, 1))
    words = [{"word": "a", "start": 0.1, "end": 0.2, "speaker": number} for number in numbers]
    channel = {"alternatives": [{"transcript": "a", "words": words}]}
    conversation.receive(json.dumps({"type": "Results", "start": 0, "duration": 1, "channel": channel}))
    assert conversation.transcription(sound(0, 1)).speaker == label
    assert conversation.path.endswith("&diarize=true")


def test_speakers_are_distinguished_on_request_alone() -> None:
    conversation = DeepgramConversation(DEEPGRAM, "en")
    conversation.begin(0)
    conversation.sound(sound(0, 1))
    words = [{"word": "a", "start": 0.1, "end": 0.2, "speaker": 1}]
    channel = {"alternatives": [{"transcript": "a", "words": words}]}
    conversation.receive(json.dumps({"type": "Results", "start": 0, "duration": 1, "channel": channel}))
    assert conversation.transcription(sound(0, 1)).speaker is None
    assert "diarize" not in conversation.path
    chosen = Service(url="https://d", dialect="deepgram", query={"diarize": "false"})
    assert DeepgramConversation(chosen, "en", label="x").path.endswith("&diarize=false")


def test_a_server_with_vllms_protocol_says_why_it_refuses_openais() -> None:
    """Its errors are sentences; what it refuses is OpenAI's configuration of a session."""
    conversation = RealtimeConversation(OPENAI, "en")
    [opening] = conversation.opening()
    assert isinstance(opening, str)
    with pytest.raises(EventError) as event_error:
        decode(opening)
    answer = failed(event_error.value.code, str(event_error.value))
    with pytest.raises(RefusedError) as refused:
        conversation.receive(answer)
    assert "must have the field model" in json.loads(refused.value.response.body)["error"]["message"]
