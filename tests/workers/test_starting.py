"""What the parent makes of a worker that cannot be started."""

import errno
import os
import socket
from typing import Any

import pytest
import trio

from orch.workers.parent import SHORTAGE_PAUSE, Workers


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EAGAIN])
async def test_a_worker_that_the_parent_has_no_room_to_start_is_no_worker_that_failed(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It is tried until it can be; what cannot be started for its own sake is told at once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        workers = Workers(["no-such-program"], [[listening]], grace=1)
        failures = iter([number, number, number, errno.ENOENT])
        ended: list[str] = []

        async def begin(*_: Any) -> Any:
            await trio.lowlevel.checkpoint()
            failed = next(failures)
            raise OSError(failed, os.strerror(failed))

        monkeypatch.setattr(workers, "_begin", begin)

        def told(_worker: int, _now: float, how: str) -> tuple[()]:
            ended.append(how)
            return ()

        monkeypatch.setattr(workers._fleet, "ended", told)
        await workers._run_worker(1, 0)
        assert trio.current_time() == pytest.approx(3 * SHORTAGE_PAUSE)
        assert ended == ["cannot be started (No such file or directory)"]
