"""Speech over lost connections: acknowledged, continued where it was cut, and what is lost is a gap."""

from pathlib import Path
from typing import Any

import pytest
import trio

from tests.fakes.asgi import FakeSocket
from tests.fakes.hub import Hub, running_hub
from tests.fakes.sounds import pcm, silence, voice
from tests.fakes.speech_back_ends import words_of

RATE = 16_000
START = {"type": "audio_start", "session_id": "s", "sample_rate": RATE, "age": 0.0}
SPOKEN = pcm(silence(0.5), voice(3), silence(1), voice(2), silence(1))


def part(begin: float, end: float) -> bytes:
    """Return part of the spoken sound, in seconds."""
    return SPOKEN[round(begin * RATE) * 2 : round(end * RATE) * 2]


async def speak(socket: FakeSocket, begin: float, end: float) -> None:
    """Speak as fast as one speaks, in blocks of 40 ms."""
    for number in range(round(begin * 25), round(end * 25)):
        await trio.sleep(0.04)
        socket.say(part(number / 25, (number + 1) / 25))


async def create(socket: FakeSocket, **more: Any) -> dict[str, Any]:
    return await socket.ask({"type": "create_session", "session_id": "s", **more}, "session_created")


async def recover(socket: FakeSocket, created: dict[str, Any], offset: int = 0) -> dict[str, Any]:
    return await socket.ask(
        {
            "type": "recover_session",
            "session_id": "s",
            "recovery_token": created["recovery_token"],
            "epoch": created["epoch"],
            "offset": offset,
        },
        "session_recovered",
    )


async def ended(socket: FakeSocket) -> list[dict[str, Any]]:
    """Return the messages up to the stream's end."""
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["type"] != "audio_ended":
        messages.append(await socket.hear())
    return messages


def finals(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in messages if each["type"] == "transcript" and each["final"]]


async def test_received_audio_is_acknowledged_each_second(tmp_path: Path) -> None:
    """The speaker alone gets a status at least each second while audio arrives; it only rises."""
    async with (
        running_hub(tmp_path) as hub,
        hub.connected() as ann,
        hub.connected() as bob,
    ):
        await create(ann)
        await bob.ask({"type": "join_session", "session_id": "s"}, "session_joined")
        await ann.ask(START, "audio_started")
        times: list[float] = []
        received: list[float] = []

        async def listen() -> None:
            while True:
                status = await ann.until("audio_status")
                times.append(trio.current_time())
                received.append(status["received_seconds"])
                assert 0 <= status["settled_seconds"] <= status["received_seconds"]

        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            began = trio.current_time()
            silent = bytes(1280)
            for _ in range(125):
                await trio.sleep(0.04)
                ann.say(silent)
            await trio.sleep(1.1)
            nursery.cancel_scope.cancel()
        gaps = [after - before for before, after in zip([began, *times], times, strict=False)]
        assert max(gaps) <= 1.1
        assert received == sorted(received)
        assert received[-1] == 5.0
        # Nothing was said: the others have nothing to show of it.
        assert not [each for each in await bob.settle() if each["type"] == "audio_status"]


@pytest.mark.parametrize("cut", [0.2, 1.52, 3.4, 4.0, 5.0])
async def test_a_stream_continues_in_the_middle_of_a_word(tmp_path: Path, cut: float) -> None:
    """The same stream continues over a new connection: each final has its exact extent and time."""
    async with running_hub(tmp_path) as hub:
        async with hub.connected() as ann:
            created = await create(ann)
            started = await ann.ask(START, "audio_started")
            began = started["timestamp"]
            await speak(ann, 0, cut)
            await trio.sleep(0.01)
        await trio.sleep(20)
        async with hub.connected() as ann:
            recovered = await recover(ann, created)
            # It does not know how much has arrived, and has all of it still.
            again = await ann.ask(
                {**START, "age": 20 + cut, "stream_id": started["stream_id"], "position": 0.0},
                "audio_started",
            )
            assert (again["stream_id"], again["continued"]) == (started["stream_id"], True)
            assert again["position"] == again["received_seconds"] == pytest.approx(cut)
            ann.say(part(again["position"], 7.5))
            ann.say({"type": "audio_end"})
            messages = [*recovered["messages"], *await ended(ann)]
        assert messages[-1]["seconds"] == len(SPOKEN) / 2 / RATE
        assert messages[-1]["lost_seconds"] == 0
        said = finals(messages)
        assert len(said) == 2
        for final in said:
            assert final["error"] is None
            assert final["text"] == words_of(part(final["start"], final["end"]))
            assert final["stream_started"] == pytest.approx(began, abs=2)


