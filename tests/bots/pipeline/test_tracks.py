"""Tracks of sound: gaps, repetitions, limits, failing back ends, streams that come and go."""

import pytest
import trio

from orch.bots.observations import (
    Layout,
    OwnerSeen,
    PeopleSeen,
    Person,
    Sound,
    SoundLost,
    TrackBegan,
    TrackEnded,
)
from orch.bots.pipeline import speech_gate, tracks
from orch.bots.requests import Languages
from orch.problems import ProblemError
from orch.speech.requests import AUDIO
from tests.fakes.pipelines_of_bots import SESSION, PipelineScene, Running, a_request
from tests.fakes.sounds import Samples, noise, pcm, silence, voice

RATE = 16_000


@pytest.fixture
def agreed(scene: PipelineScene) -> PipelineScene:
    """Have the engine recognise the length of each utterance."""
    scene.back_ends.hear = lambda sound: f"we agree {len(sound) // 3_200}"
    scene.back_ends.timed = lambda _sound: []
    return scene


async def begin(it: Running, track: str = "t", layout: Layout = "own") -> None:
    await it.pipeline.observe(TrackBegan(at=it.clock(), track=track, layout=layout))


async def play(
    it: Running, samples: Samples, *, first: int = 0, track: str = "t", skip: frozenset[int] = frozenset()
) -> int:
    """Play sound in blocks of 100 ms, without those of ``skip``; return the number after the last sample."""
    data = pcm(samples)
    for block in range(len(data) // 3_200):
        await trio.sleep(0.1)
        if block not in skip:
            part = data[block * 3_200 : (block + 1) * 3_200]
            await it.pipeline.observe(
                Sound(at=it.clock(), track=track, first=first + block * 1_600, pcm=part)
            )
    return first + len(data) // 2


async def lines(it: Running) -> list[tuple[float, float]]:
    await it.pipeline.finish()
    await it.records.writer.drain()
    found = await it.store.utterances(SESSION, "whisper_service")
    return [(each.start_time, each.end_time) for each in found]


async def test_times_are_those_of_the_sound_also_after_lost_samples(agreed: PipelineScene) -> None:
    """Lost in the middle of silence, marked or not."""
    async with agreed.running() as it:
        await begin(it)
        at = await play(it, voice(2.0) / 2)
        at = await play(it, silence(2.0), first=at)
        await trio.sleep(3)
        await it.pipeline.observe(SoundLost(at=it.clock(), track="t", first=at, samples=3 * RATE))
        at = await play(it, voice(2.0) / 2, first=at + 3 * RATE)
        at = await play(it, silence(2.0), first=at)
        await trio.sleep(2)
        await play(it, voice(2.0) / 2, first=at + 2 * RATE)
        found = await lines(it)
        assert [round(start) for start, _ in found] == [0, 7, 13]
        assert it.pipeline.statistics().lost == 5 * RATE


async def test_a_gap_within_a_word_is_marked_for_readers(agreed: PipelineScene) -> None:
    async with agreed.running() as it, it.hub.connected() as reader:
        await reader.ask({"type": "join_session", "session_id": SESSION})
        await begin(it)
        await play(it, voice(6.0) / 2, skip=frozenset(range(20, 30)))
        await it.pipeline.finish()
        told = [each for each in await reader.settle() if each["type"] == "transcript"]
        assert [each["error"]["code"] for each in told if each["error"]] == ["speech_lost"]
        assert it.pipeline.statistics().lost == RATE


async def test_sound_that_arrives_twice_is_used_once(agreed: PipelineScene) -> None:
    async with agreed.running() as it:
        await begin(it)
        await play(it, voice(2.0) / 2)
        await play(it, voice(2.0) / 2)
        await play(it, voice(3.0)[RATE:] / 2, first=RATE)
        assert it.pipeline.statistics().sound == 3 * RATE


async def test_sound_of_no_track_and_odd_observations_change_nothing(agreed: PipelineScene) -> None:
    async with agreed.running() as it:
        observe = it.pipeline.observe
        await observe(Sound(at=0.0, track="none", first=0, pcm=pcm(voice(1.0))))
        await observe(SoundLost(at=0.0, track="none", first=0, samples=10))
        await observe(TrackEnded(at=0.0, track="none"))
        await observe(OwnerSeen(at=0.0, track="none", participant_id="p"))
        await begin(it)
        await observe(Sound(at=0.0, track="t", first=0, pcm=b""))
        await observe(SoundLost(at=0.0, track="t", first=0, samples=-5))
        await observe(TrackEnded(at=0.0, track="t"))
        await observe(Sound(at=0.0, track="t", first=0, pcm=pcm(voice(1.0))))
        found = it.pipeline.statistics()
        assert (found.tracks, found.streams, found.sound, found.unheard) == (0, 0, 0, 2 * RATE)


async def test_a_silent_track_has_no_stream_and_an_idle_one_loses_it(agreed: PipelineScene) -> None:
    async with agreed.running() as it:
        await begin(it)
        at = await play(it, noise(5.0, -75))
        assert it.pipeline.statistics().streams == 0
        at = await play(it, voice(2.0) / 2, first=at)
        assert it.pipeline.statistics().streams == 1
        await play(it, silence(5.0), first=at)
        assert it.pipeline.statistics().streams == 1
    assert tracks.IDLE >= 60


@pytest.mark.limit(600)
async def test_an_idle_stream_ends_and_the_next_words_get_another(agreed: PipelineScene) -> None:
    async with agreed.running() as it:
        await begin(it)
        at = await play(it, voice(2.0) / 2)
        await trio.sleep(tracks.IDLE + 5)
        at += round((tracks.IDLE + 5) * RATE)
        await it.pipeline.observe(Sound(at=it.clock(), track="t", first=at - 1_600, pcm=bytes(3_200)))
        await trio.sleep(5)
        assert it.pipeline.statistics().streams == 0
        await play(it, voice(2.0) / 2, first=at + 5 * RATE)
        found = await lines(it)
        assert [round(start) for start, _ in found] == [0, round(2 + tracks.IDLE + 10)]


async def test_tracks_and_streams_are_bounded(agreed: PipelineScene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A track without a stream gets one when another has been silent for a while."""
    monkeypatch.setattr(tracks, "MOST_STREAMS", 2)
    monkeypatch.setattr(tracks, "MOST_TRACKS", 4)
    monkeypatch.setattr(tracks, "SPARE_AFTER", 1.0)
    async with agreed.running() as it:
        for number in range(6):
            await begin(it, f"t{number}")
        assert it.pipeline.statistics().tracks == 4
        async with trio.open_nursery() as nursery:
            for number in range(2):
                nursery.start_soon(_speak, it, f"t{number}", 5.0 if number else 1.0)
            await trio.sleep(0.05)
            nursery.start_soon(_speak, it, "t2", 5.0)
        found = it.pipeline.statistics()
        assert found.unheard > RATE
        assert found.streams <= 2
        await it.pipeline.finish()
        channels = {each.channel for each in it.pipeline.minutes.segments.all()}
        assert channels == {"track-1", "track-2", "track-3"}


async def _speak(it: Running, track: str, seconds: float) -> None:
    at = await play(it, voice(seconds) / 2, track=track)
    await play(it, silence(5.0 - seconds), first=at, track=track)


async def test_a_track_that_begins_again_is_another_one(agreed: PipelineScene) -> None:
    async with agreed.running() as it:
        await begin(it)
        await play(it, voice(1.5) / 2)
        await begin(it)
        await play(it, voice(1.5) / 2)
        assert [round(start * 2) / 2 for start, _ in await lines(it)] == [0.0, 1.5]
        assert {each.channel for each in it.pipeline.minutes.segments.all()} == {"track-1", "track-2"}


async def test_while_the_engine_is_away_speech_waits_and_is_transcribed_when_it_is_back(
    agreed: PipelineScene,
) -> None:
    agreed.back_ends.audio_error = ProblemError("service_unavailable", "It is away.", service=AUDIO)
    async with agreed.running() as it, it.hub.connected() as reader:
        await reader.ask({"type": "join_session", "session_id": SESSION})
        await begin(it)
        await play(it, voice(2.0) / 2)
        at = await play(it, silence(8.0), first=2 * RATE)
        gaps = [each for each in await reader.settle() if each["type"] == "transcript" and each["error"]]
        assert gaps
        agreed.back_ends.audio_error = None
        await play(it, silence(5.0), first=at)
        assert [round(start) for start, _ in await lines(it)] == [0]


async def test_a_stream_that_fails_is_counted_and_the_next_words_get_another(
    agreed: PipelineScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object, **_options: object) -> None:
        raise ValueError("a bug of ours")

    async with agreed.running() as it:
        await begin(it)
        with monkeypatch.context() as patched:
            patched.setattr(speech_gate, "judge", broken)
            at = await play(it, voice(2.0) / 2)
            at = await play(it, silence(2.0), first=at)
        assert it.pipeline.statistics().failures >= 1
        await play(it, voice(2.0) / 2, first=at)
        assert [round(start) for start, _ in await lines(it)] == [4]


async def test_the_language_may_change_and_one_that_is_not_offered_is_detected(agreed: PipelineScene) -> None:
    async with agreed.running(a_request(languages=Languages(spoken="xx"))) as it:
        await it.hub.speech.languages()
        await begin(it)
        at = await play(it, voice(2.0) / 2)
        at = await play(it, silence(1.0), first=at)
        it.pipeline.change_languages(Languages(spoken="de", targets=("fr",)))
        await play(it, voice(2.0) / 2, first=at)
        await it.pipeline.finish()
        asked = [each.fields.get("language") for each in agreed.back_ends.audio()]
        assert asked[-1] == "de"
        assert {
            each.fields["target_language"] for each in agreed.back_ends.asked if each.service != AUDIO
        } == {"fr"}


async def test_a_track_that_is_observed_again_goes_on_with_its_layout(agreed: PipelineScene) -> None:
    """It was taken for everybody's sound until there was another one; its stream is not cut."""
    async with agreed.running() as it:
        await begin(it, layout="mixed")
        at = await play(it, voice(2.0) / 2)
        await begin(it, layout="rotating")
        await play(it, voice(2.0) / 2, first=at)
        found = it.pipeline.statistics()
        assert (found.tracks, found.streams, found.sound, found.lost) == (1, 1, 4 * RATE, 0)
        assert it.pipeline._tracks is not None
        track = it.pipeline._tracks.find("t")
        assert track is not None
        assert track.layout == "rotating"


async def test_an_owner_that_is_seen_before_the_track_is_its_owner(agreed: PipelineScene) -> None:
    """A page shows whose a track is before its first sound arrives; another track of the name has none."""
    async with agreed.running() as it, it.hub.connected() as reader:
        await reader.ask({"type": "join_session", "session_id": SESSION})
        await reader.ask({"type": "receive_audio", "session_id": SESSION}, "audio_receiving")
        await it.pipeline.observe(PeopleSeen(at=0.0, people=(Person(id="p", name="Ana"),)))
        await it.pipeline.observe(OwnerSeen(at=it.clock(), track="t", participant_id="p"))
        for _ in range(2):
            await begin(it)
            await trio.sleep(1)
            await play(it, silence(0.2))
            await it.pipeline.observe(TrackEnded(at=it.clock(), track="t"))
        heard = [each for each in await reader.settle() if each["type"] == "speaker_audio"]
        assert [each["speaker"] for each in heard] == ["Ana"] * 2 + [None] * 2


async def test_sound_names_its_speaker_for_those_who_receive_it(agreed: PipelineScene) -> None:
    async with agreed.running() as it, it.hub.connected() as reader:
        await reader.ask({"type": "join_session", "session_id": SESSION})
        await reader.ask({"type": "receive_audio", "session_id": SESSION}, "audio_receiving")
        await it.pipeline.observe(PeopleSeen(at=0.0, people=(Person(id="p", name="Ana"),)))
        await begin(it)
        await trio.sleep(1)
        await play(it, silence(0.5))
        await it.pipeline.observe(OwnerSeen(at=it.clock(), track="t", participant_id="p"))
        await play(it, silence(0.5), first=RATE // 2)
        heard = [each for each in await reader.settle() if each["type"] == "speaker_audio"]
        assert [each["first"] for each in heard] == list(range(0, RATE, 1_600))
        assert [each["speaker"] for each in heard] == [None] * 5 + ["Ana"] * 5
        it.pipeline.pause()
        await play(it, silence(0.5), first=RATE)
        assert "speaker_audio" not in {each["type"] for each in await reader.settle()}
