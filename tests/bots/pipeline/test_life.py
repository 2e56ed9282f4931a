"""A pipeline's life: begun, cancelled, finished, taken over; for hours, without growth."""

import gc
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from orch.bots.caption_blocks import Block
from orch.bots.observations import (
    CaptionsSeen,
    MarksSeen,
    Observation,
    PeopleSeen,
    Person,
    Sound,
    TrackBegan,
    TrackEnded,
)
from orch.bots.pipeline import meeting_pipeline, people, segments
from orch.bots.pipeline.pipeline_figures import Numbers
from orch.bots.webcam.appearance import Appearance
from orch.bots.webcam.canvas import Patch
from tests.fakes.pipelines_of_bots import SESSION, PipelineScene, Running, a_request
from tests.fakes.sounds import pcm, silence, voice

RATE = 16_000


@pytest.fixture
def agreed(scene: PipelineScene) -> PipelineScene:
    """Have the engine recognise the same words in everything."""
    scene.back_ends.hear = lambda _sound: "we agree on it"
    scene.back_ends.timed = lambda _sound: []
    return scene


async def speak(it: Running, *, first: int = 0, track: str = "t") -> int:
    """Say a sentence of two seconds, and be silent for one."""
    data = pcm(voice(2.0) / 2, silence(1.0))
    for at in range(0, len(data) // 2, 1_600):
        await trio.sleep(0.1)
        part = data[at * 2 : at * 2 + 3_200]
        await it.pipeline.observe(Sound(at=it.clock(), track=track, first=first + at, pcm=part))
    return first + len(data) // 2


async def test_a_cancel_in_mid_speech_leaves_nothing_open(agreed: PipelineScene) -> None:
    """No stream, no request, no pinned session; what was accepted is stored."""
    agreed.back_ends.audio_delay = lambda _seconds: 30.0
    async with agreed.running(a_request(camera=Appearance())) as it:
        pipeline = it.pipeline
        await pipeline.observe(TrackBegan(at=0.0, track="t", layout="own"))
        await pipeline.observe(CaptionsSeen(at=3.0, blocks=(Block("b", "Ana", "we agree"),)))
        await speak(it)
        assert pipeline.statistics().streams == 1
        assert agreed.back_ends.in_flight == 1
        it.nursery.cancel_scope.cancel()
    assert agreed.back_ends.in_flight == 0
    assert pipeline.statistics().streams == 0
    with pytest.raises(trio.ClosedResourceError):
        await pipeline.observe(MarksSeen(at=9.0, speaking=()))
    pipeline.pause()
    pipeline.disconnected()
    await pipeline.finish()
    assert pipeline.live().lines == ()


async def test_the_end_waits_for_the_last_words_and_their_translations(agreed: PipelineScene) -> None:
    agreed.back_ends.audio_delay = lambda _seconds: 2.0
    agreed.back_ends.translation_delay = lambda _text, _target: 3.0
    async with agreed.running() as it:
        await it.pipeline.observe(TrackBegan(at=0.0, track="t", layout="own"))
        await speak(it)
        await it.pipeline.finish()
        await trio.testing.wait_all_tasks_blocked()
        await it.records.writer.drain()
        stored = await it.store.utterances(SESSION, "whisper_service")
        assert [each.transcript_text for each in stored] == ["we agree on it"]
        translated = await it.store.translations(SESSION, "es")
        assert [each.translated_text for each in translated] == ["es: we agree on it"]
        with pytest.raises(trio.ClosedResourceError):
            await it.pipeline.observe(MarksSeen(at=9.0, speaking=()))


async def test_another_worker_goes_on_with_the_numbers_of_the_store(agreed: PipelineScene) -> None:
    """Nothing that the first one stored is overwritten."""
    async with agreed.running() as it:
        await trio.sleep(3)
        await it.pipeline.observe(TrackBegan(at=3.0, track="t", layout="own"))
        await it.pipeline.observe(PeopleSeen(at=3.0, people=(Person(id="a", name="Ana"),)))
        await it.pipeline.observe(CaptionsSeen(at=5.0, blocks=(Block("b", "Ana", "the first"),)))
        await speak(it)
        await it.pipeline.finish()
        await it.records.writer.drain()
        numbers = Numbers(
            run="2",
            captions=await it.store.next_segment(SESSION, "google_meet"),
            segments=await it.store.next_segment(SESSION, "whisper_service"),
        )
        assert (numbers.captions, numbers.segments) == (1, 1)
    async with agreed.running(numbers=numbers, again=True) as it:
        await trio.sleep(3)
        await it.pipeline.observe(TrackBegan(at=3.0, track="t", layout="own"))
        await it.pipeline.observe(PeopleSeen(at=3.0, people=(Person(id="a", name="Ana"),)))
        await it.pipeline.observe(CaptionsSeen(at=5.0, blocks=(Block("b", "Ana", "the second"),)))
        await speak(it)
        await it.pipeline.finish()
        await it.records.writer.drain()
        captions = await it.store.utterances(SESSION, "google_meet")
        assert [each.transcript_text for each in captions] == ["the first", "the second"]
        assert len(await it.store.utterances(SESSION, "whisper_service")) == 2
        events = await it.store.events(SESSION)
        assert sum(each.event_subtype == "join" for each in events) == 2
        assert len(await it.store.participants(SESSION)) == 1


async def test_after_a_rejoin_the_same_pipeline_goes_on(agreed: PipelineScene) -> None:
    async with agreed.running() as it:
        for number in range(2):
            at = it.clock()
            await it.pipeline.observe(PeopleSeen(at=at, people=(Person(id="a", name="Ana"),)))
            await it.pipeline.observe(TrackBegan(at=at, track="t", layout="own"))
            await speak(it)
            it.pipeline.disconnected()
            await trio.sleep(8)
            assert it.pipeline.statistics().tracks == 0
            assert len(it.pipeline.live().lines) == number + 1
            assert it.pipeline.live().present == 0
        await it.pipeline.finish()
        await it.records.writer.drain()
        events = [each.event_subtype for each in await it.store.events(SESSION)]
        assert (events.count("join"), events.count("leave")) == (2, 2)


async def test_the_camera_shows_the_translation_with_its_speaker(agreed: PipelineScene) -> None:
    shown: list[Patch] = []

    async def show(patches: list[Patch]) -> None:
        await trio.lowlevel.checkpoint()
        shown.extend(patches)

    async with agreed.running(a_request(camera=Appearance())) as it:
        it.pipeline.camera_to(show)  # type: ignore[arg-type]
        await it.pipeline.observe(TrackBegan(at=0.0, track="t", layout="own"))
        await speak(it)
        await trio.sleep(2)
        assert it.pipeline.camera is not None
        lines = it.pipeline.camera.lines
        assert [(each.text, each.is_final) for each in lines] == [("es: we agree on it", True)]
        assert len(shown) >= 2
        assert (await it.pipeline.camera.picture()).startswith(b"\x89PNG")
        it.pipeline.pause()


async def test_many_participants_are_bounded(agreed: PipelineScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "MOST", 50)
    async with agreed.running() as it:
        for round_ in range(6):
            crowd = tuple(Person(id=f"p{round_}-{n}", name=f"Person {round_} {n}") for n in range(40))
            await it.pipeline.observe(PeopleSeen(at=it.clock(), people=crowd))
            await trio.sleep(8)
        live = it.pipeline.live()
        assert len(live.people) <= 50
        assert live.present == 40
        huge = tuple(Person(id=f"q{n}", name="x" * 10_000) for n in range(500))
        await it.pipeline.observe(PeopleSeen(at=it.clock(), people=huge))
        assert len(it.pipeline.live().people) <= 50
        assert max(len(each.name) for each in it.pipeline.live().people) <= 200


TURN = 90.0
HOURS = 3


def _hours() -> Iterator[Observation]:
    """Yield a meeting of three speakers: marks, growing captions, a track for each turn."""
    sentence = pcm(voice(2.0) / 2, silence(1.0))
    step = len(sentence) // 12
    names = ("Ana", "Ben", "Cem")
    yield PeopleSeen(at=0.0, people=tuple(Person(id=each, name=each) for each in names))
    blocks: list[Block] = []
    for turn in range(round(HOURS * 3_600 / TURN)):
        at, name = turn * TURN, names[turn % 3]
        yield TrackBegan(at=at, track=name, layout="own")
        yield MarksSeen(at=at + 0.2, speaking=(name,))
        for part in range(12):
            data = sentence[part * step : (part + 1) * step]
            now = at + (part + 1) / 4
            yield Sound(at=now, track=name, first=part * step // 2, pcm=data)
            if part % 2:
                continue
            words = ["we", "agree", "on", "it", "all", str(turn)][: part // 2 + 1]
            blocks = [
                *[each for each in blocks if each.key != str(turn)],
                Block(str(turn), name, " ".join(words)),
            ]
            blocks = blocks[-4:]
            yield CaptionsSeen(at=now, blocks=tuple(blocks))
        yield MarksSeen(at=at + 3.1, speaking=())
        yield TrackEnded(at=at + 5, track=name)


@pytest.mark.slow
@pytest.mark.limit(20_000)
async def test_three_hours_cost_no_more_than_one(
    agreed: PipelineScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,440 blocks of sound in 120 turns: no fault, and nothing grows after the first hour."""
    monkeypatch.setattr(segments, "MOST", 64)
    monkeypatch.setattr(meeting_pipeline, "TICK", 1.0)
    sizes: list[int] = []
    turns = round(HOURS * 3_600 / TURN)
    async with agreed.running() as it:
        for seen in _hours():
            if seen.at > it.clock():
                await trio.sleep_until(it.begun + seen.at)
            await it.pipeline.observe(seen)
            if seen.at >= (len(sizes) + 1) * 3_600 - TURN + 4:
                for known in (
                    it.records.put_at,
                    it.webhooks.sent,
                    agreed.back_ends.asked,
                    it.hub.speech.opened,
                ):
                    known.clear()
                gc.collect()
                sizes.append(len(gc.get_objects()))
        await it.pipeline.finish()
        await it.records.writer.drain()
        found = it.pipeline.statistics()
        assert (found.failures, found.lost, found.unheard) == (0, 0, 0)
        assert found.outbox is not None
        assert (found.outbox.dropped, found.outbox.refused) == (0, 0)
        assert found.segments <= 64
        assert await it.store.next_segment(SESSION, "whisper_service") == turns
        assert await it.store.next_segment(SESSION, "google_meet") == turns
        assert it.pipeline.live().quality.words == turns * 4
    assert len(sizes) == HOURS
    assert sizes[2] - sizes[1] < 2_000, sizes
