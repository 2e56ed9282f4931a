"""``/v1/realtime`` with real speech, the real engine and server, and a WebSocket client that is not ours."""

import json
import signal

import pytest
import trio
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.fakes.patience import PATIENCE
from tests.fakes.realtime import COMMIT, UPDATE, append, transcribed
from tests.fakes.sandbox import beginning, running
from tests.fakes.websocket_client import connect

pytestmark = [pytest.mark.sandbox, pytest.mark.real_time]

AUDIO = "orch.sandbox.audio_service"


@pytest.mark.slow
async def test_speech_comes_back_as_text_while_it_is_sent() -> None:
    """As a growing text that the last event repeats; the service then stops in order, with a code."""
    async with running(AUDIO, "--engine", "pocketsphinx") as service:
        await service.health(until="healthy")
        url = service.url.replace("http", "ws", 1) + "/v1/realtime"
        async with connect(url) as socket:
            received = await transcribed(socket, beginning("austen-0870", 3), model="en-us")
            deltas = [event["delta"] for event in received if event["type"] == "transcription.delta"]
            done = received[-1]
            assert done["type"] == "transcription.done"
            assert "".join(deltas) == done["text"]
            assert len(deltas) > 1
            assert "mr john" in done["text"]
            assert (await service.health(until="healthy"))["sockets"] == 1
            for event in (UPDATE, COMMIT, append(bytes(320_000))):
                await socket.send(json.dumps(event))
            service.process.send_signal(signal.SIGTERM)
            async for _ in socket:  # it ends with code 1000 or 1001, and raises with others
                continue
            assert socket.close_code == 1001
        with trio.fail_after(PATIENCE):
            assert await service.process.wait() == 0


async def test_bad_clients_of_a_real_server() -> None:
    """Of any number, message and pace: each gets its answer, and the next one is served."""
    async with running(AUDIO, "--engine", "pocketsphinx") as service:
        await service.health(until="healthy")
        url = service.url.replace("http", "ws", 1) + "/v1/realtime"
        async with trio.open_nursery() as nursery:
            release = trio.Event()

            async def hold(*, task_status: trio.TaskStatus[None]) -> None:
                async with connect(url) as socket:
                    await socket.recv()
                    task_status.started()
                    await release.wait()

            for _ in range(16):
                await nursery.start(hold)
            with pytest.raises(InvalidStatus) as refused:
                async with connect(url):
                    pass
            assert refused.value.response.status_code == 503
            assert json.loads(refused.value.response.body or b"")["code"] == "too_many_connections"
            release.set()
        while (await service.health(until="healthy"))["sockets"]:
            await trio.lowlevel.checkpoint()
        async with connect(url) as socket:
            await socket.recv()
            await socket.send("x" * (2**20 + 1))
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            assert socket.close_code == 1009
        with pytest.raises(InvalidStatus) as refused:
            async with connect(url + "s"):
                pass
        assert refused.value.response.status_code == 404
        assert (await service.client.get("/v1/realtime")).status_code == 404
