"""Who waits for a place at a service, who is next, and who is refused. Pure.

Live requests come before interactive ones, those before batch. Within a class, callers take turns: the one
with the fewest requests in progress is next; of those, the one served longest ago. Of one caller's requests
the first comes first.

A class is *overloaded* if its queue has not been empty for as long as its deadline. First come, first served
would then serve only what has waited for so long that its caller has given up. So the newest comes first, and
one waits for a tenth of the deadline only, or as long as a place usually takes to become free (Facebook's
adaptive LIFO and controlled delay: Maurer, "Fail at Scale", ACM Queue 13.8, 2015).

Overflow rule: if a class's queue is full, a request of the caller with most of them waiting is refused: its
newest, or its oldest while the class is overloaded.
"""

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Final, NamedTuple

from orch.gateway.shedding.priorities import WAITING, Priority

SHORTENED: Final = 10
"""Under overload one waits for the deadline divided by this."""
_SMOOTHING: Final = 0.2


class QueueRule(NamedTuple):
    """How many requests of a class may wait, and for how many seconds."""

    waiting: int
    deadline: float


class Waiter:
    """A request that waits. ``since`` and ``until``: when it began to, and when it is refused."""

    __slots__ = ("caller", "priority", "since", "until")

    def __init__(self, priority: Priority, caller: str, since: float) -> None:
        self.priority = priority
        self.caller = caller
        self.since = since
        self.until = since


@dataclass(slots=True)
class _Caller:
    """One caller's requests: those waiting by class, those in progress, and when it was served last."""

    waiting: dict[Priority, deque[Waiter]]
    under_way: int = 0
    served: int = -1


class _Queue:
    """One class."""

    __slots__ = ("callers", "empty_at", "rule", "size")

    def __init__(self, rule: QueueRule) -> None:
        self.rule = rule
        self.size = 0
        self.empty_at = float("-inf")
        self.callers: Counter[str] = Counter()


