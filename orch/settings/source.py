"""Where the settings in force are read from."""

from typing import Protocol

from orch.settings.structs import Settings


class SettingsSource(Protocol):
    """Holds the settings in force. Read ``current`` at every use: it is replaced, whole, by each change."""

    @property
    def current(self) -> Settings:
        """The settings now; another object after each change."""
        ...
