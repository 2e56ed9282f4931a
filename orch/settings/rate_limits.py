"""The settings of rate limits. Pure."""

from typing import Annotated, Literal

from msgspec import Meta

from orch.settings.section import Section

Quota = Annotated[int, Meta(ge=1, le=1_000_000)]
Window = Annotated[int, Meta(ge=1, le=86_400)]
PolicyName = Annotated[str, Meta(min_length=1, max_length=64)]


class RateLimit(Section, frozen=True):
    """``requests`` in ``window`` seconds, for each address, for each key, or for all clients of a route.

    ``name``: as clients and metrics see it. ``route``: the prefix of one route, "" for all. ``key``: the
    request's ``Authorization`` or ``X-Api-Key``; without one, the address counts.
    """

    name: PolicyName
    requests: Quota
    window: Window = 60
    per: Literal["address", "key", "route"] = "address"
    route: str = ""
