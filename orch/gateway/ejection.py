"""Outlier ejection: an instance that fails while others work gets no requests for a while. Pure.

The rules and the numbers are Envoy's (``outlier_detection``). One :class:`Ejector` is one flow's of one
service. An instance is ejected

- after ``consecutive`` failures of the back end in a row (a response of 500, none, an incomplete one);
- after ``consecutive_connects`` attempts in a row without a connection (refused, no route, no such host).
  These are counted apart from the others (``split_external_local_origin_errors``): an instance that responds
  with 500 is reachable, and one that cannot be reached has not responded;
- if its share of successes in the last ``interval`` is more than ``deviations`` standard deviations below
  the mean of all instances, if ``hosts`` of them had ``requests`` requests each.

The first ejection takes ``base`` seconds, the second twice as many, and so on, at most ``longest``. Each
interval without an ejection makes the next one shorter by ``base``. At most ``percent`` of the instances are
ejected, or one, if that is less than one; the last is never ejected.

What one client sends may be the reason of a failure. As for breakers, *doubtful* failures count once
:data:`~orch.gateway.breaker.CALLERS` callers had one in a row. Requests begun before an ejection or a return
show nothing about what came after: their outcomes do not count, nor do those during an ejection. A good
health check does not end an ejection: checks do not take the way that requests take.

If no instance is left, :func:`is_last_resort` decides which of them get requests all the same: those that are
silent or ejected may work; those that refuse connections, or have ended, do not.
"""

from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from math import sqrt
from typing import Final, Literal, NamedTuple

from orch.gateway.breaker import CALLERS
from orch.settings import Ejection

_EQUAL: Final = 1e-9
"""Shares that differ by less are the same; a mean of equal numbers may be off by a rounding error."""


class Cause(StrEnum):
    """Why an instance is ejected."""

    BACK_END = "back_end"
    CONNECT = "connect"
    SUCCESS_RATE = "success_rate"
    CONNECT_RATE = "connect_rate"
    OPERATOR = "operator"


CauseName = Literal["back_end", "connect", "success_rate", "connect_rate", "operator"]
"""The value of a :class:`Cause`."""

Presence = Literal["responding", "unknown", "silent", "gone"]
"""What health checks know about an instance. ``silent``: checks get no response, but it may work all the
same; ``gone``: it refuses connections, its process has ended, or it is still starting."""


class Ejected(NamedTuple):
    """An ejection. ``seconds``: how long it lasts; ``detail``: the reason in words."""

    url: str
    cause: Cause
    seconds: float
    detail: str


class Review(NamedTuple):
    """What changed by time: new ejections, and instances whose ejection is over."""

    ejected: tuple[Ejected, ...] = ()
    returned: tuple[str, ...] = ()


