"""Fallbacks in the settings: each fault with its path and what was expected; files read when they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from orch.settings import SettingsError, decode
from orch.settings.live import LiveSettings
from orch.settings.restrictions import why_fixed
from orch.settings.static_responses import MOST
from orch.telemetry.events import EventLog
from tests.fakes.gateway import gateway_rig
from tests.gateway.fallbacks.test_fallbacks import STATIC, send, settings

WHERE = "orchestration.gateway"
FIRST = f"{WHERE}.routes[0].fallbacks"
TYPE = "expected a type such as application/json or text/plain; charset=utf-8"
NOTHING = "expected nothing here: it is for fallbacks with use:"
STATUS = "expected another status: 304 is a response to conditions alone"
OTHER = {"use": "service", "service": "translation-service"}


def faults(*fallbacks: dict[str, Any], **gateway: Any) -> list[tuple[str, str]]:
    route = {"prefix": "/a", "service": "audio-service", "path": "/a", "fallbacks": fallbacks}
    document = {"orchestration": {"gateway": {"routes": [route], **gateway}}}
    return [(fault.path, fault.expected) for fault in decode(json.dumps(document), {}).faults]


@pytest.mark.parametrize(
    ("fallbacks", "path", "expected"),
    [
        ([{"use": "other"}], "[0].use", "expected one of service, cached, static, got 'other'"),
        ([{}], "[0].use", "expected a value, it has no default"),
        (
            [{**OTHER, "service": "audio-service"}],
            "[0].service",
            "expected another service (translation-service), got 'audio-service'",
        ),
        (
            [OTHER, OTHER],
            "[1].service",
            "expected another service (there is none), got 'translation-service'",
        ),
        ([{**OTHER, "path": "x"}], "[0].path", "expected a text that begins with /, got 'x'"),
        ([{**OTHER, "max_age": 5}], "[0].max_age", f"{NOTHING} cached"),
        ([{"use": "cached", "service": "x"}], "[0].service", f"{NOTHING} service"),
        (
            [{"use": "cached"}, {"use": "cached"}],
            "[1].use",
            "expected cached once, as a route has one last good response",
        ),
        ([{"use": "cached", "methods": []}], "[0].methods", "expected GET, POST or both"),
        ([{"use": "cached", "when": []}], "[0].when", "expected at least one kind of failure"),
        ([{"use": "cached", "max_age": 0}], "[0].max_age", "expected a number from 1 to 2.592e+06, got 0"),
        (
            [{"use": "cached", "unkeyed": ["Authorization"]}],
            "[0].unkeyed",
            "expected no header that says who asks, or of which host; got 'Authorization'",
        ),
        ([STATIC], "[0].response", "expected the name of a static response (there is none), got 'sorry'"),
        ([{"use": "cached"}] * 6, "", "expected at most 5 fallbacks, got 6"),
    ],
)
def test_a_fault_of_a_fallback_has_its_path(
    fallbacks: list[dict[str, Any]], path: str, expected: str
) -> None:
    """And what was expected there."""
    assert (FIRST + path, expected) in faults(*fallbacks)


def test_nothing_follows_a_static_response_to_the_same_failures() -> None:
    """It cannot fail; one for some failures may be followed by another one for the rest."""
    responses = {"static_responses": [{"name": "sorry", "body": "{}"}]}
    assert faults({**STATIC, "when": ["timeout"]}, {"use": "cached"}, STATIC, **responses) == []
    expected = "expected no fallback after a static response to the same failures"
    assert faults(STATIC, {"use": "cached"}, **responses) == [(f"{FIRST}[1]", expected)]
    assert faults({**STATIC, "statuses": [500]}, {"use": "cached"}, **responses) == []


@pytest.mark.parametrize(
    ("response", "field", "expected"),
    [
        ({"name": "a b"}, "name", "expected letters, digits, dots, hyphens and underscores, got 'a b'"),
        ({"name": "a", "body": "x", "file": "y"}, "file", "expected either a body or a file"),
        ({"name": "a", "content_type": "json"}, "content_type", f"{TYPE}, got 'json'"),
        ({"name": "a", "content_type": "a/b\r\nx: y"}, "content_type", f"{TYPE}, got 'a/b\\r\\nx: y'"),
        ({"name": "a", "status": 304}, "status", STATUS),
        ({"name": "a", "status": 100}, "status", "expected a whole number from 200 to 599, got 100"),
    ],
)
def test_a_fault_of_a_static_response_has_its_path(
    response: dict[str, Any], field: str, expected: str
) -> None:
    """Also one that would add a header."""
    assert faults(static_responses=[response]) == [(f"{WHERE}.static_responses[0].{field}", expected)]


def test_an_object_fits_into_what_may_be_arriving() -> None:
    """Otherwise nothing of that size could ever be stored; 0 switches the cache off."""
    where = f"{WHERE}.fallback_cache.max_object_bytes"
    small = {"max_bytes": 1000, "max_object_bytes": 251}
    assert faults(fallback_cache=small) == [(where, "expected a quarter of max_bytes at most (250), got 251")]
    assert faults(fallback_cache={"max_bytes": 0}) == []


def test_at_run_time_fallbacks_can_be_changed_but_no_file_be_named() -> None:
    """An operator's page must not be a way to read files of the machine."""
    assert why_fixed(f"{WHERE}.routes") is None
    assert why_fixed(f"{WHERE}.static_responses") is not None


