"""A scripted meeting becomes captions by speaker: in the hub, in the store, live."""

from collections import Counter
from typing import Any

import pytest

from orch.bots.webhooks.payloads import Trigger
from orch.sandbox.meeting.schedule import Schedule
from orch.sandbox.meeting.truth import truth
from tests.fakes.observed_meetings import Channels, TruthfulEngine, observations
from tests.fakes.pipelines_of_bots import SESSION, PipelineScene, Running

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


async def _attended(scene: PipelineScene, it: Running, plan: Schedule, **how: Any) -> None:
    channels = Channels(plan, scene.library)
    engine = TruthfulEngine(plan, channels)
    scene.understand(engine.text, engine.words)
    await it.play(observations(plan, channels, **how))
    await it.pipeline.finish()
    await it.records.writer.drain()
    assert engine.missed == 0


@pytest.mark.parametrize("mode", ["rotating", "per_speaker", "mixed"])
async def test_everything_said_is_stored_and_translated_under_its_speaker(
    scene: PipelineScene, mode: str
) -> None:
    plan = scene.plan(MEETING % (0.4 if mode == "mixed" else -0.4, mode))
    async with scene.running() as it, it.hub.connected() as reader:
        reader.say({"type": "join_session", "session_id": SESSION, "languages": ["fr"]})
        await reader.settle()
        await _attended(scene, it, plan)
        own = await it.store.utterances(SESSION, "whisper_service")
        assert sorted(each.transcript_text for each in own) == sorted(each.text for each in plan.utterances)
        names = {each.id: each.name for each in plan.script.participants}
        by_text = {each.text: names[each.who] for each in plan.utterances}
        assert {each.transcript_text: each.speaker_name for each in own} == by_text
        for language in ("es", "fr"):
            found = await it.store.translations(SESSION, language)
            assert {each.translated_text for each in found} == {f"{language}: {text}" for text in by_text}
            assert {each.speaker_name for each in found} == set(names.values())
        named = [each for each in await it.store.correlations(SESSION) if each.speaker_name]
        words = sum(each.word_end - each.word_start for each in named)
        assert words == sum(len(each.words) for each in plan.utterances)
        live = it.pipeline.live()
        assert [each.text for each in live.lines] == [each.text for each in plan.utterances]
        assert live.quality.named == live.quality.words == words


async def test_the_meetings_own_captions_are_stored_as_such(scene: PipelineScene) -> None:
    plan = scene.plan(MEETING % (-0.4, "rotating"))
    async with scene.running() as it:
        await _attended(scene, it, plan)
        stored = await it.store.utterances(SESSION, "google_meet")
    assert [each.segment_index for each in stored] == list(range(len(stored)))
    assert all(each.is_final for each in stored)
    shown = [text for each in truth(plan).utterances for text in each.captions]
    words = Counter(word for each in stored for word in each.transcript_text.split())
    assert words == Counter(word for text in dict.fromkeys(shown) for word in text.split())


async def test_participants_speaking_times_and_chat_are_stored_published_and_sent(
    scene: PipelineScene,
) -> None:
    plan = scene.plan(MEETING % (-0.4, "per_speaker"))
    async with scene.running() as it, it.hub.connected() as reader:
        reader.say({"type": "join_session", "session_id": SESSION})
        await _attended(scene, it, plan)
        told = await reader.settle()
        people = await it.store.participants(SESSION)
        events = await it.store.events(SESSION)
    assert {each.display_name for each in people} == {"Ana Lima", "Ben Ode", "李娜"}
    spoken: dict[str, float] = dict.fromkeys(("Ana Lima", "Ben Ode", "李娜"), 0.0)
    for each in truth(plan).utterances:
        spoken[each.name] += each.end - each.begin
    for one in people:
        assert one.total_speaking_time == pytest.approx(spoken[one.display_name], abs=2.0)
        assert one.join_time is not None
        assert one.leave_time is not None
    chats = [each.event_data for each in events if each.event_type == "chat"]
    assert [(each["sender"], each["text"]) for each in chats] == [("Ben Ode", "The report is in the folder.")]
    kinds = Counter(each["event"] for each in told if each["type"] == "meeting_participant")
    assert kinds["join"] == kinds["leave"] == 3
    assert kinds["speech_on"] == kinds["speech_off"] >= 6
    assert [each["text"] for each in told if each["type"] == "meeting_chat"] == [chats[0]["text"]]
    sent = Counter(trigger for trigger, _, _ in it.webhooks.sent)
    assert sent[Trigger.JOIN_LEAVE] == 6
    assert sent[Trigger.CHAT_MESSAGES] == 1
    assert sent[Trigger.TRANSCRIPT] == sent[Trigger.TRANSLATION] == 6
    assert sent[Trigger.SPEECH_START_STOP] == kinds["speech_on"] * 2


async def test_a_reader_who_joins_later_receives_all_of_it_with_the_names(scene: PipelineScene) -> None:
    """What is stored in the history is enough: texts, translations, names, captions, participants."""
    plan = scene.plan(MEETING % (-0.4, "rotating"))
    async with scene.running() as it:
        await _attended(scene, it, plan)
        async with it.hub.connected() as reader:
            joined = await reader.ask(
                {"type": "join_session", "session_id": SESSION, "history": True}, "session_joined"
            )
    history = joined["messages"]
    assert joined["complete"]
    assert [each["offset"] for each in history] == list(range(1, len(history) + 1))
    names = {each["segment_id"]: each["speaker"] for each in history if each["type"] == "transcript"}
    names |= {each["segment_id"]: each["speaker"] for each in history if each["type"] == "attribution"}
    texts = {each["segment_id"]: each["text"] for each in history if each["type"] == "transcript"}
    known = {each.id: each.name for each in plan.script.participants}
    assert {texts[key]: name for key, name in names.items()} == {
        each.text: known[each.who] for each in plan.utterances
    }
    captions = [each for each in history if each["type"] == "meeting_caption"]
    assert all(each["final"] for each in captions)
    assert {each["speaker"] for each in captions} == set(known.values())
