"""Take the README's pictures from the real pages: clips spoken into the microphone of a real browser.

python scripts/screenshots.py docs/images

Needs the tests' packages: Whisper base, the engines of the demo, Chromium. ``translation.png``: the speaker's
page. ``readers.png``: the phones of three readers of the same session, side by side. ``overview.png``: the
operator's page.
"""

import os
import shutil
import sys
import tempfile
import wave
from base64 import b64encode
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.fakes.client import CLIPS
from tests.fakes.service import service
from tests.fakes.whisper_model import unpack

WIDTH, HEIGHT = 1280, 760
PHONE = {"width": 400, "height": 780}
PATIENCE = 120_000  # ms
SPOKEN = ("austen-0920", "austen-0870", "austen-0890")
READERS = (("pt-BR", "pt"), ("fr-FR", "fr"), ("ar-EG", "es"))
"""Each reader's browser, and the language they read: no engine of the demo writes Arabic."""


def microphone(folder: Path) -> Path:
    """Write the clips into one file, with a second of silence after each, and return it."""
    path = folder / "spoken.wav"
    with wave.open(str(path), "wb") as writer:
        for name in SPOKEN:
            with wave.open(str(CLIPS / f"{name}.wav")) as reader:
                if name == SPOKEN[0]:
                    writer.setparams(reader.getparams())
                writer.writeframes(reader.readframes(reader.getnframes()) + b"\0\0" * reader.getframerate())
    return path


def choose(context: BrowserContext, language: str) -> None:
    """Read in one language, as this browser remembers it."""
    context.add_init_script(f"localStorage.setItem('translation:targets', '{language}')")


def translated(page: Page, language: str, lines: int) -> None:
    """Wait until so many lines are translated."""
    page.locator(f".line [data-language='{language}'][data-kind='text']").nth(lines - 1).wait_for(
        timeout=PATIENCE
    )


def link(page: Page) -> str:
    """Return the address of the session of the page, which a reader opens."""
    page.wait_for_url("**session=**", timeout=PATIENCE)
    return page.url


def readers(browser: Browser, address: str) -> list[Page]:
    """Open the session in the browsers of its readers."""
    pages = []
    for locale, language in READERS:
        context = browser.new_context(
            viewport=PHONE, locale=locale, color_scheme="light", device_scale_factor=1.5
        )
        choose(context, language)
        page = context.new_page()
        page.goto(address)
        pages.append(page)
    return pages


def side_by_side(browser: Browser, pages: list[Page], path: Path) -> None:
    """Put what the pages show into one picture."""
    pictures = "".join(
        f"<img src='data:image/png;base64,{b64encode(page.screenshot()).decode()}' width={PHONE['width']}>"
        for page in pages
    )
    board = browser.new_page(viewport={"width": 1280, "height": PHONE["height"] + 40})
    board.set_content(
        f"<body style='margin:20px;display:flex;gap:20px;background:#8883'>{pictures}</body>",
        wait_until="load",
    )
    board.screenshot(path=path)


def main() -> None:
    """Write the pictures into the folder named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as model, tempfile.TemporaryDirectory() as state:
        environ = {"ORCH_DEMO_MODEL": str(unpack(Path(model)))}
        with service("demo", Path(state), environ=environ) as running, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("chromium-headless-shell"),
                args=[
                    "--no-sandbox",
                    "--use-fake-ui-for-media-stream",
                    "--use-fake-device-for-media-stream",
                    f"--use-file-for-fake-audio-capture={microphone(Path(state))}",
                ],
            )
            context = browser.new_context(
                viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="dark", locale="en"
            )
            choose(context, "es")
            page = context.new_page()
            page.goto(f"{running.url}/translation")
            page.wait_for_timeout(int(os.environ.get("ENGINE_SECONDS", "20")) * 1000)
            page.locator("#speak-button").click()
            pages = readers(browser, link(page))
            translated(page, "es", 4)
            for reader, (_, language) in zip(pages, READERS, strict=True):
                translated(reader, language, 3)
            page.wait_for_timeout(2500)
            page.screenshot(path=folder / "translation.png")
            side_by_side(browser, pages, folder / "readers.png")
            overview = context.new_page()
            overview.goto(running.url)
            overview.wait_for_timeout(12_000)
            overview.screenshot(path=folder / "overview.png")
            browser.close()


if __name__ == "__main__":
    main()
