"""The intervals of the store's checks of sessions and of the server. Pure."""

from typing import Final

from msgspec import Struct

from orch.stores.redis.session_feed import FEED_TIMES, FeedTimes


class RedisTimes(Struct, frozen=True):
    """Intervals in seconds. ``feed``: those of each followed session.

    ``audit_every``: within it every followed session is checked even without a sign of trouble.
    ``drop_unused_every``: between searches for followed sessions without clients. ``probe_every``: between
    write probes of the server. ``inspect_every``: between checks of its settings and clock. ``log_again``:
    until the same problem is logged again.
    """

    feed: FeedTimes = FEED_TIMES
    audit_every: float = 5.0
    drop_unused_every: float = 5.0
    probe_every: float = 1.0
    inspect_every: float = 30.0
    log_again: float = 60.0


REDIS_TIMES: Final = RedisTimes()
