"""A replayed tape gives what the bot has noted live, to the byte; nothing of a pause is on it."""

import gzip
import json
from collections.abc import Iterable
from typing import Any

import pytest
import trio

from orch.bots.caption_blocks import Block, Message
from orch.bots.observations import (
    CaptionReceived,
    CaptionsSeen,
    ChatSeen,
    MarksSeen,
    Observation,
    PeopleSeen,
    Person,
    Sound,
)
from orch.bots.pipeline.effects import Effect
from orch.bots.pipeline.minutes import Minutes
from orch.bots.tapes.discretion import HELD, Discretion
from orch.bots.tapes.lines import Began, Capturing, Line, Missed, TapeError, Ticked, encode
from orch.bots.tapes.notes import Notes, rounded
from orch.bots.tapes.reading import TapeReader
from orch.bots.tapes.replaying import replay
from orch.bots.tapes.taped_minutes import TapedMinutes
from orch.stores.bot_records import Correlation, Utterance
from tests.bots.pipeline.test_whole_meetings import MEETING
from tests.fakes.observed_meetings import Channels, TruthfulEngine, observations
from tests.fakes.pipelines_of_bots import PipelineScene, Running

BEGAN = Began(session_id="s1", started=1000.0, own=("Bot",), run="1")


@pytest.fixture
def scene(tmp_path_factory: pytest.TempPathFactory) -> PipelineScene:
    """Return a scene in a folder of its own."""
    return PipelineScene(tmp_path_factory.mktemp("bots"))


async def attended(scene: PipelineScene, mode: str, gap: float) -> tuple[Running, list[Line]]:
    """Let a pipeline attend a whole meeting; return it and its tape."""
    plan = scene.plan(MEETING % (gap, mode))
    channels = Channels(plan, scene.library)
    engine = TruthfulEngine(plan, channels)
    scene.understand(engine.text, engine.words)
    lines: list[Line] = []
    async with scene.running(tape=lines.append) as it:
        await it.play(observations(plan, channels))
        await it.pipeline.finish()
        await it.records.writer.drain()
    return it, lines


def noted(it: Running) -> bytes:
    """Return what was stored live."""
    notes = Notes()
    for _, record in it.records.put_at:
        notes.add(record)
    return notes.as_json()


@pytest.mark.parametrize(("mode", "gap"), [("rotating", -0.4), ("mixed", 0.4)])
async def test_a_replayed_tape_gives_what_was_stored_live(
    scene: PipelineScene, mode: str, gap: float
) -> None:
    it, lines = await attended(scene, mode, gap)
    tape = gzip.compress(b"".join(map(encode, lines)))
    replayed = replay(TapeReader([tape]))
    live = noted(it)
    assert replayed.notes.as_json() == live
    assert replayed.is_finished
    assert replayed.missed == 0
    found = json.loads(live)
    assert len(found["utterances"]) > 6
    assert found["correlations"]
    assert found["translations"]
    assert found["participants"]
    assert any(each["event_type"] == "chat" for each in found["events"])
    sound = sum(len(each.pcm) for each in lines if isinstance(each, Sound))
    assert sound > 30 * 32_000
    # What lacks lines gives something else.
    fewer = [each for each in lines if not isinstance(each, CaptionsSeen)]
    assert replay(fewer).notes.as_json() != live


def passed(lines: Iterable[Line]) -> list[Line]:
    discretion = Discretion()
    return [each for line in lines for each in discretion.passed(line)]


PEOPLE = PeopleSeen(at=0.5, people=(Person(id="1", name="Ana"),))
ON, OFF, AGAIN = (Capturing(at=at, is_on=is_on) for at, is_on in ((1.0, True), (5.0, False), (9.0, True)))


def captions(at: float, *texts: str, keys: str = "abc") -> CaptionsSeen:
    """Return a look at the page; keys are letters, or blanks for blocks without one."""
    return CaptionsSeen(
        at=at, blocks=tuple(Block(key.strip(), "Ana", text) for key, text in zip(keys, texts, strict=False))
    )


def message(at: float, number: str, text: str) -> CaptionReceived:
    return CaptionReceived(at=at, message=Message(device="1", id=number, text=text))


def test_a_bot_that_never_listens_leaves_an_empty_tape() -> None:
    said: list[Line] = [captions(0.6, "hush"), MarksSeen(at=0.7, speaking=("1",)), message(0.8, "1", "hush")]
    assert passed([BEGAN, PEOPLE, *said, Ticked(at=0.9)]) == []
    assert passed([BEGAN, PEOPLE, *said, Ticked(at=0.9), ON]) == [BEGAN, PEOPLE, Ticked(at=0.9), ON]


def test_what_the_bot_writes_itself_is_on_the_tape_of_one_that_listens() -> None:
    own = ChatSeen(at=0.6, id="1", sender="Scribe", text="I transcribe.", is_own=True)
    assert passed([BEGAN, own]) == []
    assert passed([BEGAN, own, ON, OFF, own]) == [BEGAN, own, ON, OFF, own]


