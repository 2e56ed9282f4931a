"""``python -m orch.audio.pipeline_process JOB``: runs a decoded file through the audio pipeline.

The service starts one process for each file, beside the one that decodes it: that one's output is this one's
input, block by block, so that neither holds a file in memory, and none of it passes through the service. Only
this process imports SciPy, once a file could be opened: most faulty ones cost no more than its start. Before
it reads the first byte it limits its memory, processor time, descriptors and the size of the files that it
may write, which are those that the job names. It ends with its input.

Its reply (``pipeline_jobs.py``) is all that it writes to its output.
"""

import errno
import os
import sys
import time
import traceback
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import structs

from orch.audio import decoder_frames as frames
from orch.audio.downmix import Downmix
from orch.audio.parameter_rules import suited
from orch.audio.pipeline_jobs import Failed, Job, Outcome, Output, Reply, Variant
from orch.audio.pipeline_settings import PipelineSettings, SettingsFaultError, decode
from orch.audio.process_limits import bound, most_memory
from orch.audio.stages.stage import Block
from orch.audio.wav import FLOAT_HEADER_BYTES, HEADER_BYTES, float_header, header

if TYPE_CHECKING:
    from orch.audio.measured_pipeline import MeasuredPipeline, Meter

MEMORY: Final = 768 * 2**20
"""Bytes of address space for a job and SciPy, half of it for either, beyond those of the other libraries."""
CPU_SECONDS: Final = 60
"""Seconds of processor time for a job, beside one for each second of audio and variant."""
DESCRIPTORS: Final = 24
MOST_BYTES_PER_SECOND: Final = 48_000 * 4
_RECEIVE: Final = 65_536
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

Sound = npt.NDArray[np.float32]
"""Shape ``(channels, samples)``."""


class FailedError(Exception):
    """The job failed; ``reply`` says why."""

    def __init__(self, reply: Failed) -> None:
        super().__init__(reply.detail)
        self.reply = reply


