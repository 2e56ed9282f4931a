import os
import signal
from pathlib import Path

import httpx2
import pytest
import trio

from orch.health.recovery import RecoveryPolicy
from orch.health.verdict import State
from tests.fakes.client import connected
from tests.fakes.health import backend
from tests.fakes.ports import free_port
from tests.fakes.service import service
from tests.fakes.whole import whole

pytestmark = pytest.mark.real_time


async def test_full_orchestration_flow(tmp_path: Path) -> None:
    """Seed: tests/integration/test_service_orchestration.py::test_full_orchestration_flow.

    The page is served, the hub answers a ping, and the gateway reaches the audio-service: one process, as it
    is started by hand, in front of a back end that is another.
    """
    port = free_port()

    with service(
        "serve",
        tmp_path,
        environ={"AUDIO_SERVICE_URL": f"http://127.0.0.1:{port}", "HEALTH_CHECK_INTERVAL": "0.2"},
    ) as running:
        url = running.url
        argv = backend(port).argv
        audio = await trio.lowlevel.open_process(list(argv), stdin=-1, stdout=-1)
        assert audio.stdin is not None
        assert audio.stdout is not None
        try:
            assert await audio.stdout.receive_some() == b"ready\n"
            async with httpx2.AsyncClient(base_url=url, timeout=120) as http:
                assert (await http.get("/")).status_code == 200
                async with connected(url) as client:
                    await client.ask("pong", type="ping")
                    await client.ask("subscribed", type="subscribe", topic="services")
                    await client.until(
                        lambda m: (
                            m["type"] == "update"
                            and any(
                                one["name"] == "audio-service" and one["state"] == "healthy"
                                for one in m["data"]["services"]
                            )
                        )
                    )
                answer = await http.post("/api/audio/health")
                assert answer.status_code == 200
                assert answer.headers["x-gateway-service"] == "audio-service"
        finally:
            audio.kill()
            await audio.wait()
            await audio.stdin.aclose()
            await audio.stdout.aclose()


async def test_service_failure_recovery(tmp_path: Path) -> None:
    """Seed: tests/integration/test_service_orchestration.py::test_service_failure_recovery.

    Two seconds after the audio-service has failed it is recovering or healthy, by the service's own doing.
    """
    port = free_port()

    overlay = {"services.audio-service.url": f"http://127.0.0.1:{port}"}
    async with whole(tmp_path, processes={"audio-service": backend(port)}, **overlay) as running:
        health = running.parts.health
        await health.wait_for("audio-service", State.HEALTHY)
        (audio,) = (one for one in health.statistics().services if one.name == "audio-service")
        os.kill(audio.instances[0].pid or 0, signal.SIGKILL)
        await health.wait_for("audio-service", State.UNHEALTHY)
        # The service's own doing comes a second later: what else a busy machine does is not measured.
        assert RecoveryPolicy().delay(0) < 2
        await health.wait_for("audio-service", State.RECOVERING)
        await health.wait_for("audio-service", State.HEALTHY)
