"""The servers that are compared, each started as a process of its own, and what such a process uses."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
import yaml

from tests.fakes.ports import free_port

ROOT: Final = Path(__file__).resolve().parents[2]
PEERS: Final = ROOT / "benchmarks" / "peers"
NODE_MODULES: Final = ROOT / "benchmarks" / "node_modules"
READY_LIMIT: Final = 60.0
"""Seconds a server has to listen."""
STOP_LIMIT: Final = 10.0
"""Seconds a server has to end by itself."""
SETTLE_LIMIT: Final = 20.0
"""Seconds a server has to be done with what it does after it was told to collect garbage."""
BACKLOG: Final = "4096"
SPARE: Final = 200
"""File descriptors that a process needs beside its connections."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Contender:
    """A server: what is run with ``{port}``, ``{heartbeat}`` (seconds) and ``{config}`` filled in.

    ``packages`` are the distributions, or npm packages, whose versions tell what was measured.
    """

    name: str
    argv: tuple[str, ...]
    packages: tuple[str, ...]
    dialect: str = "json"
    answers: str | None = "/"
    """Where it answers with a few bytes of JSON."""

    @property
    def is_node(self) -> bool:
        """Whether it runs in Node."""
        return self.argv[0] == "node"

    def versions(self) -> str:
        """Return the versions of what is measured."""
        if not self.is_node:
            return ", ".join(f"{name} {version(name)}" for name in self.packages)
        manifests = ((name, NODE_MODULES / name / "package.json") for name in self.packages)
        return ", ".join(
            f"{name} {msgspec.json.decode(manifest.read_bytes())['version']}" for name, manifest in manifests
        )


def _uvicorn(loop: str) -> tuple[str, ...]:
    return (
        *(sys.executable, "-m", "uvicorn", "benchmarks.peers.asgi_rooms:app", "--host", "127.0.0.1"),
        *("--port", "{port}", "--backlog", BACKLOG, "--loop", loop, "--http", "httptools"),
        *("--no-access-log", "--log-level", "warning", "--timeout-keep-alive", "75"),
        *("--ws-ping-interval", "{heartbeat}", "--ws-ping-timeout", "{heartbeat}"),
        *("--ws-per-message-deflate", "false"),
    )


def _node(script: str) -> tuple[str, ...]:
    return ("node", "--expose-gc", str(PEERS / script), "{port}", "{heartbeat}")


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"benchmarks.peers.{name}", *arguments)


CONTENDERS: Final = (
    Contender(
        name="orch serve",
        argv=_module("serve_orch", "serve", "--port", "{port}", "--config", "{config}"),
        packages=("trio",),
        answers="/livez",
    ),
    Contender(
        name="our front",
        argv=_module("serve_front", "{port}", "{heartbeat}"),
        packages=("httptools",),
    ),
    Contender(name="ws", argv=_node("ws.mjs"), packages=("ws",)),
    Contender(
        name="socket.io",
        argv=_node("socketio.mjs"),
        packages=("socket.io",),
        dialect="socket.io",
        answers=None,
    ),
    Contender(name="uvicorn", argv=_uvicorn("asyncio"), packages=("uvicorn",)),
    Contender(name="uvicorn, uvloop", argv=_uvicorn("uvloop"), packages=("uvloop",)),
    Contender(
        name="websockets, Trio",
        argv=_module("serve_websockets", "{port}", "{heartbeat}"),
        packages=("websockets",),
        answers=None,
    ),
    Contender(
        name="Hypercorn, Trio",
        argv=(
            *(sys.executable, "-m", "hypercorn", "--worker-class", "trio", "--workers", "0"),
            *("--bind", "127.0.0.1:{port}", "--backlog", BACKLOG),
            *("--websocket-ping-interval", "{heartbeat}", "benchmarks.peers.asgi_rooms:app"),
        ),
        packages=("hypercorn",),
    ),
)


def chosen(names: list[str] | None, among: tuple[Contender, ...] = CONTENDERS) -> tuple[Contender, ...]:
    """Return the contenders with these names; None: all. Raises SystemExit for a name there is not."""
    known = {contender.name: contender for contender in among}
    unknown = set(names or ()) - known.keys()
    if unknown:
        raise SystemExit(f"There is no {', '.join(sorted(unknown))}; there are {', '.join(known)}.")
    return tuple(known[name] for name in names) if names else among


