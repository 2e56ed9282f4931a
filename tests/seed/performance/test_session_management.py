import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from orch.websocket.service import HubService
from tests.fakes.running import run
from tests.fakes.whole import whole

SESSIONS = 10_000
MAKERS = 10


@pytest.mark.timed
def test_session_creation_performance(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Seed: tests/performance/test_session_management.py::test_session_creation_performance.

    10,000 sessions are made by ten clients at a time, each on disk before it is acknowledged, in under 10 s;
    looking all of them up takes under 5 s: of processor time, as a machine that does other things as well
    gives less.
    """
    names: list[str] = []

    async def make(hub: HubService, names: list[str]) -> None:
        for _ in range(SESSIONS // MAKERS):
            names.append((await hub.create_session(None, {"test": True})).session_id)  # noqa: PERF401 - seen by all makers

    async def main() -> None:
        async with whole(tmp_path) as service:
            hub = service.parts.hub
            began = time.process_time()
            async with trio.open_nursery() as nursery:
                for _ in range(MAKERS):
                    nursery.start_soon(make, hub, names)
            creation = time.process_time() - began
            began = time.process_time()
            for name in names:
                assert (await hub.get_session(name)).session_id == name
            lookup = time.process_time() - began
        assert len(set(names)) == SESSIONS
        record_property("creation_seconds", creation)
        record_property("lookup_seconds", lookup)
        assert creation < 10
        assert lookup < 5

    run(main, virtual=False)
