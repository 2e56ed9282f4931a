"""Decodes what clients send as settings of the pipeline, into settings or into all their faults. Pure.

The exported file is ``{"version": "1.0", "timestamp": …, "parameters": {group: {…}}, "enabledStages": […]}``.
What a group does not name has its default.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from orch.audio.parameter_rules import Fault, faults
from orch.audio.parameters import GROUPS, STAGE_IDS, Group, Parameters, StageId

VERSION: Final = "1.0"
ALL_STAGES: Final[frozenset[StageId]] = frozenset(STAGE_IDS)
_KEYS: Final = {"version", "timestamp", "name", "parameters", "enabledStages", "pausedAt"}
_ALWAYS: Final[frozenset[StageId]] = ALL_STAGES - set(GROUPS)
"""Stages that pass audio through; they cannot be off."""


class PipelineSettings(Struct, frozen=True, kw_only=True):
    """Which stages process audio, and how. ``paused_at``: the stage whose output is the pipeline's."""

    parameters: Parameters = Parameters()
    enabled: frozenset[StageId] = ALL_STAGES
    paused_at: StageId | None = None


class SettingsFaultError(ValueError):
    """Settings that cannot be used; ``faults`` are all that is wrong with them."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(f"{fault.path}: expected {fault.expected}" for fault in faults))
        self.faults = faults


def decode(document: object, *, sample_rate: int | None = None) -> PipelineSettings:
    """Return the settings of a decoded JSON document. SettingsFaultError: with every fault and its path."""
    found: list[Fault] = []
    if not isinstance(document, Mapping):
        raise SettingsFaultError((Fault("$", "an object with parameters and enabledStages"),))
    found += (
        Fault(key, "to be there: an exported file has parameters and enabledStages")
        for key in ("parameters", "enabledStages")
        if key not in document
    )
    found += (Fault(str(key)[:100], "no such key") for key in document if key not in _KEYS)
    if document.get("version", VERSION) != VERSION:
        found.append(Fault("version", f'"{VERSION}"'))
    enabled = frozenset(_stages(document.get("enabledStages", []), found))
    paused_at = _paused_at(document.get("pausedAt"), found)
    parameters = decode_parameters(document.get("parameters", {}), found)
    if not found:
        found += faults(parameters, sample_rate=sample_rate, enabled=enabled)
    if found:
        raise SettingsFaultError(tuple(found))
    return PipelineSettings(parameters=parameters, enabled=enabled | _ALWAYS, paused_at=paused_at)


def encode(settings: PipelineSettings) -> dict[str, Any]:
    """Return the JSON document of settings, without a timestamp."""
    document: dict[str, Any] = {
        "version": VERSION,
        "parameters": msgspec.to_builtins(settings.parameters),
        "enabledStages": [stage for stage in STAGE_IDS if stage in settings.enabled],
    }
    if settings.paused_at is not None:
        document["pausedAt"] = settings.paused_at
    return document


def decode_parameters(document: object, found: list[Fault]) -> Parameters:
    """Return the parameters of a JSON object; what is wrong is appended to ``found``, and has its default."""
    values = _group(Parameters, document, "", found)
    return values if isinstance(values, Parameters) else Parameters()


def _group(kind: type[Struct], document: object, path: str, found: list[Fault]) -> Struct:
    """Decode field by field, so that every fault is found."""
    if not isinstance(document, Mapping):
        found.append(Fault(path or "parameters", "an object"))
        return kind()
    fields = {field.encode_name: field for field in structs.fields(kind)}
    values: dict[str, Any] = {}
    for key, value in document.items():
        here = f"{path}.{key}" if path else str(key)
        field = fields.get(key)
        if field is None:
            found.append(Fault(here[:200], "no such parameter"))
        elif isinstance(field.type, type) and issubclass(field.type, Group):
            values[field.name] = _group(field.type, value, here, found)
        else:
            try:
                values[field.name] = msgspec.convert(value, field.type)
            except msgspec.ValidationError as error:
                found.append(Fault(here, _expected(str(error))))
    return kind(**values)


def _expected(text: str) -> str:
    """Return msgspec's words without "Expected" in front."""
    words = text.removeprefix("Expected ").partition(" - at ")[0]
    return words[:1].lower() + words[1:]


def _stages(document: object, found: list[Fault]) -> Iterator[StageId]:
    if not isinstance(document, list):
        found.append(Fault("enabledStages", "a list of stages"))
        return
    for index, name in enumerate(document):
        stage = _stage(name)
        if stage is not None:
            yield stage
        else:
            found.append(Fault(f"enabledStages[{index}]", f"one of {', '.join(STAGE_IDS)}"))


def _paused_at(name: object, found: list[Fault]) -> StageId | None:
    if name is None:
        return None
    stage = _stage(name)
    if stage is None or stage in {"original", "final"}:
        found.append(Fault("pausedAt", f"one of {', '.join(STAGE_IDS[1:-1])}"))
        return None
    return stage


def _stage(name: object) -> StageId | None:
    return next((stage for stage in STAGE_IDS if stage == name), None)
