import pytest

from orch.gateway.public_routes import PublicRoutes
from orch.gateway.routes import RouteTable
from orch.settings import Gateway, PublicRoute, decode

TABLE = RouteTable(Gateway().routes)
PUBLIC = PublicRoutes(
    [
        PublicRoute(path="/api/translate", methods=("POST",)),
        PublicRoute(path="/api/audio/models"),
        PublicRoute(path="/api/translation/open/", methods=("GET", "PUT")),
    ],
    TABLE,
)


@pytest.mark.parametrize(
    ("method", "path", "is_open"),
    [
        ("POST", "/api/translate", True),
        ("POST", "/api/translate?x=1", True),
        ("POST", "/api/%74ranslate", True),
        ("POST", "/api//translate", True),
        ("POST", "/api/x/../translate", True),
        ("GET", "/api/translate", False),
        ("POST", "/api/translate/", False),
        ("POST", "/api/translate/batch", False),
        ("POST", "/api/translate;x=1", False),
        ("POST", "/api/translate%2f", False),
        ("POST", "/API/translate", False),
        ("GET", "/api/audio/models", True),
        ("HEAD", "/api/audio/models", True),
        ("OPTIONS", "/api/audio/models", False),
        ("DELETE", "/api/audio/models", False),
        ("GET", "/api/audio/transcribe", False),
        ("GET", "/api/whisper/models", False),
        ("PUT", "/api/translation/open/a/b", True),
        ("GET", "/api/translation/open/", True),
        ("GET", "/api/translation/open", False),
        ("GET", "/api/translation/open/../closed", False),
        ("GET", "/api/translation/open/%2e%2e/closed", False),
        ("GET", "/api/translation/open/..%2fclosed", False),
        ("GET", "/api/translation/open/%252e%252e/closed", False),
        ("GET", "/api/translation/opened", False),
        ("GET", "/", False),
    ],
)
def test_only_what_is_listed_is_open(method: str, path: str, is_open: bool) -> None:  # noqa: FBT001 - a column
    """Method and path, however the path is written; what can be read in two ways is not."""
    assert PUBLIC.opens(method, path) is is_open


@pytest.mark.parametrize(
    ("service", "method", "path", "is_open"),
    [
        ("translation-service", "POST", "/api/translate", True),
        ("audio-service", "POST", "/api/translate", False),
        ("translation-service", "GET", "/api/translate", False),
        ("audio-service", "GET", "/api/models", True),
        ("audio-service", "POST", "/api/models", False),
        ("translation-service", "GET", "/api/open/x", True),
        ("translation-service", "GET", "/api/open", False),
        ("translation-service", "GET", "/api/open/../x", False),
        ("unknown", "GET", "/api/models", False),
    ],
)
def test_a_message_may_reach_the_target_of_a_listed_path(
    service: str,
    method: str,
    path: str,
    is_open: bool,  # noqa: FBT001 - a column
) -> None:
    """The socket has no other list."""
    assert PUBLIC.opens_inside(service, method, path) is is_open


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("public: true", "public_routes"),
        ("public: true, public_routes: []", "public_routes"),
        ("public_routes: [{path: /api/sessions}]", "public_routes[0].path"),
        ("public_routes: [{path: /api/audio/../config}]", "public_routes[0].path"),
        ("public_routes: [{path: /api/audio/%2e%2e/config}]", "public_routes[0].path"),
        ("public_routes: [{path: /api/audio/x, methods: [TRACE]}]", "public_routes[0].methods"),
        ("public_routes: [{path: audio}]", "public_routes[0].path"),
    ],
)
def test_a_list_that_cannot_be_intended_is_a_fault_of_the_settings(text: str, where: str) -> None:
    """Reported at start, with its path in the file."""
    found = [fault.path for fault in decode("orchestration: {gateway: {" + text + "}}", {}).faults]
    assert found == [f"orchestration.gateway.{where}"]


def test_a_valid_list_is_no_fault() -> None:
    """What the documentation shows."""
    text = (
        "orchestration: {gateway: {public: true, public_routes: [{path: /api/translate, methods: [POST]}]}}"
    )
    assert decode(text, {}).faults == ()
