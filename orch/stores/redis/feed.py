"""What a worker hears of the sessions that someone on it is in.

Published messages are lost whenever a connection is, and nobody says so. So each session is followed by its
offsets (:mod:`orch.stores.redis.sequencer`), and after every connection, and at every hole, the history is
asked for what was not heard.
"""

from collections.abc import Callable
from typing import Any, Final, Never

import msgspec
import structlog
import trio

from orch.problems import ProblemError
from orch.protocol.identifiers import new_session_keys
from orch.stores.history import is_whole
from orch.stores.protocols import IgnoreEvents, StoreEvents
from orch.stores.records import Appended, SessionRecord
from orch.stores.redis.calls import Call
from orch.stores.redis.commands import SessionCommands
from orch.stores.redis.connection import Link, LinkLostError
from orch.stores.redis.keys import (
    Told,
    appended,
    channel_session,
    decode_published,
    off_wire,
)
from orch.stores.redis.sequencer import Follower
from orch.stores.redis.subscriptions import Subscriptions
from orch.stores.redis.survey import Asking, Execute
from orch.stores.redis.troubles import Seldom
from orch.telemetry.boundaries import Boundary

#: How long a hole is left to the news that may still be on its way.
GRACE: Final = 0.03
#: Sessions that are looked at at once.
STEP: Final = 500
#: Seconds within which every session is looked at though nothing is amiss: keys may have been dropped (an
#: operator's ``FLUSHALL``, a full server that evicts), and nobody publishes that.
AUDIT_EVERY: Final = 5.0
#: Sessions looked at so in a second, at most: with more than five thousand it takes longer.
AUDITED_A_SECOND: Final = 1_000
#: Seconds after which a session is looked at again that is not there: that it was ended may be on its way.
LOST_AFTER: Final = 0.5
#: Seconds between looks at which sessions nobody is in any more, and between signs of life.
LET_GO_EVERY: Final = 5.0
PING_EVERY: Final = 5.0
#: Seconds until the same trouble with what is published is logged again.
SAY_AGAIN: Final = 60.0

_log = structlog.get_logger(__name__)


async def load(execute: Execute, commands: SessionCommands, session_id: str) -> SessionRecord | None:
    """Return a session, or None; one from before there were keys is given its keys."""
    record = await execute(commands.load(session_id))
    while record is not None and not record.keys.read:
        await execute(commands.give_keys(session_id, new_session_keys()))
        record = await execute(commands.load(session_id))
    return record


