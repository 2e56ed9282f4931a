import time
from collections.abc import Callable
from pathlib import Path

from tests.fakes.running import run
from tests.fakes.whole import whole

SESSIONS = 10_000


def test_session_creation_performance(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    """Seed: tests/performance/test_session_management.py::test_session_creation_performance.

    10,000 sessions are made, one after the other and each on disk before the next, in under 10 s; looking all
    of them up takes under 5 s.
    """

    async def main() -> None:
        async with whole(tmp_path) as service:
            hub = service.parts.hub
            began = time.perf_counter()
            names = [(await hub.create_session(None, {"test": True})).session_id for _ in range(SESSIONS)]
            creation = time.perf_counter() - began
            began = time.perf_counter()
            for name in names:
                assert (await hub.get_session(name)).session_id == name
            lookup = time.perf_counter() - began
        assert len(set(names)) == SESSIONS
        record_property("creation_seconds", creation)
        record_property("lookup_seconds", lookup)
        assert creation < 10
        assert lookup < 5

    run(main, virtual=False)
