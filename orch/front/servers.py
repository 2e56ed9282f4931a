"""The two servers that can be chosen (``--server``), and the interface that both have."""

from collections.abc import Iterator
from typing import Any, Final, Literal, Protocol

import trio

from orch.front.statistics import FrontStatistics
from orch.telemetry.metric_names import Reading

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


def create_server(name: ServerName, app: Any, **given: Any) -> FrontServer:
    """Return a new server. Both accept the same arguments, except Hypercorn's ``http2`` and ``http3``."""
    if name == "hypercorn":
        from orch.front.hypercorn.server import HypercornServer  # noqa: PLC0415 - not loaded where it is not used

        return HypercornServer(app, **given)
    from orch.front.server import Server  # noqa: PLC0415 - the same

    return Server(app, **given)
