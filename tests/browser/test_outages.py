"""Speaking during a network outage: no word is lost, times stay right, and the page shows the true state.

Real time, real Chromium. ``OUTAGE`` (seconds, 12 unless set) says for how long; ``make outages``
tries 50, too.
"""

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, expect

from tests.browser.test_translation import opened, watched
from tests.fakes import numbered_words
from tests.fakes.chromium import launch
from tests.fakes.cutting import ThreadedRelay, threaded_relay
from tests.fakes.service import RunningService, service

pytestmark = pytest.mark.browser

OUTAGE = float(os.environ.get("OUTAGE", "12"))
BEFORE = 8.0
AFTER = 6.0


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run the service in front of an audio service that recognises every word."""
    with (
        numbered_words.numbered_words_service() as url,
        service(
            "serve", tmp_path_factory.mktemp("numbers"), settings=numbered_words.settings(url)
        ) as running,
    ):
        yield running


def speak(context: BrowserContext, url: str) -> Page:
    """Open the page and speak."""
    page = opened(context, f"{url}/translation")
    expect(page.locator("#speak-button")).to_be_enabled()
    page.locator("#speak-button").click()
    expect(page.locator("#page-status")).to_contain_text("Listening")
    return page


def transcript(page: Page, words: int) -> tuple[list[str], float]:
    """Wait for the last word; return what is wrong, and the worst time."""
    expect(page.locator("#lines")).to_contain_text(f"w{words - 1}")
    expect(page.locator(".line[data-final='false']")).to_have_count(0)
    with page.expect_download() as download:
        page.locator("[data-format='json']").click()
    return numbered_words.judged(json.loads(Path(download.value.path()).read_text())["lines"], words)


class Speaker:
    """A speaker with a separate page during a network outage."""

    def __init__(self, context: BrowserContext, wire: ThreadedRelay, network: str) -> None:
        self._context = context
        self._wire = wire
        self.network = network
        self.page = speak(context, f"http://127.0.0.1:{wire.port}")
        self.began = time.monotonic()
        session = re.search(r"session=([^&#]+)", self.page.url)
        assert session is not None
        self.session = session[1]

    def cut(self) -> None:
        """Cut the network: it silently drops everything, or the browser knows that it is offline."""
        assert self.page.locator(".line").count() > 0
        if self.network == "frozen":
            self._wire.freeze()
        else:
            self._context.set_offline(True)

    def mend(self) -> None:
        """Restore the network."""
        if self.network == "frozen":
            self._wire.thaw()
        else:
            self._context.set_offline(False)

    def look(self) -> None:
        """Assert that the page shows an outage of more than three seconds."""
        said = self.page.locator("#page-status").inner_text()
        found = re.fullmatch(r"Not connected: (\d+) s of speech are stored and will be sent\.", said)
        assert found is not None, said
        assert int(found[1]) >= min(time.monotonic() - self.began - BEFORE - 6, 45)
        assert self.page.locator("#live").get_attribute("data-state") != "live"
        waiting = self.page.locator("#fact-waiting").inner_text()
        assert re.fullmatch(r"\d+(\.\d)? s, for the connection", waiting)

    def finish(self, words: int) -> None:
        """Assert that no word was lost and that all times are right; then stop."""
        faults, worst = transcript(self.page, words)
        assert faults == []
        assert worst <= 0.5, "a word and its gap are 0.6 s"
        sys.stdout.write(
            f"{self.network}, {OUTAGE:g} s: {words} words, none lost, worst time {worst:.3f} s off\n"
        )
        expect(self.page.locator("#notices .banner")).to_have_count(0)
        expect(self.page.locator("#fact-waiting")).to_have_text("nothing")
        self.page.locator("#speak-button").click()
        expect(self.page.locator("#speak-label")).to_have_text("Start microphone")


@pytest.mark.timed
def test_no_word_is_lost_while_the_network_is_away(
    playwright_here: Playwright, numbers: RunningService, tmp_path: Path
) -> None:
    """Neither with a network that silently drops everything, nor when the browser knows it is offline."""
    words = numbered_words.until(BEFORE + OUTAGE + AFTER)
    sound = numbered_words.write(tmp_path / "said.wav", words)
    with ExitStack() as stack:
        speakers = []
        for network in ("frozen", "offline"):  # at once: each in a browser with a microphone of its own
            wire = stack.enter_context(threaded_relay(numbers.port))
            browser = stack.enter_context(closing(launch(playwright_here, sound)))
            speakers.append(Speaker(stack.enter_context(watched(browser)), wire, network))
        others = stack.enter_context(watched(browser))
        page = speakers[-1].page
        page.wait_for_timeout(1000 * BEFORE)
        for speaker in speakers:
            speaker.cut()
        page.wait_for_timeout(7000)
        while time.monotonic() - speakers[-1].began < BEFORE + OUTAGE:
            for speaker in speakers:
                speaker.look()
            page.wait_for_timeout(1000)
        for speaker in speakers:
            speaker.mend()
        for speaker in speakers:
            expect(speaker.page.locator("#page-status")).to_contain_text("Listening")
        for speaker in speakers:
            speaker.finish(words)
            reader = opened(others, f"{numbers.url}/translation?session={speaker.session}&role=observer")
            lines = speaker.page.locator(".line").count()
            expect(reader.locator(".line")).to_have_count(lines)
