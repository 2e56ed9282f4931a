"""Faults of the service's processes, each of a worker of its own."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx2

from tests.fakes.fork_server import ROOT
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.service import RunningService, service
from tests.fakes.waiting import wait_until
from tests.monitoring.live.faults import Fault
from tests.monitoring.live.world import World

SETTINGS: Final = """\
orchestration:
  bots: {enabled: false}
  monitoring: {journey: {enabled: "off"}}
services:
  audio-service: {url: "http://127.0.0.1:9"}
  translation-service: {url: "http://127.0.0.1:9"}
"""
#: Open files that a worker may have: a few more than it has without clients.
FILES: Final = 28
#: Back ends, and instances of each, with which a scrape is larger than anybody expects.
CROWD: Final = 12
INSTANCES: Final = 25
#: Of version 1, in which the limit of a group may be changed at any time.
GROUPS: Final = Path("/sys/fs/cgroup/memory")
#: Requests that a client sends at once.
PIPELINED: Final = 30
METADATA: Final = "Metadata-Version: 2.1\nName: orchestration-service\nVersion: 0.0.1\n"


class Processes:
    """Workers beside that of a world, scraped while their fault lasts. ``mounts``: see :func:`can_mount`."""

    def __init__(self, world: World, *, mounts: bool) -> None:
        self.world = world
        self._mounts = mounts
        self._more = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    def faults(self) -> tuple[Fault, ...]:
        """Return the faults in the order in which they can be injected."""
        found = [
            Fault("a worker starts again and again", ("WorkerRestarts",), self._restart, self._end),
            Fault("a worker of another version runs", ("VersionSkew",), self._other_version, self._end),
            Fault("the collector of traces is away", ("TracesUndelivered",), self._no_collector, self._end),
            Fault("the log cannot be written", ("AuditWriteFailed",), self._full_log, self._end),
            Fault("more requests than a core can do", ("CpuSaturated",), self._hammer, self._end),
            Fault("a worker has very many back ends", ("SeriesExplosion",), self._crowd, self._end),
            Fault(
                "a worker may have few open files", ("FileDescriptorsNearLimit",), self._few_files, self._end
            ),
        ]
        if GROUPS.is_dir() and os.geteuid() == 0:
            found.append(Fault("memory is nearly used up", ("Overloaded",), self._little_memory, self._end))
        if self._mounts:
            found.append(Fault("the shared memory is full", ("HostShmFull",), self._full_memory, self._end))
        return tuple(found)

    def _end(self, world: World) -> None:
        world.watch.scrape("orchestration", world.running.url)
        world.calm()
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None
        self._more.close()

    def _folder(self, name: str) -> Path:
        folder = self.world.folder / f"{name}-{time.monotonic_ns()}"
        folder.mkdir()
        return folder

    def _another(self, name: str, settings: str = SETTINGS, **environ: str) -> RunningService:
        """Run another worker until the fault's end, and scrape it, too."""
        running = service("serve", self._folder(name), settings=settings, environ=environ)
        other = self._more.enter_context(running)
        self.world.watch.scrape("orchestration", self.world.running.url, other.url)
        return other

    def _restart(self, world: World) -> None:
        """Kill a worker as soon as it was scraped, and start it again at its address."""
        port = free_port()
        world.watch.scrape("orchestration", world.running.url, f"127.0.0.1:{port}")

        def once() -> None:
            with service("serve", self._folder("again"), port=port, settings=SETTINGS) as again:
                time.sleep(1.3)
                again.kill()

        world.pump(once, 0.05)

    def _other_version(self, world: World) -> None:
        packages = self._folder("packages")
        about = packages / "orchestration_service-0.0.1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(METADATA, encoding="utf-8")
        self._another("version", PYTHONPATH=f"{packages}{os.pathsep}{ROOT}")

    def _program(self, name: str, *before: str, log: str = os.devnull, settings: str = SETTINGS) -> str:
        """Run a worker as a program of its own, ``before`` its command; return its URL."""
        folder, port = self._folder(name), free_port()
        (folder / "orchestration.yaml").write_text(settings, encoding="utf-8")
        with Path(log).open("ab") as stream:
            self._process = subprocess.Popen(
                [
                    *before,
                    sys.executable,
                    "-m",
                    "orch",
                    "serve",
                    f"--port={port}",
                    "--config=orchestration.yaml",
                ],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stderr=stream,
            )
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _answers(url), f"{url} answers", every=0.1)
        self.world.watch.scrape("orchestration", self.world.running.url, url)
        return url

    def _no_collector(self, world: World) -> None:
        traces = (
            f'orchestration:\n  traces: {{endpoint: "http://127.0.0.1:{free_port()}", sample_ratio: 1}}\n'
        )
        other = self._another("traces", SETTINGS.replace("orchestration:\n", traces, 1))
        world.pump(lambda: other.get("/api/metrics/dashboard"), 0.1)

    def _full_log(self, world: World) -> None:
        url = self._program("log", log="/dev/full")
        time.sleep(2)  # it is scraped before lines are lost

        def change() -> None:
            world.client.post(f"{url}/api/tree/gateway/restart")

        world.pump(change, 0.5)

    def _crowd(self, world: World) -> None:
        ports = iter(range(20_000, 60_000))
        services = ""
        for number in range(CROWD):
            first, *others = (f"http://127.0.0.1:{next(ports)}" for _ in range(INSTANCES))
            instances = ", ".join(f'{{url: "{url}"}}' for url in others)
            services += f'  service-{number}: {{url: "{first}", instances: [{instances}]}}\n'
        self._another("crowd", SETTINGS + services)

    def _few_files(self, world: World) -> None:
        self._program("files", "prlimit", f"--nofile={FILES}:{FILES}")

    def _little_memory(self, world: World) -> None:
        """Lower the limit of a worker's control group to what it uses, and a little more."""
        group = Path(tempfile.mkdtemp(prefix="orch-alerts-seen-", dir=GROUPS))
        self._more.callback(_remove_group, group)
        join = f'echo $$ > "{group}/cgroup.procs" && exec "$@"'
        self._program("memory", "sh", "-c", join, "sh")
        time.sleep(2)
        used = int((group / "memory.usage_in_bytes").read_text(encoding="ascii"))
        (group / "memory.limit_in_bytes").write_text(str(int(used * 1.02)), encoding="ascii")

    def _hammer(self, world: World) -> None:
        """Keep a worker busy with what costs it most and its clients least: many requests in one message."""
        port = int(self._program("hammered").rpartition(":")[2])
        one = f"GET /metrics HTTP/1.1\r\nHost: localhost:{port}\r\n"
        asked = (f"{one}\r\n" * PIPELINED + f"{one}Connection: close\r\n\r\n").encode()

        def ask() -> None:
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as one:
                one.sendall(asked)
                while one.recv(1 << 20):
                    pass

        world.pump(ask, 0.0, threads=2)

    def _full_memory(self, world: World) -> None:
        """Give a worker a small /dev/shm in a mount namespace of its own, and fill it."""
        small = 'mount -t tmpfs -o size=16m tmpfs /dev/shm && exec "$@"'
        self._program("memory", "unshare", "--mount", "sh", "-c", small, "sh")
        assert self._process is not None
        filler = Path(f"/proc/{self._process.pid}/root/dev/shm/filler")
        filler.write_bytes(bytes(15 * 2**20))


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/livez", timeout=PATIENCE).status_code < 500
    except httpx2.TransportError:
        return False


def _remove_group(group: Path) -> None:
    wait_until(lambda: not (group / "cgroup.procs").read_text(encoding="ascii"), "the group is empty")
    group.rmdir()


def can_mount() -> bool:
    """Whether this user may have mounts of its own."""
    command = ["unshare", "--mount", "true"]
    return shutil.which("unshare") is not None and subprocess.run(command, check=False).returncode == 0
