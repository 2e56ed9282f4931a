"""Clients take every open file there is, and the disk fills: who is connected is served, nobody is blamed.

``SHORTAGE_SECONDS=60`` makes each last a minute (``docs/operations.md`` has the figures).
"""

import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import trio

from orch.open_files import raise_limit
from tests.fakes.client import Client, connected
from tests.fakes.patience import PATIENCE
from tests.fakes.running import run
from tests.fakes.service import UNHURRIED, RunningService, service
from tests.fakes.tools import require
from tests.fakes.wires import HANDSHAKE

FILES = 1024
CLIENTS = 2000
PONG = b"\x8a\x80\0\0\0\0"
LASTS = float(os.environ.get("SHORTAGE_SECONDS", "6"))


class FewFiles(RunningService):
    """A service that may open so many files, hard limit included."""

    def command(self, arguments: list[str]) -> list[str]:
        """Return what is run."""
        limited = [require("prlimit"), f"--nofile={FILES}:{FILES}"]
        return [*limited, sys.executable, "-m", "orch", *arguments]


class Flood:
    """Clients that connect and stay. ``answers``: the first line each has got."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.answers: Counter[str] = Counter()
        self.tried = 0

    async def one(self) -> None:
        """Connect, ask for a WebSocket, and stay as long as the service lets one."""
        try:
            stream = await trio.open_tcp_stream("127.0.0.1", self._port)
        except OSError:
            self._note("closed")
            return
        async with stream:
            try:
                await stream.send_all(HANDSHAKE.replace(b"host: x", b"host: 127.0.0.1"))
                first = await stream.receive_some()
            except trio.BrokenResourceError:
                first = b"closed"
            self._note(bytes(first[:12]).decode())
            try:
                while await stream.receive_some():
                    await stream.send_all(PONG)
            except trio.BrokenResourceError:
                pass  # it has been counted

    def _note(self, answer: str) -> None:
        self.answers[answer] += 1
        self.tried += 1


def health(s: RunningService) -> dict[str, Any]:
    """Return the states of the services."""
    found: dict[str, Any] = s.get("/api/health").json()
    return found


def test_two_thousand_clients_leave_the_service_what_it_needs(tmp_path: Path) -> None:
    """With 1,024 open files: back ends stay healthy, nothing is restarted, connected clients are served."""
    raise_limit()
    s = FewFiles(["demo", "--port", "0"], tmp_path, UNHURRIED)
    try:
        run(lambda: _flooded(s), virtual=False, limit=120 + LASTS)
    finally:
        s.stop()


async def _flooded(s: RunningService) -> None:
    await _until_healthy(s)
    before = (await trio.to_thread.run_sync(health, s))["services"]
    lowered = s.get("/api/connections?limit=0").json()
    assert lowered["limit"] < FILES
    assert "open files" in lowered["limit_reason"]
    async with connected(s.url) as ann, trio.open_nursery() as nursery:
        flood = Flood(s.port)
        for _ in range(CLIENTS):
            nursery.start_soon(flood.one)
        while flood.tried < CLIENTS:  # noqa: ASYNC110 - what clients do has no event
            await trio.sleep(0.1)
        worst = 0.0
        until = trio.current_time() + LASTS
        while trio.current_time() < until:
            began = trio.current_time()
            await ann.ask("pong", type="ping")
            worst = max(worst, trio.current_time() - began)
            states = (await trio.to_thread.run_sync(health, s))["services"]
            assert states == before
            await trio.sleep(0.25)
        page = (await trio.to_thread.run_sync(s.get, "/api/services/status")).json()
        assert not any(each["restarts"] for service in page["services"] for each in service["instances"])
        assert page["shortages"] == []
        through = await trio.to_thread.run_sync(s.get, "/api/translation/health")
        assert through.status_code < 500
        assert flood.answers["HTTP/1.1 101"] <= lowered["limit"]
        # Each tries once: on a slow machine some are refused for places that others give up a moment later.
        assert flood.answers["HTTP/1.1 101"] > lowered["limit"] / 2
        assert flood.answers["HTTP/1.1 503"] > 0
        assert sum(flood.answers.values()) == CLIENTS
        sys.stdout.write(f"{dict(flood.answers)}; worst ping {worst * 1000:.0f} ms; {before}\n")
        nursery.cancel_scope.cancel()


async def _until_healthy(s: RunningService) -> None:
    """Wait until all services are healthy: a back end that starts slowly is unhealthy before."""
    with trio.fail_after(PATIENCE):
        while set(health(s)["services"].values()) != {"healthy"}:  # noqa: ASYNC110 - another process
            await trio.sleep(0.2)


IMPATIENT = """\
orchestration:
  websocket: {heartbeat_interval: 1, heartbeat_timeout: 4, outbox_seconds: 4}
  monitoring: {health_check_interval: 1, health_check_timeout: 4}
  shutdown_grace: 2