def install_node_peers() -> None:
    """Have npm install the peers that run in Node, unless they are there."""
    if all((NODE_MODULES / name).is_dir() for name in ("ws", "socket.io")):
        return
    if shutil.which("npm") is None:
        raise SystemExit("The peers that run in Node need node and npm; --only NAME leaves them out.")
    print("Installing the peers that run in Node into benchmarks/node_modules", flush=True)
    subprocess.run(
        ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel", "error"],
        cwd=ROOT / "benchmarks",
        check=True,
        timeout=300,
    )


def raise_descriptor_limit(connections: int) -> None:
    """Let this process and its children open so many. Raises SystemExit where the machine does not."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < connections + SPARE:
        raise SystemExit(
            f"A process may open {hard} files here; {connections} connections need {connections + SPARE}. "
            "Lower --connections, or raise the limit (ulimit -Hn)."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass(slots=True)
class Process:
    """A running process and what it uses, as the kernel counts it."""

    pid: int

    def cpu(self) -> float:
        """Return the processor seconds it has used, those of its threads included."""
        # The id of another process's clock, as clock_getcpuclockid(3) makes it: to the nanosecond, where
        # /proc counts ticks.
        return time.clock_gettime(~self.pid << 3 | 2)

    def rss(self) -> int:
        """Return its resident bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE

    def collect(self) -> None:
        """Have it collect garbage twice; returns once it is done."""
        for _ in range(2):
            os.kill(self.pid, signal.SIGUSR2)
            self._settle()

    def _settle(self) -> None:
        """Wait until it has used next to nothing for a moment."""
        give_up = time.monotonic() + SETTLE_LIMIT
        quiet = 0
        while quiet < 3 and time.monotonic() < give_up:
            before = self.cpu()
            time.sleep(0.1)
            quiet = quiet + 1 if self.cpu() - before <= 0.01 else 0


@dataclass(slots=True)
class Server(Process):
    """A contender that listens."""

    port: int
    log: Path

    def last_words(self) -> str:
        """Return the end of what it has logged, on one line."""
        return " ".join(self.log.read_text(encoding="utf-8", errors="replace")[-300:].split())


def settings_of(*, connections: int, heartbeat: float) -> dict[str, object]:
    """Return the service's settings: the defaults, with room for the connections.

    Its back ends are nowhere: nothing listens at the discard port.
    """
    nowhere = {"url": "http://127.0.0.1:9"}
    websocket = {"max_connections": connections + SPARE, "heartbeat_interval": heartbeat}
    return {
        "orchestration": {"websocket": websocket, "log_level": "WARNING"},
        "services": {"audio-service": nowhere, "translation-service": nowhere},
    }


@contextmanager
def serving(contender: Contender, *, connections: int, heartbeat: float) -> Iterator[Server]:
    """Run a contender for the block, in a folder of its own. Raises SystemExit where it does not start."""
    with tempfile.TemporaryDirectory(prefix="orch-bench-") as name:
        folder = Path(name)
        config = folder / "orchestration.yaml"
        config.write_text(yaml.safe_dump(settings_of(connections=connections, heartbeat=heartbeat)))
        port = free_port()
        values = {"port": port, "heartbeat": f"{heartbeat:g}", "config": config}
        argv = [argument.format_map(values) for argument in contender.argv]
        with listening(contender.name, argv, folder, port) as pid:
            yield Server(pid=pid, port=port, log=folder / "log")


@contextmanager
def listening(name: str, argv: Sequence[str], folder: Path, port: int) -> Iterator[int]:
    """Run a server in ``folder`` for the block, its output in ``log`` there; gives its process id.

    It is terminated, which its own children notice, and killed if it does not end by that. Raises SystemExit
    where it does not listen at ``port``.
    """
    with (
        (folder / "log").open("w+b") as log,
        subprocess.Popen(
            argv,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "NODE_ENV": "production"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        ) as child,
    ):
        try:
            if not listens(child, port):
                log.seek(0)
                raise SystemExit(f"{name} does not start:\n{log.read().decode()[-2000:]}")
            yield child.pid
        finally:
            child.terminate()
            try:
                child.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                child.kill()


def listens(child: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until a child listens; False: it ended, or took longer than :data:`READY_LIMIT`."""
    give_up = time.monotonic() + READY_LIMIT
    while time.monotonic() < give_up and child.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return True
    return False


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Run a Redis of its own for the block; gives its address."""
    port = free_port()
    argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    argv += ["--save", "", "--appendonly", "yes"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            if not listens(child, port):
                raise SystemExit("redis-server does not start.")
            yield f"redis://127.0.0.1:{port}"
        finally:
            child.kill()
