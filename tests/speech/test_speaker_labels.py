"""Who of several people at one microphone speaks: from the back end's response to lines and exports."""

from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from orch.protocol.messages import SpeakerIdentified, SpeakerNamed, Transcript
from orch.settings import Orchestration, Service, Settings
from orch.settings import Speech as SpeechSettings
from orch.speech.captions import Origin
from orch.speech.exports import export, of_history
from orch.speech.requests import Response
from orch.speech.speaker_names import speaker_name
from orch.speech.transcriber import AudioFile, make_request
from orch.speech.transcription_responses import read_diarization, read_transcription
from tests.fakes.sounds import pcm, silence, voice
from tests.fakes.speech_back_ends import BackEnds, FakeAnswer, Room, speak

THREE = pcm(silence(0.5), voice(2), silence(1), voice(1.5), silence(1), voice(1.5), silence(1))
SHARED = Origin(
    session_id="s",
    stream_id="s1",
    started=1_700_000_000_000,
    source_language="en",
    speaker="Ann",
    participant_id="p1",
    diarization=True,
)


def responded(**fields: Any) -> Response:
    return FakeAnswer(200, msgspec.json.encode({"text": "hello", **fields}))


# Requests and responses.


@pytest.mark.parametrize(
    ("fields", "speaker"),
    [
        ({}, None),
        ({"speaker": "2-ab"}, "2-ab"),
        ({"speaker": "?"}, "?"),
        ({"speaker": None, "segments": [{"text": "hello", "speaker": "Ann"}]}, "Ann"),
        ({"segments": [{"text": "a", "speaker": "Ann"}, {"text": "b", "speaker": "Bob"}]}, None),
        ({"segments": [{"text": "a", "speaker": "A"}]}, None),
        ({"segments": [{"text": "a", "speaker": "SPEAKER_00"}]}, None),
        ({"segments": [{"text": "a", "speaker": "speaker 1"}]}, None),
        ({"segments": [{"text": "a", "speaker": 0}]}, None),
        ({"speaker": "x" * 65}, None),
        ({"speaker": "a\u202eb"}, None),
        ({"speaker": 7}, None),
        ({"speaker": " "}, None),
    ],
)
def test_a_label_is_read_only_if_it_can_hold_for_the_session(
    fields: dict[str, Any], speaker: str | None
) -> None:
    """Letters and numbers of segments hold within one request: everyone would be "A"."""
    assert read_transcription("/", responded(**fields)).speaker == speaker


def test_corrections_are_read_and_invalid_ones_ignored() -> None:
    corrections = [
        {"segment_id": "s1-1", "speaker": "1-a"},
        {"segment_id": 4, "speaker": "x"},
        {},
        "no",
        None,
    ]
    assert read_transcription("/", responded(speaker_corrections=corrections)).speaker_corrections == (
        ("s1-1", "1-a"),
    )
    assert read_transcription("/", responded(speaker_corrections="none")).speaker_corrections == ()


@pytest.mark.parametrize(("said", "can"), [(True, True), (False, False), ("yes", False), (None, False)])
def test_what_an_audio_service_says_of_itself(said: object, *, can: bool) -> None:
    assert read_diarization(responded(diarization=said)) is can


@pytest.mark.parametrize(("dialect", "is_requested"), [("livetranslate", True), ("openai", False)])
def test_speakers_are_requested_in_the_own_dialect_alone(dialect: Any, *, is_requested: bool) -> None:
    service = Service(url="http://a", dialect=dialect)
    request = make_request(AudioFile(b"wav"), service, "en", "s", "s1-1", is_interim=False)
    assert (b"s1-1" in request.body) is is_requested
    assert (
        b"diarization" not in make_request(AudioFile(b"wav"), service, "en", "s", None, is_interim=False).body
    )


# A stream.


async def captions(back_ends: BackEnds, *, origin: Origin = SHARED, is_allowed: bool = True) -> Room:
    room = Room(back_ends=back_ends)
    speech = SpeechSettings(diarization=is_allowed)
    room.settings.current = Settings(orchestration=Orchestration(speech=speech))
    await speak(room.speech.stream(origin, sample_rate=16_000, output=room.session), THREE)
    return room


