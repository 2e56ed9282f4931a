"""Another guest of a sandbox meeting, in a browser of its own, who watches captions and the bot's camera."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import trio
from msgspec import Struct

from orch.bots.chromium.arguments import Launch
from orch.bots.chromium.page import Page, run_page
from orch.bots.chromium.page_messages import PageOptions
from orch.bots.chromium.process import Browser, installed, run_browser
from orch.bots.chromium.profiles import Profiles

SCRIPT: Final = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
STARTING: Final = 60.0
LABELLED: Final = "(text) => [...document.querySelectorAll('input')].find((each) => each.checkVisibility())"
BUTTON: Final = "(text) => [...document.querySelectorAll('button')].find((each) => each.textContent === text)"


OpenPage = Callable[[], Awaitable[Page]]


class Shown(Struct, frozen=True):
    """A caption's text, and when it was shown, in seconds since the epoch."""

    text: str
    at: float


class Changed(Struct, frozen=True):
    """A change of the camera's picture: its pixels of 320×180, and when it was seen."""

    pixels: int
    at: float


class Watched(Struct, frozen=True):
    """What was seen since the last reading."""

    captions: list[Shown]
    changes: list[Changed]
    hasCamera: bool  # noqa: N815 - as the script names it


class Watcher:
    """A guest in a call."""

    def __init__(self, page: Page, more: OpenPage) -> None:
        self._page = page
        self._more = more

    async def open_far(self, url: str) -> None:
        """Open the other ends of another guest in a tab of their own."""
        page = await self._more()
        await page.open(url)

    async def join(self, url: str, name: str) -> None:
        """Open a meeting and join it under a name; its door must have the button "Join now"."""
        await self._page.open(url)
        with trio.fail_after(STARTING):
            await self._until("() => document.querySelector('input')?.checkVisibility() ?? false")
            await self._page.type_text(LABELLED, name, "")
            await self._page.click(BUTTON, "Join now")
            await self._until("() => document.querySelector('[data-tool=captions]') !== null")
            pressed = "() => document.querySelector('[data-tool=captions]').getAttribute('aria-pressed')"
            if await self._page.call(pressed) == "false":
                await self._page.click("() => document.querySelector('[data-tool=captions]')")

    async def _until(self, condition: str) -> None:
        while not await self._page.call(condition):  # noqa: ASYNC110 - the page has no event for it
            await trio.sleep(0.1)

    async def read(self) -> Watched:
        """Return what was seen since the last call."""
        return msgspec.convert(await self._page.call("() => orchWatcher.read()"), Watched)

    async def screenshot(self) -> bytes:
        """Return what it sees, as JPEG."""
        return await self._page.screenshot()


@asynccontextmanager
async def watching(profiles: Path) -> AsyncIterator[Watcher]:
    """Start a browser with a tab for the block."""
    async with trio.open_nursery() as nursery:
        with trio.fail_after(STARTING):
            launch = Launch(program=installed(), language="en", is_sandboxed=False)
            browser: Browser = await nursery.start(run_browser, launch, Profiles(profiles))
            options = PageOptions(world_scripts=(SCRIPT,))
            page: Page = await nursery.start(run_page, browser.devtools, options)
        more = partial(nursery.start, run_page, browser.devtools, PageOptions())
        yield Watcher(page, more)
        nursery.cancel_scope.cancel()
