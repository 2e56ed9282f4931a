"""The conversation with vLLM's ``/v1/realtime``, message by message."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.problems import ProblemError
from orch.sandbox.realtime import events
from orch.settings import Service
from orch.settings.back_ends import find_faults
from orch.speech.dialects.live import CUT, Frame
from orch.speech.dialects.vllm_live import BLOCK, VllmConversation
from orch.speech.requests import RefusedError
from tests.speech.test_live_conversations import sound

VLLM = Service(url="http://v", dialect="openai", streaming="always", streaming_protocol="vllm", model="m")
DONE = json.dumps({"type": "transcription.done", "text": " all  of it ", "usage": None})


def messages(frames: list[Frame]) -> list[dict[str, Any]]:
    """Return the messages, each of which a server with the protocol can read."""
    for frame in frames:
        events.decode(str(frame))
    return [json.loads(str(frame)) for frame in frames]


def pcm(frames: list[Frame]) -> bytes:
    return b"".join(base64.b64decode(message.get("audio", "")) for message in messages(frames))


def begun() -> VllmConversation:
    conversation = VllmConversation(VLLM, "en")
    conversation.opening()
    conversation.begin(0)
    return conversation


def test_an_utterance_begins_with_a_commit_and_ends_with_the_final_one() -> None:
    """The model is chosen first; blocks are bounded; the text grows, and is whole at the end."""
    conversation = VllmConversation(VLLM, "nb")
    assert messages(conversation.opening()) == [{"type": "session.update", "model": "m", "language": "no"}]
    assert conversation.path == "/v1/realtime"
    conversation.receive(events.created("sess-1", at=1))
    commit = "input_audio_buffer.commit"
    assert messages(conversation.begin(16_000)) == [{"type": commit, "final": False}]
    sent = conversation.sound(sound(1, 8))
    assert [len(pcm([frame])) for frame in sent] == [BLOCK, 2 * 32_000]
    assert conversation.sound(sound(1, 8)) == []
    for delta in (" so", " far"):
        conversation.receive(events.delta(delta))
    assert (conversation.news, conversation.transcription(sound(1, 8)).text) == (2, "so far")
    last = conversation.finish(sound(1, 9))
    assert messages(last)[-1] == {"type": commit, "final": True}
    assert pcm(sent) + pcm(last) == sound(1, 9).pcm
    was_finishing = conversation.is_finishing
    conversation.receive(DONE)
    assert (was_finishing, conversation.is_finishing) == (True, False)
    assert conversation.transcription(sound(1, 9)).text == "all of it"


def test_what_was_requested_once_is_not_requested_again() -> None:
    """A request that was cancelled while it waited comes again: a second final commit has no answer."""
    conversation = begun()
    conversation.finish(sound(0, 1))
    assert conversation.sound(sound(0, 2)) == []
    conversation.receive(DONE)
    assert conversation.finish(sound(0, 1)) == []
    assert conversation.sound(sound(0, 2)) == []
    assert conversation.can_continue(sound(0, 1))
    assert conversation.transcription(sound(0, 1)).text == "all of it"


def test_sound_that_cannot_be_taken_back_needs_another_connection() -> None:
    """An utterance that was given up, and one that was cut before what was sent of it."""
    conversation = begun()
    conversation.sound(sound(0, 4))
    assert not conversation.can_begin
    assert conversation.can_continue(sound(0, 5))
    assert conversation.can_continue(sound(0, 4 - CUT / 16_000))
    assert not conversation.can_continue(sound(0, 3))
    conversation.finish(sound(0, 4))
    assert not conversation.can_begin
    conversation.receive(DONE)
    assert conversation.can_begin


def test_text_after_the_end_belongs_to_no_utterance() -> None:
    """Whatever comes between two utterances, or of a kind that is not known, changes nothing."""
    conversation = begun()
    conversation.finish(sound(0, 1))
    conversation.receive(DONE)
    news = conversation.news
    for odd in (events.delta("late"), DONE, '{"type": "session.updated"}', "[]", "{}", '{"type": 5}'):
        conversation.receive(odd)
    assert (conversation.news, conversation.transcription(sound(0, 1)).text) == (news, "all of it")


def test_the_language_is_left_out_where_it_is_detected() -> None:
    assert messages(VllmConversation(VLLM, "auto").opening()) == [{"type": "session.update", "model": "m"}]
    unnamed = Service(url="http://v", dialect="openai", streaming="always", streaming_protocol="vllm")
    assert messages(VllmConversation(unnamed, "auto").opening())[0]["model"] is None


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (events.failed("processing_error", "It broke."), 502),
        (events.failed("invalid_audio", "No."), 400),
        (events.failed("model_not_found", "No."), 404),
        ('{"type": "error", "error": {"message": "an object"}}', 502),
        ('{"type": "error"}', 502),
        ('{"type": "session.created", "session": {}}', 400),
        (DONE, 502),
    ],
)
def test_errors_are_refusals(message: str, status: int) -> None:
    """Also an utterance that the server ends while it is still sent sound: its words would be lost."""
    conversation = begun()
    with pytest.raises(RefusedError) as caught:
        conversation.receive(message)
    assert caught.value.response.status == status
    assert json.loads(caught.value.response.body)["error"]["message"]


@pytest.mark.parametrize("message", ["{", b"\xff", '{"type": "transcription.done"}'])
def test_messages_that_cannot_be_used_are_problems(message: Frame) -> None:
    conversation = begun()
    conversation.finish(sound(0, 1))
    with pytest.raises((ProblemError, RefusedError)):
        conversation.receive(message)


@given(st.lists(st.integers(1, 900), min_size=1, max_size=6))
def test_each_sample_is_sent_once_and_in_order(sizes: list[int]) -> None:
    """However an utterance grows from request to request."""
    conversation = begun()
    sent, end = b"", 0.0
    for size in sizes:
        end += size / 16_000
        sent += pcm(conversation.sound(sound(0, end)))
    sent += pcm(conversation.finish(sound(0, end)))
    assert sent == sound(0, end).pcm


def test_the_protocol_is_of_openais_dialect_alone() -> None:
    """Another dialect has no such socket; the settings say where and what."""
    assert find_faults("audio-service", VLLM) == []
    [fault] = find_faults("audio-service", Service(url="http://v", streaming_protocol="vllm"))
    assert fault.path == "services.audio-service.streaming_protocol"
