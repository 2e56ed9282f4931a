"""WebSockets that reach a sandbox back end where it serves none."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import trio
from websockets.exceptions import InvalidStatus

from orch.front.server import Server
from orch.sandbox.audio_service import AudioService, realtime
from orch.sandbox.engines.speech_engines import EngineOptions, LoadedEngine
from orch.sandbox.translation_service import TranslationService, create
from tests.fakes.websocket_client import connect

pytestmark = pytest.mark.real_time


async def no_engine(_wanted: EngineOptions) -> LoadedEngine:
    """Load nothing."""
    await trio.lowlevel.checkpoint()
    return LoadedEngine(None, "No engine is installed.")


@pytest.mark.parametrize(
    "create_one",
    [lambda: create(TranslationService([])), lambda: realtime(AudioService(EngineOptions(), load=no_engine))],
    ids=["translation-service", "audio-service"],
)
async def test_a_websocket_where_none_is_served_gets_404(
    create_one: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """At any path, with a problem document; nothing failed, so nothing is logged."""
    stopping = trio.Event()
    front = Server(
        create_one(),
        host="127.0.0.1",
        port=0,
        stopping=stopping,
        drain=trio.lowlevel.checkpoint,
        grace=lambda: 1.0,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(front.run)
        for path in ("/", "/api/health", "/api/translate", "/transcribe", "/v1/realtime/x", "/ws"):
            with pytest.raises(InvalidStatus) as caught:
                async with connect(front.bound[0].replace("http", "ws", 1) + path):
                    pass
            response = caught.value.response
            assert response.status_code == 404, path
            assert response.headers["Content-Type"] == "application/problem+json"
            assert json.loads(response.body or b"")["code"] == "not_found"
        nursery.cancel_scope.cancel()
    assert "failed" not in capsys.readouterr().out
