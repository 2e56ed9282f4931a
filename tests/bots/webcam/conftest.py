import pytest

from orch.bots.webcam.fonts import Fonts


@pytest.fixture(scope="session")
def fonts() -> Fonts:
    """Share the fonts, as the bots of a process do."""
    return Fonts()
