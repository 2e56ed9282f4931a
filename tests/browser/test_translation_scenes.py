"""The Translation page with the socket's other end played by the test: growth, gaps, errors, length."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.conftest import violations, weighed
from tests.fakes.scripted_service import Running, scripted

pytestmark = pytest.mark.browser

STARTED = 1_767_621_720_000
OFFER = {
    "source": ["de", "en", "es"],
    "targets": ["de", "en", "es"],
    "pairs": {"de": ["en"], "en": ["es", "de"], "es": ["en"]},
    "any_source": False,
    "any_target": False,
    "errors": [],
}
ANN = {"participant_id": "p1", "name": "Ann", "role": "owner", "languages": ["en"], "speaking": True}
BEN = {"participant_id": "p2", "name": "Ben", "role": "participant", "languages": ["en"], "speaking": False}
ME = {"participant_id": "p0", "name": "Guest", "role": "participant", "languages": ["en"], "speaking": False}
AWAY = {
    "code": "service_unavailable",
    "detail": "The audio-service is not responding.",
    "service": "audio-service",
    "final": False,
}
MISSING = {
    "code": "engine_missing",
    "detail": "Translation needs Apertium: apt install apertium apertium-eng-spa.",
    "service": "translation-service",
    "final": False,
}
LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"

PageAt = Callable[..., Page]


def transcript(segment: str, text: str, *, start: float = 0, **more: Any) -> dict[str, Any]:
    message = {
        "type": "transcript",
        "timestamp": STARTED + int(start * 1000) + 3000,
        "session_id": "meeting",
        "segment_id": segment,
        "revision": 1,
        "final": True,
        "text": text,
        "language": "es",
        "confidence": 0.9,
        "start": start,
        "end": start + 2,
        "stream_started": STARTED,
        "speaker": "Ann",
        "participant_id": "p1",
        "words": [],
        "error": None,
    }
    return message | more


def translation(segment: str, text: str, **more: Any) -> dict[str, Any]:
    message = {
        "type": "translation",
        "timestamp": STARTED,
        "session_id": "meeting",
        "segment_id": segment,
        "revision": 1,
        "target_language": "en",
        "text": text,
        "confidence": None,
        "error": None,
    }
    return message | more


def numbered(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message | {"offset": offset} for offset, message in enumerate(messages, start=1)]


UNSURE = [
    {"text": "los", "start": 0, "end": 1, "confidence": 0.9},
    {"text": "manda", "start": 1, "end": 2, "confidence": 0.8},
    {"text": "esta", "start": 2, "end": 3, "confidence": 0.52},
    {"text": "tarde", "start": 3, "end": 4, "confidence": 0.41},
]

MEETING = numbered(
    [
        transcript("a-0", "Tenemos que decidir el presupuesto.", start=1),
        translation("a-0", "We have to decide the budget."),
        transcript("b-0", "Das schaffen wir.", start=5, language="de", speaker="Ben", participant_id="p2"),
        translation("b-0", "", error=MISSING),
        transcript("a-1", "los manda esta tarde.", start=9, words=UNSURE),
        translation("a-1", "sends them this afternoon."),
        transcript("b-1", "", start=14, speaker="Ben", participant_id="p2", confidence=None, error=AWAY),
        transcript("a-2", f"{LONG_WORD} {LONG_WORD}", start=18, confidence=0.3),
        translation("a-2", LONG_WORD),
    ]
)


class Hub:
    """The server side of the WebSocket: one session, ``meeting``, with a history."""

    def __init__(self, history: list[dict[str, Any]]) -> None:
        self.history = history
        self.sent: list[dict[str, Any]] = []
        self._route: WebSocketRoute | None = None

    def __call__(self, route: WebSocketRoute) -> None:
        self._route = route
        route.on_message(self._hear)
        self.say(type="connected", connection_id="c", server_time=0, ping_interval=25, recovery_window=1800)

    def say(self, **message: Any) -> None:
        assert self._route is not None
        self._route.send(json.dumps({"timestamp": 0} | message))

    def _hear(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            return
        message = json.loads(data)
        self.sent.append(message)
        if message["type"] == "join_session":
            self._join(message)
        if message["type"] == "subscribe" and message["topic"] == "services":
            self.say(type="update", topic="services", data={"services": []})
        if message["type"] == "audio_start":
            self.say(type="audio_started", id=message["id"], session_id="meeting", stream_id="m")

    def _join(self, message: dict[str, Any]) -> None:
        history = {"messages": self.history, "complete": True} if message.get("history") else {}
        self.say(
            type="session_joined",
            id=message["id"],
            session_id="meeting",
            participant_id="p0",
            recovery_token="t",
            epoch="e",
            offset=len(self.history),
            config={},
            participants=[ANN, BEN, ME],
            participant_count=3,
            **history,
        )


@pytest.fixture(scope="module")
def pages() -> Iterator[Running]:
    with scripted("full") as running:
        yield running


@pytest.fixture
def meeting(pages: Running, page_at: PageAt) -> Callable[..., tuple[Page, Hub]]:
    """Open the page in the session ``meeting``, reading English."""

    def join(
        history: list[dict[str, Any]], init: str = "", offer: dict[str, Any] = OFFER, **more: Any
    ) -> tuple[Page, Hub]:
        hub = Hub(history)
        page = page_at("about:blank", locale="en-GB", **more)
        page.clock.set_fixed_time(STARTED / 1000 + 20)
        page.route_web_socket(re.compile("/ws$"), hub)
        page.route("**/api/languages", lambda route: route.fulfill(json=offer))
        page.route("**/api/sessions/*/recordings", lambda route: route.fulfill(json={"recordings": []}))
        page.add_init_script(f"localStorage['translation:targets'] ??= 'en';{init}")
        page.goto(f"{pages.url}/translation#session=meeting")
        expect(page.locator("#read-head")).to_have_text("English")
        expect(page.locator("#here")).to_have_text("Three people here")
        expect(page.locator("#scroll")).to_be_visible()
        return page, hub

    return join


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_is_accessible_and_fits_whatever_stands_on_it(
    meeting: Callable[..., tuple[Page, Hub]], axe: str, width: int, theme: str
) -> None:
    """WCAG 2.1 AA with lines, gaps, errors, an open menu and the dialog; nothing to scroll sideways for.

    Also with the speakers at one microphone, one of them unsure, and a name that is being changed.
    """
    page, hub = meeting(MEETING, width=width, theme=theme, offer=OFFER | {"diarization": True})
    hub.say(**transcript("b-2", "and then we", start=30, final=False, revision=1, language="en", settled=2))
    hub.say(**transcript("b-3", "It is corrected.", start=33, language="en", corrects=True), offset=9)
    for number, label in enumerate(("2-ab12cd", "3-ab12cd", "?")):
        said = transcript(f"c-{number}", "One of us.", start=34 + number, language="en", speaker_label=label)
        hub.say(**said, offset=10 + number)
    page.get_by_role("button", name="Speaker 2").click()
    expect(page.get_by_role("textbox", name="Name of Speaker 2, for everyone")).to_be_focused()
    assert violations(page, axe) == []
    page.keyboard.press("Escape")
    expect(page.locator(".line[data-final='false']")).to_be_visible()
    if width < 721:
        page.get_by_role("button", name="Options").click()
    page.locator("#targets summary").click()
    assert violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.locator("#large").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page, axe) == []
    page.keyboard.press("?")
    assert violations(page, axe) == []


def test_an_empty_session_says_what_to_do(meeting: Callable[..., tuple[Page, Hub]], axe: str) -> None:
    page, _ = meeting([])
    expect(page.locator("#empty")).to_contain_text("Start the microphone and speak, or open a recording")
    assert violations(page, axe) == []


def test_the_page_is_light(pages: Running, page_at: PageAt) -> None:
    """Its first load is under 200 KB, with headers."""
    page = page_at("about:blank")
    with weighed(page) as weight:
        page.goto(f"{pages.url}/translation", wait_until="networkidle")
    assert 0 < weight["bytes"] < 200 * 1024


def test_captions_grow_in_place_and_only_finals_are_read_out(
    meeting: Callable[..., tuple[Page, Hub]],
) -> None:
    """One line from its first word to its last; screen readers get it once, in the reader's language."""
    page, hub = meeting([])
    for revision, text in enumerate(("Tenemos", "Tenemos que", "Tenemos que decidir"), start=1):
        hub.say(**transcript("a-0", text, revision=revision, final=False, settled=revision - 1))
        expect(page.locator(".line-said")).to_have_text(text)
        # What may still change is paler.
        expect(page.locator(".growing")).to_have_text(text.split()[-1])
    page.evaluate("window.first = document.querySelector('.line')")
    expect(page.locator("#announce")).to_be_empty()
    hub.say(**transcript("a-0", "Tenemos que decidir.", revision=4), offset=1)
    expect(page.locator(".line")).to_have_attribute("data-final", "true")
    expect(page.locator(".growing")).to_have_count(0)
    expect(page.locator("#announce")).to_be_empty()
    hub.say(**translation("a-0", "We have to decide.", revision=4), offset=2)
    expect(page.locator("#announce")).to_have_text("Ann: We have to decide.")
    assert page.evaluate("window.first === document.querySelector('.line')")
    expect(page.locator(".line")).to_have_count(1)