class Feed:
    """Follows sessions, and passes on what is said in them: each message once, in order.

    The mutable state is the sessions followed, bounded by those in use on this worker, who waits for a
    message to be passed on, and which sessions must be looked at.
    """

    def __init__(
        self,
        commands: SessionCommands,
        *,
        worker: str,
        database: int,
        execute: Execute,
        offer: Callable[[Call[Any]], bool],
    ) -> None:
        self.events: StoreEvents = IgnoreEvents()
        self._commands = commands
        self._worker = worker
        self._execute = execute
        self.asking = Asking(commands, worker=worker, execute=execute, offer=offer)
        self._followers: dict[str, Follower] = {}
        self._subscriptions = Subscriptions(database)
        self._joining: dict[str, int] = {}
        self._ended: set[str] = set()
        self._waiting: dict[str, list[tuple[int, Callable[[], None]]]] = {}
        self._behind: dict[str, tuple[float, bool]] = {}
        self._work = trio.lowlevel.ParkingLot()
        self._said = Seldom(SAY_AGAIN)
        self.failures = self.caught_up = 0
        self.boundary = Boundary("store feed")

    def __len__(self) -> int:
        return len(self._followers)

    # Followed sessions.

    async def watch(self, session_id: str, patience: float) -> SessionRecord | None:
        """Follow a session; return it as of the last message that was passed on, or None.

        What is appended after that is passed on from here on; nothing is, before the caller has gone on.
        """
        follower = self._followers.get(session_id)
        if follower is None:
            follower = self._followers[session_id] = Follower()
            self._subscriptions.add(session_id)
        subscribed = self._subscriptions.heard(session_id)
        assert subscribed is not None  # noqa: S101 - whatever is followed is subscribed to
        self._joining[session_id] = self._joining.get(session_id, 0) + 1
        record: SessionRecord | None = None
        try:
            with trio.move_on_after(patience):
                await subscribed.wait()
            if not subscribed.is_set():
                raise ProblemError("store_unavailable", "The session store does not respond right now.")
            record = await self._load(session_id)
        finally:
            self._joining[session_id] -= 1
            if not self._joining[session_id]:
                del self._joining[session_id]
                self._ended.discard(session_id)
                is_known = self._followers.get(session_id) is follower
                if record is None and follower.position is None and is_known:
                    self._forget(session_id)
        if record is None:
            return None
        if self._followers.get(session_id) is not follower or (
            self._subscriptions.heard(session_id) is not subscribed
        ):
            # It ended while it was asked for, and there may be another one of the name; or the connection was
            # lost, and what was said before the next one listened would be missed.
            return await self.watch(session_id, patience)
        if follower.position is not None and follower.epoch != record.epoch:
            self._gone(session_id, keep=True)
            follower.position = None
        if follower.position is None:
            follower.begin(record.epoch, record.offset)
            if follower.is_behind:
                self._look_at(session_id, within=0.0)
        assert follower.position is not None  # noqa: S101 - begun above
        return msgspec.structs.replace(record, offset=follower.position)

    async def reach(self, session_id: str, offset: int) -> None:
        """Return once everything up to ``offset`` was passed on, or it is sure that there is no such message.

        Someone who comes from another worker may have heard there what is still on its way here.
        """
        record = await self._execute(self._commands.load(session_id))
        follower = self._followers.get(session_id)
        if record is None or record.offset < offset or follower is None:
            return
        if follower.position is None or follower.position >= offset:
            return
        reached = trio.Event()
        self._waiting.setdefault(session_id, []).append((offset, reached.set))
        self._look_at(session_id, within=0.0, must=True)
        await reached.wait()

    async def _load(self, session_id: str) -> SessionRecord | None:
        while True:
            record = await load(self._execute, self._commands, session_id)
            if session_id not in self._ended:
                return record
            # What was read may be from before its end.
            self._ended.discard(session_id)

    def kept(self, message: Appended, passed_on: Callable[[], None]) -> None:
        """Pass on a message that this worker appended; call ``passed_on`` once that is done."""
        follower = self._followers.get(message.session_id)
        if follower is not None:
            follower.confirm(message.offset)
        if follower is None or follower.position is None:
            if follower is not None:
                follower.take([message])
            self._report(message)
            passed_on()
            return
        self._pass_on(follower, message.session_id, [message])
        if follower.position >= message.offset:
            passed_on()
        else:
            self._waiting.setdefault(message.session_id, []).append((message.offset, passed_on))

    def close(self) -> None:
        """Let whoever still waits for a message go on: it is kept."""
        for session_id in tuple(self._waiting):
            self._release(session_id, None)

    # While there is a connection; LinkLostError ends each of these.

    async def listen(
        self, link: Link, *, task_status: trio.TaskStatus[trio.Event] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Hear what the server says, until the connection is lost; what is given back is set once it does."""
        try:
            task_status.started(self._subscriptions.begin(link, self.asking.channels))
            async for push in link.news():
                with self.boundary.item(LinkLostError, step="hear"):
                    self._heard(push)
        finally:
            self._subscriptions.end()
            for follower in self._followers.values():
                follower.disconnected()

    async def ping(self, link: Link) -> Never:
        """See to it that a connection that is dead without a word is found out."""
        while True:
            await trio.sleep(PING_EVERY)
            await link.exchange([(b"PING",)])

    async def audit(self) -> Never:
        """Look at every session now and then, a part at a time."""
        while True:
            waiting = list(self._followers)
            every = max(AUDIT_EVERY, len(waiting) / AUDITED_A_SECOND)
            pause = every / (1 + len(waiting) // STEP)
            for start in range(0, max(len(waiting), 1), STEP):
                await trio.sleep(pause)
                for session_id in waiting[start : start + STEP]:
                    with self.boundary.item(LinkLostError, step="audit"):
                        self.doubt(session_id)

    def known(self, session_id: str) -> tuple[str, int]:
        """Return a session's epoch and the newest offset given in it; none: nobody here follows it."""
        follower = self._followers.get(session_id)
        if follower is None or follower.position is None:
            return "", 0
        return follower.epoch, follower.sure

    def doubt(self, session_id: str) -> None:
        """Have a session looked at, where it is followed: it may be gone or another one."""
        follower = self._followers.get(session_id)
        if follower is not None and follower.position is not None:
            self._look_at(session_id, within=0.0, must=True)

    async def catch_up(self) -> Never:
        """Look at the sessions of which something may have been missed."""
        while True:
            while not self._behind:
                await self._work.park()
            await trio.sleep_until(min(due for due, _ in self._behind.values()))
            now = trio.current_time()
            due = [session_id for session_id, (at, _) in self._behind.items() if at <= now][:STEP]
            wanted = [
                session_id
                for session_id, (_, must) in [
                    (session_id, self._behind.pop(session_id)) for session_id in due
                ]
                if (follower := self._followers.get(session_id)) and (must or follower.is_behind)
            ]
            asked = {
                session_id: (follower.position or 0, follower.newest)
                for session_id in wanted
                if (follower := self._followers.get(session_id))
            }
            heads: dict[str, SessionRecord | None] | None = None
            with self.boundary.item(LinkLostError, step="catch up"):
                try:
                    heads = await self._execute(self._commands.heads(wanted)) if wanted else {}
                except ProblemError:
                    heads = None  # too late an answer
            if heads is None:
                for session_id in wanted:
                    self._look_at(session_id, within=1.0, must=True)
                continue
            async with trio.open_nursery() as nursery:
                for session_id, head in heads.items():
                    nursery.start_soon(self._mend_or_look_again, session_id, head, *asked[session_id])

    async def _mend_or_look_again(
        self, session_id: str, head: SessionRecord | None, passed_on: int, newest: int
    ) -> None:
        is_mended = False
        with self.boundary.item(LinkLostError, session=session_id):
            try:
                await self._mend(session_id, head, passed_on, newest)
                is_mended = True
            except ProblemError:
                is_mended = False  # looked at again
        if not is_mended:
            self._look_at(session_id, within=1.0, must=True)

    async def let_go(self) -> Never:
        """Follow no more what nobody here is in."""
        while True:
            await trio.sleep(LET_GO_EVERY)
            for session_id, follower in tuple(self._followers.items()):
                if follower.position is None or session_id in self._joining or session_id in self._waiting:
                    continue
                with self.boundary.item(LinkLostError, step="let go"):
                    if self.events.is_unused(session_id):
                        self._forget(session_id)

    # What was heard.

    def _heard(self, push: list[Any]) -> None:
        kind, name = bytes(push[0]), off_wire(bytes(push[1]))
        if kind in (b"message", b"smessage"):
            try:
                self._news(name, bytes(push[2]))
            except Exception as error:  # noqa: BLE001 - a boundary: anyone can publish anything
                self.failures += 1
                self.boundary.count()
                self._say_unreadable(name, error)
        elif kind in (b"subscribe", b"ssubscribe"):
            session_id = self._subscriptions.confirmed(name)
            if session_id is not None:
                self.doubt(session_id)

    def _say_unreadable(self, name: bytes, error: Exception) -> None:
        channel = name[:200].decode(errors="replace")
        if self._said.is_new(channel, trio.current_time()):
            _log.warning("message of another worker invalid", channel=channel, reason=str(error)[:200])

    def _news(self, name: bytes, data: bytes) -> None:
        if name in self.asking.channels:
            self.asking.heard(data, self.events.surveyed)
        else:
            session_id = channel_session(name)
            follower = self._followers.get(session_id)
            if follower is None:
                return
            news = decode_published(session_id, data)
            if isinstance(news, Appended):
                self._pass_on(follower, session_id, [news])
            elif isinstance(news, Told):
                self._told(session_id, news)

    def _told(self, session_id: str, news: Told) -> None:
        follower = self._followers[session_id]
        if news.kind == "ended":
            if session_id in self._joining:
                # What is being read may be from before the end.
                self._ended.add(session_id)
            if follower.position is None or follower.epoch != news.payload.decode():
                return  # another one of the name, or none yet
            follower.position = None
            self._gone(session_id, keep=session_id in self._joining)
        elif news.worker != self._worker:
            self._guarded(self.events.received, session_id, news.payload)

    # What is passed on.

    def _pass_on(self, follower: Follower, session_id: str, messages: list[Appended]) -> None:
        self._report_all(session_id, follower, follower.take(messages))

    def _report_all(self, session_id: str, follower: Follower, messages: list[Appended]) -> None:
        for message in messages:
            self._report(message)
        if session_id in self._waiting:
            self._release(session_id, follower.position)
        if follower.is_behind:
            self._look_at(session_id, within=GRACE)

    def _release(self, session_id: str, position: int | None) -> None:
        """Let those go on who wait for what is passed on up to here (None: for anything)."""
        waiting = self._waiting.pop(session_id, [])
        still = [each for each in waiting if position is not None and each[0] > position]
        if still:
            self._waiting[session_id] = still
        for each in waiting:
            if each not in still:
                each[1]()

    def _report(self, message: Appended) -> None:
        self._guarded(self.events.appended, message)

    def _guarded(self, listener: Callable[..., None], *news: Any) -> None:
        try:
            listener(*news)
        except Exception:  # noqa: BLE001 - a boundary: the listener is another room
            # Whoever listens must not stop what is passed on to everyone else.
            self.failures += 1
            self.boundary.count()
            _log.exception("listener to store events failed")

    async def _mend(self, session_id: str, head: SessionRecord | None, passed_on: int, newest: int) -> None:
        """Pass on what a session has and this worker has not heard."""
        follower = self._followers.get(session_id)
        if follower is None or follower.position is None:
            return
        if head is None or head.epoch != follower.epoch:
            if follower.is_missing:
                self._gone(session_id, is_lost=True)
            else:
                follower.is_missing = True
                self._look_at(session_id, within=LOST_AFTER, must=True)
            return
        follower.is_missing = False
        if not follower.compare(head.offset, passed_on=passed_on, newest=newest):
            self.failures += 1
            _log.warning("published message not stored", session=session_id, offset=passed_on)
        if follower.is_behind and follower.newest > head.offset:
            self._look_at(session_id, within=GRACE)
        if head.offset < follower.position and head.offset < follower.sure:
            _log.warning("store lost messages", session=session_id, offset=head.offset)
            await self._execute(self._commands.raise_offset(session_id, follower.epoch, follower.sure))
            return
        if head.offset <= follower.position:
            return
        await self._catch_up(session_id, follower.position, head.offset)

    async def _catch_up(self, session_id: str, after: int, until: int) -> None:
        entries = await self._execute(self._commands.entries(session_id, after, until))
        found = [appended(session_id, offset, header, data) for offset, header, data in entries]
        dropped = 0
        if not is_whole([each.offset for each in found], after=after, last=until):
            # Read after the messages: what is not among them had been dropped by then.
            losses = await self._execute(self._commands.losses(session_id))
            dropped = until if losses is None else losses.captions
        follower = self._followers.get(session_id)
        if follower is None or follower.position is None:
            return
        self.caught_up += 1
        if dropped <= follower.position:
            # Broadcasts may have been dropped: those here see that by the offsets.
            self._report_all(session_id, follower, follower.leap(found, until))
            return
        self._pass_on(follower, session_id, found)
        if follower.position < until:
            # Captions are no longer stored: those here must not believe that they have heard it all.
            _log.warning("missed messages no longer stored", session=session_id, offset=follower.position)
            self._gone(session_id, is_lost=True)

    def _gone(self, session_id: str, *, keep: bool = False, is_lost: bool = False) -> None:
        """Follow a session no more; ``is_lost``: nobody has said that it was ended."""
        if not keep:
            self._forget(session_id)
        self._release(session_id, None)
        self._guarded(self.events.lost if is_lost else self.events.ended, session_id)

    def _forget(self, session_id: str) -> None:
        self._followers.pop(session_id, None)
        self._behind.pop(session_id, None)
        self._subscriptions.drop(session_id)

    def _look_at(self, session_id: str, *, within: float, must: bool = False) -> None:
        due = trio.current_time() + within
        at, before = self._behind.get(session_id, (due, False))
        self._behind[session_id] = (min(at, due), must or before)
        self._work.unpark()
