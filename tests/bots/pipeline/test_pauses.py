"""While a bot does not listen, nothing of what is said is stored or sent, also not when it listens again."""

import msgspec
import pytest
import trio

from orch.bots.caption_blocks import Block, Utterance
from orch.bots.observations import CaptionsSeen, ChatSeen, PeopleSeen, Person, Sound, SoundLost, TrackBegan
from orch.bots.pipeline.pauses import LATE, MOST, Pauses
from tests.fakes.pipelines_of_bots import SESSION, PipelineScene, Running
from tests.fakes.sounds import pcm, voice

MARKER = "confidential"


def utterance(text: str, *words_at: float) -> Utterance:
    return Utterance(
        number=1,
        revision=1,
        speaker="Ana",
        text=text,
        started=words_at[0],
        updated=words_at[-1],
        words_at=words_at,
        source="page",
    )


def test_only_words_that_arrived_while_it_listened_are_used() -> None:
    pauses = Pauses(None)
    pauses.begin(10.0)
    pauses.end(20.0, late=1.0)
    heard = pauses.heard(utterance("well, this (is) confidential but go on", 8, 9.9, 10, 15, 20.9, 21, 22))
    assert (heard.text, heard.words_at, heard.started) == ("well, this go on", (8, 9.9, 21, 22), 8)


def test_before_it_may_listen_nothing_is_used() -> None:
    pauses = Pauses(float("-inf"))
    assert pauses.is_paused
    assert pauses.heard(utterance("not for us", 1, 2, 3)).text == ""
    pauses.end(4.0)
    heard = pauses.heard(utterance("not for us but this", 1, 2, 3, 4 + LATE, 9))
    assert (heard.text, heard.words_at, heard.started) == ("but this", (4 + LATE, 9), 4 + LATE)


def test_an_utterance_of_no_pause_is_the_same() -> None:
    pauses, whole = Pauses(None), utterance("well, this", 1, 2)
    pauses.begin(3)
    assert pauses.heard(whole) is whole


def test_many_pauses_cost_no_more_and_open_nothing() -> None:
    """What was said between two that are forgotten is not used either."""
    pauses = Pauses(None)
    for number in range(4 * MOST):
        pauses.begin(10.0 * number)
        pauses.end(10.0 * number + 5, late=0.0)
    for number in range(4 * MOST):
        assert pauses.heard(utterance("a", 10.0 * number + 2)).text == ""
    assert pauses.heard(utterance("a", 40.0 * MOST - 3)).text == "a"


def test_to_begin_or_end_twice_changes_nothing() -> None:
    pauses = Pauses(None)
    pauses.end(1.0)
    assert not pauses.is_paused
    pauses.begin(2.0)
    pauses.begin(3.0)
    pauses.end(4.0, late=0.0)
    pauses.end(5.0, late=0.0)
    assert pauses.heard(utterance("a b", 2.5, 4.5)).text == "b"


async def say(it: Running, text: str) -> None:
    """Show a caption that grows word by word."""
    words = text.split()
    for count in range(1, len(words) + 1):
        await it.pipeline.observe(
            CaptionsSeen(at=it.clock(), blocks=(Block("b", "Ana", " ".join(words[:count])),))
        )
        await trio.sleep(0.3)


async def everything(it: Running) -> str:
    """Return all that is stored and shown, as text."""
    await trio.sleep(1)
    await it.records.writer.drain()
    stored = [
        await it.store.utterances(SESSION, "google_meet"),
        await it.store.utterances(SESSION, "whisper_service"),
        await it.store.events(SESSION),
        await it.store.translations(SESSION, "es"),
    ]
    messages = await it.hub.service.messages(SESSION)
    return "\n".join(
        (repr(stored), repr(messages.messages), repr(it.pipeline.live()), repr(it.webhooks.sent))
    )


@pytest.mark.parametrize("how", ["paused", "not allowed"])
async def test_captions_of_a_pause_are_not_stored_when_the_page_still_shows_them(
    scene: PipelineScene, how: str
) -> None:
    async with scene.running() as it, it.hub.connected() as reader:
        await reader.ask({"type": "join_session", "session_id": SESSION})
        pipeline = it.pipeline
        await trio.sleep(LATE)
        await say(it, "we begin here")
        stop = pipeline.pause if how == "paused" else lambda: pipeline.capture(on=False)
        go = pipeline.resume if how == "paused" else lambda: pipeline.capture(on=True)
        stop()
        await say(it, f"we begin here {MARKER} {MARKER}")
        await pipeline.observe(ChatSeen(at=it.clock(), id="m", sender="Ana", text=MARKER))
        await trio.sleep(2)
        go()
        await trio.sleep(3)
        await say(it, f"we begin here {MARKER} {MARKER} and go on")
        await pipeline.finish()
        text = await everything(it)
        assert MARKER not in text
        assert MARKER not in repr(await reader.settle())
        assert "we begin here and go on" in text


