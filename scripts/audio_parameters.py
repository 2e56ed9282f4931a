"""Writes the tables of parameters in ``docs/audio.md`` from ``orch/audio/parameters.py``.

Run ``python scripts/audio_parameters.py`` after a parameter was changed; a test compares them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from orch.audio.parameters import GROUPS, Parameters

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "audio.md"
BEGIN: Final = "<!-- parameters: scripts/audio_parameters.py writes them -->\n"
END: Final = "<!-- end of parameters -->\n"


def tables() -> str:
    """Return a table for each stage, as Markdown."""
    schema = msgspec.json.schema(Parameters)
    definitions: dict[str, Any] = schema["$defs"]
    names = {field.name: field.encode_name for field in msgspec.structs.fields(Parameters)}
    properties = definitions["Parameters"]["properties"]
    parts = []
    for stage, field in GROUPS.items():
        group = names[field]
        rows = "".join(_rows(definitions, _definition(definitions, properties[group]), ""))
        parts.append(
            f"### {stage}: `{group}`\n\n| parameter | default | range, step | |\n|---|---|---|---|\n{rows}\n"
        )
    return "".join(parts)


def _rows(definitions: dict[str, Any], group: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, knob in group["properties"].items():
        inner = _definition(definitions, knob)
        if "properties" in inner:
            yield from _rows(definitions, inner, f"{prefix}{name}.")
        else:
            unit = knob.get("x-unit", "")
            default = f"{_value(knob['default'])} {unit}".rstrip()
            text = f"{knob['title']}. {knob['description']}"
            yield f"| `{prefix}{name}` | {default} | {_range(knob)} | {text} |\n"


def _range(knob: dict[str, Any]) -> str:
    if "enum" in knob:
        return ", ".join(_value(each) for each in knob["enum"])
    if "minimum" in knob:
        low, high, step = (_value(knob[key]) for key in ("minimum", "maximum", "x-step"))
        return f"{low} to {high}, {step}"
    return "on, off"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}".replace("-", "\N{MINUS SIGN}") if isinstance(value, float | int) else str(value)


def _definition(definitions: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = definitions[node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    return found


def completed(document: str) -> str:
    """Return the document with the tables of today."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + tables() + END + after


if __name__ == "__main__":
    DOCUMENT.write_text(completed(DOCUMENT.read_text("utf-8")), "utf-8")
