"""A service that is stopped before it is up, in the test's own process."""

import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from orch import serving
from orch.serving import serve
from orch.settings.live import LiveSettings
from orch.startup_responses import EARLY_AFTER
from orch.supervision.branches import Tree
from orch.telemetry.events import EventLog
from orch.wiring.parts import Parts

pytestmark = pytest.mark.real_time


async def test_a_stop_before_the_startup_front_listens_ends_with_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sockets are closed by then: the branches take longer to end than it takes until it responds."""

    @asynccontextmanager
    async def ends_slowly(
        parts: Parts, _front: object, *, before_front: Callable[[], None]
    ) -> AsyncIterator[Tree]:
        assert before_front is not None  # not called: a tree that is stopping has no front
        parts.tree.stop("The test is over.")
        yield parts.tree
        await trio.sleep(EARLY_AFTER + 0.5)

    monkeypatch.setattr(serving, "running", ends_slowly)
    (tmp_path / "orchestration.yaml").write_text("{}", encoding="utf-8")
    events = EventLog(wall=time.time)
    configuration = LiveSettings(
        tmp_path / "orchestration.yaml",
        {},
        events=events,
        wall=time.time,
        overlay={
            "session_management.sqlite_path": str(tmp_path / "sessions.sqlite3"),
            "orchestration.bots.enabled": False,
        },
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert await serve(configuration, events, {}, [listening]) == 0
        assert listening.fileno() == -1
