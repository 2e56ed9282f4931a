"""Network faults while the server is healthy: connections that stall, or keep resetting."""

from pathlib import Path

import pytest
import trio

from orch.stores.history import Limits
from orch.stores.redis.connector import TRY_ANOTHER_AFTER
from orch.stores.redis.store import RedisStore
from tests.fakes.cutting import relay
from tests.fakes.patience import PATIENCE
from tests.fakes.redis import redis_server
from tests.fakes.store_events import RecordedEvents
from tests.fakes.stores import record

pytestmark = [pytest.mark.process, pytest.mark.real_time]

LIMITS = Limits(messages=100, seconds=3600)

#: Bytes of the replies to many commands; those to a single one are shorter.
LONG = 500


class _Path:
    """Connections to a port, which fall silent, with nothing closed, by :meth:`silence`; new ones do not.

    ``trickles``: how long the next long reply takes to arrive, in seconds; it comes in eight pieces.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._is_silent = [False]
        self.trickles = 0.0

    def silence(self) -> None:
        """Have the connections that are open pass on nothing any more."""
        self._is_silent[0] = True
        self._is_silent = [False]

    async def serve(self, client: trio.SocketStream) -> None:
        """Pass bytes both ways."""
        is_silent = self._is_silent
        async with (
            client,
            await trio.open_tcp_stream("127.0.0.1", self._port) as server,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(self._pass_on, client, server, is_silent, nursery.cancel_scope)
            nursery.start_soon(self._pass_on, server, client, is_silent, nursery.cancel_scope)

    async def _pass_on(
        self,
        source: trio.SocketStream,
        target: trio.SocketStream,
        is_silent: list[bool],
        scope: trio.CancelScope,
    ) -> None:
        try:
            async for data in source:
                if self.trickles and source.socket.getpeername()[1] == self._port and len(data) > LONG:
                    took, self.trickles = self.trickles, 0.0
                    size = -(-len(data) // 8)
                    for at in range(0, len(data), size):
                        await trio.sleep(took / 8)
                        await target.send_all(data[at : at + size])
                elif not is_silent[0]:
                    await target.send_all(data)
        except trio.BrokenResourceError:
            pass
        if not is_silent[0]:
            scope.cancel()


async def test_stalled_connections_are_replaced(tmp_path: Path) -> None:
    """What is sent waits and is not refused, since the server answers on a new connection."""
    with redis_server(tmp_path / "redis") as server:
        path = _Path(server.port)
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, path.serve, [listener])
            store = RedisStore(f"redis://127.0.0.1:{listener.socket.getsockname()[1]}")
            await nursery.start(store.run)
            await store.create(record("s"))
            path.silence()
            ticket = await store.begin_append("s", b'{"type":"m"}', at=1.0, limits=LIMITS)
            assert await ticket.wait() == 1
            nursery.cancel_scope.cancel()


async def test_a_connection_whose_replies_arrive_slowly_is_not_replaced(tmp_path: Path) -> None:
    """The server is busy with many commands, and answers one after the other."""
    with redis_server(tmp_path / "redis") as server:
        path = _Path(server.port)
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            nursery.start_soon(trio.serve_listeners, path.serve, [listener])
            store = RedisStore(f"redis://127.0.0.1:{listener.socket.getsockname()[1]}")
            await nursery.start(store.run)
            path.trickles = 2 * TRY_ANOTHER_AFTER
            async with trio.open_nursery() as creating:
                for number in range(200):
                    creating.start_soon(store.create, record(f"s{number}"))
            assert path.trickles == 0
            assert store.statistics().reconnects == 0
            nursery.cancel_scope.cancel()


async def test_a_connection_that_keeps_resetting_is_announced_once(tmp_path: Path) -> None:
    """Clients are told that nothing can be stored and that it can be again, not forty times of each."""
    with redis_server(tmp_path / "redis") as server:
        async with relay(server.port) as path, trio.open_nursery() as nursery:
            store = RedisStore(f"redis://127.0.0.1:{path.port}")
            events = RecordedEvents()
            store.register(events)
            await nursery.start(store.run)
            for _ in range(40):
                path.cut()
                await trio.sleep(0.2)
            with trio.fail_after(PATIENCE):
                await store.create(record("s"))
            while store.status().state != "healthy" or events.healthy[-1:] == [False]:  # noqa: ASYNC110
                await trio.sleep(0.05)
            assert events.healthy in ([], [False, True], [False, True, False, True])
            nursery.cancel_scope.cancel()
