import re
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from orch.access.actions import Action, action_of_route
from orch.access.actors import ACTOR
from orch.problems import TYPE_PREFIX, ProblemError
from orch.protocol import closes
from orch.settings import Frontend, Monitoring, Orchestration, Settings
from orch.web.pages import PAGES
from orch.websocket.connections.handshake import Refused
from orch.wiring.applications import create_pages
from tests.fakes.running import run
from tests.fakes.scripted_service import ScriptedService

LOCAL = {"Host": "localhost:3000"}
TOKEN = "s3cret-token"  # noqa: S105 - a test's own
WIDE = Settings(orchestration=Orchestration(frontend=Frontend(host="0.0.0.0"), control_token=TOKEN))


class Reply(Struct, frozen=True):
    """An answer, read to its end."""

    status_code: int
    headers: Any
    content_type: str
    whole: bytes


def ask(method: str, path: str, service: ScriptedService | None = None, **more: Any) -> Reply:
    """Return the answer and its body."""
    chosen = service or ScriptedService("full")
    headers = LOCAL | more.pop("headers", {})
    bound = chosen.settings.orchestration.frontend.host
    base: dict[str, Any] = {"client": ("127.0.0.1", 50000), "server": (bound, 3000)}
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]

    async def main() -> Reply:
        base[ACTOR] = chosen.access.actor(base | {"headers": pairs}, trusts_local=True)
        response = await chosen.pages.test_client().open(
            path, method=method, headers=headers, scope_base=base, **more
        )
        return Reply(
            response.status_code,
            response.headers,
            response.content_type or "",
            await response.get_data(as_text=False),
        )

    return run(
        main, virtual=False
    )  # Quart runs some of its own work in threads, which a virtual clock outruns


def problem(response: Reply) -> dict[str, Any]:
    assert response.content_type == "application/problem+json"
    document: dict[str, Any] = msgspec.json.decode(response.whole)
    assert document["type"] == TYPE_PREFIX + document["code"]
    assert document["status"] == response.status_code
    assert document["title"]
    assert document["instance"].startswith("urn:request:")
    return document


@pytest.mark.parametrize(
    "path", [page.path for page in PAGES] + ["/nope", "/api/nope", "/api/health", "/livez"]
)
def test_every_response_has_the_security_headers(path: str) -> None:
    """Errors and JSON too: a browser can be made to show any of them."""
    response = ask("GET", path)
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "microphone=(self)" in response.headers["Permissions-Policy"]
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["X-Request-Id"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_no_inline_script_style_or_handler(page: Any) -> None:
    """The policy would block it, on that page only and only in a browser."""
    response = ask("GET", page.path)
    html = response.whole.decode()
    assert response.status_code == 200
    assert "<style" not in html
    assert " style=" not in html
    assert " onclick=" not in html
    assert html.count("<script") == html.count("<script src=") + html.count('<script type="module" src=')
    assert f'<h1 id="page-title">{page.title}</h1>' in html or page.name == "translation"
    assert 'role="status"' in html


def test_a_valid_request_id_is_kept_and_an_invalid_one_replaced() -> None:
    """One id follows a request through all logs; a header cannot inject lines into them."""
    assert ask("GET", "/livez", headers={"X-Request-Id": "abc-123"}).headers["X-Request-Id"] == "abc-123"
    assert ask("GET", "/livez", headers={"X-Request-Id": "a b\tc"}).headers["X-Request-Id"] != "a b\tc"


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/nope", "/api/tree/health", "/api/sessions/a/b/c"])
def test_an_unknown_path_under_api_is_a_problem_and_never_html(path: str) -> None:
    """Programs read these responses."""
    document = problem(ask("GET", path))
    assert document["code"] == "not_found"
    assert path in document["detail"]


def test_an_unknown_page_says_what_happened_and_what_to_do() -> None:
    """With the side bar of any other page."""
    response = ask("GET", "/nope")
    assert response.status_code == 404
    assert response.content_type.startswith("text/html")
    assert "The path /nope does not exist." in response.whole.decode()
    assert 'href="/"' in response.whole.decode()


def test_a_path_with_markup_is_shown_as_text() -> None:
    """The error page shows the requested path."""
    html = ask("GET", "/%3Cimg%20src=x%20onerror=alert(1)%3E").whole.decode()
    assert "<img src=x" not in html


def test_an_unsupported_method_gets_405_with_the_allowed_ones() -> None:
    """In Allow and in the problem."""
    response = ask("GET", "/api/services/restart")
    assert problem(response)["code"] == "method_not_allowed"
    assert "POST" in response.headers["Allow"]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "invalid_json"),
        (b'{"service": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "application/json", 400, "invalid_request"),
        (b'{"service": ' + b"9" * 20_000 + b"}", "application/json", 400, "invalid_request"),
        (b'{"service": "\xff"}', "application/json", 400, "invalid_json"),
        (b"{}", "application/json", 400, "invalid_request"),
        (b'{"service": 5}', "application/json", 400, "invalid_request"),
        (b'{"service": "audio-service", "extra": 1}', "application/json", 400, "invalid_request"),
        (b"[]", "application/json", 400, "invalid_request"),
        (b"service=audio-service", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"", "", 415, "unsupported_media_type"),
        (b'{"service": "' + b"a" * 70_000 + b'"}', "application/json", 413, "body_too_large"),
        (b" " * 2_000_000, "application/json", 413, "body_too_large"),
        (b'{"service": "nobody"}', "application/json", 404, "unknown_service"),
    ],
)
def test_an_invalid_body_is_refused_with_the_reason(
    body: bytes, content_type: str, status: int, code: str
) -> None:
    """And nothing is restarted."""
    service = ScriptedService("full")
    response = ask(
        "POST", "/api/services/restart", service, data=body, headers={"Content-Type": content_type}
    )
    assert response.status_code == status
    assert problem(response)["code"] == code
    assert service.changes == []


