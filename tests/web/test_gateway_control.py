"""The controls of the gateway over HTTP: an operator's alone, stored over a restart, in the audit log."""

from pathlib import Path

import httpx2
import pytest

from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.whole import whole

pytestmark = pytest.mark.real_time

CONTROL = "/api/gateway/control"


async def test_an_operator_drains_an_instance_which_outlives_a_restart(tmp_path: Path) -> None:
    """What is wrong with a command is named, and nothing happens then."""
    first, second = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    settings = f"services: {{audio-service: {{url: '{first}', instances: [{{url: '{second}'}}]}}}}"

    async def drained(client: httpx2.AsyncClient) -> dict[str, bool]:
        found = (await client.get("/api/gateway/status")).json()["instances"]
        return {one["url"]: one["is_drained"] for one in found if one["service"] == "audio-service"}

    async with (
        whole(tmp_path, settings=settings) as service,
        httpx2.AsyncClient(base_url=service.url, timeout=PATIENCE) as client,
    ):
        drain = {"action": "drain", "service": "audio-service", "instance": second}
        stranger = await client.post(CONTROL, json=drain, headers={"X-Forwarded-For": "203.0.113.9"})
        assert stranger.status_code in (401, 403)
        for wrong in ({"action": "kill"}, {"instance": "http://x"}, {"weight": 0}, {"weight": 2}):
            refused = await client.post(CONTROL, json=drain | wrong)
            assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
        assert await drained(client) == {first: False, second: False}
        done = await client.post(CONTROL, json=drain)
        assert done.status_code == 200
        assert [each["outcome"] for each in done.json()["workers"]] == ["done"]
        assert await drained(client) == {first: False, second: True}
    async with (
        whole(tmp_path, settings=settings) as service,
        httpx2.AsyncClient(base_url=service.url, timeout=PATIENCE) as client,
    ):
        assert await drained(client) == {first: False, second: True}
        await client.post(CONTROL, json=drain | {"action": "return"})
        assert await drained(client) == {first: False, second: False}
