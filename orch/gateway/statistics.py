"""The statistics of the gateway, as pages, metrics and the API read them. Pure."""

from typing import Literal

from msgspec import Struct


class GatewayRoute(Struct, frozen=True, kw_only=True):
    """One route, with its requests since the start and in the last minute."""

    prefix: str
    service: str
    path: str
    requests: int
    errors: int
    requests_last_minute: int
    errors_last_minute: int
    p50_ms: float | None = None
    p95_ms: float | None
    p99_ms: float | None = None


class GatewayOwn(Struct, frozen=True, kw_only=True):
    """Requests to a service over no route: speech (``captions``), or ``requests`` in service messages."""

    flow: Literal["captions", "requests"]
    service: str
    requests: int
    errors: int
    requests_last_minute: int
    errors_last_minute: int
    p50_ms: float | None = None
    p95_ms: float | None
    p99_ms: float | None = None


class GatewayFlow(Struct, frozen=True, kw_only=True):
    """One flow over all services: since the start, and in the last minute.

    ``timed``: the number of requests of the last minute that the quantiles cover; if 0, they are null. The
    time of a request for captions is for the most part the length of its speech.
    """

    requests: int
    errors: int
    requests_last_minute: int
    errors_last_minute: int
    timed: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None = None


class GatewayLane(Struct, frozen=True, kw_only=True):
    """One flow's share of an instance: ``captions`` or clients' ``requests``.

    ``connections``: its limit, of which ``busy`` are in use; ``waiting`` requests wait for one, at most
    ``waiting_limit``. ``breaker_retry_in``: seconds until an open breaker admits a trial. ``ejected_for``:
    seconds until an ejected instance returns; ``ejections``: how many times as long as the first the last
    ejection was, which falls by one with each interval without one. ``rests_for``: seconds for
    which it has asked for no requests at all; ``resting_callers``: those of whom it has asked so each.
    ``overtaken_in_a_row``: requests that another instance has answered while this one answered none.
    """

    flow: Literal["captions", "requests"]
    breaker: Literal["closed", "open", "half_open"]
    breaker_retry_in: float | None
    consecutive_failures: int
    ejected_for: float | None
    ejection_cause: Literal["back_end", "connect", "success_rate", "connect_rate", "operator"] | None
    ejections: int
    ejections_total: int
    rests_for: float | None = None
    resting_callers: int = 0
    overtaken_in_a_row: int = 0
    in_flight: int
    sockets: int = 0
    connections: int
    busy: int
    waiting: int
    waiting_limit: int
    requests: int
    errors: int
    requests_last_minute: int
    errors_last_minute: int
    p95_ms: float | None
    is_admitting: bool


class GatewayQueue(Struct, frozen=True, kw_only=True):
    """Requests of one class that wait for a place at a service: ``waiting`` of at most ``waiting_limit``.

    ``deadline``: seconds that one may wait, a tenth while ``is_overloaded``. Since the start: ``queued`` had
    to wait, of which ``shed_deadline`` did for too long and ``shed_queue_full`` found the queue full.
    """

    service: str
    priority: Literal["live", "interactive", "batch"]
    waiting: int
    waiting_limit: int
    deadline: float
    is_overloaded: bool
    queued: int
    shed_deadline: int
    shed_queue_full: int


class GatewayRateLimit(Struct, frozen=True, kw_only=True):
    """A rate limit of clients, and how many requests it has let through and refused since the start.

    With several workers, those of this one.
    """

    name: str
    per: Literal["address", "key", "route"]
    requests: int
    window: int
    route: str
    allowed: int
    refused: int


class GatewayHedging(Struct, frozen=True, kw_only=True):
    """The extra requests of a route: at most ``extra`` for each of its requests that is slow.

    ``delay_ms``: what is waited before each, None while fewer than ``samples_needed`` times to the first byte
    of the last minute are known. ``budget``: extra requests as a share of the route's, 0 if only the
    service's retry budget bounds them; ``budget_left``: how many may be sent now. Since the start: ``sent``,
    of which ``won`` were faster than what they overtook, and those ``declined`` by reason: the budgets were
    used up, no other instance was free, too little time was left, or this process had been suspended.
    """

    prefix: str
    service: str
    extra: int
    delay_ms: float | None
    samples: int
    samples_needed: int
    budget: float
    budget_left: int | None
    sent: int
    won: int
    declined: dict[str, int]


