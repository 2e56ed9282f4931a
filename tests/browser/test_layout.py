"""How pages use the window at every size: nothing cut, nothing covered, and most of it for the words."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import settled
from tests.browser.layout import layout_faults, share_of_height, shifted, watch_canvases, watch_shifts
from tests.browser.test_translation_scenes import (
    LONG_WORD,
    MEETING,
    Hub,
    meeting,
    numbered,
    pages,
    transcript,
    translation,
)
from tests.fakes.scripted_service import scripted

__all__ = ["meeting", "pages"]

pytestmark = pytest.mark.browser

PageAt = Callable[..., Page]

#: A desk, a small window, a desk at 200 % zoom, phones in both directions, and the narrowest of all.
SIZES = {
    "desk": (1280, 800),
    "narrow desk": (1024, 640),
    "200 % zoom": (640, 400),
    "zoomed projector": (960, 540),
    "phone on its side": (740, 360),
    "phone": (360, 740),
    "small phone": (320, 568),
}
AWAY = ("404",)
#: Pixels for "default" or "detect" and the arrow beside it.
ROOM_FOR_A_WORD = 72

LONG_NAME = "Wolfeschlegelsteinhausenbergerdorff the Second of Ashbury-upon-Thames"
LONG_SESSION = "quarterly-planning-meeting-of-the-whole-company-and-all-its-friends"
MUCH = numbered(
    [
        *MEETING,
        *(
            message
            for number in range(60)
            for message in (
                transcript(
                    f"a-{number + 10}", f"Tenemos que decidir, línea {number}.", start=20 + 3 * number
                ),
                translation(f"a-{number + 10}", f"We have to decide, line {number}."),
            )
        ),
        transcript("c-0", f"{LONG_WORD} {LONG_WORD}", start=300, speaker=LONG_NAME, participant_id="p3"),
        transcript(
            "d-0", "يجب أن نقرر الميزانية اليوم", start=310, language="ar", speaker="عبد الرحمن بن محمد"
        ),
        translation("d-0", "We must decide the budget today."),
        transcript("e-0", "One of us.", start=315, language="en", speaker_label="2-ab12cd"),
        transcript("e-1", "Or another.", start=318, language="en", speaker_label="?"),
    ]
)

#: A microphone that gives a tone, whatever the machine has.
TONE = """
navigator.mediaDevices.getUserMedia = async () => {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  const tone = context.createOscillator();
  tone.connect(out);
  tone.start();
  return out.stream;
};
"""


def resize(page: Page, size: str) -> None:
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    # Charts are drawn anew and lines scrolled to in the next frames.
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 60)))")


def words_get_half(page: Page, where: str) -> None:
    """Wait until words have half of the window: on a full machine layout is late, and sound may stall."""
    for _ in range(20):
        if share_of_height(page, "#scroll") >= 0.5:
            return
        page.wait_for_timeout(250)
    raise AssertionError(f"{where}: {page.locator('#notices').inner_text()}")


def test_words_have_most_of_the_window_at_every_size(meeting: Callable[..., tuple[Page, Hub]]) -> None:
    """Also while somebody speaks here; the choices lie over them, when they are asked for."""
    page, hub = meeting(MUCH, TONE)
    page.locator("#speak-button").click()
    expect(page.locator("#speak-label")).to_have_text("Stop microphone")
    hub.say(**transcript("m-0", "and then we", start=330, final=False, language="en"))
    expect(page.locator("#meter")).to_be_visible()
    page.evaluate(
        "(name) => { for (const id of ['page-title', 'session-name'])"
        " document.getElementById(id).textContent = name; }",
        LONG_SESSION,
    )
    for size in SIZES:
        resize(page, size)
        words_get_half(page, size)
        assert layout_faults(page) == [], size
        expect(page.locator(".line[data-final='false']")).to_be_in_viewport()
        if page.locator("#options-button").is_visible():
            page.locator("#options-button").click()
        for chosen in ("#device", "#source"):
            width = page.locator(chosen).evaluate("(select) => select.clientWidth")
            assert width >= ROOM_FOR_A_WORD, f"{size}, {chosen}"
        page.locator("#targets summary").click()
        assert layout_faults(page) == [], f"{size}, choices"
        words_get_half(page, f"{size}, choices")
        page.keyboard.press("Escape")
        if page.locator("#options-button").is_visible():
            page.keyboard.press("Escape")
            expect(page.locator("#options")).to_be_hidden()
            expect(page.locator("#options-button")).to_be_focused()
        page.keyboard.press("?")
        assert layout_faults(page, "#keys") == [], f"{size}, keys"
        page.keyboard.press("Escape")
        page.locator("#side").evaluate("(side) => side.scrollIntoView()")
        assert layout_faults(page, "#side") == [], f"{size}, side"
        page.evaluate("scrollTo(0, 0)")


def test_large_type_is_words_alone_on_the_whole_screen(meeting: Callable[..., tuple[Page, Hub]]) -> None:
    """By button and by key, after a reload too; Escape leaves it, and so does its button."""
    page, _ = meeting(MUCH)
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.evaluate(
        "document.documentElement.requestFullscreen = async () => document.body.dataset.asked = 'full'"
    )
    page.get_by_role("button", name="Large type").click()
    for _ in ("at once", "after a reload"):
        expect(page.get_by_role("button", name="Leave large type")).to_be_visible()
        for gone in (".side-bar", "#speak-button", "#source", "#side", ".line-confidence", "#large"):
            expect(page.locator(gone).first).to_be_hidden()
        assert share_of_height(page, "#scroll") >= 0.9
        assert page.locator("#scroll").evaluate("(each) => each.offsetWidth / innerWidth") >= 0.98
        expect(page.locator("[data-offset]").last).to_be_in_viewport()
        assert layout_faults(page) == []
        if page.locator("body").get_attribute("data-asked") is None:
            page.get_by_role("button", name="Full screen").click()
            expect(page.locator("body")).to_have_attribute("data-asked", "full")
            page.reload()
            expect(page.locator("#here")).to_have_text("Three people here")
            page.locator("body").evaluate("(body) => body.dataset.asked = ''")
    page.locator("#scroll").focus()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Large type", exact=True)).to_be_focused()
    expect(page.locator(".side-bar")).to_be_visible()
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Leave large type")).to_be_focused()
    for size in SIZES:
        resize(page, size)
        assert share_of_height(page, "#scroll") >= 0.75, size
        assert layout_faults(page) == [], size
    page.keyboard.press("Enter")
    expect(page.locator("#speak-button")).to_be_visible()


def test_nothing_moves_under_the_pointer_when_the_microphone_starts(
    meeting: Callable[..., tuple[Page, Hub]],
) -> None:
    """And all controls stand in one row at 1280."""
    page, _ = meeting(MEETING, TONE)
    places = """() => [...document.querySelectorAll("#controls :is(button, select, summary), #large")]
        .filter((each) => each.checkVisibility())
        .map((each) => { const { x, y } = each.getBoundingClientRect(); return [each.id, x, y]; })"""
    for width, height in ((1280, 800), (1024, 640), (360, 740)):
        page.set_viewport_size({"width": width, "height": height})
        before = page.evaluate(places)
        page.locator("#speak-button").click()
        expect(page.locator("#meter")).to_be_visible()
        assert page.evaluate(places) == before
        if width == 1280:
            rows = """() => new Set([...document.querySelectorAll("#controls .field, #controls .button")]
                .filter((each) => each.checkVisibility())
                .map((each) => Math.round(each.getBoundingClientRect().top))).size"""
            assert page.evaluate(rows) == 1
        page.locator("#speak-button").click()
        expect(page.locator("#meter")).to_be_hidden()


@pytest.mark.parametrize("scene", ["full", "broken"])
def test_no_page_moves_while_it_loads_and_nothing_is_cut_at_any_size(page_at: PageAt, scene: str) -> None:
    """Of every page and what opens beside it, also with trouble to show and with names of any length."""
    sizes = tuple(SIZES) if scene == "broken" else ("desk", "small phone")
    with scripted(scene) as running:
        page = page_at("about:blank", expects=AWAY)
        watch_shifts(page)
        watch_canvases(page)
        for path in ("/", "/connections", "/gateway", "/tree", "/settings", "/nope"):
            for size in ("desk", "phone"):
                width, height = SIZES[size]
                page.set_viewport_size({"width": width, "height": height})
                page.goto(running.url + path)
                if path != "/nope":
                    settled(page)
                page.wait_for_timeout(300)
                total, moved = shifted(page)
                assert total <= 0.05, f"{path}, {size}: {moved}"
                assert page.evaluate("window.cutOnCanvas") == [], f"{path}, {size}"
            for size in sizes:
                resize(page, size)
                assert layout_faults(page) == [], f"{path}, {size}"
            if page.locator("#main tr[data-href]").count() > 0:
                page.locator("#main tr[data-href]").first.click()
                expect(page.locator("dialog[open]")).to_be_visible()
                for size in sizes:
                    resize(page, size)
                    assert layout_faults(page, "dialog[open]") == [], f"{path}, {size}, panel"
                page.keyboard.press("Escape")
