"""Several people at one microphone: their lines, and the names that readers give them, in Chromium."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from tests.browser.test_translation import opened, watched
from tests.fakes import numbered_words
from tests.fakes.chromium import launch
from tests.fakes.service import RunningService, service

pytestmark = pytest.mark.browser

SENTENCES = 5


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run the service in front of an audio service that recognises every word, and two people."""
    with (
        numbered_words.numbered_words_service() as url,
        service("serve", tmp_path_factory.mktemp("people"), settings=numbered_words.settings(url)) as running,
    ):
        yield running


@pytest.fixture
def browser(playwright_here: Playwright, tmp_path: Path) -> Iterator[Browser]:
    """Start Chromium with a microphone that plays the numbered words."""
    said = numbered_words.write(tmp_path / "said.wav", SENTENCES * numbered_words.SENTENCE)
    with closing(launch(playwright_here, said)) as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with watched(browser) as context:
        yield context


def names(page: Page) -> list[str]:
    """Return who said the final lines."""
    return page.locator(".line[data-final='true'] .line-speaker").all_inner_texts()


def test_a_speaker_is_named_once_for_all_lines_and_readers(
    context: BrowserContext, numbers: RunningService
) -> None:
    """In place, with the keyboard alone; Escape changes nothing; an unsure line is corrected later."""
    page = opened(context, f"{numbers.url}/translation")
    page.get_by_label("Several people").check()
    page.locator("#speak-button").click()
    first = page.locator(".line[data-final='true'] .line-speaker").first
    expect(first).to_have_text("Speaker ?")
    expect(first).to_have_attribute("title", re.compile("not recognised with certainty"))
    expect(first.locator("button")).to_have_count(0)

    second = page.get_by_role("button", name="Speaker 2").first
    expect(second).to_be_visible()
    second.focus()
    page.keyboard.press("Enter")
    field = page.get_by_role("textbox", name="Name of Speaker 2, for everyone")
    expect(field).to_be_focused()
    field.press_sequentially("Nobody")
    field.press("Escape")
    expect(second).to_be_focused()
    second.click()
    field.press_sequentially("Mia <b>")
    field.press("Enter")
    expect(page.get_by_role("button", name="Mia <b>").first).to_be_visible()

    expect(first).to_have_text("Speaker 1")
    expect(page.locator(".line[data-final='true']").nth(3)).to_be_visible()
    expect(page.locator(".line[data-final='true'] .line-speaker").nth(3)).to_have_text("Mia <b>")
    assert names(page)[:4] == ["Speaker 1", "Mia <b>", "Speaker 1", "Mia <b>"]
    page.locator("#speak-button").click()

    late = opened(context, f"{page.url}&role=observer")
    expect(late.locator(".line[data-final='true']").nth(3)).to_be_visible()
    assert names(late)[:4] == names(page)[:4]
    expect(late.locator(".speaker-button")).to_have_count(0)  # who only reads names nobody
    with page.expect_download() as download:
        page.locator("[data-format='json']").click()
    lines = json.loads(Path(download.value.path()).read_text())["lines"]
    assert [(line["speaker"], line["speaker_label"]) for line in lines[:2]] == [
        ("Speaker 1", "1-test"),
        ("Mia <b>", "2-test"),
    ]


def test_names_are_changed_and_taken_back_on_a_phone(
    context: BrowserContext, numbers: RunningService
) -> None:
    """At 360 px the field fits, and what is typed elsewhere while it is open does not close it."""
    page = opened(context, f"{numbers.url}/translation")
    page.set_viewport_size({"width": 360, "height": 740})
    page.get_by_label("Several people").check()
    page.locator("#speak-button").click()
    button = page.get_by_role("button", name="Speaker 2").first
    expect(button).to_be_visible()
    before = page.locator(".line[data-final='true']").count()
    button.click()
    field = page.get_by_role("textbox", name="Name of Speaker 2, for everyone")
    box = field.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 360
    field.fill("Ann")
    # Lines arrive while the name is typed.
    expect(page.locator(".line[data-final='true']").nth(before)).to_be_visible()
    expect(field).to_be_focused()
    field.press("Enter")
    named = page.get_by_role("button", name="Ann").first
    expect(named).to_be_visible()
    named.click()
    page.get_by_role("textbox", name="Name of Ann, for everyone").fill("")
    page.locator("#page-title").click()
    expect(page.get_by_role("button", name="Speaker 2").first).to_be_visible()
