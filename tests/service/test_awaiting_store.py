"""While the service waits for its store at startup, probes get responses, and others a Retry-After."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from orch.settings.live import LiveSettings
from orch.startup_responses import StartupApplication
from orch.telemetry.events import EventLog
from orch.wiring.applications import create_application
from orch.wiring.build import build
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.redis import RedisServer
from tests.fakes.service import RunningService

GRACE = 2


class Starting(RunningService):
    """A service that is not awaited: its port is known beforehand."""

    def _ready(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __init__(self, port: int, workers: int, folder: Path, environ: Mapping[str, str]) -> None:
        self._port = port
        environ = {
            **environ,
            "ORCH_SHUTDOWN_GRACE": str(GRACE),
            "AUDIO_SERVICE_URL": "http://127.0.0.1:9",
            "TRANSLATION_SERVICE_URL": "http://127.0.0.1:9",
        }
        arguments = ["serve", "--port", str(port)]
        if workers > 1:
            arguments += ["--workers", str(workers)]
        super().__init__(arguments, folder, environ)

    def answer(self, path: str) -> httpx2.Response:
        """Return the response to a GET on a new connection."""
        return httpx2.get(self.url + path, timeout=180)


def redis_at(port: int) -> dict[str, str]:
    """Return the environment with which a service stores its sessions in Redis at a port."""
    url = f"redis://127.0.0.1:{port}"
    return {"ORCH_SESSION_MANAGEMENT__PERSISTENCE": "redis", "REDIS_URL": url}


@contextmanager
def starting(folder: Path, workers: int, **environ: str) -> Iterator[Starting]:
    """Run a service without a store during the block."""
    running = Starting(free_port(), workers, folder, environ)
    try:
        give_up_at = time.monotonic() + PATIENCE
        while True:
            try:
                running.answer("/livez")
                break
            except httpx2.TransportError:
                assert running.process.poll() is None, running.lines
                assert time.monotonic() < give_up_at
                time.sleep(0.1)
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()
        else:
            running.ended()


@pytest.mark.parametrize("workers", [1, 2])
def test_probes_are_answered_while_redis_is_away_and_everything_once_it_is_there(
    tmp_path: Path, workers: int
) -> None:
    """``/livez`` 200, ``/readyz`` 503 with the reason, all else 503; then ready at the same address."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}"
    (tmp_path / "redis").mkdir()
    with starting(tmp_path, workers, **redis_at(port)) as s:
        for _ in range(4 * workers):
            assert s.answer("/livez").json() == {"status": "alive"}
        ready = s.answer("/readyz")
        assert ready.status_code == 503
        assert ready.headers["retry-after"] == "2"
        document = ready.json()
        assert (document["status"], document["waiting_for"]) == ("starting", ["stores"])
        assert f"Redis at {url}" in document["reason"]
        page = s.answer("/translation")
        assert (page.status_code, page.json()["code"]) == (503, "starting")
        assert page.headers["retry-after"] == "2"
        socket_answer = httpx2.get(
            s.url + "/ws",
            headers={
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            },
            timeout=180,
        )
        assert (socket_answer.status_code, socket_answer.json()["code"]) == (503, "starting")
        seen: set[int] = set()
        redis = RedisServer(tmp_path / "redis")
        redis.kill()
        redis.port, redis.url = port, url
        redis.start()
        try:
            give_up_at = time.monotonic() + PATIENCE
            while (status := s.answer("/readyz").status_code) != 200:
                seen.add(status)
                assert time.monotonic() < give_up_at
                time.sleep(0.02)
            assert seen <= {503}
            s.wait_for_line("ready" if workers == 1 else "workers ready")
            assert {s.answer("/readyz").status_code for _ in range(20)} == {200}
            assert s.answer("/translation").status_code == 200
        finally:
            redis.kill()


def test_probes_are_answered_while_a_database_cannot_be_opened(tmp_path: Path) -> None:
    """As long as it is retried; then the process ends with the reason."""
    (tmp_path / "sessions.sqlite3").write_bytes(b"no database " * 1000)
    path = str(tmp_path / "sessions.sqlite3")
    with starting(tmp_path, 1, ORCH_SESSION_MANAGEMENT__SQLITE_PATH=path) as s:
        assert s.answer("/livez").status_code == 200
        ready = s.answer("/readyz")
        assert ready.status_code == 503
        assert path in ready.json()["reason"]


def test_a_service_that_awaits_its_store_stops_when_asked_to(tmp_path: Path) -> None:
    """With exit code 0, after responding to pending requests."""
    with starting(tmp_path, 1, **redis_at(free_port())) as s:
        assert s.answer("/livez").status_code == 200
        assert s.stop() == 0
        assert not [line for line in s.lines if line.get("level") == "error"]


@pytest.mark.parametrize(("address", "is_told"), [("127.0.0.1", True), ("192.0.2.7", False)])
async def test_only_operators_see_the_address_of_the_store(
    tmp_path: Path, address: str, *, is_told: bool
) -> None:
    """Guests learn that the service is starting, but no internal address."""
    events = EventLog(wall=time.time)
    path = tmp_path / "orchestration.yaml"
    path.write_text("{}", encoding="utf-8")
    settings = {
        "session_management.persistence": "redis",
        "session_management.redis_url": "redis://inside.example:6379",
    }
    configuration = LiveSettings(path, {}, events=events, wall=time.time, overlay=settings)
    parts = build(configuration, events, {})
    application = StartupApplication(
        access=parts.access,
        tree=parts.tree,
        store=parts.stores.engine,
        application=create_application(parts),
    )
    for asked in ("/readyz", "/api/sessions"):
        sent: list[dict[str, Any]] = []
        scope = {
            "type": "http",
            "method": "GET",
            "path": asked,
            "raw_path": asked.encode(),
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1:3000")],
            "client": (address, 50000),
            "server": ("127.0.0.1", 3000),
            "scheme": "http",
        }

        async def send(message: dict[str, Any], sent: list[dict[str, Any]] = sent) -> None:
            await trio.lowlevel.checkpoint()
            sent.append(message)

        await application(scope, trio.lowlevel.checkpoint, send)
        assert sent[0]["status"] == 503
        assert (b"inside.example" in sent[1]["body"]) is is_told
        assert b"its session store is not available yet" in sent[1]["body"]
