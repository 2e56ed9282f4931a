"""A session begins with its first word or its first copied link, is found again, and is left on purpose."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import violations
from tests.browser.test_translation import CLIP, opened, ready, watched
from tests.fakes.chromium import ELSEWHERE
from tests.fakes.service import UNHURRIED, RunningService, service

pytestmark = pytest.mark.browser

TOKEN = "control-token-of-the-test"  # noqa: S105 - made up

LINK = re.compile(r"/translation#session=(?P<session>[a-z0-9-]+)&key=(?P<key>[\w-]{22})$")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with service("demo", tmp_path_factory.mktemp("demo"), environ=UNHURRIED) as running:
        yield running


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    with watched(chromium) as context:
        yield context


def sessions(demo: RunningService) -> set[str]:
    listed = httpx2.get(f"{demo.url}/api/sessions", timeout=180).json()["sessions"]
    return {session["session_id"] for session in listed}


def copied(page: Page, button: str) -> dict[str, str]:
    """Press a button that copies a link; return what it holds."""
    page.evaluate("navigator.clipboard.writeText('')")
    page.locator(button).click()
    expect(page.locator(".toast").last).to_contain_text("link was copied")
    found = LINK.search(page.evaluate("navigator.clipboard.readText()"))
    assert found is not None
    return found.groupdict()


def speaking(page: Page) -> None:
    page.locator("#speak-button").click()
    expect(page.locator("#page-status")).to_contain_text("Listening.")


def test_a_visit_makes_no_session_and_its_first_word_does(
    context: BrowserContext, demo: RunningService
) -> None:
    """Looking, going to another page and coming back leave nothing behind."""
    before = sessions(demo)
    page = ready(context, demo)
    page.get_by_role("link", name="Overview").click()
    page.get_by_role("link", name="Translation").first.click()
    expect(page.locator("#page-status")).to_contain_text("The session begins when you speak")
    page.locator("#name").fill("Ann")
    page.locator("#name").blur()
    page.locator("#copy-link").focus()
    assert page.url == f"{demo.url}/translation"
    assert sessions(demo) == before
    name = page.locator("#session-name").inner_text()
    page.get_by_role("link", name="Join this session").click()
    speaking(page)
    page.locator(".skip-link").focus()
    page.keyboard.press("Enter")
    assert sessions(demo) == before | {name}
    expect(page).to_have_url(re.compile(r"#session=[a-z0-9-]+&key="))
    found = LINK.search(page.url)
    assert found is not None
    assert found["session"] == name
    page.locator("#speak-button").click()


def test_a_link_that_is_copied_begins_the_session(context: BrowserContext, demo: RunningService) -> None:
    """So that whoever follows it finds it; the address of the page has no key in what is sent."""
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url + str(request.headers.get("referer"))))
    page = ready(context, demo)
    speak, read = copied(page, "#copy-link"), copied(page, "#copy-reader")
    assert speak["session"] == read["session"]
    assert speak["session"] in sessions(demo)
    page.reload()
    expect(page.locator("#page-status")).to_contain_text("One person here")
    page.get_by_role("link", name="Overview").click()
    expect(page.locator("h1")).to_have_text("Overview")
    assert not [each for each in asked if speak["key"] in each or read["key"] in each]


def test_how_far_a_copied_link_reaches_is_said_beside_the_button(
    context: BrowserContext, demo: RunningService, axe: str
) -> None:
    """On a page that was opened as localhost: its links are this machine's alone."""
    page = ready(context, demo)
    expect(page.locator("#link-reach")).to_contain_text("open on this machine alone")
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert violations(page, axe) == []


def test_a_link_copied_on_the_machine_itself_leads_where_others_can_open_it(
    context: BrowserContext, tmp_path: Path
) -> None:
    """Where it is known at which address that is."""
    with service("demo", tmp_path, environ={"PUBLIC_URL": "https://meet.example:8443"}) as shared:
        page = ready(context, shared)
        expect(page.locator("#link-reach")).to_have_text(
            "Links from here lead to meet.example:8443, where others can open them."
        )
        copied(page, "#copy-link")
        link = page.evaluate("navigator.clipboard.readText()")
        assert link.startswith("https://meet.example:8443/translation#session=")


