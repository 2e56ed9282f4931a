"""The pipeline that a session, a stream or an upload asks for: a preset, or settings. Pure."""

from typing import Final

import msgspec

from orch.audio.parameter_rules import Fault
from orch.audio.pipeline_settings import PipelineSettings, SettingsFaultError, decode, encode
from orch.audio.presets import PRESETS
from orch.protocol.pipeline_choice import PipelineChoice

NOT_IN_SPEECH: Final = frozenset({"silence", "resample"})
"""Stages that live speech does not pass through: see :func:`for_speech`."""

_CHOICE: Final = msgspec.json.Decoder(PipelineChoice)


def settings_of(choice: PipelineChoice, *, sample_rate: int | None = None) -> PipelineSettings:
    """Return the settings that a choice names. SettingsFaultError: with every fault and its path."""
    if isinstance(choice, dict):
        return decode(choice, sample_rate=sample_rate)
    preset = PRESETS.get(choice)
    if preset is None:
        raise SettingsFaultError((Fault("$", f"settings, or one of {', '.join(PRESETS)}"),))
    return preset.settings


def encoded(choice: PipelineChoice | None) -> bytes:
    """Return a valid choice as it is stored: a preset's name or all settings, as JSON; empty for none."""
    if choice is None:
        return b""
    return msgspec.json.encode(choice if isinstance(choice, str) else encode(decode(choice)))


def decoded(stored: bytes) -> PipelineSettings | None:
    """Return the settings of a stored choice; None for none.

    Raises SettingsFaultError or a MsgspecError where another version stored what this one does not know.
    """
    return settings_of(_CHOICE.decode(stored)) if stored else None


def for_speech(settings: PipelineSettings) -> PipelineSettings:
    """Return settings for speech on its way to the segmenter, at the rate of the back ends.

    ``resample`` is off: the segmenter and the engines have one rate, whatever ``targetRate`` says. So is
    ``silence``: the segmenter ends utterances at pauses, and only utterances are transcribed. With pauses cut
    short it would miss their ends; after it there is no silence left to cut. So output sample n is input
    sample n, and captions have the times of what was said.
    """
    return msgspec.structs.replace(settings, enabled=settings.enabled - NOT_IN_SPEECH)
