"""The owner corrects and deletes lines in place, with the keyboard; everyone sees what was done."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.conftest import violations
from tests.browser.test_translation_scenes import OFFER, STARTED, Hub, numbered, transcript, translation
from tests.fakes.scripted_service import Running, scripted

pytestmark = pytest.mark.browser

PageAt = Callable[..., Page]

LINES = numbered(
    [
        transcript("a-0", "Tenemos que decidir.", start=1),
        translation("a-0", "We have to decide."),
        transcript("a-1", "Mister Dash would.", start=5, language="en"),
        transcript("a-2", "My number is 1234.", start=9, language="en"),
    ]
)


class OwnedHub(Hub):
    """A session of this page. Edits are done as the service does them, or refused with ``refusal``."""

    def __init__(self, history: list[dict[str, Any]], *, role: str = "owner") -> None:
        super().__init__(history)
        self.role = role
        self.refusal: dict[str, Any] | None = None
        self.edits: list[dict[str, Any]] = []

    def __call__(self, route: WebSocketRoute) -> None:
        super().__call__(route)
        route.on_message(self._receive)

    def _receive(self, data: str | bytes) -> None:
        message = {} if isinstance(data, bytes) else json.loads(data)
        if message.get("type") not in ("correct_line", "delete_line"):
            self._hear(data)
            return
        self.edits.append(message)
        if self.refusal is not None:
            self.say(type="error", id=message["id"], **self.refusal)
            return
        line = next(each for each in LINES if each.get("segment_id") == message["segment_id"])
        is_deleted = message["type"] == "delete_line"
        edited = {
            **line,
            "revision": line["revision"] + 1,
            "text": message.get("text", ""),
            "edited": "deleted" if is_deleted else "corrected",
            "offset": len(LINES) + len(self.edits),
            "id": message["id"],
        }
        self.say(**edited)

    def say(self, **message: Any) -> None:
        if message["type"] == "session_joined":
            message |= {"role": self.role, "keys": {"speak": "s" * 22, "read": "r" * 22}}
        super().say(**message)


@pytest.fixture(scope="module")
def pages() -> Iterator[Running]:
    with scripted("full") as running:
        yield running


@pytest.fixture
def owned(pages: Running, page_at: PageAt) -> Callable[..., tuple[Page, OwnedHub]]:
    """Open the page in the session ``meeting``, reading English."""

    def join(*, role: str = "owner", **more: Any) -> tuple[Page, OwnedHub]:
        hub = OwnedHub(LINES, role=role)
        page = page_at("about:blank", locale="en-GB", **more)
        page.clock.set_fixed_time(STARTED / 1000 + 20)
        page.route_web_socket(re.compile("/ws$"), hub)
        page.route("**/api/languages", lambda route: route.fulfill(json=OFFER))
        page.route("**/api/sessions/*/recordings", lambda route: route.fulfill(json={"recordings": []}))
        page.add_init_script("localStorage['translation:targets'] ??= 'en'")
        page.goto(f"{pages.url}/translation#session=meeting")
        expect(page.locator(".line")).to_have_count(3)
        return page, hub

    return join


def line(page: Page, number: int) -> Any:
    return page.locator(f".line[data-segment='a-{number}']")


def test_a_line_is_corrected_with_the_keyboard(owned: Callable[..., tuple[Page, OwnedHub]]) -> None:
    """Tab reaches the last line's button, the arrow keys the others; Enter sends, the focus comes back."""
    page, hub = owned()
    buttons = page.get_by_role("button", name="Edit this line")
    expect(buttons).to_have_count(3, timeout=8_000)
    expect(page.locator(".line-edit[tabindex='0']")).to_have_count(1)
    line(page, 2).locator(".line-edit").focus()
    page.keyboard.press("ArrowUp")
    expect(line(page, 1).locator(".line-edit")).to_be_focused()
    page.keyboard.press("Enter")
    text = page.get_by_role("textbox", name="Text of this line")
    expect(text).to_be_focused()
    expect(text).to_have_value("Mister Dash would.")
    page.keyboard.press("Escape")
    expect(text).to_have_count(0)
    expect(line(page, 1).locator(".line-edit")).to_be_focused()
    assert hub.edits == []
    page.keyboard.press("Enter")
    page.keyboard.type("Mister Dashwood.")
    page.keyboard.press("Enter")
    expect(line(page, 1).locator(".line-said")).to_have_text("Mister Dashwood.")
    expect(line(page, 1)).to_contain_text("· corrected by the host")
    expect(line(page, 1).locator(".line-edit")).to_be_focused()
    [edit] = hub.edits
    assert edit | {"id": 0} == {
        "type": "correct_line",
        "session_id": "meeting",
        "segment_id": "a-1",
        "offset": 3,
        "text": "Mister Dashwood.",
        "id": 0,
    }


