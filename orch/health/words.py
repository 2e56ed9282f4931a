"""Changes of state as sentences for operators. Pure."""

import datetime as dt
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from orch.health.check_response import in_words
from orch.health.flapping import Flapping
from orch.health.maintenance import Maintenance
from orch.health.verdict import State, Verdict
from orch.telemetry.events import Severity
from orch.telemetry.work import Work

_SEVERITY: Final[Mapping[State, Severity]] = {
    State.UNKNOWN: "info",
    State.HEALTHY: "ok",
    State.DEGRADED: "warn",
    State.BUSY: "info",
    State.UNHEALTHY: "bad",
    State.RECOVERING: "info",
}


def severity_of(state: State) -> Severity:
    """Return the severity of a change to ``state``."""
    return _SEVERITY[state]


def work_in_words(work: Work) -> str:
    """Return "busy with 3 requests, the oldest for 41 s"."""
    if work.in_flight == 1:
        return f"busy with a request for {in_words(work.oldest)}"
    return f"busy with {work.in_flight} requests, the oldest for {in_words(work.oldest)}"


_REQUESTS: Final[Mapping[str, tuple[str, str]]] = {
    "audio-service": ("transcription", "transcriptions"),
    "translation-service": ("translation", "translations"),
}


def stuck_in_words(work: Work) -> str:
    """Return the reason for an instance that answers checks while no request gets done."""
    usual = "" if work.usual is None else f", usually {in_words(work.usual)}"
    waiting = "1 request waits" if work.in_flight == 1 else f"{work.in_flight} requests wait"
    return f"answers checks, but no request gets done: {waiting}, for up to {in_words(work.oldest)}{usual}"


_CHECK: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "api_key (or headers)",
    HTTPStatus.FORBIDDEN: "api_key (or headers)",
    HTTPStatus.NOT_FOUND: "url, and the paths of its routes",
    HTTPStatus.TOO_MANY_REQUESTS: "instances: its limits, or the account's quota, are used up",
}


def refusal_in_words(service: str, status: int, count: int) -> str:
    """Return the reason for an instance that refuses what it is asked, and what to check."""
    check = f"; check services.{service}.{_CHECK[status]}" if status in _CHECK else ""
    return f"refuses what it is asked: {count} responses {status} in a row{check}"


def endangered_in_words(service: str, work: Work) -> str:
    """Return the work that a restart would end: "3 transcriptions, the oldest for 41 s"."""
    one, many = _REQUESTS.get(service, ("request", "requests"))
    if work.in_flight == 1:
        return f"1 {one}, for {in_words(work.oldest)}"
    return f"{work.in_flight} {many}, the oldest for {in_words(work.oldest)}"


def flapping_in_words(flapping: Flapping, *, good: int, window: float) -> tuple[Severity, str]:
    """Return the severity and the sentence, without its subject, for the begin or the end of flapping."""
    if not flapping.is_on:
        return "ok", "is stable again."
    changes = len(flapping.changes)
    return "warn", (
        f"flaps: {changes} changes within {in_words(window)}. "
        f"Until that is over, it is healthy after {good} good checks in a row."
    )


def maintenance_in_words(window: Maintenance | None, shown: Maintenance) -> str:
    """Return the sentence for the begin of a window, or (None) for the end of ``shown``."""
    title = f": {shown.title}" if shown.title else ""
    if window is None:
        return f"Maintenance is over{title}."
    until = dt.datetime.fromtimestamp(window.until, dt.UTC)
    return f"Maintenance until {until:%Y-%m-%d %H:%M} UTC{title}. It is not judged and not restarted."


def change_in_words(before: Verdict, after: Verdict, latency_ms: float | None) -> str:
    """Return the sentence that describes a change, without its subject."""
    why = "; ".join(after.reasons)
    if after.state is State.BUSY:
        return f"is {why}."
    if after.state is State.HEALTHY:
        again = "" if before.state is State.UNKNOWN else " again"
        speed = f", responds in {in_words(latency_ms / 1000)}" if latency_ms is not None else ""
        return f"is healthy{again}{speed}."
    return f"is {after.state}: {why}." if why else f"is {after.state}."
