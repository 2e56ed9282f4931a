"""What runbooks have ``jq`` select is in the responses of the API, as its OpenAPI document describes them."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec
import pytest

from orch.settings import Settings
from tests.fakes.pages_client import ask
from tests.fakes.tools import require
from tests.monitoring.runbook_commands import commands
from tests.structure.test_settings import leaves

pytestmark = pytest.mark.process

Schema = Mapping[str, Any]

#: By the path of the request.
FILTERS: Final = {
    path: sorted({each.filter for each in commands() if each.path == path and each.filter})
    for path in sorted({each.path for each in commands() if each.path and each.filter})
}


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    decoded: dict[str, Any] = msgspec.json.decode(ask("GET", "/openapi.json").whole)
    return decoded


def alternatives(schema: Schema) -> Sequence[Schema]:
    """Return what a value may be, other than null."""
    if "$ref" in schema:
        return alternatives(document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if options := schema.get("anyOf"):
        return [each for option in options for each in alternatives(option)]
    return [] if schema.get("type") == "null" else [schema]


def examples(schema: Schema, words: Sequence[str]) -> Iterator[Any]:
    """Yield values that a schema allows, none of which is null or empty. ``words``: of texts of any kind."""
    for option in alternatives(schema):
        match option.get("type"):
            case _ if "enum" in option:
                yield from (value for value in option["enum"] if value is not None)
            case "array" if "prefixItems" in option:
                yield [next(examples(part, words)) for part in option["prefixItems"]]
            case "array":
                yield list(examples(option.get("items", {}), words))
            case "object":
                yield from objects(option, words)
            case "string":
                yield from words or ("text",)
            case kind:
                yield {"integer": 1, "number": 1.5, "boolean": True}.get(str(kind), "of any type")


def objects(schema: Schema, words: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield objects with all properties: as many as it takes to have each value of each text in one."""
    found = {name: list(examples(each, words)) for name, each in schema.get("properties", {}).items()}
    others = schema.get("additionalProperties")
    if isinstance(others, dict) or not found:
        found["of any name"] = list(examples(others or {}, words))
    texts = [len(values) for values in found.values() if all(isinstance(each, str) for each in values)]
    for number in range(max(texts, default=1)):
        yield {name: values[number % len(values)] for name, values in found.items()}


def response_to(path: str, words: Sequence[str]) -> Any:
    """Return an example of what a request is answered."""
    paths = document()["paths"]
    rule = next(rule for rule in paths if re.fullmatch(re.sub(r"{\w+}", "[^/]+", rule), path))
    schema = paths[rule]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    response = next(examples(schema, words))
    if path == "/api/config":
        response["values"] = dict.fromkeys(leaves(Settings), 1)
    return response


def strict(text: str) -> str:
    """Return a filter whose ``select`` is an error where a field of its condition is missing."""
    before, _, rest = text.partition("select(")
    if not rest:
        return before
    depth, end = 1, 0
    while depth:
        depth += {"(": 1, ")": -1}.get(rest[end], 0)
        end += 1
    condition = rest[: end - 1]
    fields = re.findall(r"(?:\.[a-z_]\w*)+", re.sub(r'"[^"]*"', "", condition))
    known = f"[{', '.join(fields)}] | any(. == null)"
    checked = f'(if {known} then error("{" ".join(fields)}") else select({condition}) end)'
    return before + checked + strict(rest[end:])


def faults(path: str, texts: Sequence[str]) -> list[str]:
    """Return what is wrong with what filters select from a response."""
    words = sorted({word for text in texts for word in re.findall(r'== "([^"]*)"', text)})
    # jq takes longer to start than to select.
    program = ", ".join(f"(try [{strict(text)}] catch [null, .])" for text in texts)
    ran = subprocess.run(
        [require("jq"), "--compact-output", f"[{program}]"],
        input=json.dumps(response_to(path, words)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"{path}: {ran.stderr}"
    return [
        f"{path}: {text}: {json.dumps(found)[:300]}"
        for text, found in zip(texts, json.loads(ran.stdout), strict=True)
        if not found or re.search(r"null|\[\]|{}", json.dumps(found))
    ]


def test_what_runbooks_select_is_in_the_responses() -> None:
    """Each field, and each value of a closed list: ``jq`` prints null or nothing where it is not there."""
    assert sum(map(len, FILTERS.values())) > 80
    assert [fault for path, texts in FILTERS.items() for fault in faults(path, texts)] == []


def test_what_does_not_exist_is_found() -> None:
    """The test above can fail: a wrong field, in a condition too, a wrong value, a list that is none."""
    wrong = [
        ".services[] | {name, stat}",
        '.services[] | select(.nam == "audio-service") | {name}',
        '.services[].instances[] | select(.state == "tired") | {url}',
        ".services[].instance[] | {url}",
        ".services[] | {name, starts: [.instances[] | select(.starts > 0) | {url}]}",
    ]
    found = faults("/api/services/status", [*wrong, ".services[] | {name, state}"])
    assert len(found) == len(wrong), found
