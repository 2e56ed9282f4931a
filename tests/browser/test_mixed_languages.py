"""The transcript where the page, what is spoken and the translation differ in language and direction."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PageAt, violations
from tests.browser.layout import layout_faults
from tests.browser.test_reading import NAMES_FROM_EDGES
from tests.browser.test_translation_scenes import (
    AWAY,
    LONG_WORD,
    OFFER,
    STARTED,
    UNSURE,
    Hub,
    numbered,
    transcript,
    translation,
)
from tests.fakes.scripted_service import Running, scripted

pytestmark = pytest.mark.browser

Meeting = Callable[..., Page]

LONG_NAME = "Dr. Maximiliane-Wilhelmine von Hohenzollern-Sigmaringen-Überwasser"
DIRECTION = "(element) => getComputedStyle(element).direction"


def spoken(target: str, words: str) -> list[dict[str, Any]]:
    """Return a meeting whose first line has a translation into ``target``."""
    return numbered(
        [
            transcript(
                "a-0",
                "We must decide the budget before 12/2027 (version 3.1), at 9:30.",
                start=1,
                language="en",
                speaker=LONG_NAME,
                participant_id="p9",
            ),
            translation("a-0", words, target_language=target, corrects=True),
            transcript("a-1", "los manda esta tarde.", start=9, words=UNSURE, edited="corrected"),
            transcript("b-1", "", start=14, confidence=None, error=AWAY),
            transcript("a-2", f"{LONG_WORD} {LONG_WORD}", start=18, confidence=0.3),
            translation("a-2", LONG_WORD, target_language=target),
            transcript("a-3", "", start=20, edited="deleted"),
            transcript("c-1", "One of us.", start=24, language="en", speaker_label="2-ab"),
            transcript("c-2", "مرحبا, this is mixed: API v2.0 و 50%.", start=26, language="ar"),
        ]
    )


@pytest.fixture(scope="module")
def pages() -> Iterator[Running]:
    with scripted("full") as running:
        yield running


@pytest.fixture
def meeting(pages: Running, page_at: PageAt) -> Meeting:
    """Open the page on a phone, reading ``target`` in a page of the same language."""

    def join(target: str, words: str) -> Page:
        page = page_at("about:blank", locale=target, width=360)
        page.clock.set_fixed_time(STARTED / 1000 + 30)
        page.route_web_socket(re.compile("/ws$"), Hub(spoken(target, words)))
        offer = OFFER | {"targets": ["ar", "de"], "pairs": {"en": ["ar", "de"], "es": ["ar", "de"]}}
        page.route("**/api/languages", lambda route: route.fulfill(json=offer))
        page.route("**/api/sessions/*/recordings", lambda route: route.fulfill(json={"recordings": []}))
        page.add_init_script(f"localStorage['translation:targets'] ??= '{target}';")
        page.goto(f"{pages.url}/translation#session=meeting")
        expect(page.locator(".line")).to_have_count(7)
        return page

    return join


def test_each_text_keeps_its_direction_in_an_arabic_page(meeting: Meeting, axe: str) -> None:
    """Spoken from the left, translated from the right; what is awaited stands where the page begins."""
    page = meeting("ar", "سيتعين علينا أن نقرر الميزانية قبل 12/2027 (النسخة 3.1).")
    row = "[data-segment='{}'] {}"
    for segment, part, direction in (
        ("a-0", ".line-said", "ltr"),
        ("a-0", "[data-kind='text']", "rtl"),
        ("a-1", "[data-kind='waiting']", "rtl"),
        ("b-1", ".gap", "rtl"),
        ("a-3", ".deleted", "rtl"),
        ("c-2", ".line-said", "rtl"),
    ):
        assert page.locator(row.format(segment, part)).evaluate(DIRECTION) == direction, (segment, part)
    assert all(right < 1 for _, right in page.evaluate(NAMES_FROM_EDGES))
    expect(page.locator(row.format("a-0", ".line-read"))).to_contain_text("· مصحَّح")
    expect(page.locator(row.format("a-1", ".line-meta"))).to_contain_text("· صحّحه المضيف")
    page.get_by_role("button", name="المتحدث 2").click()
    expect(page.get_by_role("textbox", name="للجميع")).to_be_focused()
    assert violations(page, axe) == []
    page.keyboard.press("Escape")
    assert layout_faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_german_reader_gets_a_german_file(meeting: Meeting, tmp_path: Path) -> None:
    """Its own words, gaps and names; what was spoken stays as it is. The page's title has one row."""
    page = meeting("de", "Wir müssen das Budget vor 12/2027 beschließen.")
    title = page.locator("#page-title")
    assert title.evaluate(
        "(title) => title.getClientRects()[0].height < 2 * parseFloat(getComputedStyle(title).fontSize)"
    )
    expect(page.locator("[data-segment='a-2'] .line-confidence")).to_have_text("0,30")
    page.locator("#take").scroll_into_view_if_needed()
    with page.expect_download() as download:
        page.locator("[data-format='txt']").click()
    download.value.save_as(tmp_path / "file.txt")
    rows = (tmp_path / "file.txt").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "Sitzung: meeting"
    assert [row.split(" ")[0] for row in rows[1:3]] == ["Beginn:", "Teilnehmende:"]
    assert LONG_NAME in rows[2]
    assert any("[Ein Teil des Dienstes antwortet nicht.]" in row for row in rows)
    assert any("Person 2: One of us." in row for row in rows)
    page.locator("#copy").scroll_into_view_if_needed()
    assert layout_faults(page) == []
