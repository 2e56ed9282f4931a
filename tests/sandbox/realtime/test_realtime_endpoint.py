"""``/v1/realtime`` with a scripted engine: who is served, who is refused, and how a connection ends."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from orch.sandbox.audio_service import AudioService, realtime
from orch.sandbox.engines.speech import EngineFailed
from orch.sandbox.engines.speech_engines import EngineOptions, LoadedEngine
from orch.sandbox.realtime.endpoint import PATH, RealtimeEndpoint
from orch.sandbox.realtime.session import DEFAULT_LIMITS, RealtimeLimits
from tests.fakes.asgi import FakeSocket
from tests.fakes.engines import ScriptedSpeechEngine
from tests.fakes.realtime import COMMIT, FINAL, UPDATE, append

SECOND = append(b"\1\2" * 16_000)


@asynccontextmanager
async def served(
    limits: RealtimeLimits = DEFAULT_LIMITS, *, has_engine: bool = True
) -> AsyncIterator[tuple[RealtimeEndpoint, ScriptedSpeechEngine, trio.Nursery]]:
    """Run the service with a scripted engine."""
    engine = ScriptedSpeechEngine()

    async def load(_wanted: EngineOptions) -> LoadedEngine:
        await trio.lowlevel.checkpoint()
        return LoadedEngine(engine) if has_engine else LoadedEngine(None, "No engine is installed.")

    service = AudioService(EngineOptions(), load=load)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.run)
        yield realtime(service, limits), engine, nursery
        nursery.cancel_scope.cancel()


def client(path: str = PATH) -> FakeSocket:
    socket = FakeSocket()
    socket.scope["path"] = path
    return socket


async def opened(endpoint: RealtimeEndpoint, nursery: trio.Nursery) -> FakeSocket:
    """Return a client that has received ``session.created``."""
    socket = client()
    nursery.start_soon(socket.serve, endpoint)
    created = await socket.hear()
    assert created["type"] == "session.created"
    assert created["id"].startswith("sess-")
    return socket


async def started(endpoint: RealtimeEndpoint, nursery: trio.Nursery) -> FakeSocket:
    """Return a client whose utterance has started."""
    socket = await opened(endpoint, nursery)
    socket.say(UPDATE)
    socket.say(COMMIT)
    return socket


async def asked(socket: FakeSocket, event: Any) -> str:
    """Return the code of the error that an event gets."""
    answer = await socket.ask(event)
    assert answer["type"] == "error", answer
    return str(answer["code"])


async def test_text_comes_while_one_speaks_and_a_connection_serves_one_utterance_after_another() -> None:
    async with served() as (endpoint, engine, nursery):
        socket = await started(endpoint, nursery)
        for _ in range(2):
            socket.say(SECOND)
            socket.say(SECOND)
            assert await socket.hear() == {"type": "transcription.delta", "delta": "hello there"}
            socket.say(SECOND)
            socket.say(FINAL)
            done = await socket.hear()
            assert done == {"type": "transcription.done", "text": "hello there", "usage": None}
            assert engine.interim[-4:] == [True, True, True, False]
            socket.say(COMMIT)
        socket.hang_up()
        await socket.has_ended.wait()
        assert endpoint.sockets == 0


async def test_sound_may_come_before_the_commit_and_an_utterance_may_have_none() -> None:
    async with served() as (endpoint, engine, nursery):
        socket = await opened(endpoint, nursery)
        for event in (SECOND, UPDATE, FINAL, COMMIT):
            socket.say(event)
        assert (await socket.until("transcription.done"))["text"] == "hello there"
        assert sum(size for size, _, _ in engine.asked[-1:]) == 32_000
        socket.say(COMMIT)
        socket.say(FINAL)
        assert (await socket.hear())["text"] == ""
        # It ends before the client's next sound, which is the next utterance's.
        socket.say(SECOND)
        socket.say(COMMIT)
        socket.say(COMMIT)  # a second one starts nothing
        socket.say(FINAL)
        assert (await socket.until("transcription.done"))["text"] == "hello there"
        assert await socket.settle() == []


async def test_refused_events_leave_the_connection_open() -> None:
    async with served(RealtimeLimits(stored=1)) as (endpoint, engine, nursery):
        socket = await opened(endpoint, nursery)
        assert await asked(socket, "{") == "invalid_json"
        assert await asked(socket, {"type": "input_audio_buffer.clear"}) == "unknown_event"
        assert await asked(socket, COMMIT) == "model_not_validated"
        assert await asked(socket, {**UPDATE, "model": "whisper-17"}) == "model_not_found"
        assert await asked(socket, {**UPDATE, "language": "tlh"}) == "processing_error"
        assert await asked(socket, append(b"odd")) == "invalid_audio"
        socket.say(SECOND)
        assert await asked(socket, SECOND) == "invalid_audio"
        assert engine.asked == []
        for event in ({**UPDATE, "model": "scripted/of-tests", "language": "de-AT"}, COMMIT, FINAL):
            socket.say(event)
        assert (await socket.until("transcription.done"))["text"] == "hello there"
        assert {language for _, language, _ in engine.asked} == {"de"}


async def test_an_engine_that_fails_is_an_error_and_the_next_utterance_works() -> None:
    async with served() as (endpoint, engine, nursery):
        socket = await started(endpoint, nursery)
        engine.failure = EngineFailed("out of memory")
        socket.say(SECOND)
        failed = await socket.hear()
        assert failed == {
            "type": "error",
            "error": "The engine failed. The log has the reason.",
            "code": "processing_error",
        }
        engine.failure = None
        for event in (COMMIT, SECOND, FINAL):
            socket.say(event)
        assert (await socket.until("transcription.done"))["text"] == "hello there"


async def test_too_many_clients_are_refused_before_the_handshake() -> None:
    async with served(RealtimeLimits(sockets=2)) as (endpoint, _, nursery):
        first = await opened(endpoint, nursery)
        await opened(endpoint, nursery)
        third = client()
        await third.serve(endpoint)
        assert (third.status, third.is_accepted) == (503, False)
        assert json.loads(third.body)["code"] == "too_many_connections"
        first.hang_up()
        await first.has_ended.wait()
        await opened(endpoint, nursery)


async def test_without_an_engine_nobody_is_accepted() -> None:
    async with served(has_engine=False) as (endpoint, _, _nursery):
        socket = client()
        await socket.serve(endpoint)
        assert (socket.status, json.loads(socket.body)["code"]) == (503, "engine_missing")
        assert endpoint.sockets == 0


async def test_a_silent_client_is_closed_and_one_that_waits_for_its_text_is_not() -> None:
    async with served(RealtimeLimits(silence=20)) as (endpoint, engine, nursery):
        waiting = await started(endpoint, nursery)
        engine.is_stuck = True
        waiting.say(SECOND)
        waiting.say(FINAL)
        silent = await opened(endpoint, nursery)
        began = trio.current_time()
        await silent.has_ended.wait()
        assert (silent.close_code, trio.current_time() - began) == (1008, 20)
        await trio.sleep(10)
        engine.unstick.set()
        assert (await waiting.until("transcription.done"))["text"] == "hello there"
        # Its own silence begins only now.
        began = trio.current_time()
        await waiting.has_ended.wait()
        assert waiting.close_code == 1008
        assert 0 < trio.current_time() - began <= 20


async def test_a_client_far_ahead_of_the_engine_is_not_read() -> None:
    """All of its sound is transcribed nevertheless, also without any reserve."""
    async with served(RealtimeLimits(ahead=0)) as (endpoint, engine, nursery):
        socket = await started(endpoint, nursery)
        engine.is_stuck = True
        for _ in range(40):
            socket.say(SECOND)
        socket.say(FINAL)
        await wait_all_tasks_blocked()
        unread = socket._to_app.statistics().current_buffer_used
        assert unread == 40 + len([FINAL]) - 16
        engine.unstick.set()
        engine.is_stuck = False
        assert (await socket.until("transcription.done"))["text"].startswith("hello there")
        assert max(size for size, _, _ in engine.asked) <= 15 * 32_000


async def test_a_client_that_leaves_stops_the_engine() -> None:
    async with served() as (endpoint, engine, nursery):
        socket = await started(endpoint, nursery)
        engine.is_stuck = True
        socket.say(SECOND)
        await wait_all_tasks_blocked()
        socket.hang_up()
        await socket.has_ended.wait()
        assert (engine.cancelled, endpoint.sockets) == (1, 0)


async def test_binary_frames_close_the_connection() -> None:
    async with served() as (endpoint, _, nursery):
        socket = await opened(endpoint, nursery)
        socket.say(b"\1\2")
        await socket.has_ended.wait()
        assert socket.close_code == 1003


async def test_a_stop_closes_all_and_accepts_nobody() -> None:
    async with served() as (endpoint, engine, nursery):
        socket = await started(endpoint, nursery)
        engine.is_stuck = True
        socket.say(SECOND)
        await wait_all_tasks_blocked()
        await endpoint.drain()
        await socket.has_ended.wait()
        assert socket.close_code == 1001
        late = client()
        await late.serve(endpoint)
        assert (late.status, json.loads(late.body)["code"]) == (503, "shutting_down")


async def test_there_is_one_path_for_websockets_and_none_for_requests() -> None:
    async with served() as (endpoint, _, _nursery):
        socket = client("/v1/realtime/other")
        await socket.serve(endpoint)
        assert (socket.status, json.loads(socket.body)["code"]) == (404, "not_found")
