"""How many clients fit into the limit of open files, with a reserve for the service's own needs. Pure.

Each client uses a descriptor. If clients could use the last one, the service could not check or restart its
back ends, request captions or write to its store; so a part of the limit is reserved. The rest is divided
between WebSockets and plain HTTP, so that pages, probes and the gateway still work while WebSockets are at
their limit. A client's WebSocket to a back end uses two descriptors, one for each side; these have a part of
their own.
"""

from dataclasses import dataclass
from typing import Final

from orch.settings import Settings
from orch.settings.source import SettingsSource

BASE: Final = 96
"""For every process: standard streams, listening sockets, log, the store's files and reserve, the event loop,
Redis connections, and uploads that are spooled to disk."""

PER_SERVICE: Final = 16
"""For each back end: health checks and the pipes of a child or a restart command."""

HTTP_SHARE: Final = 4
"""One plain HTTP connection for four WebSockets: a page opens a few and closes them soon."""

HTTP_LEAST: Final = 64

TIGHT_SHARE: Final = 5
"""If not all connections fit, one in this many is for plain HTTP."""

PROXIED_SHARE: Final = 8
"""If not all connections fit, WebSockets to back ends get an eighth of the files, for both of their sides."""

ADDRESS_SHARE: Final = 4
"""One address may have a quarter of all connections, unless the settings say otherwise."""

ADDRESS_LEAST: Final = 32
"""Plain HTTP connections that one address may always have: a browser opens six for a page."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """The numbers of connections that fit.

    ``websockets`` and ``total`` (with plain HTTP and clients' WebSockets to back ends): connections at once;
    ``asked``: the configured number of WebSockets; ``files``: the limit of open files; ``reserve``: the files
    that clients never get; ``proxied``: WebSockets to back ends, ``proxied_asked``: their configured number.
    """

    websockets: int
    total: int
    asked: int
    files: int
    reserve: int
    proxied: int = 0
    proxied_asked: int = 0

    @property
    def is_lowered(self) -> bool:
        """Whether fewer connections fit than configured."""
        return self.websockets < self.asked

    @property
    def sentence(self) -> str:
        """A sentence with the lowered limit and the remedy; empty if all connections fit."""
        if not self.is_lowered:
            return ""
        return (
            f"max_connections is {self.asked:,}, but only {self.websockets:,} connections fit into "
            f"{self._limit_of_files}"
        )

    @property
    def proxied_sentence(self) -> str:
        """A sentence with the lowered limit of WebSockets to back ends; empty if all fit."""
        if self.proxied >= self.proxied_asked:
            return ""
        return (
            f"gateway.websockets.max_connections is {self.proxied_asked:,}, but only {self.proxied:,}, which "
            f"need two files each, fit into {self._limit_of_files}"
        )

    @property
    def _limit_of_files(self) -> str:
        return (
            f"the limit of {self.files:,} open files, of which the service reserves {self.reserve:,} "
            "for itself. Raise the limit of open files (LimitNOFILE= of systemd, ulimit -Hn, "
            "--ulimit nofile= of Docker)."
        )


def needs(connections: int, services: int) -> int:
    """Return how many open files the service needs for itself.

    ``connections``: the maximum of connections to all instances of all back ends together.
    """
    return BASE + connections + PER_SERVICE * services


def fit(*, files: int, asked: int, own: int, proxied: int = 0) -> Capacity:
    """Return the capacity for a limit of ``files`` open files, of which the service itself needs ``own``.

    ``asked``: WebSockets, ``proxied``: WebSockets to back ends, both as configured. At most half is reserved:
    with a very low limit, both the service and its clients get less.
    """
    reserve = min(own, files // 2)
    room = files - reserve
    plain = max(HTTP_LEAST, asked // HTTP_SHARE)
    if asked + plain + 2 * proxied <= room:
        return Capacity(asked, asked + plain + proxied, asked, files, reserve, proxied, proxied)
    fitting = min(proxied, room // PROXIED_SHARE // 2)
    room -= 2 * fitting
    plain = max(min(plain, room // TIGHT_SHARE), 1)
    websockets = max(min(asked, room - plain), 1)
    return Capacity(websockets, room + fitting, asked, files, reserve, fitting, proxied)


def websockets_per_address(setting: int, websockets: int) -> int:
    """Return the WebSocket limit of one address. ``setting`` 0: a share of all."""
    return setting or max(websockets // ADDRESS_SHARE, 1)


def connections_per_address(setting: int, capacity: Capacity) -> int:
    """Return the limit of HTTP and WebSocket connections of one address."""
    plain = max((capacity.total - capacity.websockets) // ADDRESS_SHARE, ADDRESS_LEAST)
    return websockets_per_address(setting, capacity.websockets) + plain


class CurrentCapacity:
    """The capacity for the current settings and a limit of ``files``; computed again when settings change."""

    def __init__(self, settings: SettingsSource, files: int) -> None:
        self._settings = settings
        self._files = files
        self._for: Settings | None = None
        self._capacity = fit(files=files, asked=1, own=0)

    def __call__(self) -> Capacity:
        """Return the current capacity."""
        settings = self._settings.current
        if settings is not self._for:
            self._for = settings
            gateway = settings.orchestration.gateway
            instances = sum(len(tuple(each.all_instances())) for each in settings.services.values())
            connections = instances * (gateway.captions.connections + gateway.requests.connections)
            self._capacity = fit(
                files=self._files,
                asked=settings.orchestration.websocket.max_connections,
                own=needs(connections, len(settings.services)),
                proxied=gateway.websockets.max_connections,
            )
        return self._capacity

    def per_address(self) -> int:
        """Return the configured limit of connections per address; 0: a share."""
        return self._settings.current.orchestration.websocket.max_connections_per_address
