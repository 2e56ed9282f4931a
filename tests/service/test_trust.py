"""Who is an operator of the real service, started as its users start it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fakes.patience import PATIENCE
from tests.fakes.service import service

TOKEN = "s3cret-token"  # noqa: S105 - a test's own
CHANGE: dict[str, Any] = {"values": {"orchestration.gateway.timeout": 9}}
BEARER = {"Authorization": f"Bearer {TOKEN}"}
AWAY = {"AUDIO_SERVICE_URL": "http://127.0.0.1:9", "TRANSLATION_SERVICE_URL": "http://127.0.0.1:9"}


def change(url: str, **headers: str) -> int:
    """Return the status that a change is answered with."""
    return httpx2.patch(url + "/api/config", json=CHANGE, headers=headers, timeout=180).status_code


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
@pytest.mark.parametrize("server", ["orch", "hypercorn"])
def test_on_loopback_the_machine_itself_is_an_operator(tmp_path: Path, host: str, server: str) -> None:
    """However loopback is called, and under either server; no token is made up."""
    environ = {**AWAY, "HOST": host, "ORCH_FRONTEND__SERVER": server}
    with service("serve", tmp_path, environ=environ) as running:
        assert change(running.url) == 200
        assert change(running.url, Host=f"localhost:{running.port}") == 200
        assert change(running.url, Host="rebound.example") == 421
        assert change(running.url, **{"X-Forwarded-For": "192.0.2.9"}) == 401
        assert "token" not in str([line for line in running.lines if "need a token" in str(line)])


@pytest.mark.parametrize("server", ["orch", "hypercorn"])
def test_a_service_that_listens_beyond_loopback_asks_everyone_for_the_token(
    tmp_path: Path, server: str
) -> None:
    """Who reaches it at 127.0.0.1 may have come through anything."""
    environ = {**AWAY, "HOST": "0.0.0.0", "ORCH_FRONTEND__SERVER": server, "ORCH_CONTROL_TOKEN": TOKEN}
    with service("serve", tmp_path, environ=environ) as running:
        local = f"http://127.0.0.1:{running.port}"
        assert change(local) == 401
        assert change(local, Host="localhost") == 401
        assert change(local, **BEARER) == 200


def test_a_token_that_is_made_up_at_the_start_is_the_one_that_opens(tmp_path: Path) -> None:
    """It is printed once, and nothing else opens."""
    with service("serve", tmp_path, environ={**AWAY, "HOST": "0.0.0.0"}) as running:
        local = f"http://127.0.0.1:{running.port}"
        said = [str(line.get("event", "")) for line in running.lines]
        token = said[next(number for number, line in enumerate(said) if "need a token" in line) + 1]
        assert re.fullmatch(r"[A-Za-z0-9_-]{32}", token)
        assert change(local) == 401
        assert change(local, Authorization=f"Bearer {token}") == 200


@contextmanager
def hypercorn(folder: Path, bind: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Run Hypercorn's own command; yield where it is reached on this machine."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hypercorn", "-k", "trio", "-b", f"{bind}:0", "orch.asgi:app"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | AWAY | dict(environ),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stdout is not None
    try:
        found = None
        while found is None:
            line = process.stderr.readline()
            assert line, "hypercorn ended"
            found = re.search(r"Running on http://[^:]+:(\d+)", line)
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("bind", ["127.0.0.1", "0.0.0.0"])
def test_under_hypercorns_own_command_only_the_token_makes_an_operator(tmp_path: Path, bind: str) -> None:
    """What it binds to and whom it accepts is not the service's to know; without a token nobody is one."""
    with hypercorn(tmp_path, bind, {}) as url:
        assert change(url) == 401
        assert change(url, Host="localhost") == 401
        assert httpx2.get(url + "/livez", timeout=180).status_code == 200
    with hypercorn(tmp_path, bind, {"ORCH_CONTROL_TOKEN": TOKEN}) as url:
        assert change(url, Host="localhost") == 401
        assert change(url, **BEARER) == 200


def test_a_restart_command_finds_no_token_and_no_key_in_its_environment(tmp_path: Path) -> None:
    """And neither the log nor the API shows its words."""
    found, key = tmp_path / "environment", "sk-hush-1"
    settings = f"""
services:
  audio-service:
    url: "http://me:hush-2@127.0.0.1:9"
    api_key: "{key}"
    restart_command: ["sh", "-c", "env > {found}.part; mv {found}.part {found}", "hush-3"]
"""
    environ = {
        "ORCH_CONTROL_TOKEN": TOKEN,
        "TRANSLATION_SERVICE_URL": "http://me:hush-4@127.0.0.1:9",
        "ORCH_SERVICES__TRANSLATION_SERVICE__API_KEY": "hush-5",
    }
    with service("serve", tmp_path, settings=settings, environ=environ) as running:
        answer = running.post("/api/services/restart", json={"service": "audio-service"}, headers=BEARER)
        assert answer.status_code == 202
        running.wait_for_line("restart command")
        while not found.exists():
            running.wait_for_line("event")
        told = found.read_text(encoding="utf-8")
        assert "ORCH_SERVICE=audio-service" in told
        shown = str(running.lines)
        for path in ("config", "services/status", "gateway/status", "metrics/dashboard", "tree"):
            shown += httpx2.get(f"{running.url}/api/{path}", headers=BEARER, timeout=180).text
        shown += httpx2.get(f"{running.url}/metrics", headers=BEARER, timeout=180).text
        for secret in (TOKEN, key, "hush"):
            assert secret not in told.replace(str(tmp_path), "")
            assert secret not in shown.replace(str(tmp_path), "")
