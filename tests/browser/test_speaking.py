"""The microphone and the speakers on the Translation page, in Chromium."""

import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from tests.browser.test_outages import speak
from tests.browser.test_translation import opened, watched
from tests.fakes import numbered_words
from tests.fakes.chromium import launch
from tests.fakes.patience import PATIENCE
from tests.fakes.service import RunningService, service

pytestmark = pytest.mark.browser

WORDS = 60

#: Keeps the page's audio context, so that a test can suspend it as a browser does during a call.
CONTEXTS = """
window.contexts = [];
const Original = window.AudioContext;
window.AudioContext = class extends Original {
  constructor(...options) { super(...options); window.contexts.push(this); }
  resume() { return window.isCalling ? Promise.reject(new Error("in a call")) : super.resume(); }
};
"""


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


@pytest.fixture
def browser(playwright_here: Playwright, tmp_path: Path) -> Iterator[Browser]:
    """Start Chromium with a microphone that plays the numbered words."""
    with closing(launch(playwright_here, numbered_words.write(tmp_path / "said.wav", WORDS))) as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with watched(browser) as context:
        yield context


def names(page: Page) -> set[str]:
    return set(page.locator(".line-speaker").all_inner_texts())


def test_a_name_given_while_speaking_is_on_every_line_for_everyone(
    context: BrowserContext, numbers: RunningService
) -> None:
    """On later and earlier lines, in exports, and for participants who join later."""
    page = speak(context, numbers.url)
    expect(page.locator("#you-are")).to_have_text(re.compile(r"^You are Guest [0-9a-f]{4}\.$"))
    expect(page.locator(".line[data-final='true']").first).to_be_visible()
    reader = opened(context, f"{page.url}&role=observer")
    expect(reader.locator(".line").first).to_be_visible()
    assert all(re.fullmatch("Guest [0-9a-f]{4}", name) for name in names(reader))
    before = page.locator(".line").count()
    page.locator("#name").fill("Mollie")
    page.locator("#name").press("Enter")
    page.locator("#name").blur()
    expect(page.locator("#you-are")).to_have_text("You are Mollie.")
    for each in (page, reader):
        expect(each.locator(".line[data-final='true']").nth(before)).to_be_visible()
        assert names(each) == {"Mollie"}
    with page.expect_download() as download:
        page.locator("[data-format='txt']").click()
    text = Path(download.value.path()).read_text()
    rows = [row for row in text.splitlines() if row.startswith("[")]  # its head says whose session it is
    assert len(rows) > before
    assert all("] Mollie: " in row for row in rows)
    page.locator("#speak-button").click()
    late = opened(context, f"{page.url}&role=observer")
    expect(late.locator(".line").nth(before)).to_be_visible()
    assert names(late) == {"Mollie"}


def test_a_microphone_that_stops_is_said_and_goes_on(
    context: BrowserContext, numbers: RunningService
) -> None:
    """While the browser suspends it the page does not show it as recording; afterwards it does."""
    context.add_init_script(CONTEXTS)
    page = speak(context, numbers.url)
    expect(page.locator(".line[data-final='true']").first).to_be_visible()
    page.evaluate("window.isCalling = true; void window.contexts.at(-1).suspend()")
    expect(page.locator("#page-status")).to_contain_text("delivers no sound")
    expect(page.locator("#notices")).to_contain_text("The microphone delivers no sound")
    expect(page.locator("#fact-level")).to_have_text("no sound")
    assert "Listening" not in page.locator("#page-status").inner_text()
    before = page.locator(".line").count()
    page.evaluate("window.isCalling = false; document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#page-status")).to_contain_text("Listening")
    expect(page.locator("#notices .banner")).to_have_count(0)
    expect(page.locator(".line").nth(before)).to_be_visible()


def test_a_microphone_that_gives_nothing_is_asked_about(
    playwright_here: Playwright, numbers: RunningService, tmp_path: Path
) -> None:
    """Ten seconds of digital silence are a muted microphone, not a silent room."""
    with (
        closing(launch(playwright_here, numbered_words.write(tmp_path / "still.wav", 0))) as browser,
        watched(browser) as context,
    ):
        page = speak(context, numbers.url)
        expect(page.locator("#page-status")).to_contain_text("The microphone delivers silence. Is it muted?")
        expect(page.locator("#empty-title")).to_have_text("No sound from the microphone")


def test_a_paused_microphone_stays_open_and_sends_nothing_that_is_said(
    context: BrowserContext, numbers: RunningService
) -> None:
    """Words between pause and resume are never transcribed; the stream goes on in the same speech."""
    page = speak(context, numbers.url)
    expect(page.locator(".line").first).to_be_visible()
    page.locator("#pause-button").click()
    expect(page.locator("#page-status")).to_contain_text("Paused")
    expect(page.locator("#speak-label")).to_have_text("Stop microphone")
    page.wait_for_timeout(4_000)
    lines = page.locator(".line").count()
    page.wait_for_timeout(4_000)
    assert page.locator(".line").count() == lines
    page.locator("#pause-button").click()
    expect(page.locator("#page-status")).to_contain_text("Listening.")
    expect(page.locator(".line").nth(lines)).to_be_visible()
    page.locator("#speak-button").click()
    expect(page.locator("#pause-button")).to_be_hidden()


def test_after_a_reload_one_click_starts_the_microphone_again(
    context: BrowserContext, numbers: RunningService
) -> None:
    """In the same session; the notice goes."""
    page = speak(context, numbers.url)
    expect(page.locator(".line").first).to_be_visible()
    name = page.locator("#session-name").inner_text()
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    page.get_by_role("button", name="Start the microphone").click()
    expect(page.locator("#page-status")).to_contain_text("Listening.")
    expect(page.locator("#notices .banner")).to_have_count(0)
    expect(page.locator("#session-name")).to_have_text(name)


@pytest.mark.parametrize("wrong", [60, -300])
def test_moments_are_by_the_services_clock(
    context: BrowserContext, numbers: RunningService, wrong: int
) -> None:
    """Relative times are right even if the machine's clock is wrong."""
    context.add_init_script(f"const now = Date.now.bind(Date); Date.now = () => now() + {wrong} * 1000;")
    page = opened(context, numbers.url)
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    expect(page.locator("time[data-at]").first).to_be_visible()
    # A time from the service that came late, on a busy machine, is corrected by the next one.
    until = time.monotonic() + PATIENCE
    while faults := wrong_moments(page):
        assert time.monotonic() < until, faults
        page.wait_for_timeout(500)


def wrong_moments(page: Page) -> list[str]:
    """Return the relative times that are not right; without any, that there are none."""
    before = time.time()
    said = page.locator("time[data-at]").evaluate_all(
        "els => els.map((el) => [el.textContent, el.dataset.at])"
    )
    after = time.time()
    ages = [
        (int(found[1]) * (60 if found[2] == "min" else 1), float(at))
        for text, at in said
        if (found := re.fullmatch(r"(\d+) (s|min) ago", text))
    ]
    if not ages:
        return ["none is shown"]
    # Here the service's clock is this machine's; minutes are rounded.
    return [
        *(text for text, _ in said if text.startswith("in ")),
        *(
            f"{shown} s ago at {before} to {after}: {at}"
            for shown, at in ages
            if not before - at - _rounded(before - at) <= shown <= after - at + _rounded(after - at)
        ),
    ]


def _rounded(age: float) -> float:
    return 3 if age < 90 else 33
