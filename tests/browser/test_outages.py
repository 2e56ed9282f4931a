"""Speaking while the network is away: no word is lost, times stay right, and the page says what is true.

Real time, real Chromium. ``OUTAGE`` (seconds, 20 unless set) says for how long; ``make outages``
tries 50, too.
"""

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, expect

from tests.browser.test_translation import LONG, launch, opened, watched
from tests.fakes import numbered_words
from tests.fakes.cutting import threaded_relay
from tests.fakes.service import RunningService, service

pytestmark = pytest.mark.browser

OUTAGE = float(os.environ.get("OUTAGE", "20"))
BEFORE = 8.0
AFTER = 6.0


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run the service in front of an audio service that mishears no word."""
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
    expect(page.locator("#speak-button")).to_be_enabled(timeout=LONG)
    page.locator("#speak-button").click()
    expect(page.locator("#page-status")).to_contain_text("Listening", timeout=LONG)
    return page


def transcript(page: Page, words: int) -> tuple[list[str], float]:
    """Wait for the last word; return what is wrong, and the worst time."""
    expect(page.locator("#lines")).to_contain_text(f"w{words - 1}", timeout=LONG)
    expect(page.locator(".line[data-final='false']")).to_have_count(0, timeout=LONG)
    with page.expect_download() as download:
        page.locator("[data-format='json']").click()
    return numbered_words.judged(json.loads(Path(download.value.path()).read_text())["lines"], words)


@pytest.mark.timed
@pytest.mark.parametrize("network", ["frozen", "offline"])
def test_no_word_is_lost_while_the_network_is_away(
    playwright_here: Playwright, numbers: RunningService, tmp_path: Path, network: str
) -> None:
    """Neither where it takes everything and passes nothing on, nor where the browser knows that it is off."""
    words = numbered_words.until(BEFORE + OUTAGE + AFTER)
    browser = launch(playwright_here, numbered_words.write(tmp_path / "said.wav", words))
    with (
        threaded_relay(numbers.port) as wire,
        closing(browser),
        watched(browser) as context,
        watched(browser) as others,
    ):
        page = speak(context, f"http://127.0.0.1:{wire.port}")
        session = re.search(r"session=([^&#]+)", page.url)
        assert session is not None
        began = time.monotonic()
        page.wait_for_timeout(1000 * BEFORE)
        before = page.locator(".line").count()
        assert before > 0
        if network == "frozen":
            wire.freeze()
        else:
            context.set_offline(True)
        page.wait_for_timeout(7000)
        status = page.locator("#page-status")
        # What stands there is true at each moment: nobody has listened for more than three seconds.
        while time.monotonic() - began < BEFORE + OUTAGE:
            said = status.inner_text()
            found = re.fullmatch(r"Not connected: (\d+) s of speech are stored and will be sent\.", said)
            assert found is not None, said
            assert int(found[1]) >= min(time.monotonic() - began - BEFORE - 6, 45)
            assert page.locator("#live").get_attribute("data-state") != "live"
            waiting = page.locator("#fact-waiting").inner_text()
            assert re.fullmatch(r"\d+(\.\d)? s, for the connection", waiting)
            page.wait_for_timeout(1000)
        if network == "frozen":
            wire.thaw()
        else:
            context.set_offline(False)
        expect(status).to_contain_text("Listening", timeout=15_000)
        faults, worst = transcript(page, words)
        assert faults == []
        assert worst <= 0.3
        sys.stdout.write(f"{network}, {OUTAGE:g} s: {words} words, none lost, worst time {worst:.3f} s off\n")
        expect(page.locator("#notices .banner")).to_have_count(0)
        expect(page.locator("#fact-waiting")).to_have_text("nothing", timeout=10_000)
        page.locator("#speak-button").click()
        expect(page.locator("#speak-label")).to_have_text("Start microphone")
        reader = opened(others, f"{numbers.url}/translation?session={session[1]}&role=observer")
        expect(reader.locator(".line")).to_have_count(page.locator(".line").count(), timeout=LONG)