class Record:
    """The outcomes of one instance.

    ``generation`` changes with each ejection and return. ``attempts``, ``connected`` and ``successes`` are
    those of this interval.
    """

    __slots__ = (
        "_accusers",
        "_blamed",
        "_callers",
        "_certain",
        "attempts",
        "cause",
        "connect_failures",
        "connected",
        "failures",
        "generation",
        "is_returned",
        "successes",
        "times",
        "total",
        "until",
        "url",
        "was_ejected",
    )

    def __init__(self, url: str) -> None:
        self.url = url
        self.generation = 0
        self.attempts = self.connected = self.successes = 0
        self.failures = self.connect_failures = 0
        self._certain = 0
        self._blamed = 0  # failures of this interval that are not doubtful
        self._callers: set[str] = set()  # those of the doubtful failures in a row; at most CALLERS
        self._accusers: set[str] = set()  # those of the interval's; at most CALLERS
        self.times = self.total = 0
        self.until = 0.0
        self.cause: Cause | None = None
        self.was_ejected = False
        self.is_returned = False

    def __repr__(self) -> str:
        return f"<Record {self.url}: {self.failures}+{self.connect_failures} failures, {self.cause}>"

    def is_ejected(self, now: float) -> bool:
        """Return whether it is ejected; one whose time has passed has returned."""
        if self.cause is None:
            return False
        if now < self.until:
            return True
        self.turn(None)
        self.is_returned = True
        return False

    def cause_at(self, now: float) -> CauseName | None:
        """Return the cause of the ejection that lasts now; None: there is none."""
        return self.cause.value if self.cause is not None and now < self.until else None

    def succeeded(self, generation: int) -> None:
        """Note that a request succeeded."""
        if generation != self.generation or self.cause is not None:
            return
        self.attempts += 1
        self.connected += 1
        self.successes += 1
        if self.failures or self.connect_failures:
            self._forget()

    def failed(self, generation: int, caller: str, *, is_connected: bool, is_doubtful: bool) -> None:
        """Note that a request failed."""
        if generation != self.generation or self.cause is not None:
            return
        self.attempts += 1
        if not is_connected:
            self.connect_failures += 1
            self._blamed += 1
            return
        self.connected += 1
        self.connect_failures = 0
        self.failures += 1
        if not is_doubtful:
            self._certain += 1
            self._blamed += 1
            return
        for callers in (self._callers, self._accusers):
            if len(callers) < CALLERS:
                callers.add(caller)

    def has_failed(self, times: int) -> bool:
        """Return whether it failed so often in a row, and not because of what one caller sent."""
        return self._certain >= times or (self.failures >= times and len(self._callers) >= CALLERS)

    @property
    def is_suspect(self) -> bool:
        """Whether the interval's failures are more than those of what one or two callers sent."""
        return self._blamed > 0 or len(self._accusers) >= CALLERS

    def begin(self) -> None:
        """Begin an interval."""
        self.attempts = self.connected = self.successes = 0
        self._blamed = 0
        self._accusers.clear()

    def _forget(self) -> None:
        self.failures = self.connect_failures = self._certain = 0
        self._callers.clear()

    def turn(self, cause: Cause | None) -> None:
        """Begin a generation: it is ejected, or has returned (None)."""
        self.generation += 1
        self.cause = cause
        self._forget()
        self.begin()


