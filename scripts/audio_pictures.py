"""Take the documentation's pictures of the audio pages, with a clip as the microphone of a real browser.

python scripts/audio_pictures.py docs/images [PAGE...]

Needs the tests' packages, Chromium and ffmpeg; the demo's PocketSphinx transcribes. Each page is a function
of :data:`PICTURES` that brings it to what its picture shows; without PAGE all are taken.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from playwright.sync_api import Page, sync_playwright

from tests.fakes.chromium import launch
from tests.fakes.client import CLIPS
from tests.fakes.service import service

SIZE: Final = {"width": 1280, "height": 1180}
PATIENCE: Final = 180_000
"""Milliseconds: the demo starts, engines transcribe."""
CLIP: Final = CLIPS / "austen-0920.wav"
SPOKEN: Final = (
    "Had he married a more amiable woman, he might have been made still more respectable than he was."
)


def test_audio(page: Page, url: str) -> None:
    """A clip through nothing and through the preset for noisy rooms; their words and measures."""
    page.goto(f"{url}/test-audio.html")
    page.locator("#language option[value=en]").wait_for(state="attached", timeout=PATIENCE)
    page.locator("#file").set_input_files(CLIP)
    page.locator("#settings-b").select_option("preset:noisy")
    page.locator("#language").select_option("en")
    page.locator("#reference").fill(SPOKEN)
    page.get_by_role("button", name="Run A and B").click()
    page.locator("#differences").wait_for(timeout=PATIENCE)
    page.locator("#runs li").wait_for()
    page.get_by_role("button", name="B: Noisy room").click()
    slider = page.get_by_role("slider", name="Position")
    for _ in range(2):
        slider.press("ArrowRight")
    page.locator("#run").focus()
    page.evaluate("scrollTo(0, 0)")


def controls(page: Page, url: str) -> None:
    """Play a clip through the flow; the compressor is open."""
    page.goto(f"{url}/audio-processing-controls.html")
    page.locator("[data-stage=voiceEnhance] .stage-name").click()
    page.locator("#file").set_input_files(CLIP)
    page.get_by_role("button", name="Play the file").click()
    page.wait_for_selector(".curve-dot[visibility=visible]")
    page.wait_for_timeout(1000)
    page.evaluate("scrollTo(0, 0)")


def diagnostic(page: Page, url: str) -> None:
    """Measure a clip to its end."""
    page.goto(f"{url}/audio-diagnostic.html")
    page.locator("#settings:enabled").wait_for()
    page.locator("#file").set_input_files(CLIP)
    page.locator("#rush").click()
    page.locator("#page-status", has_text="Measured ").wait_for()
    page.wait_for_timeout(1500)
    page.evaluate("scrollTo(0, 0)")


PICTURES: Final[dict[str, Callable[[Page, str], None]]] = {
    "test-audio": test_audio,
    "audio-controls": controls,
    "audio-diagnostic": diagnostic,
}
"""What is shown, by the name of the file."""


def save(picture: bytes, path: Path) -> None:
    """Write a picture with a palette of 64 colours, which makes it small."""
    palette = "split[a][b];[a]palettegen=max_colors=64[p];[b][p]paletteuse=dither=none"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "png_pipe", "-i", "-", "-vf", palette, str(path)]
    subprocess.run(command, input=picture, check=True)


def main() -> None:
    """Write the pictures into the folder named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as state,
        service("demo", Path(state)) as running,
        sync_playwright() as playwright,
        closing(launch(playwright, CLIP)) as browser,
    ):
        for name in sys.argv[2:] or PICTURES:
            context = browser.new_context(
                viewport=SIZE, color_scheme="dark", locale="en", permissions=["microphone"]
            )
            context.set_default_timeout(PATIENCE)
            page = context.new_page()
            PICTURES[name](page, running.url)
            save(page.screenshot(), folder / f"{name}.png")
            context.close()


if __name__ == "__main__":
    main()
