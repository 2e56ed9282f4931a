"""Sessions in Redis: the store of a service that runs as several processes, on one machine or many.

Whoever appends a message has the server give it its offset, keep it and publish it in one step
(``scripts/append.lua``), so that two workers never give one offset to two messages. Every worker with
someone in the session hears of it and passes it on in order, once; what it did not hear it reads from the
history (:mod:`orch.stores.redis.feed`).

One task speaks on one connection for all who ask (:mod:`orch.stores.redis.pipeline`), a second connection
hears the news; :mod:`orch.stores.redis.connector` keeps both.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, Never

import trio
from msgspec import Struct

from orch.problems import ProblemError
from orch.settings.redis_url import read_address
from orch.stores import records
from orch.stores.history import NOBODYS_CAPTION, Kind, Limits, Losses, Share
from orch.stores.records import (
    Answers,
    Appended,
    KeptFrame,
    KeptSettings,
    Origin,
    ParticipantRecord,
    SessionRecord,
    surplus_participants,
)
from orch.stores.redis.calls import load_scripts, message
from orch.stores.redis.commands import SessionCommands
from orch.stores.redis.connector import Connecting, State
from orch.stores.redis.feed import Feed, load
from orch.stores.redis.pipeline import PATIENCE, QUEUE_LIMIT, Append, Pipeline
from orch.stores.redis.troubles import Damper
from orch.stores.status import StoreStanding, readings
from orch.telemetry.boundaries import Boundary
from orch.telemetry.metric_names import Reading

#: Sessions looked at in one step of a sweep.
STEP: Final = 500
#: Seconds that a state has to last before it is announced.
STEADY_AFTER: Final = 1.0


class RedisStatistics(Struct, frozen=True):
    """The store now. ``commit_ms``: what the last batch took; ``watched``: sessions followed.

    ``trouble``: what is the matter now, what that means and what to do; ``cautions``: what may cost messages
    although all works. ``open``: it takes writes.
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


class _AppendTicket:
    """A message on its way; see :class:`orch.stores.records.Ticket`."""

    __slots__ = ("_operation",)

    def __init__(self, operation: Append) -> None:
        self._operation = operation

    async def wait(self) -> int:
        appended = await self._operation.result()
        if appended is None:
            raise ProblemError("unknown_session", f"No session is called {self._operation.session_id}.")
        return appended.offset


