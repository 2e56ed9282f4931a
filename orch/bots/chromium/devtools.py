"""A DevTools connection on Trio: a thin shell around :class:`~orch.bots.chromium.exchange.Exchange`.

One task reads, one writes. A command waits for its own reply; a cancelled one is forgotten, and since only
the writer touches the stream, a cancel never cuts a message in two.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any, Final, Never, Self

import trio

from orch.bots.chromium.errors import CommandError, ConnectionLostError, DevToolsError, root_error
from orch.bots.chromium.exchange import (
    Effects,
    Exchange,
    ExchangeStatistics,
    Outcome,
    Overflow,
    Subscription,
)
from orch.bots.chromium.messages import Event
from orch.bots.chromium.transports import Transport

MOST_WAITING: Final = 16
"""Commands that wait to be written. Further ones wait for room."""

CLOSING: Final = 2.0
"""Seconds that closing the transport may take."""


class EventStream:
    """The events of one subscription; iterate over it. Only one task reads."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._changed = trio.Event()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        return await self.receive()

    @property
    def lost(self) -> int:
        """How many events there was no room for."""
        return self._subscription.lost

    async def receive(self) -> Event:
        """Return the next event.

        Error handling: EventsLostError after the last event before a gap, ConnectionLostError after the last
        one of all.
        """
        await trio.lowlevel.checkpoint()
        while not self._subscription.events:
            if self._subscription.failure is not None:
                raise _fresh(self._subscription.failure)
            self._changed = trio.Event()
            await self._changed.wait()
        return self._subscription.events.popleft()

    def notify(self) -> None:
        """Wake the reader: the subscription has changed."""
        self._changed.set()


class _Reply:
    """The place of a reply that has not arrived."""

    def __init__(self) -> None:
        self.arrived = trio.Event()
        self.outcome: Outcome | None = None


class DevTools:
    """One connection to a browser.

    Resource handling: :meth:`run` owns the transport and closes it; all else may be used while it runs.

    Error handling: when the connection is lost, ``run`` raises ConnectionLostError, and so does every pending
    and later command and every subscription.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._exchange = Exchange()
        self._replies: dict[int, _Reply] = {}
        self._streams: dict[Subscription, EventStream] = {}
        self._holders = 0
        self._is_released = trio.Event()
        self._is_released.set()
        self._outgoing, self._written = trio.open_memory_channel[bytes](MOST_WAITING)

    async def run(self, *, task_status: trio.TaskStatus[Self] = trio.TASK_STATUS_IGNORED) -> Never:
        """Carry messages until cancelled or until the connection is lost."""
        lost = ConnectionLostError("The DevTools connection has been closed.")
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                task_status.started(self)
                while True:
                    for message in await self._transport.receive():
                        self._apply(self._exchange.receive(message))
        except* ConnectionLostError as group:
            lost = ConnectionLostError(*root_error(group).args)
        finally:
            self._apply(self._exchange.lose(lost))
            self._written.close()
            with trio.move_on_after(CLOSING, shield=True):
                await self._transport.aclose()
        raise lost

    async def command(
        self, method: str, params: Mapping[str, Any] | None = None, *, session: str = ""
    ) -> dict[str, Any]:
        """Send a command and return its result. ``session``: of an attached target, "" for the browser.

        Error handling: CommandError if the browser refuses; SessionLostError (PageCrashedError) if the
        target ends before it replies; ConnectionLostError. A crashed target's *later* commands get no reply,
        so callers have a deadline.
        """
        number, data = self._exchange.request(method, params, session=session)
        reply = self._replies[number] = _Reply()
        try:
            try:
                await self._outgoing.send(data)
            except trio.BrokenResourceError:
                await trio.lowlevel.checkpoint()  # the connection is lost, and the reply says so
            await reply.arrived.wait()
        finally:
            del self._replies[number]
            self._exchange.abandon(number)
        if isinstance(reply.outcome, DevToolsError):
            raise _fresh(reply.outcome)
        return reply.outcome or {}

    @contextmanager
    def subscribe(
        self,
        *methods: str,
        session: str | None = None,
        where: Mapping[str, Any] | None = None,
        capacity: int = 64,
        overflow: Overflow = Overflow.END,
    ) -> Iterator[EventStream]:
        """Subscribe to events for the length of the block, from its first line on.

        ``session``: None for all. ``where``: values that an event's ``params`` must have. A subscriber that
        is ``capacity`` events behind loses events by the rule of :class:`Overflow`; it never slows the
        connection.
        """
        subscription = self._exchange.subscribe(
            *methods, session=session, where=where, capacity=capacity, overflow=overflow
        )
        stream = self._streams[subscription] = EventStream(subscription)
        try:
            yield stream
        finally:
            del self._streams[subscription]
            self._exchange.unsubscribe(subscription)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have the connection last until the end of the block, where its owner waits for :meth:`released`."""
        self._holders += 1
        self._is_released = trio.Event() if self._holders == 1 else self._is_released
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                self._is_released.set()

    async def released(self) -> None:
        """Wait until nobody holds the connection."""
        await self._is_released.wait()

    def statistics(self) -> ExchangeStatistics:
        """Return the counts of this connection."""
        return self._exchange.statistics()

    async def _write(self) -> None:
        async for data in self._written:
            await self._transport.send(data)

    def _apply(self, effects: Effects) -> None:
        for number, outcome in effects.settled.items():
            if (reply := self._replies.get(number)) is not None:
                reply.outcome = outcome
                reply.arrived.set()
        for subscription in effects.touched:
            if (stream := self._streams.get(subscription)) is not None:
                stream.notify()


def _fresh(error: DevToolsError) -> DevToolsError:
    """Return a copy: one error is raised in several tasks, and an exception gathers tracebacks."""
    return error if isinstance(error, CommandError) else copy(error)
