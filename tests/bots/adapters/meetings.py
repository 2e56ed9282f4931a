"""A server of meetings and a browser, and bots' stays in them."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2
import trio

from orch.bots.adapters.adapter import Adapter
from orch.bots.adapters.attending import Limits, Wish, attend
from orch.bots.adapters.catalog import ADAPTERS, SECOND
from orch.bots.adapters.meeting import Meeting
from orch.bots.chromium.arguments import Launch, is_sandbox_possible
from orch.bots.chromium.failures import LogTail
from orch.bots.chromium.page import Page, run_page
from orch.bots.chromium.page_messages import PageOptions
from orch.bots.chromium.process import Browser, installed, run_browser
from orch.bots.chromium.profiles import Profiles
from orch.bots.ends import EndReason
from orch.bots.meeting_url import MEET
from orch.bots.observations import Over, PageObservation, Place, PlaceSeen
from tests.fakes.patience import PATIENCE
from tests.fakes.tools import require

ADAPTER_OF: Final = {"first": MEET, "second": SECOND}

#: A meeting that begins at once, whose sounds are left out: what is tested here is the page.
MEETING: Final = """
starts: at_once
layout: {layout}
class_names: {seed}
participants: [{{id: ana, name: Ana, is_host: true}}, {{id: bo, name: Bo}}]
"""


class MeetingServer:
    """A running server of meetings."""

    def __init__(self, url: str, client: httpx2.AsyncClient) -> None:
        self.url = url
        self.client = client

    async def add(self, script: str) -> str:
        """Add a meeting; return its code."""
        response = await self.client.post("/api/meetings", content=script.encode())
        assert response.status_code == 201, response.text
        return str(response.json()["code"])

    async def host(self, code: str, action: str, **body: Any) -> None:
        """Act as the host."""
        response = await self.client.post(f"/api/meetings/{code}/{action}", json=body)
        assert response.status_code == 200, response.text

    async def guest(self, code: str) -> dict[str, Any]:
        """Return what the meeting knows of its only guest."""
        (found,) = (await self.client.get(f"/api/meetings/{code}")).json()["guests"]
        return dict(found)

    async def languages(self, code: str) -> list[str]:
        """Return the captions' languages that were chosen so far."""
        records = (await self.client.get(f"/api/meetings/{code}/records")).json()
        return [each["details"]["language"] for each in records if each["what"] == "captions"]


@contextmanager
def serving() -> Iterator[str]:
    """Run a server of meetings for the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "orch.sandbox.meeting", "--no-script", "--port", "0", "--exit-with-stdin"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        assert process.stdin is not None
        yield next(json.loads(line)["addresses"][0] for line in process.stderr if b'"listening"' in line)
        process.stdin.close()
        process.stderr.read()


@dataclass
class Attended:
    """A stay: what was observed, and what it ended for."""

    meeting: Meeting
    page: Page
    observed: list[PageObservation] = field(default_factory=list)
    reason: EndReason | None = None
    _changed: trio.Event = field(default_factory=trio.Event)

    def note(self, observation: PageObservation) -> None:
        self.observed.append(observation)
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, holds: Callable[[PageObservation], bool]) -> PageObservation:
        """Wait for an observation; one that was made before counts."""
        try:
            while True:
                changed = self._changed
                for each in self.observed:
                    if holds(each):
                        return each
                await changed.wait()
        except trio.Cancelled:
            shown = "\n".join([*map(repr, self.observed), *self.page.log.lines])
            sys.stderr.write(f"What was waited for was not observed. Observed:\n{shown}\n")
            raise

    async def in_place(self, place: Place) -> None:
        await self.until(lambda each: isinstance(each, PlaceSeen) and each.place is place)

    async def over(self) -> EndReason:
        over = await self.until(lambda each: isinstance(each, Over))
        assert isinstance(over, Over)
        return over.reason

    def all(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.observed if isinstance(each, kind)]


@dataclass
class Stand:
    """A browser and a server of meetings."""

    server: MeetingServer
    browser: Browser
    nursery: trio.Nursery
    _numbers: Iterator[int]

    async def code(self, layout: str, more: str = "", *, seed: int = 0) -> str:
        """Add a meeting with the next free code."""
        number = next(self._numbers)
        letters = "".join(chr(97 + number // 26**place % 26) for place in range(3))
        script = MEETING.format(layout=layout, seed=seed) + f"code: aaa-aaaa-{letters}\n" + more
        return await self.server.add(script)

    async def page(self, layout: str) -> Page:
        """Open a page that is prepared for a layout's adapter."""
        return await page_for(ADAPTERS[ADAPTER_OF[layout]], self.browser, self.nursery)

    async def attend(
        self,
        code: str,
        layout: str,
        wish: Wish | None = None,
        *,
        page: Page | None = None,
        limits: Limits | None = None,
        query: str = "?far=separate",
        observed: Callable[[PageObservation], Awaitable[None]] | None = None,
    ) -> Attended:
        """Start a stay in a meeting; it goes on in the background."""
        used = page if page is not None else await self.page(layout)
        stay: list[Attended] = []
        early: list[PageObservation] = []
        clock = trio.current_time
        began = clock()

        async def note(observation: PageObservation) -> None:
            if observed is not None:
                await observed(observation)
            if stay:
                stay[0].note(observation)
            else:
                early.append(observation)

        async def run(*, task_status: trio.TaskStatus[Meeting]) -> None:
            reason = await attend(
                used,
                ADAPTERS[ADAPTER_OF[layout]],
                wish or Wish(name="Scribe"),
                f"{self.server.url}/{code}{query}",
                note,
                lambda: clock() - began,
                limits=limits or Limits(),
                task_status=task_status,
            )
            stay[0].reason = reason

        meeting = await self.nursery.start(run)
        stay.append(Attended(meeting, used, early))
        return stay[0]


async def serve_document(document: bytes, stream: trio.SocketStream) -> None:
    """Serve a page, whatever is requested."""
    async with stream:
        head = b""
        while b"\r\n\r\n" not in head:
            part = await stream.receive_some()
            if not part:
                return
            head += part
        start = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n"
        await stream.send_all(f"{start}Content-Length: {len(document)}\r\n\r\n".encode() + document)


async def page_for(adapter: Adapter, browser: Browser, nursery: trio.Nursery) -> Page:
    """Open a page that is prepared for an adapter."""
    options = PageOptions(
        scripts=adapter.scripts,
        bindings=adapter.bindings,
        world_scripts=adapter.world_scripts,
        world_bindings=adapter.world_bindings,
    )
    page: Page = await nursery.start(partial(run_page, log=LogTail()), browser.devtools, options)
    return page


@asynccontextmanager
async def browsing(folder: Path, *extra: str) -> AsyncIterator[tuple[Browser, trio.Nursery]]:
    """Run a browser for the block."""
    require("chromium")
    launch = Launch(program=installed(), is_sandboxed=is_sandbox_possible(os.getuid()), extra=extra)
    async with trio.open_nursery() as nursery:
        with trio.fail_after(PATIENCE):
            browser: Browser = await nursery.start(run_browser, launch, Profiles(folder / "profiles"))
        yield browser, nursery
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def standing(folder: Path, *extra: str) -> AsyncIterator[Stand]:
    """Run a browser and a server of meetings for the block."""
    with serving() as url:
        async with (
            httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client,
            browsing(folder, *extra) as (browser, nursery),
        ):
            yield Stand(MeetingServer(url, client), browser, nursery, iter(range(10_000)))
