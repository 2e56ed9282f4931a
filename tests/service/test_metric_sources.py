"""Wrong credentials and too many requests, counted at each door of the real service in the test's process."""

from itertools import product
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

import orch.client
from orch.client import RefusedError
from orch.protocol.identifiers import new_join_code
from orch.telemetry.names import AREAS
from orch.telemetry.names import access as names
from orch.telemetry.names.metric import Name
from tests.fakes.patience import PATIENCE
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
    async with httpx2.AsyncClient(base_url=running.url, timeout=PATIENCE) as client:
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
        async with httpx2.AsyncClient(base_url=running.url, timeout=PATIENCE) as client:
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


#: Metrics that have no series before something has happened, or where something is missing.
LATER = {
    "orch_probe_journey_success": "before the first journey",
    "orch_audit_entries_total": "where no audit log is written",
    "orch_audit_write_failures_total": "where no audit log is written",
    "orch_calendar_failing": "without calendars",
    "orch_speech_voice_models_lent": "without the voice model",
    "orch_speech_voice_models_missed_total": "without the voice model",
}


async def test_every_metric_of_the_table_is_read_from_the_start(tmp_path: Path) -> None:
    """With each value of its closed lists: an alert on an increase sees the first one."""
    async with whole(tmp_path, settings=SETTINGS) as running:
        found: dict[str, set[tuple[str, ...]]] = {}
        for source in running.parts.metrics.sources:
            for reading in source():
                found.setdefault(reading.name.name, set()).add(reading.labels)
        areas = ("speech", "translation", "bots", "stores", "access", "settings", "journey")
        table = [name for area in areas for name in AREAS[area]]
        assert len(table) > 80
        missing = {name.name for name in table} - set(found) - set(LATER)
        assert missing == set()
        for name in table:
            if name.kind == "counter" and name.labels and all(label.values for label in name.labels):
                wanted = set(product(*(label.values for label in name.labels)))
                assert found[name.name] <= wanted, name.name
        assert found["orch_bot_ends_total"] >= {("page_changed", "join"), ("blocked", "lobby")}
