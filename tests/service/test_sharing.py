"""Everyone on the network comes in by a link; operators' pages ask for the token."""

import os
import re
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from orch.network_addresses import lan_addresses
from tests.fakes.client import connected
from tests.fakes.patience import PATIENCE
from tests.fakes.service import service

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?P<base>https://\S+?)/translation#session=(?P<session>[\w-]+)&key=(?P<key>[\w-]+)")


@contextmanager
def shared(folder: Path, *arguments: str, **environ: str) -> Iterator[str]:
    """Run ``orch demo --share`` for the block; yield what it has printed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "orch", "demo", "--share", "--port", "0", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    text = ""
    give_up = threading.Timer(PATIENCE, process.kill)
    give_up.start()
    try:
        while "Stop it with Ctrl+C" not in text:
            line = process.stdout.readline()
            assert line, f"ended: {text}"
            text += line
        give_up.cancel()
        yield text
    finally:
        give_up.cancel()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)


@pytest.mark.real_time
@pytest.mark.parametrize("server", ["orch", "hypercorn"])
async def test_guests_need_the_link_alone_and_operators_the_token(tmp_path: Path, server: str) -> None:
    """At the network's address, over TLS, with the generated certificate, which is stored."""
    if not lan_addresses():
        pytest.skip("this machine is in no network")
    with shared(tmp_path, "--server", server) as said:
        found = LINK.search(said)
        assert found is not None, said
        base, session, key = found.group("base", "session", "key")
        assert base.startswith(f"https://{lan_addresses()[0]}:")
        assert "█" in said
        token = said.partition("The token of this run:\n")[2].split()[0]
        trusting = ssl.create_default_context(cafile=str(tmp_path / "var" / "tls" / "share.pem"))
        with httpx2.Client(verify=trusting, base_url=base, timeout=180) as client:
            assert client.get("/translation").status_code == 200
            for path in ("/api/tree", "/api/sessions", "/metrics"):
                assert client.get(path).status_code == 401
                assert client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code == 200
            seen = client.get(f"/api/sessions/{session}", headers={"X-Session-Key": key})
            assert seen.status_code == 200
            # Longer than the file of settings has it, which states every default.
            assert seen.json()["expires"] - seen.json()["last_active"] == 43_200
            assert f"{base}/sign-in?next=/translation#session={session}&key={key}" in said
            here = f"https://localhost:{base.rpartition(':')[2]}"
            assert client.get(here + "/api/tree").status_code == 401

        async with connected(base, ssl_context=trusting) as guest:
            joined = await guest.ask("session_joined", type="join_session", session_id=session, key=key)
            assert joined["session_id"] == session
    kept = (tmp_path / "var" / "tls" / "share.pem").read_bytes()
    assert (tmp_path / "var" / "tls" / "share.key").stat().st_mode & 0o077 == 0
    timeout = {"SESSION_TIMEOUT": "1800"}
    with shared(tmp_path, ORCH_CONTROL_TOKEN="of my own", **timeout) as said:
        assert (tmp_path / "var" / "tls" / "share.pem").read_bytes() == kept
        assert "of my own" not in said
        found = LINK.search(said)
        assert found is not None, said
        base, session, key = found.group("base", "session", "key")
        with httpx2.Client(verify=trusting, base_url=base, timeout=180) as client:
            seen = client.get(f"/api/sessions/{session}", headers={"X-Session-Key": key})
        assert seen.json()["expires"] - seen.json()["last_active"] == 1800
        assert "the one you have set" in said


def test_where_it_cannot_be_shared_is_a_fault(tmp_path: Path) -> None:
    """At an address that is this machine's alone."""
    ended = subprocess.run(
        [sys.executable, "-m", "orch", "demo", "--share", "--host", "127.0.0.1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 2
    assert "expected a network address" in ended.stderr


def test_links_copied_on_the_machine_itself_are_to_lead_to_the_public_address(tmp_path: Path) -> None:
    """The page is told it; what is no address of a host is a fault."""
    with service("serve", tmp_path, environ={"PUBLIC_URL": "https://meet.example"}) as s:
        assert 'data-public-url="https://meet.example"' in s.get("/translation").text
