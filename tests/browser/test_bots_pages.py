"""The pages of meeting bots in Chromium: the list, and a bot from its stay to its end."""

import re
from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from playwright.sync_api import Page, expect

from orch.bots.ends import EndReason
from orch.bots.states import Stage, State
from orch.web.api.bot_files import BotEvidence, BotEvidenceFile
from orch.web.bot_documents import BotEvent, BotEventsPage
from tests.browser.bot_api import OF_BOT, BotApi
from tests.browser.conftest import LOST, PageAt, assert_keyboard_reaches_every_control, settled, violations
from tests.browser.layout import layout_faults, shifted, watch_shifts
from tests.browser.test_layout import resize
from tests.fakes import bot_scenes
from tests.fakes.scripted_service import Running, scripted

pytestmark = pytest.mark.browser

BOT = "bot-capturing-1"


@pytest.fixture(scope="module")
def full() -> Iterator[Running]:
    with scripted("full") as running:
        yield running


def opened(page_at: PageAt, running: Running, path: str, **more: object) -> tuple[Page, BotApi]:
    """Open a page with the API of bots behind it, and wait until it is live."""
    page = page_at("about:blank", locale="en-US", **more)
    watch_shifts(page)
    api = BotApi(page, running.url)
    page.goto(running.url + path)
    settled(page)
    return page, api


def fits(page: Page, where: str) -> None:
    """Assert that nothing is cut, covered or wider than the window, at every size."""
    for size in ("phone", "200 % zoom", "small phone", "desk"):
        resize(page, size)
        assert layout_faults(page) == [], f"{where}, {size}"


def test_the_list_shows_each_state_in_words_and_a_bot_is_sent_with_one_field(
    full: Running, page_at: PageAt, axe: str
) -> None:
    """Queue positions, ends in words; a rejected address keeps what was entered; a double press sends one."""
    page, api = opened(page_at, full, "/bots", expects=("422", "404"))
    expect(page.locator("#page-status")).to_contain_text("bots run, of 10 at a time. 2 wait for a place.")
    active, ended = page.locator("#active tbody tr"), page.locator("#ended tbody tr")
    expect(active).to_have_count(11)
    expect(active.nth(0)).to_contain_text("transcribing")
    expect(active.nth(8)).to_contain_text("number 1 in the queue")
    expect(active.nth(3)).to_contain_text("a participant has to admit it")
    expect(ended.nth(1)).to_contain_text("Nobody let it in.")
    expect(ended.nth(3)).to_contain_text("Name deleted")
    assert shifted(page)[0] <= 0.05, shifted(page)[1]
    page.locator("#send-more > summary").click()
    expect(page.locator("#send-targets")).to_contain_text("Deutsch (German)")
    fits(page, "list")
    assert violations(page, axe) == []

    page.locator("#send-button").click()
    expect(page.locator("#send-fault")).to_have_text("Enter the meeting's address first.")
    expect(page.get_by_label("Meeting address")).to_be_focused()
    detail = "Expected a meeting's URL, got an address of a calendar."
    api.problems["bots"] = (422, {"code": "bad_meeting_url", "detail": detail, "path": "$.meeting_url"})
    page.get_by_label("Meeting address").fill("https://calendar.google.com/x")
    page.keyboard.press("Enter")
    expect(page.locator("#send-fault")).to_have_text(detail)
    expect(page.get_by_label("Meeting address")).to_have_attribute("aria-invalid", "true")
    api.problems.clear()
    page.get_by_label("Meeting address").fill("https://meet.google.com/abc-defg-hij")
    page.get_by_label("German").check()
    page.get_by_label("Camera shows").select_option("en")
    page.locator("#send-button").dblclick()
    expect(page).to_have_url(f"{full.url}/bots/bot-new")
    [(method, path, body)] = api.requests
    assert (method, path) == ("POST", "/api/bots")
    assert body["meeting_url"] == "https://meet.google.com/abc-defg-hij"
    assert body["languages"] == {"targets": ["de", "en"], "camera": "en"}
    assert len(body["idempotency_key"]) == 32


def test_an_empty_list_leads_to_the_demo_and_a_broken_one_says_why_no_bot_starts(page_at: PageAt) -> None:
    """What to do next; names that are markup are shown as text; long addresses cover nothing."""
    with scripted("empty") as running:
        page, api = opened(page_at, running, "/bots", expects=("404", *LOST))
        expect(page.locator("#active")).to_contain_text("Enter a meeting's address above and send one.")
        page.get_by_role("button", name="Join the demo meeting").click()
        expect(page).to_have_url(f"{running.url}/bots/bot-new")
        expect(page.locator("#bot-gone")).to_contain_text("There is no such bot.")
        assert api.requests[0][2]["meeting_url"] == bot_scenes.DEMO
    with scripted("broken") as running:
        page, _ = opened(page_at, running, "/bots", expects=LOST)
        expect(page.locator("#problems")).to_contain_text(bot_scenes.MISSING)
        expect(page.locator("#active")).to_contain_text(bot_scenes.HOSTILE)
        assert page.locator("#main img").count() == 0
        expect(page.locator("#send-demo")).to_be_hidden()
        fits(page, "broken list")