async def test_each_final_has_its_label_and_corrections_follow() -> None:
    """The correction of an earlier line is published once, however often the back end repeats it."""

    def speakers(fields: dict[str, str]) -> dict[str, Any]:
        if "segment_id" not in fields:
            return {}
        number = fields["segment_id"].rpartition("-")[2]
        repeated = [{"segment_id": "s1-1", "speaker": "2-x"}, {"segment_id": "other-1", "speaker": "9-x"}]
        return {
            "speaker": "?" if number == "1" else f"{number}-x",
            "speaker_corrections": [] if number == "1" else repeated,
        }

    room = await captions(BackEnds(speakers=speakers))
    assert [final.speaker_label for final in room.session.finals()] == ["?", "2-x", "3-x"]
    assert {final.speaker for final in room.session.finals()} == {"Ann"}
    assert all(revision.speaker_label is UNSET for revision in room.session.revisions())
    assert [(one.segment_id, one.speaker_label) for one in room.session.identified()] == [("s1-1", "2-x")]
    asked = room.back_ends.audio()
    assert {one.fields.get("diarization") for one in asked} <= {"true", None}
    assert {one.fields["segment_id"] for one in asked if "segment_id" in one.fields} == {
        "s1-1",
        "s1-2",
        "s1-3",
    }


async def test_nothing_is_asked_where_one_person_speaks_or_it_is_not_allowed() -> None:
    alone = Origin(session_id="s", stream_id="s1", started=0, source_language="en", speaker="Ann")
    for room in (
        await captions(BackEnds(), origin=alone),
        await captions(BackEnds(), is_allowed=False),
    ):
        assert room.session.finals()
        assert not [asked for asked in room.back_ends.audio() if "diarization" in asked.fields]
        assert all(final.speaker_label is UNSET for final in room.session.finals())


# Lines and exports.


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("2-ab12cd", "Speaker 2"),
        ("SPEAKER_03", "Speaker 3"),
        ("speaker 4", "Speaker 4"),
        ("0", "Speaker 0"),
        ("?", "Speaker ?"),
        ("Ann", "Ann"),
        ("B", "B"),
        ("3rd", "3rd"),
    ],
)
def test_a_label_without_a_name_is_shown_as_its_number(label: str, shown: str) -> None:
    assert speaker_name(label, {}) == shown
    assert speaker_name(label, {label: ""}) == shown


def line(number: int, label: str | None, *, speaker: str = "Ann") -> Transcript:
    return Transcript(
        timestamp=0,
        session_id="s",
        segment_id=f"s1-{number}",
        revision=1,
        final=True,
        text=f"words {number}",
        language="en",
        confidence=None,
        start=float(number),
        end=number + 0.5,
        stream_started=0,
        speaker=speaker,
        participant_id="p1",
        speaker_label=UNSET if label is None else label,
    )


def named(label: str, name: str) -> SpeakerNamed:
    return SpeakerNamed(timestamp=0, session_id="s", speaker_label=label, name=name, participant_id="p1")


def shown(*messages: Any) -> list[str]:
    """Return the speakers of the lines in an exported JSON, by the way of the encoded history."""
    history = of_history([msgspec.json.encode(message) for message in messages])
    document = msgspec.json.decode(export(history, kind="json", session_id="s").content)
    return [line["speaker"] for line in document["lines"]]


def test_a_name_holds_for_earlier_and_later_lines_and_the_newest_counts() -> None:
    messages = [line(1, "1-a"), named("1-a", "Bob"), line(2, "1-a"), line(3, "2-a"), line(4, None)]
    assert shown(*messages) == ["Bob", "Bob", "Speaker 2", "Ann"]
    assert shown(*messages, named("1-a", "Robert")) == ["Robert", "Robert", "Speaker 2", "Ann"]
    assert shown(*messages, named("1-a", "")) == ["Speaker 1", "Speaker 1", "Speaker 2", "Ann"]


def test_a_line_whose_speaker_was_unsure_gets_the_speaker_and_the_name() -> None:
    corrected = SpeakerIdentified(timestamp=0, session_id="s", segment_id="s1-1", speaker_label="1-a")
    assert shown(line(1, "?"), line(2, "1-a")) == ["Speaker ?", "Speaker 1"]
    assert shown(line(1, "?"), line(2, "1-a"), corrected, named("1-a", "Bob")) == ["Bob", "Bob"]


def test_exports_carry_the_names() -> None:
    messages = [line(1, "1-a"), named("1-a", "Bob <b>")]
    history = of_history([msgspec.json.encode(message) for message in messages])
    assert "Bob <b>: words 1" in export(history, kind="txt", session_id="s").body
    assert "<v Bob &lt;b&gt;>" in export(history, kind="vtt", session_id="s").body
