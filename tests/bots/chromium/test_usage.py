"""What a browser uses."""

import os
from pathlib import Path

from orch.bots.chromium.usage import Usage, usage


def test_memory_and_processor_time_are_those_of_the_processes() -> None:
    """Measured on this one: it has run for a while, and is larger than an empty one."""
    found = usage(os.getpid())
    assert found.processes >= 1
    assert found.memory > 5_000_000
    assert 0 < found.cpu < 1e6


def test_a_browser_that_has_ended_uses_nothing() -> None:
    """It may end while it is measured."""
    assert not Path(f"/proc/{2**30}").exists()
    assert usage(2**30) == Usage()
