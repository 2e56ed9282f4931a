"""The topics that pages can subscribe to, and how their state is read. Pure."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

Provider = Callable[[], Any]


class Family(Struct, frozen=True):
    """Topics ``PREFIX/ID``, one for each thing of a kind.

    ``read`` returns the state of the topic of an id; ``has``: whether such an id can exist.
    """

    read: Callable[[str], Any]
    has: Callable[[str], bool]


class Topics:
    """The registered topics, each with the function that reads its state.

    A provider returns a struct or plain data; it is called only while a client is subscribed. ``touch``
    publishes a topic's state at once rather than at the next interval. Nothing is stored for the topics of a
    family: one begins with its first subscriber and ends with its last.
    """

    def __init__(self) -> None:
        self._providers: dict[str, Provider] = {}
        self._families: dict[str, Family] = {}
        self.on_touch: Callable[[str], None] | None = None

    def __contains__(self, topic: str) -> bool:
        return topic in self._providers or self._family(topic) is not None

    def register(self, topic: str, provider: Provider) -> None:
        """Add a topic."""
        self._providers[topic] = provider

    def register_family(self, prefix: str, family: Family) -> None:
        """Add the topics ``prefix/ID``."""
        self._families[prefix] = family

    def is_of_family(self, topic: str) -> bool:
        """Return whether a topic is one of many of its kind."""
        return topic not in self._providers and self._family(topic) is not None

    def names(self) -> tuple[str, ...]:
        """Return the names of all topics; those of a family as ``prefix/ID``."""
        return tuple(sorted((*self._providers, *(f"{prefix}/ID" for prefix in self._families))))

    def read(self, topic: str) -> Any:
        """Return the topic's current state."""
        found = None if topic in self._providers else self._family(topic)
        return self._providers[topic]() if found is None else found[0].read(found[1])

    def touch(self, topic: str) -> None:
        """Publish the topic's state now."""
        if self.on_touch is not None:
            self.on_touch(topic)

    def _family(self, topic: str) -> tuple[Family, str] | None:
        prefix, slash, identity = topic.partition("/")
        family = self._families.get(prefix)
        if family is None or not slash or not family.has(identity):
            return None
        return family, identity
