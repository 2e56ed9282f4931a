"""The whole service inside the test's own process: real parts on loopback, state in a folder."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from orch.front import servers
from orch.processes import ProcessSpec
from orch.serving import drain
from orch.settings.live import LiveSettings
from orch.telemetry.events import EventLog
from orch.tree import running
from orch.wiring.applications import create_application
from orch.wiring.build import build
from orch.wiring.parts import Parts
from tests.fakes.health import children

FOLDERS: Final = ("profiles", "recordings", "evidence", "spool")
"""Folders of bots, within the test's own."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A service that runs: its parts, and where it listens."""

    parts: Parts
    url: str

    @property
    def socket_url(self) -> str:
        """Where the hub is."""
        return self.url.replace("http", "ws", 1) + "/ws"


@asynccontextmanager
async def whole(
    folder: Path,
    *,
    settings: str = "",
    processes: Mapping[str, ProcessSpec | Sequence[ProcessSpec]] | None = None,
    **overlay: Any,
) -> AsyncIterator[Whole]:
    """Run the service for the length of the block, then stop it in order.

    ``settings``: the YAML file. The folder holds its state; run on the same folder again, it finds it.
    """
    path = folder / "orchestration.yaml"
    path.write_text(settings or "{}", encoding="utf-8")
    events = EventLog(wall=time.time)
    database = {"session_management.sqlite_path": str(folder / "sessions.sqlite3")}
    listen = {"orchestration.frontend.port": 0, "orchestration.shutdown_grace": 2}
    bots = {f"orchestration.bots.{each}": str(folder / each) for each in FOLDERS}
    configuration = LiveSettings(
        path, {}, events=events, wall=time.time, overlay={**database, **listen, **bots, **overlay}
    )
    parts = build(configuration, events, children(configuration.current, processes or {}))
    front = servers.create_server(
        configuration.current.orchestration.frontend.server,
        create_application(parts),
        host="127.0.0.1",
        port=0,
        stopping=parts.tree.stopping,
        drain=partial(drain, parts),
        grace=lambda: configuration.current.orchestration.shutdown_grace,
    )
    async with running(parts, front) as tree:
        assert not tree.stopping.is_set(), tree.reason
        try:
            yield Whole(parts, front.bound[0])
        finally:
            tree.stop("The test is over.")
            await trio.lowlevel.checkpoint_if_cancelled()