def test_two_hundred_bots_are_found_by_name_state_and_address(page_at: PageAt) -> None:
    """The first ones at once, the others by a button or by what is typed."""
    with scripted("crowded") as running:
        page, api = opened(page_at, running, "/bots", width=360, expects=LOST)
        rows = page.locator("#active tbody tr")
        expect(rows).to_have_count(15)
        page.locator("#active").get_by_role("button", name="Show all 120 bots").click()
        expect(rows).to_have_count(120)
        page.locator("#active-find").fill("waiting 33")
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text("number 33 in the queue")
        older = bot_scenes.ended(0, EndReason.SILENCE, Stage.MEETING, 900)
        api.answers["bots"] = replace(bot_scenes.listed("empty", 0), bots=(older,))
        page.get_by_role("button", name="Load older ones").click()
        page.locator("#ended-find").fill("nobody had spoken")
        expect(page.locator("#ended tbody tr")).to_have_count(1)
        expect(page.get_by_role("button", name="Load older ones")).to_be_hidden()
        assert layout_faults(page) == []


def test_a_bot_is_read_in_each_readers_language_while_it_speaks(
    full: Running, page_at: PageAt, axe: str
) -> None:
    """By speaker, in right-to-left scripts too; a name that is revised; a picture for each new frame."""
    page, api = opened(page_at, full, f"/bots/{BOT}")
    lines = page.locator("#lines > div")
    expect(lines).to_have_count(14)
    expect(lines.nth(0)).to_contain_text("Good morning, everyone.")
    expect(lines.nth(0).locator(".bot-original")).to_have_text("Buenos días a todos.")
    expect(lines.nth(3)).to_contain_text("Speaker unsure")
    expect(lines.nth(4).locator(".bot-original")).to_have_attribute("lang", "ar")
    expect(lines.last).to_be_in_viewport()
    expect(page.locator("#picture-image")).to_be_visible()
    expect(page.locator("#people")).to_contain_text("presenting")
    expect(page.locator("#quality")).to_contain_text("90 %, 371 of 412")
    expect(page.locator("#timeline li")).to_have_count(5)
    assert shifted(page)[0] <= 0.05, shifted(page)[1]
    page.get_by_label("Read in").select_option("de")
    expect(lines.nth(0)).to_contain_text("Guten Morgen.")
    expect(lines.nth(13).locator(".bot-words")).to_have_text("Hoy hablamos del presupuesto.")
    assert lines.nth(1).locator(".bot-words").get_attribute("data-awaited") is None
    page.get_by_label("Read in").select_option("")
    expect(lines.nth(0).locator(".bot-original")).to_be_hidden()
    fits(page, "bot")
    assert violations(page, axe) == []
    page.emulate_media(color_scheme="light")
    assert violations(page, axe) == []
    assert_keyboard_reaches_every_control(page)

    # A name appears, the last line is final, and another one begins.
    live = bot_scenes.live("full", 0, BOT)
    assert live is not None
    said = list(live.lines)
    said[3] = replace(said[3], speaker="Ben Okafor", speaker_id="p1-Ben Okafor")
    said[13] = replace(said[13], revision=2, is_final=True, text="Hoy hablamos de dinero.")
    said.append(replace(said[12], segment="new", text="Otra cosa.", start=90.0, end=92.0, is_final=False))
    full.service.live[BOT] = replace(live, lines=tuple(said), camera_frame=8)
    expect(lines.nth(3)).not_to_contain_text("Speaker unsure")
    expect(lines.last).to_contain_text("Otra cosa.")
    expect(lines.last).to_have_attribute("data-growing", "")
    expect(page.locator("#announce")).to_contain_text("Ana García: Hoy hablamos de dinero.")
    expect(page.locator("#announce p")).to_have_count(1)
    expect(page.locator("#picture-image")).to_have_attribute("src", re.compile("frame=8$"))
    assert api.frames[:2] == ["frame=7", "frame=8"]

    # Who has scrolled up stays there, and is led back.
    page.locator("#scroll").evaluate("(box) => box.scrollTop = 0")
    expect(page.locator("#jump")).to_be_visible()
    full.service.live[BOT] = replace(live, lines=(*said, replace(said[14], segment="newer", start=95.0)))
    expect(lines).to_have_count(16)
    assert page.locator("#scroll").evaluate("(box) => box.scrollTop") == 0
    page.locator("#jump").click()
    expect(lines.last).to_be_in_viewport()
    full.service.live.clear()


