from pathlib import Path

import pytest

from tests.fakes.client import connected
from tests.fakes.whole import whole

pytestmark = pytest.mark.real_time


async def test_connection_pool_management(tmp_path: Path) -> None:
    """Seed: tests/unit/test_connection_management.py::test_connection_pool_management.

    There is room for 10,000 connections, and one that comes is among the active ones under its id.
    """
    async with whole(tmp_path) as service:
        hub = service.parts.hub
        assert hub.statistics().limit == 10_000
        async with connected(service.url) as client:
            greeting = await client.of_type("connected")
            active = {connection.connection_id for connection in hub.statistics().connections}
            assert active == {greeting["connection_id"]}
            assert hub.statistics().active == 1


async def test_session_persistence(tmp_path: Path) -> None:
    """Seed: tests/unit/test_connection_management.py::test_session_persistence.

    A session outlives a restart of the service: its config is what it was, and its user is in it again.
    """
    async with whole(tmp_path) as service, connected(service.url) as client:
        created = await client.ask(
            "session_created", type="create_session", name="user123", config={"audio": True}
        )
    async with whole(tmp_path) as service, connected(service.url) as client:
        recovered = await client.ask(
            "session_recovered",
            type="recover_session",
            session_id=created["session_id"],
            recovery_token=created["recovery_token"],
            epoch=created["epoch"],
            offset=created["offset"],
        )
        assert recovered["recovered"] is True
        assert recovered["participant_id"] == created["participant_id"]
        assert [participant["name"] for participant in recovered["participants"]] == ["user123"]
        kept = await service.parts.hub.get_session(created["session_id"])
        assert bytes(kept.config) == b'{"audio":true}'
