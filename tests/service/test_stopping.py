"""The whole service ends in order and in time, with any clients connected."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.fakes.client import connected
from tests.fakes.patience import PATIENCE
from tests.fakes.service import service

GRACE = 4
SETTINGS = f"""\
orchestration:
  shutdown_grace: {GRACE}
services:
  audio-service: {{url: "http://127.0.0.1:9"}}
  translation-service: {{url: "http://127.0.0.1:9"}}
"""


@pytest.mark.real_time
async def test_sigterm_tells_clients_to_reconnect_and_exits_0(tmp_path: Path) -> None:
    """A client receives that the service stops and when to reconnect; the exit code is 0."""
    with service("serve", tmp_path, settings=SETTINGS) as s:
        async with connected(s.url) as client:
            s.process.send_signal(signal.SIGTERM)
            closing = await client.of_type("closing")
            assert closing["reconnect_after"] >= 0
            await client.closed()
        assert s.process.wait(PATIENCE) == 0


def test_a_client_that_has_stopped_reading_does_not_outlast_the_grace(tmp_path: Path) -> None:
    """SIGTERM ends the process although a client never reads."""
    with (
        service("serve", tmp_path, settings=SETTINGS) as s,
        socket.create_connection(("127.0.0.1", s.port)) as stalled,
    ):
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.sendall(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert stalled.recv(12).endswith(b"101")
        frame = _masked_text(b'{"type":"test_message","filler":"' + b"x" * 60_000 + b'"}')
        stalled.settimeout(0.5)
        try:
            for _ in range(200):
                stalled.sendall(frame)
        except TimeoutError:
            pass  # the service has stopped reading too: its answers are not taken
        assert s.stop() == 0


def test_a_terminal_shows_the_address_to_open(tmp_path: Path) -> None:
    """The address to open, on standard output, once it responds."""
    arguments = [sys.executable, "-m", "orch", "serve", "--port", "0", "--log-format", "text"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        arguments,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "\n"
        line = process.stdout.readline()
        found = re.search(r"Open (http://localhost:\d+)/translation to speak", line)
        assert found, line
        assert httpx2.get(found[1] + "/livez", timeout=180).status_code == 200
        process.terminate()
        assert process.wait(PATIENCE) == 0


def test_what_is_wrong_with_the_settings_is_exit_2_with_a_line_each(tmp_path: Path) -> None:
    """The service does not start with invalid settings."""
    path = tmp_path / "bad.yaml"
    path.write_text("orchestration: {frontend: {port: high}}\nnonsense: 1\n")
    done = subprocess.run(
        [sys.executable, "-m", "orch", "serve", "--config", str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 2
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        "orchestration.frontend.port",
        "nonsense",
    ]


def test_a_port_that_is_taken_is_said_at_once(tmp_path: Path) -> None:
    """Exit code 2, with the remedy."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "orch", "serve", "--port", str(port)],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[2],
        )
    assert done.returncode == 2
    assert done.stderr == (
        f"Port {port} is in use by another program. Stop it, or choose another port: PORT={port + 1}.\n"
    )


def _masked_text(payload: bytes) -> bytes:
    """Return one text frame as a client sends it, with a mask of zeros."""
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + b"\0\0\0\0" + payload
