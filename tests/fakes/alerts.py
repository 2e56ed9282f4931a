"""Alerts for the pages to show: the real service over documents in memory."""

from types import SimpleNamespace
from typing import Any

from orch.alerts.records import Acknowledgement, Alert
from orch.alerts.service import AlertService
from orch.settings import Settings
from orch.telemetry.events import EventLog
from tests.fakes.incidents import HOSTILE, MemoryDocuments

CRITICAL = "00aa11bb22cc33dd"
ACKNOWLEDGED = "11bb22cc33dd44ee"
INFORMATION = "22cc33dd44ee55ff"
OVER = "33dd44ee55ff6600"


def scripted_alerts(settings: Settings, scene: str, now: float, wall: Any) -> AlertService:
    """Return the service as a scene has it; it does not run."""
    service = AlertService(
        settings=SimpleNamespace(current=settings),
        documents=MemoryDocuments(),
        events=EventLog(wall=wall),
        wall=wall,
    )
    if scene == "empty":
        service._source.off()
        return service
    service._source.reachable(has_watchdog=True)
    if scene == "broken":
        service._shelf.alerts = {each.fingerprint: each for each in (*_firing(now), _over(now))}
        service._source.away("http://alertmanager:9093/api/v2/alerts cannot be reached: connection refused.")
    return service


def _firing(now: float) -> list[Alert]:
    return [
        Alert(
            fingerprint=CRITICAL,
            labels={
                "alertname": "BackendAllInstancesDown",
                "severity": "critical",
                "service": "audio-service",
                "cluster": "livetranslate",
                "path": HOSTILE,
            },
            annotations={
                "summary": f"None of the 2 instances of audio-service responds. {HOSTILE}",
                "impact": "Nobody gets captions until one is back.",
                "runbook_url": "https://runbooks.example/BackendAllInstancesDown.md",
                "dashboard": "http://localhost:3001/d/livetranslate-overview",
            },
            generator="http://prometheus:9090/graph?g0.expr=up",
            since=now - 300,
            noticed=now - 240,
        ),
        Alert(
            fingerprint=ACKNOWLEDGED,
            labels={
                "alertname": "CaptionsLate",
                "severity": "warning",
                "service": "orchestration",
                "cluster": "livetranslate",
            },
            annotations={
                "summary": "5 % of captions take longer than 7.2 s.",
                "impact": "Captions come late.",
                "runbook_url": "docs/runbooks/CaptionsLate.md",
            },
            since=now - 1_200,
            noticed=now - 1_190,
            acknowledgement=Acknowledgement(
                at=now - 600,
                until=now + 3_000,
                by="Ann",
                comment="gpu-2 is being replaced",
                fault="http://alertmanager:9093/api/v2/silences cannot be reached: connection refused.",
            ),
        ),
        Alert(
            fingerprint=INFORMATION,
            labels={"alertname": "ProtocolProblems", "severity": "info", "service": "orchestration"},
            annotations={"summary": "2.1 messages a second have an unknown type."},
            since=now - 60,
            noticed=now - 55,
        ),
    ]


def _over(now: float) -> Alert:
    return Alert(
        fingerprint=OVER,
        labels={"alertname": "RetryStorm", "severity": "warning", "service": "translation-service"},
        annotations={"summary": "13 % of requests are retried."},
        since=now - 2_000,
        noticed=now - 1_990,
        ended=now - 900,
    )
