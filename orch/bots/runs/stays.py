"""A stay in a meeting with a real browser: started, joined, observed, closed."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import trio

from orch.bots.adapters.attending import Wish, attend
from orch.bots.adapters.catalog import ADAPTERS
from orch.bots.adapters.meeting import Meeting, MeetingControlError
from orch.bots.bot_counters import BotCounters
from orch.bots.chromium.arguments import Launch, is_sandbox_possible
from orch.bots.chromium.attaching import run_attached
from orch.bots.chromium.errors import BrowserError, PageHungError
from orch.bots.chromium.evidence import Evidence, collect
from orch.bots.chromium.failures import LogTail
from orch.bots.chromium.page import Page, run_page
from orch.bots.chromium.page_messages import PageOptions
from orch.bots.chromium.process import Browser, installed, run_browser
from orch.bots.chromium.profiles import Profiles
from orch.bots.ends import EndReason
from orch.bots.requests import BotRequest
from orch.bots.runs.parts import CommandFailedError, Visit
from orch.settings.bots import Bots

LOOKED_EVERY: Final = 5.0
PATIENCE: Final = 20.0
"""Seconds that a page may run no script before it counts as hung; it is asked every :data:`LOOKED_EVERY`."""

_log = structlog.get_logger(__name__)


class BrowserPresence:
    """A bot's page in its meeting; see :class:`orch.bots.runs.parts.Presence`."""

    def __init__(self, page: Page, process: int) -> None:
        self._page = page
        self.process = process
        self.meeting: Meeting | None = None

    @property
    def is_operable(self) -> bool:
        """Whether the page has been opened, so that it can be operated."""
        return self.meeting is not None

    async def leave(self) -> None:
        """Leave the meeting as a person would."""
        if self.meeting is not None:
            await self._operate(self.meeting.leave)

    async def chat(self, text: str) -> None:
        """Write in the chat, to everyone."""
        await self._operate(partial(self._opened().chat, text))

    async def caption_language(self, code: str) -> None:
        """Have the meeting caption another language."""
        await self._operate(partial(self._opened().caption_language, code))

    async def ask_recording(self) -> None:
        """Ask the host to allow the recording."""
        await self._operate(self._opened().ask_recording)

    async def microphone(self, *, is_on: bool) -> None:
        """Switch the bot's microphone on or off in the meeting."""
        await self._operate(partial(self._opened().microphone, on=is_on))

    async def evidence(self, now: float) -> Evidence:
        """Return what the page shows; raises nothing."""
        return await collect(self._page, now=now)

    def _opened(self) -> Meeting:
        if self.meeting is None:
            raise CommandFailedError("The meeting's page is not open yet.")
        return self.meeting

    async def _operate(self, operate: Callable[[], object]) -> None:
        try:
            await operate()  # type: ignore[misc]
        except MeetingControlError as error:
            raise CommandFailedError(str(error)) from error
        except BrowserError as error:
            raise CommandFailedError(f"The browser failed meanwhile. {error}") from error


class BrowserStays:
    """Stays in meetings, each with a browser of its own.

    ``bots``: the settings now. ``counters``: counts the profiles that former processes have left.
    """

    def __init__(self, bots: Callable[[], Bots], *, counters: BotCounters | None = None) -> None:
        self._bots = bots
        self._counters = counters or BotCounters()

    async def reap(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Remove the profiles that a former process has left, with the browsers that still use them."""
        profiles = Profiles(Path(self._bots().profiles))
        try:
            removed = await trio.to_thread.run_sync(profiles.reap)
        except OSError as error:
            _log.warning("profiles of former bots remain", folder=str(profiles.folder), reason=str(error))
        else:
            self._counters.orphans += len(removed)
            if removed:
                _log.info("profiles of former bots removed", count=len(removed))
        task_status.started()

    async def __call__(self, visit: Visit) -> None:
        """Stay in a meeting; see :data:`orch.bots.runs.parts.Stay`."""
        bots = self._bots()
        adapter = ADAPTERS[visit.adapter]
        log = LogTail()
        options = PageOptions(
            scripts=(*visit.channel.scripts, *adapter.scripts),
            world_scripts=adapter.world_scripts,
            bindings=adapter.bindings,
            world_bindings=adapter.world_bindings,
        )
        async with trio.open_nursery() as nursery:
            browser: Browser = await nursery.start(partial(self._run_browser, bots, visit.request, log))
            page: Page = await nursery.start(partial(run_page, log=log), browser.devtools, options)
            presence = BrowserPresence(page, browser.process)
            await visit.ready(presence)
            over = trio.Event()
            nursery.start_soon(_watch, page, visit, over)
            presence.meeting = await nursery.start(
                partial(
                    _attend,
                    page,
                    visit,
                    wish=wish_of(visit.request, is_signed_in=bool(bots.profile_dir)),
                    over=over,
                )
            )
            await over.wait()
            nursery.cancel_scope.cancel()

    async def _run_browser(
        self,
        bots: Bots,
        request: BotRequest,
        log: LogTail,
        *,
        task_status: trio.TaskStatus[Browser] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run a browser of our own, or attach to the one of the settings."""
        if bots.cdp_url:
            await run_attached(bots.cdp_url, log=log, task_status=task_status)
        await run_browser(
            launch_of(bots, request, installed(bots.chromium)),
            Profiles(Path(bots.profiles)),
            log=log,
            task_status=task_status,
        )


async def _attend(
    page: Page,
    visit: Visit,
    *,
    wish: Wish,
    over: trio.Event,
    task_status: trio.TaskStatus[Meeting] = trio.TASK_STATUS_IGNORED,
) -> None:
    reason = await attend(
        page,
        ADAPTERS[visit.adapter],
        wish,
        visit.url,
        visit.observed,
        visit.clock,
        task_status=task_status,
    )
    await visit.over(reason)
    over.set()


async def _watch(page: Page, visit: Visit, over: trio.Event) -> None:
    """End the stay when the page hangs, while its last lines can still be stored."""
    try:
        await page.watch(interval=LOOKED_EVERY, patience=PATIENCE)
    except PageHungError as error:
        await visit.over(EndReason.BROWSER_STALLED, str(error))
        over.set()


def launch_of(bots: Bots, request: BotRequest, program: str) -> Launch:
    """Return how the browser of a bot is started."""
    possible = is_sandbox_possible(os.getuid())
    return Launch(
        program=program,
        language=request.languages.interface,
        is_sandboxed=possible if bots.sandbox == "auto" else bots.sandbox == "on",
        process_memory=bots.process_memory,
        template=bots.profile_dir,
    )


def wish_of(request: BotRequest, *, is_signed_in: bool) -> Wish:
    """Return how a bot takes part."""
    return Wish(
        name=request.name,
        languages=request.languages,
        is_signed_in=is_signed_in,
        camera=request.camera is not None,
    )
