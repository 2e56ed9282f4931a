"""A TCP relay on loopback whose connections a test cuts."""

import queue
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import trio

from tests.fakes.patience import PATIENCE


class Relay:
    """Passes bytes both ways between whoever connects to ``port`` and the service, until it is cut.

    ``is_narrow``: what it does not pass on soon waits with the service, since the kernel holds little of it.
    """

    def __init__(self, service_port: int, *, is_narrow: bool = False) -> None:
        self._service_port = service_port
        self._is_narrow = is_narrow
        self._scopes: set[trio.CancelScope] = set()
        self.port = 0
        self.accepted = 0
        self.is_open = True
        self._flowing: trio.Event | None = None
        #: Bytes a connection still passes on to the client before it is cut; None: it is not.
        self.allowance: int | None = None

    def cut(self) -> None:
        """Reset every connection."""
        for scope in self._scopes:
            scope.cancel()

    def freeze(self) -> None:
        """Pass nothing on any more, with all connections open; what has come is held."""
        self._flowing = trio.Event()

    def thaw(self) -> None:
        """Pass on what was held, and what comes."""
        if self._flowing is not None:
            self._flowing.set()
            self._flowing = None

    def lead_to(self, service_port: int) -> None:
        """Have the next connections lead to another port."""
        self._service_port = service_port

    async def _flows(self) -> None:
        if self._flowing is not None:
            await self._flowing.wait()

    async def _serve(self, client: trio.SocketStream) -> None:
        if not self.is_open:
            await trio.aclose_forcefully(client)
            return
        self.accepted += 1
        with trio.CancelScope() as scope:
            self._scopes.add(scope)
            try:
                async with (
                    client,
                    await self._reach() as service,
                    trio.open_nursery() as nursery,
                ):
                    nursery.start_soon(self._pass_on, client, service, scope)
                    nursery.start_soon(self._bring, service, client, scope)
            except OSError:
                pass  # the service is not there: the client sees its connection end
            finally:
                self._scopes.discard(scope)

    async def _reach(self) -> trio.SocketStream:
        """Connect to the service."""
        await self._flows()
        service = trio.socket.socket()
        if self._is_narrow:
            service.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
            service.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_MAXSEG, 1460)
        try:
            await service.connect(("127.0.0.1", self._service_port))
        except OSError:
            service.close()
            raise
        return trio.SocketStream(service)

    async def _pass_on(
        self, client: trio.SocketStream, service: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        try:
            async for data in client:
                await self._flows()
                await service.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # a cut of theirs
        scope.cancel()

    async def _bring(
        self, service: trio.SocketStream, client: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        try:
            async for data in service:
                await self._flows()
                part = data if self.allowance is None else data[: self.allowance]
                if self.allowance is not None:
                    self.allowance -= len(part)
                await client.send_all(part)
                if len(part) < len(data):
                    self.allowance = None
                    break
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # a cut of theirs
        scope.cancel()


@asynccontextmanager
async def relay(service_port: int, *, is_narrow: bool = False) -> AsyncIterator[Relay]:
    """Relay for the block."""
    running = Relay(service_port, is_narrow=is_narrow)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, running._serve, 0, host="127.0.0.1"))
        running.port = listeners[0].socket.getsockname()[1]
        yield running
        nursery.cancel_scope.cancel()


class ThreadedRelay:
    """A :class:`Relay` whose loop runs in a thread, for tests that are not in Trio's."""

    def __init__(self, relay: Relay, token: trio.lowlevel.TrioToken) -> None:
        self._relay = relay
        self._token = token
        self.port = relay.port

    def freeze(self) -> None:
        """Pass nothing on any more."""
        trio.from_thread.run_sync(self._relay.freeze, trio_token=self._token)

    def thaw(self) -> None:
        """Pass on what was held, and what comes."""
        trio.from_thread.run_sync(self._relay.thaw, trio_token=self._token)

    def cut(self) -> None:
        """Reset every connection."""
        trio.from_thread.run_sync(self._relay.cut, trio_token=self._token)


@contextmanager
def threaded_relay(service_port: int) -> Iterator[ThreadedRelay]:
    """Relay for the block, from another thread."""
    ready: queue.Queue[ThreadedRelay] = queue.Queue()
    ended = trio.Event()

    async def main() -> None:
        async with relay(service_port) as running:
            ready.put(ThreadedRelay(running, trio.lowlevel.current_trio_token()))
            await ended.wait()

    thread = threading.Thread(target=trio.run, args=(main,), daemon=True)
    thread.start()
    running = ready.get(timeout=PATIENCE)
    try:
        yield running
    finally:
        trio.from_thread.run_sync(ended.set, trio_token=running._token)
        thread.join(10)
