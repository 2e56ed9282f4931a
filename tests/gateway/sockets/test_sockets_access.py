"""Who may open a WebSocket to a back end: the whole service, on real sockets."""

import json
from collections.abc import Mapping
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.trio.server import ServerConnection
from websockets.typing import Origin

from tests.fakes.hosted_sockets import back_end
from tests.fakes.patience import PATIENCE
from tests.fakes.websocket_client import connect
from tests.fakes.whole import Whole, whole

pytestmark = pytest.mark.real_time

TOKEN = "t" * 30
STRANGER = {"X-Forwarded-For": "203.0.113.9"}
BEARER = {**STRANGER, "Authorization": f"Bearer {TOKEN}"}


def settings(at: str, *public: str, token: str = "") -> str:
    """Return a settings file with a back end, and what is open to everyone."""
    return json.dumps(
        {
            "services": {"audio-service": {"url": f"http://{at}", "concurrency": "unlimited"}},
            "orchestration": {
                "control_token": token,
                "gateway": {
                    "public": True,
                    "public_routes": [{"path": "/api/audio/open", "methods": public or ["GET"]}],
                },
            },
        }
    )


async def echo_with_head(socket: ServerConnection) -> None:
    """Send the request's own head first."""
    assert socket.request is not None
    headers = {name.lower(): value for name, value in socket.request.headers.raw_items()}
    await socket.send(json.dumps({"path": socket.request.path, **headers}))
    async for message in socket:
        await socket.send(message)


def address(service: Whole, path: str) -> str:
    return service.url.replace("http", "ws", 1) + path


async def refused(service: Whole, path: str, headers: Mapping[str, str] = STRANGER) -> tuple[int, str]:
    """Return the status and the code with which a handshake is refused."""
    with pytest.raises(InvalidStatus) as caught:
        async with connect(address(service, path), additional_headers=headers):
            pass
    response = caught.value.response
    return response.status_code, json.loads(response.body or b"{}")["code"]


async def test_pages_of_other_sites_reach_no_back_end(tmp_path: Path) -> None:
    """Not through a visitor's browser, and where a path is open to everyone neither; the own pages do."""
    async with (
        back_end(echo_with_head) as back,
        whole(tmp_path, settings=settings(back, "WEBSOCKET")) as service,
        httpx2.AsyncClient(base_url=service.url, timeout=PATIENCE) as client,
    ):
        foreign = {"Origin": "https://evil.example"}
        for path, headers in (
            ("/api/audio/stream", foreign),
            ("/api/audio/open", foreign),
            ("/api/audio/open", {**foreign, **STRANGER}),
        ):
            assert (await refused(service, path, headers))[0] == 403
        async with connect(address(service, "/api/audio/stream?x=1"), origin=Origin(service.url)) as socket:
            head = json.loads(await socket.recv())
            assert head["path"] == "/api/stream?x=1"
            assert head["via"].startswith("1.1 orch-")
            await socket.send("hello")
            assert await socket.recv() == "hello"
            status = (await client.get("/api/gateway/status")).json()
            assert status["sockets"]["open"] == 1
            metrics = (await client.get("/metrics")).text
            assert "orch_gateway_websockets 1" in metrics
            explain = {"path": "/api/audio/stream", "method": "websocket"}
            found = (await client.get("/api/gateway/explain", params=explain)).json()
            assert found["route"]["target"] == "/api/stream"
            assert (found["websockets"]["open"], found["websockets"]["heartbeat_interval"]) == (1, 25)
            assert found["problem"] == ""


async def test_a_handshake_needs_what_a_request_needs(tmp_path: Path) -> None:
    """An operator's token, which no back end gets; or a path that is open to WebSockets, not to GET alone.

    Where no WebSocket is served at all, everyone gets 404.
    """
    async with (
        back_end(echo_with_head) as back,
        whole(tmp_path, settings=settings(back, token=TOKEN)) as service,
    ):
        assert await refused(service, "/api/audio/stream") == (401, "token_required")
        assert await refused(service, "/api/audio/open") == (401, "token_required")
        for path in ("/", "/tree", "/api/config", "/api/sessions", "/ws/x", "/nowhere"):
            assert await refused(service, path) == (404, "not_found")
        async with connect(address(service, "/api/audio/stream"), additional_headers=BEARER) as socket:
            assert "authorization" not in json.loads(await socket.recv())


async def test_a_path_that_is_open_to_websockets_is_open_to_everyone(tmp_path: Path) -> None:
    """And when the service stops, they are closed in order."""
    async with (
        back_end(echo_with_head) as back,
        whole(tmp_path, settings=settings(back, "WEBSOCKET", token=TOKEN)) as service,
    ):
        assert await refused(service, "/api/audio/stream") == (401, "token_required")
        async with connect(address(service, "/api/audio/open"), additional_headers=STRANGER) as socket:
            await socket.recv()
            service.parts.tree.stop("The test is over.")
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
