"""Behind a real Caddy, as docs/operations.md describes it."""

import datetime as dt
import io
import re
import ssl
import subprocess
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from orch.tls import self_signed as self_made
from tests.fakes.client import connected
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.tools import require
from tests.fakes.whole import Whole, whole

pytestmark = pytest.mark.process

TOKEN = "s3cret-token"  # noqa: S105 - a test's own
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
CHANGE: dict[str, Any] = {"values": {"orchestration.gateway.timeout": 9}}


def recipe() -> str:
    """Return the block for Caddy in the documentation."""
    found = re.search(r"```caddy\n(.*?)```", OPERATIONS.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def recording() -> bytes:
    """Return 24 MB of WAV."""
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(24_000_000))
    return written.getvalue()


@asynccontextmanager
async def caddy(folder: Path, service: Whole, pair: tuple[Path, Path]) -> AsyncIterator[int]:
    """Run Caddy in front of a service, with a certificate that is there already; return its port."""
    port = free_port()
    site = recipe().replace("127.0.0.1:3000", service.url.removeprefix("http://"))
    certificate = f"https://localhost:{port} {{\n    tls {pair[0]} {pair[1]}\n    bind 127.0.0.1"
    site = site.replace("translate.example {", certificate)
    (folder / "Caddyfile").write_text(
        f"{{\n admin off\n auto_https disable_redirects\n skip_install_trust\n}}\n{site}", encoding="utf-8"
    )
    process = await trio.lowlevel.open_process(
        [require("caddy"), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"],
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "XDG_DATA_HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with trio.fail_after(PATIENCE):
            while True:
                assert process.poll() is None
                try:
                    await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
                    break
                except OSError:
                    await trio.sleep(0.05)
        yield port
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()


@pytest.mark.real_time
async def test_behind_the_documented_caddy_guests_join_and_the_token_is_required(tmp_path: Path) -> None:
    """Sockets, uploads, sign-in over TLS; forwarding headers of clients are ignored."""
    require("caddy")
    pair = self_made.ensure(tmp_path / "tls", ["localhost"], now=dt.datetime.now(dt.UTC))
    trusting = ssl.create_default_context(cafile=str(pair[0]))
    away = {f"services.{name}.url": "http://127.0.0.1:9" for name in ("audio-service", "translation-service")}

    told: dict[str, Any] = {**away, "orchestration.control_token": TOKEN}
    async with (
        whole(tmp_path, **told) as service,
        caddy(tmp_path, service, pair) as port,
        httpx2.AsyncClient(base_url=f"https://localhost:{port}", verify=trusting, timeout=PATIENCE) as client,
    ):
        origin = {"Origin": f"https://localhost:{port}"}
        assert (await client.get("/translation")).status_code == 200
        forged = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "Host": "localhost"}
        assert (await client.patch("/api/config", json=CHANGE, headers=forged)).status_code == 401
        signed = await client.post("/sign-in", data={"token": TOKEN}, headers=origin)
        assert signed.status_code == 303, signed.text
        assert signed.headers["Set-Cookie"].startswith("__Host-")
        done = await client.patch("/api/config", json=CHANGE, headers=origin)
        assert done.status_code == 200
        begun = (await client.post("/api/sessions/create", json={}, headers=origin)).json()
        sent = await client.post(
            f"/api/sessions/{begun['session_id']}/recordings",
            content=recording(),
            headers=origin | {"Content-Type": "audio/wav"},
        )
        assert sent.status_code == 202, sent.text
        assert sent.json()["seconds"] == 750  # it came through in full
        async with connected(f"https://localhost:{port}", origin, ssl_context=trusting) as guest:
            joined = {"session_id": begun["session_id"], "key": begun["keys"]["speak"]}
            assert (await guest.ask("session_joined", type="join_session", **joined))["session_id"]
            (connection,) = service.parts.hub._connections.by_name.values()
            assert not connection.actor.is_local
        assert (await client.get("/ws")).status_code == 426
        for below in ("/subtitles/", "/subtitles/translation"):
            answer = await client.get(below)
            assert answer.status_code == 404