def test_ones_own_words_are_not_read_out(meeting: Callable[..., tuple[Page, Hub]]) -> None:
    """The microphone would capture them again; others' words are read out, the confidence never."""
    page, hub = meeting([])
    own = {"speaker": "Guest", "participant_id": "p0"}
    hub.say(**transcript("c-0", "Lo digo yo.", start=0, **own), offset=1)
    hub.say(**translation("c-0", "I say it."), offset=2)
    expect(page.locator(".line")).to_have_count(1)
    hub.say(**transcript("a-0", "Lo dice Ann.", start=5), offset=3)
    hub.say(**translation("a-0", "Ann says it."), offset=4)
    expect(page.locator("#announce")).to_have_text("Ann: Ann says it.")
    for confidence in page.locator(".line-confidence").all():
        expect(confidence).to_have_attribute("aria-hidden", "true")


def test_a_gap_is_said_in_words_and_gives_way_to_the_text(meeting: Callable[..., tuple[Page, Hub]]) -> None:
    """So is a missing translation, in its place."""
    page, hub = meeting(MEETING)
    gap = page.locator(".line[data-segment='b-1']")
    expect(gap.locator(".line-said")).to_have_text(
        "The audio-service is not responding. 2.0 s of speech are stored"
        " and will be transcribed when that is possible again."
    )
    expect(page.locator(".line[data-segment='b-0'] .line-read")).to_contain_text("apt install apertium")
    hub.say(**transcript("b-1", "Ya volvió.", start=14, revision=2), offset=10)
    expect(gap.locator(".line-said")).to_have_text("Ya volvió.")
    hub.say(**translation("b-0", "We can do that."), offset=11)
    expect(page.locator(".line[data-segment='b-0'] .line-read")).to_contain_text("We can do that.")
    expect(page.locator(".line")).to_have_count(5)


