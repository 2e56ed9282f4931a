"""Runs files through the audio pipeline, each in two child processes: one decodes, one processes.

The decoder's output is the other one's input, so the service passes on no audio: it reads one reply. Both are
limited in memory and time (``process_limits.py``) and are killed when nobody waits for them any more.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any, Final

import msgspec
import structlog
import trio
from msgspec import Struct

from orch.audio.child_processes import end, for_reading, start
from orch.audio.pipeline_jobs import MOST_REPLY, Failed, Job, Outcome, Reply
from orch.problems import PROBLEMS, ProblemError
from orch.telemetry.names import audio as names
from orch.telemetry.names.metric import Reading

_RECEIVE: Final = 65_536
_KILLED: Final = (-signal.SIGXCPU, -signal.SIGKILL)
_REFUSAL: Final = "The file cannot be processed right now"

_log = structlog.get_logger("pipeline")


class RunStatistics(Struct, frozen=True, kw_only=True):
    """How runs ended so far. ``running``: now. ``refused``: the file or its settings were faulty."""

    running: int = 0
    finished: int = 0
    refused: int = 0
    failed: int = 0
    cancelled: int = 0


class PipelineRuns:
    """Runs jobs. The mutable state is the counters."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(("running", "finished", "refused", "failed", "cancelled"), 0)

    def statistics(self) -> RunStatistics:
        """Return the counters."""
        return RunStatistics(**self._counts)

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        for how, count in self._counts.items():
            if how == "running":
                yield Reading(names.PIPELINE_RUNNING, count)
            else:
                yield Reading(names.PIPELINE_RUNS, count, (how,))

    async def run(self, file: IO[bytes], job: Job) -> Outcome:
        """Run a file, which must be seekable and stays its opener's to close, as do the job's outputs.

        ProblemError: those of :func:`orch.audio.recordings.open_recording`; ``recording_too_long``;
        ``invalid_settings`` with all ``faults``; ``own_shortage``; ``internal_error``. If cancelled, both
        processes are killed first.
        """
        with self._counted(), ExitStack() as stack:
            descriptor = await trio.to_thread.run_sync(for_reading, file, stack)
            receiving, sending = os.pipe()
            stack.callback(os.close, receiving)
            closing = stack.enter_context(ExitStack())
            closing.callback(os.close, sending)
            decoder = await start(
                "orch.audio.decoder_process",
                f"{job.seconds:g}",
                "sound",
                stdin=descriptor,
                stdout=sending,
                refusal=_REFUSAL,
            )
            try:
                closing.close()  # the decoder alone holds it, so that its end is seen
                outputs = [each.output for each in job.variants if each.output is not None]
                pipeline = await start(
                    "orch.audio.pipeline_process",
                    msgspec.json.encode(job).decode(),
                    stdin=receiving,
                    pass_fds=outputs,
                    refusal=_REFUSAL,
                )
                try:
                    stack.close()
                    return await _outcome(pipeline, decoder)
                finally:
                    await end(pipeline)
            finally:
                await end(decoder)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        how = "cancelled"
        self._counts["running"] += 1
        try:
            yield
            how = "finished"
        except ProblemError as error:
            how = "refused" if error.status < 500 else "failed"  # noqa: PLR2004 - the classes of HTTP
            raise
        except Exception:
            how = "failed"
            raise
        finally:
            self._counts["running"] -= 1
            self._counts[how] += 1


async def _outcome(pipeline: trio.Process, decoder: trio.Process) -> Outcome:
    """Read the reply. ProblemError: it is a failure, or there is none."""
    assert pipeline.stdout is not None  # noqa: S101 - it was started with a pipe
    data = bytearray()
    while len(data) <= MOST_REPLY and (part := await pipeline.stdout.receive_some(_RECEIVE)):
        data += part
    try:
        reply: Reply = await trio.to_thread.run_sync(_decoded, bytes(data))
    except msgspec.DecodeError:
        code = await pipeline.wait() if len(data) <= MOST_REPLY else 0
        _log.warning("pipeline crashed", code=code)
        if code in _KILLED:
            raise _too_costly("Processing") from None
        raise ProblemError("internal_error", "The audio pipeline crashed. The log has its code.") from None
    if isinstance(reply, Outcome):
        return reply
    raise await _problem(reply, decoder)


def _decoded(data: bytes) -> Reply:
    reply: Reply = msgspec.json.decode(data, type=Reply)
    return reply


async def _problem(failed: Failed, decoder: trio.Process) -> ProblemError:
    if failed.code == "decoder_died":
        code = await decoder.wait()
        _log.warning("decoder crashed", code=code, reason=failed.detail)
        if code in _KILLED:
            return _too_costly("Decoding")
        return ProblemError("not_audio", "The recording is damaged: the decoder crashed on it.")
    if failed.log:
        _log.error("pipeline failed", traceback=failed.log)
    extra: dict[str, Any] = {}
    if failed.faults:
        extra = {
            "field": failed.field,
            "faults": [{"path": each.path, "expected": each.expected} for each in failed.faults],
        }
    if failed.seconds_read is not None:
        extra["seconds_read"] = failed.seconds_read
    code_known = failed.code if failed.code in PROBLEMS else "internal_error"
    return ProblemError(code_known, failed.detail, **extra)


def _too_costly(what: str) -> ProblemError:
    return ProblemError("recording_too_costly", f"{what} it takes too much processor time or memory.")
