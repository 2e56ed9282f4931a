"""How the parent handles a worker that cannot be started."""

import errno
import os
import socket
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from orch.supervision.restart_policy import RestartPolicy
from orch.workers.parent import SHORTAGE_PAUSE, Workers


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EAGAIN])
async def test_a_worker_that_is_not_started_for_a_shortage_of_the_parent_has_not_failed(number: int) -> None:
    """It is tried again until it can be started; a program that does not exist is a failure at once."""
    failures = iter([number, number, number, errno.ENOENT])

    async def open_process(*_: Any, **__: Any) -> trio.Process:
        await trio.lowlevel.checkpoint()
        failed = next(failures)
        raise OSError(failed, os.strerror(failed))

    with socket.create_server(("127.0.0.1", 0)) as listening, capture_logs() as logs:
        workers = Workers(
            ["no-such-program"],
            [[listening]],
            grace=1,
            policy=RestartPolicy(limit=0),
            open_process=open_process,
        )
        assert await workers.run() == 1
    assert trio.current_time() == pytest.approx(3 * SHORTAGE_PAUSE)
    assert sum(entry["event"] == "worker not started" for entry in logs) == 3
    [failed] = [entry["event"] for entry in logs if entry["log_level"] == "error"]
    assert failed.startswith("Worker 0 cannot be started (No such file or directory).")
