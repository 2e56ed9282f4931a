"""Files run through the pipeline in child processes, which are bounded, and end however a run ends."""

import os
import signal
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import trio

from orch.audio.pipeline_jobs import Job, Measured, Outcome, Variant
from orch.audio.pipeline_runs import PipelineRuns
from orch.audio.pipeline_settings import PipelineSettings, encode
from orch.problems import ProblemError
from tests.fakes.patience import PATIENCE
from tests.fakes.processes import command, unreaped
from tests.fakes.wav_files import tones, wav_file

pytestmark = [pytest.mark.process, pytest.mark.real_time]

OFF = encode(PipelineSettings(enabled=frozenset()))
"""Every stage off."""


def job(output: IO[bytes] | None = None, *, measured: Measured = "nothing", seconds: float = 10) -> Job:
    descriptor = None if output is None else output.fileno()
    variant = Variant(field="settings", document=OFF, is_preset=False, output=descriptor)
    return Job(seconds=seconds, variants=(variant,), measured=measured)


async def run(data: bytes, wanted: Job, runs: PipelineRuns | None = None) -> Outcome:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        return await (runs or PipelineRuns()).run(file, wanted)


async def test_a_full_disk_is_a_problem_of_the_service() -> None:
    """Not of the file; nothing is left of the processes."""
    before, runs = unreaped(), PipelineRuns()
    with open("/dev/full", "r+b", buffering=0) as full, pytest.raises(ProblemError) as refused:  # noqa: PTH123, ASYNC230 - a device
        await run(wav_file(tones(48000, 4), 48000), job(full), runs)
    assert refused.value.code == "own_shortage"
    assert "disk space" in refused.value.detail
    assert (runs.statistics().failed, runs.statistics().running) == (1, 0)
    assert unreaped() == before


@pytest.mark.parametrize(
    ("victim", "number", "code"),
    [
        ("decoder_process", signal.SIGKILL, "recording_too_costly"),
        ("decoder_process", signal.SIGSEGV, "not_audio"),
        ("pipeline_process", signal.SIGXCPU, "recording_too_costly"),
        ("pipeline_process", signal.SIGSEGV, "internal_error"),
    ],
)
async def test_a_process_that_dies_is_a_problem(victim: str, number: signal.Signals, code: str) -> None:
    """By its limits: the file is too costly; else the decoder found a fault in the file, or we have one."""
    before = unreaped()
    noise = wav_file(np.random.default_rng(1).normal(0, 0.1, (48000 * 100, 1)), 48000)

    async def strike() -> None:
        while True:
            await trio.sleep(0.01)
            found = [pid for pid in unreaped() - before if victim.encode() in command(pid)]
            if len(unreaped() - before) == 2 and found:
                os.kill(found[0], number)
                return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(strike)
        with pytest.raises(ProblemError) as refused:
            await run(noise, job(measured="stages", seconds=200))
    assert refused.value.code == code
    assert unreaped() == before


async def test_no_process_has_the_service_s_secrets_or_other_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """They get where modules are; the output is the only file beside input and reply."""
    monkeypatch.setenv("ORCH_CONTROL_TOKEN", "secret")
    before = unreaped()
    seen: dict[bytes, str] = {}
    noise = wav_file(np.random.default_rng(1).normal(0, 0.1, (48000 * 100, 1)), 48000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, noise, job(measured="stages", seconds=200))
        with trio.fail_after(PATIENCE):
            while len(seen) < 2:
                await trio.sleep(0.01)
                for pid in unreaped() - before:
                    line = command(pid)
                    with suppress(OSError):  # it has just ended: another of its kind is seen
                        if b"_process" in line:
                            seen[line] = Path(f"/proc/{pid}/environ").read_text()
        nursery.cancel_scope.cancel()
    for environment in seen.values():
        assert "PYTHONPATH" in environment
        names = {line.partition("=")[0] for line in environment.split("\0")}
        assert {name for name in names if name.startswith("ORCH_")} <= {"ORCH_AUDIO_PRIORITY"}
        assert "secret" not in environment
    assert unreaped() == before


@pytest.mark.slow
async def test_a_file_of_two_hours_needs_no_more_memory_than_one_of_a_minute() -> None:
    """It passes block by block; both processes and the service hold a second or so."""
    minute = wav_file(tones(8000, 60), 8000, "8")
    short = await run(minute, job(seconds=7200))
    header, data = minute[:44], minute[44:]
    with tempfile.TemporaryFile() as file, tempfile.TemporaryFile() as output:
        long = len(data) * 120
        file.write(header[:40] + long.to_bytes(4, "little"))
        for _ in range(120):
            file.write(data)
        outcome = await PipelineRuns().run(file, job(output, seconds=7200))
        assert outcome.seconds == 7200
        assert outcome.outputs[0].file_bytes == os.fstat(output.fileno()).st_size == 58 + 7200 * 8000 * 4
    assert 20 * 2**20 < short.memory_bytes < 256 * 2**20
    assert outcome.memory_bytes < short.memory_bytes + 8 * 2**20
