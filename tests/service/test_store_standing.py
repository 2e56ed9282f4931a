"""A Redis that goes away is said where an operator looks, in words; one that cannot be used, at the start."""

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.redis import redis_server
from tests.fakes.service import RunningService, service
from tests.fakes.waiting import wait_until

SETTINGS = """\
services:
  audio-service: {{url: "http://127.0.0.1:9"}}
  translation-service: {{url: "http://127.0.0.1:9"}}
session_management: {{persistence: redis, redis_url: "{url}"}}
orchestration: {{shutdown_grace: 2}}
"""


def health(s: RunningService) -> dict[str, Any]:
    """Return what ``/api/health`` says."""
    document: dict[str, Any] = s.get("/api/health").json()
    return document


def stores_branch(s: RunningService) -> str:
    """Return what the tree says of the stores."""
    branches = s.get("/api/tree").json()["branches"]
    return str(next(each["detail"] for each in branches if each["name"] == "stores"))


def test_health_and_the_tree_say_that_redis_is_away(tmp_path: Path) -> None:
    """Degraded, why and since when; ready all the same, since who is connected is served; then healthy."""
    with (
        redis_server(tmp_path / "redis", "--appendonly", "no") as redis,
        service("serve", tmp_path, settings=SETTINGS.format(url=redis.url)) as s,
    ):
        (caution,) = health(s)["store"]["cautions"]
        assert "Set appendonly yes" in caution
        assert (health(s)["services"]["store"], stores_branch(s)) == ("healthy", f"redis, open · {caution}")
        assert "orch_store_cautions 1.0" in s.get("/metrics").text
        before = time.time()
        redis.kill()
        wait_until(lambda: health(s)["services"]["store"] == "degraded", "the store is degraded")
        said = health(s)["store"]
        assert said["reason"].startswith(f"Redis at {redis.url}: ")
        wait_until(
            lambda: "Nothing listens there: start it" in health(s)["store"]["reason"], "the reason is said"
        )
        assert before - 1 < said["since"] < time.time() + 1
        assert "Nothing listens there" in stores_branch(s)
        assert "orch_store_healthy 0.0" in s.get("/metrics").text
        assert s.get("/readyz").status_code == 200
        redis.start()
        wait_until(lambda: health(s)["services"]["store"] == "healthy", "the store is healthy")
        assert health(s)["store"]["reason"] == ""
        assert "orch_store_healthy 1.0" in s.get("/metrics").text


@pytest.mark.parametrize(
    ("options", "mend", "words"),
    [
        (("--requirepass", "right"), ("AUTH", "right"), "It requires a password"),
        (("--replicaof", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), "It is a replica"),
    ],
)
def test_a_redis_that_cannot_be_used_is_said_before_anything_else(
    tmp_path: Path, options: tuple[str, ...], mend: tuple[str, ...], words: str
) -> None:
    """In one line of the log, without a stack trace; the service begins once it can be."""

    class Waiting(RunningService):
        def _ready(self) -> str:
            reason = ""
            while words not in reason:  # on a busy machine it may say first that Redis is slow
                line = self.wait_for_line("store not reached")
                assert "exception" not in line
                reason = line["reason"]
            return "http://127.0.0.1:0"

    with redis_server(tmp_path / "redis", *options) as redis:
        path = tmp_path / "orchestration.yaml"
        path.write_text(SETTINGS.format(url=redis.url))
        waiting = Waiting(["serve", "--port", "0", "--config", str(path)], tmp_path, {})
        try:
            if mend[0] != "AUTH":
                redis.ask(*mend)
                waiting.wait_for_line("store open")
                waiting.wait_for_line("ready")
        finally:
            assert waiting.stop() == 0
        # Once for each reason: on a busy machine it may also say that Redis is slow.
        reasons = [line["reason"] for line in waiting.lines if line.get("event") == "store not reached"]
        assert all(reason != following for reason, following in pairwise(reasons))
