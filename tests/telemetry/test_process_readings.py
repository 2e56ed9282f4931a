"""What the process uses is read from the system, and what the system does not say is absent."""

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from orch.overload import Use
from orch.telemetry.disk_space import SECONDS, STALE, DiskSpace
from orch.telemetry.logs import CountedHandler
from orch.telemetry.names.metric import Reading
from orch.telemetry.process_readings import ProcessReadings, WorkerIdentity


def values(readings: list[Reading]) -> dict[str, float]:
    return {reading.name.name: reading.value for reading in readings}


def test_the_process_s_use_is_that_of_the_system() -> None:
    """Memory, processor time, start and files, and space for browsers."""
    readings = ProcessReadings(WorkerIdentity("w1", 2, 3), files=lambda: Use(17, 1024))
    found = list(readings.readings())
    value = values(found)
    assert abs(value["process_start_time_seconds"] - time.time()) < 86_400
    assert 10e6 < value["process_resident_memory_bytes"] < value["process_virtual_memory_bytes"]
    assert value["process_cpu_seconds_total"] > 0
    assert (value["process_open_fds"], value["process_max_fds"]) == (17, 1024)
    assert value["orch_worker_restarts_total"] == 3
    labels = {reading.name.name: reading.labels for reading in found}
    assert labels["orch_worker_info"] == ("w1", "2")
    assert labels["orch_build_info"][1].startswith("3.")
    space = os.statvfs("/dev/shm")  # noqa: S108 - where it is read
    assert value["orch_shm_size_bytes"] == space.f_blocks * space.f_frsize


def test_without_proc_the_rest_is_there(tmp_path: Path) -> None:
    """On another system, or out of descriptors: absent, not 0."""
    readings = ProcessReadings(
        WorkerIdentity("w1"), files=lambda: None, proc=tmp_path, shared_memory=tmp_path / "none"
    )
    assert set(values(list(readings.readings()))) == {
        "orch_build_info",
        "orch_worker_info",
        "orch_worker_restarts_total",
        "process_cpu_seconds_total",
    }


async def test_the_space_on_a_disk_that_hangs_is_absent_after_a_minute(
    autojump_clock: trio.testing.MockClock, tmp_path: Path
) -> None:
    """A reading is in a thread, and an old one is not shown for a new one."""
    answers: Iterator[tuple[int, int] | None] = iter([(10, 100), None, (20, 100)])

    def read(folder: Path) -> tuple[int, int]:
        answer = next(answers, None)
        if answer is None:
            raise OSError(5, "I/O error")
        assert folder == tmp_path
        return answer

    async def in_thread(work, *args, **_more):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN002, ANN003, ANN202
        await trio.lowlevel.checkpoint()
        return work(*args)

    disk = DiskSpace(tmp_path, read)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trio.to_thread, "run_sync", in_thread)
        async with trio.open_nursery() as nursery:
            await nursery.start(disk.run)
            await trio.sleep(1)
            assert values(list(disk.readings())) == {
                "orch_state_folder_free_bytes": 10,
                "orch_state_folder_size_bytes": 100,
            }
            await trio.sleep(SECONDS)
            assert not list(disk.readings())
            await trio.sleep(SECONDS)
            assert values(list(disk.readings()))["orch_state_folder_free_bytes"] == 20
            nursery.cancel_scope.cancel()
    await trio.sleep(STALE)
    assert not list(disk.readings())


class Full:
    """A stream whose disk is full, from the second line on."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, text: str) -> int:
        if self.written:
            raise OSError(28, "No space left on device")
        self.written.append(text)
        return len(text)

    def flush(self) -> None:
        pass


def test_lines_that_cannot_be_written_are_counted() -> None:
    """Of the log, and those of the audit log, whose loss pages someone."""
    handler = CountedHandler(Full())  # type: ignore[arg-type]
    for logger, level in (("x", "INFO"), ("audit", "INFO"), ("x", "ERROR")):
        handler.handle(logging.LogRecord(logger, getattr(logging, level), "", 0, "line", None, None))
    found = {(reading.name.name, *reading.labels): reading.value for reading in handler.readings()}
    assert found["orch_log_lines_total", "info"] == 2
    assert found["orch_log_lines_total", "error"] == 1
    assert found["orch_log_lines_total", "debug"] == 0
    assert found["orch_log_write_failures_total",] == 2
    assert found["orch_audit_entries_total",] == 1
    assert found["orch_audit_write_failures_total",] == 1