def test_who_reads_along_hands_on_reading_alone(
    context: BrowserContext, chromium: Browser, demo: RunningService
) -> None:
    """Whatever they change in their link, and however they come back."""
    page = ready(context, demo)
    speak, read = copied(page, "#copy-link"), copied(page, "#copy-reader")
    with watched(chromium) as theirs:
        reader = opened(theirs, f"{demo.url}/translation#session={read['session']}&key={read['key']}")
        for _ in range(2):
            expect(reader.locator("#here")).to_have_text("Two people here, one reading only")
            for control in (
                "#speak-button",
                "#open-file",
                "#source",
                "#device",
                "#copy-link",
                "#new-session",
            ):
                expect(reader.locator(control)).to_be_hidden()
            expect(reader.locator("#copy-reader")).to_have_text("Copy link")
            assert copied(reader, "#copy-reader") == read
            assert speak["key"] not in str(reader.evaluate("[{...sessionStorage}, location.href]"))
            reader.reload()
        reader.keyboard.press("m")
        reader.keyboard.press("o")
        expect(reader.locator("#speak-button")).to_be_hidden()
        reader.get_by_role("link", name="Translation").first.click()
        expect(reader.locator("#here")).to_have_text("Two people here, one reading only")
        wrong = opened(theirs, f"{demo.url}/translation#session={read['session']}&key={'x' * 22}")
        expect(wrong.locator("#page-status")).to_have_text("This session no longer exists.")


def test_leaving_with_an_open_microphone_is_asked_and_the_way_back_is_the_same_session(
    context: BrowserContext, demo: RunningService
) -> None:
    """Nothing is lost by one click; another page leads back to where one was."""
    page = ready(context, demo)
    speaking(page)
    page.wait_for_url(re.compile("#session="))
    address = page.url
    page.get_by_role("link", name="Overview").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Stop speaking and leave?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.locator("#page-status")).to_contain_text("Listening.")
    expect(page).to_have_url(address)
    page.locator("#new-session").click()
    page.keyboard.press("Escape")
    expect(page.locator("#page-status")).to_contain_text("Listening.")
    page.get_by_role("link", name="Overview").click()
    dialog.get_by_role("button", name="Stop and leave").click()
    expect(page.locator("h1")).to_have_text("Overview")
    page.get_by_role("link", name="Translation").first.click()
    expect(page.locator("#page-status")).to_contain_text("One person here")
    expect(page).to_have_url(address)