async def test_audio_over_the_former_connection_is_dropped(tmp_path: Path) -> None:
    """A connection that was frozen and thaws adds nothing twice."""
    async with running_hub(tmp_path) as hub, hub.connected() as frozen, hub.connected() as ann:
        created = await create(frozen)
        started = await frozen.ask(START, "audio_started")
        frozen.say(bytes(320))
        await frozen.settle()
        await recover(ann, created)
        again = await ann.ask({**START, "stream_id": started["stream_id"]}, "audio_started")
        assert again["received_seconds"] == 0.01
        assert (await frozen.ask(bytes(320), "error"))["code"] == "audio_not_started"
        frozen.hang_up()
        ann.say(bytes(640))
        await ann.settle()
        (opened,) = hub.speech.opened
        assert opened.stream.received_seconds == 0.03
        opened.stream.feed(b"")  # it has not ended


async def test_lost_speech_is_a_gap_in_its_place(tmp_path: Path) -> None:
    """Everyone sees it, exports have it, and what follows stands at its own time."""
    async with running_hub(tmp_path) as hub:
        async with hub.connected() as ann:
            created = await create(ann)
            started = await ann.ask(START, "audio_started")
            ann.say(part(0, 4))
            await ann.settle()
        await trio.sleep(40)
        async with hub.connected() as ann:
            recovered = await recover(ann, created)
            again = await ann.ask(
                {**START, "age": 10.0, "stream_id": started["stream_id"], "position": 34.0},
                "audio_started",
            )
            assert again["position"] == again["received_seconds"] == 34.0
            ann.say(part(4, 7.5))
            ann.say({"type": "audio_end"})
            messages = [*recovered["messages"], *await ended(ann)]
        first, gap, last = finals(messages)
        assert first["text"] == words_of(part(first["start"], first["end"]))
        assert (gap["start"], gap["end"]) == (4.0, 34.0)
        assert (gap["error"]["code"], gap["error"]["final"]) == ("speech_lost", True)
        assert last["start"] == pytest.approx(34.2, abs=0.15)
        assert messages[-1]["seconds"] == pytest.approx(37.5)
        assert messages[-1]["lost_seconds"] == 30.0


async def test_the_stream_of_a_speaker_who_does_not_return_is_transcribed_to_its_end(tmp_path: Path) -> None:
    """After ``speech.resume_seconds``; at once if it closed the connection or does not store speech."""
    settings = {"orchestration": {"speech": {"resume_seconds": 30}}}
    async with running_hub(tmp_path, **settings) as hub, hub.connected() as bob:
        await create(bob)
        for start, code, waits in (
            (START, 1006, True),
            (START, 1001, False),
            ({**START, "age": None}, 1006, False),
        ):
            async with hub.connected() as ann:
                await ann.ask({"type": "join_session", "session_id": "s"}, "session_joined")
                await ann.ask(start, "audio_started")
                ann._to_app.send_nowait({"type": "websocket.disconnect", "code": code})
                left_at = trio.current_time()
                await bob.until("audio_ended")
                assert trio.current_time() - left_at == pytest.approx(30 if waits else 0, abs=0.5)


async def test_the_end_of_a_stream_that_its_speaker_did_not_learn_of(tmp_path: Path) -> None:
    """A speaker who returns later continues in a new stream after the received part, nothing twice."""
    async with running_hub(tmp_path) as hub:
        async with hub.connected() as ann:
            created = await create(ann)
            started = await ann.ask(START, "audio_started")
            ann.say(bytes(32_000))
            await ann.settle()
        await trio.sleep(90)
        async with hub.connected() as ann:
            await recover(ann, created)
            again = await ann.ask(
                {**START, "age": 60.0, "stream_id": started["stream_id"], "position": 0.5},
                "audio_started",
            )
            assert again["stream_id"] != started["stream_id"]
            assert (again["position"], again["received_seconds"]) == (1.0, 0.0)
            assert hub.speech.opened[-1].age == pytest.approx(59.5)


