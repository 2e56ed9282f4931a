"""The protocol through which other areas read the current settings."""

from typing import Protocol

from orch.settings.structs import Settings


class SettingsSource(Protocol):
    """Holds the current settings. Read ``current`` at every use: each change replaces the whole object."""

    @property
    def current(self) -> Settings:
        """The settings now; another object after each change."""
        ...