def test_a_reload_in_mid_speech_is_asked_and_says_that_the_microphone_is_off(
    context: BrowserContext, demo: RunningService
) -> None:
    """Once: the next reload has cut nobody off."""
    page = ready(context, demo)
    speaking(page)
    asked: list[str] = []

    def accept(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", accept)
    page.reload()
    assert asked == ["beforeunload"]
    expect(page.locator("#notices")).to_contain_text("Your microphone is off")
    page.reload()
    expect(page.locator("#page-status")).to_contain_text("One person here")
    expect(page.locator("#notices .banner")).to_have_count(0)
    assert asked == ["beforeunload"]


def test_a_new_session_is_a_button_and_one_that_was_not_used_goes(
    context: BrowserContext, demo: RunningService
) -> None:
    """What was shared stays for those who may still come."""
    page = ready(context, demo)
    expect(page.locator("#new-session")).to_be_hidden()
    speaking(page)
    unused = page.locator("#session-name").inner_text()
    page.locator("#speak-button").click()
    expect(page.locator("#speak-label")).to_have_text("Start microphone")
    page.locator("#new-session").click()
    expect(page.locator("#page-status")).to_contain_text("The session begins when you speak")
    assert page.url == f"{demo.url}/translation"
    shared = copied(page, "#copy-link")["session"]
    assert shared != unused
    page.locator("#new-session").click()
    expect(page.locator("#session-name")).not_to_have_text(shared)
    assert shared in sessions(demo)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run the service with a control token, under a name that is not this machine's own."""
    settings = f"orchestration:\n  frontend:\n    allowed_hosts: [{ELSEWHERE}]\n  control_token: {TOKEN}\n"
    with service("serve", tmp_path_factory.mktemp("shared"), settings=settings) as running:
        yield running


@pytest.mark.parametrize("width", [1280, 360])
def test_a_guest_from_elsewhere_needs_a_link_and_nothing_else(
    shared: RunningService, chromium: Browser, tmp_path: Path, axe: str, width: int
) -> None:
    """The page says so in words that a guest understands, and shows neither sessions nor operators' pages."""
    made = httpx2.post(
        f"{shared.url}/api/sessions/create",
        json={"session_id": f"town-hall-{width}"},
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=180,
    ).json()
    url = f"http://{ELSEWHERE}:{shared.port}/translation"
    with watched(chromium, viewport={"width": width, "height": 740}) as context:
        page = opened(context, url)
        expect(page.locator("#page-status")).to_have_text("This page is opened with a link to a session.")
        expect(page.get_by_role("link", name="Enter a code")).to_be_visible()
        expect(page.locator("#notices")).to_contain_text("the link that its host sent you")
        expect(page.locator("#speak-button")).to_be_hidden()
        assert violations(page, axe) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=tmp_path / "uninvited.png", full_page=True)
        nameless = opened(context, f"{url}?session={made['session_id']}")
        expect(nameless.locator("#page-status")).to_have_text("This page is opened with a link to a session.")
        for right in ("read", "speak"):
            key = made["keys"][right]
            guest = opened(context, f"{url}#session={made['session_id']}&key={key}")
            expect(guest.locator("#here")).to_contain_text("here")
            if right == "speak" and width < 500:  # where there is little room
                guest.locator("#options-button").click()
            for control in ("#copy-link", "#speak-button", "#open-file"):
                expect(guest.locator(control)).to_be_visible(visible=right == "speak")
            expect(guest.locator("#new-session")).to_be_hidden()
            expect(guest.get_by_role("link", name="Overview")).to_have_count(0)
            if right == "read":
                assert guest.locator("#notices .banner").all_inner_texts() == []
                assert made["keys"]["speak"] not in guest.content()
            assert violations(guest, axe) == []
            guest.screenshot(path=tmp_path / f"guest-{right}.png", full_page=True)
            if right == "speak":
                guest.locator("#file").set_input_files(CLIP)
                expect(guest.locator(".recording")).to_be_visible()
            guest.close()


def test_links_from_before_there_were_keys_lead_there_on_this_machine(
    context: BrowserContext, demo: RunningService
) -> None:
    """And the address is written as it is now, with the key."""
    httpx2.post(f"{demo.url}/api/sessions/create", json={"session_id": "old-link"}, timeout=180)
    page = ready(context, demo, "?session=old-link")
    expect(page.locator("#session-name")).to_have_text("old-link")
    found = LINK.search(page.url)
    assert found is not None
    assert found["session"] == "old-link"
    reader = opened(context, f"{demo.url}/translation?session=old-link&role=observer")
    expect(reader.locator("#here")).to_have_text("Two people here, one reading only")


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("colours", ["dark", "light"])
def test_the_dialog_and_the_card_fit(
    chromium: Browser, demo: RunningService, tmp_path: Path, width: int, colours: Any
) -> None:
    """On a phone too, with the microphone open."""
    with watched(chromium, viewport={"width": width, "height": 740}, color_scheme=colours) as context:
        page = ready(context, demo)
        speaking(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=tmp_path / "card.png", full_page=True)
        page.get_by_role("link", name="Overview").first.click()
        dialog = page.get_by_role("dialog")
        box = dialog.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        page.screenshot(path=tmp_path / "dialog.png")