def test_an_invalid_field_is_named() -> None:
    """Its path in the body and what was expected."""
    headers = {"Content-Type": "application/json"}
    document = problem(ask("POST", "/api/services/restart", data=b'{"service": 5}', headers=headers))
    assert document["path"] == "$.service"
    assert "str" in document["expected"]


def test_an_internal_error_shows_no_traceback() -> None:
    """The id in the response is the one in the log."""
    service = ScriptedService("full")

    def fail() -> None:
        raise ZeroDivisionError("the secret of the machine")

    parts: Any = service.parts()
    parts.gateway.statistics = fail
    service.pages = create_pages(parts)
    response = ask("GET", "/api/gateway/status", service)
    document = problem(response)
    assert response.status_code == 500
    assert document["code"] == "internal_error"
    assert response.headers["X-Request-Id"] in document["detail"]
    assert b"secret of the machine" not in response.whole


@pytest.mark.parametrize(
    "path", ["/api/services/restart", "/api/tree/gateway/restart", "/api/sessions/create"]
)
def test_a_foreign_page_cannot_make_changes(path: str) -> None:
    """Whatever it sends, simple requests included."""
    service = ScriptedService("full")
    response = ask("POST", path, service, headers={"Origin": "http://evil.example"}, data=b"{}")
    assert problem(response)["code"] == "wrong_origin"
    assert service.changes == []


CHANGES = [
    ("POST", "/api/services/restart", b'{"service": "audio-service"}', ("restart service", "audio-service")),
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


def test_health_has_its_documented_fields() -> None:
    """Status, services with the hub and the store among them, connections, uptime."""
    response = ask("GET", "/api/health")
    assert msgspec.json.decode(response.whole) == {
        "status": "degraded",
        "services": {
            "audio-service": "degraded",
            "translation-service": "healthy",
            "websocket": "healthy",
            "store": "healthy",
        },
        "store": {"engine": "sqlite", "state": "healthy", "reason": "", "since": None, "cautions": []},
        "connections": {"active": 1458, "total": 20411},
        "uptime": 86000,
    }


def test_health_is_the_worst_of_its_services() -> None:
    """Recovering is worse than degraded, unhealthy worse than both."""
    document = msgspec.json.decode(ask("GET", "/api/health", ScriptedService("broken")).whole)
    assert document["status"] == "unhealthy"
    assert document["services"]["websocket"] == "recovering"
    assert document["services"]["store"] == "degraded"
    assert "Nothing listens there" in document["store"]["reason"]


def test_a_branch_that_is_not_running_makes_the_process_not_ready_but_alive() -> None:
    """A load balancer sends no traffic, and nothing kills the process."""
    service = ScriptedService("broken")
    ready = ask("GET", "/readyz", service)
    assert ready.status_code == 503
    assert msgspec.json.decode(ready.whole)["waiting_for"] == ["websocket"]
    assert ask("GET", "/livez", service).status_code == 200
    assert ask("GET", "/readyz").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/services/status",
        "/api/gateway/status",
        "/api/metrics/dashboard",
        "/api/tree",
        "/api/config",
        "/api/languages",
    ],
)
def test_statistics_are_those_of_the_parts(path: str) -> None:
    """As JSON that is not cached."""
    response = ask("GET", path)
    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert isinstance(msgspec.json.decode(response.whole), dict)


