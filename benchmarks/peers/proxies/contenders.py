"""The proxies that are compared: how each is started, with what configuration, and on which core."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.peers.servers import READY_LIMIT, listening
from tests.fakes.ports import free_port
from tests.fakes.processes import family, stat

_MODULES: Final = "benchmarks.peers.proxies"

NGINX: Final = """
daemon off; worker_processes {workers}; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_max_body_size 0; keepalive_requests 1000000000;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  {http}
}}
"""
NGINX_PROXY: Final = """
  upstream back {{ server 127.0.0.1:{back}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /api/audio/ {{
      proxy_pass http://back/api/; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering off; proxy_max_temp_file_size 0;
    }}
  }}
"""
NGINX_BACK_END: Final = """
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ default_type application/json; return 200 '{{"hello":"you"}}'; }}
  }}
"""
HAPROXY: Final = """
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend front
  bind 127.0.0.1:{port} backlog 4096
  default_backend back
backend back
  http-request replace-path /api/audio/(.*) /api/\\1
  server one 127.0.0.1:{back}
"""
ORCH: Final = """
orchestration:
  log_level: WARNING
  gateway: {{max_body_bytes: 2147483648, timeout: 600, max_requests_per_address: 1024}}
services:
  audio-service: {{url: "http://127.0.0.1:{back}", balancer: least_requests, slow_start: 10}}
  translation-service: {{url: "http://127.0.0.1:{back}"}}
"""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy: ``argv`` with ``{port}``, ``{back}`` and ``{config}`` (of ``settings``) filled in."""

    name: str
    argv: tuple[str, ...]
    settings: str = ""
    packages: tuple[str, ...] = ()

    def version(self) -> str:
        """Return what is measured, with its version."""
        if self.packages:
            return ", ".join(f"{name} {version(name)}" for name in self.packages)
        if self.name == "orch":
            return f"trio {version('trio')}, httptools {version('httptools')}"
        said = subprocess.run([self.argv[0], "-v"], capture_output=True, text=True, check=True, timeout=30)
        return " ".join((said.stdout + said.stderr).split("\n")[0].replace("nginx version: ", "").split()[:3])


def _module(name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"{_MODULES}.{name}", "{port}", "http://127.0.0.1:{back}")


PROXIES: Final = (
    Proxy("orch", (sys.executable, "-m", "orch", "serve", "--port", "{port}", "--config", "{config}"), ORCH),
    Proxy("aiohttp", _module("aiohttp_proxy"), packages=("aiohttp",)),
    Proxy("bare Trio", _module("trio_forwarder"), packages=("trio",)),
    Proxy("FastAPI, httpx", _module("fastapi_proxy"), packages=("fastapi", "httpx", "uvicorn")),
    Proxy("HAProxy", ("haproxy", "-f", "{config}", "-db"), HAPROXY),
    Proxy("nginx", ("nginx", "-p", "{folder}", "-c", "{config}"), NGINX),
)


def programs_needed() -> list[str]:
    """Return which programs of other packages are missing here."""
    return [name for name in ("nginx", "haproxy", "wrk") if shutil.which(name) is None]


def cores() -> tuple[str, str]:
    """Return the core of the proxies, and those of what is around them, as taskset takes them."""
    first, *others = sorted(os.sched_getaffinity(0))
    return str(first), ",".join(map(str, others)) or str(first)


def cores_of(processes: int) -> tuple[str, str]:
    """Return a core for each process of a service, and those of what is around it; all for both if few."""
    found = [str(core) for core in sorted(os.sched_getaffinity(0))]
    if len(found) < processes + 2:
        return ",".join(found), ",".join(found)
    return ",".join(found[:processes]), ",".join(found[processes:])


@dataclass(frozen=True, slots=True)
class Running:
    """A server that listens."""

    pid: int
    port: int

    def processes(self) -> list[int]:
        """Return its process and all that it has started, themselves or through others."""
        return family(self.pid)

    def waited(self) -> float:
        """Return the seconds for which its processes could run, and others had the core."""
        return (
            sum(
                int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1])
                for pid in self.processes()
            )
            / 1e9
        )

    def most_memory(self) -> int:
        """Return the most resident bytes since :meth:`forget_memory`, summed over its processes."""
        return sum(_peak(pid) for pid in self.processes())

    def forget_memory(self) -> None:
        """Begin a new measurement of the most memory, with what is in use now."""
        for pid in self.processes():
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")

    def seconds(self) -> float:
        """Return the processor seconds of its processes."""
        ticks = 0
        for pid in self.processes():
            if fields := stat(pid):
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def _peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@contextmanager
def proxy(contender: Proxy, back: int, *, on: str | None = None) -> Iterator[Running]:
    """Run a proxy in front of the back end for the block, on a core of its own, or ``on`` these."""
    settings = contender.settings
    if settings is NGINX:
        settings = NGINX.replace("{http}", NGINX_PROXY).replace("{workers}", "1")
    with _running(contender.name, contender.argv, settings, on or cores()[0], back) as running:
        wait_for_answer(running.port, contender.name)
        yield running


def wait_for_answer(port: int, name: str) -> None:
    """Wait until a proxy that listens forwards, too. Raises SystemExit where it does not within a minute."""
    give_up = time.monotonic() + READY_LIMIT
    while time.monotonic() < give_up:
        connection = HTTPConnection("127.0.0.1", port, timeout=READY_LIMIT)
        try:
            connection.request("GET", "/api/audio/health/15", headers={"Host": "localhost"})
            if connection.getresponse().status == HTTPStatus.OK:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise SystemExit(f"{name} listens and does not forward.")


@contextmanager
def small_back_end(*, on: str | None = None) -> Iterator[Running]:
    """Run nginx as a back end that answers everything with 15 bytes of JSON."""
    settings = NGINX.replace("{http}", NGINX_BACK_END).replace("{workers}", "1")
    argv = ("nginx", "-p", "{folder}", "-c", "{config}")
    with _running("the back end", argv, settings, on or cores()[1], 0) as running:
        yield running


@contextmanager
def large_back_end() -> Iterator[Running]:
    """Run the back end that sends and takes large bodies."""
    argv = (sys.executable, "-m", f"{_MODULES}.bytes_backend", "{port}")
    with _running("the back end", argv, "", cores()[1], 0) as running:
        yield running


@contextmanager
def _running(name: str, argv: tuple[str, ...], settings: str, core: str, back: int) -> Iterator[Running]:
    with tempfile.TemporaryDirectory(prefix="orch-bench-") as made:
        folder = Path(made)
        port = free_port()
        values = {"port": port, "back": back, "folder": folder, "config": folder / "config"}
        (folder / "config").write_text(settings.format_map(values), encoding="utf-8")
        command = ["taskset", "--cpu-list", core, *(argument.format_map(values) for argument in argv)]
        with listening(name, command, folder, port) as pid:
            yield Running(pid, port)
