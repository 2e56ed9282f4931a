"""The time-outs of a request, and which of them an attempt runs into. Pure.

As in Envoy, the total counts from the complete request on, so that a slow upload does not use it up, and
covers all attempts. The other time-outs are those of one attempt. What runs out before the response's head
fails the attempt, and another instance may be asked; afterwards the response is cut short.

    connecting      sending          waiting       receiving
    connect
                    idle             first_byte    idle
    per_try ────────────────────────────────────────────────
    per_try_idle ───────────────────────────────────────────

``idle`` does not count while the instance computes: an engine that transcribes a long recording sends
nothing until it is done. Nothing counts while the client is waited for.
"""

import math
from enum import StrEnum
from typing import Final, NamedTuple

from msgspec import Struct

from orch.settings import Gateway
from orch.settings.timeouts import RouteTimeouts


class Timeout(StrEnum):
    """The kinds of time-outs, as in the settings."""

    CONNECT = "connect"
    FIRST_BYTE = "first_byte"
    IDLE = "idle"
    TOTAL = "total"
    PER_TRY = "per_try"
    PER_TRY_IDLE = "per_try_idle"


class Limits(Struct, frozen=True, kw_only=True):
    """The time-outs of a route. Seconds; ``math.inf``: none. ``counts_as``: seconds of a failed attempt."""

    connect: float = 3.0
    first_byte: float = math.inf
    idle: float = math.inf
    total: float = math.inf
    per_try: float = math.inf
    per_try_idle: float = math.inf
    per_audio_second: float = 0.0
    counts_as: float = 30.0

    def total_of(self, audio_seconds: float) -> float:
        """Return the total of a request with so much audio."""
        return self.total + self.per_audio_second * audio_seconds


UNLIMITED: Final = Limits()


def limits_of(gateway: Gateway, route: RouteTimeouts | None = None) -> Limits:
    """Return the time-outs of a route, or of requests without one.

    >>> limits_of(Gateway(), RouteTimeouts(total=0)).total
    inf
    """
    given = route or RouteTimeouts()
    default = gateway.timeouts

    def chosen(own: float | None, otherwise: float) -> float:
        return (otherwise if own is None else own) or math.inf

    total = chosen(given.total, gateway.timeout)
    first_byte = chosen(given.first_byte, default.first_byte)
    per_try = chosen(given.per_try, default.per_try)
    soonest = min(total, first_byte, per_try)
    return Limits(
        connect=given.connect or default.connect,
        first_byte=first_byte,
        idle=chosen(given.idle, default.idle),
        total=total,
        per_try=per_try,
        per_try_idle=chosen(given.per_try_idle, default.per_try_idle),
        per_audio_second=default.per_audio_second
        if given.per_audio_second is None
        else given.per_audio_second,
        # A failure of a request that has no limit counts as one of a usual request.
        counts_as=gateway.timeout if math.isinf(soonest) else soonest,
    )


class Due(NamedTuple):
    """When an attempt runs into a time-out, and into which; ``at`` on the clock's time, perhaps infinite."""

    at: float
    kind: Timeout
    seconds: float


NEVER: Final = Due(math.inf, Timeout.TOTAL, math.inf)


class TryClock:
    """The time of one attempt. ``began``: when it got the right to a connection.

    The mutable state is when the last byte moved, how far the attempt has come, and whether time counts.
    """

    __slots__ = ("_began", "_is_answered", "_limits", "_moved", "_paused", "_sent")

    def __init__(self, limits: Limits, began: float) -> None:
        self._limits = limits
        self._began = began
        self._moved = began
        self._sent: float | None = None
        self._paused: float | None = None
        self._is_answered = False

    def moved(self, now: float) -> None:
        """Note that bytes moved, in either direction."""
        self._moved = now

    def sent(self, now: float) -> None:
        """Note that the request is sent completely."""
        self._moved = self._sent = now

    def answered(self, now: float) -> None:
        """Note that the head of the response has arrived."""
        self._moved = now
        self._is_answered = True

    def pause(self, now: float) -> None:
        """Note that the instance is not waited for, but the client, or a disk of ours."""
        self._paused = now

    def resume(self, now: float) -> None:
        """Note that the instance is waited for again; the time since :meth:`pause` is left out."""
        if self._paused is not None:
            self._began += now - self._paused
            self._moved += now - self._paused
            self._paused = None

    @property
    def connect(self) -> Due:
        """Return the time-out of connecting."""
        return min(self._due(Timeout.CONNECT, self._began), *self._of_the_try())

    @property
    def due(self) -> Due:
        """Return the time-out that comes first from now on, once there is a connection; paused, none does."""
        if self._paused is not None:
            return NEVER
        if self._sent is not None and not self._is_answered:
            own = self._due(Timeout.FIRST_BYTE, self._sent)
        else:
            own = self._due(Timeout.IDLE, self._moved)
        return min(own, *self._of_the_try())

    def _of_the_try(self) -> tuple[Due, Due]:
        return self._due(Timeout.PER_TRY, self._began), self._due(Timeout.PER_TRY_IDLE, self._moved)

    def _due(self, kind: Timeout, since: float) -> Due:
        seconds: float = getattr(self._limits, kind)
        return Due(since + seconds, kind, seconds)


_WORDS: Final = {
    Timeout.CONNECT: "no connection within {:g} s",
    Timeout.FIRST_BYTE: "no response within {:g} s of the request",
    Timeout.IDLE: "the transfer stood still for {:g} s",
    Timeout.TOTAL: "no complete response within {:g} s",
    Timeout.PER_TRY: "no complete response to one attempt within {:g} s",
    Timeout.PER_TRY_IDLE: "an attempt without a byte for {:g} s",
}


def in_words(kind: Timeout, seconds: float) -> str:
    """Return what has happened, without who it happened to.

    >>> in_words(Timeout.IDLE, 300)
    'the transfer stood still for 300 s'
    """
    return _WORDS[kind].format(seconds)
