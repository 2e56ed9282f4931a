"""Fixtures for tests of the whole service, and the figures that they report."""

from collections.abc import Callable

import pytest


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Return the function that records a figure or a substitute, shown at the end and in reports."""

    def tell(words: str) -> None:
        record_property("told", words)

    return tell
