"""The settings of the synthetic journey. Pure."""

from typing import Annotated, Literal

from msgspec import Meta

from orch.settings.probe_structs import Language
from orch.settings.section import Section


class Journey(Section, frozen=True):
    """A second of speech that each worker sends to its own ``/ws`` at each ``interval``, as a user would.

    ``enabled``: ``auto``: where there is an audio-service whose requests cost nothing. ``timeout``: seconds
    until its caption must have arrived. ``language``: that the audio-service is asked for; the speech is
    English.
    """

    enabled: Literal["auto", "on", "off"] = "auto"
    interval: Annotated[float, Meta(ge=5, le=3600)] = 60
    timeout: Annotated[float, Meta(ge=2, le=120)] = 20
    language: Language = "en"
