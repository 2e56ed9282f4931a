"""The service without telemetry that benchmarks compare with: what it leaves out exists under these names."""

import subprocess
import sys

import pytest

PROGRAM = """
from benchmarks.peers import serve_unmeasured as s
from orch.telemetry.metrics import Metrics
s.leave_out()
metrics = Metrics()
metrics.gateway_request("audio-service", "/api/audio/", "requests", 200, 0.03)
assert b'gateway_requests_total{' not in metrics.render()[0]
"""


@pytest.mark.process
def test_what_is_left_out_exists() -> None:
    """A part that was renamed would be measured in both, and telemetry would seem to cost nothing."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
