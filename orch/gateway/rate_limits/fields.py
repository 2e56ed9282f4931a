"""The header fields of rate limits, as in draft-ietf-httpapi-ratelimit-headers-10. Pure.

``RateLimit-Policy: "name";q=100;w=60``: a quota of 100 requests in a window of 60 s. ``RateLimit:
"name";r=42;t=17``: 42 are left, and the quota is whole again in 17 s. Both are lists of RFC 9651.
"""

from collections.abc import Sequence
from math import ceil
from typing import Final

from orch.gateway.headers import Header
from orch.gateway.rate_limits.buckets import Level
from orch.problems import ProblemError

FIELDS: Final = (b"ratelimit-policy", b"ratelimit")


def fields(levels: Sequence[Level]) -> list[Header]:
    """Return both header fields for the limits that a request falls under."""
    policies = (f'"{one.limit.name}";q={one.limit.requests};w={one.limit.window}' for one in levels)
    left = (f'"{one.limit.name}";r={one.left};t={one.reset}' for one in levels)
    return [
        (FIELDS[0], ", ".join(policies).encode("ascii")),
        (FIELDS[1], ", ".join(left).encode("ascii")),
    ]


def problem_of(levels: Sequence[Level]) -> ProblemError | None:
    """Return the problem of a request that a limit does not let through, or None."""
    refusing = max(levels, key=lambda one: one.wait, default=None)
    if refusing is None or not refusing.wait:
        return None
    limit, seconds = refusing.limit, max(1, ceil(refusing.wait))
    whose = {"address": "from your address", "key": "with your key", "route": "to this path"}[limit.per]
    return ProblemError(
        "rate_limited",
        f"{limit.requests} requests {whose} in {limit.window} s are the limit ({limit.name}). Try again in "
        f"{seconds} s.",
        headers={"Retry-After": str(seconds)},
        policy=limit.name,
    )
