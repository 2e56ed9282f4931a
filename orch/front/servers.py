"""The two servers that can be chosen (``--server``), and the interface that both have."""

import ssl
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, Literal, Protocol, Required, TypedDict, Unpack

import trio

from orch.front.admission import Admission
from orch.front.context import App
from orch.front.listeners import Listener
from orch.front.statistics import FrontStatistics
from orch.queued_bytes import QueuedBytes
from orch.shortages import Shortage
from orch.telemetry.names.metric import Reading

ServerName = Literal["orch", "hypercorn"]
DEFAULT: Final[ServerName] = "orch"


class FrontServer(Protocol):
    """A server that accepts connections for an ASGI application; a branch of the tree."""

    bound: tuple[str, ...]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until the stop event is set and the last request has ended, or until cancelled."""

    def statistics(self) -> FrontStatistics:
        """Return the number of open connections and the other counts."""

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""


class ServerOptions(TypedDict, total=False):
    """The arguments that both servers accept; :class:`orch.front.server.Server` describes them."""

    host: Required[str]
    port: Required[int]
    stopping: Required[trio.Event]
    drain: Required[Callable[[], Awaitable[None]]]
    grace: Required[Callable[[], float]]
    heartbeat: Callable[[], float]
    heartbeat_timeout: Callable[[], float] | None
    deflate: bool
    tls: Callable[[], ssl.SSLContext] | None
    listen: Callable[[], Sequence[Listener]] | None
    admission: Admission | None
    on_shortage: Callable[[Shortage, str], None]
    outgoing: QueuedBytes | None


def create_server(
    name: ServerName,
    app: App,
    *,
    http2: bool = False,
    http3: Callable[[], tuple[bytes, bytes]] | None = None,
    **options: Unpack[ServerOptions],
) -> FrontServer:
    """Return a new server. ``http2`` and ``http3`` need Hypercorn; ValueError without it."""
    if name == "hypercorn":
        from orch.front.hypercorn.server import HypercornServer  # noqa: PLC0415 - loaded only if it is used

        return HypercornServer(app, http2=http2, http3=http3, **options)
    if http2 or http3 is not None:
        raise ValueError("HTTP/2 and HTTP/3 need the server hypercorn.")
    from orch.front.server import Server  # noqa: PLC0415 - the same

    return Server(app, **options)
