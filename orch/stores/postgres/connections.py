"""Connections to PostgreSQL: asyncpg's pool, used from Trio.

asyncpg runs on asyncio, and its tasks on an asyncio loop inside of Trio (trio-asyncio). A caller's job is an
asyncio task of its own. When the caller is cancelled, the task is, and the caller goes on at once; the task
then ends its statement, rolls back and returns its connection in its own time. If the server does not
respond to that within :data:`CLEANUP_WITHIN`, the connection is dropped, and the pool opens another one. So a
time-out of a caller is exact, also while the server hangs, and no connection is lost or shared.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import asyncpg
import trio
import trio_asyncio

T = TypeVar("T")

CONNECT_WITHIN: Final = 5.0
"""Seconds for opening one connection."""

CLEANUP_WITHIN: Final = 5.0
"""Seconds in which a cancelled job must have returned its connection."""

EPOCH: Final = 946_684_800
"""Seconds from the epoch to the year 2000, from which PostgreSQL counts."""

_MICRO: Final = 10**6

# A worker whose machine vanishes must not hold locks for hours. JIT costs more than it saves here.
_SESSION: Final = """
SET default_transaction_isolation = 'read committed';
SET idle_in_transaction_session_timeout = 30000;
SET tcp_keepalives_idle = 30;
SET tcp_keepalives_interval = 10;
SET tcp_keepalives_count = 3;
SET jit = off;
SET application_name = 'orch';
"""

Job = Callable[[Any], Awaitable[T]]


def to_microseconds(seconds: float) -> tuple[int]:
    """Return a time in seconds since the epoch as PostgreSQL sends it."""
    return (round(seconds * _MICRO) - EPOCH * _MICRO,)


def to_seconds(sent: tuple[int]) -> float:
    """Return a time as PostgreSQL sends it in seconds since the epoch."""
    return (sent[0] + EPOCH * _MICRO) / _MICRO


async def _prepare(connection: Any) -> None:
    """Set up a new connection: times are numbers, JSON is text."""
    await connection.execute(_SESSION)
    await connection.set_type_codec(
        "timestamptz", schema="pg_catalog", encoder=to_microseconds, decoder=to_seconds, format="tuple"
    )
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=str, format="text")


async def _keep(_connection: Any) -> None:
    """Leave a returned connection as it is: no job changes its settings."""


class Connections:
    """Up to ``size`` connections. A job has one to itself; callers beyond that wait for their turn.

    The mutable state is the pool, and the jobs that have not ended.
    """

    def __init__(self, loop: trio_asyncio.TrioEventLoop, pool: Any, size: int) -> None:
        self._loop = loop
        self._pool = pool
        self._turn = trio.Semaphore(size, max_value=size)
        self._size = size
        self._jobs: dict[asyncio.Task[Any], list[Any]] = {}
        self._ended = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        return f"<Connections, {self.busy} of {self._size} busy>"

    @property
    def busy(self) -> int:
        """Jobs that have a connection, or whose connection was not returned yet."""
        return self._size - self._turn.value

    @property
    def waiting(self) -> int:
        """Callers that wait for a connection."""
        return self._turn.statistics().tasks_waiting

    @property
    def free(self) -> int:
        """Connections of the pool that no job has, opened or not; for tests."""
        return int(self._pool._queue.qsize())  # noqa: SLF001 - asyncpg counts only those that are open

    async def run(self, job: Job[T]) -> T:
        """Run ``job(connection)`` on a connection and return its result.

        Cancellation reaches the job and is not waited for. Raises what the job raises, and OSError,
        TimeoutError or errors of asyncpg if no connection can be opened.
        """
        await self._turn.acquire()
        held: list[Any] = []
        done = trio.Event()
        task = self._loop.create_task(self._with_connection(job, held))
        self._jobs[task] = held

        def ended(task: asyncio.Task[Any]) -> None:
            del self._jobs[task]
            self._turn.release()
            self._ended.unpark_all()
            if not task.cancelled():
                task.exception()  # retrieved, though the caller may be gone
            done.set()

        task.add_done_callback(ended)
        try:
            await done.wait()
        except trio.Cancelled:
            task.cancel()
            self._loop.call_later(CLEANUP_WITHIN, self._drop, task)
            raise
        result: T = task.result()
        return result

    async def _with_connection(self, job: Job[T], held: list[Any]) -> T:
        connection = await self._pool.acquire()
        held.append(connection)
        try:
            return await job(connection)
        except asyncpg.InternalClientError:
            # asyncpg lost track of what the server does, as after a killed server: not to be used again.
            connection.terminate()
            raise
        finally:
            await self._pool.release(connection, timeout=CLEANUP_WITHIN)

    def _drop(self, task: asyncio.Task[Any]) -> None:
        """Close the connection of a cancelled job that has not ended: the server does not respond."""
        for connection in self._jobs.get(task, ()):
            connection.terminate()

    async def expire(self) -> None:
        """Have each connection opened again before its next use: the server was away."""
        await self._loop.run_aio_coroutine(self._pool.expire_connections())

    async def idle(self) -> None:
        """Wait until no job is left, not even one that was cancelled."""
        while self._jobs:
            await self._ended.park()

    async def _end(self) -> None:
        """Cancel all jobs, and wait until they have returned their connections."""
        for task in self._jobs:
            task.cancel()
        await self.idle()

    def terminate(self) -> None:
        """Close all connections at once."""
        self._pool.terminate()


@asynccontextmanager
async def open_connections(address: str, size: int) -> AsyncIterator[Connections]:
    """Run a pool for the block; connections are opened when they are needed."""
    async with trio_asyncio.open_loop() as loop:
        pool = asyncpg.create_pool(
            address,
            min_size=0,
            max_size=size,
            init=_prepare,
            reset=_keep,
            timeout=CONNECT_WITHIN,
            loop=loop,
        )
        await trio_asyncio.aio_as_trio(pool._async__init__)()  # noqa: SLF001 - what awaiting it does
        connections = Connections(loop, pool, size)
        try:
            yield connections
        finally:
            with trio.move_on_after(CLEANUP_WITHIN, shield=True):
                await connections._end()  # noqa: SLF001 - it is made and closed here
            connections.terminate()
