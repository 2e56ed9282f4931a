"""The documents that describe the audio pipeline: parameters, stages, rules and presets. Pure."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import Struct

from orch.audio.parameter_rules import RULES, Rule
from orch.audio.parameters import GROUPS, STAGE_IDS, Parameters, StageId
from orch.audio.pipeline_settings import VERSION, encode
from orch.audio.presets import PRESETS

TITLES: Final[Mapping[StageId, str]] = {
    "original": "Original",
    "decoded": "Decoded",
    "voiceFilter": "Voice filter",
    "vad": "Voice activity",
    "noise": "Noise",
    "voiceEnhance": "Enhancement",
    "voiceProcess": "Processing",
    "silence": "Silence",
    "resample": "Resampling",
    "final": "Final",
}


class StageListed(Struct, frozen=True, kw_only=True, rename="camel"):
    """A stage. ``group``: its property in the parameters; None: it passes audio through.

    ``can_be_off``: it may be missing in ``enabledStages``. ``can_pause``: ``pausedAt`` may name it.
    """

    id: StageId
    title: str
    group: str | None
    can_be_off: bool
    can_pause: bool


class PipelineSchema(Struct, frozen=True, kw_only=True):
    """What an exported file may contain.

    ``schema``: JSON Schema of its ``parameters``, with ``x-step``, ``x-unit`` and, of choices, ``x-labels``.
    ``stages``: in the order in which audio passes them. ``rules``: between two parameters, or one and the
    sample rate.
    """

    version: str
    schema: dict[str, Any]
    stages: tuple[StageListed, ...]
    rules: tuple[Rule, ...]


class PresetListed(Struct, frozen=True, kw_only=True):
    """A preset; ``settings`` is a file as the pages export it, without a timestamp."""

    name: str
    title: str
    text: str
    settings: dict[str, Any]


class PresetsListed(Struct, frozen=True, kw_only=True):
    """The presets, in the order in which pages show them."""

    presets: tuple[PresetListed, ...]


@cache
def pipeline_schema() -> PipelineSchema:
    """Return the parameters, stages and rules."""
    names = {field.name: field.encode_name for field in msgspec.structs.fields(Parameters)}
    stages = tuple(
        StageListed(
            id=stage,
            title=TITLES[stage],
            group=names[GROUPS[stage]] if stage in GROUPS else None,
            can_be_off=stage in GROUPS,
            can_pause=stage not in {"original", "final"},
        )
        for stage in STAGE_IDS
    )
    return PipelineSchema(version=VERSION, schema=msgspec.json.schema(Parameters), stages=stages, rules=RULES)


@cache
def presets_listed() -> PresetsListed:
    """Return the presets."""
    return PresetsListed(
        presets=tuple(
            PresetListed(
                name=preset.name, title=preset.title, text=preset.text, settings=encode(preset.settings)
            )
            for preset in PRESETS.values()
        )
    )
