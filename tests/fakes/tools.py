"""Programs that tests need and no Python package carries."""

import os
import shutil

import pytest


def require(program: str) -> str:
    """Return the program's path. Without it the test is skipped at a desk, and fails in CI."""
    found = shutil.which(program)
    if found is not None:
        return found
    if os.environ.get("CI"):
        pytest.fail(f"{program} is not installed; make tools installs it")
    pytest.skip(f"{program} is not installed")
