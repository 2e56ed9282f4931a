"""The OpenAPI document describes every path of the control API."""

import re
from typing import Any

import msgspec
import pytest

from orch.access.actions import IN_SESSION, Action, action_of_route
from orch.bots.requests import BotRequest, LanguagesChange, WebcamChange
from orch.web.api.bot_commands import ChatMessage
from orch.web.api.webhooks import EndpointChange, NewEndpoint, NewSecret
from orch.web.bot_forms import checked_request
from orch.web.pages import PAGES
from tests.fakes.pages_client import ask
from tests.fakes.scripted_service import ScriptedService


def test_the_openapi_document_marks_operators_paths() -> None:
    """As the table of actions does; the empty alternative is the machine itself, without a token."""
    document = msgspec.json.decode(ask("GET", "/openapi.json").whole)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            rule = re.sub(r"{(\w+)}", r"<\1>", path)
            action = action_of_route(method.upper(), rule)
            is_guests = action is Action.USE_PUBLIC or action in IN_SESSION
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
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    }
    parameters = {each["name"]: each for each in transcript["parameters"]}
    assert set(parameters["format"]["schema"]["enum"]) == {"json", "txt", "srt", "vtt", "docx"}
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


def test_the_examples_of_bots_are_what_the_paths_accept() -> None:
    """Each is decoded as the body of its operation, and checked as one; files are in all their types."""
    paths = msgspec.json.decode(ask("GET", "/openapi.json").whole)["paths"]
    types: dict[str, Any] = {
        "post /api/bots": BotRequest,
        "post /api/bots/{bot_id}/chat": ChatMessage,
        "post /api/bots/{bot_id}/language": LanguagesChange,
        "patch /api/bots/{bot_id}/webcam": WebcamChange,
        "post /api/webhooks": NewEndpoint,
        "patch /api/webhooks/{endpoint_id}": EndpointChange,
        "post /api/webhooks/{endpoint_id}/rotate": NewSecret,
    }
    examples = {
        f"{method} {path}": operation["requestBody"]["content"]["application/json"]["example"]
        for path, operations in paths.items()
        for method, operation in operations.items()
        if "example" in operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    }
    assert examples.keys() == types.keys()
    for name, example in examples.items():
        msgspec.convert(example, types[name], strict=True)
    bot = msgspec.convert(examples["post /api/bots"], BotRequest)
    assert checked_request(bot, origins={}, now=0).metadata == {"ticket": 17}
    transcript = paths["/api/bots/{bot_id}/transcript"]["get"]["responses"]["200"]["content"]
    assert {"application/json", "text/plain", "application/x-subrip", "text/vtt"} == transcript.keys()
    assert "$ref" in transcript["application/json"]["schema"]
    recording = paths["/api/bots/{bot_id}/recording/{file_id}"]["get"]["responses"]
    assert {"200", "206", "416", "default"} == recording.keys()
    assert "audio/wav" in paths["/api/bots/{bot_id}/speak"]["post"]["requestBody"]["content"]


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
