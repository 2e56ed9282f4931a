"""What the gateway needs of the health service. Pure."""

from typing import Protocol

from orch.gateway.ejection import Presence


class Health(Protocol):
    """What the gateway needs of the health service."""

    def is_usable(self, service: str, url: str) -> bool:
        """Return False if the instance is known to be down; True also if nothing is known."""
        ...

    def presence(self, service: str, url: str) -> Presence:
        """Return what is known about the instance."""
        ...

    def label(self, service: str, url: str) -> str:
        """Return what the instance is called among those of its service; its URL is masked in it."""
        ...

    def note_failure(self, service: str, url: str, reason: str) -> None:
        """Note that a request to the instance failed."""
        ...
