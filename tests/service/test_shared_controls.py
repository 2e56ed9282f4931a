"""Operators' controls of the gateway with two workers on one Redis: one is told, both obey."""

from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from tests.fakes.patience import PATIENCE
from tests.fakes.redis import redis_server
from tests.fakes.service import service
from tests.fakes.wires import answer, serving

pytestmark = pytest.mark.real_time

AUDIO = "audio-service"


def back_end(name: bytes) -> Callable[..., Any]:
    """Return an application that responds with its name."""

    async def respond(_scope: Any, _receive: Any, send: Any) -> None:
        await answer(send, b'{"status":"healthy","from":"%s"}' % name)

    return respond


async def control(client: httpx2.AsyncClient, action: str, url: str, **more: Any) -> list[str]:
    """Give a command to one worker; return the outcome on each."""
    command = {"action": action, "service": AUDIO, "instance": url, **more}
    response = await client.post("/api/gateway/control", json=command)
    assert response.status_code == 200, response.text
    return [each["outcome"] for each in response.json()["workers"]]


async def shares(client: httpx2.AsyncClient, *, requests: int = 24) -> Counter[str]:
    """Return which back end so many requests through a worker were served by."""
    served: Counter[str] = Counter()
    for _ in range(requests):
        response = await client.get("/api/audio/x")
        assert response.status_code == 200
        served[response.json()["from"]] += 1
    return served


async def instance(client: httpx2.AsyncClient, url: str) -> dict[str, Any]:
    """Return the state of an instance on a worker."""
    instances = (await client.get("/api/gateway/status")).json()["instances"]
    [found] = [each for each in instances if each["url"] == url]
    return dict(found)


@pytest.mark.slow
async def test_a_control_given_to_one_worker_holds_on_the_other_and_on_one_that_starts_later(
    tmp_path: Path,
) -> None:
    """Drain, weight and return, which last, and an ejection, which does not."""
    async with AsyncExitStack() as stack:
        urls = [(await stack.enter_async_context(serving(back_end(name)))).bound[0] for name in (b"a", b"b")]
        redis = stack.enter_context(redis_server(tmp_path / "redis"))
        settings = f"""
orchestration: {{shutdown_grace: 2}}
services:
  {AUDIO}:
    url: "{urls[0]}"
    instances: [{{url: "{urls[1]}"}}]
    concurrency: "unlimited"
    balancer: "round_robin"
    slow_start: 0
  translation-service: {{url: "http://127.0.0.1:9"}}
session_management: {{persistence: redis, redis_url: "{redis.url}"}}
"""

        async def worker(name: str) -> httpx2.AsyncClient:
            folder = tmp_path / name
            folder.mkdir()
            started = partial(stack.enter_context, service("serve", folder, settings=settings))
            running = await trio.to_thread.run_sync(started)
            return await stack.enter_async_context(httpx2.AsyncClient(base_url=running.url, timeout=PATIENCE))

        one, two = await worker("one"), await worker("two")
        for client in (one, two):
            assert set(await shares(client)) == {"a", "b"}

        assert await control(one, "drain", urls[0]) == ["done", "done"]
        for client in (one, two, await worker("three")):
            assert await shares(client) == {"b": 24}

        assert await control(two, "return", urls[0]) == ["done", "done", "done"]
        assert await control(two, "weigh", urls[0], weight=3) == ["done", "done", "done"]
        for client in (one, two):
            assert (await instance(client, urls[0]))["weight"] == 3
            served = await shares(client)
            assert 15 <= served["a"] <= 21, served

        assert await control(one, "eject", urls[1]) == ["done", "done", "done"]
        for client in (one, two):
            assert await shares(client) == {"a": 24}
