"""A PostgreSQL server of its own for tests: started in a folder of its own, on a free port.

``ORCH_TEST_POSTGRES_URL`` names another server for the tests that leave it running; its user may create
databases.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trio

from orch.stores.postgres.connections import open_connections
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.processes import children

USER = "orch"


def program(name: str) -> str:
    """Return the path of a program of PostgreSQL, which Debian does not link into the path."""
    found = shutil.which(name) or next(
        (str(each / name) for each in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None
    )
    if found is not None and Path(found).exists():
        return found
    if os.environ.get("CI"):
        pytest.fail(f"{name} is not installed; make tools installs it")
    pytest.skip(f"{name} is not installed")


class PostgresServer:
    """A server that can be killed, started again on what it had written, and stopped for a while.

    PostgreSQL refuses to run as root; then it runs as ``nobody``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._user = "nobody" if os.geteuid() == 0 else None
        self.port = free_port()
        self.url = f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"
        self.process: subprocess.Popen[bytes] | None = None
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
        options = ("--auth=trust", f"--username={USER}", "--encoding=UTF8", "--no-locale", "--no-sync")
        made = self._begin(program("initdb"), *options, "-D", str(self._data), stdout=subprocess.PIPE)
        output, _ = made.communicate()
        assert made.returncode == 0, output.decode(errors="replace")
        self.start()

    def _begin(self, *command: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            cwd=self._folder,
            user=self._user,
            group=pwd.getpwnam(self._user).pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
        )

    def start(self) -> None:
        """Start it; returns once it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "16MB",
            "max_connections": "100",
            "autovacuum": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.process = self._begin(program("postgres"), "-D", str(self._data), *options)
        give_up_at = time.monotonic() + PATIENCE
        while not self.answers():
            assert time.monotonic() < give_up_at, "postgres does not answer"
            assert self.process.poll() is None, "postgres ended"
            time.sleep(0.02)

    def answers(self) -> bool:
        """Return whether it lets a client in: the first message after a greeting asks for no password."""
        greeting = b"user\0" + USER.encode() + b"\0database\0postgres\0\0"
        greeting = (3 << 16).to_bytes(4, "big") + greeting
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall((len(greeting) + 4).to_bytes(4, "big") + greeting)
                return connection.recv(1) == b"R"
        except OSError:
            return False

    def kill(self) -> None:
        """End it and all its processes as a crash would."""
        assert self.process is not None
        children = self._children()
        self.process.kill()
        self.process.wait()
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
        # A file that it leaves behind would keep another server from starting on this data.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def pause(self) -> None:
        """Have all its processes do nothing, its connections open."""
        for process in (self.process.pid if self.process else 0, *self._children()):
            os.kill(process, signal.SIGSTOP)

    def resume(self) -> None:
        """Have them go on."""
        for process in (*self._children(), self.process.pid if self.process else 0):
            os.kill(process, signal.SIGCONT)

    def _children(self) -> list[int]:
        assert self.process is not None
        return children(self.process.pid)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a server for the block."""
    folder = Path(tempfile.mkdtemp(prefix="orch-postgres-"))
    server = None
    try:
        server = PostgresServer(folder)
        yield server
    finally:
        if server is not None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgres_address() -> Iterator[str]:
    """Yield the address of an empty database: on the server that the environment names, or on one of its own.

    On the former it is created and dropped, so that processes that run tests at the same time do not meet.
    """
    address = os.environ.get("ORCH_TEST_POSTGRES_URL")
    if not address:
        with postgres_server() as server:
            yield server.url
        return
    name = f"orch_test_{os.getpid()}"
    trio.run(_execute, address, f"CREATE DATABASE {name}")
    try:
        yield urlsplit(address)._replace(path=f"/{name}").geturl()
    finally:
        trio.run(_execute, address, f"DROP DATABASE {name} WITH (FORCE)")


async def _execute(address: str, statement: str) -> None:
    async with open_connections(address, 1) as connections:
        await connections.run(lambda connection: connection.execute(statement))
