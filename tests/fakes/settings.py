"""Settings that a test can change while the service runs."""

from typing import Any

from msgspec import convert, to_builtins

from orch.settings import Settings


class FakeSettings:
    """Holds settings as the real one does; ``change`` replaces them whole, as a changed file does."""

    def __init__(self, **document: Any) -> None:
        self.current = convert(document, Settings)

    def change(self, **document: Any) -> None:
        """Replace the top-level sections that are named."""
        self.current = convert({**to_builtins(self.current), **document}, Settings)