class GatewayInstance(Struct, frozen=True, kw_only=True):
    """One instance. ``share``: its part (0..1) of its service's attempts in the last minute, if any.

    Counts are of attempts: a repeated request counts again, one that reached no instance does not. They are
    of both flows together; ``breaker``, ``breaker_retry_in`` and ``consecutive_failures`` are those of the
    worse flow. ``usable``: requests of at least one flow are admitted. ``weight``: the settings'
    ``configured_weight``, or what an operator has set; ``is_drained``: an operator has taken it out of use.
    ``weight_now``: the part of ``weight``
    that counts now, less for one that returned lately, until ``slow_start_left`` seconds from now (None: it
    has all of it); ``first_byte_ms``: its usual time to the first byte of
    a response when it last had a request, None before the first one. ``is_last_resort``: it gets requests
    where there is no usable one. ``lanes`` has each flow on its own. ``places_taken`` of
    ``places_limit`` (None: not limited) requests are in progress that have a class; ``places_from``: whether
    the limit was declared or found.
    """

    service: str
    url: str
    weight: int
    configured_weight: int
    weight_now: float
    is_drained: bool
    first_byte_ms: float | None
    breaker: Literal["closed", "open", "half_open"]
    breaker_retry_in: float | None
    consecutive_failures: int
    in_flight: int
    sockets: int = 0
    requests: int
    errors: int
    requests_last_minute: int
    errors_last_minute: int
    share: float | None
    p95_ms: float | None
    usable: bool
    places_taken: int
    places_limit: int | None
    places_from: Literal["declared", "found", "unlimited"]
    lanes: tuple[GatewayLane, ...]
    warm_up: Literal["off", "cold", "warming", "warm"] = "off"
    slow_start_left: float | None = None
    is_last_resort: bool = False


class GatewayServiceFlow(Struct, frozen=True, kw_only=True):
    """One flow's figures of a service as a whole.

    ``breaker``: None if it has none, as its only instance has one; ``retries_left``: requests that may be
    repeated now, of the retry budget's window of ``retry_window`` seconds; ``retries_refused``: since the
    start.
    """

    flow: Literal["captions", "requests"]
    breaker: Literal["closed", "open", "half_open"] | None
    breaker_retry_in: float | None
    consecutive_failures: int
    ejected: int
    most_ejected: int
    retries_left: int
    retries_refused: int
    retry_window: int


class GatewayBackend(Struct, frozen=True, kw_only=True):
    """A service as a whole: how it is balanced, and its flows."""

    service: str
    balancer: Literal["round_robin", "least_requests", "fastest", "sticky"]
    flows: tuple[GatewayServiceFlow, ...]


class GatewayDraining(Struct, frozen=True, kw_only=True):
    """An instance that has left its service and works on ``in_flight`` requests.

    They are ended after ``seconds_left``.
    """

    service: str
    url: str
    in_flight: int
    seconds_left: float


class GatewayLease(Struct, frozen=True, kw_only=True):
    """A registered instance, and the seconds until its lease ends unless it is renewed; 0: it has ended."""

    instance: str
    url: str
    seconds_left: float


class GatewayDiscovery(Struct, frozen=True, kw_only=True):
    """What is known of where a service's instances are: by DNS, or by their own registration.

    ``name``: what was looked up. ``instances``: the last good answer, which is used however old it is;
    ``age``: seconds since it came, None if there was none yet; ``next_in``: seconds until the next look-up.
    ``failures``: look-ups in a row that failed, the last one for the reason ``problem``. ``left_out``: how
    many were found beyond ``max_instances``. ``leases``: of ``registry``, those of ``instances``.
    """

    service: str
    source: Literal["dns", "registry"]
    name: str
    instances: tuple[str, ...]
    age: float | None
    next_in: float | None
    failures: int
    problem: str
    left_out: int
    leases: tuple[GatewayLease, ...] = ()


