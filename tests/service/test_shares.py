"""What clients send through the gateway, and captions beside it, in the whole service."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from tests.fakes.client import clip, connected
from tests.fakes.engine_server import Nuisance, engine_server
from tests.fakes.whole import whole

SECOND = b"\0\0" * 16_000


@pytest.mark.real_time
async def test_stuck_and_failing_uploads_do_not_reach_captions(tmp_path: Path) -> None:
    """64 uploads that never end, ten that the engine fails on: captions come without a gap at the first try.

    Nothing here depends on how fast the machine is: a caption that shared their connections would wait for
    the uploads' 30 s, or be a gap.
    """
    async with engine_server() as engine, trio.open_nursery() as nursery:
        overlay: dict[str, Any] = {
            "services.audio-service.url": engine.url,
            "services.translation-service.url": engine.url,
        }
        async with whole(tmp_path, **overlay) as service:
            nuisance = Nuisance(service.url, nursery)
            await nuisance.start(stuck=64, refused=10)
            assert engine.failed == 10, "not one was kept from the engine by a breaker"
            async with connected(service.url) as client:
                await client.ask("session_created", type="create_session", session_id="s")
                await client.ask(
                    "audio_started",
                    type="audio_start",
                    session_id="s",
                    sample_rate=16_000,
                    source_language="en",
                    target_languages=["es"],
                )
                await client.speak(clip("austen-0870") + SECOND)
                await client.ask("audio_ended", type="audio_end")
                assert client.finals()
                assert not [m for m in client.messages if m.get("error") or m["type"] == "error"]
            async with httpx2.AsyncClient(base_url=service.url, timeout=120) as http:
                status = (await http.get("/api/gateway/status")).json()
            [audio] = [each for each in status["instances"] if each["service"] == "audio-service"]
            lanes = {lane["flow"]: lane for lane in audio["lanes"]}
            assert lanes["captions"]["breaker"] == lanes["requests"]["breaker"] == "closed"
            assert lanes["captions"]["errors"] == 0
            assert lanes["requests"]["busy"] == 0, "an upload holds no connection while it comes"
            assert status["places"] == 64
            nursery.cancel_scope.cancel()
