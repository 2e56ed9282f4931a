"""The bookkeeping of a DevTools connection: which commands are pending, who subscribes to which event. Pure.

The mutable state is: the next number, the pending commands by number, and the subscriptions with their queued
events. Every operation returns what the shell has to do; none waits.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct

from orch.bots.chromium.errors import (
    CommandError,
    DevToolsError,
    EventsLostError,
    PageCrashedError,
    SessionLostError,
    TooManyCommandsError,
    UnusableMessageError,
)
from orch.bots.chromium.messages import Event, Reply, Unusable, encode

MOST_PENDING: Final = 1024
"""Commands without a reply at the same time. A bot has some tens at most; more is a fault of ours."""

CRASHED: Final = "Inspector.targetCrashed"
DETACHED: Final = "Target.detachedFromTarget"

Outcome = dict[str, Any] | DevToolsError


class Overflow(StrEnum):
    """What happens to an event for which a subscription has no room."""

    END = "end"
    """The subscription ends: its queued events can still be read, then it raises EventsLostError. For events
    that change a state, where a gap would go unnoticed."""
    COUNT = "count"
    """The new event is dropped and counted in ``lost``. For streams whose reader marks gaps."""


@dataclass(eq=False)
class Subscription:
    """The queued events of one subscriber, at most ``capacity``.

    ``session``: None for all sessions. ``where``: values that ``params`` must have.
    """

    methods: frozenset[str]
    session: str | None
    where: Mapping[str, Any]
    capacity: int
    overflow: Overflow
    events: deque[Event] = field(default_factory=deque)
    lost: int = 0
    failure: DevToolsError | None = None

    def matches(self, event: Event) -> bool:
        """Return whether the event is one of those subscribed to."""
        return (
            event.method in self.methods
            and (self.session is None or self.session == event.session)
            and all(event.params.get(name) == value for name, value in self.where.items())
        )

    def offer(self, event: Event) -> None:
        """Queue an event, or apply the overflow rule."""
        if self.failure is not None:
            return
        if len(self.events) < self.capacity:
            self.events.append(event)
        else:
            self.miss(event.method)

    def miss(self, method: str) -> None:
        """Apply the overflow rule to an event that cannot be queued or read."""
        self.lost += 1
        if self.overflow is Overflow.END and self.failure is None:
            self.failure = EventsLostError(
                f"{method}: the limit of {self.capacity} queued events is reached."
            )


@dataclass(frozen=True)
class Effects:
    """What an operation caused: commands with their outcomes, and subscriptions whose state has changed."""

    settled: Mapping[int, Outcome] = field(default_factory=dict)
    touched: tuple[Subscription, ...] = ()


class ExchangeStatistics(Struct, frozen=True, kw_only=True):
    """Counts since the connection was opened; ``pending`` and ``subscriptions`` now.

    ``unmatched``: replies to commands that nobody waits for any more. ``unusable``: messages that were too
    large or invalid. ``lost``: events that subscriptions had no room for.
    """

    commands: int
    events: int
    pending: int
    subscriptions: int
    unmatched: int
    unusable: int
    lost: int


@dataclass(frozen=True)
class _Pending:
    method: str
    session: str


class Exchange:
    """One connection's commands and subscriptions.

    After :meth:`lose` every command fails with the same error, and every subscription ends with it once its
    queued events have been read.
    """

    def __init__(self) -> None:
        self._last = 0
        self._pending: dict[int, _Pending] = {}
        self._subscriptions: list[Subscription] = []
        self._lost: DevToolsError | None = None
        self._events = 0
        self._unmatched = 0
        self._unusable = 0
        self._dropped = 0

    def request(
        self, method: str, params: Mapping[str, Any] | None = None, *, session: str = ""
    ) -> tuple[int, bytes]:
        """Return a command's number and its bytes.

        Error handling: the error of :meth:`lose`; TooManyCommandsError past :data:`MOST_PENDING`.
        """
        if self._lost is not None:
            raise self._lost
        if len(self._pending) >= MOST_PENDING:
            raise TooManyCommandsError(f"{method}: {MOST_PENDING} commands are pending.")
        data = encode(self._last + 1, method, params or {}, session)
        self._last += 1
        self._pending[self._last] = _Pending(method, session)
        return self._last, data

    def abandon(self, number: int) -> None:
        """Forget a command that nobody waits for any more; its reply will be ignored."""
        self._pending.pop(number, None)

    def subscribe(
        self,
        *methods: str,
        session: str | None = None,
        where: Mapping[str, Any] | None = None,
        capacity: int = 64,
        overflow: Overflow = Overflow.END,
    ) -> Subscription:
        """Return a subscription to later events. Each one must be passed to :meth:`unsubscribe`."""
        if capacity < 1:
            raise ValueError("capacity must be at least 1")
        found = Subscription(frozenset(methods), session, where or {}, capacity, overflow)
        found.failure = self._lost
        self._subscriptions.append(found)
        return found

    def unsubscribe(self, subscription: Subscription) -> None:
        """Remove a subscription; removing it twice does nothing."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            self._dropped += subscription.lost

    def receive(self, message: Reply | Event | Unusable) -> Effects:
        """Apply a message from the browser."""
        if self._lost is not None:
            return Effects()
        if isinstance(message, Reply):
            return self._settle(message.number, self._outcome(message))
        if isinstance(message, Unusable):
            return self._receive_unusable(message)
        self._events += 1
        touched = tuple(each for each in self._subscriptions if each.matches(message))
        for each in touched:
            each.offer(message)
        return Effects(self._end_sessions(message), touched)

    def lose(self, error: DevToolsError) -> Effects:
        """End the connection: fail all commands and subscriptions. A second error changes nothing."""
        if self._lost is not None:
            return Effects()
        self._lost = error
        settled: dict[int, Outcome] = dict.fromkeys(self._pending, error)
        self._pending.clear()
        for each in self._subscriptions:
            each.failure = each.failure or error
        return Effects(settled, tuple(self._subscriptions))

    def statistics(self) -> ExchangeStatistics:
        """Return the counts."""
        return ExchangeStatistics(
            commands=self._last,
            events=self._events,
            pending=len(self._pending),
            subscriptions=len(self._subscriptions),
            unmatched=self._unmatched,
            unusable=self._unusable,
            lost=self._dropped + sum(each.lost for each in self._subscriptions),
        )

    def _outcome(self, reply: Reply) -> Outcome:
        if reply.result is not None:
            return reply.result
        pending = self._pending.get(reply.number)
        return CommandError(pending.method if pending else "", reply.code, reply.detail)

    def _settle(self, number: int, outcome: Outcome) -> Effects:
        if self._pending.pop(number, None) is None:
            self._unmatched += 1
            return Effects()
        return Effects({number: outcome})

    def _receive_unusable(self, message: Unusable) -> Effects:
        self._unusable += 1
        if message.number is not None:
            pending = self._pending.get(message.number)
            name = pending.method if pending else ""
            return self._settle(
                message.number, UnusableMessageError(f"{name}: the reply cannot be used: {message.reason}.")
            )
        touched = tuple(each for each in self._subscriptions if message.method in each.methods)
        for each in touched:
            each.miss(message.method)
        return Effects(touched=touched)

    def _end_sessions(self, event: Event) -> dict[int, Outcome]:
        """Fail the commands of a session that has ended: the browser never replies to them."""
        if event.method == CRASHED:
            session: object = event.session
            error: DevToolsError = PageCrashedError("The page's process has crashed.")
        elif event.method == DETACHED:
            session = event.params.get("sessionId")
            error = SessionLostError("The page has been closed.")
        else:
            return {}
        ended = [number for number, each in self._pending.items() if each.session and each.session == session]
        for number in ended:
            del self._pending[number]
        return dict.fromkeys(ended, error)
