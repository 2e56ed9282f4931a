"""Wrong credentials and too many requests, counted at each door of the real service in the test's process."""

from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

import orch.client
from orch.client import RefusedError
from orch.protocol.identifiers import new_join_code
from orch.telemetry.names import access as names
from orch.telemetry.names.metric import Name
from tests.fakes.whole import Whole, whole

pytestmark = pytest.mark.real_time

TOKEN = "right-token"  # noqa: S105 - of the test's service
AFAR = {"X-Forwarded-For": "192.0.2.9"}  # so that the scrapes from here go on
SETTINGS = f"""\
orchestration: {{control_token: {TOKEN}}}
services:
  audio-service: {{url: "http://127.0.0.1:9"}}
  translation-service: {{url: "http://127.0.0.1:9"}}
"""


async def scraped(running: Whole, name: Name, label: str) -> dict[str, float]:
    """Return the values of a metric by one of its labels, from ``/metrics``."""
    async with httpx2.AsyncClient(base_url=running.url) as client:
        response = await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    return {
        sample.labels[label]: sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
        if sample.name == name.name
    }


async def test_each_wrong_credential_and_each_refused_flood_counts_at_its_door(tmp_path: Path) -> None:
    """From zero: every kind has a series before the first of them."""
    async with whole(tmp_path, settings=SETTINGS) as running:
        kinds = names.AUTH_FAILURES.labels[0].values
        doors = names.ALL_RATE_LIMITED.labels[0].values
        assert await scraped(running, names.AUTH_FAILURES, "kind") == dict.fromkeys(kinds, 0)
        assert await scraped(running, names.ALL_RATE_LIMITED, "door") == dict.fromkeys(doors, 0)
        assert await scraped(running, names.SIGN_INS, "outcome") == {"begun": 0, "failed": 0}
        async with httpx2.AsyncClient(base_url=running.url) as client:
            made = await running.parts.hub.create_session("s")
            wrong = await client.get("/api/sessions/s", headers={"X-Session-Key": "k" * 32})
            assert wrong.status_code in (403, 404)
            await client.post("/api/join", json={"code": new_join_code(6)})
            assert (await client.post("/sign-in", data={"token": TOKEN})).status_code == 303
            statuses = [
                (await client.post("/sign-in", data={"token": f"wrong {number}"}, headers=AFAR)).status_code
                for number in range(7)
            ]
        async with orch.client.connect(running.url) as other:
            with pytest.raises(RefusedError):
                await other.join("s", key="k" * 32)
            await other.join("s", key=made.keys.speak or "")
        assert statuses[-1] == 429
        assert await scraped(running, names.AUTH_FAILURES, "kind") == {
            **dict.fromkeys(kinds, 0),
            "control_token": sum(status != 429 for status in statuses),
            "session_key": 2,
            "join_code": 1,
        }
        limited = await scraped(running, names.ALL_RATE_LIMITED, "door")
        assert limited["http"] == sum(status == 429 for status in statuses)
        assert await scraped(running, names.SIGN_INS, "outcome") == {"begun": 1, "failed": 0}
