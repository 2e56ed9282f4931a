"""What tests of the containers share."""

from pathlib import Path

import pytest

from tests.stack.deployment import Deployment


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    """Return a checkout with the script, and a machine with a ``docker`` of the test."""
    return Deployment(tmp_path)
