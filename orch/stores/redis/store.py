"""The Redis store, for a service of several processes on one machine or many.

A script on the server assigns each message its offset, stores and publishes it atomically
(``scripts/append.lua``), so that two messages never get the same offset. Every worker with participants in
the session receives it and delivers it in order, once; missed messages are read from the history
(:mod:`orch.stores.redis.feed`).

One task sends all commands on one connection (:mod:`orch.stores.redis.pipeline`), a second connection
receives publications; :mod:`orch.stores.redis.connector` maintains both.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from typing import Final, Never

import trio
from msgspec import Struct

from orch.settings.redis_url import read_address
from orch.stores.operations import QueueLimits
from orch.stores.protocols import IgnoreEvents, StoreEvents
from orch.stores.records import Appended
from orch.stores.redis.calls import load_scripts
from orch.stores.redis.cluster import RedisCluster
from orch.stores.redis.commands import SessionCommands
from orch.stores.redis.connector import Connector, State
from orch.stores.redis.document_commands import DocumentCommands
from orch.stores.redis.documents import RedisDocuments
from orch.stores.redis.feed import Feed
from orch.stores.redis.join_code_commands import JoinCodeCommands
from orch.stores.redis.join_codes import RedisJoinCodes
from orch.stores.redis.pipeline import QUEUE_LIMITS, Pipeline
from orch.stores.redis.rate_commands import RateCommands
from orch.stores.redis.rates import RedisRates
from orch.stores.redis.sessions import RedisSessions
from orch.stores.redis.sign_ins import RedisSignIns
from orch.stores.redis.times import REDIS_TIMES, RedisTimes
from orch.stores.redis.troubles import Damper
from orch.stores.status import StoreStatus, readings
from orch.telemetry.boundaries import Boundary
from orch.telemetry.names.metric import Distribution, Reading

#: Seconds that a state must last before it is announced.
STEADY_AFTER: Final = 1.0


class RedisStatistics(Struct, frozen=True):
    """The store's figures. ``commit_ms``: duration of the last batch; ``watched``: followed sessions.

    ``trouble``: the current problem, its effect and the remedy; ``cautions``: warnings about risks for
    messages. ``open``: it accepts writes.
    """

    url: str
    state: State
    open: bool
    waiting: int
    limit: int
    waiting_bytes: int
    operations: int
    commits: int
    failures: int
    reconnects: int
    watched: int
    caught_up: int
    commit_ms: float | None
    last_error: str | None
    trouble: str | None
    cautions: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The engine and its state, in a few words."""
        return f"redis, {self.state}"


