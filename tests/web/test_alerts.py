"""The control API of alerts: who may send them, what is refused, and what operators do."""

import base64
import time
from typing import Any

import msgspec

from orch.settings import Orchestration, Settings
from orch.settings.alerts import Alerts
from orch.web.alert_notifications import LARGEST, basic_password
from tests.fakes.alertmanager import notification, notified_alert
from tests.fakes.alerts import ACKNOWLEDGED, CRITICAL, OVER
from tests.fakes.pages_client import Reply, ask, problem
from tests.fakes.scripted_service import ScriptedService

TOKEN = "from-alertmanager:with-a-colon"  # noqa: S105 - of the test
CONTROL = "control"
WEBHOOK = "/api/alerts/webhook"


def basic(password: str, user: str = "alertmanager") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def service(
    scene: str = "broken", *, control_token: str = CONTROL, webhook_token: str = TOKEN
) -> ScriptedService:
    alerts = Alerts(webhook_token=webhook_token)
    settings = Settings(orchestration=Orchestration(control_token=control_token, alerts=alerts))
    return ScriptedService(scene, settings=settings)


def send(to: ScriptedService, body: Any, headers: dict[str, str]) -> Reply:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return ask("POST", WEBHOOK, to, data=data, headers={"Content-Type": "application/json", **headers})


def read(response: Reply) -> Any:
    return msgspec.json.decode(response.whole)


def one(**others: Any) -> dict[str, Any]:
    return notification(notified_alert("abc123", since=time.time() - 5), **others)


def test_alertmanager_sends_alerts_with_its_token() -> None:
    """From another machine, without operator rights."""
    it = service()
    response = send(it, one(), basic(TOKEN))
    assert (response.status_code, read(response)) == (200, {"alerts": 1})
    assert it.alerts.alert("abc123").state == "firing"


FORGED: tuple[dict[str, str], ...] = (
    {},
    basic(""),
    basic("wrong"),
    basic(TOKEN.partition(":")[0]),
    {"Authorization": "Basic !!!"},
    {"Authorization": f"Token {TOKEN}"},
    {"Authorization": TOKEN},
)


def test_a_forged_notification_gets_401_and_changes_nothing() -> None:
    """Also one that is not JSON: it is not read at all."""
    it = service()
    for headers in FORGED:
        response = send(it, one() if headers else b"{", headers)
        assert response.status_code == 401
        assert problem(response)["code"] == "token_required"
        assert response.headers["WWW-Authenticate"].startswith("Basic")
    assert "abc123" not in {each.fingerprint for each in it.alerts.alerts()}
    assert it.alerts.counts.refused == {"unauthorized": len(FORGED), "invalid": 0, "too_large": 0}


def test_without_a_token_operators_alone_send_alerts() -> None:
    """This machine is one where no control token is set; an empty password is not the empty token."""
    it = service(webhook_token="")
    assert send(it, one(), basic("")).status_code == 401
    assert send(it, one(), {"Authorization": "Bearer control"}).status_code == 200
    assert send(service(webhook_token="", control_token=""), one(), {}).status_code == 200


INVALID: tuple[Any, ...] = (
    b"{",
    b"[]",
    b'{"version": "4"}',
    one(alerts=[{"labels": {}}]),
    one(alerts=[notified_alert("../../etc", since=0)]),
    one(alerts=[notified_alert("aa", since=0) | {"startsAt": "yesterday"}]),
    one(alerts=[notified_alert("aa", since=0) | {"labels": {"alertname": 5}}]),
    one(alerts=[notified_alert(f"{number:x}", since=0) for number in range(1_001)]),
    b"[" * 100_000,
)


def test_what_is_no_notification_is_refused() -> None:
    """With what was expected where; each is counted."""
    it = service()
    for body in INVALID:
        assert send(it, body, basic(TOKEN)).status_code == 400
    assert send(it, b" " * (LARGEST + 1), basic(TOKEN)).status_code == 413
    assert it.alerts.counts.refused == {"unauthorized": 0, "invalid": len(INVALID), "too_large": 1}
    assert len(it.alerts.alerts()) == 4