class Source:
    """The decoder's frames as blocks of about a second. FailedError: the decoder's reason."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._parser = frames.Frames()
        kind, content = self._next()
        if kind != frames.FACTS:
            raise _decoder_died("no facts")
        self.facts = frames.facts(content)
        self.samples = 0

    @property
    def seconds(self) -> float:
        """How much was read."""
        return self.samples / self.facts.rate

    def blocks(self) -> Iterator[Sound]:
        """Yield what is read; FailedError at the end of a file of which something is missing."""
        waiting: list[Sound] = []
        count = 0
        while True:
            kind, content = self._next()
            if kind != frames.SOUND:
                break
            if len(content) % (4 * self.facts.channels):
                raise _decoder_died("half a sample")
            part = np.frombuffer(content, "<f4").reshape(-1, self.facts.channels).T
            waiting.append(part)
            count += part.shape[1]
            if count >= self.facts.rate:
                self.samples += count
                yield np.concatenate(waiting, axis=1)
                waiting, count = [], 0
        if count:
            self.samples += count
            yield np.concatenate(waiting, axis=1)
        if kind != frames.END:
            raise _decoder_died("no end")
        missing = frames.shortfall(self.facts, frames.end(content), self.seconds)
        if missing is not None:
            raise FailedError(
                Failed(code=missing.code, detail=missing.detail, seconds_read=round(self.seconds, 3))
            )

    def _next(self) -> tuple[bytes, bytes]:
        while (frame := self._parser.next()) is None:
            data = os.read(self._descriptor, _RECEIVE)
            if not data:
                raise _decoder_died("it ended early")
            self._parser.feed(data)
        if frame[0] == frames.FAILURE:
            failure = frames.failure(frame[1])
            raise FailedError(Failed(code=failure.code, detail=failure.detail))
        return frame


class WavFile:
    """Writes samples to a descriptor as a WAV file: 16-bit integers, or floats."""

    def __init__(self, descriptor: int, sample_rate: int, *, is_float: bool) -> None:
        self._file: IO[bytes] = open(descriptor, "wb", buffering=1 << 18, closefd=False)  # noqa: SIM115 - finish() closes it
        self._rate = sample_rate
        self._is_float = is_float
        self._length = 0
        self._file.write(bytes(FLOAT_HEADER_BYTES if is_float else HEADER_BYTES))

    def write(self, samples: Block) -> None:
        """Append samples; integers are rounded to the nearest."""
        if self._is_float:
            data = samples.astype("<f4").tobytes()
        else:
            data = (
                np.clip(np.rint(samples.astype(np.float64) * 32_768), -32_768, 32_767).astype("<i2").tobytes()
            )
        self._length += len(data)
        self._file.write(data)

    def finish(self) -> int:
        """Write the header; return the bytes of the file."""
        head = (float_header if self._is_float else header)(self._length, self._rate)
        self._file.seek(0)
        self._file.write(head)
        self._file.close()
        return len(head) + self._length


class _Run:
    """One variant of a job."""

    def __init__(self, variant: Variant, settings: PipelineSettings, measured: "MeasuredPipeline") -> None:
        self.measured = measured
        resampling = settings.parameters.resampling
        is_rounded = "resample" in settings.enabled and resampling.dithering
        rate = measured.pipeline.output_rate
        self._file = (
            None
            if variant.output is None
            else WavFile(variant.output, rate, is_float=variant.is_float and not is_rounded)
        )
        self._count = 0

    def write(self, samples: Block) -> None:
        """Store output."""
        self._count += len(samples)
        if self._file is not None:
            self._file.write(samples)

    def output(self) -> Output:
        """Return what was made, after the end."""
        rate = self.measured.pipeline.output_rate
        return Output(
            sample_rate=rate,
            seconds=self._count / rate,
            file_bytes=0 if self._file is None else self._file.finish(),
            timings_ms=self.measured.timings_ms(),
            stages=self.measured.stages(),
            parts=self.measured.shortened.parts(),
            emptied=self.measured.shortened.emptied(),
            notice=self.measured.notice,
        )


def run(job: Job, descriptor: int) -> Outcome:
    """Run the file whose frames come from ``descriptor``. FailedError, OSError."""
    source = Source(descriptor)
    facts = source.facts
    settings = [_settings(each, facts.rate) for each in job.variants]
    from orch.audio.measured_pipeline import MeasuredPipeline, Meter  # noqa: PLC0415 - it imports SciPy

    runs = [
        _Run(variant, each, MeasuredPipeline(each, facts.rate, job.measured, clock=time.process_time))
        for variant, each in zip(job.variants, settings, strict=True)
    ]
    original: Meter | None = None
    if job.measured != "nothing":
        original = Meter(facts.rate, facts.channels, has_activity=runs[0].measured.has_activity)
    downmix = Downmix(facts.channels)
    invalid = 0
    for block in source.blocks():
        finite = np.isfinite(block)
        invalid += block.size - int(np.count_nonzero(finite))
        sound = np.where(finite, block, np.float32(0))
        if original is not None:
            original.add(sound)
        mono: Block = downmix.mix(sound)
        _advance(runs, mono, original)
    _advance(runs, None, original)
    return Outcome(
        format=facts.format,
        own_rate=facts.own_rate,
        sample_rate=facts.rate,
        channels=facts.channels,
        seconds=source.seconds,
        invalid_samples=invalid,
        original=None if original is None else original.result(),
        outputs=tuple(each.output() for each in runs),
        memory_bytes=most_memory(),
    )


def _advance(runs: list[_Run], block: Block | None, original: "Meter | None") -> None:
    """Process a block with each variant; None: the end. The first one's activity is the original's."""
    for number, each in enumerate(runs):
        processed = each.measured.flush() if block is None else each.measured.process(block)
        each.write(processed.samples)
        if original is not None and number == 0 and processed.activity is not None:
            original.add_activity(processed.activity)


def _settings(variant: Variant, sample_rate: int) -> PipelineSettings:
    try:
        if not variant.is_preset:
            return decode(variant.document, sample_rate=sample_rate)
        settings = decode(variant.document)
    except SettingsFaultError as error:
        raise FailedError(
            Failed(code="invalid_settings", detail=str(error), field=variant.field, faults=error.faults)
        ) from error
    return structs.replace(settings, parameters=suited(settings.parameters, sample_rate))


def _decoder_died(reason: str) -> FailedError:
    return FailedError(Failed(code="decoder_died", detail=reason))


def _reply(job: Job) -> Reply:
    try:
        return run(job, 0)
    except FailedError as error:
        return error.reply
    except frames.MalformedError as error:
        return _decoder_died(str(error)).reply
    except Exception as error:  # noqa: BLE001 - the boundary of the process: the service logs it
        return _failed(error)


def _failed(error: Exception) -> Failed:
    """Return the reply for a failure that is not the file's or the settings' fault."""
    if isinstance(error, MemoryError):
        return Failed(code="recording_too_costly", detail="Processing it takes too much memory.")
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return Failed(
            code="own_shortage",
            detail="The result cannot be stored: the service is out of disk space. Try again later.",
        )
    lines = "".join(traceback.format_exception(error))[-4000:]
    return Failed(
        code="internal_error",
        detail="The audio pipeline failed. The log has the reason.",
        log=lines,
    )


def main(document: str) -> int:
    """Do the job; write the reply."""
    job: Job = msgspec.json.decode(document, type=Job)
    bound(
        memory=MEMORY,
        cpu_seconds=CPU_SECONDS + int(job.seconds) * len(job.variants),
        descriptors=DESCRIPTORS,
        file_bytes=int((job.seconds + 1) * MOST_BYTES_PER_SECOND),
    )
    reply: Any = msgspec.json.encode(_reply(job))
    view = memoryview(reply)
    while view:
        view = view[os.write(1, view) :]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
