"""How many clients fit into the limit of open files, with a reserve for the service's own needs. Pure.

Each client is a descriptor. A service whose clients have taken the last one cannot check its back ends, start
one again, send captions on or write its store; so a part of the limit is never given to clients, and what is
left is shared between WebSockets and plain HTTP, so that pages, probes and the gateway still work while
WebSockets are at their limit.
"""

from dataclasses import dataclass
from typing import Final

from orch.settings import Settings
from orch.settings.source import SettingsSource

BASE: Final = 96
"""For what every process has: standard streams, listening sockets, log, the store's files and reserve, the
loop's own, Redis' connections, and uploads that are spooled to disk."""

PER_SERVICE: Final = 16
"""For each back end: health checks and the pipes of a child or a restart command."""

HTTP_SHARE: Final = 4
"""Beside four WebSockets there may be one plain HTTP connection: a page opens some and closes them soon."""

HTTP_LEAST: Final = 64

TIGHT_SHARE: Final = 5
"""Where not all fits, one connection in so many is for plain HTTP."""

ADDRESS_SHARE: Final = 4
"""One address may have a quarter of all connections, where the settings do not say how many."""

ADDRESS_LEAST: Final = 32
"""Plain HTTP connections that one address may have in any case: a browser opens six a page."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """The numbers of connections that fit.

    ``websockets`` and ``total`` (with plain HTTP): connections at once; ``asked``: WebSockets that the
    settings ask for; ``files``: the limit of open files; ``reserve``: how many of them clients never get.
    """

    websockets: int
    total: int
    asked: int
    files: int
    reserve: int

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
            f"the limit of {self.files:,} open files, of which the service reserves {self.reserve:,} "
            "for itself. Raise the limit of open files (LimitNOFILE= of systemd, ulimit -Hn, "
            "--ulimit nofile= of Docker)."
        )


def needs(connections: int, services: int) -> int:
    """Return how many open files the service needs for itself.

    ``connections``: to all instances of all back ends together, as many as there may be at once.
    """
    return BASE + connections + PER_SERVICE * services


def fit(*, files: int, asked: int, own: int) -> Capacity:
    """Return the capacity for a limit of ``files`` open files, of which the service itself needs ``own``.

    Never more than half is kept: with a very low limit, both the service and its clients do with less.
    """
    reserve = min(own, files // 2)
    room = files - reserve
    plain = max(HTTP_LEAST, asked // HTTP_SHARE)
    if asked + plain <= room:
        return Capacity(asked, asked + plain, asked, files, reserve)
    plain = max(min(plain, room // TIGHT_SHARE), 1)
    return Capacity(max(min(asked, room - plain), 1), room, asked, files, reserve)


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
            )
        return self._capacity

    def per_address(self) -> int:
        """Return the configured limit of connections per address; 0: a share."""
        return self._settings.current.orchestration.websocket.max_connections_per_address