class RedisStore(RedisSessions):
    """Stores sessions in the Redis at ``url``.

    ``cluster``, ``sign_ins``, ``join_codes`` and ``documents`` are stored there as well.

    ``lifetime``: seconds after which a session that no worker uses expires; so nothing stays for longer after
    the service has stopped for good.

    Acknowledged messages are as durable as the server: with ``appendonly yes`` nothing is lost when it is
    killed. Without it a restarted server may have lost the last moments; then every session gets a new epoch,
    so that no client recovers wrongly.

    Error handling: while the server is unreachable, operations wait up to ``limits.patience``, then fail with
    ``store_unavailable``. Such an operation may have been done nevertheless.
    """

    def __init__(
        self,
        url: str,
        *,
        lifetime: Callable[[], float] = lambda: 86_400.0,
        wall: Callable[[], float] = time.time,
        times: RedisTimes = REDIS_TIMES,
        limits: QueueLimits = QUEUE_LIMITS,
    ) -> None:
        worker = secrets.token_hex(8)
        scripts = load_scripts()
        database = _database(url)
        self._worker = worker
        self._tokens = 0
        self._boundary = Boundary("store")
        self._events: StoreEvents = IgnoreEvents()
        commands = SessionCommands(
            scripts,
            writer=worker,
            lifetime=lifetime,
            database=database,
            unreadable=self._unreadable,
        )
        code_commands = JoinCodeCommands(
            scripts, writer=worker, database=database, unreadable=self._unreadable
        )
        document_commands = DocumentCommands(
            scripts, writer=worker, database=database, unreadable=self._unreadable
        )
        rate_commands = RateCommands(scripts, writer=worker, database=database, unreadable=self._unreadable)
        self._pipeline = Pipeline(
            commands,
            stored=self._stored,
            failed=self._failed,
            damaged=self._damaged,
            missing=self._doubt,
            known=self._known,
            limits=limits,
        )
        super().__init__(commands, self._pipeline, missing=self._doubt, token=self._new_token)
        self._feed = Feed(
            commands,
            worker=worker,
            database=database,
            execute=self._pipeline.execute,
            offer=self._pipeline.offer,
            times=times,
            patience=limits.patience,
        )
        self._connector = Connector(
            url,
            scripts=scripts,
            commands=commands,
            probed=(code_commands, document_commands, rate_commands),
            pipeline=self._pipeline,
            feed=self._feed,
            changed=self._connection_changed,
            wall=wall,
            times=times,
        )
        self.cluster = RedisCluster(
            commands,
            self._pipeline,
            self._feed,
            worker=worker,
            is_open=lambda: self._connector.state == "open",
            token=self._new_token,
        )
        self.sign_ins = RedisSignIns(commands, self._pipeline)
        self.join_codes = RedisJoinCodes(code_commands, self._pipeline)
        self.documents = RedisDocuments(document_commands, self._pipeline, token=self._new_token)
        self.rates = RedisRates(rate_commands, self._pipeline)

    def __repr__(self) -> str:
        return (
            f"<RedisStore {self._connector.url} {self._connector.state}, {self._pipeline.waiting} waiting,"
            f" {len(self._feed)} watched>"
        )

    @property
    def boundaries(self) -> tuple[Boundary, ...]:
        """The loops that continue after one of their items failed."""
        return (self._boundary, self._connector.boundary, self._feed.boundary, self._feed.surveys.boundary)

    def register(self, events: StoreEvents) -> None:
        """Register the handler of events: one, before the store runs."""
        self._events = self._feed.events = events

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads."""
        store = self.statistics()
        yield from readings(
            self.status(),
            waiting=store.waiting,
            limit=store.limit,
            failures=store.failures,
            seconds=self._pipeline.seconds,
        )
        for boundary in self.boundaries:
            yield from boundary.readings()

    def statistics(self) -> RedisStatistics:
        """Return the store's figures."""
        pipeline, connector = self._pipeline, self._connector
        return RedisStatistics(
            url=connector.url,
            state=connector.state,
            open=connector.state == "open",
            waiting=pipeline.waiting,
            limit=pipeline.limits.operations,
            waiting_bytes=pipeline.waiting_bytes,
            operations=pipeline.operations,
            commits=pipeline.exchanges,
            failures=pipeline.failures + self._feed.failures,
            reconnects=max(connector.connections - 1, 0),
            watched=len(self._feed),
            caught_up=self._feed.catch_up.count,
            commit_ms=None if pipeline.exchange_seconds is None else pipeline.exchange_seconds * 1000,
            last_error=connector.last_error,
            trouble=connector.trouble,
            cautions=connector.cautions,
        )

    def status(self) -> StoreStatus:
        """Return the store's status as sentences."""
        connector = self._connector
        is_open = connector.state == "open" and not connector.is_slow
        why = connector.trouble or "not reached yet."
        if connector.is_slow:
            why = (
                "No reply for more than 2 s: it is busy, stopped, or the network is slow. Messages are "
                "queued for up to 10 s, then rejected. Check the server (redis-cli --latency, SLOWLOG "
                "GET)."
            )
        reason = "" if is_open else f"Redis at {connector.url}: {why}"
        return StoreStatus(
            engine="redis",
            state="healthy" if is_open else "degraded",
            reason=reason,
            since=connector.since,
            cautions=connector.cautions,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Stay connected until cancelled; may be run again afterwards.

        Usable once the server was reached for the first time. When cancelled, queued operations are still
        stored if the server can be reached.
        """
        is_first = True

        def opened() -> None:
            nonlocal is_first
            if is_first:
                task_status.started()
            is_first = False

        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pipeline.refuse_overdue)
                nursery.start_soon(self._announce)
                self._pipeline.open()
                await self._connector.run(opened)
        finally:
            self._pipeline.close()
            self._feed.close()

    async def _announce(self) -> Never:
        """Report the status once it has lasted, so that a connection that flaps causes no messages."""
        damper = Damper(STEADY_AFTER, announced=True)
        while True:
            await trio.sleep(STEADY_AFTER / 4)
            with self._boundary.item(step="announce"):
                status = self.status()
                if damper.observe(status.state == "healthy", trio.current_time()) is not None:
                    self._events.status_changed(status)

    def wall(self) -> float:
        """Return the time by the server's clock, in seconds since the epoch."""
        return self._connector.wall()

    # Callbacks of the parts, which are built before the objects they call.

    def _stored(self, appended: Appended, done: Callable[[], None]) -> None:
        self._feed.stored(appended, done)

    def _known(self, session_id: str) -> tuple[str, int]:
        return self._feed.known(session_id)

    def _doubt(self, session_id: str) -> None:
        self._feed.doubt(session_id)

    def _failed(self, reason: str) -> None:
        self._connector.failed(reason)

    def _damaged(self, names: str, reason: str) -> None:
        self._connector.damaged(names, reason)

    def _unreadable(self, key: bytes, error: Exception) -> None:
        self._connector.damaged(key.decode(errors="replace"), str(error))

    def _connection_changed(self, is_open: bool) -> None:  # noqa: FBT001 - as StoreEvents has it
        with self._boundary.item(step="connection changed"):
            self._events.connection_changed(is_open)

    def _new_token(self) -> str:
        self._tokens += 1
        return f"{self._worker}:{self._tokens}"


def _database(url: str) -> int:
    try:
        return read_address(url).database
    except ValueError:
        return 0  # not used: connecting reports what is wrong with the address
