"""Joining in Chromium: the QR code and the code on the Translation page, and the page to join."""

import re
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.conftest import AXE
from tests.fakes.chromium import window
from tests.fakes.service import RunningService, service

pytestmark = pytest.mark.browser

SHOWN = re.compile(r"^[CDFHJKMPQRTVWXY34679]{3,4}(-[CDFHJKMPQRTVWXY34679]{3,4})+$")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run the service; nobody speaks, so its back ends are not needed."""
    with service("serve", tmp_path_factory.mktemp("serve")) as running:
        yield running


def test_a_phone_joins_with_the_code_that_is_shown(chromium: Browser, served: RunningService) -> None:
    """As a reader, in the same session; the speaker's dialog has a QR code, and the code can be replaced."""
    speaker = window(chromium).new_page()
    speaker.goto(f"{served.url}/translation")
    expect(speaker.locator("#show-invite")).to_be_enabled()
    speaker.locator("#show-invite").click()
    expect(speaker.locator("#invite-code")).to_have_text(SHOWN)
    expect(speaker.locator("#invite-qr svg path")).to_have_attribute("d", re.compile("^M4 4h7"))
    code = speaker.locator("#invite-code").inner_text()
    name = speaker.locator("#session-name").inner_text()

    phone = window(chromium, viewport={"width": 360, "height": 740}, locale="es-ES").new_page()
    phone.goto(f"{served.url}/join")
    phone.locator("#code").fill(code.lower())
    phone.locator("#code").press("Enter")
    phone.wait_for_url(re.compile("/translation#"))
    expect(phone.locator("#session-name")).to_have_text(name)
    expect(phone.locator("#speak")).to_be_hidden()

    speaker.locator("#invite-new").click()
    expect(speaker.locator("#invite-code")).not_to_have_text(code)
    phone.goto(f"{served.url}/join#{code}")
    expect(phone.locator("#code-fault")).to_contain_text("Ninguna sesión tiene este código")
    expect(phone.locator("#code")).to_have_value(code)
    phone.goto(f"{served.url}/join#{speaker.locator('#invite-code').inner_text()}")
    phone.wait_for_url(re.compile("/translation#"))
    expect(phone.locator("#session-name")).to_have_text(name)
    phone.context.close()
    speaker.context.close()


def test_a_code_for_speaking_has_to_be_confirmed(chromium: Browser, served: RunningService) -> None:
    """Cancelled, nothing is created; confirmed, who joins with it can speak."""
    speaker = window(chromium).new_page()
    speaker.goto(f"{served.url}/translation")
    expect(speaker.locator("#show-invite")).to_be_enabled()
    speaker.locator("#show-invite").click()
    expect(speaker.locator("#invite-code")).to_have_text(SHOWN)
    reading = speaker.locator("#invite-code").inner_text()
    speaker.locator("#invite-speak").click()
    speaker.get_by_role("button", name="Cancel").click()
    expect(speaker.locator("#invite-speak")).not_to_be_checked()
    expect(speaker.locator("#invite-code")).to_have_text(reading)
    speaker.locator("#invite-speak").click()
    speaker.get_by_role("button", name="Create a code for speaking").click()
    expect(speaker.locator("#invite-code")).not_to_have_text(reading)
    expect(speaker.locator("#invite-validity")).to_contain_text("For speaking")
    other = window(chromium).new_page()
    other.goto(f"{served.url}/join#{speaker.locator('#invite-code').inner_text()}")
    other.wait_for_url(re.compile("/translation#"))
    expect(other.locator("#speak")).to_be_visible()
    other.context.close()
    speaker.context.close()


