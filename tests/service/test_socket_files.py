"""Clients open WebSockets to back ends until no more fit into the limit of open files."""

import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trio
from websockets.exceptions import InvalidStatus
from websockets.trio.server import ServerConnection

from orch.open_files import raise_limit
from tests.fakes.hosted_sockets import back_end
from tests.fakes.processes import open_files
from tests.fakes.service import RunningService
from tests.fakes.tools import require
from tests.fakes.websocket_client import connect

pytestmark = [pytest.mark.real_time, pytest.mark.slow]

FILES = 256


class FewFiles(RunningService):
    """A service that may open so many files, hard limit included."""

    def command(self, arguments: list[str]) -> list[str]:
        """Return what is run."""
        limited = [require("prlimit"), f"--nofile={FILES}:{FILES}"]
        return [*limited, sys.executable, "-m", "orch", *arguments]

    @property
    def files(self) -> int:
        """How many it has open."""
        return len(open_files(self.process.pid))


async def echo(socket: ServerConnection) -> None:
    async for message in socket:
        await socket.send(message)


def answer_checks(socket: ServerConnection, request: Any) -> Any:
    """Respond to plain requests, such as health checks."""
    return None if "Upgrade" in request.headers else socket.respond(200, "{}")


async def refusal(url: str) -> tuple[int, str]:
    """Return the status and the problem's code of a handshake that is refused."""
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url):
            pass
    return caught.value.response.status_code, json.loads(caught.value.response.body or b"{}")["code"]


async def test_sockets_to_back_ends_leave_the_service_its_files(tmp_path: Path) -> None:
    """With 256 files and all limits reached: 503, and whatever else the service does goes on."""
    raise_limit()
    async with back_end(echo, process_request=answer_checks) as at, AsyncExitStack() as opened:
        settings = {
            "services": {
                name: {"url": f"http://{at}", "concurrency": "unlimited"}
                for name in ("audio-service", "translation-service")
            }
        }
        (tmp_path / "orchestration.yaml").write_text(json.dumps(settings), encoding="utf-8")
        arguments = ["serve", "--config", "orchestration.yaml", "--port", "0"]
        s = await trio.to_thread.run_sync(FewFiles, arguments, tmp_path, {})
        try:
            await _filled(s, opened)
        finally:
            await trio.to_thread.run_sync(s.stop)


async def _filled(s: FewFiles, opened: AsyncExitStack) -> None:
    async def get(path: str) -> Any:
        response = await trio.to_thread.run_sync(s.get, path)
        assert response.status_code == 200, response.text
        return response.json()

    address = s.url.replace("http", "ws", 1)
    proxied = (await get("/api/gateway/status"))["sockets"]
    assert proxied["limit"] == 8
    assert "two files each" in proxied["limit_reason"]
    url = f"{address}/api/audio/stream"
    sockets = [await opened.enter_async_context(connect(url)) for _ in range(proxied["limit"])]
    assert await refusal(url) == (503, "overloaded")
    of_hub = (await get("/api/connections?limit=0"))["limit"]
    for _ in range(of_hub):
        await opened.enter_async_context(connect(f"{address}/ws"))
    assert await refusal(f"{address}/ws") == (503, "too_many_connections")
    assert await refusal(url) == (503, "overloaded")
    assert s.files < FILES
    assert (await get("/api/health"))["services"]["audio-service"] == "healthy"
    assert (await get("/api/audio/anything")) == {}
    status = await get("/api/services/status")
    assert status["shortages"] == []
    for number, socket in enumerate(sockets):
        await socket.send(str(number))
        assert await socket.recv() == str(number)
    await sockets[0].aclose()
    while (await get("/api/gateway/status"))["sockets"]["open"] == len(sockets):
        await trio.lowlevel.checkpoint()
    async with connect(url) as next_one:
        await next_one.send("room again")
        assert await next_one.recv() == "room again"
