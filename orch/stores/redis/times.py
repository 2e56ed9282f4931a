"""How often the store looks at what it follows and at the server. Pure."""

from typing import Final

from msgspec import Struct

from orch.stores.redis.session_feed import FEED_TIMES, FeedTimes


class RedisTimes(Struct, frozen=True):
    """Seconds. ``feed``: of each followed session.

    ``audit_every``: within which every followed session is looked at though nothing was missed.
    ``drop_unused_every``: between looks at which followed sessions no client is in. ``probe_every``: between
    looks at whether the server takes writes. ``inspect_every``: between looks at its settings and clock.
    ``log_again``: after which the same trouble is logged again.
    """

    feed: FeedTimes = FEED_TIMES
    audit_every: float = 5.0
    drop_unused_every: float = 5.0
    probe_every: float = 1.0
    inspect_every: float = 30.0
    log_again: float = 60.0


REDIS_TIMES: Final = RedisTimes()
