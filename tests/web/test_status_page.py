"""The public status page, its badges, and what operators do with incidents over HTTP."""

from typing import Any

import msgspec
import pytest

from orch.health.incidents.uptime import Book, Uptime, Window, uptime
from orch.problems import ProblemError
from orch.settings import Orchestration, Settings
from orch.settings.incidents import StatusPage
from orch.web.status_page import PublicStatusSource
from orch.web.texts import LANGUAGES
from tests.fakes.pages_client import WIDE, ask, problem
from tests.fakes.scripted_service import ScriptedService

PATHS = ("/status", "/api/status", "/status/badge/audio-service.svg")


def public(scene: str = "broken", **page: Any) -> ScriptedService:
    """Return a service whose status page is on, for anyone."""
    orchestration = msgspec.structs.replace(WIDE.orchestration, status_page=StatusPage(enabled=True, **page))
    return ScriptedService(scene, settings=Settings(orchestration=orchestration))


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_public_until_it_is_switched_on(path: str) -> None:
    """Not for operators either: they see what guests see."""
    response = ask("GET", path)
    assert response.status_code == 404
    assert b"audio-service" not in response.whole


@pytest.mark.parametrize("path", PATHS)
def test_anyone_can_read_it_once_it_is_on(path: str) -> None:
    """Without a token, on a service that needs one."""
    assert ask("GET", path, public()).status_code == 200


