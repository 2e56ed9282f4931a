"""Whether the service stays as it is while clients come and go: its memory and its file descriptors.

    python benchmarks/soak.py [--duration 20m] [--clients 60] [-- more for orch serve]

It runs ``orch serve`` with short time-outs, so that whatever is to be let go is let go many times over, and
lives the lives of its clients: sessions begun, joined, talked in, recovered after a lost connection, ended or
left to expire; pages and the API asked for; connections that say nothing, break off in the middle of a
request, or are reset. Every few seconds it reads the memory (RSS) and counts the open descriptors.

What is taken for flat is in `benchmarks/flatness.py`. The exit code is 0 where all is flat and no client was
served wrongly.
"""

import argparse
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any, Final

import httpx2
import trio
from websockets.exceptions import ConnectionClosed
from websockets.trio.client import ClientConnection, connect

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.flatness import MIB, Sample, Verdict, judge_descriptors, judge_memory, judge_rest
from tests.fakes.processes import family, open_files, resident

ROOT: Final = Path(__file__).resolve().parents[1]
SETTINGS: Final = """\
orchestration:
  websocket: {session_timeout: 10, history_messages: 200, history_seconds: 30}
  shutdown_grace: 5
services:
  audio-service: {url: "http://127.0.0.1:9"}
  translation-service: {url: "http://127.0.0.1:9"}
session_management: {cleanup_interval: 2}
"""
PATHS: Final = (
    "/",
    "/translation",
    "/connections",
    "/api/health",
    "/api/tree",
    "/api/sessions",
    "/api/services/status",
    "/api/metrics/dashboard",
    "/metrics",
    "/openapi.json",
    "/nothing/here",
    "/api/audio/models",
)
ANSWER: Final = 20.0
"""Seconds that a client waits for an answer, on a machine that is busy with all the others."""
REST: Final = 60.0
"""Seconds until all clients' traces have to be gone."""


