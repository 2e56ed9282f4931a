from pathlib import Path

import httpx2
import pytest
import trio

from orch.gateway.service import GatewayService
from orch.health.verdict import State
from orch.problems import ProblemError
from tests.fakes.client import connected
from tests.fakes.gateway import FakeMetrics
from tests.fakes.health import Bench, Network, healthy
from tests.fakes.whole import whole


async def no_address(request: httpx2.Request) -> httpx2.Response:
    """Fail as a host name does that no longer resolves."""
    import socket

    failed = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    raise httpx2.ConnectError(str(failed), request=request) from failed


async def test_service_discovery_failures() -> None:
    """Seed: tests/edge_cases/test_connection_failures.py::test_service_discovery_failures.

    When where a service is cannot be found out any more, what was known still routes: the health branch calls
    the service unhealthy and then fails itself, and requests still find the audio-service as their route.
    """
    network = Network(one=healthy)
    bench = Bench(network=network, services={"audio-service": {"url": "http://one:5001"}})
    gateway = GatewayService(
        settings=bench.settings,
        health=bench.health,
        events=bench.events,
        topics=bench.topics,
        metrics=FakeMetrics(),
    )
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)
        network.hosts["one"] = no_address
        await bench.health.wait_for("audio-service", State.UNHEALTHY)
        assert bench.service().reason == "its host name has no address"
        route = gateway.determine_route("/api/audio/health")
        assert route is not None
        assert route.service == "audio-service"
    route = gateway.determine_route("/api/audio/health")
    assert route is not None
    assert route.service == "audio-service"
    with pytest.raises(ProblemError) as problem:
        await gateway.fetch("audio-service", "GET", "/api/health")
    assert problem.value.extra["service"] == "audio-service"
    await trio.lowlevel.checkpoint()


@pytest.mark.real_time
async def test_websocket_connection_recovery(tmp_path: Path) -> None:
    """Seed: tests/edge_cases/test_connection_failures.py::test_websocket_connection_recovery.

    After a dropped connection the session is recovered over a new one, by whoever has its token, with what
    was said meanwhile. Without the token, as the seed sends it, the answer is an honest no.
    """
    async with whole(tmp_path) as service:
        async with connected(service.url) as client:
            created = await client.ask(
                "session_created",
                type="create_session",
                session_id="test-session-123",
                config={"audio": True},
            )
        async with connected(service.url) as other:
            await other.ask("session_joined", type="join_session", session_id="test-session-123")
            await other.ask(
                "session_message", type="broadcast", session_id="test-session-123", data="meanwhile"
            )
            async with connected(service.url) as client:
                bare = await client.ask(
                    "session_recovered", type="recover_session", session_id="test-session-123"
                )
                assert bare["session_id"] == "test-session-123"
                assert bare["recovered"] is False
                assert bare["reason"] == "token_required"
                recovered = await client.ask(
                    "session_recovered",
                    type="recover_session",
                    session_id="test-session-123",
                    recovery_token=created["recovery_token"],
                    epoch=created["epoch"],
                    offset=created["offset"],
                )
                assert recovered["session_id"] == "test-session-123"
                assert recovered["recovered"] is True
                assert [message["data"] for message in recovered["messages"]] == ["meanwhile"]
