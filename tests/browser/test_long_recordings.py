"""Long recordings on the Translation page: uploaded in pieces, over lost connections and a reload."""

import re
import wave
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.test_translation import LONG, context, demo, ready

__all__ = ["context", "demo"]

pytestmark = pytest.mark.browser

PIECES = "**/uploads/*"
PIECE = 4 * 2**20


def silence(folder: Path) -> Path:
    """Write a minute of silence with 11.5 MB, which is transcribed in a moment."""
    path = folder / "lecture.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(bytes(60 * 48_000 * 4))
    return path


class Network:
    """The page's way to the service: loses each piece from the second one on while ``is_cut``.

    ``offsets``: where the pieces that arrived began.
    """

    def __init__(self, page: Page) -> None:
        self.is_cut = True
        self.offsets: list[int] = []
        page.route(PIECES, self._pass)

    def _pass(self, route: Route) -> None:
        offset = int(route.request.headers.get("upload-offset", "0"))
        if self.is_cut and (offset > 0 or route.request.method == "HEAD"):
            route.abort()
            return
        if route.request.method == "PATCH":
            self.offsets.append(offset)
        route.continue_()


def test_an_upload_goes_on_after_a_lost_connection_and_after_a_reload(
    context: BrowserContext, demo: object, tmp_path: Path
) -> None:
    """What arrived is not sent again; the page names what it waits for, and which file to choose."""
    path = silence(tmp_path)
    page = ready(context, demo)  # type: ignore[arg-type]
    network = Network(page)
    state = page.locator(".recording-state")
    page.locator("#file").set_input_files(path)
    expect(state).to_have_text(
        "Uploading, 30 %. The service cannot be reached. It goes on by itself.", timeout=LONG
    )
    page.reload()
    expect(state).to_have_text("36 % uploaded. Choose the file again to go on.", timeout=LONG)
    page.locator("#file").set_input_files(path)
    expect(state).to_contain_text("The service cannot be reached. It goes on by itself.", timeout=LONG)
    network.is_cut = False
    expect(state).to_have_text("Done: no speech in 60 s", timeout=LONG)
    assert network.offsets == [0, PIECE, 2 * PIECE]
    expect(page.locator("#notices .notice")).to_have_count(0)
    page.reload()
    expect(page.locator("#speak-button")).to_be_enabled(timeout=LONG)
    expect(page.locator(".recording")).to_have_count(0)


def test_an_unfinished_upload_can_be_cancelled(context: BrowserContext, demo: object, tmp_path: Path) -> None:
    """While it waits for the network, and after a reload."""
    path = silence(tmp_path)
    page = ready(context, demo)  # type: ignore[arg-type]
    network = Network(page)
    for reloads in (False, True):
        page.locator("#file").set_input_files(path)
        expect(page.locator(".recording-state")).to_contain_text("cannot be reached", timeout=LONG)
        if reloads:
            page.reload()
            expect(page.locator(".recording-state")).to_contain_text("Choose the file again", timeout=LONG)
        with page.expect_request(lambda request: request.method == "DELETE"):
            page.get_by_role("button", name=re.compile(r"^Cancel ")).click()
        expect(page.locator(".recording")).to_have_count(0)
    assert network.offsets == [0, 0]
