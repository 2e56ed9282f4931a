"""The OpenAPI document at ``/openapi.json``, from the routes and the handlers' own types.

Quart-Schema walks the routes; the schemas are msgspec's. Quart-Schema 0.25 asks msgspec for one type at a
time and uses only the first returned schema, so that every nested type is a dangling reference; here all
schemas are generated at once, under ``components``.
"""

import inspect
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from quart_schema.openapi import OpenAPIProvider
from quart_schema.validation import (
    QUART_SCHEMA_REQUEST_ATTRIBUTE,
    QUART_SCHEMA_RESPONSE_ATTRIBUTE,
    DataSource,
)
from werkzeug.routing.rules import Rule

from orch.access.actions import Action, action_of_route
from orch.web import openapi_extras

REFERENCE: Final = "#/components/schemas/{name}"

PROBLEM: Final = {
    "description": "A problem document (RFC 9457): what was wrong, and what to do.",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail", "code"],
                "properties": {
                    "type": {"type": "string", "format": "uri"},
                    "title": {"type": "string"},
                    "status": {"type": "integer"},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                    "instance": {"type": "string", "format": "uri"},
                },
            }
        }
    },
}


#: The security schemes of operators' operations; the empty one is for local requests without a token.
OPERATORS: Final = frozenset(
    {
        Action.VIEW_OPERATIONS,
        Action.CHANGE_OPERATIONS,
        Action.SCRAPE_METRICS,
        Action.CREATE_SESSION,
        Action.PROCESS_AUDIO,
        Action.REGISTER_INSTANCE,
        Action.RECEIVE_ALERTS,
    }
)
OPERATORS_SECURITY: Final[list[dict[str, list[str]]]] = [{"control": []}, {}]


class Provider(OpenAPIProvider):
    """Builds the document on each request."""

    def schema(self) -> dict[str, Any]:
        """Return the document."""
        models = self._models()
        schemas, components = msgspec.json.schema_components(models, ref_template=REFERENCE)
        self._schemas = dict(zip(models, schemas, strict=True))
        document = super().schema()
        document["components"]["schemas"] = components
        routes = self._app.config["GATEWAY_ROUTES"]()
        handed_on = openapi_extras.gateway_paths(routes, PROBLEM)
        document["paths"] = handed_on | document["paths"]
        return document

    def _models(self) -> list[Any]:
        """Return every type that routes accept or return."""
        models: dict[Any, None] = {}
        for rule in self.generate_rules():
            view = self._app.view_functions[rule.endpoint]
            for model, _ in getattr(view, QUART_SCHEMA_RESPONSE_ATTRIBUTE, {}).values():
                models[model] = None
            taken = getattr(view, QUART_SCHEMA_REQUEST_ATTRIBUTE, None)
            if taken is not None:
                models[taken[0]] = None
        return list(models)

    def build_response_object(
        self,
        model: Any,
        headers_model: Any,  # noqa: ARG002 - the base class's signature; no route describes headers
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a reference to a response."""
        content = {"application/json": {"schema": self._schemas[model]}}
        return {"description": inspect.getdoc(model) or "", "content": content}, {}

    def build_request_body(
        self,
        model: Any,
        source: DataSource,  # noqa: ARG002 - the base class's signature; all our bodies are JSON
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a reference to a request body."""
        return {"content": {"application/json": {"schema": self._schemas[model]}}}, {}

    def operation_id(self, method: str, path: str, func: Callable[..., Any]) -> str:  # noqa: ARG002 - the base class's signature
        """Return an operation id such as ``post_api_services_restart``."""
        return f"{method.lower()}_{'_'.join(re.findall(r'[A-Za-z0-9]+', path))}"

    def build_paths(self, rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the base class's paths, each with its error response.

        Operators' operations, by the table of actions, are marked as requiring the control token.
        """
        paths, components = super().build_paths(rule)
        for path, operations in paths.items():
            for method, operation in operations.items():
                operation.pop("security", None)
                if action_of_route(method.upper(), rule.rule) in OPERATORS:
                    operation["security"] = OPERATORS_SECURITY
                openapi_extras.complete(method, path, operation, PROBLEM)
            if path.startswith("/api/"):
                for operation in operations.values():
                    answers = {str(status): each for status, each in operation["responses"].items()}
                    operation["responses"] = {"default": PROBLEM} | answers
        return paths, components
