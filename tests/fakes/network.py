"""A network between a client and the service, whose link a test cuts without a word to either side.

Where the kernel lets us, it is one of its own: a namespace, and a cable of two virtual Ethernet ports, the
far one of which is taken down. Packets are lost then and nothing is closed, as when a telephone leaves its
cell. Where the kernel forbids that, a relay stands in that passes nothing on any more.
"""

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager

from tests.fakes.cutting import Relay, relay
from tests.fakes.locks import locked
from tests.fakes.tools import require


class ForbiddenError(Exception):
    """The kernel allows no network namespaces here."""


class Network(ABC):
    """Two sides and a link. ``host``: where the service listens; ``prefix``: what starts the far side."""

    host: str
    prefix: tuple[str, ...] = ()

    @abstractmethod
    def reaching(self, port: int) -> AbstractAsyncContextManager[str]:
        """Give the far side's address of the service at ``port``, for the block."""

    @abstractmethod
    def cut(self) -> None:
        """Lose all that is sent from now on, either way."""

    @abstractmethod
    def mend(self) -> None:
        """Carry what is sent from now on."""


class Namespace(Network):
    """A network namespace of the kernel's."""

    def __init__(self, name: str, host: str) -> None:
        self.host = host
        self.prefix = (require("ip"), "netns", "exec", name)
        self._name = name

    @asynccontextmanager
    async def reaching(self, port: int) -> AsyncIterator[str]:
        """Give the far side's address of the service."""
        yield f"http://{self.host}:{port}"

    def cut(self) -> None:
        """Take the far port down."""
        _ip("-n", self._name, "link", "set", "far", "down")

    def mend(self) -> None:
        """Take it up again."""
        _ip("-n", self._name, "link", "set", "far", "up")


class Relayed(Network):
    """A relay on loopback."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self._relay: Relay | None = None

    @asynccontextmanager
    async def reaching(self, port: int) -> AsyncIterator[str]:
        """Relay for the block."""
        async with relay(port, is_narrow=True) as self._relay:
            yield f"http://127.0.0.1:{self._relay.port}"

    def cut(self) -> None:
        """Hold what comes."""
        assert self._relay is not None
        self._relay.freeze()

    def mend(self) -> None:
        """Pass it on again."""
        assert self._relay is not None
        self._relay.thaw()


@contextmanager
def links_unchanged() -> Iterator[None]:
    """Keep test processes from changing links for the block: Chromium gives up all loads when one changes."""
    with ExitStack() as stack:
        with locked("turn", shared=True):  # those that wait to change links come first
            stack.enter_context(locked("links", shared=True))
        yield


@contextmanager
def links_changing() -> Iterator[None]:
    """Keep tests in Chromium from running for the block, in which links come and go."""
    with locked("turn"), locked("links"):
        yield


@contextmanager
def namespace() -> Iterator[Namespace]:
    """Make a namespace and a cable to it, for the block. Raises ForbiddenError."""
    number = os.getpid()
    name, near = f"orch-{number}", f"orch{number}"
    # From what RFC 2544 sets apart for tests of networks: four addresses of our own.
    third, fourth = divmod(number % 2**14 * 4, 256)
    ours, theirs = (f"198.18.{third}.{fourth + last}" for last in (1, 2))
    _ip("netns", "add", name)
    try:
        _ip("link", "add", near, "type", "veth", "peer", "name", "far", "netns", name)
        _ip("address", "add", f"{ours}/30", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", name, "address", "add", f"{theirs}/30", "dev", "far")
        _ip("-n", name, "link", "set", "far", "up")
        _ip("netns", "exec", name, "true")
        yield Namespace(name, ours)
    finally:
        _ip("netns", "delete", name)


def _ip(*words: str) -> None:
    done = subprocess.run([require("ip"), *words], capture_output=True, text=True, check=False)
    if "ermi" in done.stderr and done.returncode != 0:  # "Operation not permitted", "Permission denied"
        raise ForbiddenError(done.stderr.strip())
    assert done.returncode == 0, done.stderr