def test_a_picture_that_is_requested_while_the_bot_leaves_is_no_failure(
    full: Running, page_at: PageAt
) -> None:
    """The last one stays until the state says that it has left; nothing is logged."""
    live = bot_scenes.live("full", 0, BOT)
    assert live is not None
    page, api = opened(page_at, full, f"/bots/{BOT}")
    expect(page.locator("#picture-image")).to_have_attribute("src", re.compile("frame=7$"))
    api.has_left = True
    with page.expect_response("**/webcam.png?frame=9") as response:
        full.service.live[BOT] = replace(live, camera_frame=9)
    assert response.value.status == 204
    expect(page.locator("#picture-image")).to_have_attribute("src", re.compile("frame=7$"))
    expect(page.locator("#picture-note")).to_be_hidden()
    full.service.live.clear()


def test_a_bot_that_hears_someone_does_not_say_that_nobody_has_spoken(full: Running, page_at: PageAt) -> None:
    """Words come later than speech."""
    live = bot_scenes.live("full", 0, BOT)
    assert live is not None
    quiet = tuple(replace(each, is_speaking=False, spoke=0.0) for each in live.people)
    full.service.live[BOT] = replace(live, lines=(), people=quiet)
    page, api = opened(page_at, full, f"/bots/{BOT}")
    empty = page.locator("#lines-placeholder")
    expect(empty).to_contain_text("Nobody has spoken yet.")
    full.service.live[BOT] = replace(live, lines=(), people=(replace(quiet[0], is_speaking=True), *quiet[1:]))
    expect(empty).to_contain_text("Someone is heard.")
    assert api.requests == []
    full.service.live.clear()