def test_unsure_words_are_marked_and_reached_by_arrows(meeting: Callable[..., tuple[Page, Hub]]) -> None:
    """Their confidence is shown and read out only on focus; all of them have one tab stop."""
    page, hub = meeting(MEETING)
    words = page.locator(".unsure")
    expect(words).to_have_count(2)
    assert "confidence" not in (page.locator("#lines").text_content() or "")
    expect(page.locator(".unsure[tabindex='0']")).to_have_count(1)
    page.locator("#scroll").focus()
    page.keyboard.press("ArrowLeft")
    expect(words.last).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(words.first).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement, '::after').content") == '"0.41"'
    expect(words.first).to_have_text("esta tarde (confidence 0.41)")
    expect(words.last).not_to_contain_text("confidence")
    # What comes for the line, its translation too, leaves the focus where it is.
    hub.say(**translation("a-1", "sends them tonight.", revision=2), offset=10)
    expect(page.locator(".line[data-segment='a-1'] .line-read")).to_contain_text("tonight")
    expect(words.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(words.last).to_be_focused()
    expect(words.first).to_have_text("esta tarde")
    expect(page.locator(".unsure[tabindex='0']")).to_have_count(1)


#: Counts what is done to the document: rows added in one task, searches through elements, rows that changed.
COUNTING = """
window.counted = { added: 0, most: 0, searched: 0, touched: 0 };
for (const type of [Document, Element]) {
  const search = type.prototype.querySelectorAll;
  type.prototype.querySelectorAll = function (...all) {
    window.counted.searched += 1;
    return search.apply(this, all);
  };
}
addEventListener("DOMContentLoaded", () => {
  const list = document.getElementById("lines");
  if (list === null) return;
  const seen = new WeakSet();
  new MutationObserver((records) => {
    const nodes = records.flatMap(({ addedNodes }) => [...addedNodes]);
    const below = (node) => [...node.getElementsByClassName?.("line") ?? []];
    const lines = nodes.flatMap((node) => node.matches?.(".line") ? [node] : below(node));
    const added = lines.filter((line) => !seen.has(line) && seen.add(line)).length;
    const rows = new Set(records.map(({ target }) => target.closest?.(".line") ?? null));
    window.counted.added += added;
    window.counted.most = Math.max(window.counted.most, added);
    window.counted.touched = Math.max(window.counted.touched, rows.size);
  }).observe(list, { childList: true, subtree: true, attributes: true, characterData: true });
});
"""


IN_ORDER = """
[...document.querySelectorAll(".line")].every((row, at) => row.dataset.segment === `a-${at}`)
"""
AT_END = """() => {
    const { scrollHeight, scrollTop, clientHeight } = document.querySelector("#scroll");
    return scrollHeight - scrollTop - clientHeight < 60;
}"""
LAID_OUT = """() => [...document.querySelectorAll(".line-said")]
    .filter((said) => said.checkVisibility({ contentVisibilityAuto: true })).length
"""


def long_meeting(lines: int) -> list[dict[str, Any]]:
    """Return a history in which each line has a word of low confidence, and a translation."""
    messages = []
    for number in range(lines):
        text = f"los manda esta tarde {number}."
        messages.append(transcript(f"a-{number}", text, start=number * 3, words=UNSURE))
        messages.append(translation(f"a-{number}", f"sends them this afternoon {number}."))
    return numbered(messages)


@pytest.mark.parametrize("lines", [300, 3_000])
def test_a_long_meeting_is_drawn_in_slices_and_only_what_is_seen_is_laid_out(
    meeting: Callable[..., tuple[Page, Hub]], lines: int
) -> None:
    """One task draws a few lines, the newest first; a new line costs as little after 3,000 as after 300."""
    page, hub = meeting(long_meeting(lines), init=COUNTING)
    rows = page.locator(".line")
    expect(rows.last).to_contain_text(f"tarde {lines - 1}.")
    expect(rows).to_have_count(lines)
    expect(rows.first).to_contain_text("tarde 0.")
    assert page.evaluate(IN_ORDER)
    counted = page.evaluate("window.counted")
    assert counted["added"] == lines
    assert counted["most"] <= 50
    page.wait_for_function(AT_END)
    assert 0 < page.evaluate(LAID_OUT) < 120
    expect(page.locator(".unsure[tabindex='0']")).to_have_count(1)
    page.evaluate("Object.assign(window.counted, {added: 0, most: 0, searched: 0, touched: 0})")
    hub.say(
        **transcript(f"a-{lines}", "los manda esta tarde.", start=lines * 3, words=UNSURE),
        offset=lines * 2 + 1,
    )
    expect(rows).to_have_count(lines + 1)
    counted = page.evaluate("window.counted")
    assert counted["added"] == 1
    assert counted["touched"] <= 4
    assert counted["searched"] <= 10
    expect(page.locator("#take-note")).to_contain_text(f"{lines + 1:,} lines")


def test_it_follows_what_is_said_until_the_reader_scrolls_up(
    meeting: Callable[..., tuple[Page, Hub]],
) -> None:
    """Then it stays in place, counts new lines, and returns with a key or the button."""
    page, hub = meeting(numbered([transcript(f"a-{n}", f"Frase {n}.", start=n * 3) for n in range(60)]))
    page.wait_for_function(AT_END)
    expect(page.locator("#jump")).to_be_hidden()
    page.evaluate("document.querySelector('#scroll').scrollTop = 700")
    expect(page.locator("#jump")).to_be_visible()
    expect(page.locator("#jump")).to_have_text("Jump to now")
    hub.say(**transcript("a-60", "Frase 60.", start=180), offset=61)
    expect(page.locator("#jump")).to_have_text("Jump to now · 1 new")
    assert page.evaluate("document.querySelector('#scroll').scrollTop") == 700
    page.locator("#jump").click()
    page.wait_for_function(AT_END)
    expect(page.locator("#jump")).to_be_hidden()


def test_how_far_captions_are_behind_is_written_and_not_read_out(
    meeting: Callable[..., tuple[Page, Hub]],
) -> None:
    """The status that is read out contains no constantly changing figure."""
    page, hub = meeting(MEETING)
    spoken = page.get_by_role("status").filter(has_text="Ann is speaking")
    expect(spoken).to_have_count(1)
    status = {"type": "audio_status", "session_id": "meeting", "stream_id": "a"}
    hub.say(**status, waiting_seconds=5.6, waiting_for=None)
    page.wait_for_timeout(2_500)
    expect(page.locator("#page-status")).not_to_contain_text("of speech wait")  # it is being transcribed
    hub.say(**status, waiting_seconds=6.3, waiting_for="audio-service")
    expect(page.locator("#page-status")).to_contain_text("captions are late: 6.3 s of speech wait")
    expect(spoken).to_contain_text("captions are late.")
    assert "6.3" not in " ".join(page.get_by_role("status").all_text_contents())


def test_large_type_stays_after_a_reload(meeting: Callable[..., tuple[Page, Hub]]) -> None:
    """And hides the confidence."""
    page, _ = meeting(MEETING)
    page.get_by_role("button", name="Large type").click()
    expect(page.locator(".line-confidence").first).to_be_hidden()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-large", "")
    expect(page.locator("#large")).to_have_attribute("aria-pressed", "true")


def test_a_translation_grows_with_its_line_and_says_where_it_was_corrected(
    meeting: Callable[..., tuple[Page, Hub]],
) -> None:
    """What was read stays; screen readers get the final alone. The reader can switch it off."""
    page, hub = meeting([], offer={**OFFER, "growing_limit": 120})
    page.locator("#targets summary").click()
    choice = page.get_by_label("Translate while people speak")
    expect(choice).to_be_checked()
    expect(page.locator("#growing-field")).to_contain_text("at most 120 requests a minute")
    page.keyboard.press("Escape")
    said = "Creo que funciona bien, pero mañana"
    read = page.locator(".line[data-segment='a-0'] [data-language='en']")
    hub.say(**transcript("a-0", said, revision=3, final=False, settled=6))
    expect(read).to_have_attribute("data-kind", "waiting")
    hub.say(**translation("a-0", "I think it works well,", revision=3, growing=True, words=5))
    expect(read).to_contain_text("I think it works well, …")
    hub.say(**transcript("a-0", f"{said} hablamos.", revision=4), offset=1)
    expect(read).to_contain_text("I think it works well, …")
    assert page.locator("#announce").inner_text() == ""
    hub.say(**translation("a-0", "I think it works well, but tomorrow we talk.", revision=4), offset=2)
    expect(read).to_contain_text("but tomorrow we talk.")
    expect(read).not_to_contain_text("corrected")
    expect(page.locator("#announce")).to_contain_text("but tomorrow we talk.")
    hub.say(**transcript("a-1", "Otra cosa.", start=9), offset=3)
    hub.say(**translation("a-1", "Another thing.", corrects=True), offset=4)
    expect(page.locator(".line[data-segment='a-1'] .line-read")).to_contain_text("Another thing. · corrected")
    usage = {"type": "translation_usage", "timestamp": STARTED, "session_id": "meeting", "limit": 120}
    hub.say(**usage, used=37, limit_reached=False)
    page.locator("#targets summary").click()
    expect(page.locator("#growing-field")).to_contain_text("37 of 120 requests used in the last minute")
    notice = page.locator("#notices").get_by_text("this session has used all requests of this minute")
    expect(notice).to_have_count(0)
    hub.say(**usage, used=120, limit_reached=True)
    expect(page.locator("#growing-field")).to_contain_text("all 120 requests of this minute are used")
    expect(notice).to_be_visible()
    choice.uncheck()
    assert page.evaluate("localStorage['translation:growing']") == "off"
    expect(notice).to_have_count(0)
    choice.check()
    expect(notice).to_be_visible()
    hub.say(**usage, used=90, limit_reached=False)
    expect(notice).to_have_count(0)


@pytest.mark.parametrize("width", [1280, 360])
def test_the_languages_on_the_way_are_named_beside_a_language(
    meeting: Callable[..., tuple[Page, Hub]], width: int
) -> None:
    """For the spoken language. A long list wraps: nothing is wider than the menu, at a phone's width too."""
    via = {"en": {"es": ["pt", "gl", "ca", "oc"]}, "de": {"en": ["pt"]}}
    page, _ = meeting(MEETING, width=width, offer={**OFFER, "via": via})
    if width < 721:
        page.get_by_role("button", name="Options").click()
    page.get_by_label("I speak").select_option("en")
    page.locator("#targets summary").click()
    choices = page.locator("#targets .check")
    spanish = choices.filter(has_text="Spanish")
    expect(spanish).to_contain_text("by way of Portuguese, Galician, Catalan and Occitan")
    expect(choices.filter(has_text="English")).not_to_contain_text("by way of")
    menu, text = page.locator("#targets .menu-body").bounding_box(), spanish.bounding_box()
    assert menu is not None
    assert text is not None
    assert 0 <= menu["x"] <= text["x"]
    assert text["x"] + text["width"] <= menu["x"] + menu["width"] <= width
    page.get_by_label("I speak").select_option("de")
    expect(spanish).not_to_contain_text("by way of")


def test_a_language_that_cannot_be_had_is_said(meeting: Callable[..., tuple[Page, Hub]]) -> None:
    """At the choice, and beside the original."""
    page, _ = meeting(MEETING)
    page.locator("#source").select_option("es")
    page.locator("#targets summary").click()
    page.locator("#targets-choices input[value='de']").check()
    words = (
        "German cannot be read when Spanish is spoken. From Spanish the translation service offers English."
    )
    expect(page.locator("#targets-note")).to_have_text(words)
    expect(page.locator("#notices")).to_contain_text(words)
    expect(page.locator(".line[data-segment='a-0'] [data-language='de']")).to_contain_text(
        "no translation from Spanish to German"
    )
    page.locator("#targets-choices input[value='de']").uncheck()
    expect(page.locator("#targets-note")).to_be_hidden()
    expect(page.locator("#notices .banner")).to_have_count(0)


def audio_service(notice: str | None, engine: str = "pocketsphinx") -> dict[str, Any]:
    """Return the topic ``services`` with one healthy back end."""
    instance = {"engine": engine, "state": "healthy", **({} if notice is None else {"notice": notice})}
    service = {"name": "audio-service", "state": "healthy", "reason": "", "instances": [instance]}
    return {"services": [service]}


def test_a_better_engine_is_announced_until_it_is_there(
    meeting: Callable[..., tuple[Page, Hub]], axe: str
) -> None:
    """Its progress replaces itself and is not read out; with the engine come its languages."""
    page, hub = meeting(MEETING)
    notice = page.locator("#notices .banner")
    for amount in ("62 of 148 MB", "63 of 148 MB"):
        hub.say(type="update", topic="services", data=audio_service(f"A better engine: {amount}."))
        expect(notice).to_have_count(1)
        expect(notice).to_contain_text(amount)
    assert notice.get_attribute("aria-live") == "off"
    assert violations(page, axe) == []
    with page.expect_request("**/api/languages"):
        hub.say(type="update", topic="services", data=audio_service(None, "faster-whisper"))
    expect(notice).to_have_count(0)


def test_an_announcement_can_be_dismissed(meeting: Callable[..., tuple[Page, Hub]]) -> None:
    page, hub = meeting(MEETING)
    hub.say(type="update", topic="services", data=audio_service("62 of 148 MB"))
    page.locator("#notices").get_by_role("button", name="Dismiss").click()
    hub.say(type="update", topic="services", data=audio_service("63 of 148 MB"))
    hub.say(**transcript("b-2", "and then we", start=30, final=False, revision=1, language="en"))
    expect(page.locator(".line[data-final='false']")).to_be_visible()
    expect(page.locator("#notices .banner")).to_have_count(0)


def test_a_microphone_that_is_refused_is_said_with_what_to_do(
    meeting: Callable[..., tuple[Page, Hub]],
) -> None:
    page, hub = meeting([])
    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia ="
        " () => Promise.reject(new DOMException('no', 'NotAllowedError')) }"
    )
    page.locator("#speak-button").click()
    expect(page.locator("#notices")).to_contain_text("does not let this page use the microphone")
    expect(page.locator("#notices")).to_contain_text("address bar")
    expect(page.locator("#speak-label")).to_have_text("Start microphone")
    assert not [message for message in hub.sent if message["type"] == "audio_start"]


