"""An Alertmanager in memory, behind the real client; and what it sends."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx2
import trio

from orch.alerts.alertmanager import Alertmanager

URL = "http://alertmanager:9093"
DIRECT = "http://pager.example/notify"


def written(at: float) -> str:
    """Return a time as Go writes it, to the nanosecond."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"


def labels_of(name: str = "BackendAllInstancesDown", **others: str) -> dict[str, str]:
    """Return the labels of an alert."""
    return {
        "alertname": name,
        "severity": "critical",
        "service": "audio-service",
        "cluster": "livetranslate",
    } | others


def notified_alert(
    fingerprint: str = "00aa11bb22cc33dd",
    *,
    since: float,
    ended: float | None = None,
    annotations: dict[str, str] | None = None,
    **labels: Any,
) -> dict[str, Any]:
    """Return an alert as a notification has it."""
    return {
        "status": "firing" if ended is None else "resolved",
        "labels": labels_of(**labels),
        "annotations": {"summary": "None of 2 instances responds.", "impact": "No captions."}
        | (annotations or {}),
        "startsAt": written(since),
        "endsAt": "0001-01-01T00:00:00Z" if ended is None else written(ended),
        "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
        "fingerprint": fingerprint,
    }


def notification(*alerts: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Return a notification of version 4."""
    return {
        "receiver": "pages",
        "status": "firing",
        "alerts": list(alerts),
        "groupLabels": {"severity": "critical"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "version": "4",
        "groupKey": '{}:{severity="critical"}',
        "truncatedAlerts": 0,
    } | others


class FakeAlertmanager:
    """Has alerts and silences. ``fault``: what happens to each request instead of a response.

    ``sent``: the alerts that were posted; ``direct``: what came to another URL, which has ``direct_status``.
    """

    def __init__(self) -> None:
        self.alerts: dict[str, dict[str, Any]] = {}
        self.silences: dict[str, dict[str, Any]] = {}
        self.ended: list[str] = []
        self.expired: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.direct: list[dict[str, Any]] = []
        self.direct_status = 200
        self.fault: str = ""
        self.asked = 0

    def fire(self, alert: dict[str, Any], **status: Any) -> None:
        """List an alert."""
        self.alerts[alert["fingerprint"]] = alert | {
            "status": {"state": "active", "silencedBy": [], "inhibitedBy": []} | status,
            "receivers": [{"name": "pages"}],
            "updatedAt": alert["startsAt"],
        }

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Respond as version 0.25 does."""
        self.asked += 1
        if str(request.url) == DIRECT:
            self.direct.append(json.loads(request.content))
            return httpx2.Response(self.direct_status)
        if self.fault == "away":
            raise httpx2.ConnectError("All connection attempts failed", request=request)
        if self.fault == "silent":
            await trio.sleep_forever()
        return httpx2.Response(500, text=self.fault) if self.fault else self._respond(request)

    def _respond(self, request: httpx2.Request) -> httpx2.Response:
        status, body = 200, {}
        match request.method, request.url.path.split("/")[1:]:
            case "GET", ["api", "v2", "alerts"]:
                return httpx2.Response(200, json=[self._listed(each) for each in self.alerts.values()])
            case "POST", ["api", "v2", "alerts"]:
                self.sent += json.loads(request.content)
            case "POST", ["api", "v2", "silences"]:
                name = f"5b1b0b2c-0000-4000-8000-{len(self.silences) + len(self.ended):012d}"
                self.silences[name] = json.loads(request.content)
                body = {"silenceID": name}
            case "GET", ["api", "v2", "silences"]:
                return httpx2.Response(200, json=[*map(self._silence, self.silences.items()), *self.expired])
            case "DELETE", ["api", "v2", "silence", name]:
                found = self.silences.pop(name, None)
                status = 404 if found is None else 200
                if found is not None:
                    self.ended.append(name)
                    self.expired.append(found | {"id": name, "status": {"state": "expired"}})
            case _:
                raise AssertionError(request.url)
        return httpx2.Response(status, json=body)

    def _listed(self, alert: dict[str, Any]) -> dict[str, Any]:
        by = [name for name, silence in self.silences.items() if _matches(silence, alert["labels"])]
        status = dict(alert["status"])
        if by:
            status |= {"state": "suppressed", "silencedBy": [*status["silencedBy"], *by]}
        return alert | {"status": status}

    @staticmethod
    def _silence(silence: tuple[str, dict[str, Any]]) -> dict[str, Any]:
        name, body = silence
        return body | {"id": name, "status": {"state": "active"}, "updatedAt": body["startsAt"]}

    def client(self) -> httpx2.AsyncClient:
        """Return a client that reaches it."""
        return httpx2.AsyncClient(transport=httpx2.MockTransport(self))

    def peer(self, url: str = URL) -> Alertmanager:
        """Return what the service sends its requests with."""
        return Alertmanager(lambda: url, open_client=self.client)


def _matches(silence: dict[str, Any], labels: dict[str, str]) -> bool:
    return all(labels.get(each["name"]) == each["value"] for each in silence["matchers"])
