"""The settings of the process's own overload. Pure."""

from typing import Annotated

from msgspec import Meta

from orch.settings.section import Section

Share = Annotated[float, Meta(ge=0.5, le=1)]


class Overload(Section, frozen=True):
    """From which share of the limits of memory and open files on something is done.

    ``no_keep_alive``: clients' connections are closed after each response; ``refuse``: new work is refused.
    """

    no_keep_alive: Share = 0.92
    refuse: Share = 0.95