def test_text_stands_in_its_own_direction(meeting: Callable[..., tuple[Page, Hub]]) -> None:
    """Arabic and Hebrew from right to left, the full stop on the left; the rest of the page is unchanged."""
    page, hub = meeting([])
    arabic = "سنقرر اليوم (ربما) في الميزانية."
    hub.say(**transcript("a-0", arabic, language="ar", speaker="أحمد"), offset=1)
    hub.say(**translation("a-0", "We decide today."), offset=2)
    hub.say(**transcript("b-0", "We decide today.", start=4, language="en"), offset=3)
    hub.say(**transcript("c-0", "נחליט היום (אולי).", start=8, language="he"), offset=4)
    hub.say(**translation("c-0", "היום נחליט.", target_language="en"), offset=5)
    expect(page.locator(".line")).to_have_count(3)
    expect(page.locator(".line[data-segment='c-0'] .line-read")).to_contain_text("היום")
    directions = page.evaluate("""() => [...document.querySelectorAll(".line-said p, .line-read p")]
        .map((p) => [p.closest(".line").dataset.segment, getComputedStyle(p).direction])""")
    assert directions[0] == ["a-0", "rtl"]
    assert directions[1] == ["a-0", "ltr"]
    assert ["b-0", "ltr"] in directions
    assert [one for one in directions if one[0] == "c-0"] == [["c-0", "rtl"], ["c-0", "rtl"]]
    assert page.evaluate("""() => {
        const p = document.querySelector(".line[data-segment='a-0'] .line-said p");
        const range = document.createRange();
        const at = (index) => { range.setStart(p.firstChild, index); range.setEnd(p.firstChild, index + 1);
            return range.getBoundingClientRect(); };
        const stop = at(p.textContent.length - 1);
        const first = at(0);
        return stop.right <= first.left && Math.abs(first.right - p.getBoundingClientRect().right) < 4;
    }""")
    assert page.evaluate("getComputedStyle(document.querySelector('.line')).direction") == "ltr"