def test_commands_are_those_of_the_state_and_their_failures_are_said(
    full: Running, page_at: PageAt, axe: str
) -> None:
    """Camera, chat, pause and resume, leave after a question; a command that comes too late."""
    page, api = opened(page_at, full, f"/bots/{BOT}", expects=("409",))
    page.get_by_label("Theme").select_option("high_contrast")
    page.get_by_label("Shows").select_option("de")
    page.get_by_label("Write").fill("Hello, I am a bot.")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Write")).to_have_value("")
    expect(page.locator("#chat-list")).to_contain_text("Hello, I am a bot.")
    expect(page.locator("#chat-list .bot-mark")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Pause")).to_be_enabled()
    path = f"/api/bots/{BOT}"
    assert api.requests == [
        ("PATCH", f"{path}/webcam", {"theme": "high_contrast"}),
        ("POST", f"{path}/language", {"camera": "de"}),
        ("POST", f"{path}/chat", {"text": "Hello, I am a bot."}),
        ("POST", f"{path}/pause", None),
    ]
    live = bot_scenes.live("full", 0, BOT)
    assert live is not None
    can = ("leave", "resume", "chat", "speak", "language")
    full.service.live[BOT] = bot_scenes.changed(live, state=State.PAUSED, can=can)
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_be_hidden()
    expect(page.locator("#page-status")).to_contain_text("captures nothing. Resume it to go on.")
    api.problems["leave"] = (409, {"code": "wrong_bot_state", "detail": "The bot is leaving already."})
    page.get_by_role("button", name="Leave the meeting").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("What it captured stays stored")
    assert violations(page, axe, within="dialog") == []
    dialog.get_by_role("button", name="Stay").click()
    assert len(api.requests) == 4
    page.get_by_role("button", name="Leave the meeting").click()
    dialog.get_by_role("button", name="Leave the meeting").click()
    expect(page.locator(".toast")).to_contain_text("The bot is leaving already.")
    api.problems.clear()

    # It is removed meanwhile: why, what to do, and nothing that is not possible any more.
    gone = bot_scenes.ended(0, EndReason.REMOVED, Stage.MEETING, 1, bot_id=BOT, revision=9)
    full.service.live[BOT] = replace(live, bot=replace(gone, admitted_at=10.0), is_here=False)
    banner = page.locator("#problems .banner")
    expect(banner).to_contain_text("A participant removed it from the meeting.")
    expect(banner).to_contain_text("Ask the participants before you send it again.")
    expect(page.get_by_role("button", name="Leave the meeting")).to_be_hidden()
    expect(page.locator("#chat-form")).to_be_hidden()
    expect(page.locator("#files a").first).to_have_attribute("href", f"{path}/transcript?format=txt")
    page.get_by_role("button", name="Delete its data").click()
    expect(dialog).to_contain_text("That it ran, when, and how it ended stay.")
    dialog.get_by_role("button", name="Delete its data").click()
    expect(page.locator(".toast").last).to_contain_text("has been deleted")
    assert api.requests[-1] == ("DELETE", f"{path}/data", None)
    again = page.get_by_role("link", name="Send another one")
    expect(again).to_have_attribute("href", f"/bots#again={BOT}")
    full.service.live.clear()


def test_a_bot_speaks_a_recording_and_a_refusal_is_said(full: Running, page_at: PageAt, axe: str) -> None:
    """Chosen first, then sent; the second one waits; what the API refuses can be tried again."""
    page, api = opened(page_at, full, f"/bots/{BOT}", expects=("415",))
    voice, file, fault = (page.locator(f"#{name}") for name in ("voice", "speak-file", "speak-fault"))
    speak = page.get_by_role("button", name="Speak it")
    expect(speak).to_be_hidden()
    file.set_input_files({"name": "nothing.wav", "mimeType": "audio/wav", "buffer": b""})
    expect(fault).to_contain_text("is empty.")
    expect(speak).to_be_hidden()
    name = "a recording with a very long name " * 3 + ".webm"
    file.set_input_files({"name": name, "mimeType": "video/webm", "buffer": b"sound"})
    expect(fault).to_be_empty()
    expect(speak).to_be_focused()
    assert api.requests == []
    fits(page, "a recording was chosen")
    api.problems["speak"] = (415, {"code": "not_audio", "detail": "The file has no sound."})
    speak.click()
    expect(fault).to_have_text("The file has no sound.")
    api.problems.clear()
    speak.click()
    expect(voice).to_contain_text("2\u00a0min long.")
    expect(voice.get_by_role("progressbar")).to_be_visible()
    expect(page.locator("#speak-choose")).to_be_focused()
    fits(page, "a recording is spoken")
    assert violations(page, axe) == []
    file.set_input_files({"name": "next.wav", "mimeType": "audio/wav", "buffer": b"sound"})
    speak.click()
    expect(voice).to_contain_text("next.wav after what it says now.")
    path = f"/api/bots/{BOT}/speak"
    assert api.requests == [("POST", path, "application/octet-stream"), ("POST", path, "audio/wav")]
    live = bot_scenes.live("full", 0, BOT)
    assert live is not None
    full.service.live[BOT] = bot_scenes.changed(live, state=State.RECOVERING, can=("leave",))
    expect(voice).to_be_hidden()
    full.service.live.clear()


def test_a_bot_that_failed_shows_what_it_saw_and_an_unknown_one_leads_back(
    full: Running, page_at: PageAt, axe: str
) -> None:
    """The picture first, and no empty captions; a socket that is cut keeps what was shown."""
    page, api = opened(page_at, full, "/bots/bot-failed-14", expects=("404", *LOST))
    seen = "/api/bots/bot-failed-14/webcam.png"
    files = [
        BotEvidenceFile(file_id=kind, kind=kind, file_size=9, at=5, file_hash="", href=seen)
        for kind in ("screenshot", "log")
    ]
    api.answers["evidence"] = BotEvidence(**OF_BOT, files=tuple(files))
    event = BotEvent(
        event_id="1",
        event_type="state",
        event_subtype="failed",
        at=5,
        severity="error",
        source_component="bots",
        event_data={"reason": "page_changed"},
    )
    api.answers["events"] = BotEventsPage(**OF_BOT, events=(event,), next=None)
    page.reload()
    settled(page)
    expect(page.locator("#problems")).to_contain_text("The meeting's page looks different")
    expect(page.locator("#evidence img")).to_be_visible()
    expect(page.locator("#evidence")).to_contain_text("The last lines logged")
    expect(page.locator("#captions")).to_be_hidden()
    expect(page.locator("#events li").first).to_contain_text("failed page changed")
    fits(page, "failed")
    assert violations(page, axe) == []
    page.goto(f"{full.url}/bots/nope")
    expect(page.locator("#page-status")).to_have_text("There is no such bot.")
    expect(page.locator("#bot-body")).to_be_hidden()
    page.get_by_role("link", name="All bots").click()
    expect(page.locator("#active tbody tr")).to_have_count(11)


def test_a_lost_connection_keeps_what_was_said_and_goes_on_by_itself(page_at: PageAt) -> None:
    """The bar says so; captions and picture stay; the bot's page is live again afterwards."""
    with scripted("full") as running:
        page, _ = opened(page_at, running, f"/bots/{BOT}", expects=LOST)
        lines = page.locator("#lines > div")
        expect(lines).to_have_count(14)
        running.stop()
        expect(page.locator("#connection-bar")).to_contain_text("The connection to the service is lost.")
        expect(lines).to_have_count(14)
        live = bot_scenes.live("full", 0, BOT)
        assert live is not None
        running.service.live[BOT] = bot_scenes.changed(live, state=State.RECOVERING, can=("leave",))
        running.start()
        page.locator("#connection-now").dispatch_event("click")
        expect(page.locator("#page-status")).to_contain_text("It is joining the meeting again.")
        expect(page.locator("#connection-bar")).to_be_hidden()
        expect(lines).to_have_count(14)