async def test_a_stream_continues_for_its_own_speaker_alone(tmp_path: Path) -> None:
    """Its name is in every line; it is no key."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as eve:
        await create(ann)
        await eve.ask({"type": "join_session", "session_id": "s"}, "session_joined")
        started = await ann.ask(START, "audio_started")
        ann.say(bytes(32_000))
        await ann.settle()
        stolen = await eve.ask({**START, "stream_id": started["stream_id"]}, "audio_started")
        assert stolen["stream_id"] != started["stream_id"]
        assert (stolen["position"], stolen["continued"]) == (0.0, False)
        ann.say(bytes(3_200))
        await ann.settle()
        assert hub.speech.opened[0].stream.received_seconds == 1.1


@pytest.mark.parametrize(
    "lie",
    [
        {"age": -1.0},
        {"age": 1e9},
        {"age": 3000.0},
        {"position": -5.0},
        {"position": 1e12},
        {"lost_seconds": -1.0},
        {"lost_seconds": 3000.0},
        {"stream_id": "x" * 65},
        {"age": "soon"},
    ],
)
async def test_impossible_ages_and_positions_are_refused(tmp_path: Path, lie: dict[str, Any]) -> None:
    """Ages and positions that are negative or huge, and speech that is older than the session."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await create(ann)
        refused = await ann.ask({**START, **lie}, "error")
        assert refused["code"] == "invalid_message"
        assert refused["path"].startswith("$.")
        await ann.ask(START, "audio_started")


async def test_a_position_cannot_advance_faster_than_time(tmp_path: Path) -> None:
    """A position far ahead of the clock would fill the transcript with a gap that never was."""
    async with running_hub(tmp_path) as hub:
        async with hub.connected() as ann:
            created = await create(ann)
            started = await ann.ask(START, "audio_started")
        await trio.sleep(10)
        async with hub.connected() as ann:
            await recover(ann, created)
            lie = {**START, "stream_id": started["stream_id"], "position": 500.0}
            refused = await ann.ask(lie, "error")
            assert (refused["code"], refused["path"]) == ("invalid_message", "$.position")
            assert "cannot advance faster than time" in refused["detail"]
            honest = await ann.ask({**lie, "position": 9.5}, "audio_started")
            assert honest["received_seconds"] == 9.5
            gap = await ann.until("transcript")
            assert (gap["start"], gap["end"], gap["error"]["code"]) == (0.0, 9.5, "speech_lost")


async def test_streams_of_one_speaker_do_not_overlap(tmp_path: Path) -> None:
    """Speech with a claimed age before earlier speech follows that."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await create(ann)
        await trio.sleep(100)
        await ann.ask(START, "audio_started")
        await speak(ann, 0, 2)
        ann.say({"type": "audio_end"})
        await ann.until("audio_ended")
        await trio.sleep(3)
        await ann.ask({**START, "age": 60.0}, "audio_started")
        assert hub.speech.opened[-1].age == pytest.approx(3, abs=0.1)


async def test_a_word_cut_by_a_shutdown_is_not_acknowledged(tmp_path: Path) -> None:
    """Before it stops, a worker publishes whole utterances and acknowledges no more than that."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await create(ann)
        await ann.ask(START, "audio_started")
        ann.say(pcm(silence(1.25), voice(0.75)))
        await ann.settle()
        await hub.service.drain()
        status = await ann.until("audio_status")
        assert status["received_seconds"] == pytest.approx(0.95, abs=0.05), "before the word and its onset"


async def test_stored_speech_is_accepted_at_once_and_a_flood_is_slowed(tmp_path: Path) -> None:
    """A minute at once; a flood is slowed down, loses nothing, and starves no other client."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        await create(ann)
        await ann.ask(START, "audio_started")
        began = trio.current_time()
        for _ in range(6):
            ann.say(bytes(10 * RATE * 2))
        await ann.ask({"type": "ping"}, "pong")
        assert trio.current_time() == began
        for _ in range(20):
            ann.say(bytes(10 * RATE * 2))
        await bob.ask({"type": "ping"}, "pong")
        assert trio.current_time() == began
        await ann.ask({"type": "ping"}, "pong")
        assert trio.current_time() - began == pytest.approx((260 - 90) / 8, abs=1)
        assert hub.speech.opened[0].stream.seconds == 260


async def test_a_new_name_applies_to_captions_before_and_after(tmp_path: Path) -> None:
    """The next line carries it, and a stored message gives it to the lines before."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        created = await create(ann)
        await bob.ask({"type": "join_session", "session_id": "s"}, "session_joined")
        await ann.ask(START, "audio_started")
        await ann.ask({"type": "join_session", "session_id": "s", "name": "Ann"}, "session_joined")
        renamed = await bob.until("participant_renamed")
        assert (renamed["participant_id"], renamed["name"]) == (created["participant_id"], "Ann")
        assert renamed["offset"] == 1
        ann.say(part(0, 2))
        ann.say({"type": "audio_end"})
        assert (await bob.until("transcript"))["speaker"] == "Ann"
        # The same name again is no news.
        await ann.ask({"type": "join_session", "session_id": "s", "name": "Ann"}, "session_joined")
        assert not [m for m in await bob.settle() if m["type"] == "participant_renamed"]


