"""The topics that pages can subscribe to, and how their state is read. Pure."""

from collections.abc import Callable
from typing import Any

Provider = Callable[[], Any]


class Topics:
    """The registered topics, each with the function that reads its state.

    A provider returns a struct or plain data; it is called only while a client is subscribed. ``touch``
    publishes a topic's state at once rather than at the next interval.
    """

    def __init__(self) -> None:
        self._providers: dict[str, Provider] = {}
        self.on_touch: Callable[[str], None] | None = None

    def __contains__(self, topic: str) -> bool:
        return topic in self._providers

    def register(self, topic: str, provider: Provider) -> None:
        """Add a topic."""
        self._providers[topic] = provider

    def names(self) -> tuple[str, ...]:
        """Return the names of all topics."""
        return tuple(sorted(self._providers))

    def read(self, topic: str) -> Any:
        """Return the topic's current state."""
        return self._providers[topic]()

    def touch(self, topic: str) -> None:
        """Publish the topic's state now."""
        if self.on_touch is not None:
            self.on_touch(topic)