class Ejector:
    """One flow's ejections of one service. Times are seconds of one monotonic clock.

    ``policy`` may be replaced at any time; an ejection that has begun keeps its end.
    """

    def __init__(self, policy: Ejection, now: float) -> None:
        self.policy = policy
        self.records: dict[str, Record] = {}
        self._ends_at = now + policy.interval

    def __repr__(self) -> str:
        return f"<Ejector {list(self.records.values())!r}>"

    def retain(self, urls: Collection[str]) -> None:
        """Forget every instance that is not among ``urls``, and count those that are new."""
        self.records = {url: self.records.get(url) or Record(url) for url in urls}

    def is_ejected(self, url: str, now: float) -> bool:
        """Return whether an instance is ejected now."""
        record = self.records.get(url)
        return record is not None and record.is_ejected(now)

    def left(self, url: str, now: float) -> float | None:
        """Return the seconds until an ejected instance returns, None if it is not ejected."""
        record = self.records.get(url)
        return record.until - now if record is not None and record.is_ejected(now) else None

    def failed(
        self,
        url: str,
        generation: int,
        now: float,
        *,
        caller: str = "",
        is_connected: bool = True,
        is_doubtful: bool = False,
    ) -> Ejected | None:
        """Note that a request failed; return the ejection if that was the one too many.

        ``is_connected``: there was a connection; ``is_doubtful``: what was sent may be the reason.
        """
        record = self.records.get(url)
        if record is None or record.is_ejected(now) or record.generation != generation:
            return None
        record.failed(generation, caller, is_connected=is_connected, is_doubtful=is_doubtful)
        policy = self.policy
        if not is_connected:
            if 0 < policy.consecutive_connects <= record.connect_failures:
                times = record.connect_failures
                return self._try(record, now, Cause.CONNECT, f"could not be reached {times} times in a row")
        elif policy.consecutive and record.has_failed(policy.consecutive):
            return self._try(record, now, Cause.BACK_END, f"failed {record.failures} times in a row")
        return None

    def eject(self, url: str, now: float) -> Ejected | None:
        """Eject an instance because an operator wants it, even the last; None: it is unknown."""
        record = self.records.get(url)
        return None if record is None else self._eject(record, now, Cause.OPERATOR, "an operator ejected it")

    def give_back(self, url: str) -> bool:
        """End an ejection now; the next one is as long as if there had been none. Return if there was one."""
        record = self.records.get(url)
        if record is None or record.cause is None:
            return False
        record.turn(None)
        record.times = 0
        return True

    def review(self, now: float) -> Review:
        """Return instances whose time has passed; at the end of an interval, compare shares of successes."""
        returned = []
        for record in self.records.values():
            if not record.is_ejected(now) and record.is_returned:
                record.is_returned = False
                returned.append(record.url)
        if now < self._ends_at:
            return Review((), tuple(returned))
        self._ends_at = now + self.policy.interval
        ejected = [
            *self._compared(now, Cause.SUCCESS_RATE, lambda each: (each.successes, each.connected)),
            *self._compared(now, Cause.CONNECT_RATE, lambda each: (each.connected, each.attempts)),
        ]
        for record in self.records.values():
            if record.cause is None:
                if not record.was_ejected and record.times:
                    record.times -= 1
                record.was_ejected = False
            record.begin()
        return Review(tuple(ejected), tuple(returned))

    def _compared(
        self, now: float, cause: Cause, counted: Callable[[Record], tuple[int, int]]
    ) -> Iterable[Ejected]:
        policy = self.policy
        shares = {
            record.url: good / total
            for record in self.records.values()
            if record.cause is None
            for good, total in [counted(record)]
            if total >= policy.requests
        }
        if not policy.deviations or len(shares) < policy.hosts:
            return
        least = least_share(tuple(shares.values()), policy.deviations)
        for url, share in sorted(shares.items(), key=lambda item: item[1]):
            if share < least - _EQUAL and self.records[url].is_suspect:
                verb = "succeeded" if cause is Cause.SUCCESS_RATE else "could be reached"
                detail = f"{verb} in {share:.0%} of its requests; the limit was {least:.0%}"
                ejected = self._try(self.records[url], now, cause, detail)
                if ejected is not None:
                    yield ejected

    def _try(self, record: Record, now: float, cause: Cause, detail: str) -> Ejected | None:
        """Eject an instance if enough others stay."""
        out = sum(each.is_ejected(now) for each in self.records.values())
        if out >= most_ejected(len(self.records), self.policy.percent):
            return None
        return self._eject(record, now, cause, detail)

    def _eject(self, record: Record, now: float, cause: Cause, detail: str) -> Ejected:
        policy = self.policy
        record.times += 1
        record.total += 1
        seconds = min(policy.base * record.times, max(policy.base, policy.longest))
        record.times = min(record.times, max(1, int(policy.longest / policy.base)))
        record.turn(cause)
        record.until = now + seconds
        record.was_ejected = True
        return Ejected(record.url, cause, seconds, detail)


def most_ejected(instances: int, percent: float) -> int:
    """Return how many of a service's instances may be ejected at once; at least one stays."""
    if percent <= 0:
        return 0
    return max(0, min(instances - 1, max(1, int(instances * percent / 100))))


def least_share(shares: Collection[float], deviations: float) -> float:
    """Return the share of successes below which an instance is an outlier: mean - deviations * deviation.

    ``shares``: 0..1 of each instance, at least one; the standard deviation is the population's, as in Envoy.
    """
    mean = sum(shares) / len(shares)
    return mean - deviations * sqrt(sum((share - mean) ** 2 for share in shares) / len(shares))


def is_last_resort(presence: Presence, cause: Cause | None) -> bool:
    """Return whether an instance gets requests when there is no better one. ``cause``: of its ejection.

    One that could not be reached does only if a check has reached it.
    """
    if cause in (Cause.CONNECT, Cause.CONNECT_RATE):
        return presence == "responding"
    return presence != "gone"
