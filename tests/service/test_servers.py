"""The application under every server it may be run with."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Never

import httpx2
import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.client import ClientConnection

from tests.fakes.client import connected
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.service import service
from tests.fakes.websocket_client import connect

pytestmark = pytest.mark.real_time

ROOT = Path(__file__).parents[2]

TOKEN = "s3cret-token"  # noqa: S105 - a test's own
BEARER = {"Authorization": f"Bearer {TOKEN}"}
"""Without it nobody is an operator under Hypercorn's own command; elsewhere it is looked at by nobody."""


@contextmanager
def under_hypercorn(folder: Path) -> Iterator[str]:
    """Run ``hypercorn -k trio orch.asgi:app`` until the block ends."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "hypercorn", "-k", "trio", "-b", f"127.0.0.1:{port}", "orch.asgi:app"],
        cwd=folder,
        env={
            "PYTHONPATH": str(ROOT),
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "ORCH_CONTROL_TOKEN": TOKEN,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        while "Running on" not in (line := process.stderr.readline()):
            assert line, "hypercorn ended"
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
        assert process.returncode in (0, -15)


@contextmanager
def under_orch(folder: Path) -> Iterator[str]:
    """Run ``orch serve`` until the block ends."""
    with service("serve", folder) as s:
        yield s.url


HYPERCORN = {"ORCH_FRONTEND__SERVER": "hypercorn"}


@contextmanager
def under_orch_with_hypercorn(folder: Path) -> Iterator[str]:
    """Run ``orch serve`` with Hypercorn's connections until the block ends."""
    with service("serve", folder, environ=HYPERCORN) as s:
        yield s.url


@pytest.mark.parametrize("serving", [under_orch, under_orch_with_hypercorn, under_hypercorn])
async def test_pages_api_gateway_and_socket_answer(serving: object, tmp_path: Path) -> None:
    """The same application under each server."""
    assert callable(serving)
    with serving(tmp_path) as url:
        assert "text/html" in httpx2.get(url + "/", headers=BEARER, timeout=180).headers["content-type"]
        assert httpx2.get(url + "/livez", timeout=180).status_code == 200
        assert httpx2.get(url + "/api/health", headers=BEARER, timeout=180).json()["services"].keys() >= {
            "audio-service",
            "websocket",
        }
        away = httpx2.get(url + "/api/audio/models", headers=BEARER, timeout=180)
        assert away.status_code in (502, 503, 504)
        assert away.headers["content-type"] == "application/problem+json"
        assert away.json()["service"] == "audio-service"
        foreign = httpx2.post(
            url + "/api/translate", json={}, headers=BEARER | {"Origin": "http://elsewhere"}, timeout=180
        )
        assert (foreign.status_code, foreign.json()["code"]) == (403, "wrong_origin")
        missing = httpx2.get(url + "/api/nothing", timeout=180)
        assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")

        async with connected(url, BEARER) as client:
            assert (await client.ask("pong", type="ping", id=7))["id"] == 7
            await client.ask("subscribed", type="subscribe", topic="tree")
            update = await client.of_type("update")
            states = {b["name"]: b["state"] for b in update["data"]["branches"]}
            assert set(states.values()) == {"running"}
            assert list(states)[:5] == ["stores", "health", "bots", "websocket", "gateway"]


async def read_on(socket_: ClientConnection) -> Never:
    """Read to the end: what is announced to all, as that the disk is slow, may come before it."""
    while True:
        await socket_.recv()


@pytest.mark.parametrize("environ", [{}, HYPERCORN], ids=["orch", "hypercorn"])
async def test_a_text_frame_over_1_mib_closes_with_1009(tmp_path: Path, environ: dict[str, str]) -> None:
    """It closes only its own connection, with that code."""
    with service("serve", tmp_path, environ=environ) as s:
        async with connect(f"ws://127.0.0.1:{s.port}/ws") as socket_:
            await socket_.recv()
            await socket_.send('{"type":"test_message","x":"' + "x" * 2**20 + '"}')
            with pytest.raises(ConnectionClosed) as closed:
                await read_on(socket_)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009
        async with connected(s.url) as client:
            await client.ask("pong", type="ping")
            await trio.lowlevel.checkpoint()


def test_what_the_front_refuses_is_counted_by_kind(tmp_path: Path) -> None:
    """``/metrics`` shows operators the refused requests by kind."""
    with service("serve", tmp_path) as s:
        with socket.create_connection(("127.0.0.1", s.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 400"
        lines = s.get("/metrics").text.splitlines()
        assert 'orch_front_refused_total{kind="host_missing"} 1.0' in lines


@pytest.mark.parametrize("environ", [{}, HYPERCORN], ids=["orch", "hypercorn"])
def test_an_answer_without_a_body_has_no_type(tmp_path: Path, environ: dict[str, str]) -> None:
    """Least of all HTML, from a path for programs; the socket asked for as a page says what is missing."""
    with service("serve", tmp_path, environ=environ) as s:
        assert s.post("/api/sessions/create", json={"session_id": "over"}).status_code == 201
        ended = s.delete("/api/sessions/over")
        assert (ended.status_code, ended.headers.get("content-type")) == (204, None)
        asked = httpx2.options(s.url + "/api/sessions/create", timeout=180)
        assert (asked.status_code, asked.headers.get("content-type")) == (200, None)
        plain = s.get("/ws")
        assert (plain.status_code, plain.json()["code"]) == (426, "upgrade_required")
        assert plain.headers["upgrade"] == "websocket"
