"""The routes of the current settings, compiled again when the settings change. Pure."""

from orch.access.addresses import Network, read_network
from orch.gateway.public_routes import PublicRoutes
from orch.gateway.routes import Match, RouteTable
from orch.gateway.timeouts import UNLIMITED, Limits, limits_of
from orch.settings import Settings
from orch.settings.source import SettingsSource


class CurrentRoutes:
    """The route table, the public routes and the trusted proxies of the settings as they are now.

    Routes come from the settings alone: what the health service knows decides which instance is used, never
    whether a path has a route. The mutable state is what was compiled from the last version of the settings.
    """

    def __init__(self, settings: SettingsSource) -> None:
        self._settings = settings
        self._compiled_from: Settings | None = None
        self._table = RouteTable(())
        self._public: PublicRoutes | None = None
        self._trusted: tuple[Network, ...] = ()
        self._trusted_hops = 0
        self._limits = UNLIMITED

    @property
    def table(self) -> RouteTable:
        """The route table."""
        self._compile()
        return self._table

    @property
    def limits(self) -> Limits:
        """The time-outs of requests without a route."""
        self._compile()
        return self._limits

    @property
    def trusted_proxies(self) -> tuple[Network, ...]:
        """The networks of proxies whose account of their own clients is believed."""
        self._compile()
        return self._trusted

    @property
    def trusted_hops(self) -> int:
        """How many proxies each request passes; 0: not known."""
        self._compile()
        return self._trusted_hops

    def handles(self, path: str, raw_path: bytes | None = None) -> bool:
        """Return whether a path (ASGI's ``path``, decoded, and ``raw_path``, as it was sent) has a route."""
        return self.table.takes(path, None if raw_path is None else raw_path.decode("latin-1"))

    def match(self, path: str) -> Match | None:
        """Return where a percent-encoded path leads, None if it has no route. Raises UnroutableError."""
        return self.table.match(path)

    def is_public(self, method: str, path: str) -> bool:
        """Return whether the settings open a client's request at a percent-encoded path to everyone."""
        self._compile()
        return self._public is not None and self._public.opens(method, path)

    def is_public_inside(self, service: str, method: str, path: str) -> bool:
        """Return whether the settings open a request to a service at its own path to everyone."""
        self._compile()
        return self._public is not None and self._public.opens_inside(service, method, path)

    def _compile(self) -> None:
        settings = self._settings.current
        if settings is self._compiled_from:
            return
        gateway = settings.orchestration.gateway
        self._table = RouteTable(gateway.routes, lambda route: limits_of(gateway, route.timeouts))
        self._limits = limits_of(gateway)
        self._public = PublicRoutes(gateway.public_routes, self._table) if gateway.public else None
        self._trusted = tuple(map(read_network, settings.orchestration.frontend.trusted_proxies))
        self._trusted_hops = settings.orchestration.frontend.trusted_hops
        self._compiled_from = settings
