"""The pages and the control API over scripted parts."""

import gzip
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from orch.problems import ProblemError
from orch.protocol import closes
from orch.settings import Frontend, Monitoring, Orchestration, Settings
from orch.stores.status import StoreStatus
from orch.web.pages import PAGES
from orch.websocket.connections.handshake import Refused
from orch.wiring.applications import create_pages
from tests.fakes.pages_client import TOKEN, WIDE, ask, problem
from tests.fakes.scripted_service import ScriptedService


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


def test_a_store_of_bots_that_cannot_be_written_is_named_and_nothing_else() -> None:
    """The service is ready for everyone else; health says why."""
    service = ScriptedService()
    bots = StoreStatus(engine="postgres", state="degraded", reason="It is away.", since=1.0, cautions=())
    service.bot_engine = SimpleNamespace(status=lambda: bots)
    service.refresh()
    ready = ask("GET", "/readyz", service)
    assert ready.status_code == 200
    assert msgspec.json.decode(ready.whole)["degraded"] == ["bot_store"]
    document = msgspec.json.decode(ask("GET", "/api/health", service).whole)
    assert (document["status"], document["bot_store"]["reason"]) == ("degraded", "It is away.")


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
    assert b"orch_metrics_series" in response.whole
    assert response.headers["Vary"] == "Accept"
    scraped = ask("GET", "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert scraped.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert scraped.whole.endswith(b"# EOF\n")
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


def test_a_page_is_compressed_for_clients_that_accept_it() -> None:
    """The same page in a third of its bytes; caches keep the two apart; other responses stay plain."""
    service = ScriptedService("full")
    plain = ask("GET", "/translation", service)
    packed = ask("GET", "/translation", service, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert plain.headers["Vary"] == packed.headers["Vary"]
    assert "Accept-Encoding" in plain.headers["Vary"]
    assert gzip.decompress(packed.whole) == plain.whole
    assert len(packed.whole) < len(plain.whole) / 3
    assert (
        "Content-Encoding" not in ask("GET", "/metrics", service, headers={"Accept-Encoding": "gzip"}).headers
    )


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


def test_two_applications_in_one_process_share_no_state() -> None:
    """Nothing is kept in modules."""
    one, other = ScriptedService("full"), ScriptedService("broken")
    assert msgspec.json.decode(ask("GET", "/api/health", one).whole)["status"] == "degraded"
    assert msgspec.json.decode(ask("GET", "/api/health", other).whole)["status"] == "unhealthy"


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


def test_options_lists_the_methods_of_exactly_that_path() -> None:
    """Not those of a similar one."""
    for path, methods in (
        ("/api/sessions/create", {"POST", "OPTIONS"}),
        ("/api/sessions/some-name", {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}),
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


def test_the_caption_view_can_be_embedded_by_listed_origins_and_no_other_page_can() -> None:
    """Slides embed captions; a page with controls inside another site's could be clicked unseen."""
    frontend = Frontend(frame_ancestors=("https://slides.example",))
    settings = Settings(orchestration=Orchestration(frontend=frontend))
    for path, wanted in (("/captions/room", "https://slides.example"), ("/translation", "'none'")):
        reply = ask("GET", path, ScriptedService("full", settings=settings))
        assert reply.status_code == 200
        assert reply.headers["Content-Security-Policy"].endswith(f"frame-ancestors {wanted}"), path
    unlisted = ask("GET", "/captions/room").headers["Content-Security-Policy"]
    assert unlisted.endswith("frame-ancestors 'none'")


@pytest.mark.parametrize("name", ["room", "%3Cscript%3Ealert(1)", "%D8%B3", "a" * 3_000])
def test_the_caption_view_is_the_same_page_whatever_the_session(name: str) -> None:
    """It says nothing about which sessions exist, and a name is text, never markup."""
    reply = ask("GET", f"/captions/{name}")
    html = reply.whole.decode()
    assert reply.status_code == 200
    assert "<script>" not in html
    assert " style=" not in html
    assert 'id="captions"' in html
