"""The settings of fallbacks: what a client gets when the service of its route fails. Pure."""

from typing import Annotated, Literal

from msgspec import Meta

from orch.settings.section import FilePath, HeaderName, NotNegative, PathOrNone, Section

FailureKind = Literal["unavailable", "overloaded", "timeout", "broken", "status"]
FailureStatus = Annotated[int, Meta(ge=500, le=599)]
CachedMethod = Literal["GET", "POST"]
CacheBytes = Annotated[int, Meta(ge=0, le=2**32)]
Month = Annotated[float, Meta(ge=1, le=2_592_000)]
Entries = Annotated[int, Meta(ge=1, le=1_000_000)]
Share = Annotated[float, Meta(ge=0, le=0.9)]
ResponseName = Annotated[str, Meta(min_length=1, max_length=64)]
Status = Annotated[int, Meta(ge=200, le=599)]


class Fallback(Section, frozen=True):
    """One fallback of a route. A route's fallbacks are tried in their order.

    ``use``: another ``service`` (with ``path`` in place of the route's, "" for the same), the last good
    response (``cached``), or a ``static`` one, which is the ``response`` of that name in
    ``gateway.static_responses``. ``when``: the failures that it is for; ``statuses``: those of responses.

    Of a service: ``timeout``, seconds that it has at most, 0 for those of the route; ``share``: the part of
    the route's total that is reserved for it where it is tried after a time-out; ``forward_authorization``:
    whether it gets the client's ``Authorization`` and API key. Of cached responses: ``max_age``, seconds;
    ``methods``; ``max_bytes`` of the route in the cache; ``per``: whose responses a client may get: those of
    clients with the same credentials (none, usually), or of its own address alone; ``unkeyed``: headers of
    requests on which responses do not depend.
    """

    use: Literal["service", "cached", "static"]
    when: tuple[FailureKind, ...] = ("unavailable", "overloaded", "timeout", "broken", "status")
    statuses: tuple[FailureStatus, ...] = (500, 502, 503, 504)
    service: str = ""
    path: PathOrNone = ""
    timeout: NotNegative = 0
    share: Share = 0.15
    forward_authorization: bool = False
    max_age: Month = 3600
    methods: tuple[CachedMethod, ...] = ("GET",)
    max_bytes: CacheBytes = 8_388_608
    per: Literal["credentials", "address"] = "credentials"
    unkeyed: tuple[HeaderName, ...] = ()
    response: str = ""


class StaticResponse(Section, frozen=True):
    """A response that is always the same: ``body``, or the content of ``file`` when the settings are read."""

    name: ResponseName
    status: Status = 503
    content_type: str = "application/json"
    body: str = ""
    file: FilePath = ""


class FallbackCache(Section, frozen=True):
    """The limits of the cache of last good responses, in each worker. ``max_bytes`` 0: nothing is stored."""

    max_bytes: CacheBytes = 33_554_432
    max_entries: Entries = 4096
    max_object_bytes: CacheBytes = 262_144