class Service:
    """``orch serve`` in a folder of its own."""

    def __init__(self, folder: Path, arguments: Sequence[str]) -> None:
        config = folder / "orchestration.yaml"
        config.write_text(SETTINGS, encoding="utf-8")
        self._log = (folder / "log").open("w+", encoding="utf-8")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "orch", "serve", "--config", config, "--port", str(self.port), *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stderr=self._log,
        )

    async def ready(self) -> None:
        """Wait until it answers."""
        async with httpx2.AsyncClient() as http:
            while True:
                if self._process.poll() is not None:
                    raise SystemExit(f"The service has ended:\n{self.log()}")
                try:
                    if (await http.get(self.url + "/readyz")).status_code == httpx2.codes.OK:
                        return
                except httpx2.TransportError:
                    pass  # it does not listen yet
                await trio.sleep(0.1)

    def sizes(self) -> tuple[int, int]:
        """Return the bytes in memory and the open descriptors of the service and all its workers."""
        pids = family(self._process.pid)
        return sum(map(resident, pids)), sum(len(open_files(pid)) for pid in pids)

    def log(self) -> str:
        """Return the end of its log."""
        self._log.flush()
        self._log.seek(0)
        return "".join(self._log.readlines()[-20:])

    def failures(self) -> list[str]:
        """Return what it logged as an error."""
        self._log.seek(0)
        return [line for line in self._log if '"level": "error"' in line]

    def stop(self) -> int:
        """Ask it to end; return its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)


class WrongAnswerError(Exception):
    """The service did not do what it promises."""


class LateAnswerError(Exception):
    """The service has not answered at all."""


FAULTS: Final = (
    ConnectionClosed,
    OSError,
    httpx2.HTTPError,
    trio.TooSlowError,
    WrongAnswerError,
    LateAnswerError,
)


class Clients:
    """The lives that are lived. The mutable state is the sessions that can be joined, and the counts."""

    def __init__(self, service: Service, dice: random.Random) -> None:
        self._service = service
        self._dice = dice
        self._open: dict[str, None] = {}
        self.counts: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._lives: dict[str, Callable[[], Awaitable[None]]] = {
            "owner": self._owner,
            "guest": self._guest,
            "returner": self._returner,
            "watcher": self._watcher,
            "browser": self._browser,
            "silent": self._silent,
            "broken off": self._broken_off,
        }

    async def live_on(self) -> None:
        """Live one life after the other, until cancelled."""
        while True:
            name = self._dice.choice(list(self._lives))
            try:
                with trio.fail_after(60):
                    await self._lives[name]()
                self.counts[name] += 1
            except FAULTS as error:
                self.faults[f"{name}: {type(error).__name__}: {error}"[:160]] += 1
            await self._pause()

    async def _pause(self) -> None:
        await trio.sleep(self._dice.uniform(0.005, 0.1))

    async def _ask(self, ws: ClientConnection, answer: str, **message: Any) -> dict[str, Any]:
        others: Counter[str] = Counter()
        with trio.move_on_after(ANSWER):
            await ws.send(json.dumps(message | {"id": "asked"}))
            while True:
                found: dict[str, Any] = json.loads(await ws.recv())
                if found.get("id") != "asked":
                    others[found["type"]] += 1
                    continue
                if found["type"] != answer:
                    raise WrongAnswerError(f"{message['type']}: {found.get('code', found['type'])}")
                return found
        raise LateAnswerError(f"{message['type']} within {ANSWER:g} s, but {dict(others)}")

    def _connect(self) -> connect:
        return connect(f"ws://127.0.0.1:{self._service.port}/ws", close_timeout=10)

    async def _say(self, ws: ClientConnection, session: str, count: int) -> None:
        for number in range(count):
            data = {"number": number, "text": "x" * self._dice.randrange(1000)}
            await self._ask(ws, "session_message", type="broadcast", session_id=session, data=data)
            self.counts["messages"] += 1
            await self._pause()

    async def _owner(self) -> None:
        """Begin a session, talk, go; sometimes end it, else it expires."""
        async with self._connect() as ws:
            session = (await self._ask(ws, "session_created", type="create_session", name="Owner"))[
                "session_id"
            ]
            self._open[session] = None
            try:
                await self._say(ws, session, self._dice.randrange(5, 40))
            finally:
                del self._open[session]
            if self._dice.random() < 0.5:
                async with httpx2.AsyncClient() as http:
                    gone = await http.delete(f"{self._service.url}/api/sessions/{session}")
                if gone.is_error:
                    raise WrongAnswerError(f"DELETE of a session: {gone.status_code}")

    async def _guest(self) -> None:
        """Join someone's session, talk a little, and be gone without a word."""
        async with self._connect() as ws:
            if not self._open:
                return
            session = self._dice.choice(list(self._open))
            try:
                await self._ask(ws, "session_joined", type="join_session", session_id=session, history=True)
                await self._say(ws, session, self._dice.randrange(5))
            except WrongAnswerError:
                self.counts["came too late"] += 1
            _reset(ws)

    async def _returner(self) -> None:
        """Lose the connection, come back, and miss nothing."""
        async with self._connect() as ws:
            begun = await self._ask(ws, "session_created", type="create_session")
            await self._say(ws, begun["session_id"], 5)
            _reset(ws)
        async with self._connect() as ws:
            back = await self._ask(
                ws,
                "session_recovered",
                type="recover_session",
                session_id=begun["session_id"],
                recovery_token=begun["recovery_token"],
                epoch=begun["epoch"],
                offset=begun["offset"],
            )
            numbers = [message["data"]["number"] for message in back.get("messages", ())]
            if not back["recovered"] or numbers != list(range(5)):
                raise WrongAnswerError(f"recovered {numbers}: {back.get('reason')}")

    async def _watcher(self) -> None:
        """Look at the pages' topics for a moment."""
        async with self._connect() as ws:
            for topic in ("connections", "tree", "metrics", "services"):
                await self._ask(ws, "subscribed", type="subscribe", topic=topic)
            with trio.move_on_after(self._dice.uniform(0.2, 2)):
                while True:
                    await ws.recv()

    async def _browser(self) -> None:
        """Ask for pages and the API over one connection, and for sessions."""
        async with httpx2.AsyncClient(timeout=40) as http:
            for path in self._dice.sample(PATHS, 4):
                answer = await http.get(self._service.url + path)
                if answer.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR and "audio" not in path:
                    raise WrongAnswerError(f"{path}: {answer.status_code}")
                self.counts["requests"] += 1
                await self._pause()
            made = await http.post(self._service.url + "/api/sessions/create", json={})
            if made.status_code != httpx2.codes.CREATED:
                raise WrongAnswerError(f"create: {made.status_code}")

    async def _silent(self) -> None:
        """Connect, say nothing, go."""
        async with await trio.open_tcp_stream("127.0.0.1", self._service.port):
            await trio.sleep(self._dice.uniform(0, 3))

    async def _broken_off(self) -> None:
        """Break off in the middle of a request, or of a body."""
        beginning = self._dice.choice(
            (
                b"GET / HT",
                b"POST /api/sessions/create HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
                b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
                b"\x16\x03\x01\x00\xa5",
            )
        )
        async with await trio.open_tcp_stream("127.0.0.1", self._service.port) as stream:
            await stream.send_all(beginning)
            await self._pause()


