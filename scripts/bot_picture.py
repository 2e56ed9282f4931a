"""Take the README's picture of a bot's page, of a real bot in the demo's meeting.

python scripts/bot_picture.py docs/images

Needs the tests' packages: Whisper base, the engines of the demo, Chromium, ffmpeg. The reader reads in
Portuguese; the bot's camera shows Spanish.
"""

import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Page, sync_playwright

from scripts.audio_pictures import PATIENCE, save
from tests.fakes.chromium import launch
from tests.fakes.service import service
from tests.fakes.whisper_model import unpack

SIZE: Final = {"width": 1280, "height": 900}
LINES: Final = 6


def bot(page: Page, url: str) -> None:
    """Send a bot to the demo's meeting, and wait until some lines are translated."""
    page.goto(f"{url}/bots")
    page.get_by_role("button", name="Join the demo meeting").click()
    page.locator("#picture-image").wait_for(timeout=PATIENCE)
    page.get_by_label("Read in").select_option("pt")
    page.locator(".bot-original:not([hidden])").nth(LINES - 1).wait_for(timeout=PATIENCE)
    page.wait_for_timeout(1_500)


def main() -> None:
    """Write the picture into the folder named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as model,
        tempfile.TemporaryDirectory() as state,
        service("demo", Path(state), environ={"ORCH_DEMO_MODEL": str(unpack(Path(model)))}) as running,
        sync_playwright() as playwright,
        closing(launch(playwright)) as browser,
    ):
        context = browser.new_context(viewport=SIZE, color_scheme="dark", locale="en")
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(running.url)
        page.wait_for_timeout(20_000)  # the engines load
        bot(page, running.url)
        save(page.screenshot(), folder / "bot.png")


if __name__ == "__main__":
    main()
