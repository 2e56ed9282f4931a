"""A bot's media in a real Chromium, in a meeting of the sandbox: without the adapter, by plain clicks."""

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import trio

from orch.bots.chromium.arguments import Launch, is_sandbox_possible
from orch.bots.chromium.page import Page, run_page
from orch.bots.chromium.page_messages import PageOptions
from orch.bots.chromium.process import Browser, installed, run_browser
from orch.bots.chromium.profiles import Profiles
from orch.bots.media.channel import Channel
from orch.bots.media.server import MediaServer
from orch.bots.observations import Sound, SoundLost, SoundObservation, TrackBegan, TrackEnded
from tests.fakes.patience import PATIENCE
from tests.fakes.tools import require

NAME = "() => document.querySelector('input')"
JOIN = """() => [...document.querySelectorAll('button')].find(
  (each) => /^(join now|ask to join)/i.test(each.textContent.trim()))"""
READY = f"() => Boolean(({NAME})() && ({JOIN})())"


@dataclass
class Heard:
    """What a reader of a channel observes: everything, and each track's samples with holes as zeros."""

    observations: list[SoundObservation] = field(default_factory=list)
    tracks: dict[str, bytearray] = field(default_factory=dict)
    begins: dict[str, float] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    changed: trio.Event = field(default_factory=trio.Event)
    clock: Callable[[], float] = time.time

    async def observe(self, observation: SoundObservation) -> None:
        if isinstance(observation, Sound):
            self.latencies.append(self.clock() - observation.at)
            pcm = self.tracks.setdefault(observation.track, bytearray())
            assert len(pcm) == 2 * observation.first
            pcm += observation.pcm
            self.begins[observation.track] = observation.at - len(pcm) / 32_000
        else:
            self.observations.append(observation)
            if isinstance(observation, SoundLost):
                self.tracks.setdefault(observation.track, bytearray()).extend(bytes(2 * observation.samples))
        self.changed.set()
        self.changed = trio.Event()

    async def until(self, is_true: Callable[[], bool]) -> None:
        """Wait until something is true of what was observed."""
        with trio.fail_after(PATIENCE):
            while not is_true():
                await self.changed.wait()

    @property
    def live(self) -> list[str]:
        """The tracks that have begun and not ended."""
        found: dict[str, None] = {}
        for each in self.observations:
            if isinstance(each, TrackBegan):
                found[each.track] = None
            elif isinstance(each, TrackEnded):
                del found[each.track]
        return list(found)


@dataclass
class Meetings:
    """A server of meetings."""

    url: str
    client: httpx2.AsyncClient

    async def add(self, script: str) -> str:
        """Add a meeting; return the address of its page."""
        response = await self.client.post("/api/meetings", content=script.encode())
        assert response.status_code == 201, response.text
        return str(response.json()["url"])

    async def say(self, url: str, who: str, clip: str) -> float:
        """Have a participant say a clip; return when it begins, in seconds since the meeting's start."""
        body = {"who": who, "clip": clip}
        response = await self.client.post(f"/api/meetings/{url.rpartition('/')[2]}/say", json=body)
        assert response.status_code == 200, response.text
        return float(response.json()["begins"])

    async def state(self, url: str) -> Any:
        return (await self.client.get(f"/api/meetings/{url.rpartition('/')[2]}")).json()

    async def records(self, url: str) -> Any:
        return (await self.client.get(f"/api/meetings/{url.rpartition('/')[2]}/records")).json()

    async def until(self, read: Callable[[str], Any], url: str, is_true: Callable[[Any], bool]) -> Any:
        """Wait until something is true of what the server returns."""
        with trio.fail_after(PATIENCE):
            while not is_true(found := await read(url)):  # noqa: ASYNC110 - another program's state
                await trio.sleep(0.05)
        return found


@asynccontextmanager
async def meetings(*arguments: str) -> AsyncIterator[Meetings]:
    """Run a server of meetings for the block."""
    command = [sys.executable, "-m", "orch.sandbox.meeting", "--no-script", "--port", "0"]
    with subprocess.Popen(  # noqa: ASYNC220 - a test has its loop for itself
        [*command, "--exit-with-stdin", *arguments], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert process.stdin is not None
        url = next(json.loads(line)["addresses"][0] for line in process.stderr if b'"listening"' in line)
        try:
            async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client:
                yield Meetings(url, client)
        finally:
            process.stdin.close()
            process.stderr.read()


@asynccontextmanager
async def browsing(folder: Path, *extra: str) -> AsyncIterator[tuple[Browser, trio.Nursery]]:
    """Run Chromium for the block, as bots start it."""
    require("chromium")
    launch = Launch(program=installed(), is_sandboxed=is_sandbox_possible(os.getuid()), extra=extra)
    async with trio.open_nursery() as nursery:
        with trio.fail_after(PATIENCE):
            browser: Browser = await nursery.start(run_browser, launch, Profiles(folder))
        yield browser, nursery
        nursery.cancel_scope.cancel()


@dataclass
class Bot:
    """A page with a channel."""

    browser: Browser
    nursery: trio.Nursery
    server: MediaServer
    channel: Channel
    page: Page
    heard: Heard

    async def join(self, url: str) -> None:
        """Open a meeting and press its button."""
        with trio.fail_after(PATIENCE):
            await self.page.open(url)
            while not await self.page.call(READY):  # noqa: ASYNC110 - another program's state
                await trio.sleep(0.05)
            await self.page.type_text(NAME, "Scribe")
            await self.page.click(JOIN)

    async def far(self, meetings: Meetings, url: str) -> Page:
        """Open the far ends of a meeting that was joined with ``?far=separate``."""
        return await far_page(self.browser, self.nursery, meetings, url.partition("?")[0])


async def far_page(browser: Browser, nursery: trio.Nursery, meetings: Meetings, url: str) -> Page:
    """Open the far ends of the last guest who joined a meeting with ``?far=separate``."""
    state = await meetings.until(meetings.state, url, lambda state: bool(state["guests"]))
    page: Page = await nursery.start(run_page, browser.devtools, PageOptions())
    await page.open(f"{url}/far?guest={state['guests'][-1]['key']}")
    return page


@asynccontextmanager
async def bot(
    folder: Path,
    *extra: str,
    camera: bool = True,
    video: bool = False,
    observe: Callable[[SoundObservation], Awaitable[None]] | None = None,
) -> AsyncIterator[Bot]:
    """Run a media server, a browser, and a page with a channel that ``observe`` reads."""
    async with trio.open_nursery() as nursery, browsing(folder, *extra) as (browser, browsers):
        server, heard = MediaServer(), Heard()
        await nursery.start(server.run)
        with server.channel("bot", camera=(1280, 720) if camera else None, video=video) as channel:
            page: Page = await browsers.start(
                run_page, browser.devtools, PageOptions(scripts=channel.scripts)
            )
            nursery.start_soon(channel.receive, observe or heard.observe, time.time)
            yield Bot(browser, browsers, server, channel, page, heard)
        nursery.cancel_scope.cancel()