class GatewayFallbacks(Struct, frozen=True, kw_only=True):
    """What clients got since the start when requests to a route failed for which it has fallbacks.

    By the kind of the fallback, ``none`` if none could be used. ``active_for``: seconds since requests began
    to fail, None while they do not. ``stored``: last good responses, ``stored_bytes`` in all.
    """

    route: str
    service: int
    cached: int
    static: int
    none: int
    active_for: float | None
    stored: int
    stored_bytes: int


class GatewayFallbackCache(Struct, frozen=True, kw_only=True):
    """The last good responses of all routes. ``bytes``: with those of responses that are arriving.

    ``evicted``: dropped since the start to make room.
    """

    responses: int
    bytes: int
    max_responses: int
    max_bytes: int
    evicted: int


class GatewaySockets(Struct, frozen=True, kw_only=True):
    """WebSockets of clients to back ends: ``open`` of ``limit``, ``limit_per_address`` of one address.

    ``limit_reason``: why the limit is lower than configured, "" if it is not.

    Since the start: ``opened``, and ``refused`` by the gateway or a back end; the bytes of frames;
    ``endings`` by how and by whom (``closed_client``, ``lost_back_end``, ``silent_client``, …), and by close
    ``codes`` (1006: without a close frame; 3000 and 4000: all of that thousand).
    """

    open: int = 0
    limit: int = 0
    limit_per_address: int = 0
    limit_reason: str = ""
    opened: int = 0
    refused: int = 0
    bytes_from_clients: int = 0
    bytes_from_back_ends: int = 0
    endings: dict[str, int] = {}
    codes: dict[str, int] = {}


class GatewayUsage(Struct, frozen=True, kw_only=True):
    """Requests of clients in progress (``places``) and their bodies on disk, each with its limit."""

    places: int
    places_limit: int
    spooled_bytes: int
    spool_limit: int


class GatewayStatistics(Struct, frozen=True, kw_only=True):
    """The gateway now.

    ``requests``, ``errors`` and ``retries`` count since the start; rates, shares and quantiles cover the last
    minute. An error is a response of 500 or more, including the gateway's own, or an incomplete one.
    Latencies are the time back ends took; requests that reached none (``unasked_last_minute`` of them) have
    none. ``routes`` and ``own`` together are all requests, except those of removed routes and services.
    ``clients`` and ``captions``: each flow on its own. ``queues``: those of services whose instances have a
    limit. ``places``: requests of clients in progress, of
    ``places_limit``; ``spooled_bytes``: their bodies on disk, of ``spool_limit``. ``rate_buckets``: buckets
    of rate limits that are not full; ``rates_unchecked``: requests since the start whose limits could not be
    read from the shared store, and that were let through. ``fallbacks``: of routes that have some; with them
    a failed request counts as an error of its route, whatever the client got.
    """

    requests: int
    errors: int
    retries: int
    requests_last_minute: int
    errors_last_minute: int
    unasked_last_minute: int
    in_flight: int
    requests_per_second: float
    error_rate: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None = None
    places: int
    places_limit: int
    spooled_bytes: int
    spool_limit: int
    clients: GatewayFlow
    captions: GatewayFlow
    routes: tuple[GatewayRoute, ...]
    own: tuple[GatewayOwn, ...]
    instances: tuple[GatewayInstance, ...]
    queues: tuple[GatewayQueue, ...]
    services: tuple[GatewayBackend, ...]
    draining: tuple[GatewayDraining, ...] = ()
    discovery: tuple[GatewayDiscovery, ...] = ()
    rate_limits: tuple[GatewayRateLimit, ...]
    rate_buckets: int = 0
    rates_unchecked: int = 0
    fallbacks: tuple[GatewayFallbacks, ...] = ()
    fallback_cache: GatewayFallbackCache | None = None
    hedging: tuple[GatewayHedging, ...] = ()
    sockets: GatewaySockets = GatewaySockets()
