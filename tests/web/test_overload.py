"""A whole service that has little memory left."""

from pathlib import Path

import httpx2
import pytest

from orch.overload import Use
from orch.shortages import Shortage
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.whole import whole

pytestmark = pytest.mark.real_time


async def test_new_work_is_refused_and_probes_pages_and_control_are_served(tmp_path: Path) -> None:
    """First connections are not kept; then work is refused, for operators too; the overview says why."""
    settings = f"services: {{audio-service: {{url: 'http://127.0.0.1:{free_port()}'}}}}"
    async with (
        whole(tmp_path, settings=settings) as service,
        httpx2.AsyncClient(base_url=service.url, timeout=PATIENCE) as client,
    ):
        use = Use(50, 100)
        overload = service.parts.overload
        overload._sources = {Shortage.MEMORY: lambda: use}

        async def statuses(*requests: tuple[str, str]) -> list[int]:
            return [(await client.request(method, path)).status_code for method, path in requests]

        work = (("POST", "/api/audio/transcribe"), ("POST", "/api/sessions/create"))
        other = [("GET", "/livez"), ("GET", "/readyz"), ("GET", "/"), ("GET", "/api/gateway/status")]
        other += [("GET", "/metrics"), ("GET", "/api/config")]
        overload.look()
        assert "connection" not in (await client.get("/livez")).headers
        use = Use(93, 100)
        overload.look()
        assert (await client.get("/livez")).headers["connection"] == "close"
        assert (await client.post("/api/audio/transcribe")).json()["code"] == "service_unavailable"
        use = Use(96, 100)
        overload.look()
        for method, path in work:
            refused = await client.request(method, path)
            assert (refused.status_code, refused.json()["code"]) == (503, "own_shortage")
            assert refused.headers["retry-after"] == "5"
        assert await statuses(*other) == [200] * len(other)
        health = (await client.get("/api/health")).json()
        assert health["shortages"] == ["memory"]
        assert health["status"] != "healthy"
        lines = (await client.get("/api/services/status")).json()["shortages"]
        assert "uses 96% of its limit" in lines[0]["text"]
        shown = (await client.get("/api/metrics/dashboard")).json()["overload"]
        assert shown["uses"][-1:] == [{"resource": "memory", "used": 96, "limit": 100, "step": 2}]
        assert (shown["refuse"], shown["refused"]) == (0.95, overload.refused)
        use = Use(50, 100)
        overload.look()
        assert 503 not in await statuses(work[1])
        assert "shortages" not in (await client.get("/api/health")).json()
