"""Take the README's picture from the real page: a clip spoken into the microphone of a real browser.

python scripts/screenshots.py docs/images
"""

import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Page, sync_playwright

from tests.fakes.client import CLIPS
from tests.fakes.service import service

WIDTH, HEIGHT = 1280, 760
PATIENCE = 90_000  # ms


def speak(page: Page, url: str) -> None:
    """Read in Spanish, start the microphone, and wait until what it hears has been translated."""
    page.goto(f"{url}/translation")
    page.locator("#targets-choices input[value='es']").wait_for(state="attached", timeout=PATIENCE)
    page.locator("#targets summary").click()
    for box in page.locator("#targets-choices input").all():
        box.set_checked(box.input_value() == "es")
    page.keyboard.press("Escape")
    page.locator("#speak-button").click()
    page.locator(".line [data-language='es'][data-kind='text']").nth(1).wait_for(timeout=PATIENCE)
    page.wait_for_timeout(2500)


def main() -> None:
    """Write translation.png and overview.png into the folder named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as state,
        service("demo", Path(state)) as running,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("chromium-headless-shell"),
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={CLIPS / 'austen-0920.wav'}",
            ],
        )
        context = browser.new_context(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="dark", locale="en"
        )
        page = context.new_page()
        speak(page, running.url)
        page.screenshot(path=folder / "translation.png")
        overview = context.new_page()
        overview.goto(running.url)
        overview.wait_for_timeout(12_000)
        overview.screenshot(path=folder / "overview.png")
        browser.close()


if __name__ == "__main__":
    main()