def test_metrics_are_prometheus_text_and_can_be_disabled() -> None:
    """By METRICS_ENABLE."""
    response = ask("GET", "/metrics")
    assert response.content_type.startswith("text/plain; version=")
    assert b"process_" in response.whole
    off = Settings(orchestration=Orchestration(monitoring=Monitoring(enabled=False)))
    assert problem(ask("GET", "/metrics", ScriptedService("full", settings=off)))["code"] == "not_found"


def test_a_static_file_is_immutable_under_its_version_and_revalidated_elsewhere() -> None:
    """ETag, 304, gzip if accepted, and 404 for a missing file."""
    service = ScriptedService("full")
    asset: Any = service.pages.jinja_env.globals["asset"]
    url = asset("css/components.css")
    first = ask("GET", url, service, headers={"Accept-Encoding": "gzip"})
    assert "immutable" in first.headers["Cache-Control"]
    assert first.headers["Content-Encoding"] == "gzip"
    assert first.headers["Vary"] == "Accept-Encoding"
    plain = ask("GET", "/static/css/components.css", service)
    assert plain.headers["Cache-Control"] == "no-cache"
    assert "Content-Encoding" not in plain.headers
    assert len(first.whole) < len(plain.whole) / 2
    again = ask(
        "GET", "/static/css/components.css", service, headers={"If-None-Match": plain.headers["ETag"]}
    )
    assert again.status_code == 304
    assert again.whole == b""
    assert ask("GET", "/static/../pyproject.toml", service).status_code == 404


def test_the_gateway_gets_all_api_paths_but_control_paths() -> None:
    """Control paths take precedence over the route table, with any method."""
    app = ScriptedService("full").pages
    for path in (
        "/api/health",
        "/api/services/restart",
        "/api/sessions/abc",
        "/api/tree/x/restart",
        "/",
        "/metrics",
    ):
        assert app.is_control_path(path), path
    for path in (
        "/api/audio/transcribe",
        "/api/translate",
        "/api/translation/languages",
        "/api/whisper/x",
        "/api",
    ):
        assert not app.is_control_path(path), path


def test_the_openapi_document_marks_operators_paths() -> None:
    """As the table of actions does; the empty alternative is the machine itself, without a token."""
    document = msgspec.json.decode(ask("GET", "/openapi.json").whole)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            rule = re.sub(r"{(\w+)}", r"<\1>", path)
            action = action_of_route(method.upper(), rule)
            is_guests = action in (Action.USE_PUBLIC, Action.READ_SESSION, Action.SPEAK_IN_SESSION)
            assert operation.get("security", []) == ([] if is_guests else [{"control": []}, {}]), (
                method,
                path,
            )


def test_the_openapi_document_describes_every_control_path_and_no_page() -> None:
    """Version 3.1, with schemas from the handlers' own types."""
    response = ask("GET", "/openapi.json")
    document = msgspec.json.decode(response.whole)
    assert document["openapi"].startswith("3.1")
    paths = document["paths"]
    assert {
        "/api/health",
        "/api/tree/{branch}/restart",
        "/api/config",
        "/api/sessions/create",
        "/api/announcements",
        "/api/connections/{connection_id}",
    } <= paths.keys()
    assert not {page.path for page in PAGES} & paths.keys()
    identifiers = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(identifiers) == len(set(identifiers))
    assert "BranchStatistics" in document["components"]["schemas"]
    references = _references(document)
    assert references
    assert references <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def _references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(_references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(_references(value) for value in node))
    return set()


def test_two_applications_in_one_process_share_no_state() -> None:
    """Nothing is kept in modules."""
    one, other = ScriptedService("full"), ScriptedService("broken")
    assert msgspec.json.decode(ask("GET", "/api/health", one).whole)["status"] == "degraded"
    assert msgspec.json.decode(ask("GET", "/api/health", other).whole)["status"] == "unhealthy"


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


def test_health_shows_guests_only_the_status() -> None:
    """Why a store is degraded, and how many are connected, is for operators."""
    guest = ask("GET", "/api/health", ScriptedService("full", settings=WIDE), headers={"Host": "x.example"})
    assert list(msgspec.json.decode(guest.whole)) == ["status"]


@pytest.mark.parametrize("path", ["/translation", "/sign-in", "/nope"])
def test_a_guests_page_links_to_no_operators_page(path: str) -> None:
    """Neither in the side bar nor anywhere else; an operator's links to all."""
    service = ScriptedService("full", settings=WIDE)
    theirs = [page.path for page in PAGES if page.name != "translation"]
    guest = ask("GET", path, service, headers={"Host": "x.example"}).whole.decode()
    assert not [each for each in theirs if f'href="{each}"' in guest]
    assert "data-operator" not in guest
    assert "/api/health" not in guest
    bearer = {"Host": "x.example", "Authorization": f"Bearer {TOKEN}"}
    operator = ask("GET", "/translation", service, headers=bearer).whole.decode()
    assert all(f'href="{each}"' in operator for each in theirs)


