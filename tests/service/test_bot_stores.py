"""The service with its bots in PostgreSQL, which goes away, and with none that its workers could share."""

from pathlib import Path
from typing import Any

import pytest

from orch.stores.opening import WITHOUT_BOTS
from tests.fakes.postgres import postgres_server
from tests.fakes.redis import redis_server
from tests.fakes.service import RunningService, service
from tests.fakes.waiting import wait_until

BACK_ENDS = """\
services:
  audio-service: {url: "http://127.0.0.1:9"}
  translation-service: {url: "http://127.0.0.1:9"}
"""

pytestmark = pytest.mark.process


def health(s: RunningService) -> dict[str, Any]:
    document: dict[str, Any] = s.get("/api/health").json()
    return document


def detail(s: RunningService) -> str:
    branches = s.get("/api/tree").json()["branches"]
    return str(next(each["detail"] for each in branches if each["name"] == "stores"))


def test_bots_in_postgresql_that_is_killed_hold_up_nothing_else(tmp_path: Path) -> None:
    """It is named where an operator looks, the password is not; afterwards all is well by itself."""
    with postgres_server() as server:
        url = server.url.replace("orch@", "orch:hushed@")
        settings = BACK_ENDS + f'orchestration: {{bots: {{postgres_url: "{url}"}}}}\n'
        with service("serve", tmp_path, settings=settings) as s:
            assert health(s)["bot_store"]["engine"] == "postgres"
            wait_until(lambda: health(s)["bot_store"]["state"] == "healthy", "bots can be stored")
            assert "bots: postgres" in detail(s)
            assert "orch_bot_store_healthy 1.0" in s.get("/metrics").text
            server.kill()
            wait_until(lambda: s.get("/readyz").json().get("degraded") == ["bot_store"], "it is named")
            assert s.get("/readyz").status_code == 200
            said = health(s)
            assert (said["status"] != "healthy", said["store"]["state"]) == (True, "healthy")
            assert "Start it, or correct the address" in said["bot_store"]["reason"]
            assert "Start it, or correct the address" in detail(s)
            assert "hushed" not in str(said) + detail(s) + s.get("/api/config").text
            assert s.post("/api/sessions/create", json={}).status_code == 201
            server.start()
            wait_until(lambda: s.get("/readyz").json().get("degraded") is None, "bots can be stored again")


def test_where_sessions_are_in_redis_and_no_postgresql_is_set_the_start_says_so(tmp_path: Path) -> None:
    """There is no store that the workers could share."""
    with redis_server(tmp_path / "redis", "--appendonly", "yes") as redis:
        settings = BACK_ENDS + f'session_management: {{persistence: redis, redis_url: "{redis.url}"}}\n'
        with service("serve", tmp_path, settings=settings) as s:
            assert WITHOUT_BOTS in s.get("/api/metrics/dashboard").text
            assert "bot_store" not in health(s)
