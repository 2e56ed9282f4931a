"""What a test of the whole service has to say besides that it passed."""

from collections.abc import Callable

import pytest


@pytest.fixture
def told(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Return what notes a figure, or what stood in for what: it is shown at the end, and is in reports."""

    def tell(words: str) -> None:
        record_property("told", words)

    return tell
