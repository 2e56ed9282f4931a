"""The settings of incidents and of the public status page. Pure."""

from typing import Annotated, Final

from msgspec import Meta, field

from orch.settings.section import Positive, Section

GuestsName = Annotated[str, Meta(max_length=60)]

#: The services that guests may read about, with no names of their own.
PUBLIC_SERVICES: Final = {"audio-service": "", "translation-service": ""}


class Incidents(Section, frozen=True):
    """When an incident of a service opens and closes, in seconds.

    ``open_after``: of being down; ``degraded_after``: of having something wrong; ``close_after``: of being up
    again.
    """

    open_after: Positive = 10
    degraded_after: Positive = 60
    close_after: Positive = 120


class StatusPage(Section, frozen=True):
    """The public status page at ``/status``, with its badges; ``enabled``: anyone may read it.

    ``title``: of the page, "" for its own. ``services``: those that it shows, with their names for guests; ""
    for "Speech recognition", "Translation", or the service's own name.
    """

    enabled: bool = False
    title: GuestsName = ""
    services: dict[str, GuestsName] = field(default_factory=lambda: dict(PUBLIC_SERVICES))
