"""Behind a real nginx, configured as docs/operations.md describes and in other common ways."""

import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from tests.fakes.patience import PATIENCE
from tests.fakes.running import run
from tests.fakes.tools import require
from tests.fakes.whole import Whole, whole

pytestmark = pytest.mark.process

TOKEN = "s3cret-token"  # noqa: S105 - a test's own
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"

#: What the service is behind where nobody has thought about who is trusted.
CARELESS = {
    "the host passed on": "location / { proxy_pass SERVICE; proxy_set_header Host $http_host; }",
    "nothing said": "location / { proxy_pass SERVICE; }",
    "sockets passed on": """location / { proxy_pass SERVICE; proxy_http_version 1.1;
        proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade"; }""",
    "the address passed on": """location / { proxy_pass SERVICE; proxy_http_version 1.1;
        proxy_set_header Host $http_host; proxy_set_header X-Real-IP $remote_addr; }""",
}

Use = Callable[[httpx2.AsyncClient, Whole], Awaitable[None]]


def recipe() -> str:
    """Return the locations of the block for nginx in the documentation."""
    found = re.search(r"```nginx\n(.*?)```", OPERATIONS.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    lines = [line for line in found[1].splitlines() if not re.match(r"\s*(listen|server_name|ssl_)", line)]
    return "\n".join(lines).replace("http://127.0.0.1:3000", "SERVICE")


@asynccontextmanager
async def nginx(folder: Path, site: str, service: Whole) -> AsyncIterator[Path]:
    """Run nginx in front of a service; return the Unix socket it listens at."""
    listening = folder / "nginx.sock"
    inner = site.replace("SERVICE", service.url)
    if "server {" in inner:
        server = inner.replace("server {", f"server {{ listen unix:{listening};", 1)
    else:
        server = f"server {{ listen unix:{listening}; {inner} }}"
    for name in ("body", "proxy"):
        (folder / name).mkdir()
    temporary = "".join(
        f"{name}_temp_path {folder / 'proxy'};" for name in ("proxy", "fastcgi", "uwsgi", "scgi")
    )
    configuration = folder / "nginx.conf"
    http = f"access_log off; client_body_temp_path {folder / 'body'}; {temporary}\n{server}"
    configuration.write_text(
        f"daemon off; pid {folder / 'nginx.pid'}; error_log stderr; worker_processes 1;\n"
        f"events {{}}\nhttp {{ {http} }}",
        encoding="utf-8",
    )
    process = await trio.lowlevel.open_process(
        [require("nginx"), "-p", str(folder), "-c", str(configuration), "-e", "stderr"],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    try:
        with trio.fail_after(PATIENCE):
            while not listening.exists():
                assert process.poll() is None, (await _rest(process)).decode()
                await trio.sleep(0.02)
        yield listening
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()
            assert process.stderr is not None
            await process.stderr.aclose()


async def _rest(process: trio.Process) -> bytes:
    assert process.stderr is not None
    return b"".join([part async for part in process.stderr])


def behind(folder: Path, site: str, use: Use, *, token: str = "", **overlay: Any) -> None:
    """Run ``use`` with a client of nginx, which passes on to a whole service on loopback."""
    if shutil.which("nginx") is None:
        require("nginx")
    away = {f"services.{name}.url": "http://127.0.0.1:9" for name in ("audio-service", "translation-service")}

    async def main() -> None:
        told: dict[str, Any] = {**away, "orchestration.control_token": token, **overlay}
        async with (
            whole(folder, **told) as service,
            nginx(folder, site, service) as listening,
            httpx2.AsyncClient(
                base_url="http://orch.example",
                transport=httpx2.AsyncHTTPTransport(uds=str(listening)),
                timeout=180,
            ) as client,
        ):
            await use(client, service)

    run(main, virtual=False)


CHANGE: dict[str, Any] = {"values": {"orchestration.gateway.timeout": 9}}


@pytest.mark.parametrize("site", CARELESS.values(), ids=CARELESS.keys())
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "orch.example", "LOCALHOST:3000", "[::1]"])
def test_clients_behind_a_proxy_are_never_local(tmp_path: Path, site: str, host: str) -> None:
    """With any Host and any forwarding header, while no token is configured."""

    async def use(client: httpx2.AsyncClient, service: Whole) -> None:
        for method, path in (("PATCH", "/api/config"), ("GET", "/api/config"), ("GET", "/metrics")):
            answer = await client.request(method, path, headers={"Host": host}, json=CHANGE)
            assert answer.status_code in (401, 421), (method, path, answer.text)
        assert service.parts.settings.current.orchestration.gateway.timeout == 30

    behind(tmp_path, site, use)


@pytest.mark.parametrize("host", ["localhost", "orch.example"])
def test_behind_the_documented_proxy_guests_join_and_the_token_is_required(tmp_path: Path, host: str) -> None:
    """Operators sign in, sockets are forwarded; logs name the client, not the proxy."""

    async def use(client: httpx2.AsyncClient, service: Whole) -> None:
        named = {"Host": host}
        assert (await client.get("/translation", headers=named)).status_code == 200
        assert (await client.patch("/api/config", headers=named, json=CHANGE)).status_code == 401
        origin = {"Origin": f"http://{host}"}
        signed = await client.post("/sign-in", data={"token": TOKEN}, headers=named | origin)
        assert signed.status_code == 303
        cookie = {"Cookie": signed.headers["Set-Cookie"].partition(";")[0]}
        done = await client.patch("/api/config", headers=named | origin | cookie, json=CHANGE)
        assert done.status_code == 200
        foreign = {"Origin": "http://evil.example"}
        refused = await client.patch("/api/config", headers=named | foreign | cookie, json=CHANGE)
        assert refused.status_code == 403
        shake = (
            f"GET /ws HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        async with await trio.open_unix_socket(str(tmp_path / "nginx.sock")) as stream:
            await stream.send_all(shake.encode())
            with trio.fail_after(PATIENCE):
                assert b" 101 " in await stream.receive_some()
                (connection,) = service.parts.hub._connections.by_name.values()
                assert not connection.actor.is_local

    behind(tmp_path, recipe(), use, token=TOKEN)
