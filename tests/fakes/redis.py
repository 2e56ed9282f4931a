"""A Redis server of its own for a test: started in a folder, on a Unix socket and a free port."""

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.tools import require


class RedisServer:
    """A server that can be killed, started again on what it had written, and stopped for a while."""

    def __init__(self, folder: Path, *options: str, tls: bool = False) -> None:
        self._program = require("redis-server")
        self._folder = folder
        self.tls_port = free_port() if tls else 0
        self._options = ("--tls-port", str(self.tls_port), *options) if tls else options
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it; returns once it answers."""
        self.process = subprocess.Popen(
            [
                self._program,
                *("--port", str(self.port), "--bind", "127.0.0.1"),
                *("--dir", str(self._folder), "--save", "", "--appendonly", "yes"),
                # Written at once, so that a kill loses nothing: with "everysec" Redis delays writes by up to
                # two seconds while the disk is busy with the last ones.
                *("--appendfsync", "no"),
                *self._options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # Its log is no promise of ours; that it answers is.
        give_up_at = time.monotonic() + PATIENCE
        while not self.ask("PING").startswith((b"+PONG", b"-NOAUTH")):
            assert time.monotonic() < give_up_at, "redis-server does not answer"
            assert self.process.poll() is None, "redis-server ended"
            time.sleep(0.02)

    def ask(self, *words: str) -> bytes:
        """Say one command on a connection of its own and return what comes first."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
                connection.sendall(
                    b"*%d\r\n" % len(words)
                    + b"".join(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words)
                )
                return connection.recv(65536)
        except OSError:
            return b""

    def kill(self) -> None:
        """End it as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Have it do nothing, its connections open."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


class ClusterNode(RedisServer):
    """A server that is a whole Redis Cluster: it owns every slot, and refuses what spans several."""

    def __init__(self, folder: Path, *options: str, tls: bool = False) -> None:
        self._is_made = False
        self.bus_port = free_port()
        cluster = ("--cluster-enabled", "yes", "--cluster-port", str(self.bus_port))
        super().__init__(folder, *cluster, *options, tls=tls)

    def start(self) -> None:
        """Start it; returns once it serves every slot."""
        super().start()
        if not self._is_made:
            assert self.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383") == b"+OK\r\n"
            self._is_made = True
        give_up_at = time.monotonic() + PATIENCE
        while b"cluster_state:ok" not in self.ask("CLUSTER", "INFO"):
            assert time.monotonic() < give_up_at, "the cluster does not get ready"
            time.sleep(0.02)


@contextmanager
def redis_server(
    folder: Path, *options: str, kind: type[RedisServer] = RedisServer, tls: bool = False
) -> Iterator[RedisServer]:
    """Run a server in ``folder`` for the block."""
    folder.mkdir(parents=True, exist_ok=True)
    server = kind(folder, *options, tls=tls)
    try:
        yield server
    finally:
        server.kill()
