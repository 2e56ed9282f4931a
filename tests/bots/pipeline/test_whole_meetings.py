"""A scripted meeting becomes captions by speaker: in the hub, in the store, live."""

import functools
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orch.bots.pipeline.pipeline_figures import PipelineLive
from orch.bots.webcam.appearance import Appearance
from orch.bots.webcam.picture import Line
from orch.bots.webhooks.payloads import Trigger
from orch.sandbox.meeting.schedule import Schedule
from orch.sandbox.meeting.truth import truth
from orch.stores import bot_records as records
from tests.fakes.observed_meetings import Channels, TruthfulEngine, observations
from tests.fakes.pipelines_of_bots import SESSION, PipelineScene, a_request
from tests.fakes.running import run

MEETING = """
name: Planning
seed: 4
participants:
  - {id: ana, name: Ana Lima, is_host: true}
  - {id: ben, name: Ben Ode}
  - {id: li, name: 李娜}
says:
  - {who: ana, clip: awb-01, at: 1}
  - {who: ben, clip: rms-02, gap: 0.8}
  - {who: li, clip: slt-03, gap: 0.6}
  - {who: ana, clip: awb-04, gap: 0.7}
  - {who: ben, clip: rms-05, gap: 0.5}
  - {who: li, clip: slt-06, gap: %s}
chat: [{who: ben, at: 6, text: The report is in the folder.}]
captions: {delay: 0.8, corrections: 0.05, splits: 0.2}
marks: {leak: 0.1}
channels: {mode: %s, size: 2}
ends: 40
"""


LANGUAGES = ("es", "fr")


