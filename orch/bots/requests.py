"""What a bot is asked for. Pure; the API decodes it, the store keeps it as the bot's settings."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from orch.bots.webcam.appearance import Appearance, Mode, ThemeName

NAME: Final = "Live captions (bot)"
"""The display name of a bot that was given none: it says what it is."""

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Language = Annotated[str, Meta(min_length=2, max_length=35)]
Targets = Annotated[tuple[Language, ...], Meta(max_length=16)]
Text = Annotated[str, Meta(max_length=200)]


class Languages(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The languages of a bot; they are independent of each other.

    ``interface``: of the meeting's page. ``captions``: of the meeting's own captions; None: as they are.
    ``spoken``: of the transcription, or "auto". ``targets``: what is translated for the store and webhooks,
    besides what readers read. ``camera``: shown on the camera; None: the first target, without one the
    transcript.
    """

    interface: Language = "en"
    captions: Language | None = None
    spoken: Language = "auto"
    targets: Targets = ()
    camera: Language | None = None


class Recording(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is recorded besides the transcript. ``signals``: the raw signals, to be replayed offline."""

    audio: Literal["none", "mixed", "per_speaker", "both"] = "none"
    format: Literal["flac", "wav"] = "flac"
    signals: bool = False


class Consent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must happen before anything is captured.

    ``require``: ``host``: the host allows it in the meeting; ``none``: the announcement is enough.
    ``announce``: the bot says in the chat what it does, and by which word a participant opts out.
    """

    require: Literal["none", "host"] = "none"
    announce: bool = True


class Rules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When it leaves by itself, in seconds. None: the default of the settings.

    ``bot_names``: parts of the display names of bots, in any case; None: the known vendors' bots.
    """

    lobby: Seconds | None = None
    nobody_came: Seconds | None = None
    everyone_left: Seconds | None = None
    only_bots: Seconds | None = None
    silence: Seconds | None = None
    silence_after: Seconds | None = None
    not_recording: Seconds | None = None
    recording_refused: Seconds | None = None
    longest: Seconds | None = None
    bot_names: Annotated[tuple[Text, ...], Meta(max_length=50)] | None = None


class BotRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bot for a meeting.

    ``camera``: its appearance; None: the camera is off. ``start_at``: seconds since the epoch; None: now.
    ``metadata``: returned with everything about the bot, at most 16 KiB as JSON.
    """

    meeting_url: Annotated[str, Meta(min_length=1, max_length=2_048)]
    name: Annotated[str, Meta(min_length=1, max_length=80)] = NAME
    languages: Languages = Languages()
    camera: Appearance | None = Appearance()
    recording: Recording = Recording()
    consent: Consent = Consent()
    rules: Rules = Rules()
    start_at: float | None = None
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


class LanguagesChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other languages of a bot, as :class:`Languages`; what is left out stays."""

    interface: Language | UnsetType = UNSET
    captions: Language | UnsetType | None = UNSET
    spoken: Language | UnsetType = UNSET
    targets: Targets | UnsetType = UNSET
    camera: Language | UnsetType | None = UNSET

    def applied_to(self, languages: Languages) -> Languages:
        """Return the languages with the change."""
        return msgspec.structs.replace(languages, **_set_fields(self))


class WebcamChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another appearance of a bot's camera; what is left out stays. ``on``: whether there is a picture."""

    on: bool | UnsetType = UNSET
    mode: Mode | UnsetType = UNSET
    theme: ThemeName | UnsetType = UNSET
    lines: int | UnsetType = UNSET
    seconds: float | UnsetType = UNSET
    names: bool | UnsetType = UNSET
    confidence: bool | UnsetType = UNSET
    title: Text | UnsetType = UNSET

    def applied_to(self, camera: Appearance | None) -> Appearance | None:
        """Return the appearance with the change; None: the camera is off.

        A change of how it looks switches no camera on: with ``on`` left out, one that is off stays off.
        Raises ValueError for a value that is out of its range.
        """
        wanted = _set_fields(self)
        is_on = wanted.pop("on", camera is not None)
        changed = msgspec.structs.replace(camera or Appearance(), **wanted)
        return changed if is_on else None


def _set_fields(change: Struct) -> dict[str, Any]:
    """Return the fields of a change that are not left out."""
    named = {name: getattr(change, name) for name in change.__struct_fields__}
    return {name: value for name, value in named.items() if value is not UNSET}
