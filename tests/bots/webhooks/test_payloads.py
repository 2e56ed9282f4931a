"""Bodies of webhooks: the envelope, and one shape for each trigger."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.bots.webhooks import payloads
from orch.bots.webhooks.payloads import (
    LARGEST,
    LARGEST_METADATA,
    SHAPES,
    Bot,
    Calendar,
    Data,
    Event,
    PayloadError,
    Trigger,
    encode,
    read_metadata,
    timestamp,
)

AT = 1_700_000_000.25

EXAMPLES: dict[Trigger, Data] = {
    Trigger.STATE_CHANGE: payloads.StateChange(old_state="joining", new_state="failed", reason="blocked"),
    Trigger.TRANSCRIPT: payloads.Transcript(
        segment_id="s1",
        revision=2,
        is_final=True,
        text="Grüße, 世界",
        language="de",
        start=1.5,
        end=2.0,
        words=(payloads.Word(text="Grüße,", start=1.5, end=1.7, speaker_name="Ada"),),
    ),
    Trigger.CHAT_MESSAGES: payloads.ChatMessage(
        message_id="m", text="hi", sender_id=None, sender_name="Ada", to="everyone", at=3.0
    ),
    Trigger.JOIN_LEAVE: payloads.Participant(
        participant_id="p", participant_name="Ada", event_type="join", at=0.0
    ),
    Trigger.SPEECH_START_STOP: payloads.Participant(
        participant_id="p", participant_name="Ada", event_type="speech_stop", at=4.0
    ),
    Trigger.TRANSLATION: payloads.Translation(
        segment_id="s1",
        revision=1,
        is_final=False,
        text="Hello",
        source_language=None,
        target_language="en",
        start=1.5,
        end=2.0,
    ),
    Trigger.ATTRIBUTION: payloads.Attribution(
        segment_id="s1",
        revision=3,
        changes=(
            payloads.RevisedName(first_word=0, last_word=4, old_name=None, new_name="Ada", confidence=0.9),
        ),
        reason="captions arrived",
    ),
    Trigger.CALENDAR_EVENTS: payloads.CalendarEvents(scheduled=("b1",)),
    Trigger.CALENDAR_STATE: payloads.CalendarState(state="failing", reason="It responded 404."),
}


def event(trigger: Trigger, data: Data | None = None, **fields: Any) -> Event:
    about = Calendar(calendar_id="c") if trigger.startswith("calendar.") else Bot(bot_id="b")
    fields = {"idempotency_key": "msg_1", "about": about, "at": AT, "sequence": 7} | fields
    return Event(trigger=trigger, data=data or EXAMPLES[trigger], **fields)


@pytest.mark.parametrize("trigger", Trigger)
def test_each_trigger_has_its_envelope_and_its_shape(trigger: Trigger) -> None:
    """All fields are there, unknown ones as null; what is read back is what was given."""
    document = json.loads(encode(event(trigger)))
    about = {"calendar_id": "c"} if trigger.startswith("calendar.") else {"bot_id": "b", "bot_metadata": {}}
    assert document == {
        "idempotency_key": "msg_1",
        **about,
        "trigger": trigger.value,
        "timestamp": "2023-11-14T22:13:20.250Z",
        "sequence": 7,
        "data": document["data"],
    }
    assert set(document["data"]) == set(SHAPES[trigger].__struct_fields__)
    assert msgspec.convert(document["data"], SHAPES[trigger]) == EXAMPLES[trigger]


def test_the_body_is_compact_and_the_same_each_time() -> None:
    """It is signed once for each attempt, and shown in the history as it was sent."""
    body = encode(event(Trigger.CALENDAR_EVENTS))
    assert body == encode(event(Trigger.CALENDAR_EVENTS))
    assert body == (
        b'{"idempotency_key":"msg_1","calendar_id":"c","trigger":"calendar.events_update",'
        b'"timestamp":"2023-11-14T22:13:20.250Z","sequence":7,'
        b'"data":{"scheduled":["b1"],"changed":[],"cancelled":[]}}'
    )


def test_metadata_is_part_of_it_as_it_was_given() -> None:
    """Nested, in its order, with its names."""
    metadata = read_metadata({"b": [1, {"ü": None}], "a": "x"})
    body = encode(event(Trigger.STATE_CHANGE, about=Bot(bot_id="b", metadata=metadata)))
    assert '"bot_metadata":{"b":[1,{"ü":null}],"a":"x"}'.encode() in body


@pytest.mark.parametrize("document", [None, [], "x", 3, {1: 2j}, {"a": object()}])
def test_metadata_is_an_object(document: Any) -> None:
    """Nothing else is one, and what JSON cannot express is none."""
    with pytest.raises(PayloadError, match="expected a JSON object"):
        read_metadata(document)


def test_metadata_is_bounded() -> None:
    """Each webhook carries it."""
    just = {"a": "x" * (LARGEST_METADATA - len('{"a":""}'))}
    assert len(read_metadata(just)) == LARGEST_METADATA
    with pytest.raises(PayloadError, match=f"at most {LARGEST_METADATA} bytes"):
        read_metadata({"a": just["a"] + "x"})


def test_data_of_another_trigger_is_refused() -> None:
    """A receiver decodes it by its trigger."""
    for trigger in Trigger:
        for other, data in EXAMPLES.items():
            if SHAPES[other] is not SHAPES[trigger]:
                with pytest.raises(PayloadError, match="expected"):
                    encode(event(trigger, data))


def test_joining_is_no_event_of_speech() -> None:
    """Both have one shape; what an endpoint has not subscribed to does not reach it that way."""
    for trigger, other in (
        (Trigger.JOIN_LEAVE, Trigger.SPEECH_START_STOP),
        (Trigger.SPEECH_START_STOP, Trigger.JOIN_LEAVE),
    ):
        with pytest.raises(PayloadError, match="got the event"):
            encode(event(trigger, EXAMPLES[other]))


def test_an_event_is_about_a_bot_or_a_calendar_as_its_trigger_says() -> None:
    """Not the other."""
    with pytest.raises(PayloadError, match="expected a calendar"):
        encode(event(Trigger.CALENDAR_STATE, about=Bot(bot_id="b")))
    with pytest.raises(PayloadError, match="expected a bot"):
        encode(event(Trigger.TRANSCRIPT, about=Calendar(calendar_id="c")))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_without_a_form_in_json_is_refused(number: float) -> None:
    """As null it would mean that it is not known; also in a word within a segment."""
    transcript = EXAMPLES[Trigger.TRANSCRIPT]
    assert isinstance(transcript, payloads.Transcript)
    word = payloads.Word(text="x", start=0.0, end=number)
    for data in (
        msgspec.structs.replace(transcript, confidence=number),
        msgspec.structs.replace(transcript, words=(word,)),
    ):
        with pytest.raises(PayloadError, match="finite"):
            encode(event(Trigger.TRANSCRIPT, data))


def test_a_body_is_bounded() -> None:
    """What no receiver wants is refused where it arises."""
    transcript = EXAMPLES[Trigger.TRANSCRIPT]
    with pytest.raises(PayloadError, match=f"at most {LARGEST} bytes"):
        encode(event(Trigger.TRANSCRIPT, msgspec.structs.replace(transcript, text="x" * LARGEST)))


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1.9996, "1970-01-01T00:00:01.999Z"),
        (253_402_300_799.0, "9999-12-31T23:59:59.000Z"),
    ],
)
def test_a_timestamp_has_milliseconds_rounded_down(at: float, text: str) -> None:
    """An event is never later than it was."""
    assert timestamp(at) == text


@pytest.mark.parametrize("at", [-0.1, 1e12, float("nan")])
def test_what_is_no_date_is_refused(at: float) -> None:
    """Milliseconds for seconds, say."""
    with pytest.raises(PayloadError, match="between 1970 and 9999"):
        timestamp(at)


@given(st.text(max_size=50))
def test_any_text_is_sent_as_it_is(text: str) -> None:
    """Quotes, controls, emoji."""
    transcript = EXAMPLES[Trigger.TRANSCRIPT]
    body = encode(event(Trigger.TRANSCRIPT, msgspec.structs.replace(transcript, text=text)))
    assert json.loads(body)["data"]["text"] == text


@pytest.mark.parametrize(
    ("text", "sent"), [("a\ud83db", "a\ufffdb"), ("\udc00", "\ufffd"), ("😀\ud83d", "😀\ufffd")]
)
def test_half_a_character_of_utf_16_does_not_lose_the_event(text: str, sent: str) -> None:
    """A page can cut a text within an emoji; UTF-8 has no form for the half."""
    transcript = EXAMPLES[Trigger.TRANSCRIPT]
    body = encode(event(Trigger.TRANSCRIPT, msgspec.structs.replace(transcript, text=text)))
    assert json.loads(body)["data"]["text"] == sent