def _reset(ws: ClientConnection) -> None:
    """End the connection as a client's power cut would, without a close frame."""
    stream = ws.stream
    assert isinstance(stream, trio.SocketStream)  # noqa: S101 - there is no TLS here
    linger = (1).to_bytes(4, sys.byteorder) + (0).to_bytes(4, sys.byteorder)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    stream.socket.close()


async def count(http: httpx2.AsyncClient, service: Service) -> tuple[int, int]:
    """Return the connections and the sessions there are."""
    active = (await http.get(service.url + "/api/health")).json()["connections"]["active"]
    return int(active), len((await http.get(service.url + "/api/sessions")).json()["sessions"])


async def soak(service: Service, clients: Clients, options: argparse.Namespace) -> list[Verdict]:
    """Run it all; return the verdicts."""
    await service.ready()
    samples: list[Sample] = []
    async with httpx2.AsyncClient(timeout=60) as http:
        await count(http, service)
        await trio.sleep(1)
        _, before = service.sizes()
        began = monotonic()
        every = min(10.0, max(0.5, options.duration / 120))
        print(f"{'s':>6} {'MiB':>8} {'descriptors':>12} {'connections':>12} {'lives':>8} {'messages':>9}")
        async with trio.open_nursery() as nursery:
            for _ in range(options.clients):
                nursery.start_soon(clients.live_on)
            while (at := monotonic() - began) < options.duration:
                active, _ = await count(http, service)
                samples.append(Sample(at, *service.sizes(), active))
                if len(samples) % 6 == 1:
                    lives = (
                        sum(clients.counts.values()) - clients.counts["messages"] - clients.counts["requests"]
                    )
                    print(
                        f"{at:6.0f} {samples[-1].rss / MIB:8.1f} {samples[-1].descriptors:12} {active:12} "
                        f"{lives:8} {clients.counts['messages']:9}",
                        flush=True,
                    )
                await trio.sleep(every)
            nursery.cancel_scope.cancel()
        left = ""
        with trio.move_on_after(REST):
            while True:
                connections, sessions = await count(http, service)
                left = f"{connections} connections and {sessions} sessions" if connections or sessions else ""
                if not left:
                    break
                await trio.sleep(1)
        await trio.sleep(1)
        _, after = service.sizes()
    return [judge_memory(samples), judge_descriptors(samples), judge_rest(before, after, left)]


def seconds(text: str) -> float:
    """Return the seconds of ``90``, ``90s`` or ``20m``."""
    number = float(text.rstrip("sm"))
    return number * 60 if text.endswith("m") else number


def main() -> int:
    """Soak and say how it went."""
    parser = argparse.ArgumentParser(description="Whether memory and descriptors stay flat.")
    parser.add_argument("--duration", type=seconds, default=1200.0, help="90s or 20m (the default)")
    parser.add_argument("--clients", type=int, default=60, help="how many live at a time")
    parser.add_argument("--seed", type=int, default=1, help="of the clients' dice")
    parser.add_argument("arguments", nargs="*", help="more for orch serve")
    options = parser.parse_args()
    # It takes connections that are closed under it for an error of its own.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder), options.arguments)
        clients = Clients(service, random.Random(options.seed))
        try:
            verdicts = trio.run(soak, service, clients, options)
        finally:
            code = service.stop()
        failures = service.failures()
    for verdict in verdicts:
        print(verdict.text)
    print(", ".join(f"{number} {name}" for name, number in sorted(clients.counts.items())))
    for fault, number in clients.faults.most_common():
        print(f"WRONG {number} times: {fault}")
    for line in failures[:20]:
        print(f"LOGGED {line.rstrip()[:300]}")
    print(f"exit code of the service: {code}")
    is_good = (
        all(verdict.is_flat for verdict in verdicts) and not clients.faults and not failures and code == 0
    )
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