class WaitingOrder:
    """The requests that wait at one service.

    The mutable state is the queues, the callers that have requests waiting or in progress, and the usual
    seconds between two places that become free.
    """

    def __init__(self, rules: Mapping[Priority, QueueRule]) -> None:
        self._queues = {priority: _Queue(rules[priority]) for priority in WAITING}
        self._size = 0
        self._callers: dict[str, _Caller] = {}
        self._numbers = count()
        self._pace = 0.0
        self._freed_at: float | None = None

    def __repr__(self) -> str:
        sizes = ", ".join(f"{queue.size} {priority}" for priority, queue in self._queues.items())
        return f"<WaitingOrder {sizes}>"

    def __bool__(self) -> bool:
        return self._size > 0

    def __iter__(self) -> Iterator[Waiter]:
        for caller in self._callers.values():
            for waiting in caller.waiting.values():
                yield from waiting

    def rule(self, priority: Priority) -> QueueRule:
        """Return the rule of a class."""
        return self._queues[priority].rule

    def set_rules(self, rules: Mapping[Priority, QueueRule]) -> None:
        """Change the rules. They hold for requests that begin to wait."""
        for priority, queue in self._queues.items():
            queue.rule = rules[priority]

    def waiting(self, priority: Priority) -> int:
        """Return how many requests of a class wait."""
        return self._queues[priority].size

    def is_behind(self, priority: Priority) -> bool:
        """Return whether a new request of a class has to wait for others of its class or a higher one."""
        if not self._size:
            return False
        return any(self._queues[each].size for each in WAITING[: WAITING.index(priority) + 1])

    def is_overloaded(self, priority: Priority, now: float) -> bool:
        """Return whether a class's queue has not been empty for as long as its deadline."""
        queue = self._queues[priority]
        return queue.size > 0 and now - queue.empty_at >= queue.rule.deadline

    def patience(self, priority: Priority, now: float) -> float:
        """Return for how many seconds a request that comes now may wait."""
        deadline = self._queues[priority].rule.deadline
        if not self.is_overloaded(priority, now):
            return deadline
        return max(deadline / SHORTENED, min(deadline, self._pace))

    def expected(self, priority: Priority) -> float:
        """Return in about how many seconds those who wait now have been served.

        The deadline, while it is not known how often a place becomes free.
        """
        if not self._pace:
            return self._queues[priority].rule.deadline
        ahead = sum(self._queues[each].size for each in WAITING[: WAITING.index(priority) + 1])
        return ahead * self._pace

    def add(self, waiter: Waiter, now: float) -> Waiter | None:
        """Add a request; return the one that is refused for it, which may be the same, or None."""
        queue = self._queues[waiter.priority]
        if not queue.size:
            queue.empty_at = now
        waiter.until = now + self.patience(waiter.priority, now)
        caller = self._caller(waiter.caller)
        caller.waiting.setdefault(waiter.priority, deque()).append(waiter)
        queue.callers[waiter.caller] += 1
        queue.size += 1
        self._size += 1
        if queue.size <= queue.rule.waiting:
            return None
        most = max(queue.callers.values())
        # Of callers with equally many, the one that comes now.
        greediest = (
            waiter.caller
            if queue.callers[waiter.caller] == most
            else next(name for name, size in queue.callers.items() if size == most)
        )
        is_overloaded = self.is_overloaded(waiter.priority, now)
        if is_overloaded and most == 1:
            refused = min(self._of_class(waiter.priority), key=lambda one: one.since)
        else:
            theirs = self._callers[greediest].waiting[waiter.priority]
            refused = theirs[0] if is_overloaded else theirs[-1]
        self.remove(refused, now)
        return refused

    def remove(self, waiter: Waiter, now: float) -> None:
        """Remove a request, if it waits."""
        caller = self._callers.get(waiter.caller)
        waiting = None if caller is None else caller.waiting.get(waiter.priority)
        if caller is None or not waiting or waiter not in waiting:
            return
        waiting.remove(waiter)
        if not waiting:
            del caller.waiting[waiter.priority]
        queue = self._queues[waiter.priority]
        queue.size -= 1
        self._size -= 1
        queue.callers[waiter.caller] -= 1
        if not queue.callers[waiter.caller]:
            del queue.callers[waiter.caller]
        if not queue.size:
            queue.empty_at = now
        self._forget(waiter.caller)

    def next(self, now: float) -> Waiter | None:
        """Return who is next, without removing it."""
        for priority, queue in self._queues.items():
            if not queue.size:
                continue
            best = min(queue.callers, key=lambda name: self._turn(name, priority))
            waiting = self._callers[best].waiting[priority]
            if not self.is_overloaded(priority, now):
                return waiting[0]
            tied = self._turn(best, priority)[:2]
            return max(
                (
                    self._callers[name].waiting[priority][-1]
                    for name in queue.callers
                    if self._turn(name, priority)[:2] == tied
                ),
                key=lambda one: one.since,
            )
        return None

    def due(self, now: float) -> list[Waiter]:
        """Return those that have waited for too long, as it is now."""
        return [
            waiter
            for priority, queue in self._queues.items()
            if queue.size
            for patience in [self.patience(priority, now)]
            for waiter in self._of_class(priority)
            if now >= min(waiter.until, waiter.since + patience)
        ]

    def begun(self, caller: str) -> None:
        """Count a request of a caller as in progress."""
        one = self._caller(caller)
        one.under_way += 1
        one.served = next(self._numbers)

    def ended(self, caller: str, now: float) -> None:
        """Count a request of a caller as ended: a place is free."""
        one = self._callers[caller]
        one.under_way -= 1
        if not one.under_way and not one.waiting:
            del self._callers[caller]
        if not self._size:
            self._freed_at = None
            return
        if self._freed_at is not None:
            seconds = now - self._freed_at
            self._pace += _SMOOTHING * (seconds - self._pace) if self._pace else seconds
        self._freed_at = now

    def _of_class(self, priority: Priority) -> Iterator[Waiter]:
        for name in self._queues[priority].callers:
            yield from self._callers[name].waiting[priority]

    def _turn(self, name: str, priority: Priority) -> tuple[int, int, float]:
        caller = self._callers[name]
        return caller.under_way, caller.served, caller.waiting[priority][0].since

    def _caller(self, name: str) -> _Caller:
        caller = self._callers.get(name)
        if caller is None:
            caller = self._callers[name] = _Caller({})
        return caller

    def _forget(self, name: str) -> None:
        """Forget a caller without requests: bounded by the requests there are."""
        caller = self._callers[name]
        if not caller.under_way and not caller.waiting:
            del self._callers[name]
