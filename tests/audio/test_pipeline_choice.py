"""The pipeline that a session asks for: presets and settings, stored and read again."""

import msgspec
import pytest

from orch.audio.pipeline_choice import decoded, encoded, for_speech, settings_of
from orch.audio.pipeline_settings import PipelineSettings, SettingsFaultError, encode
from orch.audio.presets import PRESETS


def test_a_preset_is_stored_by_its_name_and_settings_whole() -> None:
    """So a preset that is improved applies to stored sessions too; own settings stay as they were."""
    assert encoded("noisy") == b'"noisy"'
    assert decoded(b'"noisy"') == PRESETS["noisy"].settings
    partial = {
        "parameters": {"noiseReduction": {"strength": 0.5}},
        "enabledStages": ["noise"],
        "name": "mine",
    }
    stored = encoded(partial)
    settings = decoded(stored)
    assert settings is not None
    assert settings.parameters.noise_reduction.strength == 0.5
    assert msgspec.json.decode(stored) == encode(settings)
    assert encoded(None) == b""
    assert decoded(b"") is None


@pytest.mark.parametrize("choice", ["loud", "", {}, {"parameters": {}, "enabledStages": ["none"]}])
def test_what_is_no_pipeline_is_refused(choice: str | dict[str, object]) -> None:
    """Whoever chose it learns every fault."""
    with pytest.raises(SettingsFaultError) as caught:
        settings_of(choice)
    assert caught.value.faults


def test_live_speech_passes_through_all_stages_but_those_that_change_its_times() -> None:
    """Ends of utterances are pauses, and the engines have one rate."""
    assert for_speech(PipelineSettings()).enabled == PipelineSettings().enabled - {"silence", "resample"}