def test_the_page_to_join_works_without_javascript(chromium: Browser, served: RunningService) -> None:
    """The form is plain: what is wrong is in the page that comes back."""
    context = window(chromium, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{served.url}/join")
    page.locator("#code").fill("K7M4Q0")
    page.locator("#join-button").click()
    expect(page.locator("#code-fault")).to_contain_text("No code contains 0")
    expect(page.locator("#code")).to_have_value("K7M4Q0")
    context.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_to_join_is_accessible(chromium: Browser, served: RunningService, width: int) -> None:
    """With an error shown, on a phone and on a desk."""
    context = window(chromium, viewport={"width": width, "height": 740}, bypass_csp=True)
    page = context.new_page()
    page.goto(f"{served.url}/join#K7M4QX")
    expect(page.locator("#code-fault")).to_be_visible()
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run()")
    assert [(each["id"], each["help"]) for each in found["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


@pytest.mark.parametrize(("width", "colours"), [(360, "dark"), (1280, "light"), (640, "dark")])
def test_the_page_to_join_is_in_the_readers_language(
    chromium: Browser, served: RunningService, width: int, colours: Literal["dark", "light"]
) -> None:
    """From the right in Arabic, errors too; another can be chosen, and stays (640: 1280 at 200 %)."""
    context = window(
        chromium,
        viewport={"width": width, "height": 740},
        locale="ar-EG",
        color_scheme=colours,
        bypass_csp=True,
    )
    page = context.new_page()
    english: list[str] = []
    page.on("request", lambda request: english.append(request.url) if "/texts/en.js" in request.url else None)
    page.goto(f"{served.url}/join#K7M4QX")
    expect(page.locator("#code-fault")).to_have_text("لا توجد جلسة بهذا الرمز. تحقّق منه أو اطلب رمزًا جديدًا.")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    code, label = page.locator("#code").bounding_box(), page.locator("label[for=code]").bounding_box()
    assert code is not None
    assert label is not None
    assert label["x"] > code["x"], "the label is before its field, from the right"
    page.add_script_tag(path=AXE)
    assert [(each["id"], each["help"]) for each in page.evaluate("axe.run()")["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert english == [], "only the reader's catalogue is loaded"
    page.locator("#interface-language").select_option("fr")
    expect(page.locator("h1")).to_have_text("Rejoindre")
    page.goto(f"{served.url}/captions/room")
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    context.close()


@pytest.mark.parametrize(
    ("width", "locale", "validity"),
    [
        (360, "en-GB", r"^For reading, valid until \d\d:\d\d\. It ends with the session\.$"),
        (360, "de-DE", r"^Zum Lesen, gültig bis \d\d:\d\d\. "),
        (1280, "ar-EG", r"^للقراءة، .صالح"),
    ],
)
def test_the_dialog_that_invites_is_accessible(
    chromium: Browser, served: RunningService, width: int, locale: str, validity: str
) -> None:
    """With its QR code and code, on a phone and on a desk, and in the reader's language."""
    context = window(chromium, viewport={"width": width, "height": 740}, bypass_csp=True, locale=locale)
    page = context.new_page()
    page.goto(f"{served.url}/translation")
    expect(page.locator("#show-invite")).to_be_enabled()
    page.locator("#show-invite").click()
    expect(page.locator("#invite-code")).to_have_text(SHOWN)
    expect(page.locator("#invite-validity")).to_have_text(re.compile(validity))
    expect(page.locator("#invite-qr svg")).to_be_visible()
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run('#invite')")
    assert [(each["id"], each["help"]) for each in found["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("Escape")
    expect(page.locator("#invite")).to_be_hidden()
    context.close()


def test_escape_closes_the_dialog_while_its_code_is_loaded(chromium: Browser, served: RunningService) -> None:
    """Its controls keep the focus meanwhile, and do nothing; afterwards they work."""
    page = window(chromium).new_page()
    held: list[Route] = []
    page.route("**/codes", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks the function it is given
    page.goto(f"{served.url}/translation")
    expect(page.locator("#show-invite")).to_be_enabled()
    box = page.locator("#invite-speak")
    for _ in range(2):
        page.locator("#show-invite").click()
        expect(box).to_have_attribute("aria-disabled", "true")
        expect(box).to_be_focused()
        page.keyboard.press("Space")
        expect(box).not_to_be_checked()
        page.keyboard.press("Escape")
        expect(page.locator("#invite")).to_be_hidden()
    for route in held:
        route.continue_()
    page.unroute("**/codes")
    page.locator("#show-invite").click()
    expect(page.locator("#invite-code")).to_have_text(SHOWN)
    expect(box).not_to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Space")
    page.get_by_role("button", name="Cancel").click()
    page.keyboard.press("Escape")
    expect(page.locator("#invite")).to_be_hidden()
    page.context.close()
