"""How ``orch`` refuses an unusable number of workers."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("arguments", "environ", "said"),
    [
        (
            ["serve", "--workers", "2"],
            {},
            (
                "orchestration.frontend.workers: expected 1, got 2; several share their sessions through "
                "Redis, so set session_management.persistence to redis\n"
            ),
        ),
        (
            ["serve", "--workers", "0"],
            {},
            "orchestration.frontend.workers: expected a whole number of 1 or more, got 0\n",
        ),
        (
            ["demo"],
            {"WORKERS": "2", "ORCH_SESSION_MANAGEMENT__PERSISTENCE": "redis"},
            (
                "orchestration.frontend.workers: expected 1: orch demo runs one worker; "
                "orch serve can run several\n"
            ),
        ),
    ],
)
def test_unusable_worker_settings_exit_with_2_and_a_reason(
    arguments: list[str], environ: dict[str, str], said: str, tmp_path: Path
) -> None:
    """Nothing is started, and the message says what to do."""
    done = subprocess.run(
        [sys.executable, "-m", "orch", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"} | environ,
    )
    assert (done.returncode, done.stderr) == (2, said)
