"""Finds how many requests an engine does at a time, from how long it takes for them. Pure.

The limits of Envoy and Netflix compare the latency of a request with the least one seen, or with its average.
That needs hundreds of requests that are alike. A speech engine does one to four at a time, and each takes as
long as its sound: what is compared here is *seconds of work for a second of sound* (the real-time factor),
and what is sought is throughput. With n requests at a time an engine does ``n / factor`` seconds of sound in
a second. One that does one thing at a time takes twice as long for each of two, and gains nothing.

So: begin with one. While requests wait, measure a few with every place taken; try one place more; keep it if
throughput grew by at least half of what a place can add at best, else return and try again later, each time
after twice the pause. If the factor with the present limit becomes much worse than it was, give up a place.
After a failure that shows overload (a time-out, 503), give up half of them.

Requests of which the length of the sound is not known take a place, and are not measured; nor are those
during which a place was free for more than a tenth of their time.
"""

from typing import Final

MOST: Final = 32
"""Places at most."""
MEASURED: Final = 6
"""Requests that are measured for a verdict, at least."""
PER_PLACE: Final = 3
"""Requests that are measured for a verdict, for each place."""
GAIN: Final = 0.5
"""The part of a place's best possible gain that it must bring to be kept."""
WORSE: Final = 1.6
"""How much the factor may grow at the same limit before a place is given up."""
IDLE: Final = 0.1
"""The part of a request's time for which a place may be free, so that it is measured all the same."""
FIRST_PAUSE: Final = 20.0
LONGEST_PAUSE: Final = 640.0
"""Seconds after an attempt that brought nothing until the next one."""


class _Sums:
    """Work and sound of the requests measured at one limit."""

    __slots__ = ("count", "seconds", "sound")

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.sound = 0.0

    @property
    def factor(self) -> float:
        return self.seconds / self.sound


class FoundLimit:
    """The limit of one instance. ``now``: any clock, in seconds.

    The mutable state is the limit and since when it holds, the sums measured at it, the factor when it was
    accepted, the throughput from which an attempt began, when the next attempt may begin, and for how long a
    place was free in all.
    """

    __slots__ = (
        "_before",
        "_factor",
        "_free_since",
        "_idle",
        "_is_wanted",
        "_next",
        "_pause",
        "_since",
        "_sums",
        "limit",
    )

    def __init__(self) -> None:
        self.limit = 1
        self._sums = _Sums()
        self._factor: float | None = None
        self._before: float | None = None
        """During an attempt: the throughput with one place less."""
        self._is_wanted = False
        self._since = float("-inf")
        self._idle = 0.0
        self._free_since: float | None = None
        self._next = float("-inf")
        self._pause = FIRST_PAUSE

    def __repr__(self) -> str:
        factor = "unknown" if self._factor is None else f"{self._factor:.3g}"
        return f"<FoundLimit {self.limit}, factor {factor}>"

    @property
    def factor(self) -> float | None:
        """Seconds of work for a second of sound with this limit; None if not known yet."""
        return self._factor

    def wanted(self) -> None:
        """Note that requests wait, so that more places would be used."""
        self._is_wanted = True

    def occupied(self, taken: int, now: float) -> None:
        """Note how many places are taken from now on."""
        if self._free_since is not None:
            self._idle += now - self._free_since
        self._free_since = now if taken < self.limit else None

    def idle(self, now: float) -> float:
        """Return for how many seconds a place was free, in all."""
        return self._idle + (0.0 if self._free_since is None else now - self._free_since)

    def measured(self, now: float, *, began: float, sound: float, idle: float) -> None:
        """Add a request that has succeeded, before its place is free.

        ``sound``: seconds of sound; ``began``: when it was sent, when :meth:`idle` was ``idle``.
        """
        seconds = now - began
        if began < self._since or sound <= 0 or seconds <= 0:
            return
        if self.idle(now) - idle > IDLE * seconds:
            return
        sums = self._sums
        sums.count += 1
        sums.seconds += seconds
        sums.sound += sound
        if sums.count >= max(MEASURED, PER_PLACE * self.limit):
            self._decide(now, sums.factor)

    def overloaded(self, now: float) -> None:
        """Note a failure that shows that the instance has too much to do."""
        self._move(max(1, self.limit // 2), now)
        self._factor = self._before = None
        self._postpone(now)

    def _decide(self, now: float, factor: float) -> None:
        throughput = self.limit / factor
        if self._before is not None:
            # An attempt with one place more than before.
            best = self._before * self.limit / (self.limit - 1)
            if throughput >= self._before + GAIN * (best - self._before):
                self._pause = FIRST_PAUSE
                self._before, self._factor = None, factor
                self._grow(now, throughput)
            else:
                self._before = None
                self._move(self.limit - 1, now)
                self._postpone(now)
            return
        if self._factor is not None and factor > WORSE * self._factor and self.limit > 1:
            self._move(self.limit - 1, now)
            self._factor = None
            self._postpone(now)
            return
        self._factor = factor if self._factor is None else min(factor, 0.8 * self._factor + 0.2 * factor)
        self._grow(now, throughput)

    def _grow(self, now: float, throughput: float) -> None:
        """Try one more place if requests wait for one; measure again in any case."""
        if self._is_wanted and self.limit < MOST and now >= self._next:
            self._before = throughput
            self._move(self.limit + 1, now)
        else:
            self._sums = _Sums()
        self._is_wanted = False

    def _move(self, limit: int, now: float) -> None:
        """Change the limit. What began with the old one is not measured."""
        self.limit = limit
        self._sums = _Sums()
        self._since = now

    def _postpone(self, now: float) -> None:
        self._next = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
