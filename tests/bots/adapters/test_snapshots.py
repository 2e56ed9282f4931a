"""Texts of pages, and what they mean: the tables against the sandbox's own texts, and hostile pages."""

from itertools import product

import pytest

from orch.bots.adapters.catalog import ADAPTERS, SECOND
from orch.bots.adapters.meet_texts import MEET_TEXTS
from orch.bots.adapters.second_texts import SECOND_TEXTS
from orch.bots.adapters.signs import BUTTONS, CHOICES, FIELDS, PARTS, TEXTS, Sign, Texts
from orch.bots.adapters.snapshots import Item, Reader, State, decode, normal
from orch.bots.meeting_url import MEET
from orch.sandbox.meeting.server import LANGUAGES, texts

#: The sandbox's names of texts that mean something else in the adapters, or nothing.
NAMES = {
    "your_name": Sign.NAME,
    "name_hint": Sign.NAME,
    "join_now": Sign.JOIN,
    "ask_to_join": Sign.JOIN,
    "ask_to_join_anyway": Sign.JOIN,
    "asking": Sign.LOBBY,
    "knocking": Sign.LOBBY,
    "denied": Sign.REFUSED,
    "denied_why": Sign.DENIED,
    "robot": Sign.CAPTCHA,
    "reject_all": Sign.REJECT_COOKIES,
    "devices_on": Sign.USE_DEVICES,
    "devices_off": Sign.NO_DEVICES,
    "recording_agree": Sign.AGREE,
    "microphone_off": Sign.MUTE,
    "microphone_on": Sign.UNMUTE,
    "stop_video": Sign.CAMERA_OFF,
    "start_video": Sign.CAMERA_ON,
    "subtitles_start": Sign.CAPTIONS_ON,
    "subtitles_stop": Sign.CAPTIONS_OFF,
    "subtitles_language": Sign.CAPTIONS_LANGUAGE,
    "hang_up": Sign.LEAVE,
    "you": Sign.OWN_NAME,
    "me": Sign.OWN_NAME,
}
READERS = {"first": ADAPTERS[MEET].reader, "second": ADAPTERS[SECOND].reader}


def sign_of(name: str) -> Sign | None:
    if name in NAMES:
        return NAMES[name]
    return Sign(name) if name in set(Sign) else None


@pytest.mark.parametrize(("language", "layout"), list(product(LANGUAGES, READERS)))
def test_each_text_of_the_sandbox_has_its_sign(language: str, layout: str) -> None:
    """And no other one that its kind may have: a text that ends a stay is no other's button."""
    reader = READERS[layout]
    found = 0
    for name, text in texts(language)[layout].items():
        sign = sign_of(name)
        if sign is None or sign in PARTS:
            continue
        kind = "field" if sign in FIELDS else "choice" if sign in CHOICES else "button"
        items = () if sign in TEXTS else (Item(n=1, kind=kind, label=text, dialog=True),)
        shown = (text,) if sign in TEXTS else ()
        seen = reader.read(State(host="h", path="/", items=items, texts=shown))
        assert seen.signs == {sign}, (name, text)
        found += 1
    assert found > 30


@pytest.mark.parametrize("table", [MEET_TEXTS, SECOND_TEXTS])
def test_no_text_of_a_kind_means_two_things(table: Texts) -> None:
    """In any language, because the page may be in another one than was asked for."""
    for kind in (BUTTONS, FIELDS, CHOICES, TEXTS):
        meanings: dict[str, set[Sign]] = {}
        for rows in table.values():
            for sign in kind & rows.keys():
                for text in rows[sign]:
                    meanings.setdefault(normal(text), set()).add(sign)
        assert {text: signs for text, signs in meanings.items() if len(signs) > 1} == {}


def test_the_tables_have_every_sign_in_every_language_that_the_sandbox_shows() -> None:
    optional = {Sign.SIGN_IN_FIRST, Sign.UNANSWERED, Sign.DISMISS, Sign.CAPTIONS, Sign.SPEAKING}
    for table in (MEET_TEXTS, SECOND_TEXTS):
        for language, rows in table.items():
            assert set(Sign) - rows.keys() <= optional, language
            assert all(
                text == text.strip() and text for alternatives in rows.values() for text in alternatives
            )


def item(label: str, **fields: object) -> Item:
    return Item(**{"n": 1, "kind": "button", "label": label, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("label", "sign"),
    [
        ("Turn on captions (c)", Sign.CAPTIONS_ON),
        ("Turn off microphone (ctrl + d)", Sign.MUTE),
        ("Mikrofon deaktivieren (Strg + D)", Sign.MUTE),
        ("Chat with everyone - New message", Sign.CHAT),
        ("JOIN NOW", Sign.JOIN),
        ("Ask  to\njoin", Sign.JOIN),
        ("关闭麦克风\uff08Ctrl + d\uff09", Sign.MUTE),
        ("Join and use a phone for audio", None),
        ("Switch here", None),
        ("Other ways to join", None),
        ("Companion mode", None),
        ("", None),
    ],
)
def test_labels_have_shortcuts_and_counts(label: str, sign: Sign | None) -> None:
    """What moves another session here, or joins by telephone, is never pressed."""
    seen = READERS["first"].read(State(host="h", path="/", items=(item(label),)))
    assert seen.signs == ({sign} if sign else set())


@pytest.mark.parametrize(
    "text",
    [
        "Ana: the meeting has ended",
        "The meeting has ended, she said",
        "Is the meeting over?",
        "You've been removed from the meeting (not)",
        "",
    ],
)
def test_a_text_counts_as_a_whole_only(text: str) -> None:
    assert READERS["first"].read(State(host="h", path="/", texts=(text,))).signs == set()


def test_what_closes_a_notice_counts_in_a_dialog_only() -> None:
    reader = READERS["first"]
    inside, outside = item("Got it", dialog=True), item("Got it")
    assert reader.read(State(host="h", path="/", items=(inside,))).signs == {Sign.DISMISS}
    assert reader.read(State(host="h", path="/", items=(outside,))).signs == set()


def test_of_hidden_controls_those_of_the_tool_bar_count() -> None:
    reader = READERS["first"]
    for label, signs in (("Leave call", {Sign.LEAVE}), ("Join now", set()), ("Got it", set())):
        hidden = item(label, shown=False, dialog=True)
        assert reader.read(State(host="h", path="/", items=(hidden,))).signs == signs


def test_the_presenter_is_named_in_every_language() -> None:
    for language in LANGUAGES:
        for layout, reader in READERS.items():
            text = texts(language)[layout]["presenting"].replace("{name}", "Zoë (Guest)")
            assert reader.read(State(host="h", path="/", texts=(text,))).presenting == "Zoë (Guest)"
    assert READERS["first"].read(State(host="h", path="/", texts=(" is presenting",))).presenting == ""


@pytest.mark.parametrize(
    "text", ["", "null", "[]", '{"k":"other"}', '{"k":"state"}', '{"k":"chat","id":1}', "[" * 5000, "\ud800"]
)
def test_what_is_no_message_is_none(text: str) -> None:
    assert decode(text) is None


def test_a_disabled_control_is_seen_and_not_used() -> None:
    seen = Reader(MEET_TEXTS).read(
        State(host="h", path="/", items=(item("Join now", enabled=False), item("Ask to join", n=2)))
    )
    assert Sign.JOIN in seen.signs
    found = seen.item(Sign.JOIN)
    assert found is not None
    assert found.n == 2
