"""The way to a service's instances: a place for each request, and a queue for those that find none."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from math import ceil, inf
from typing import Final, Literal, NamedTuple, Protocol, TypeVar

import trio

from orch.gateway.shedding.instance_places import InstancePlaces
from orch.gateway.shedding.priorities import NAMES, WAITING, Priority
from orch.gateway.shedding.waiting_order import QueueRule, Waiter, WaitingOrder
from orch.gateway.statistics import GatewayQueue
from orch.problems import ProblemError

LIVE_SECONDS: Final = 60.0
"""Seconds after a live request for which places are reserved for the next ones."""

Reason = Literal["deadline", "queue_full"]


class Ask(NamedTuple):
    """What a request is to the gate. ``sound``: its seconds of sound, None if not known."""

    priority: Priority
    caller: str
    sound: float | None = None


class Ticket:
    """A place at an instance. It is given back once, by :meth:`end`."""

    __slots__ = ("_ask", "_began", "_gate", "_idle", "_places")

    def __init__(self, gate: "Gate", places: InstancePlaces, ask: Ask, now: float) -> None:
        self._gate = gate
        self._places = places
        self._ask = ask
        self._began = now
        self._idle = 0.0 if places.found is None else places.found.idle(now)

    def end(self, now: float, *, has_succeeded: bool = False, is_overload: bool = False) -> None:
        """Free the place, and pass it on to who is next.

        ``is_overload``: the request failed in a way that shows that the instance has too much to do.
        """
        found = self._places.found
        if found is not None and is_overload:
            found.overloaded(now)
        elif found is not None and has_succeeded and self._ask.sound is not None:
            found.measured(now, began=self._began, sound=self._ask.sound, idle=self._idle)
        self._gate.freed(self._places, self._ask, now)


class _Placed(Protocol):
    """What a waiting request is given: an instance with a place."""

    def give_back(self, now: float) -> None:
        """Free it, unused."""


T = TypeVar("T", bound=_Placed)


class _Pending:
    """A request that waits: how it chooses an instance, and what became of it."""

    __slots__ = ("choose", "is_over", "result")

    def __init__(self, choose: Callable[[], _Placed | ProblemError | None]) -> None:
        self.choose = choose
        self.is_over = trio.Event()
        self.result: _Placed | ProblemError | None = None

    def settle(self, result: _Placed | ProblemError) -> None:
        self.result = result
        self.is_over.set()


class Gate:
    """Has the requests to one service wait until an instance has a place for them.

    While no instance has a limit (``is_limited`` is False), nobody asks it.

    A place that becomes free is given to the next one at once, in the name of whom it chooses an instance; so
    nobody who comes later is faster. A cancelled request leaves the queue, or gives back what it was given,
    without a checkpoint.

    The mutable state is the order of those that wait, the places, when the last live request came, and
    counters.
    """

    def __init__(self, service: str) -> None:
        self.service: Final = service
        self.is_limited = False
        self.trusts_clients = True
        """Whether clients' requests show how much the instances do: their sound may be declared wrongly."""
        self.places: list[InstancePlaces] = []
        self.shed: Counter[tuple[Priority, Reason]] = Counter()
        self.queued: Counter[Priority] = Counter()
        self._order = WaitingOrder(dict.fromkeys(WAITING, QueueRule(1, 1.0)))
        self._pending: dict[Waiter, _Pending] = {}
        self._live_at = -inf
        self._is_advancing = False

    def __repr__(self) -> str:
        return f"<Gate of {self.service}: {self._order!r}, {self.places!r}>"

    def apply(
        self, places: Iterable[InstancePlaces], rules: Mapping[Priority, QueueRule], now: float
    ) -> None:
        """Apply new instances and rules, and pass on the places that are free with them."""
        self.places = list(places)
        self._order.set_rules(rules)
        self.is_limited = any(each.limit < inf for each in self.places)
        for each in self.places:
            each.refresh(now)
        self.advance(now)

    @property
    def limit(self) -> float:
        """How many requests the instances do at a time; infinite if one of them has no limit."""
        return sum(each.limit for each in self.places)

    @property
    def measures(self) -> bool:
        """Whether the sound of requests has to be known."""
        return any(each.found is not None for each in self.places)

    @property
    def has_waiting(self) -> bool:
        """Whether requests wait for a place, of any class."""
        return bool(self._order)

    def is_behind(self, ask: Ask) -> bool:
        """Return whether a request that comes now has to wait for others."""
        return self._order.is_behind(ask.priority)

    def ahead(self, ask: Ask) -> int:
        """Return how many requests of its class and higher ones wait."""
        return sum(self._order.waiting(each) for each in WAITING[: WAITING.index(ask.priority) + 1])

    def patience(self, ask: Ask, now: float) -> float:
        """Return for how many seconds a request that comes now may wait."""
        return self._order.patience(ask.priority, now)

    def has_room(self, places: InstancePlaces, ask: Ask, now: float) -> bool:
        """Return whether an instance has a place for a request, were it its turn."""
        return places.has_room(ask.priority, reserves=self._reserves(now))

    def take(self, places: InstancePlaces, ask: Ask, now: float) -> Ticket:
        """Take a place at an instance."""
        if ask.priority is Priority.LIVE:
            self._live_at = now
        ticket = Ticket(self, places, ask, now)
        places.take(ask.priority, now)
        self._order.begun(ask.caller)
        return ticket

    def freed(self, places: InstancePlaces, ask: Ask, now: float) -> None:
        """Free a place, and pass it on."""
        places.free(ask.priority, now)
        self._order.ended(ask.caller, now)
        self.advance(now)

    def wanted(self) -> None:
        """Note that more places would be used."""
        for each in self.places:
            if each.found is not None:
                each.found.wanted()

    def concurrency(self, wanted: int) -> int | None:
        """Return how many requests the instances do at a time; None if that is not limited.

        ``wanted``: how many the caller would send.
        """
        if not self.is_limited or self.limit == inf:
            return None
        if wanted > self.limit:
            self.wanted()
        return int(self.limit)

    async def wait(self, ask: Ask, choose: Callable[[], T | ProblemError | None]) -> T:
        """Wait for a place, and return what ``choose`` returns when it is this request's turn.

        ``choose`` returns None if there is no place for it after all, or the problem if no instance can be
        used any more. Raises ProblemError: that one, or ``shed``.
        """
        now = trio.current_time()
        waiter, pending = Waiter(ask.priority, ask.caller, now), _Pending(choose)
        if ask.priority is Priority.LIVE:
            self._live_at = now
        self.queued[ask.priority] += 1
        self.wanted()
        self._pending[waiter] = pending
        refused = self._order.add(waiter, now)
        try:
            if refused is not None:
                self._refuse(refused, "queue_full", now)
            with trio.move_on_at(waiter.until):
                await pending.is_over.wait()
            if pending.result is None:
                self._refuse(waiter, "deadline", trio.current_time())
        except BaseException:
            if pending.result is not None and not isinstance(pending.result, ProblemError):
                pending.result.give_back(trio.current_time())
            raise
        finally:
            del self._pending[waiter]
            self._order.remove(waiter, trio.current_time())
        result = pending.result
        if isinstance(result, ProblemError):
            raise result
        return result  # type: ignore[return-value] # it is what this request's own choose returned

    def advance(self, now: float) -> None:
        """Refuse those that have waited for too long, and give the free places to who is next."""
        if self._is_advancing or not self._order:
            return
        self._is_advancing = True
        try:
            for waiter in self._order.due(now):
                self._order.remove(waiter, now)
                self._refuse(waiter, "deadline", now)
            while (first := self._order.next(now)) is not None:
                pending = self._pending[first]
                result = pending.choose()
                if result is None:
                    return
                self._order.remove(first, now)
                pending.settle(result)
        finally:
            self._is_advancing = False

    def statistics(self, now: float) -> tuple[GatewayQueue, ...]:
        """Return the figures of each class."""
        return tuple(
            GatewayQueue(
                service=self.service,
                priority=NAMES[priority],
                waiting=self._order.waiting(priority),
                waiting_limit=rule.waiting,
                deadline=rule.deadline,
                is_overloaded=self._order.is_overloaded(priority, now),
                queued=self.queued[priority],
                shed_deadline=self.shed[priority, "deadline"],
                shed_queue_full=self.shed[priority, "queue_full"],
            )
            for priority in WAITING
            for rule in [self._order.rule(priority)]
        )

    def _reserves(self, now: float) -> bool:
        return now - self._live_at < LIVE_SECONDS

    def _refuse(self, waiter: Waiter, reason: Reason, now: float) -> None:
        self.shed[waiter.priority, reason] += 1
        rule = self._order.rule(waiter.priority)
        seconds = min(max(1, ceil(self._order.expected(waiter.priority))), max(1, ceil(rule.deadline)))
        why = (
            f"{rule.waiting} {waiter.priority} requests wait for it already"
            if reason == "queue_full"
            else f"this request has waited for {now - waiter.since:.3g} s"
        )
        self._pending[waiter].settle(
            ProblemError(
                "shed",
                f"The {self.service} has as much to do as it can, and {why}. Try again in {seconds} s.",
                headers={"Retry-After": str(seconds)},
                service=self.service,
                priority=waiter.priority.value,
                reason=reason,
            )
        )
