"""The pipeline describes itself: parameters, stages, rules and presets."""

from typing import Any

import msgspec
import pytest

from orch.audio.parameter_rules import RULES, faults, suited
from orch.audio.parameters import STAGE_IDS, Parameters
from orch.audio.pipeline_settings import decode
from orch.audio.presets import PRESETS
from tests.fakes.pages_client import ask


def read(path: str) -> Any:
    reply = ask("GET", path)
    assert reply.status_code == 200
    return msgspec.json.decode(reply.whole)


def resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref")
    return node if reference is None else document["$defs"][reference.rpartition("/")[2]]


def knobs(document: dict[str, Any], node: dict[str, Any], path: str = "") -> dict[str, dict[str, Any]]:
    """Return every parameter by its path."""
    found: dict[str, dict[str, Any]] = {}
    for name, inner in resolved(document, node)["properties"].items():
        here = f"{path}{name}"
        target = resolved(document, inner)
        found |= knobs(document, target, f"{here}.") if "properties" in target else {here: inner}
    return found


def test_every_parameter_has_what_a_control_needs() -> None:
    """Title, help and default of each; numbers with range and step besides."""
    document = read("/api/pipeline/schema")["schema"]
    found = knobs(document, document)
    assert len(found) > 60
    for path, knob in found.items():
        assert knob["title"], path
        assert knob["description"].endswith("."), path
        assert "default" in knob, path
        if knob.get("type") in {"number", "integer"}:
            assert knob["minimum"] < knob["maximum"], path
            assert knob["x-step"] > 0, path
        choices = knob.get("enum", ())
        if any(isinstance(choice, str) for choice in choices):
            assert set(knob["x-labels"]) == set(choices), path
    assert found["silence.padDuration"]["x-unit"] == "ms"


def test_stages_are_in_their_order_with_their_groups() -> None:
    """A page can draw the flow from it."""
    document = read("/api/pipeline/schema")
    stages = document["stages"]
    assert tuple(stage["id"] for stage in stages) == STAGE_IDS
    properties = resolved(document["schema"], document["schema"])["properties"]
    assert {stage["group"] for stage in stages} - {None} == set(properties)
    assert [stage["id"] for stage in stages if not stage["canPause"]] == ["original", "final"]
    assert [stage["id"] for stage in stages if not stage["canBeOff"]] == ["original", "decoded", "final"]


def test_rules_name_parameters_that_exist() -> None:
    """A rule about a parameter that is gone would never be broken."""
    document = read("/api/pipeline/schema")
    found = knobs(document["schema"], document["schema"])
    assert len(document["rules"]) == len(RULES) > 10
    for rule in document["rules"]:
        paths = {rule["path"], rule["other"], *([rule["when"]["path"]] if "when" in rule else [])}
        assert paths - {"sampleRate / 2"} <= set(found)


def test_presets_are_files_that_can_be_imported() -> None:
    """What is listed is what an import accepts, and what the service itself uses."""
    listed = read("/api/pipeline/presets")["presets"]
    assert [preset["name"] for preset in listed] == list(PRESETS)
    for preset in listed:
        assert decode(preset["settings"]) == PRESETS[preset["name"]].settings


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 48000])
@pytest.mark.parametrize("name", PRESETS)
def test_presets_suit_each_sample_rate(name: str, rate: int) -> None:
    """At low rates a preset leaves out what such audio does not contain; at 16 kHz and above nothing."""
    parameters = suited(PRESETS[name].settings.parameters, rate)
    assert faults(parameters, sample_rate=rate) == ()
    if rate >= 16000:
        assert parameters == PRESETS[name].settings.parameters


def test_what_does_not_suit_a_rate_is_off_and_the_rest_as_it_was() -> None:
    """A telephone's 8 kHz have nothing at 4 kHz and above."""
    parameters = suited(Parameters(), 8000)
    assert parameters.voice_filter.sibilance_boost == 1
    assert not parameters.voice_enhancement.de_esser.enabled
    assert parameters.voice_enhancement.clarity.enabled
    assert parameters.noise_reduction == Parameters().noise_reduction
