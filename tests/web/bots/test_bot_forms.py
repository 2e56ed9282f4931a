"""What a bot is asked for, checked and put into one form."""

from typing import Any

import msgspec
import pytest

from orch.bots.requests import NAME, BotRequest, LanguagesChange, WebcamChange
from orch.problems import ProblemError
from orch.web import bot_forms

NOW = 1_764_444_000.0
MEET = "https://meet.google.com/abc-defg-hij"


def checked(**fields: Any) -> BotRequest:
    request = msgspec.convert({"meeting_url": MEET} | fields, BotRequest)
    return bot_forms.checked_request(request, origins={"http://127.0.0.1:5010": "meet"}, now=NOW)


def test_a_request_gets_one_form() -> None:
    """The meeting's URL as it is stored, names without controls, each target once."""
    made = checked(
        meeting_url=" meet.google.com/ABCdefghij?authuser=1 ",
        name="Café\u202e\x07  notes\n",
        languages={"targets": ["es", "de", "es"], "captions": None},
        camera={"title": "Live\x00 \u202ecaptions"},
        start_at=NOW + 60,
    )
    assert made.meeting_url == MEET
    assert made.name == "Café notes"
    assert made.languages.targets == ("es", "de")
    assert made.camera is not None
    assert made.camera.title == "Live captions"
    assert checked().name == NAME
    assert checked(camera=None).camera is None
    assert checked(meeting_url="http://127.0.0.1:5010/r?x=1#f").meeting_url == "http://127.0.0.1:5010/r?x=1"


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@meet.google.com/abc-defg-hij",
        "https://zoom.us/j/123",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://127.0.0.1:5011/room",
        "https://meet.google.com.evil.example/abc-defg-hij",
        "https://meet.google.com/abc-defg-hij\r\nHost: x",
        "https://meet.google.com/",
        "not a url",
        "http://127.0.0.1:5010/",
    ],
)
def test_what_is_no_meeting_is_refused_with_what_was_expected(url: str) -> None:
    """422, with the path; a password in the URL is not repeated."""
    with pytest.raises(ProblemError) as caught:
        checked(meeting_url=url)
    error = caught.value
    assert (error.code, error.status, error.extra["path"]) == ("bad_meeting_url", 422, "$.meeting_url")
    assert error.extra["expected"]
    assert error.detail.startswith("Expected ")
    assert "secret" not in error.detail


def nested(levels: int) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for _ in range(levels - 1):
        document = {"a": document}
    return document


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": "\u202e\x07 "}, "$.name"),
        ({"languages": {"spoken": "en; drop"}}, "$.languages.spoken"),
        ({"languages": {"targets": ["es", "../x"]}}, "$.languages.targets"),
        ({"languages": {"interface": "e\x00"}}, "$.languages.interface"),
        ({"start_at": NOW - 3_700}, "$.start_at"),
        ({"start_at": NOW * 1_000}, "$.start_at"),
        ({"start_at": NOW + 367 * 86_400}, "$.start_at"),
        ({"rules": {"bot_names": ["ok", "  "]}}, "$.rules.bot_names[1]"),
        ({"metadata": {"a": "x" * 16_384}}, "$.metadata"),
        ({"metadata": nested(33)}, "$.metadata"),
        ({"metadata": {"a": [[nested(31)]]}}, "$.metadata"),
        ({"metadata": nested(400)}, "$.metadata"),
        ({"idempotency_key": "a\nb"}, "$.idempotency_key"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], path: str) -> None:
    """With its path and what was expected."""
    with pytest.raises(ProblemError) as caught:
        checked(**fields)
    assert (caught.value.code, caught.value.extra["path"]) == ("invalid_request", path)
    assert caught.value.extra["expected"]


def test_what_is_at_its_limit_is_accepted() -> None:
    """16 KiB as JSON, 32 levels; a start that has just passed."""
    assert checked(metadata={"a": "x" * (16_384 - 8)}).metadata
    assert checked(metadata=nested(32)).metadata
    assert checked(start_at=NOW - 3_500).start_at == NOW - 3_500


@pytest.mark.parametrize(
    ("headers", "body", "key"),
    [
        ([], None, None),
        ([], "k", "k"),
        (["k-1"], None, "k-1"),
        (['"k-1"'], None, "k-1"),
        (["k"], "k", "k"),
    ],
)
def test_the_key_comes_from_the_header_or_the_body(
    headers: list[str], body: str | None, key: str | None
) -> None:
    """As it is, or in quotation marks, as the draft of the header has it."""
    request = BotRequest(meeting_url=MEET, idempotency_key=body)
    assert bot_forms.with_idempotency_key(request, headers).idempotency_key == key


@pytest.mark.parametrize(
    ("headers", "body"),
    [(["a", "b"], None), (["a"], "b"), ([""], None), (['""'], None), (["ä"], None), (["x" * 256], None)],
)
def test_a_key_that_is_none_is_refused(headers: list[str], body: str | None) -> None:
    """So are two that differ."""
    with pytest.raises(ProblemError):
        bot_forms.with_idempotency_key(BotRequest(meeting_url=MEET, idempotency_key=body), headers)


@pytest.mark.parametrize("text", ["", "a/b", "..", "a b", "ü", "a\x00", "x" * 65, "%2e%2e"])
def test_what_cannot_be_an_id_is_an_unknown_bot(text: str) -> None:
    """It is not looked up."""
    with pytest.raises(ProblemError) as caught:
        bot_forms.read_bot_id(text)
    assert caught.value.code == "unknown_bot"
    assert bot_forms.read_bot_id("b-1_X") == "b-1_X"


def test_changes_are_checked() -> None:
    """An empty change is a mistake; values are those that a request may have."""
    assert bot_forms.checked_languages(LanguagesChange(targets=("es", "es"))).targets == ("es",)
    assert bot_forms.checked_languages(LanguagesChange(captions=None)) == LanguagesChange(captions=None)
    assert bot_forms.checked_webcam(WebcamChange(title="a\x00b\u202e ")).title == "ab"
    assert bot_forms.checked_chat(" Hi\r\nthere\x07 ") == "Hi\nthere"
    for wrong in (LanguagesChange(), LanguagesChange(spoken="--"), LanguagesChange(targets=("en", "x\n"))):
        with pytest.raises(ProblemError):
            bot_forms.checked_languages(wrong)
    for change in (WebcamChange(), WebcamChange(lines=0), WebcamChange(seconds=1e9)):
        with pytest.raises(ProblemError):
            bot_forms.checked_webcam(change)
    with pytest.raises(ProblemError):
        bot_forms.checked_chat(" \x00\u202e")
