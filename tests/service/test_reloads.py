"""The settings file is rewritten under load, and the running service reads it: nothing is dropped."""

import os
import signal
import time
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import trio

from tests.fakes.patience import PATIENCE
from tests.fakes.service import RunningService, service
from tests.fakes.wires import answer, body_of, serving

pytestmark = [pytest.mark.real_time]

RELOADS: Final = 100
CLIENTS: Final = 4
INVALID: Final[dict[int, tuple[str, str, str, str]]] = {
    20: ("retries: 3", "retries: many", "orchestration.gateway.retries", "number"),
    40: ("services:", "services: [", "orchestration.yaml", "YAML"),
    60: ("first_pause", "frist_pause", "services.audio-service.recovery.frist_pause", "first_pause"),
    80: ("", "", "orchestration.yaml", "empty"),
}
"""In which reloads what is written instead (nothing at all), and which place and word the error has."""


class BackEnds:
    """Two back ends: one that echoes, with a stream beside it that sends a line for each reload."""

    def __init__(self) -> None:
        self.requests: Counter[bytes] = Counter()
        self.streams = 0
        self.reloads = 0
        self.changed = trio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/api/stream":
            await self._stream(send)
        elif scope["path"] == "/api/echo":
            body = await body_of(receive)
            self.requests[body] += 1
            await answer(send, body)
        else:
            await answer(send, b'{"status":"healthy"}', headers=[(b"content-type", b"application/json")])

    async def _stream(self, send: Any) -> None:
        """Send the number of each reload until the last."""
        self.streams += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        sent = 0
        await send({"type": "http.response.body", "body": b"begun\n", "more_body": True})
        while sent < RELOADS:
            while sent == self.reloads:
                await self.changed.wait()
            sent = self.reloads
            await send({"type": "http.response.body", "body": b"%d\n" % sent, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def reloaded(self) -> None:
        """Note that the settings were read once more."""
        self.reloads += 1
        self.changed.set()
        self.changed = trio.Event()


def settings(urls: list[str], number: int) -> str:
    """Return valid settings, others for each number: instances leave, return and change their weights."""
    first, second = (urls[number % 2], urls[1 - number % 2])
    others = f'{{url: "{second}", weight: {1 + number % 3}}}' if number % 4 else ""
    return f"""
orchestration:
  monitoring: {{health_check_interval: 5}}
  gateway: {{retries: 3, timeout: 600}}
  speech: {{buffer_seconds: {60 + number}}}
services:
  audio-service:
    url: "{first}"
    instances: [{others}]
    balancer: "{("round_robin", "least_requests", "fastest")[number % 3]}"
    concurrency: "unlimited"
    recovery: {{first_pause: 1}}
  translation-service: {{url: "http://127.0.0.1:9"}}
"""


def rewrite(path: Path, text: str, *, in_place: bool) -> None:
    """Write the file as an editor does: into it, or beside it and then in its place."""
    if in_place:
        path.write_text(text)
        return
    new = path.with_suffix(".new")
    new.write_text(text)
    written = (
        time.time_ns() - 10**9
    )  # a while ago: else the rename's time can be the same, and it has to settle
    os.utime(new, ns=(written, written))
    new.replace(path)


async def reload(front: RunningService, number: int) -> None:
    """Have the service read the file; return when it has applied the settings of ``number``."""
    front.process.send_signal(signal.SIGHUP)
    await trio.to_thread.run_sync(
        partial(
            front.wait_for_line,
            "setting applied",
            path="orchestration.speech.buffer_seconds",
            new=60 + number,
        )
    )


class Load:
    """Clients that ask again and again, and one that follows a stream. ``asked`` is set at each response."""

    def __init__(self, client: httpx2.AsyncClient, back_ends: BackEnds) -> None:
        self._client = client
        self._back_ends = back_ends
        self.statuses: Counter[int] = Counter()
        self.sent = 0
        self.lines: list[str] = []
        self.asked = trio.Event()

    async def ask(self) -> None:
        """Post until the last reload; every response is that of its request."""
        while self._back_ends.reloads < RELOADS:
            self.sent += 1
            body = b"%d" % self.sent
            response = await self._client.post("/api/audio/echo", content=body)
            self.statuses[response.status_code] += 1
            assert response.content == body, response.text
            self.asked.set()
            self.asked = trio.Event()

    async def follow(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Read the stream to its end."""
        async with self._client.stream("GET", "/api/audio/stream") as response:
            assert response.status_code == 200
            async for line in response.aiter_lines():
                self.lines.append(line)
                if len(self.lines) == 1:
                    task_status.started()


async def apply_invalid(front: RunningService, client: httpx2.AsyncClient, path: Path, number: int) -> None:
    """Write an invalid file and have the service read it; it is refused, and the error names the place.

    The service also reads it by itself, perhaps while it is being written: that may be another error before.
    """
    was, instead, place, word = INVALID[number]
    text = path.read_text()
    invalid = text.replace(was, instead) if was else ""
    assert invalid != text
    rewrite(path, invalid, in_place=True)
    front.process.send_signal(signal.SIGHUP)

    def is_it(fault: dict[str, str]) -> bool:
        return place in fault["path"] and word in fault["expected"]

    while not any(map(is_it, (await client.get("/api/config")).json()["file"]["faults"])):
        pass
    logged = [line for line in front.lines if line.get("event") == "settings not applied"]
    assert any(map(is_it, logged)), logged


@pytest.mark.slow
async def test_a_hundred_reloads_under_load_drop_nothing(tmp_path: Path) -> None:
    """Neither of short requests, which nobody repeats, nor of a response that lasts over all of them.

    Files that are invalid or empty change nothing, and the error names the setting.
    """
    back_ends = BackEnds()
    path = tmp_path / "orchestration.yaml"
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(serving(back_ends)) for _ in range(2)]
        urls = [server.bound[0] for server in servers]
        front = stack.enter_context(service("serve", tmp_path, settings=settings(urls, 0)))
        client = await stack.enter_async_context(httpx2.AsyncClient(base_url=front.url, timeout=PATIENCE))
        load = Load(client, back_ends)
        async with trio.open_nursery() as nursery:
            await nursery.start(load.follow)
            for _ in range(CLIENTS):
                nursery.start_soon(load.ask)
            for number in range(1, RELOADS + 1):
                if number in INVALID:
                    await apply_invalid(front, client, path, number)
                    await load.asked.wait()
                rewrite(path, settings(urls, number), in_place=number % 10 == 0)
                await reload(front, number)
                await load.asked.wait()
                back_ends.reloaded()
        assert (await client.get("/api/config")).json()["file"]["faults"] == []
    assert set(load.statuses) == {200}, load.statuses
    assert load.statuses.total() == load.sent >= RELOADS
    # Every request was sent to one back end, once.
    assert set(back_ends.requests.values()) == {1}
    assert back_ends.requests.total() == load.sent
    lines = load.lines
    assert (lines[0], lines[-1], back_ends.streams) == ("begun", str(RELOADS), 1)
    assert [int(line) for line in lines[1:]] == sorted({int(line) for line in lines[1:]})