def write(file: Path, text: str) -> None:
    file.write_text(text)


def remove(file: Path) -> None:
    file.unlink()


def live(path: Path, **response: Any) -> LiveSettings:
    given = {"name": "sorry", **response}
    path.write_text(json.dumps({"orchestration": {"gateway": {"static_responses": [given]}}}))
    return LiveSettings(path, {}, events=EventLog(wall=lambda: 0.0), wall=lambda: 0.0)


@pytest.mark.parametrize(
    ("response", "content", "expected"),
    [
        ({}, None, "expected a readable file"),
        ({}, b"{", "expected JSON, as content_type says"),
        ({"content_type": "text/html"}, b"x" * (MOST + 1), f"expected at most {MOST} bytes"),
        ({"status": 204}, b"{}", "expected no body with status 204"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_fault_when_the_settings_are_read(
    tmp_path: Path, response: dict[str, Any], content: bytes | None, expected: str
) -> None:
    """Not when the first request fails, in the night."""
    file = tmp_path / "body"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        live(tmp_path / "orchestration.yaml", file=str(file), **response)
    [fault] = caught.value.faults
    assert fault.path == f"{WHERE}.static_responses[0].file"
    assert fault.expected.startswith(expected)


def test_a_body_in_the_settings_is_checked_too(tmp_path: Path) -> None:
    """At its own path."""
    with pytest.raises(SettingsError) as caught:
        live(tmp_path / "orchestration.yaml", body="{oops")
    assert caught.value.faults[0].path == f"{WHERE}.static_responses[0].body"


async def test_a_file_is_read_with_the_settings_and_what_was_read_stays(tmp_path: Path) -> None:
    """A file that is lost afterwards changes nothing but an event; a new content comes with the settings."""
    file = tmp_path / "page.html"
    write(file, "<p>Sorry.</p>")
    page = {"name": "sorry", "content_type": "text/html; charset=utf-8", "file": str(file)}
    given = settings(STATIC) | {"static_responses": [page]}
    async with gateway_rig(running=False, **given) as rig:
        first = await send(rig)
        assert (first.status, first.body) == (503, b"<p>Sorry.</p>")
        assert first.headers[b"content-type"] == b"text/html; charset=utf-8"
        assert first.headers[b"content-security-policy"] == b"sandbox; default-src 'none'"
        write(file, "<p>New.</p>")
        rig.settings.change(orchestration={"gateway": given})
        assert (await send(rig)).body == b"<p>New.</p>"
        remove(file)
        rig.settings.change(orchestration={"gateway": given})
        assert (await send(rig)).body == b"<p>New.</p>"
        assert "The static response sorry cannot be used" in str(rig.events.latest())
        rig.settings.change(orchestration={"gateway": given | {"static_responses": []}})
        assert json.loads((await send(rig)).body)["code"] == "service_unavailable"
