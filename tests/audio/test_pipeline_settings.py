"""Settings of the pipeline: one place for all parameters, all faults by path, and six presets."""

from typing import Any

import msgspec
import pytest
from msgspec import structs

from orch.audio.parameter_rules import Fault, faults
from orch.audio.parameters import GROUPS, STAGE_IDS, Compressor, Parameters, Vad, VoiceFilter
from orch.audio.pipeline_settings import SettingsFaultError, decode, encode
from orch.audio.presets import PRESETS
from orch.settings import Vad as SpeechVad


def found(document: object, sample_rate: int | None = None) -> dict[str, str]:
    with pytest.raises(SettingsFaultError) as caught:
        decode(document, sample_rate=sample_rate)
    return {fault.path: fault.expected for fault in caught.value.faults}


@pytest.mark.parametrize("name", PRESETS)
def test_settings_survive_export_and_import(name: str) -> None:
    settings = PRESETS[name].settings
    assert decode(msgspec.json.decode(msgspec.json.encode(encode(settings)))) == settings


def test_every_fault_of_an_import_is_named_by_its_path() -> None:
    assert found(
        {
            "version": "2.0",
            "extra": 1,
            "enabledStages": ["noise", "reverb"],
            "parameters": {
                "noiseReduction": {"strength": 2, "colour": "pink"},
                "voiceEnhancement": {"compressor": {"ratio": "3"}},
                "echo": {},
                "vad": [],
            },
        }
    ) == {
        "extra": "no such key",
        "version": '"1.0"',
        "enabledStages[1]": f"one of {', '.join(STAGE_IDS)}",
        "noiseReduction.strength": "`float` <= 1.0",
        "noiseReduction.colour": "no such parameter",
        "voiceEnhancement.compressor.ratio": "`float`, got `str`",
        "echo": "no such parameter",
        "vad": "an object",
    }


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ([], "$"),
        ({"enabledStages": []}, "parameters"),
        ({"parameters": {}}, "enabledStages"),
        ({"parameters": {}, "enabledStages": "all"}, "enabledStages"),
        ({"parameters": {}, "enabledStages": [], "pausedAt": "final"}, "pausedAt"),
        ({"parameters": {"vad": {"aggressiveness": True}}, "enabledStages": []}, "vad.aggressiveness"),
        ({"parameters": {"silence": {"threshold": float("nan")}}, "enabledStages": []}, "silence.threshold"),
    ],
)
def test_an_import_without_its_parts_is_refused_with_the_path(document: object, path: str) -> None:
    assert list(found(document)) == [path]


@pytest.mark.parametrize(
    ("parameters", "path"),
    [
        ({"voiceFilter": {"formant1Min": 900, "formant1Max": 800}}, "voiceFilter.formant1Min"),
        ({"vad": {"voiceFreqMin": 200, "voiceFreqMax": 200}}, "vad.voiceFreqMin"),
        ({"silence": {"threshold": -30, "breathThreshold": -35}}, "silence.breathThreshold"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(parameters: dict[str, Any], path: str) -> None:
    assert list(found({"parameters": parameters, "enabledStages": []})) == [path]


def test_bands_begin_below_half_the_sample_rate() -> None:
    """The default sibilance begins at 4 kHz, which 8 kHz of samples cannot hold; its end may lie above."""
    assert faults(Parameters(), sample_rate=16_000) == ()
    assert [fault.path for fault in faults(Parameters(), sample_rate=8_000)] == [
        "voiceFilter.sibilanceMin",
        "voiceEnhancement.deEsser.frequency",
    ]


def test_stages_that_pass_audio_through_are_always_on() -> None:
    settings = decode({"parameters": {}, "enabledStages": ["vad"]})
    assert settings.enabled == {"original", "decoded", "vad", "final"}
    assert set(GROUPS) | {"original", "decoded", "final"} == set(STAGE_IDS)


def test_the_presets_are_the_table() -> None:
    assert {
        name: (
            parameters.vad.aggressiveness,
            parameters.vad.energy_threshold,
            parameters.voice_filter.voice_band_gain,
            parameters.voice_filter.sibilance_boost,
            parameters.noise_reduction.strength,
            parameters.noise_reduction.voice_protection,
            parameters.voice_enhancement.compressor.threshold,
            parameters.voice_enhancement.compressor.ratio,
        )
        for name, preset in PRESETS.items()
        for parameters in [preset.settings.parameters]
    } == {
        "default": (2, 0.01, 1.1, 1.2, 0.7, True, -20, 3),
        "voice": (1, 0.005, 1.3, 1.5, 0.5, True, -18, 2.5),
        "noisy": (3, 0.02, 1.5, 1.8, 0.9, True, -25, 4),
        "music": (0, 0.001, 1.0, 1.0, 0.3, False, -15, 2),
        "minimal": (1, 0.01, 1.0, 1.0, 0.3, True, -10, 1.5),
        "aggressive": (3, 0.03, 1.8, 2.0, 0.95, True, -30, 6),
    }
    default = PRESETS["default"].settings.parameters
    enhancement = default.voice_enhancement
    usual = structs.replace(enhancement.compressor, makeup_gain=Compressor().makeup_gain)
    assert Parameters() == structs.replace(
        default, voice_enhancement=structs.replace(enhancement, compressor=usual)
    ), "it is the parameters' defaults, with more make-up gain"


def test_the_speech_flow_has_the_same_ranges_and_defaults() -> None:
    assert {name: getattr(SpeechVad(), name) for name in Vad.__struct_fields__} == {
        name: getattr(Vad(), name) for name in Vad.__struct_fields__
    }
    ranges = msgspec.json.schema(SpeechVad)["$defs"]["Vad"]["properties"]
    for name, wire in zip(Vad.__struct_fields__, Vad.__struct_encode_fields__, strict=True):
        own = msgspec.json.schema(Vad)["$defs"]["Vad"]["properties"][wire]
        assert ranges[name] == own


def test_every_parameter_has_label_and_help_and_every_number_a_step() -> None:
    definitions = msgspec.json.schema(Parameters)["$defs"]
    for name, definition in definitions.items():
        for parameter, schema in definition["properties"].items():
            if "$ref" in schema or "anyOf" in schema:
                continue
            assert schema["title"], (name, parameter)
            assert schema["description"].endswith("."), (name, parameter)
            if schema.get("type") in {"number", "integer"}:
                assert {"minimum", "maximum", "x-step", "x-unit", "default"} <= schema.keys(), (
                    name,
                    parameter,
                )
                assert schema["minimum"] <= schema["default"] <= schema["maximum"]


def test_a_fault_says_what_was_expected() -> None:
    with pytest.raises(SettingsFaultError, match=r"voiceFilter\.formant1Min: expected less than formant1Max"):
        decode({"parameters": {"voiceFilter": {"formant1Min": 900, "formant1Max": 800}}, "enabledStages": []})
    assert faults(Parameters(voice_filter=VoiceFilter(formant1_min=900, formant1_max=800))) == (
        Fault("voiceFilter.formant1Min", "less than formant1Max, which is 800 Hz"),
    )


def test_frequencies_of_stages_that_are_off_are_no_faults() -> None:
    """What is off does nothing at any rate; rules between two parameters hold anyway."""
    assert decode({"parameters": {}, "enabledStages": ["noise"]}, sample_rate=8000).enabled
    with pytest.raises(SettingsFaultError) as refused:
        decode({"parameters": {}, "enabledStages": ["voiceEnhance"]}, sample_rate=8000)
    assert [fault.path for fault in refused.value.faults] == ["voiceEnhancement.deEsser.frequency"]
