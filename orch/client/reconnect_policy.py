"""Decides when to reconnect, and when a silent connection is dead. Pure.

``static/js/models/reconnection.js``, ``backoff.js`` and ``liveness.js`` are the browser's side;
``tests/data/recovery/reconnection.json`` and ``liveness.json`` are what both must do.
"""

import math
import random
from collections.abc import Callable
from typing import Final, Literal

from msgspec import Struct

from orch.backoff import exponential
from orch.protocol import closes

#: A connection that lasted so many seconds was a good one: the next loss starts the back-off anew.
STEADY_AFTER: Final = 5.0

#: Seconds that a ping may stay unanswered.
PATIENCE: Final = 10.0

#: While speech goes out the service acknowledges it each second: so many seconds without a word are enough
#: to ask, and so many more to know. The next try comes within the last: speech is stored for a minute only.
SPEECH_QUIET: Final = 3.0
SPEECH_PATIENCE: Final = 3.0
SPEECH_RETRY: Final = 2.0

#: RFC 6455 §7.1.5: what a connection that ended without a close frame is said to have been closed with.
ABNORMAL: Final = 1006


class Backoff:
    """How long to wait before the next try, in seconds: exponential with full jitter.

    The wait is drawn evenly from [floor, min(cap, base · 2^tries)], so that many clients that lost one
    service at one moment come back spread out. ``floor`` keeps a lucky draw from becoming a busy loop.
    """

    def __init__(
        self,
        *,
        base: float = 0.5,
        cap: float = 30.0,
        floor: float = 0.2,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._base, self._cap, self._floor, self._draw = base, cap, floor, draw
        self.tries = 0

    def next(self) -> float:
        """Return the next wait."""
        ceiling = exponential(self._base, self.tries, longest=self._cap)
        self.tries += 1
        return self._floor + self._draw() * max(0.0, ceiling - self._floor)

    def reset(self) -> None:
        """Begin anew."""
        self.tries = 0


class Wait(Struct, frozen=True):
    """Connect again after so many seconds; ``words``: why the connection ended."""

    seconds: float
    words: str


class Stop(Struct, frozen=True):
    """Do not connect again by itself; ``words``: why."""

    code: int
    words: str


class Reconnection:
    """What follows a lost connection, by its close code (``closes.py``) and by what the service asked for.

    The mutable state is the back-off, and since when the connection has been live.
    """

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._live_since: float | None = None

    @property
    def tries(self) -> int:
        """Losses since the last connection that lasted."""
        return self._backoff.tries

    def connecting(self) -> None:
        """Begin a try."""
        self._live_since = None

    def greeted(self, now: float) -> None:
        """Take it that the service said ``connected``."""
        self._live_since = now

    def closed(
        self,
        code: int,
        reason: str,
        now: float,
        *,
        asked: tuple[str, float] | None = None,
        within: float = math.inf,
    ) -> Wait | Stop:
        """Return what follows a close.

        ``asked``: reason and ``reconnect_after`` of a ``closing``. ``within``: where the service asks for no
        wait, it is no longer.
        """
        known = closes.CLOSES.get(code)
        words = (asked[0] if asked else "") or reason or (known.reason if known else _words(code))
        following = closes.after(code)
        if following == "stop":
            return Stop(code, words)
        if self._live_since is not None and now - self._live_since >= STEADY_AFTER:
            self._backoff.reset()
        self._live_since = None
        wait = min(within, self._backoff.next())
        if asked and asked[1] > 0:
            # The service spreads its clients itself; its wait is kept.
            wait += asked[1]
        elif following == "now" and self._backoff.tries == 1:
            wait = 0.0
        return Wait(wait, words)


def _words(code: int) -> str:
    return {
        "stop": "The service refused this connection.",
        "now": "The service asked to connect again.",
        "back_off": "The connection was lost.",
    }[closes.after(code)]


class Liveness:
    """Whether a quiet connection still lives.

    Nobody tells of a network that has gone; a ping that stays unanswered is the only sign. Without a word for
    ``quiet`` seconds one is sent; without a word for ``PATIENCE`` after it the connection is called dead.
    While speech goes out both are shorter. The mutable state is when something was last heard, since when a
    ping has been unanswered, and since when speech has.
    """

    def __init__(self, *, quiet: float, now: float) -> None:
        self._quiet = quiet
        self._heard_at = now
        self._asked_at: float | None = None
        self._sent_at: float | None = None

    @property
    def due_at(self) -> float:
        """When to look next."""
        if self._asked_at is not None:
            return self._asked_at + (PATIENCE if self._sent_at is None else SPEECH_PATIENCE)
        due = self._heard_at + self._quiet
        return due if self._sent_at is None else min(due, self._sent_at + SPEECH_QUIET)

    def heard(self, now: float) -> None:
        """Any word counts."""
        self._heard_at = now
        self._asked_at = self._sent_at = None

    def sent(self, now: float) -> bool:
        """Note that speech goes out. True: ``due_at`` may be sooner now."""
        if self._sent_at is not None:
            return False
        self._sent_at = now
        return True

    def look(self, now: float) -> Literal["ask", "die"] | None:
        """Return what to do now: send a ping, give the connection up, or nothing before ``due_at``."""
        late = now - self.due_at
        if late < 0:
            return None
        # Who looks much too late ran on a machine that slept: what was asked before counts for nothing.
        if self._asked_at is not None and late <= PATIENCE:
            return "die"
        self._asked_at = now
        return "ask"
