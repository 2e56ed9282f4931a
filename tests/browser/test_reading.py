"""How a reader sees the transcript: size, colours, which texts, search, and the translation read aloud."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import violations
from tests.browser.layout import layout_faults, share_of_height
from tests.browser.test_layout import MUCH, SIZES, resize
from tests.browser.test_translation_scenes import (
    MEETING,
    Hub,
    meeting,
    numbered,
    pages,
    transcript,
    translation,
)

__all__ = ["meeting", "pages"]

pytestmark = pytest.mark.browser

Meeting = Callable[..., tuple[Page, Hub]]

SAID_SIZE = "() => parseFloat(getComputedStyle(document.querySelector('.line-original')).fontSize)"

#: A speech engine with one Spanish and one English voice, which notes what it reads.
VOICES = """
window.spoken = [];
const voices = [["Ana", "es-ES"], ["Zoe", "en-GB"]].map(([name, lang]) =>
  ({ name, lang, voiceURI: name, localService: true, default: false }));
const engine = Object.assign(new EventTarget(), {
  getVoices: () => voices,
  speak(utterance) {
    window.spoken.push(`${utterance.voice.name}: ${utterance.text}`);
    this.current = utterance;
  },
  cancel() {},
});
window.finish = () => engine.current.dispatchEvent(new Event("end"));
Object.defineProperty(window, "speechSynthesis", { value: engine });
window.SpeechSynthesisUtterance = class extends EventTarget {
  constructor(text) { super(); this.text = text; }
};
"""

#: A screen lock that counts how often it is requested and released.
WAKE_LOCK = """
window.locks = window.releases = 0;
Object.defineProperty(navigator, "wakeLock", { value: { request: async () => {
  window.locks += 1;
  return Object.assign(new EventTarget(), { release() { window.releases += 1; } });
} } });
"""

#: Long work stops after its first slice, until ``releaseOne`` and ``releaseAll`` let the next ones run.
HELD_SLICES = """
const post = MessagePort.prototype.postMessage;
const held = [];
let isHeld = true;
MessagePort.prototype.postMessage = function (...given) {
  if (isHeld) held.push(() => post.apply(this, given));
  else post.apply(this, given);
};
window.releaseOne = () => held.shift()?.();
window.releaseAll = () => { isHeld = false; for (const go of held.splice(0)) go(); };
"""

#: How far each speaker's name is from its row's edge, in pixels: at the left, and at the right.
NAMES_FROM_EDGES = """() => [...document.querySelectorAll(".line-speaker")].map((name) => {
  const range = document.createRange();
  range.selectNodeContents(name);
  const [own, row] = [range.getBoundingClientRect(), name.closest(".line").getBoundingClientRect()];
  return [own.left - row.left, row.right - own.right];
})"""


def reading(page: Page) -> None:
    page.get_by_role("button", name="Reading").first.click()
    expect(page.locator("#reading-options")).to_be_visible()


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [1280, 360])
def test_the_choices_are_accessible_and_every_colour_can_be_read(
    meeting: Meeting, axe: str, width: int, theme: str
) -> None:
    """WCAG 2.1 AA with the choices open, in each choice of colours, beside growing text and errors."""
    page, hub = meeting(MEETING, width=width, theme=theme)
    hub.say(**transcript("b-2", "and then we", start=30, final=False, revision=1, language="en"))
    reading(page)
    assert violations(page, axe) == []
    assert layout_faults(page, "#reading-options") == []
    for option in page.locator("#reading-colours option").all():
        page.locator("#reading-colours").select_option(option.get_attribute("value"))
        assert violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_size_goes_in_steps_by_button_and_key_and_stays_after_a_reload(meeting: Meeting) -> None:
    """In large type too, where the buttons stand above the words."""
    page, _ = meeting(MEETING)
    before = page.evaluate(SAID_SIZE)
    reading(page)
    page.get_by_role("button", name="Larger text").click()
    page.get_by_role("button", name="Larger text").click()
    expect(page.locator("#text-size")).to_have_text("150\u00a0%")
    assert page.evaluate(SAID_SIZE) == pytest.approx(1.5 * before)
    page.keyboard.press("Escape")
    expect(page.locator("#reading-options")).to_be_hidden()
    page.keyboard.press("-")
    assert page.evaluate(SAID_SIZE) == pytest.approx(1.25 * before)
    page.locator("#large").click()
    large = page.evaluate(SAID_SIZE)
    page.locator("#large-bar").get_by_role("button", name="Reading").click()
    for _ in range(5):
        page.get_by_role("button", name="Larger text").click()
    expect(page.get_by_role("button", name="Larger text")).to_have_attribute("aria-disabled", "true")
    expect(page.get_by_role("button", name="Larger text")).to_be_focused()
    assert page.evaluate(SAID_SIZE) == pytest.approx(large * 3 / 1.25)
    page.keyboard.press("Escape")
    expect(page.locator("#reading-options")).to_be_hidden()
    expect(page.locator("#leave-large")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#leave-large")).to_be_hidden()
    page.reload()
    expect(page.locator("#text-size")).to_have_text("300\u00a0%")
    assert page.evaluate("document.documentElement.style.getPropertyValue('--text-scale')") == "3"


@pytest.mark.parametrize("show", ["both", "translation", "original"])
def test_large_text_fits_every_window(meeting: Meeting, show: str) -> None:
    """At 300 % nothing is cut or scrolled sideways, whichever texts are shown."""
    page, _ = meeting(MUCH, f'localStorage["translation:reading"] = \'{{"size": 7, "show": "{show}"}}\';')
    for size in SIZES:
        resize(page, size)
        assert layout_faults(page) == [], size
        assert share_of_height(page, "#scroll") >= 0.5, size
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), size


def test_one_text_alone_hides_no_line(meeting: Meeting) -> None:
    """With the translation alone, what has none is still there: gaps, errors, what is spoken in English."""
    spoken = transcript("e-0", "That is fine.", start=60, language="en")
    page, _ = meeting(numbered([*MEETING, spoken]))
    reading(page)
    page.locator("#reading-show").select_option("translation")
    page.locator("#reading-confidence").set_checked(False)
    row = "[data-segment='{}'] .line-{}"
    expect(page.locator(row.format("a-0", "original"))).to_be_hidden()
    expect(page.locator(row.format("a-0", "read"))).to_contain_text("We have to decide the budget.")
    for segment, words in (("b-0", "Das schaffen wir."), ("b-1", "not responding"), ("e-0", "That is fine.")):
        expect(page.locator(row.format(segment, "original"))).to_contain_text(words)
        expect(page.locator(row.format(segment, "original"))).to_be_visible()
    expect(page.locator(row.format("b-0", "read"))).to_contain_text("apt install apertium")
    page.locator("#reading-show").select_option("original")
    expect(page.locator(row.format("a-0", "original"))).to_be_visible()
    expect(page.locator(row.format("a-0", "read"))).to_be_hidden()
    expect(page.locator(".line-confidence").first).to_be_hidden()


def test_a_word_is_found_in_a_long_transcript(meeting: Meeting, axe: str) -> None:
    """In originals and translations, with the following of new lines let go until the reader wants it."""
    page, hub = meeting(MUCH)
    page.keyboard.press("f")
    expect(page.locator("#search-text")).to_be_focused()
    page.keyboard.type("LINEA 7")
    expect(page.locator("#search-count")).to_have_text("1 of 1")
    expect(page.locator("[data-segment='a-17']")).to_be_in_viewport()
    # Lines that are not drawn yet are marked once they are.
    page.wait_for_function("() => CSS.highlights.get('found-current').size === 1")
    expect(page.get_by_role("button", name="Jump to now")).to_be_visible()
    page.locator("#search-text").fill("decid")
    expect(page.locator("#search-count")).to_have_text("123 of 123")
    assert violations(page, axe) == []
    page.keyboard.press("Enter")
    expect(page.locator("#search-count")).to_have_text("1 of 123")
    expect(page.locator("[data-segment='a-0']")).to_be_in_viewport()
    page.keyboard.press("Shift+Enter")
    expect(page.locator("#search-count")).to_have_text("123 of 123")
    page.keyboard.press("Enter")
    hub.say(**transcript("z-0", "Decidir otra vez.", start=500))
    expect(page.locator("#search-count")).to_have_text("1 of 124")
    expect(page.locator("[data-segment='a-0']")).to_be_in_viewport()
    page.locator("#search-text").fill("nowhere")
    expect(page.locator("#search-count")).to_have_text("no match")
    page.keyboard.press("Escape")
    expect(page.locator("#search-bar")).to_be_hidden()
    expect(page.locator("#scroll")).to_be_focused()
    assert page.evaluate("CSS.highlights.size") == 0
    page.get_by_role("button", name="Jump to now").click()
    expect(page.locator("[data-segment='z-0']")).to_be_in_viewport()


@pytest.mark.parametrize("is_applied", [False, True])
def test_a_word_is_found_while_the_transcript_is_being_drawn(meeting: Meeting, *, is_applied: bool) -> None:
    """Whether its line is not drawn yet, or not even read: it comes into view, and stays there."""
    page, _ = meeting(MUCH, HELD_SLICES)
    if is_applied:  # the history is read in three slices; then the newest lines are drawn
        page.wait_for_function("() => { releaseOne(); return document.querySelector('[data-segment]'); }")
        assert page.locator("[data-segment='b-0']").count() == 0
    page.keyboard.press("f")
    expect(page.locator("#search-text")).to_be_focused()
    page.keyboard.type("schaffen")
    if is_applied:
        expect(page.locator("[data-segment='b-0']")).to_be_in_viewport()
    page.evaluate("releaseAll()")
    expect(page.locator("[data-segment='a-0']")).to_be_attached()
    expect(page.locator("#search-count")).to_have_text("1 of 1")
    expect(page.locator("[data-segment='b-0']")).to_be_in_viewport()
    expect(page.locator("[data-segment='b-0']")).to_have_attribute("data-found", "current")
    expect(page.get_by_role("button", name="Jump to now")).to_be_visible()


def test_a_reader_who_scrolls_while_the_transcript_is_being_drawn_is_left_where_they_are(
    meeting: Meeting,
) -> None:
    """A line that was found is not brought into view again."""
    page, _ = meeting(MUCH, HELD_SLICES)
    page.wait_for_function("() => { releaseOne(); return document.querySelector('[data-segment]'); }")
    page.keyboard.press("f")
    page.keyboard.type("schaffen")
    expect(page.locator("[data-segment='b-0']")).to_be_in_viewport()
    page.locator("#scroll").hover()
    page.mouse.wheel(0, 100_000)
    expect(page.locator("[data-segment='a-69']")).to_be_in_viewport()
    page.evaluate("releaseAll()")
    expect(page.locator("[data-segment='a-0']")).to_be_attached()
    expect(page.locator("#search-count")).to_have_text("1 of 1")
    expect(page.locator("[data-segment='b-0']")).not_to_be_in_viewport()
    expect(page.locator("[data-segment='a-69']")).to_be_in_viewport()


@pytest.mark.parametrize("size", list(SIZES))
def test_the_search_fits_every_window(meeting: Meeting, size: str) -> None:
    """On a phone it is opened under "Reading"."""
    page, _ = meeting(MUCH)
    resize(page, size)
    if page.locator(".page-actions [data-search]").is_hidden():
        reading(page)
        page.get_by_role("button", name="Search the transcript…").click()
        expect(page.locator("#reading-options")).to_be_hidden()
    else:
        page.get_by_role("button", name="Search").first.click()
    expect(page.locator("#search-text")).to_be_focused()
    page.keyboard.type("budget")
    expect(page.locator("#search-count")).to_contain_text("of")
    assert layout_faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_translation_is_read_aloud_once_it_is_wanted(meeting: Meeting) -> None:
    """Only what is said from then on, in the reader's language, one text after the other."""
    page, hub = meeting(MEETING, VOICES)

    def say(segment: str, start: float, text: str, **more: Any) -> None:
        hub.say(**transcript(segment, "Palabras.", start=start, **more))
        hub.say(**translation(segment, text))

    reading(page)
    say("f-0", 100, "Before.")
    expect(page.locator("[data-segment='f-0']")).to_be_attached()
    page.get_by_label("Read the translation aloud").check()
    expect(page.locator("#read-aloud-note")).to_contain_text("Use headphones")
    expect(page.locator("#read-voice option")).to_have_text(["nearest", "Zoe (en-GB)"])
    say("f-1", 200, "First.")
    say("f-2", 210, "Second.")
    expect(page.locator("[data-segment='f-2']")).to_be_attached()
    assert page.evaluate("window.spoken") == ["Zoe: First."]
    page.evaluate("window.finish()")
    assert page.evaluate("window.spoken") == ["Zoe: First.", "Zoe: Second."]
    page.reload()
    expect(page.locator("#read-aloud")).not_to_be_checked()