class RedisStore:
    """Keeps sessions in the Redis at ``url``; see :class:`orch.stores.records.ClusterStore`.

    ``lifetime``: seconds that a session stays which no worker touches any more; a service that stops for good
    leaves nothing behind for longer.

    What was answered is kept as long as the server keeps it: with ``appendonly yes`` nothing is lost when it
    is killed. A server without it that starts anew may have lost the last moments; then every session gets a
    new epoch, so that no recovery pretends otherwise.

    Error handling: a server that is away costs a wait of up to ``PATIENCE``, then ``store_unavailable``. An
    operation refused so may have been done all the same.
    """

    def __init__(
        self,
        url: str,
        *,
        lifetime: Callable[[], float] = lambda: 86_400.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        worker = secrets.token_hex(8)
        self._scripts = load_scripts()
        database = _database(url)
        self._commands = SessionCommands(
            self._scripts,
            writer=worker,
            lifetime=lifetime,
            database=database,
            unreadable=self._unreadable,
        )
        self._pipeline = Pipeline(
            self._commands,
            passed_on=self._passed_on,
            failed=self._failed,
            damaged=self._damaged,
            missing=self._missing,
            known=self._known,
        )
        self._feed = Feed(
            self,
            self._commands,
            worker=worker,
            database=database,
            execute=self._pipeline.execute,
            offer=self._pipeline.offer,
        )
        self._connecting = Connecting(
            url,
            scripts=self._scripts,
            commands=self._commands,
            pipeline=self._pipeline,
            feed=self._feed,
            changed=self._changed,
            wall=wall,
        )
        self._tokens = 0
        self._boundary = Boundary("store")
        self._crowded: tuple[str, ...] = ()
        self._worker = worker
        self.on_appended: Callable[[Appended], None] | None = None
        self.on_told: Callable[[str, bytes], None] | None = None
        self.on_gone: Callable[[str], None] | None = None
        self.on_lost: Callable[[str], None] | None = None
        self.on_asked: Callable[[bytes], bytes] | None = None
        self.is_unused: Callable[[str], bool] | None = None
        self.on_state: Callable[[bool], None] | None = None
        self.on_steady: Callable[[bool], None] | None = None

    def __repr__(self) -> str:
        return (
            f"<RedisStore {self._connecting.url} {self._connecting.state}, {self._pipeline.waiting} waiting,"
            f" {len(self._feed)} watched>"
        )

    @property
    def boundaries(self) -> tuple[Boundary, ...]:
        """The loops that go on although one of their items failed."""
        return (self._boundary, self._connecting.boundary, self._feed.boundary)

    @property
    def sign_ins(self) -> "RedisStore":
        """Where operators' sign-ins are stored: here as well."""
        return self

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        store = self.statistics()
        yield from readings(self.standing(), waiting=store.waiting, failures=store.failures)
        for boundary in self.boundaries:
            yield from boundary.readings()

    def statistics(self) -> RedisStatistics:
        """Return the store's figures."""
        pipeline, connecting = self._pipeline, self._connecting
        return RedisStatistics(
            url=connecting.url,
            state=connecting.state,
            open=connecting.state == "open",
            waiting=pipeline.waiting,
            limit=QUEUE_LIMIT,
            waiting_bytes=pipeline.waiting_bytes,
            operations=pipeline.operations,
            commits=pipeline.exchanges,
            failures=pipeline.failures + self._feed.failures,
            reconnects=max(connecting.connections - 1, 0),
            watched=len(self._feed),
            caught_up=self._feed.caught_up,
            commit_ms=None if pipeline.exchange_seconds is None else pipeline.exchange_seconds * 1000,
            last_error=connecting.last_error,
            trouble=connecting.trouble,
            cautions=connecting.cautions,
        )

    def standing(self) -> StoreStanding:
        """Return how the store is, in words."""
        connecting = self._connecting
        is_open = connecting.state == "open" and not connecting.is_slow
        why = connecting.trouble or "not reached yet."
        if connecting.is_slow:
            why = (
                "No reply for more than 2 s: it is busy, stopped, or the network is slow. Messages are "
                "queued for up to 10 s, then rejected. Check the server (redis-cli --latency, SLOWLOG "
                "GET)."
            )
        reason = "" if is_open else f"Redis at {connecting.url}: {why}"
        return StoreStanding(
            engine="redis",
            state="healthy" if is_open else "degraded",
            reason=reason,
            since=connecting.since,
            cautions=connecting.cautions,
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep connected until cancelled; may be run again afterwards.

        It is usable once the server was reached for the first time; until then it tries. Cancelled, what was
        taken in is still kept, where the server can be reached.
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
                await self._connecting.run(opened)
        finally:
            self._pipeline.close()
            self._feed.close()

    async def _announce(self) -> Never:
        """Announce how the store is once that has lasted a second, so that a path that flaps is quiet."""
        damper = Damper(STEADY_AFTER, announced=True)
        while True:
            await trio.sleep(STEADY_AFTER / 4)
            with self._boundary.item(step="announce"):
                state = damper.observe(self.standing().state == "healthy", trio.current_time())
                if state is not None and self.on_steady is not None:
                    self.on_steady(state)

    def wall(self) -> float:
        """Return the time by the server's clock, in seconds since the epoch."""
        return self._connecting.wall()

    # What a store of sessions does.

    async def create(
        self, record: SessionRecord, owner: ParticipantRecord | None = None, *, begun_from: str = ""
    ) -> bool:
        """Keep a new session, and who it belongs to. False: there is one of this name."""
        is_new = await self._pipeline.execute(self._commands.create(record, owner, token=self._token()))
        if is_new and begun_from:
            await self._pipeline.execute(self._commands.note_begun(begun_from, record))
        return is_new

    async def begun_from(self, address: str, most: int) -> int:
        """Return how many sessions there are that were begun from an address, on any worker."""
        count = await self._pipeline.execute(self._commands.count_begun(address))
        if count < most:
            return count
        # Those that have ended are still among them.
        names = await self._pipeline.execute(self._commands.begun(address))
        for start in range(0, len(names), STEP):
            part = names[start : start + STEP]
            there = await self._pipeline.execute(self._commands.indexed(part))
            gone = [name for name, is_there in zip(part, there, strict=True) if not is_there]
            if gone:
                await self._pipeline.execute(self._commands.forget_begun(address, gone))
                count -= len(gone)
        return count

    async def load(self, session_id: str) -> SessionRecord | None:
        """Return the session, or None."""
        return await load(self._pipeline.execute, self._commands, session_id)

    async def newest(self, limit: int) -> tuple[SessionRecord, ...]:
        """Return the sessions that were last active, newest first."""
        names = await self._pipeline.execute(self._commands.newest(limit))
        found = await self._heads(names)
        return tuple(record for name in names if (record := found.get(name)) is not None)

    async def count(self) -> int:
        """Return how many sessions are kept."""
        return await self._pipeline.execute(self._commands.count())

    async def used_bytes(self) -> int:
        """Return how many bytes all sessions take, counted one by one: others may share the server."""
        used = start = 0
        while names := await self._pipeline.execute(self._commands.between(start, start + STEP - 1)):
            start += len(names)
            used += await self._pipeline.execute(self._commands.used_bytes(names))
        return used

    async def delete(self, session_ids: Sequence[str], *, idle_since: float | None = None) -> tuple[str, ...]:
        """Forget sessions, what was said in them and who was there; every worker in one is told."""
        if not session_ids:
            return ()
        call = self._commands.delete(session_ids, token=self._token(), idle_since=idle_since)
        gone = await self._pipeline.execute(call)
        # What there was not is in the index no more either, unless it is in use.
        left = session_ids if idle_since is None else gone
        if left:
            await self._pipeline.execute(self._commands.unindex(left))
        return gone

    async def touch(self, session_ids: Sequence[str], at: float) -> None:
        """Note that the sessions are in use; who is in one that there is none of any more is told."""
        for start in range(0, len(session_ids), STEP):
            wanted = session_ids[start : start + STEP]
            found = await self._pipeline.execute(self._commands.touch(wanted, at))
            there = [name for name, is_there in found.items() if is_there]
            if there:
                await self._pipeline.execute(self._commands.index(there, at))
            for session_id in found.keys() - set(there):
                self._feed.doubt(session_id)

    async def idle(self, before: float, limit: int) -> tuple[str, ...]:
        """Return sessions last active before then, oldest first."""
        while True:
            names = await self._pipeline.execute(self._commands.idle(before, limit))
            found = await self._heads(names)
            late = {name: record for name, record in found.items() if not _is_idle(record, before)}
            if not late:
                return tuple(names)
            # The index is written after the session: it was behind, and says the same from here on.
            await self._pipeline.execute(self._commands.mend_index(late))

    async def begin_append(
        self,
        session_id: str,
        body: bytes,
        *,
        at: float,
        limits: Limits,
        share: Share = NOBODYS_CAPTION,
        origin: Origin | None = None,
        settled: Callable[[], None] | None = None,
    ) -> _AppendTicket:
        """Take a message in, in the order of the calls, and return at once where there is room."""
        after = None if settled is None else partial(self._settled, settled)
        operation = Append(session_id, message(body, at, share, origin), limits, after)
        await self._pipeline.enqueue(operation, leaves_room=share.kind is not Kind.CAPTION)
        return _AppendTicket(operation)

    async def read(
        self, session_id: str, *, after: int, until: int, size: int | None = None
    ) -> tuple[KeptFrame, ...]:
        """Return what is kept of the offsets after ``after`` up to ``until``: the oldest ``size`` bytes."""
        return await self._pipeline.execute(self._commands.read(session_id, after, until, size))

    async def losses(self, session_id: str) -> Losses | None:
        """Return what was dropped of a session's history so far; None: there is no such session."""
        return await self._pipeline.execute(self._commands.losses(session_id))

    async def prune(self, now: float, limits: Limits) -> int:
        """Drop what is over the limits in every session; note which of them are crowded."""
        dropped = start = 0
        crowded: list[str] = []
        while names := await self._pipeline.execute(self._commands.between(start, start + STEP - 1)):
            start += len(names)
            pruned = await self._pipeline.execute(self._commands.prune(names, now, limits))
            for name, (gone, there) in zip(names, pruned, strict=True):
                dropped += gone
                if there > records.PARTICIPANTS_KEPT:
                    crowded.append(name)
        self._crowded = tuple(crowded)
        return dropped

    async def crowded(self) -> tuple[str, ...]:
        """Return the sessions that more could return to than are kept when :meth:`prune` last looked."""
        return self._crowded

    async def thin_out(self, session_id: str, present: frozenset[str], at: float) -> int:
        """Forget those who were in a crowded session longest ago, other than owners and who is present."""
        there = await self._pipeline.execute(self._commands.participants(session_id))
        speakers = await self._pipeline.execute(self._commands.speakers(session_id))
        late = surplus_participants(there, present, records.PARTICIPANTS_KEPT, speakers)
        if late:
            await self._pipeline.execute(self._commands.drop_participants(session_id, late))
        here = [one for one in there if one.participant_id in present and one.seen < at]
        for start in range(0, len(here), STEP):
            await self._pipeline.execute(self._commands.see(session_id, here[start : start + STEP], at))
        return len(late)

    async def put_participant(self, session_id: str, participant: ParticipantRecord) -> bool:
        """Keep someone's right to return, or change it. False: there is no such session."""
        return await self._pipeline.execute(self._commands.put_participant(session_id, participant))

    async def participant(self, session_id: str, participant_id: str) -> ParticipantRecord | None:
        """Return someone who may return, or None."""
        return await self._pipeline.execute(self._commands.participant(session_id, participant_id))

    async def drop_participant(self, session_id: str, participant_id: str) -> None:
        """Forget someone."""
        await self._pipeline.execute(self._commands.drop_participants(session_id, [participant_id]))

    # What a store of several workers does.

    async def watch(self, session_id: str) -> SessionRecord | None:
        """Return the session and pass on what is appended to it from there on, or None."""
        return await self._feed.watch(session_id, PATIENCE)

    async def reach(self, session_id: str, offset: int) -> None:
        """Return once all up to ``offset`` was told of, or it is sure that there is no such message."""
        await self._feed.reach(session_id, offset)

    def tell(self, session_id: str, payload: bytes) -> None:
        """Tell the other workers with someone in the session something passing; it may be lost."""
        self._pipeline.offer(self._commands.tell(session_id, payload))

    async def survey(self, session_id: str, payload: bytes) -> int:
        """Tell the other workers that follow the session something; return how many of them there are."""
        return max(await self._pipeline.execute(self._commands.tell(session_id, payload)) - 1, 0)

    async def take_lease(self, name: str, holder: str, seconds: float) -> int | None:
        """Take or renew a lease; return the fence, or None: another has it."""
        return await self._pipeline.execute(self._commands.take_lease(name, holder, int(seconds * 1000)))

    async def drop_lease(self, name: str, holder: str) -> None:
        """Give a lease back, if it is the holder's."""
        await self._pipeline.execute(self._commands.drop_lease(name, holder))

    async def settings(self) -> KeptSettings:
        """Return what operators have changed while the service runs."""
        return await self._pipeline.execute(self._commands.settings())

    async def keep_settings(self, known: int, kept: KeptSettings) -> bool:
        """Keep what operators have changed, where its revision is still the one that is ``known``."""
        return await self._pipeline.execute(self._commands.keep_settings(known, kept, token=self._token()))

    async def keep_sign_in(self, name: str, *, now: float, seconds: float) -> None:
        """Keep an operator's sign-in for so many seconds; the server's own clock counts them."""
        del now
        await self._pipeline.execute(self._commands.keep_sign_in(name, seconds))

    async def touch_sign_in(self, name: str, *, now: float, seconds: float) -> bool:
        """Extend a sign-in by this many seconds; False if it does not exist."""
        del now
        return await self._pipeline.execute(self._commands.touch_sign_in(name, seconds))

    async def drop_sign_in(self, name: str) -> None:
        """End a sign-in."""
        await self._pipeline.execute(self._commands.drop_sign_in(name))

    @property
    def worker(self) -> str:
        """This worker's name."""
        return self._worker

    async def ask(self, payload: bytes, *, within: float, only: str | None = None) -> Answers:
        """Ask all other workers, or only one; return what was answered within that many seconds."""
        if self._connecting.state != "open":
            raise ProblemError("store_unavailable", "The other workers cannot be reached right now.")
        return await self._feed.asking.ask(payload, within=within, only=only)

    # Inside.

    async def _heads(self, names: Sequence[str]) -> dict[str, SessionRecord | None]:
        return await self._pipeline.execute(self._commands.heads(names)) if names else {}

    def _passed_on(self, appended: Appended, done: Callable[[], None]) -> None:
        self._feed.kept(appended, done)

    def _known(self, session_id: str) -> tuple[str, int]:
        return self._feed.known(session_id)

    def _missing(self, session_id: str) -> None:
        self._feed.doubt(session_id)

    def _failed(self, reason: str) -> None:
        self._connecting.failed(reason)

    def _damaged(self, names: str, reason: str) -> None:
        self._connecting.damaged(names, reason)

    def _unreadable(self, key: bytes, error: Exception) -> None:
        self._connecting.damaged(key.decode(errors="replace"), str(error))

    def _changed(self, is_open: bool) -> None:  # noqa: FBT001 - told as on_state is
        if self.on_state is not None:
            self.on_state(is_open)

    def _settled(self, settled: Callable[[], None], _appended: Appended | None) -> None:
        settled()

    def _token(self) -> str:
        self._tokens += 1
        return f"{self._worker}:{self._tokens}"


def _database(url: str) -> int:
    try:
        return read_address(url).database
    except ValueError:
        return 0  # nothing comes of it: connecting says what is wrong with the address


def _is_idle(record: SessionRecord | None, before: float) -> bool:
    return record is not None and record.last_active < before
