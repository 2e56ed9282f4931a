"""Parts of the OpenAPI document that handlers' types do not cover: files, uploads, gateway routes. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from orch.audio.presets import PRESETS, UNNAMED
from orch.settings import Route
from orch.speech.exports import FORMATS
from orch.web import openapi_bots

_FILE: Final = {"type": "string", "format": "binary"}
_CODES: Final = "Language codes separated by commas: up to 32, each of at most 35 characters."

_UPLOAD: Final = "/api/sessions/{session_id}/uploads/{upload_id}"
_OFFSET: Final = {"Upload-Offset": {"schema": {"type": "integer"}}}

_PRESET: Final = {"type": "string", "enum": list(PRESETS), "default": UNNAMED}
_SETTINGS: Final = {"type": "string", "description": "An exported file; not together with preset."}


def _pipeline_form(fields: Mapping[str, Any], *, required: Iterable[str] = ()) -> dict[str, Any]:
    """Return the description of a form with a file and other fields."""
    schema = {
        "type": "object",
        "required": ["audio", *required],
        "properties": {"audio": _FILE, **fields},
        "additionalProperties": False,
    }
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


#: Additions to operations, by method and path.
OPERATIONS: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = {
    ("get", "/metrics"): {
        "responses": {
            "200": {
                "description": "The exposition.",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            },
            "default": "problem",
        }
    },
    ("get", "/api/config/export"): {
        "responses": {
            "200": {
                "description": "The current settings, without secrets.",
                "content": {"application/yaml": {"schema": {"type": "string"}}},
            }
        }
    },
    ("post", "/api/config/import"): {
        "requestBody": {
            "required": True,
            "description": "A settings file.",
            "content": {"application/yaml": {"schema": {"type": "string"}}},
        }
    },
    ("delete", "/api/sessions/{session_id}"): {
        "responses": {"204": {"description": "The session has ended."}}
    },
    ("delete", "/api/sessions/{session_id}/codes/{right}"): {
        "responses": {"204": {"description": "The code is deleted."}}
    },
    ("get", "/api/sessions/{session_id}/transcript"): {
        "responses": {
            "200": {
                "description": "The file.",
                "headers": {"X-Transcript-Complete": {"schema": {"enum": ["true", "false"]}}},
                "content": {
                    each.media_type.partition(";")[0]: {"schema": {"type": "string"}}
                    for each in FORMATS.values()
                },
            }
        },
        "parameters": {
            "format": {"schema": {"type": "string", "enum": list(FORMATS), "default": "json"}},
            "languages": {"description": _CODES},
        },
    },
    ("post", "/api/sessions/{session_id}/recordings"): {
        "requestBody": {
            "required": True,
            "description": 'The recording: the file itself, or a form with the file in the field "audio".',
            "content": {
                "application/octet-stream": {"schema": _FILE},
                "audio/*": {"schema": _FILE},
                "multipart/form-data": {
                    "schema": {"type": "object", "required": ["audio"], "properties": {"audio": _FILE}}
                },
            },
        },
        "parameters": {"target_languages": {"description": _CODES}},
    },
    ("post", "/api/pipeline/process"): {
        "requestBody": _pipeline_form({"preset": _PRESET, "settings": _SETTINGS}),
        "responses": {
            "200": {
                "description": "The processed file.",
                "content": {"audio/wav": {"schema": _FILE}},
            }
        },
    },
    ("post", "/api/pipeline/analyze"): {
        "requestBody": _pipeline_form({"preset": _PRESET, "settings": _SETTINGS}),
    },
    ("post", "/api/pipeline/compare"): {
        "requestBody": _pipeline_form(
            {
                "a": {"type": "string", "description": "A preset's name, or settings as JSON."},
                "b": {"type": "string", "description": "A preset's name, or settings as JSON."},
                "reference": {"type": "string", "description": "What is spoken."},
                "language": {"type": "string", "default": "auto"},
            },
            required=("a", "b"),
        ),
    },
    ("post", "/api/sessions/{session_id}/uploads"): {
        "responses": {"201": {"description": "The upload's address is in Location.", "headers": _OFFSET}}
    },
    ("get", _UPLOAD): {
        "responses": {"204": {"description": "How many bytes have arrived.", "headers": _OFFSET}}
    },
    ("patch", _UPLOAD): {
        "requestBody": {"required": True, "content": {"application/offset+octet-stream": {"schema": _FILE}}},
        "responses": {"204": {"description": "The piece is stored.", "headers": _OFFSET}},
    },
    ("delete", _UPLOAD): {"responses": {"204": {"description": "The upload is removed."}}},
}

_METHODS: Final = ("get", "post", "put", "patch", "delete")


def complete(method: str, path: str, operation: dict[str, Any], problem: Mapping[str, Any]) -> None:
    """Add the entries of :data:`OPERATIONS` and those of bots to ``operation``, and its example."""
    more = OPERATIONS.get((method, path)) or openapi_bots.OPERATIONS.get((method, path), {})
    example = openapi_bots.EXAMPLES.get((method, path))
    if example is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = example
    answers = operation.setdefault("responses", {})
    for status, answer in more.get("responses", {}).items():
        answers.pop(int(status) if status.isdecimal() else status, None)
        answers[status] = problem if answer == "problem" else answer
    for key in ("200", 200):
        if key in answers:
            answers[key].setdefault("content", {}).update(more.get("more_content", {}))
            if "headers" in more:
                answers[key]["headers"] = more["headers"]
    if "requestBody" in more:
        operation["requestBody"] = more["requestBody"]
    for parameter in operation.get("parameters", []):
        parameter.update(more.get("parameters", {}).get(parameter["name"], {}))


def gateway_paths(routes: Iterable[Route], problem: Mapping[str, Any]) -> dict[str, Any]:
    """Return the paths forwarded to back ends; bodies are those of the back ends."""
    paths: dict[str, Any] = {}
    for route in routes:
        below = {"name": "path", "in": "path", "required": True, "schema": {"type": "string"}}
        has_rest = route.prefix.endswith("/")
        path = f"{route.prefix}{{path}}" if has_rest else route.prefix
        name = "_".join(filter(None, route.prefix.strip("/").split("/"))).replace("-", "_")
        paths[path] = {
            method: {
                "operationId": f"{method}_{name}_gateway",
                "summary": f"Forward the request to {route.service}.",
                "description": (
                    f"Forwards the rest of the path to {route.service} below {route.path}. Request and "
                    "response are those of the back end; errors of the gateway are problem documents."
                ),
                "parameters": [below] if has_rest else [],
                "responses": {"default": problem},
                "security": [{"control": []}, {}],
            }
            for method in _METHODS
        }
    return paths
