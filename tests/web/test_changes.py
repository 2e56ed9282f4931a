"""Changes over the control API: who may make them, what they do, how they are logged."""

from typing import Any

import msgspec
import pytest

from tests.fakes.pages_client import TOKEN, WIDE, ask, problem
from tests.fakes.scripted_service import ScriptedService


@pytest.mark.parametrize(
    "path",
    [
        "/api/services/restart",
        "/api/services/stop-recovery",
        "/api/tree/gateway/restart",
        "/api/sessions/create",
    ],
)
def test_a_foreign_page_cannot_make_changes(path: str) -> None:
    """Whatever it sends, simple requests included."""
    service = ScriptedService("full")
    response = ask("POST", path, service, headers={"Origin": "http://evil.example"}, data=b"{}")
    assert problem(response)["code"] == "wrong_origin"
    assert service.changes == []


CHANGES = [
    ("POST", "/api/services/restart", b'{"service": "audio-service"}', ("restart service", "audio-service")),
    (
        "POST",
        "/api/services/restart",
        b'{"service": "audio-service", "force": true}',
        ("restart service at once", "audio-service"),
    ),
    (
        "POST",
        "/api/services/restart",
        b'{"service": "audio-service", "instance": "audio-service-2"}',
        ("restart service", "audio-service audio-service-2"),
    ),
    (
        "POST",
        "/api/services/stop-recovery",
        b'{"service": "audio-service"}',
        ("stop recovery", "audio-service"),
    ),
    ("POST", "/api/tree/gateway/restart", b"", ("restart branch", "gateway")),
    ("POST", "/api/tree/front/restart", b"", ("restart branch", "front")),
    (
        "PATCH",
        "/api/config",
        b'{"values": {"orchestration.gateway.timeout": 20}}',
        ("patch", {"orchestration.gateway.timeout": 20}),
    ),
    (
        "POST",
        "/api/announcements",
        '{"message": "Tonight at 22:00: é"}'.encode(),
        ("announce", "Tonight at 22:00: é"),
    ),
    ("DELETE", "/api/connections/c-00000", b"", ("close connection", "c-00000")),
]


@pytest.mark.parametrize(("method", "path", "body", "change"), CHANGES)
def test_a_change_is_carried_out_on_loopback(method: str, path: str, body: bytes, change: Any) -> None:
    """Without a token, requested by a loopback name."""
    service = ScriptedService("full")
    response = ask(method, path, service, data=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (200, 202)
    assert service.changes == [change]


@pytest.mark.parametrize(("method", "path", "body", "change"), CHANGES)
def test_a_change_from_another_machine_requires_the_token(
    method: str, path: str, body: bytes, change: Any
) -> None:
    """Refused without, carried out with."""
    service = ScriptedService("full", settings=WIDE)
    headers = {"Content-Type": "application/json", "Host": "translate.example"}
    refused = ask(method, path, service, data=body, headers=headers)
    assert problem(refused)["code"] == "token_required"
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert service.changes == []
    accepted = ask(method, path, service, data=body, headers=headers | {"Authorization": f"Bearer {TOKEN}"})
    assert accepted.status_code in (200, 202)
    assert service.changes == [change]


def test_ending_a_session_from_another_machine_requires_the_token() -> None:
    """It deletes the messages of everyone in it."""
    response = ask("DELETE", "/api/sessions/x", ScriptedService("full", settings=WIDE))
    assert problem(response)["code"] == "token_required"


def test_an_announcement_returns_the_number_of_recipients() -> None:
    """And its duration; an empty or too long one is refused."""
    service = ScriptedService("full")
    response = ask("POST", "/api/announcements", service, json={"message": "x"})
    assert msgspec.json.decode(response.whole) == {
        "taken": 58,
        "evicted": 2,
        "seconds": 0.0312,
        "missing": [],
    }
    for message in ("", "x" * 1001, None):
        refused = ask("POST", "/api/announcements", service, json={"message": message})
        assert (problem(refused)["code"], problem(refused)["path"]) == ("invalid_request", "$.message")
    assert len(service.changes) == 1


def test_closing_an_unknown_connection_is_404() -> None:
    assert problem(ask("DELETE", "/api/connections/nobody"))["code"] == "unknown_connection"


def test_restarting_an_unknown_branch_is_404_and_lists_the_branches() -> None:
    document = problem(ask("POST", "/api/tree/nope/restart"))
    assert document["code"] == "unknown_branch"
    assert "websocket" in document["detail"]


def test_secrets_cannot_be_set_over_http() -> None:
    """Only by the file and the environment."""
    service = ScriptedService("full")
    body = msgspec.json.encode({"values": {"orchestration.control_token": "mine"}})
    response = ask("PATCH", "/api/config", service, data=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 422
    assert problem(response)["faults"][0]["path"] == "orchestration.control_token"
    assert service.changes == []


def test_every_change_is_logged_with_its_actor(capsys: pytest.CaptureFixture[str]) -> None:
    """How it was authorised and from which address; a refused request changes nothing."""
    for method, path, body, change in CHANGES:
        service = ScriptedService("full", settings=WIDE)
        headers = {"Content-Type": "application/json", "Host": "translate.example"}
        ask(method, path, service, data=body, headers=headers)
        assert "audit" not in capsys.readouterr().out
        ask(method, path, service, data=body, headers=headers | {"Authorization": f"Bearer {TOKEN}"})
        line = capsys.readouterr().out
        if change[0] != "patch":  # the scene's settings do not change
            assert "changed" in line
            assert "via=token" in line
            assert "address=127.0.0.1" in line
        assert TOKEN not in line
