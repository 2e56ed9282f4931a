"""How many frames a client may send that hand the application nothing by themselves. Pure.

Control frames and small fragments cost their decoding, and a ping its pong, but never reach the application,
which weighs messages only. They have a rate of their own, kept as one number a connection (GCRA, as in
:mod:`orch.websocket.limits`).

Clients need far fewer: browsers never ping, common libraries do so every 20 s or so, and fragments are some
kilobytes.
"""

from typing import Final

#: Frames a second on average. The clients that measure round trips send some ten pings a second.
PER_SECOND: Final = 250

#: Frames at once: what was held back on the way may arrive together, and one message may have many parts.
BURST: Final = 2_000

#: Bytes from which on a fragment costs what its bytes do, which are weighed with the message.
SMALL: Final = 1_024

REASON: Final = f"Too many control frames and small fragments: {PER_SECOND} a second may be sent."
"""The words beside close code 1008."""

TOO_MANY: Final = "too_many_small_frames"
"""What it is counted as."""

_COST: Final = 1 / PER_SECOND


def left(full_at: float, now: float) -> int:
    """Return how many may be sent now. ``full_at``: what :func:`after` has returned last; 0 at first."""
    return int(BURST - max(full_at - now, 0.0) * PER_SECOND + 1e-6)


def after(full_at: float, now: float, count: int) -> float:
    """Return when all of the burst is allowed again once ``count`` frames have come."""
    return max(full_at, now) + count * _COST