async def test_sound_of_a_pause_is_not_sent_to_the_engine(scene: PipelineScene) -> None:
    heard: list[int] = []

    def hear(sound: bytes) -> str:
        heard.append(len(sound))
        return "we agree"

    scene.back_ends.hear = hear
    scene.back_ends.timed = lambda _sound: []
    async with scene.running(capture=False) as it:
        await it.pipeline.observe(TrackBegan(at=0.0, track="t", layout="own"))
        await play(it, 0, 4.0)
        assert heard == []
        it.pipeline.capture(on=True)
        await play(it, 4, 2.0)
        it.pipeline.pause()
        await trio.sleep(5)
        before = len(heard)
        assert before > 0
        assert it.pipeline.statistics().streams == 0
        await play(it, 11, 4.0)
        assert len(heard) == before
        it.pipeline.resume()
        await play(it, 15, 2.0)
        await it.pipeline.finish()
        assert len(heard) > before
        await it.records.writer.drain()
        lines = await it.store.utterances(SESSION, "whisper_service")
        assert it.pipeline.statistics().lost == 0
        assert [(round(each.start_time), round(each.end_time)) for each in lines] == [(4, 6), (15, 17)]


async def play(it: Running, first: float, seconds: float) -> None:
    """Play a voice into the track; ``first``: the second of the track."""
    data = pcm(voice(seconds) / 2)
    for at in range(0, len(data) // 2, 1_600):
        await trio.sleep(0.1)
        await it.pipeline.observe(
            Sound(
                at=it.clock(), track="t", first=round(first * 16_000) + at, pcm=data[at * 2 : at * 2 + 3_200]
            )
        )


async def test_participants_of_a_pause_are_known_after_it(scene: PipelineScene) -> None:
    async with scene.running(capture=False) as it, it.hub.connected() as reader:
        await reader.ask({"type": "join_session", "session_id": SESSION})
        ana, ben = Person(id="a", name="Ana"), Person(id="b", name="Ben")
        await it.pipeline.observe(PeopleSeen(at=it.clock(), people=(ana, ben)))
        await trio.sleep(1)
        await it.pipeline.observe(PeopleSeen(at=it.clock(), people=(ana,)))
        await trio.sleep(10)
        assert await it.store.participants(SESSION) == ()
        it.pipeline.capture(on=True)
        await trio.sleep(1)
        await it.records.writer.drain()
        assert [each.display_name for each in await it.store.participants(SESSION)] == ["Ana"]
        told = [each for each in await reader.settle() if each["type"] == "meeting_participant"]
        assert [(each["event"], each["name"]) for each in told] == [("join", "Ana")]


async def test_lost_sound_of_a_pause_is_no_gap(scene: PipelineScene) -> None:
    async with scene.running() as it:
        await it.pipeline.observe(TrackBegan(at=0.0, track="t", layout="own"))
        await play(it, 0, 1.0)
        it.pipeline.pause()
        await it.pipeline.observe(SoundLost(at=it.clock(), track="t", first=16_000, samples=160_000))
        assert it.pipeline.statistics().lost == 0
        it.pipeline.resume()
        assert msgspec.json.encode(it.pipeline.live())


async def test_what_the_bot_writes_itself_is_stored_and_published_also_before_it_listens(
    scene: PipelineScene,
) -> None:
    """Its announcement comes first; a program that answers chat messages does not answer its own."""
    async with scene.running(capture=False) as it, it.hub.connected() as reader:
        await reader.ask({"type": "join_session", "session_id": SESSION})
        own = ChatSeen(at=it.clock(), id="m", sender="Scribe", text="I transcribe.", is_own=True)
        await it.pipeline.observe(own)
        await it.pipeline.observe(ChatSeen(at=it.clock(), id="n", sender="Ana", text=MARKER))
        await it.pipeline.finish()
        assert MARKER not in await everything(it)
        (message,) = [each for each in await reader.settle() if each["type"] == "meeting_chat"]
        assert (message["sender"], message["text"], message["own"]) == ("Scribe", "I transcribe.", True)
        (event,) = [each for each in await it.store.events(SESSION) if each.event_type == "chat"]
        assert event.event_data["own"] is True
        assert it.webhooks.sent == []