def test_a_deleted_line_shows_only_that_it_was(owned: Callable[..., tuple[Page, OwnedHub]]) -> None:
    """After a question; it has no button any more, and is in no download."""
    page, hub = owned()
    line(page, 2).hover()
    line(page, 2).locator(".line-edit").click()
    page.get_by_role("button", name="Delete line…").click()
    dialog = page.get_by_role("dialog", name="Delete this line for everyone?")
    dialog.get_by_role("button", name="Cancel").click()
    assert hub.edits == []
    page.get_by_role("button", name="Delete line…").click()
    dialog.get_by_role("button", name="Delete line").click()
    expect(line(page, 2).locator(".line-said")).to_have_text("Deleted by the host")
    expect(line(page, 2).locator(".line-edit")).to_have_count(0)
    expect(page.locator("body")).not_to_contain_text("1234")
    assert [(each["type"], each["offset"]) for each in hub.edits] == [("delete_line", 4)]
    expect(page.locator("#take-note")).to_contain_text("2 lines")


def test_a_refused_edit_says_why_and_keeps_what_was_typed(
    owned: Callable[..., tuple[Page, OwnedHub]],
) -> None:
    """A line that is gone, and one without text."""
    page, hub = owned()
    hub.refusal = {"code": "unknown_line", "detail": "This line is gone."}
    line(page, 1).hover()
    line(page, 1).locator(".line-edit").click()
    text = page.get_by_role("textbox", name="Text of this line")
    text.fill("Mister Dashwood.")
    page.get_by_role("button", name="Save for everyone").click()
    expect(page.locator(".line-form-error")).to_have_text("This line is gone.")
    expect(text).to_have_value("Mister Dashwood.")
    text.fill("  ")
    page.keyboard.press("Enter")
    expect(page.locator(".line-form-error")).to_contain_text("The line is empty.")
    assert len(hub.edits) == 1


def test_a_line_that_another_page_deletes_is_closed(owned: Callable[..., tuple[Page, OwnedHub]]) -> None:
    page, hub = owned()
    line(page, 1).hover()
    line(page, 1).locator(".line-edit").click()
    gone = transcript("a-1", "", start=5, language="en", revision=2, edited="deleted", offset=5)
    hub.say(**gone)
    expect(page.get_by_role("textbox", name="Text of this line")).to_have_count(0)
    expect(line(page, 1)).to_contain_text("Deleted by the host")


def test_others_see_edits_and_have_no_buttons(owned: Callable[..., tuple[Page, OwnedHub]]) -> None:
    page, hub = owned(role="participant")
    expect(page.locator(".line-edit")).to_have_count(0)
    hub.say(**transcript("a-0", "Hay que decidir.", start=1, revision=2, edited="corrected", offset=5))
    expect(line(page, 0).locator(".line-said")).to_have_text("Hay que decidir.")
    expect(line(page, 0)).to_contain_text("· corrected by the host")
    expect(line(page, 0)).not_to_contain_text("We have to decide.")
    hub.say(**translation("a-0", "One has to decide.", revision=2), offset=6)
    expect(line(page, 0)).to_contain_text("One has to decide.")


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [1280, 360])
def test_editing_is_accessible_and_fits(
    owned: Callable[..., tuple[Page, OwnedHub]], axe: str, width: int, theme: str
) -> None:
    page, hub = owned(width=width, theme=theme)
    hub.say(**transcript("a-0", "", start=1, revision=2, edited="deleted", offset=5))
    line(page, 1).hover()
    assert violations(page, axe) == []
    line(page, 1).locator(".line-edit").click()
    page.get_by_role("textbox", name="Text of this line").fill("")
    page.keyboard.press("Enter")
    expect(page.locator(".line-form-error")).to_be_visible()
    assert violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