def test_nothing_that_is_said_in_a_pause_is_on_the_tape() -> None:
    lines: list[Line] = [
        BEGAN,
        PEOPLE,
        ON,
        captions(2.0, "before"),
        OFF,
        captions(6.0, "before hush"),
        captions(7.0, "before hush", "hush"),
        message(7.0, "4", "hush"),
        ChatSeen(at=7.5, id="1", sender="Ana", text="hush"),
        MarksSeen(at=8.0, speaking=("1",)),
        AGAIN,
        captions(9.5, "before hush", "hush and more", "after"),
        message(9.6, "4", "hush and more"),
        message(9.7, "5", "after"),
        ChatSeen(at=9.8, id="2", sender="Ana", text="after"),
    ]
    tape = passed(lines)
    assert b"hush" not in b"".join(map(encode, tape))
    assert tape[:5] == [BEGAN, PEOPLE, ON, captions(2.0, "before"), OFF]
    assert tape[5] == AGAIN
    assert tape[6] == CaptionsSeen(at=9.5, blocks=(Block("c", "Ana", "after"),))
    assert tape[7:] == lines[13:]


def test_blocks_without_keys_are_known_by_their_beginning() -> None:
    long = "hush, this was said while nobody listened"
    tape = passed(
        [BEGAN, ON, OFF, captions(6.0, long, keys=" "), AGAIN, captions(9.5, long + " to it", "yes")]
    )
    assert tape[-1] == captions(9.5, long + " to it", "yes")  # another key, so another block
    tape = passed(
        [BEGAN, ON, OFF, captions(6.0, long, keys=" "), AGAIN, captions(9.5, long + " to", "yes", keys="  ")]
    )
    assert tape[-1] == captions(9.5, "yes", keys=" ")


def test_a_caption_is_recorded_again_once_that_of_the_pause_is_gone() -> None:
    tape = passed(
        [BEGAN, ON, OFF, captions(6.0, "hush"), AGAIN, captions(9.0), captions(9.5, "new", keys="a")]
    )
    assert tape[-2:] == [captions(9.0), captions(9.5, "new", keys="a")]


def test_what_is_held_back_is_bounded() -> None:
    ticks: list[Line] = [Ticked(at=at) for at in range(HELD + 10)]
    tape = passed([BEGAN, *ticks, ON])
    assert tape[0] == Missed(lines=11)
    assert len(tape) == HELD + 2


async def test_a_paused_bot_leaves_a_tape_that_can_be_replayed(scene: PipelineScene) -> None:
    plan = scene.plan(MEETING % (0.4, "per_speaker"))
    channels = Channels(plan, scene.library)
    engine = TruthfulEngine(plan, channels)
    scene.understand(engine.text, engine.words)
    lines: list[Line] = []
    async with scene.running(tape=lines.append, capture=False) as it:

        async def listen() -> None:
            await trio.sleep(6)
            it.pipeline.capture(on=True)
            await trio.sleep(8)
            it.pipeline.pause()
            await trio.sleep(5)
            it.pipeline.resume()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await it.play(observations(plan, channels))
        await it.pipeline.finish()
        await it.records.writer.drain()
    replayed = json.loads(replay(lines).notes.as_json())
    live = json.loads(noted(it))

    def texts(found: Any) -> list[str]:
        return [each["transcript_text"] for each in found["utterances"] if "whisper" in each["source_type"]]

    assert texts(replayed) == texts(live)
    assert len(texts(live)) >= 2
    spoken_in_pause = [
        each.text for each in plan.utterances if each.end < 5.5 or (each.begin > 14.5 and each.end < 18.5)
    ]
    assert spoken_in_pause
    document = json.dumps(replayed)
    assert not any(text in document for text in spoken_in_pause)


def an_utterance(revision: int, text: str) -> Utterance:
    return Utterance(
        session_id="s1",
        source_type="google_meet",
        segment_index=0,
        transcript_text=text,
        start_time=1.23456,
        end_time=2.0,
        at=1000.0,
        revision=revision,
    )


def a_part(revision: int, part: int) -> Correlation:
    return Correlation(
        session_id="s1",
        inhouse_transcript_id="t",
        word_start=part,
        word_end=part + 1,
        correlation_confidence=0.5,
        correlation_type="exact",
        correlation_method="captions",
        start_time=0.0,
        end_time=1.0,
        at=1000.0,
        revision=revision,
        part=part,
    )


def test_notes_have_the_newest_versions_only() -> None:
    notes = Notes()
    for record in (an_utterance(1, "a"), an_utterance(3, "c"), an_utterance(2, "b")):
        notes.add(record)
    for part in (a_part(1, 0), a_part(1, 1), a_part(2, 0), a_part(1, 2)):
        notes.add(part)
    found = json.loads(notes.as_json())
    assert [each["transcript_text"] for each in found["utterances"]] == ["c"]
    assert found["utterances"][0]["start_time"] == 1.235
    assert [(each["revision"], each["part"]) for each in found["correlations"]] == [(2, 0)]


def test_numbers_are_rounded_to_milliseconds_everywhere() -> None:
    document = {"a": [1.23456, {"b": -0.0001}], "c": 7, "d": None, "e": True}
    assert json.dumps(rounded(document)) == '{"a": [1.235, {"b": 0.0}], "c": 7, "d": null, "e": true}'


def test_a_tape_without_its_begin_is_refused() -> None:
    observed: list[Observation] = [PEOPLE]
    with pytest.raises(TapeError, match="begin of a tape"):
        replay(observed)


def test_each_input_of_the_minutes_is_put_on_the_tape() -> None:
    """What changes them gives effects; an input that the tape lacks would make a replay differ."""
    inputs = {
        name
        for name, each in vars(Minutes).items()
        if not name.startswith("_") and getattr(each, "__annotations__", {}).get("return") == list[Effect]
    }
    assert {"page", "transcript", "tick"} <= inputs
    assert inputs <= set(vars(TapedMinutes))