def test_the_openapi_document_describes_each_part_of_the_dashboard() -> None:
    """Each is an object with named properties, or a list of them."""
    document = msgspec.json.decode(ask("GET", "/openapi.json").whole)
    schemas = document["components"]["schemas"]
    dashboard = schemas["DashboardStatistics"]["properties"]
    for part in ("gateway", "speech", "connections", "process"):
        name = dashboard[part]["$ref"].rpartition("/")[2]
        assert schemas[name]["properties"], part
    event = dashboard["events"]["items"]["$ref"].rpartition("/")[2]
    assert {"at", "severity", "subject", "text"} <= schemas[event]["properties"].keys()


def test_the_openapi_document_names_each_request_and_response() -> None:
    """Files and uploads, responses without a body, metrics, and paths forwarded to back ends."""
    document = msgspec.json.decode(ask("GET", "/openapi.json").whole)
    paths = document["paths"]
    transcript = paths["/api/sessions/{session_id}/transcript"]["get"]
    assert transcript["responses"]["200"]["content"].keys() == {
        "application/json",
        "text/plain",
        "application/x-subrip",
        "text/vtt",
    }
    parameters = {each["name"]: each for each in transcript["parameters"]}
    assert set(parameters["format"]["schema"]["enum"]) == {"json", "txt", "srt", "vtt"}
    assert "at most 35" in parameters["languages"]["description"]
    ended = paths["/api/sessions/{session_id}"]["delete"]
    assert "content" not in ended["responses"]["204"]
    upload = paths["/api/sessions/{session_id}/recordings"]["post"]["requestBody"]
    assert upload["content"]["multipart/form-data"]["schema"]["properties"]["audio"]["format"] == "binary"
    assert "text/plain" in paths["/metrics"]["get"]["responses"]["200"]["content"]
    assert {"get", "post"} <= paths["/api/translate"].keys()
    assert paths["/api/audio/{path}"]["post"]["parameters"][0]["in"] == "path"
    for path, operations in paths.items():
        for method, operation in operations.items():
            assert operation["responses"], (method, path)
            named = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path)), (method, path)


@pytest.mark.slow
def test_every_documented_path_responds_as_documented_and_never_with_html() -> None:
    """The status is documented, or it is a problem."""
    document = msgspec.json.decode(ask("GET", "/openapi.json").whole)
    own = {rule.rule for rule in ScriptedService().pages.url_map.iter_rules()}
    for path, operations in document["paths"].items():
        if re.sub(r"{(\w+)}", r"<\1>", path) not in own:
            continue  # handed on to a back end
        for method, operation in operations.items():
            answer = ask(method.upper(), re.sub(r"{\w+}", "nothing", path))
            kind = answer.headers.get("content-type", "").partition(";")[0]
            answers = operation["responses"]
            if str(answer.status_code) in answers:
                assert kind in {*answers[str(answer.status_code)].get("content", {"": None})}, (method, path)
            else:
                assert (kind, "default" in answers) == ("application/problem+json", True), (method, path)


def test_options_lists_the_methods_of_exactly_that_path() -> None:
    """Not those of a similar one."""
    for path, methods in (
        ("/api/sessions/create", {"POST", "OPTIONS"}),
        ("/api/sessions/some-name", {"GET", "HEAD", "DELETE", "OPTIONS"}),
    ):
        answer = ask("OPTIONS", path)
        assert set(answer.headers["allow"].split(", ")) == methods


def test_a_plain_request_for_the_socket_says_why_handshakes_are_refused() -> None:
    """Browsers hide the reason of a failed handshake from the page, so it sends a plain request."""
    service = ScriptedService("full")
    full = ProblemError("too_many_connections", "The connection limit has been reached.")
    service.refused = Refused(full, closes.TOO_MANY_CONNECTIONS)
    answer = ask("GET", "/ws", service)
    assert answer.status_code == full.status
    assert problem(answer)["code"] == "too_many_connections"


def test_a_plain_request_for_the_socket_says_what_is_missing() -> None:
    answer = ask("GET", "/ws")
    assert answer.status_code == 426
    assert answer.headers["upgrade"] == "websocket"
    assert "Upgrade: websocket" in msgspec.json.decode(answer.whole)["detail"]