def holding(hub: Hub) -> int:
    return hub.service.statistics().session_list[0].streams


async def test_idle_streams_are_ended_when_places_run_out(tmp_path: Path) -> None:
    """Streams without audio are ended once all places are occupied; one address never has all of them."""
    settings = {"orchestration": {"speech": {"max_streams_per_session": 8, "max_streams_per_address": 8}}}
    async with running_hub(tmp_path, **settings) as hub, hub.connected() as ann:
        await create(ann)
        crowd = []
        for _ in range(4):
            socket = hub.socket()
            await socket.until("connected")
            await socket.ask({"type": "join_session", "session_id": "s"}, "session_joined")
            await socket.ask(START, "audio_started")
            socket.say(b"\1\0" * 320)
            crowd.append(socket)
        await ann.settle()
        refused = await ann.ask(START, "error")
        assert refused["code"] == "too_many_streams"
        assert "4 audio streams are open from your address in s" in refused["detail"]
        far = hub.socket()
        far.scope["client"] = ("192.0.2.7", 50000)
        await far.until("connected")
        await far.ask({"type": "join_session", "session_id": "s"}, "session_joined")
        await far.ask(START, "audio_started")
        words = pcm(voice(0.8), silence(0.2))
        for _ in range(11):
            await trio.sleep(1)
            for number, socket in enumerate(crowd):
                socket.say(words if number != 2 else bytes(640))
        # Three speak; one sends silence, as who wants to hold a place would.
        await ann.ask(START, "audio_started")
        await ann.settle()
        assert holding(hub) == 5
        await crowd[2].until("audio_ended")
        # A stream that is sent nothing at all is worth less than one in which someone was silent.
        await trio.sleep(2)
        late = hub.socket()
        await late.until("connected")
        await late.ask({"type": "join_session", "session_id": "s"}, "session_joined")
        await late.ask(START, "audio_started")
        await ann.until("audio_ended")
        late.hang_up()
        for socket in (*crowd, far):
            socket.hang_up()


async def test_frequent_renames_do_not_fill_the_history(tmp_path: Path) -> None:
    """One name a second is stored, the last one in any case."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        await create(ann)
        await bob.ask({"type": "join_session", "session_id": "s"}, "session_joined")
        for number in range(200):
            ann.say({"type": "join_session", "session_id": "s", "name": f"Ann {number}"})
        await trio.sleep(5)
        names = [each["name"] for each in await bob.settle() if each["type"] == "participant_renamed"]
        assert len(names) <= 2
        assert names[-1] == "Ann 199"


async def test_a_stream_unknown_to_all_workers_continues_where_its_speaker_says(tmp_path: Path) -> None:
    """A worker that died has published what was settled; for the rest the speaker's claim counts."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await create(ann)
        await trio.sleep(60)
        gone = {**START, "stream_id": "0badcafe", "position": 100.0, "age": 12.0, "lost_seconds": 30.0}
        started = await ann.ask(gone, "audio_started")
        assert (started["continued"], started["position"]) == (False, 100.0)
        assert started["received_seconds"] == 30.0
        assert hub.speech.opened[0].age == pytest.approx(42.0)
        gap = await ann.until("transcript")
        assert (gap["start"], gap["end"], gap["error"]["code"]) == (0.0, 30.0, "speech_lost")


async def test_costly_requests_count_as_many_messages(tmp_path: Path) -> None:
    """A client that subscribes or starts streams without a pause is limited long before others notice."""
    settings = {"orchestration": {"websocket": {"max_messages_per_second": 100}}}
    async with running_hub(tmp_path, **settings) as hub, hub.connected() as ann:
        hub.topics.register("t", dict)
        for _ in range(30):
            ann.say({"type": "subscribe", "topic": "t"})
        told = [each["code"] for each in await ann.settle() if each["type"] == "error"]
        assert told
        assert set(told) == {"rate_limited"}
