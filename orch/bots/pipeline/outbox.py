"""Carries out what the pipeline decided, in order: records, messages of the hub, webhooks.

Each of the three has a lane of its own, so that a store that is slow does not hold up captions, nor a hub
that cannot store the records.

Overflow rule: nothing is dropped. :meth:`Outbox.room` waits while a lane has :data:`LIMIT` items; callers
that observe or publish await it first, so a lane exceeds the limit by what one observation decides.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Generic, Never, TypeVar

import structlog
import trio
from msgspec import Struct

from orch.bots.pipeline.effects import Effect, Keep, Publish, Send, Tell
from orch.bots.pipeline.ports import Announce, HubSession, Records
from orch.problems import ProblemError
from orch.stores.bot_records import RefusedRecordError

LIMIT: Final = 2_000
AGAIN: Final = 1.0
"""Seconds between two attempts to publish while the hub's store is away."""

Item = TypeVar("Item")
_log = structlog.get_logger("bots")


class OutboxStatistics(Struct, frozen=True, kw_only=True):
    """What waits in each lane, and what was given up: messages of a session that has ended, bad records."""

    records: int
    messages: int
    webhooks: int
    dropped: int
    refused: int


class _Lane(Generic[Item]):
    """A queue with one task that empties it. The mutable state is the queue and the item being done."""

    def __init__(self, do: Callable[[Item], Awaitable[None]]) -> None:
        self._do = do
        self._items: deque[Item] = deque()
        self._work = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Item) -> None:
        self._items.append(item)
        self._work.unpark()

    async def room(self) -> None:
        while len(self._items) >= LIMIT:
            await self._room.park()

    async def drain(self) -> None:
        while self._items:
            await self._room.park()

    async def run(self) -> Never:
        while True:
            if not self._items:
                await self._work.park()
                continue
            await self._do(self._items[0])  # an item that is cancelled is done again by the next run
            self._items.popleft()
            self._room.unpark_all()


class Outbox:
    """The mutable state is the three lanes, and whether the hub's session has ended."""

    def __init__(self, *, hub: HubSession, records: Records, announce: Announce | None) -> None:
        self._hub = hub
        self._store = records
        self._announce = announce
        self._is_gone = False
        self._dropped = self._refused = 0
        self._records: _Lane[Keep] = _Lane(self._keep)
        self._messages: _Lane[Publish] = _Lane(self._publish)
        self._webhooks: _Lane[Tell] = _Lane(self._tell)
        self._lanes = (self._records, self._messages, self._webhooks)

    def __repr__(self) -> str:
        return f"<Outbox {self.statistics()}>"

    def add(self, effects: Iterable[Effect]) -> None:
        """Queue effects; what is not stored is sent at once."""
        for effect in effects:
            match effect:
                case Keep():
                    self._records.add(effect)
                case Publish():
                    if not self._is_gone:
                        self._messages.add(effect)
                case Send():
                    self._hub.send(effect.message)
                case Tell():
                    if self._announce is not None:
                        self._webhooks.add(effect)
                case _:
                    pass

    async def room(self) -> None:
        """Wait until no lane is full."""
        for lane in self._lanes:
            await lane.room()

    async def drain(self) -> None:
        """Wait until all is done that was queued."""
        for lane in self._lanes:
            await lane.drain()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do what is queued until cancelled. What records, hub and webhooks raise leaves it."""
        async with trio.open_nursery() as nursery:
            for lane in self._lanes:
                nursery.start_soon(lane.run)
            task_status.started()

    async def _keep(self, effect: Keep) -> None:
        try:
            await self._store.put(effect.record)
        except RefusedRecordError as error:
            self._refused += 1
            _log.error("captured record refused", kind=type(effect.record).__name__, reason=str(error))

    async def _publish(self, effect: Publish) -> None:
        is_away = False
        while not self._is_gone:
            try:
                await self._hub.publish(effect.message, speaker=effect.speaker)
            except ProblemError as error:
                if error.code != "store_unavailable":
                    self._given_up(error)
                    return
                if not is_away:
                    _log.warning("captions of a bot wait for the store", reason=error.detail)
                is_away = True
                await trio.sleep(AGAIN)
            else:
                return

    def _given_up(self, error: ProblemError) -> None:
        self._dropped += 1
        if error.code == "unknown_session" and not self._is_gone:
            self._is_gone = True
            _log.warning("session of a bot has ended: captions are stored only", reason=error.detail)
        elif error.code != "unknown_session":
            _log.error("message of a bot refused", code=error.code, reason=error.detail)

    async def _tell(self, effect: Tell) -> None:
        if self._announce is not None:
            await self._announce(effect.trigger, effect.at, effect.data)

    def statistics(self) -> OutboxStatistics:
        """Return the figures."""
        return OutboxStatistics(
            records=len(self._records),
            messages=len(self._messages),
            webhooks=len(self._webhooks),
            dropped=self._dropped,
            refused=self._refused,
        )
