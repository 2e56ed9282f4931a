"""The servers that can be chosen, and what each of them is to the rest of the service."""

from typing import Any, Final, Literal, Protocol

import trio

from orch.front.statistics import FrontStatistics

ServerName = Literal["orch", "hypercorn"]
DEFAULT: Final[ServerName] = "orch"


class Front(Protocol):
    """Accepts connections for an ASGI application until told to stop; a branch of the tree."""

    bound: tuple[str, ...]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until stopped or cancelled."""

    def statistics(self) -> FrontStatistics:
        """Return what is open now."""


def make(name: ServerName, app: Any, **given: Any) -> Front:
    """Return a server of this name; both take the same arguments.

    ``http2`` and ``http3`` are Hypercorn's alone.
    """
    if name == "hypercorn":
        from orch.front.hypercorn.server import Front as Hypercorn  # noqa: PLC0415 - not loaded where it is not used

        return Hypercorn(app, **given)
    from orch.front.server import Server  # noqa: PLC0415 - the same

    return Server(app, **given)
