"""The settings of routes, and of how requests reach the back ends. Pure."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from orch.settings.fallbacks import Fallback, FallbackCache, StaticResponse
from orch.settings.gateway_sockets import Sockets
from orch.settings.hedging import Hedging
from orch.settings.rate_limits import RateLimit
from orch.settings.section import (
    Count,
    Path,
    Positive,
    Secret,
    Section,
)
from orch.settings.shedding import RoutePriority, Shedding
from orch.settings.timeouts import RouteTimeouts, Timeouts

Repeatable = Literal["never", "safe", "always"]
Uploads = Literal["stored", "streamed"]


class Route(Section, frozen=True):
    """A route of the gateway: paths that begin with ``prefix`` are forwarded to ``service`` at ``path``.

    ``repeatable``: which requests may be sent again after the back end may have received them; ``safe``:
    those of idempotent methods. ``priority``: which class they are in where instances have a limit; ``auto``:
    ``control`` for methods that only read, ``interactive`` for others. ``timeouts``: the route's own.
    ``uploads``: whether a body is stored until it is complete, or passed on while it arrives.
    ``fallbacks``: what a client gets when the service fails.
    ``hedging``: whether a slow request is sent to another instance as well.
    """

    prefix: Path
    service: str
    path: Path
    repeatable: Repeatable = "safe"
    priority: RoutePriority = "auto"
    timeouts: RouteTimeouts = RouteTimeouts()
    uploads: Uploads = "stored"
    fallbacks: tuple[Fallback, ...] = ()
    hedging: Hedging = Hedging()


DEFAULT_ROUTES: Final = (
    Route(
        prefix="/api/audio/transcribe",
        service="audio-service",
        path="/api/transcribe",
        repeatable="always",
        priority="batch",
    ),
    Route(prefix="/api/audio/", service="audio-service", path="/api/"),
    Route(prefix="/api/whisper/", service="audio-service", path="/api/"),
    Route(
        prefix="/api/translate",
        service="translation-service",
        path="/api/translate",
        repeatable="always",
    ),
    Route(prefix="/api/translation/", service="translation-service", path="/api/"),
)

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WEBSOCKET"]


class PublicRoute(Section, frozen=True):
    """A public route: these methods at ``path``, or below it if it ends in ``/``, need no operator rights.

    ``WEBSOCKET``: handshakes, which ``GET`` does not include.
    """

    path: Path
    methods: tuple[Method, ...] = ("GET",)


class Share(Section, frozen=True):
    """Limits of one flow per instance: open connections, and requests queued for one."""

    connections: Count = 64
    waiting: Annotated[int, Meta(ge=0)] = 256


class Gateway(Section, frozen=True):
    """How requests reach the back ends. Durations in seconds.

    ``timeout``: from the complete request to the end of the response, over all attempts.
    ``captions`` and ``requests``: the limits of the service's own flow and of clients' requests.
    ``max_requests``: clients' requests in progress; ``spool_bytes``: their bodies on the disk;
    ``client_rate``: minimum bytes a second that a client sends or reads. Routes are for local requests and
    operators; ``public`` opens those in ``public_routes`` to everyone.
    ``registry_token``: what instances register themselves with; "": operators register them.
    """

    timeout: Positive = 30
    timeouts: Timeouts = Timeouts()
    retries: Annotated[int, Meta(ge=0, le=10)] = 3
    circuit_breaker_threshold: Count = 5
    circuit_breaker_cooldown: Positive = 10
    captions: Share = Share()
    requests: Share = Share()
    max_body_bytes: Count = 26_214_400
    max_requests: Count = 1024
    max_requests_per_address: Count = 128
    spool_bytes: Count = 1_073_741_824
    client_rate: Positive = 16_384
    routes: tuple[Route, ...] = DEFAULT_ROUTES
    public: bool = False
    public_routes: tuple[PublicRoute, ...] = ()
    registry_token: Secret = ""
    shedding: Shedding = Shedding()
    rate_limits: tuple[RateLimit, ...] = ()
    static_responses: tuple[StaticResponse, ...] = ()
    fallback_cache: FallbackCache = FallbackCache()
    websockets: Sockets = Sockets()

    def longest_total(self, service: str) -> float:
        """Return the seconds that a request to a service may take, apart from those without a limit."""
        own = [route.timeouts.total for route in self.routes if route.service == service]
        return max(self.timeout, *(total or 0.0 for total in own), 0.0)