"""


def test_a_service_that_was_stopped_for_a_while_holds_it_against_nobody(tmp_path: Path) -> None:
    """After SIGSTOP, as on a paused machine, back ends stay healthy, clients connected; it is an event."""
    with service("demo", tmp_path, settings=IMPATIENT) as s:
        run(lambda: _stopped(s), virtual=False, limit=120)


async def _stopped(s: RunningService) -> None:
    await _until_healthy(s)
    last = max(event["number"] for event in await _events(s))
    async with connected(s.url) as ann:
        s.process.send_signal(signal.SIGSTOP)
        await trio.sleep(9)
        s.process.send_signal(signal.SIGCONT)
        await ann.ask("pong", type="ping")
        texts: list[str] = []
        while not any(text.startswith("The service was suspended for ") for text in texts):
            texts = await _texts_after(last, s)
            await trio.sleep(0.1)
        await trio.sleep(6)  # whoever were blamed for it would be by now
        await ann.ask("pong", type="ping")
        texts = await _texts_after(last, s)
    assert [text for text in texts if "unhealthy" in text or "degraded" in text] == []


async def _events(s: RunningService) -> list[dict[str, Any]]:
    page = (await trio.to_thread.run_sync(s.get, "/api/metrics/dashboard")).json()
    events: list[dict[str, Any]] = page["events"]
    return events


async def _texts_after(number: int, s: RunningService) -> list[str]:
    """Return the texts of the events after the one with this number."""
    return [event["text"] for event in await _events(s) if event["number"] > number]


class SmallDisk(RunningService):
    """A service whose state lies on a disk of 24 MiB, in a mount namespace of its own."""

    def command(self, arguments: list[str]) -> list[str]:
        """Return what is run."""
        mounted = 'mount -t tmpfs -o size=24m tmpfs var && exec "$@"'
        program = [sys.executable, "-m", "orch", *arguments]
        return [require("unshare"), "-m", "sh", "-c", mounted, "sh", *program]

    @property
    def disk(self) -> Path:
        """The disk, as seen from here."""
        return Path(f"/proc/{self.process.pid}/root") / str(self._folder).lstrip("/") / "var"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "var").mkdir()
        super().__init__(["demo", "--port", "0"], folder, {})


def fill(place: Path) -> Path:
    """Fill a disk to its last byte."""
    filler = place / "filler"
    with filler.open("ab", buffering=0) as file:
        size = 2**20
        while size:
            try:
                written = file.write(b"\0" * size)
            except OSError:
                written = 0
            if written < size:
                size //= 2
    return filler


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a disk of its own")
def test_a_full_disk_is_said_costs_nothing_acknowledged_and_is_over_when_there_is_room(
    tmp_path: Path,
) -> None:
    """It is shown everywhere, and ends by itself; messages from before and after are stored."""
    s = SmallDisk(tmp_path)
    try:
        run(lambda: _filled(s), virtual=False, limit=120 + LASTS)
    finally:
        s.stop()


async def _filled(s: SmallDisk) -> None:
    async with connected(s.url) as ann, connected(s.url) as bob:
        name = (await ann.ask("session_created", type="create_session"))["session_id"]
        other = (await ann.ask("session_created", type="create_session"))["session_id"]
        await bob.ask("session_joined", type="join_session", session_id=other)
        acknowledged = [number for number in range(20) if await _send(ann, name, number)]
        assert len(acknowledged) == 20
        filler = await trio.to_thread.run_sync(fill, s.disk)
        began = trio.current_time()
        while (found := health(s))["store"]["state"] == "healthy":  # noqa: ASYNC110 - another process
            await trio.sleep(0.05)
        said = trio.current_time() - began
        assert found["store"]["brief"] == "the disk is full"
        assert found["status"] != "healthy"
        announced = await bob.of_type("system_announcement")
        told = trio.current_time() - began
        assert announced["state"] == "degraded"
        assert "the disk is full" in announced["message"]
        await bob.ask("session_left", type="leave_session", session_id=other)
        ended = await trio.to_thread.run_sync(s.delete, f"/api/sessions/{other}")
        assert ended.status_code == 204
        ready = (await trio.to_thread.run_sync(s.get, "/readyz")).json()
        assert ready["degraded"][0] == "store"  # that of bots is on the same disk
        refused = 0
        number = 20
        until = trio.current_time() + LASTS
        while trio.current_time() < until:
            if await _send(ann, name, number):
                acknowledged.append(number)
            else:
                refused += 1
            number += 1
            await ann.ask("pong", type="ping")
            await trio.sleep(0.2)
        assert refused > 0
        filler.unlink()
        began = trio.current_time()
        while not await _send(ann, name, number):
            number += 1
            await trio.sleep(0.05)
        acknowledged.append(number)
        back = trio.current_time() - began
        await bob.until(lambda m: m["type"] == "system_announcement" and m.get("state") == "restored")
        joined = await bob.ask("session_joined", type="join_session", session_id=name, history=True)
        stored = [each["data"]["number"] for each in joined["messages"]]
        assert stored == acknowledged
        sys.stdout.write(f"said in {said:.2f} s, announced in {told:.2f} s, back in {back:.2f} s\n")


async def _send(client: Client, session: str, number: int) -> bool:
    """Say a number in the session; return whether it was acknowledged, by being sent to all."""
    start = len(client.messages)
    await client.send(type="broadcast", session_id=session, data={"number": number})
    answer = await client.until(lambda m: m["type"] in {"session_message", "error"}, start=start)
    if answer["type"] == "error":
        assert answer["code"] == "store_unavailable"
        return False
    assert answer["data"] == {"number": number}
    return True