@pytest.mark.parametrize("width", [360, 1280])
def test_in_a_page_from_the_right_lines_begin_at_the_right(meeting: Meeting, width: int) -> None:
    """Names from the left too, and the mark of a match; the size's buttons keep their sign."""
    page, _ = meeting(MEETING, width=width)
    assert all(left < 1 for left, _ in page.evaluate(NAMES_FROM_EDGES))
    page.evaluate("document.documentElement.dir = 'rtl'")
    names = page.evaluate(NAMES_FROM_EDGES)
    assert len(names) == 5
    assert all(right < 1 for _, right in names)
    page.keyboard.press("f")
    page.locator("#search-text").fill("presupuesto")
    current = page.locator(".line[data-found='current']")
    expect(current).to_be_visible()
    assert " 3px 0px 0px" in current.evaluate("(row) => getComputedStyle(row).boxShadow")
    arrows = [page.locator(f"#search-{way}").bounding_box() for way in ("previous", "next")]
    assert len({box["y"] for box in arrows if box}) == 1
    page.keyboard.press("Escape")
    reading(page)
    assert page.locator("#text-larger").evaluate("(button) => getComputedStyle(button).direction") == "ltr"
    assert layout_faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_screen_stays_awake_while_lines_arrive(meeting: Meeting) -> None:
    """A phone that is read from is not touched; ten minutes after the last line it may sleep."""
    page, hub = meeting([], init=WAKE_LOCK)
    assert page.evaluate("[window.locks, window.releases]") == [0, 0]
    page.clock.install()
    hub.say(**transcript("b-1", "Tenemos que decidir.", start=30), offset=1)
    expect(page.locator(".line")).to_have_count(1)
    assert page.evaluate("[window.locks, window.releases]") == [1, 0]
    page.clock.fast_forward(300_000)
    hub.say(**transcript("b-2", "Ya.", start=330), offset=2)
    page.clock.run_for(1000)
    expect(page.locator(".line")).to_have_count(2)
    page.clock.fast_forward(500_000)
    assert page.evaluate("[window.locks, window.releases]") == [1, 0]
    page.clock.fast_forward(100_000)
    assert page.evaluate("[window.locks, window.releases]") == [1, 1]
