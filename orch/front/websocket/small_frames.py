"""The rate limit for frames that give the application nothing by themselves. Pure.

Control frames and small fragments cost their decoding, and a ping its pong, but never reach the application,
which limits messages only. They have a rate limit of their own, stored as one number for each connection
(GCRA, as in :mod:`orch.access.rate_limits`).

Clients need far fewer: browsers never ping, common libraries do so every 20 s or so, and fragments are some
kilobytes.
"""

from typing import Final

from msgspec import Struct

SMALL: Final = 1_024
"""Bytes from which on a fragment is no small one: its cost is that of its bytes, which the message's limit
bounds."""

TOO_MANY: Final = "too_many_small_frames"
"""What a refusal is counted as."""


class SmallFrameLimit(Struct, frozen=True):
    """How many small frames a client may send: ``per_second`` on average, ``burst`` at once.

    The clients that measure round trips send some ten pings a second. Frames that were delayed on the way may
    arrive together, and one message may have many fragments.
    """

    per_second: int = 250
    burst: int = 2_000

    def remaining(self, full_at: float, now: float) -> int:
        """Return how many may be sent now. ``full_at``: the last result of :meth:`after`; 0 at first."""
        return int(self.burst - max(full_at - now, 0.0) * self.per_second + 1e-6)

    def after(self, full_at: float, now: float, count: int) -> float:
        """Return when the whole burst is available again, after ``count`` more frames."""
        return max(full_at, now) + count / self.per_second


DEFAULT: Final = SmallFrameLimit()
"""The limit of the service. Only the conformance tests run with another."""

REASON: Final = f"Too many control frames and small fragments: {DEFAULT.per_second} a second may be sent."
"""The reason beside close code 1008."""
