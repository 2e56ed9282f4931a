from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from orch.access.actors import Actor
from orch.problems import ProblemError
from orch.websocket.service import SPEECH_PATIENCE
from orch.websocket.speech.caption_output import PUBLISH_WITHIN
from tests.fakes.hub import running_hub
from tests.fakes.sounds import pcm, silence, voice
from tests.fakes.speech_back_ends import words_of

#: One utterance, which ends where the stream does.
SPOKEN = pcm(silence(0.3), voice(1.0))
START = {"type": "audio_start", "session_id": "s", "sample_rate": 16_000, "target_languages": ["es"]}


def heard(caption: dict[str, Any]) -> str:
    """Return what the fake back end recognises in the sound that a caption is about."""
    return words_of(SPOKEN[round(caption["start"] * 16_000) * 2 : round(caption["end"] * 16_000) * 2])


def of_type(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [message for message in messages if message["type"] == kind]


async def test_speech_becomes_captions_for_everyone(tmp_path: Path) -> None:
    """Started, fed, ended: all have the caption at one offset, the speaker the replies with their ids."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        await ann.ask({"type": "create_session", "session_id": "s", "name": "Ann"})
        await bob.ask({"type": "join_session", "session_id": "s", "languages": ["de", "fr"]})
        started = await ann.ask({**START, "source_language": "en", "id": 1}, "audio_started")
        assert started["id"] == 1
        opened = hub.speech.opened[0]
        assert opened.origin.stream_id == started["stream_id"]
        assert (opened.origin.speaker, opened.origin.source_language) == ("Ann", "en")
        assert set(opened.output.languages()) == {"es", "de", "fr"}
        ann.say(SPOKEN[:8_000])
        ann.say(SPOKEN[8_000:])
        ann.say({"type": "audio_end", "id": 2})
        for socket, identity in ((ann, 2), (bob, None)):
            caption = await socket.until("transcript")
            assert (caption["text"], caption["offset"], caption["speaker"]) == (heard(caption), 1, "Ann")
            ended = await socket.until("audio_ended")
            assert (ended["seconds"], ended["lost_seconds"], ended.get("id")) == (1.3, 0.0, identity)
        assert hub.service.statistics().session_list[0].streams == 0


async def test_languages_read_now_are_translated_into(tmp_path: Path) -> None:
    """The languages of participants who join or change them apply at once."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        await ann.ask({"type": "create_session", "session_id": "s", "languages": ["en"]})
        await ann.ask(START, "audio_started")
        targets = hub.speech.opened[0].output.languages
        assert set(targets()) == {"es", "en"}
        await bob.ask({"type": "join_session", "session_id": "s", "languages": ["de"]})
        assert set(targets()) == {"es", "en", "de"}
        await bob.ask({"type": "join_session", "session_id": "s", "languages": ["fr"]})
        assert set(targets()) == {"es", "en", "fr"}
        await bob.ask({"type": "leave_session", "session_id": "s"}, "session_left")
        assert set(targets()) == {"es", "en"}


async def test_growing_lines_are_translated_for_those_who_want_it_now(tmp_path: Path) -> None:
    """Creating, joining, joining again, recovering and leaving apply at once to a stream that is open."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        await ann.ask(
            {"type": "create_session", "session_id": "s", "languages": ["pt"], "growing": True},
            "session_created",
        )
        await ann.ask(START, "audio_started")
        targets = hub.speech.opened[0].output.growing_languages
        assert set(targets()) == {"pt"}, "what the speaker asks for grows only if someone wants it"
        join = {"type": "join_session", "session_id": "s"}
        await bob.ask({**join, "languages": ["de"]}, "session_joined")
        assert set(targets()) == {"pt"}
        joined = await bob.ask({**join, "languages": ["de", "fr"], "growing": True}, "session_joined")
        assert set(targets()) == {"pt", "de", "fr"}
        await bob.ask({**join, "languages": ["de"], "growing": False}, "session_joined")
        assert set(targets()) == {"pt"}
        await bob.ask({"type": "leave_session", "session_id": "s"}, "session_left")
        async with hub.connected() as eve:
            joined = await eve.ask({**join, "languages": ["fr"], "growing": True}, "session_joined")
            assert set(targets()) == {"pt", "fr"}
        await trio.sleep(1)
        assert set(targets()) == {"pt"}, "her connection is lost"
        known = {name: joined[name] for name in ("session_id", "recovery_token", "epoch", "offset")}
        async with hub.connected() as eve:
            await eve.ask({"type": "recover_session", **known}, "session_recovered")
            assert set(targets()) == {"pt"}, "the wish is not stored"
            await eve.ask({**join, "languages": ["fr"], "growing": True}, "session_joined")
            assert set(targets()) == {"pt", "fr"}
        await trio.sleep(1)
        async with hub.connected() as eve:
            back = await eve.ask({"type": "recover_session", "growing": True, **known}, "session_recovered")
            assert back["recovered"]
            assert set(targets()) == {"pt", "fr"}


async def test_presence_shows_who_speaks(tmp_path: Path) -> None:
    """From audio_start to audio_end, and not while the rest is being transcribed."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        await ann.ask({"type": "create_session", "session_id": "s"})
        await bob.ask({"type": "join_session", "session_id": "s"})
        await trio.sleep(5)
        await bob.settle()
        await ann.ask(START, "audio_started")
        assert [p["speaking"] for p in (await bob.until("presence"))["participants"]] == [True, False]
        assert hub.service.statistics().connections[-1].streaming
        assert hub.service.statistics().session_list[0].speaking == 1
        hub.room.back_ends.audio_delay = lambda _: 1000.0
        ann.say(SPOKEN)
        ann.say({"type": "audio_end"})
        assert [p["speaking"] for p in (await bob.until("presence"))["participants"]] == [False, False]
        (line,) = hub.service.statistics().session_list
        assert (line.streams, line.speaking) == (1, 0)


async def test_a_disconnected_speaker_is_not_counted_as_speaking(tmp_path: Path) -> None:
    """The last speech of a disconnected speaker is still transcribed, and counted as a stream."""
    async with running_hub(tmp_path) as hub:
        async with hub.connected() as ann:
            await ann.ask({"type": "create_session", "session_id": "s"})
            await ann.ask(START, "audio_started")
            hub.room.back_ends.audio_delay = lambda _: 1000.0
            ann.say(SPOKEN)
            (line,) = hub.service.statistics().session_list
            assert (line.participants, line.streams, line.speaking) == (1, 1, 1)
        await trio.sleep(1)
        (line,) = hub.service.statistics().session_list
        assert (line.participants, line.streams, line.speaking) == (0, 1, 0)


async def test_invalid_audio_is_an_error_and_the_stream_stays_open(tmp_path: Path) -> None:
    """Before audio_start, an odd number of bytes, an unsupported rate, a second start: each has its code."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        assert (await ann.ask(b"\x00\x01", "error"))["code"] == "audio_not_started"
        answer = await ann.ask({**START, "sample_rate": 1, "id": 1}, "error")
        assert (answer["code"], answer["id"]) == ("unsupported_sample_rate", 1)
        assert (await ann.ask(b"\x00\x01", "error"))["code"] == "audio_not_started"
        await ann.ask(START, "audio_started")
        assert (await ann.ask(START, "error"))["code"] == "audio_already_started"
        assert (await ann.ask(b"\x00", "error"))["code"] == "odd_byte_count"
        ann.say(SPOKEN)
        ann.say({"type": "audio_end"})
        caption = await ann.until("transcript")
        assert caption["text"] == heard(caption)
        await ann.until("audio_ended")
        assert (await ann.ask({"type": "audio_end"}, "error"))["code"] == "audio_not_started"
        assert (await ann.ask(b"\x00\x01", "error"))["code"] == "audio_not_started"


async def test_an_error_about_audio_names_the_stream_that_it_was_for(tmp_path: Path) -> None:
    """Also when that has ended meanwhile: a frame has no id of its own."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        assert "stream_id" not in await ann.ask(b"\x00\x01", "error")
        stream_id = (await ann.ask(START, "audio_started"))["stream_id"]
        refused = await ann.ask(b"\x00", "error")
        assert (refused["code"], refused["session_id"], refused["stream_id"]) == (
            "odd_byte_count",
            "s",
            stream_id,
        )
        elsewhere = {"type": "broadcast", "session_id": "other", "data": 1}
        assert "stream_id" not in await ann.ask(elsewhere, "error")
        ann.say({"type": "audio_end"})
        await ann.until("audio_ended")
        for late in (b"\x00\x01", {"type": "audio_end"}):
            refused = await ann.ask(late, "error")
            assert (refused["code"], refused["stream_id"]) == ("audio_not_started", stream_id)
        again = (await ann.ask(START, "audio_started"))["stream_id"]
        assert (await ann.ask(b"\x00", "error"))["stream_id"] == again != stream_id


async def test_speech_before_a_lost_connection_is_transcribed(tmp_path: Path) -> None:
    """A disconnect ends the stream, not the caption."""
    async with running_hub(tmp_path) as hub, hub.connected() as bob:
        await bob.ask({"type": "create_session", "session_id": "s"})
        async with hub.connected() as ann:
            await ann.ask({"type": "join_session", "session_id": "s"})
            await ann.ask(START, "audio_started")
            ann.say(SPOKEN)
        caption = await bob.until("transcript")
        assert caption["text"] == heard(caption)
        await bob.until("audio_ended")


async def test_leaving_a_session_ends_the_stream_in_it(tmp_path: Path) -> None:
    """The stream of a participant who leaves is ended; another session is unaffected."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        await ann.ask({"type": "create_session", "session_id": "t"}, "session_created")
        await ann.ask(START, "audio_started")
        await ann.ask({"type": "leave_session", "session_id": "t"}, "session_left")
        ann.say(b"\x00\x01")
        await ann.ask({"type": "leave_session", "session_id": "s"}, "session_left")
        assert (await ann.ask(b"\x00\x01", "error"))["code"] == "audio_not_started"
        with pytest.raises(ProblemError, match="This stream has ended"):
            hub.speech.opened[0].stream.feed(b"")


async def test_the_end_of_a_session_cancels_its_streams(tmp_path: Path) -> None:
    """Nothing more is transcribed for a session that has ended."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        await ann.ask(START, "audio_started")
        await hub.service.end_session("s")
        await ann.until("session_left")
        assert (await ann.ask(b"\x00\x01", "error"))["code"] == "audio_not_started"


async def test_a_failing_stream_is_reported_and_affects_no_other(tmp_path: Path) -> None:
    """A fault in one stream ends that stream: its speaker is sent an error, and may start again."""

    async def broken(message: object) -> int:
        raise RuntimeError("broken")

    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        await ann.ask({"type": "create_session", "session_id": "s"})
        await bob.ask({"type": "join_session", "session_id": "s"})
        await ann.ask(START, "audio_started")
        await bob.ask(START, "audio_started")
        hub.speech.opened[0].output.publish = broken  # type: ignore[method-assign]
        ann.say(SPOKEN)
        ann.say({"type": "audio_end", "id": 5})
        told = await ann.until("error")
        assert (told["code"], told["id"]) == ("speech_lost", 5)
        assert told["session_id"] == "s"
        assert told["stream_id"] == hub.speech.opened[0].origin.stream_id
        await ann.until("audio_ended")
        await ann.ask(START, "audio_started")
        bob.say(SPOKEN)
        bob.say({"type": "audio_end"})
        caption = await bob.until("transcript")
        assert caption["text"] == heard(caption)


async def test_a_restart_of_the_hub_ends_streams_with_an_error(tmp_path: Path) -> None:
    """The speakers whose streams are lost are sent an error."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        await ann.ask(START, "audio_started")
        await hub.restart_hub()
        assert (await ann.until("error"))["code"] == "speech_lost"
        assert (await ann.ask(b"\x00\x01", "error"))["code"] == "audio_not_started"
        await ann.ask(START, "audio_started")


async def test_streams_of_a_session_are_limited_including_those_being_transcribed(
    tmp_path: Path,
) -> None:
    """Starting and ending without end does not pile up work without end."""
    settings = {"orchestration": {"speech": {"max_streams_per_session": 8}}}
    async with running_hub(tmp_path, **settings) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        hub.room.back_ends.audio_delay = lambda _: 1000.0
        for _ in range(4):
            await ann.ask(START, "audio_started")
            ann.say(SPOKEN)
            ann.say({"type": "audio_end"})
        refused = await ann.ask(START, "error")
        assert refused["code"] == "too_many_streams"
        assert "4 audio streams are open from your address in s" in refused["detail"]


@pytest.mark.parametrize(("away", "arrives"), [(20.0, True), (PUBLISH_WITHIN + 20, False)])
async def test_a_caption_waits_for_an_unavailable_store(
    tmp_path: Path, *, away: float, arrives: bool
) -> None:
    """It is stored as soon as the store is back; only after too long a time the stream fails."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        await ann.ask(START, "audio_started")
        ann.say(SPOKEN)
        await hub.stop_store()
        ann.say({"type": "audio_end"})
        await trio.sleep(away)
        await hub.start_store()
        await trio.sleep(10)
        kinds = [message["type"] for message in await ann.settle()]
        assert ("transcript" in kinds) is arrives
        assert ("error" in kinds) is not arrives
        assert "audio_ended" in kinds


async def chunks_of(*chunks: bytes, fails_with: Exception | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await trio.lowlevel.checkpoint()
        yield chunk
    if fails_with is not None:
        raise fails_with


async def upload(hub: Any, chunks: AsyncIterator[bytes], session_id: str = "s") -> Any:
    return await hub.service.open_recording(
        session_id, name="file.wav", source_language="en", target_languages=("es",), chunks=chunks
    )


async def test_a_recording_is_transcribed_in_its_session(tmp_path: Path) -> None:
    """It is fed at the back ends' pace, and everyone there reads it, and that it has ended."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        opened = await upload(hub, chunks_of(SPOKEN[:8_000], SPOKEN[8_000:]))
        caption = await ann.until("transcript")
        assert (caption["text"], caption["speaker"]) == (heard(caption), "file.wav")
        assert caption["segment_id"].startswith(opened.stream_id)
        ended = await ann.until("audio_ended")
        assert (ended["stream_id"], ended["seconds"]) == (opened.stream_id, 1.3)


async def test_concurrent_recordings_are_limited(tmp_path: Path) -> None:
    """The next one is refused, and accepted when one is transcribed."""
    settings = {"orchestration": {"speech": {"concurrent_recordings": 1}}}
    async with running_hub(tmp_path, **settings) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        gate = trio.Event()

        async def slow() -> AsyncIterator[bytes]:
            await gate.wait()
            yield b"\x00\x01"

        await upload(hub, slow())
        with pytest.raises(ProblemError) as caught:
            await upload(hub, chunks_of())
        assert caught.value.code == "too_many_recordings"
        gate.set()
        await ann.until("audio_ended")
        await trio.testing.wait_all_tasks_blocked()
        await upload(hub, chunks_of())
        with pytest.raises(ProblemError) as caught:
            await upload(hub, chunks_of(), "nowhere")
        assert caught.value.code in ("unknown_session", "too_many_recordings")


@pytest.mark.parametrize(
    ("error", "code"),
    [(ProblemError("not_audio", "It breaks off."), "not_audio"), (ValueError("decoder"), "internal_error")],
)
async def test_a_damaged_recording_is_transcribed_up_to_the_damage(
    tmp_path: Path, error: Exception, code: str
) -> None:
    """The session is sent the reason; what was read before is transcribed."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        opened = await upload(hub, chunks_of(SPOKEN, fails_with=error))
        told = await ann.until("error")
        assert (told["code"], told["session_id"], told["stream_id"]) == (code, "s", opened.stream_id)
        caption = await ann.until("transcript")
        assert caption["text"] == heard(caption)
        await ann.until("audio_ended")


async def test_the_owner_of_a_session_cancels_a_recording_in_it(tmp_path: Path) -> None:
    """Another participant does with the recording's own key; everyone learns that it was cancelled."""

    async def forever() -> AsyncIterator[bytes]:
        yield b"\x00\x01" * 4
        await trio.sleep_forever()

    here = {"actor": Actor(is_operator=False, is_local=True, via="none", address="127.0.0.1")}
    async with running_hub(tmp_path) as hub, hub.connected(**here) as ann, hub.connected(**here) as bob:
        await ann.ask({"type": "create_session", "session_id": "s"})
        cancel = {"type": "cancel_recording", "session_id": "s", "id": 9}
        assert (await bob.ask({**cancel, "stream_id": "x"}, "error"))["code"] == "not_in_session"
        await bob.ask({"type": "join_session", "session_id": "s"})
        first, second = [await upload(hub, forever()) for _ in range(2)]
        assert [each.name for each in await hub.service.recordings_of("s")] == [
            "file.wav",
            "file.wav (2)",
        ]
        refused = await bob.ask({**cancel, "stream_id": first.stream_id}, "error")
        assert (refused["code"], refused["id"]) == ("not_your_recording", 9)
        done = await ann.ask({**cancel, "stream_id": first.stream_id}, "recording_cancelled")
        assert (done["id"], done["stream_id"]) == (9, first.stream_id)
        for socket in (ann, bob):
            ended = await socket.until("audio_ended")
            assert (ended["stream_id"], ended["cancelled"]) == (first.stream_id, True)
        shown = {**cancel, "stream_id": second.stream_id, "key": second.recording_key}
        await bob.ask(shown, "recording_cancelled")
        for socket in (ann, bob):
            assert (await socket.until("audio_ended"))["stream_id"] == second.stream_id
        assert await hub.service.recordings_of("s") == ()
        gone = await ann.ask({**cancel, "stream_id": first.stream_id}, "error")
        assert gone["code"] == "unknown_recording"


async def test_the_recording_of_an_ended_session_is_closed(tmp_path: Path) -> None:
    """Its file is closed and its place is free, even while it waits to be fed."""
    settings = {"orchestration": {"speech": {"concurrent_recordings": 1}}}
    async with running_hub(tmp_path, **settings) as hub:
        await hub.service.create_session("s")
        await hub.service.create_session("t")
        closed = trio.Event()

        async def endless() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"\x00\x01"
                    await trio.sleep(1)
            finally:
                closed.set()

        await upload(hub, endless())
        await trio.sleep(3.5)
        await hub.service.end_session("s")
        await closed.wait()
        await trio.testing.wait_all_tasks_blocked()
        await upload(hub, chunks_of(), "t")


@pytest.mark.limit(20_000)
@pytest.mark.slow
async def test_a_session_with_a_running_transcription_does_not_expire(tmp_path: Path) -> None:
    """A long recording keeps its session alive, without participants."""
    async with running_hub(tmp_path) as hub:
        await hub.service.create_session("s")

        async def long() -> AsyncIterator[bytes]:
            yield b"\x00\x01"
            await trio.sleep(5000)

        await upload(hub, long())
        await trio.sleep(4000)
        assert (await hub.service.get_session("s")).streams == 1
        await trio.sleep(4000)
        with pytest.raises(ProblemError):
            await hub.service.get_session("s")


async def test_the_last_words_before_a_shutdown_are_stored(tmp_path: Path) -> None:
    """Draining ends streams and recordings, waits for their transcription, and accepts no new ones."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        await ann.ask(START, "audio_started")

        async def endless() -> AsyncIterator[bytes]:
            yield SPOKEN
            await trio.sleep_forever()

        await upload(hub, endless())
        await trio.sleep(1.5)
        ann.say(SPOKEN)
        await ann.settle()
        await hub.service.drain()
        stored = [msgspec.json.decode(each) for each in (await hub.service.messages("s")).messages]
        assert len(of_type(stored, "transcript")) == 2
        with pytest.raises(ProblemError) as caught:
            await upload(hub, chunks_of())
        assert caught.value.code == "shutting_down"


async def test_a_stalled_back_end_does_not_delay_a_shutdown(tmp_path: Path) -> None:
    """Speech that cannot be transcribed in a few seconds is given up."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        await ann.ask(START, "audio_started")
        hub.room.back_ends.audio_delay = lambda _: 1000.0
        ann.say(SPOKEN)
        await ann.settle()
        before = trio.current_time()
        await hub.service.drain()
        assert trio.current_time() - before == pytest.approx(SPEECH_PATIENCE)
