"""Chromium as the tests start it."""

import shutil
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Playwright

from tests.fakes.patience import PATIENCE_MS
from tests.fakes.tools import require

#: A name that is not this machine's own, by which pages are asked for as guests elsewhere ask for them.
ELSEWHERE = "guests.test"


def launch(playwright: Playwright, sound: Path | None = None) -> Browser:
    """Start Chromium; ``sound`` is what its microphone hears, once.

    Its headless shell where there is one: the same engine without windows, for a third of the processor time.
    """
    capture = [f"--use-file-for-fake-audio-capture={sound}%noloop"] if sound else []
    return playwright.chromium.launch(
        executable_path=shutil.which("chromium-headless-shell") or require("chromium"),
        args=[
            "--no-sandbox",
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1",
            *capture,
        ],
    )


def window(browser: Browser, **more: Any) -> BrowserContext:
    """Open a window with cookies and storage of its own, whose commands wait as long as the tests do.

    ``more``: what Playwright's ``new_context`` takes.
    """
    context = browser.new_context(**more)
    context.set_default_timeout(PATIENCE_MS)
    return context
