"""Closing the terminal ends what was started in it, with a real terminal between."""

import json
import os
import pty
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from orch.bots.chromium.guard import descendants
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.processes import is_alive
from tests.fakes.service import service
from tests.fakes.waiting import wait_until

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Have what is started hear the signal: tests may themselves run under nohup, which is inherited.

    A handler is not: a program begins with the default in its place.
    """
    before = signal.signal(signal.SIGHUP, lambda _number, _frame: None)
    yield
    signal.signal(signal.SIGHUP, before)


class Terminal:
    """A terminal with a shell in it, as a window has one. ``text`` is what was shown so far."""

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        self.text = ""
        environ = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(folder), "TERM": "dumb"}
        self.pid, self._window = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            quoted = " ".join(f"'{word}'" for word in command)
            # A shell of its own for each: it is the leader that the terminal's end reaches first.
            os.execve("/bin/bash", ["bash", "-c", f"{quoted}; true"], environ)  # noqa: S606
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while data := os.read(self._window, 65536):
                self.text += data.decode(errors="replace")
        except OSError:
            pass  # closed

    def wait_for(self, words: str) -> None:
        """Wait until words were shown."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.text:
            assert time.monotonic() < deadline, self.text[-2000:]
            time.sleep(0.05)

    def close(self) -> None:
        """Close the window."""
        # Another process that has a copy open would keep the terminal alive; the reader's call ends with it.
        os.close(self._window)
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGHUP)


@pytest.mark.parametrize("command", ["demo", "serve"])
def test_closing_the_terminal_ends_what_runs_in_it(command: str, tmp_path: Path) -> None:
    """The service and its back ends have ended, and the port is free again."""
    port = free_port()
    terminal = Terminal(tmp_path, [sys.executable, "-m", "orch", command, "--port", str(port)])
    terminal.wait_for('"ready"')
    started = descendants(terminal.pid)
    assert len(started) >= (3 if command == "demo" else 1)
    terminal.close()
    wait_until(lambda: not any(is_alive(pid) for pid in started), f"{started} have ended", limit=PATIENCE)
    os.waitpid(terminal.pid, 0)
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_without_a_terminal_the_signal_has_the_settings_read_again(tmp_path: Path) -> None:
    """SIGHUP reloads, as service managers use it."""
    settings = json.dumps({"orchestration": {"gateway": {"timeout": 7}}})
    with service("serve", tmp_path, settings=settings) as s:
        path = tmp_path / "orchestration.yaml"
        path.write_text(json.dumps({"orchestration": {"gateway": {"timeout": 8}}}))
        s.process.send_signal(signal.SIGHUP)
        assert s.wait_for_line("setting applied")["new"] == 8
        assert s.get("/livez").status_code == 200


def test_the_demo_ends_with_its_terminal_also_where_its_output_goes_elsewhere(tmp_path: Path) -> None:
    """Also if its output goes to a file, SIGHUP ends it."""
    with service("demo", tmp_path) as s:
        s.process.send_signal(signal.SIGHUP)
        assert s.ended() == 0