@dataclass(frozen=True, kw_only=True)
class Attended:
    """What came of a meeting: in the store, at a reader who was there, at one who joined later."""

    plan: Schedule
    own: tuple[records.Utterance, ...]
    captions: tuple[records.Utterance, ...]
    translations: dict[str, tuple[records.Translation, ...]]
    correlations: tuple[records.Correlation, ...]
    people: tuple[records.Participant, ...]
    events: tuple[records.SessionEvent, ...]
    told: list[dict[str, Any]]
    joined: dict[str, Any]
    webhooks: list[Trigger]
    live: PipelineLive
    camera: tuple[Line, ...]

    @property
    def names(self) -> dict[str, str]:
        """The speaker of each sentence."""
        known = {each.id: each.name for each in self.plan.script.participants}
        return {each.text: known[each.who] for each in self.plan.utterances}

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of a type that the reader received."""
        return [each for each in self.told if each["type"] == kind]


@functools.cache
def attended(mode: str) -> Attended:
    """Attend a meeting with this kind of channels; each is attended once."""
    with tempfile.TemporaryDirectory() as folder:
        return run(functools.partial(_attend, Path(folder), mode), virtual=True, limit=120)


async def _attend(folder: Path, mode: str) -> Attended:
    scene = PipelineScene(folder)
    plan = scene.plan(MEETING % (0.4 if mode in {"mixed", "none"} else -0.4, mode))
    channels = Channels(plan, scene.library)
    engine = TruthfulEngine(plan, channels)
    scene.understand(engine.text, engine.words)
    async with scene.running(a_request(camera=Appearance(seconds=60))) as it, it.hub.connected() as reader:
        reader.say({"type": "join_session", "session_id": SESSION, "languages": ["fr"]})
        await reader.settle()
        await it.play(observations(plan, channels))
        await it.pipeline.finish()
        await it.records.writer.drain()
        told = await reader.settle()
        async with it.hub.connected() as late:
            joined = await late.ask(
                {"type": "join_session", "session_id": SESSION, "history": True}, "session_joined"
            )
        assert engine.missed == 0
        assert it.pipeline.camera is not None
        return Attended(
            plan=plan,
            own=await it.store.utterances(SESSION, "whisper_service"),
            captions=await it.store.utterances(SESSION, "google_meet"),
            translations={each: await it.store.translations(SESSION, each) for each in LANGUAGES},
            correlations=await it.store.correlations(SESSION),
            people=await it.store.participants(SESSION),
            events=await it.store.events(SESSION),
            told=told,
            joined=joined,
            webhooks=[trigger for trigger, _, _ in it.webhooks.sent],
            live=it.pipeline.live(),
            camera=it.pipeline.camera.lines,
        )


def untranslated(text: str, language: str) -> str:
    """Return what the stand-in for a translator was sent: in parts, while a line grew for the camera."""
    return text.replace(f"{language}: ", "")


@pytest.mark.parametrize("mode", ["rotating", "per_speaker", "mixed"])
def test_everything_said_is_stored_and_translated_under_its_speaker(mode: str) -> None:
    it = attended(mode)
    texts = [each.text for each in it.plan.utterances]
    assert {each.transcript_text: each.speaker_name for each in it.own} == it.names
    assert len(it.own) == len(texts)
    for language, found in it.translations.items():
        assert all(each.translated_text.startswith(f"{language}: ") for each in found)
        assert {untranslated(each.translated_text, language) for each in found} == set(texts)
        assert {each.speaker_name for each in found} == set(it.names.values())
    named = [each for each in it.correlations if each.speaker_name]
    words = sum(each.word_end - each.word_start for each in named)
    assert words == sum(len(each.words) for each in it.plan.utterances)
    assert [each.text for each in it.live.lines] == texts
    assert it.live.quality.named == it.live.quality.words == words


@pytest.mark.parametrize("mode", ["rotating", "per_speaker", "mixed", "none"])
def test_the_camera_shows_the_last_lines_translated_and_by_speaker(mode: str) -> None:
    it = attended(mode)
    lines = it.live.lines[-5:]
    assert all(each.text.startswith("es: ") and each.is_final for each in it.camera)
    assert sorted((each.speaker, untranslated(each.text, "es")) for each in it.camera) == sorted(
        (str(each.speaker), each.text) for each in lines
    )


def test_the_meetings_own_captions_are_stored_as_such() -> None:
    it = attended("rotating")
    assert [each.segment_index for each in it.captions] == list(range(len(it.captions)))
    assert all(each.is_final for each in it.captions)
    shown = [text for each in truth(it.plan).utterances for text in each.captions]
    words = Counter(word for each in it.captions for word in each.transcript_text.split())
    assert words == Counter(word for text in dict.fromkeys(shown) for word in text.split())


def test_participants_speaking_times_and_chat_are_stored_published_and_sent() -> None:
    it = attended("per_speaker")
    assert {each.display_name for each in it.people} == {"Ana Lima", "Ben Ode", "李娜"}
    spoken = dict.fromkeys(("Ana Lima", "Ben Ode", "李娜"), 0.0)
    for each in truth(it.plan).utterances:
        spoken[each.name] += each.end - each.begin
    for one in it.people:
        assert one.total_speaking_time == pytest.approx(spoken[one.display_name], abs=2.0)
        assert one.join_time is not None
        assert one.leave_time is not None
    chats = [each.event_data for each in it.events if each.event_type == "chat"]
    assert [(each["sender"], each["text"]) for each in chats] == [("Ben Ode", "The report is in the folder.")]
    kinds = Counter(each["event"] for each in it.of("meeting_participant"))
    assert kinds["join"] == kinds["leave"] == 3
    assert kinds["speech_on"] == kinds["speech_off"] >= 6
    assert [each["text"] for each in it.of("meeting_chat")] == [chats[0]["text"]]
    sent = Counter(it.webhooks)
    assert sent[Trigger.JOIN_LEAVE] == 6
    assert sent[Trigger.CHAT_MESSAGES] == 1
    assert sent[Trigger.TRANSCRIPT] == 6
    assert sent[Trigger.TRANSLATION] == 6 * len(LANGUAGES)
    assert sent[Trigger.SPEECH_START_STOP] == kinds["speech_on"] * 2


def test_a_reader_who_joins_later_receives_all_of_it_with_the_names() -> None:
    """What is stored in the history is enough: texts, translations, names, captions, participants."""
    it = attended("rotating")
    history = it.joined["messages"]
    assert it.joined["complete"]
    assert [each["offset"] for each in history] == list(range(1, len(history) + 1))
    names = {each["segment_id"]: each["speaker"] for each in history if each["type"] == "transcript"}
    names |= {each["segment_id"]: each["speaker"] for each in history if each["type"] == "attribution"}
    texts = {each["segment_id"]: each["text"] for each in history if each["type"] == "transcript"}
    assert {texts[key]: name for key, name in names.items()} == it.names
    captions = [each for each in history if each["type"] == "meeting_caption"]
    assert all(each["final"] for each in captions)
    assert {each["speaker"] for each in captions} == set(it.names.values())


def test_a_meeting_without_sound_has_its_captions_translated() -> None:
    """As lines, by their speaker."""
    it = attended("none")
    lines = it.live.lines
    assert [(each.text, each.speaker) for each in lines] == [
        (each.transcript_text, each.speaker_name) for each in it.captions
    ]
    assert it.own == ()
    for language, found in it.translations.items():
        assert [(each.translated_text, each.source_transcript_id) for each in found] == [
            (f"{language}: {each.transcript_text}", each.transcript_id) for each in it.captions
        ]
    assert [each["text"] for each in it.of("transcript")] == [each.text for each in lines]