def test_alerts_with_any_label_come_in() -> None:
    """Quotes, newlines, markup, 10 kB; fields of later versions are ignored."""
    it = service()
    label = 'a"\n\\\x00<img src=x onerror=alert(1)>' + "x" * 10_000
    sent = [notified_alert(f"{number:x}", since=1, path=label, number=str(number)) for number in range(200)]
    assert read(send(it, notification(*sent, newField={"a": 1}), basic(TOKEN))) == {"alerts": 200}
    assert it.alerts.alert("5").labels["path"] == label[:512]


def test_operators_read_alerts_those_first_that_they_should_look_at() -> None:
    """Open ones, unless more is asked for."""
    it = service(control_token="")
    listed = read(ask("GET", "/api/alerts", it))
    assert listed["alerts"][0]["fingerprint"] == CRITICAL
    assert (listed["total"], listed["firing"]) == (3, {"critical": 1, "warning": 0, "info": 1})
    assert listed["source"]["state"] == "away"
    all_of_them = read(ask("GET", "/api/alerts?state=all", it))
    assert [each["fingerprint"] for each in all_of_them["alerts"]][-1] == OVER
    some = read(ask("GET", "/api/alerts?severity=warning&service=orchestration", it))
    assert [each["fingerprint"] for each in some["alerts"]] == [ACKNOWLEDGED]
    assert read(ask("GET", f"/api/alerts/{OVER}", it))["state"] == "resolved"
    assert problem(ask("GET", "/api/alerts/nope", it))["code"] == "unknown_alert"
    assert ask("GET", "/api/alerts?limit=0", it).status_code == 400


def test_an_operator_acknowledges_an_alert_and_takes_it_back() -> None:
    """With or without a body; what is over cannot be."""
    it = service(control_token="")
    path = f"/api/alerts/{CRITICAL}/acknowledgement"
    made = ask("POST", path, it)
    assert (made.status_code, read(made)["state"]) == (201, "acknowledged")
    assert read(made)["acknowledgement"]["by"].startswith("an operator at ")
    body = msgspec.json.encode({"by": "Ann\u202e", "comment": "on it", "seconds": 120})
    again = read(ask("POST", path, it, data=body, headers={"Content-Type": "application/json"}))
    given = again["acknowledgement"]
    assert (given["by"], given["comment"], round(given["until"] - given["at"])) == ("Ann", "on it", 120)
    assert read(ask("DELETE", path, it))["state"] == "firing"
    over = ask("POST", f"/api/alerts/{OVER}/acknowledgement", it)
    assert (over.status_code, problem(over)["code"]) == (409, "alert_over")


def test_others_neither_read_nor_acknowledge_alerts() -> None:
    """The webhook's token is for the webhook alone."""
    it = service()
    path = f"/api/alerts/{CRITICAL}/acknowledgement"
    for method, url in (
        ("GET", "/api/alerts"),
        ("GET", f"/api/alerts/{CRITICAL}"),
        ("POST", path),
        ("DELETE", path),
    ):
        for headers in ({}, basic(TOKEN)):
            assert problem(ask(method, url, it, headers=headers))["code"] == "token_required"


def test_a_page_of_another_site_sends_no_alerts() -> None:
    """A browser on this machine would be an operator."""
    it = service(webhook_token="", control_token="")
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert problem(send(it, one(), foreign))["code"] == "wrong_origin"


def test_the_password_of_basic_authentication() -> None:
    """The user's name does not matter; what is not of this scheme has no password."""
    assert basic_password(basic("a:b")["Authorization"]) == "a:b"
    assert basic_password("bAsIc  " + base64.b64encode(b"x:y").decode()) == "y"
    assert basic_password("Basic " + base64.b64encode(b"no colon").decode()) == ""
    assert basic_password("Basic \xff") == ""
    assert basic_password("Bearer x") is None
    assert basic_password(None) is None
