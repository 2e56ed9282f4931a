"""The explanation of a request over HTTP, for operators."""

from pathlib import Path

import httpx2
import pytest

from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.whole import whole

pytestmark = pytest.mark.real_time


async def test_operators_ask_what_would_become_of_a_request(tmp_path: Path) -> None:
    """With the route, each instance, and as if one were gone; what is wrong with the question is named."""
    first, second = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    settings = f"services: {{audio-service: {{url: '{first}', instances: [{{url: '{second}'}}]}}}}"
    async with (
        whole(tmp_path, settings=settings) as service,
        httpx2.AsyncClient(base_url=service.url, timeout=PATIENCE) as client,
    ):
        explain = "/api/gateway/explain"
        found = (await client.get(explain, params={"path": "/api/audio/transcribe", "method": "post"})).json()
        assert (found["route"]["target"], found["route"]["is_repeatable"]) == ("/api/transcribe", True)
        assert {each["url"] for each in found["instances"]} == {first, second}
        without = {"path": "/api/audio/x", "without": first}
        reasons = {
            each["url"]: each["reason"]
            for each in (await client.get(explain, params=without)).json()["instances"]
        }
        assert reasons[first] == "taken as absent"
        both = {"path": "/api/audio/x", "without": [first, second]}
        assert "503" in (await client.get(explain, params=both)).json()["problem"]
        for params, words in (
            ({}, "is the path of a request"),
            ({"path": "api"}, "is the path of a request"),
            ({"path": "/x", "without": "http://stranger"}, "is none of the instances"),
        ):
            refused = await client.get(explain, params=params)
            assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
            assert words in refused.json()["detail"]