def test_a_guest_reads_the_outage_and_none_of_operators_words() -> None:
    """In HTML and in JSON; the announcement is escaped."""
    service = public()
    page = ask("GET", "/status", service).whole.decode()
    assert "A part of the service does not work right now." in page
    assert "It is being restarted." in page
    assert "Slow today. &lt;img" in page
    data = ask("GET", "/api/status", service).whole.decode()
    for word in ("gpu-1", "refused", "Ann looks", "rack", "docker", "<img", "http://audio"):
        assert word not in page
        assert word not in data.replace('"text":"Slow today. <img', "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_whole_without_javascript_in_each_language(language: str) -> None:
    """Services, bars and times are in what the service sends; nothing asks for JavaScript."""
    page = ask("GET", "/status", public(), headers={"Accept-Language": language}).whole.decode()
    assert f'<html lang="{language}"' in page
    assert page.count('class="status-bar"') == 180
    assert "<noscript>" not in page
    assert " UTC</time>" in page


def test_only_listed_services_that_exist_are_shown_under_their_names() -> None:
    """Another service of the settings stays unknown to guests, and so does one that is gone."""
    service = public(
        services={"translation-service": "Übersetzer <b>", "gone": "Gone"}, title="Our <i>service"
    )
    page = ask("GET", "/status", service).whole.decode()
    assert "Übersetzer &lt;b&gt;" in page
    assert "Our &lt;i&gt;service" in page
    assert "Speech recognition" not in page
    assert "Gone" not in page
    assert problem_code(ask("GET", "/status/badge/audio-service.svg", service)) == 404
    assert problem_code(ask("GET", "/status/badge/gone.svg", service)) == 404


def problem_code(response: Any) -> int:
    code: int = response.status_code
    return code


def test_a_badge_can_be_embedded_cached_and_asked_for_again() -> None:
    """Other sites show it; a second request with its tag gets no body."""
    service = public()
    badge = ask("GET", "/status/badge/audio-service.svg", service)
    assert badge.content_type.startswith("image/svg+xml")
    assert badge.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert badge.headers["Cache-Control"] == "public, max-age=60"
    assert b"outage" in badge.whole
    tag = badge.headers["ETag"]
    again = ask("GET", "/status/badge/audio-service.svg", service, headers={"If-None-Match": tag})
    assert (again.status_code, again.whole) == (304, b"")
    assert b"30 d" in ask("GET", "/status/badge/audio-service.svg?uptime=30d", service).whole
    assert ask("GET", "/status/badge/audio-service.svg?uptime=1y", service).status_code == 400


def test_a_thousand_badges_and_statuses_are_put_together_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What costs is done once for all readers."""
    calls: list[Window] = []

    def counted(book: Book, service: str, window: Window, now: float) -> Uptime:
        calls.append(window)
        return uptime(book, service, window, now)

    monkeypatch.setattr("orch.health.incidents.service.uptime", counted)
    service = public()
    source = PublicStatusSource(service.parts().settings, service.parts().incidents)
    for _ in range(1_000):
        source.status()
        source.badge("audio-service", None)
        source.badge("audio-service", Window.WEEK)
    assert len(calls) <= 16


def test_a_change_of_the_settings_shows_at_once() -> None:
    """Switched off, nothing of what was cached is left to read."""
    service = public()
    parts = service.parts()

    source = PublicStatusSource(parts.settings, parts.incidents)
    source.status()
    settings: Any = parts.settings
    settings.current = Settings(orchestration=Orchestration())
    with pytest.raises(ProblemError, match="no public status page"):
        source.status()
    with pytest.raises(ProblemError, match="no public status page"):
        source.badge("audio-service", None)


def test_operators_list_and_read_incidents() -> None:
    """Open and closed ones, of one service, one by its number."""
    service = ScriptedService("broken")
    listed = msgspec.json.decode(ask("GET", "/api/incidents", service).whole)
    assert (listed["total"], listed["open"], listed["incidents"][0]["number"]) == (1, 1, 1)
    for query, total in (("state=closed", 0), ("state=open", 1), ("service=other", 0), ("limit=1", 1)):
        assert msgspec.json.decode(ask("GET", f"/api/incidents?{query}", service).whole)["total"] == total
    assert problem(ask("GET", "/api/incidents?state=odd", service))["code"] == "invalid_request"
    one = msgspec.json.decode(ask("GET", "/api/incidents/1", service).whole)
    assert "gpu-1" in one["entries"][0]["text"]
    assert problem(ask("GET", "/api/incidents/77", service))["code"] == "unknown_incident"


def test_operators_write_notes_and_a_post_mortem() -> None:
    """An empty note is refused, an empty post-mortem removes it."""
    service = ScriptedService("broken")
    noted = ask("POST", "/api/incidents/1/notes", service, json={"text": "  We look.\n"})
    assert noted.status_code == 201
    assert msgspec.json.decode(noted.whole)["entries"][-1]["text"] == "We look."
    for text in ("   ", "x" * 2_001):
        refused = ask("POST", "/api/incidents/1/notes", service, json={"text": text})
        assert problem(refused)["code"] == "invalid_request"
    written = ask("PUT", "/api/incidents/1/post-mortem", service, json={"text": "The disk was full."})
    assert msgspec.json.decode(written.whole)["post_mortem"] == "The disk was full."
    removed = msgspec.json.decode(
        ask("PUT", "/api/incidents/1/post-mortem", service, json={"text": ""}).whole
    )
    assert (removed["post_mortem"], removed["post_mortem_at"]) == ("", None)


def test_operators_announce_and_end_announcements() -> None:
    """It is shown on the page, and gone from it when it has ended."""
    service = public("full")
    operator = {"Authorization": f"Bearer {WIDE.orchestration.control_token}"}
    made = ask(
        "POST",
        "/api/status/announcements",
        service,
        headers=operator,
        json={"kind": "outage", "text": "We\x07 move\u202e.", "hours": 2},
    )
    assert made.status_code == 201
    assert msgspec.json.decode(made.whole)["text"] == "We move."
    number = msgspec.json.decode(made.whole)["number"]
    listed = msgspec.json.decode(ask("GET", "/api/status/announcements", service, headers=operator).whole)
    assert listed["is_public"]
    assert listed["announcements"][0]["is_current"]
    ended = ask("DELETE", f"/api/status/announcements/{number}", service, headers=operator)
    assert msgspec.json.decode(ended.whole)["ended"] is not None
    missing = ask("DELETE", "/api/status/announcements/99", service, headers=operator)
    assert problem(missing)["code"] == "unknown_announcement"
    for body in (
        {"kind": "odd", "text": "x"},
        {"kind": "outage", "text": " "},
        {"kind": "outage", "text": "\x00"},
        {"kind": "outage", "text": "x", "hours": 0},
    ):
        refused = ask("POST", "/api/status/announcements", service, headers=operator, json=body)
        assert problem(refused)["code"] == "invalid_request"


def test_uptime_has_all_windows() -> None:
    """With bars, and how much is known."""
    data = msgspec.json.decode(ask("GET", "/api/uptime").whole)
    audio = next(each for each in data["services"] if each["service"] == "audio-service")
    assert {name: len(window["bars"]) for name, window in audio["windows"].items()} == {
        "24h": 48,
        "7d": 56,
        "30d": 30,
        "90d": 90,
    }
    assert 0 < audio["windows"]["90d"]["share"] < 1
    assert 0 < audio["windows"]["90d"]["known"] < 0.5


def test_the_page_is_rendered_once_for_each_kind_of_reader() -> None:
    """A guest never gets what was rendered for an operator, nor another language."""
    service = public()
    operator = {"Authorization": f"Bearer {WIDE.orchestration.control_token}"}
    for _ in range(2):
        guest = ask("GET", "/status", service).whole
        assert b"/gateway" not in guest
        assert b"/gateway" in ask("GET", "/status", service, headers=operator).whole
        assert b'<html lang="de"' in ask("GET", "/status", service, headers={"Accept-Language": "de"}).whole
        assert ask("GET", "/status", service).whole == guest
