import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.health.check_response import LONGEST_DETAIL, LONGEST_NOTICE, in_words, read_response
from orch.health.verdict import Finding, Observation


def answer(status: int, document: Any = None, *, elapsed: float = 0.01) -> Observation:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_response("audio-service", "/api/health", status, body, elapsed=elapsed, limit=1.0)


@pytest.mark.parametrize(
    ("status", "document", "seen", "reasons"),
    [
        (200, {"status": "healthy", "engine": "pocketsphinx"}, Finding.GOOD, ()),
        (200, {"status": "ok"}, Finding.GOOD, ()),
        (200, {"status": 7}, Finding.GOOD, ()),
        (200, b"OK", Finding.GOOD, ()),
        (200, b"\xff\xfe", Finding.GOOD, ()),
        (200, [1, 2], Finding.GOOD, ()),
        (204, b"", Finding.GOOD, ()),
        (
            200,
            {"status": "degraded", "detail": "Install Apertium."},
            Finding.IMPAIRED,
            ("reports degraded: Install Apertium.",),
        ),
        (
            503,
            {"status": "Degraded", "reason": "no engine"},
            Finding.IMPAIRED,
            ("reports degraded: no engine",),
        ),
        (200, {"status": "starting"}, Finding.STARTING, ("reports starting",)),
        (503, {"status": "loading model"}, Finding.STARTING, ("reports loading model",)),
        (200, {"status": "unhealthy", "error": "no GPU"}, Finding.MISSED, ("reports unhealthy: no GPU",)),
        (500, {"status": "degraded"}, Finding.MISSED, ("responds 500 to GET /api/health",)),
        (503, b"busy", Finding.MISSED, ("responds 503 to GET /api/health",)),
        (
            404,
            b"<html>",
            Finding.IMPAIRED,
            ("has no /api/health; set services.audio-service.health_endpoint",),
        ),
        (405, b"", Finding.IMPAIRED, ("has no /api/health; set services.audio-service.health_endpoint",)),
        (401, b"", Finding.IMPAIRED, ("requires a key at /api/health; set services.audio-service.api_key",)),
        (302, b"", Finding.IMPAIRED, ("responds 302 to GET /api/health",)),
        (429, {"detail": "slow down"}, Finding.IMPAIRED, ("responds 429 to GET /api/health: slow down",)),
    ],
)
def test_the_meaning_of_each_response(
    status: int, document: Any, seen: Finding, reasons: tuple[str, ...]
) -> None:
    """Our own back ends report their status; others are judged by their HTTP status."""
    found = answer(status, document)
    assert (found.finding, found.reasons) == (seen, reasons)


def test_a_slow_response_has_its_time_as_the_reason() -> None:
    """The limit is alert_thresholds.response_time; both figures are in the reason."""
    slow = answer(200, {"status": "healthy"}, elapsed=2.41)
    assert slow == Observation(Finding.SLOW, ("responds in 2.4 s, limit 1 s",), elapsed=2.41)
    both = answer(200, {"status": "degraded"}, elapsed=2.41)
    assert both.finding is Finding.IMPAIRED
    assert both.reasons == ("reports degraded", "responds in 2.4 s, limit 1 s")
    assert answer(200, {"status": "healthy"}, elapsed=1.0).finding is Finding.GOOD


def test_the_engine_is_stored() -> None:
    """The engine is shown beside the instance."""
    assert answer(200, {"status": "healthy", "engine": "pocketsphinx"}).engine == "pocketsphinx"
    assert answer(200, {"status": "healthy", "engine": {"name": "x"}}).engine is None


def test_a_notice_is_stored_and_changes_no_verdict() -> None:
    found = answer(200, {"status": "healthy", "notice": "A better engine\nis on its way. " + "x" * 1000})
    assert found.finding is Finding.GOOD
    assert found.reasons == ()
    assert found.notice.startswith("A better engine is on its way. xx")
    assert len(found.notice) == LONGEST_NOTICE
    assert answer(200, {"status": "healthy", "notice": 7}).notice == ""


def test_a_long_detail_is_cut_and_on_one_line() -> None:
    """A back end cannot fill the page."""
    (reason,) = answer(200, {"status": "degraded", "detail": "a\nb  c" + "x" * 1000}).reasons
    assert reason.startswith("reports degraded: a b cx")
    assert len(reason) <= LONGEST_DETAIL + len("reports degraded: ")


@given(st.integers(200, 599), st.binary(max_size=200))
def test_no_response_breaks_the_check(status: int, body: bytes) -> None:
    """Whatever the response, there is an observation; an impaired one has its reason."""
    found = answer(status, body)
    assert found.finding in {Finding.GOOD, Finding.IMPAIRED, Finding.MISSED, Finding.STARTING}
    assert bool(found.reasons) == (found.finding is not Finding.GOOD)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "12 ms"),
        (0.5, "500 ms"),
        (0.9996, "1 s"),
        (1, "1 s"),
        (2.41, "2.4 s"),
        (16, "16 s"),
        (60, "60 s"),
        (110, "110 s"),
        (300, "5 min"),
        (5400, "90 min"),
    ],
)
def test_durations_have_two_figures(seconds: float, text: str) -> None:
    """Words, not digits after the point."""
    assert in_words(seconds) == text


@pytest.mark.parametrize("status", [302, 401, 404, 500])
def test_a_key_in_the_health_endpoint_is_in_no_reason(status: int) -> None:
    """Reasons are on the overview, in events and in the log."""
    seen = read_response("audio-service", "/ready?key=hush-77", status, b"", elapsed=0.1, limit=1)
    assert "hush-77" not in str(seen)
    assert "/ready?key=••••" in str(seen)
