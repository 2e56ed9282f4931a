"""Decides when to reconnect, and when a silent connection is dead. Pure.

``static/js/models/reconnection.js``, ``backoff.js`` and ``liveness.js`` do the same in the browser;
``tests/data/recovery/reconnection.json`` and ``liveness.json`` are the test vectors of both.
"""

import math
import random
from collections.abc import Callable
from typing import Final, Literal

from msgspec import Struct

from orch.backoff import exponential
from orch.protocol import closes

#: Seconds after which a connection counts as having lasted: the next loss resets the back-off.
STEADY_AFTER: Final = 5.0

#: Seconds that a ping may remain without a pong.
PATIENCE: Final = 10.0

#: While speech is sent, the service acknowledges it each second. Seconds of silence until a ping is sent,
#: until the connection counts as dead, and until the next attempt: speech is stored for a minute only.
SPEECH_QUIET: Final = 3.0
SPEECH_PATIENCE: Final = 3.0
SPEECH_RETRY: Final = 2.0

#: RFC 6455 §7.1.5: the code of a connection that ended without a close frame.
ABNORMAL: Final = 1006


class Backoff:
    """The wait before the next attempt, in seconds: exponential with full jitter.

    It is drawn evenly from [floor, min(cap, base · 2^tries)], so that clients that lost the service together
    reconnect at different times. ``floor`` keeps a small draw from becoming a busy loop.
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
        """Start again with the shortest wait."""
        self.tries = 0


class Wait(Struct, frozen=True):
    """Reconnect after ``seconds``; ``words``: why the connection ended."""

    seconds: float
    words: str


class Stop(Struct, frozen=True):
    """Do not reconnect; ``words``: why."""

    code: int
    words: str


class Reconnection:
    """Decides what follows a lost connection, from its close code (``closes.py``) and ``closing``.

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
        """Note the beginning of an attempt."""
        self._live_since = None

    def greeted(self, now: float) -> None:
        """Note that ``connected`` was received."""
        self._live_since = now

    def closed(
        self,
        code: int,
        reason: str,
        now: float,
        *,
        closing: tuple[str, float] | None = None,
        within: float = math.inf,
    ) -> Wait | Stop:
        """Return what follows a close.

        ``closing``: reason and ``reconnect_after`` of a ``closing`` message. ``within``: the longest wait, if
        the service asks for none.
        """
        known = closes.CLOSES.get(code)
        words = (closing[0] if closing else "") or reason or (known.reason if known else _words(code))
        following = closes.after(code)
        if following == "stop":
            return Stop(code, words)
        if self._live_since is not None and now - self._live_since >= STEADY_AFTER:
            self._backoff.reset()
        self._live_since = None
        wait = min(within, self._backoff.next())
        if closing and closing[1] > 0:
            # The service spreads the reconnects of its clients; its wait is added.
            wait += closing[1]
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
    """Decides whether a silent connection is dead.

    A network failure is not reported; a ping without a pong is the only sign. After ``quiet`` seconds of
    silence a ping is sent; after ``PATIENCE`` more the connection counts as dead. While speech is sent both
    are shorter. The mutable state is when something was last received, when a ping was sent, and since when
    speech is sent.
    """

    def __init__(self, *, quiet: float, now: float) -> None:
        self._quiet = quiet
        self._received_at = now
        self._pinged_at: float | None = None
        self._sent_at: float | None = None

    @property
    def due_at(self) -> float:
        """When to check next."""
        if self._pinged_at is not None:
            return self._pinged_at + (PATIENCE if self._sent_at is None else SPEECH_PATIENCE)
        due = self._received_at + self._quiet
        return due if self._sent_at is None else min(due, self._sent_at + SPEECH_QUIET)

    def received(self, now: float) -> None:
        """Note that something was received."""
        self._received_at = now
        self._pinged_at = self._sent_at = None

    def sent(self, now: float) -> bool:
        """Note that speech is sent. True: ``due_at`` may be sooner now."""
        if self._sent_at is not None:
            return False
        self._sent_at = now
        return True

    def look(self, now: float) -> Literal["ask", "die"] | None:
        """Return what to do now: send a ping, end the connection, or nothing before ``due_at``."""
        late = now - self.due_at
        if late < 0:
            return None
        # A check that is very late ran on a machine that was suspended: an earlier ping does not count.
        if self._pinged_at is not None and late <= PATIENCE:
            return "die"
        self._pinged_at = now
        return "ask"
