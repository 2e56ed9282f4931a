"""What the service sends to the process that runs the audio pipeline, and what it replies. Pure.

The job is an argument of the process, in JSON; its reply is all that it writes to its output.
"""

from typing import Any, Final, Literal

from msgspec import Struct

from orch.audio.parameter_rules import Fault
from orch.audio.parameters import StageId

MOST_REPLY: Final = 16 * 2**20
"""Bytes. A file of two hours has 2,000 segments of speech at each stage: less than 2 MiB; and 72,000 cuts at
most, those of pauses of 0.1 s: less than 2 MiB for each variant.
"""

Measured = Literal["nothing", "ends", "stages"]
"""Of what is measured: the file and each output, or what leaves each stage besides."""


class Variant(Struct, frozen=True, kw_only=True):
    """Settings to run the file through.

    ``field``: where they came from, for faults. ``document``: as exported. ``is_preset``: what lies above
    half of the file's sample rate is left out; otherwise it is a fault. ``output``: the descriptor of the
    file for the WAV; None: none is written. ``is_float``: with 32-bit samples, if nothing rounds them.
    """

    field: str
    document: dict[str, Any]
    is_preset: bool
    output: int | None = None
    is_float: bool = True


class Job(Struct, frozen=True, kw_only=True):
    """A file through the pipeline, once for each variant. ``seconds``: how much of it is accepted."""

    seconds: float
    variants: tuple[Variant, ...]
    measured: Measured


class Emptied(Struct, frozen=True, kw_only=True):
    """Why ``silence`` left nothing of a file: ``path``: the parameter that decided it; ``detail``: a text."""

    path: str
    detail: str


class Output(Struct, frozen=True, kw_only=True):
    """What a variant made. ``timings_ms``: processor time in each stage that is on.

    ``stages``: the measures of what leaves each stage, as ``orch.audio.analysis.Analysis`` in JSON, by stage.
    ``parts``: ``start``, ``end`` and ``source`` of what stayed (``time_map.py``), in samples at the rate of
    the pipeline. ``emptied``: why nothing did. ``notice``: what was not done as the settings ask, and why.
    """

    sample_rate: int
    seconds: float
    file_bytes: int
    timings_ms: dict[StageId, float]
    stages: dict[StageId, dict[str, Any]]
    parts: tuple[tuple[int, int, int], ...] = ()
    emptied: Emptied | None = None
    notice: str | None = None


class Outcome(Struct, frozen=True, kw_only=True, tag="outcome"):
    """What was read, and what became of it.

    ``own_rate``: the file's sample rate; ``sample_rate``: that of the pipeline. ``invalid_samples``: NaN and
    infinity, which became silence. ``original``: the measures of the file with all its channels; None where
    nothing was measured. ``memory_bytes``: the most that the process had in use;
    0: not known.
    """

    format: str
    own_rate: int
    sample_rate: int
    channels: int
    seconds: float
    invalid_samples: int
    original: dict[str, Any] | None
    outputs: tuple[Output, ...]
    memory_bytes: int


class Failed(Struct, frozen=True, kw_only=True, tag="failed"):
    """Why there is no outcome: ``code`` and ``detail`` of a problem.

    ``code``: ``decoder_died`` where the decoding process ended without a reason. ``faults``: of the settings
    in ``field``. ``seconds_read``: of a damaged file. ``log``: for the service's log.
    """

    code: str
    detail: str
    field: str = ""
    faults: tuple[Fault, ...] = ()
    seconds_read: float | None = None
    log: str = ""


Reply = Outcome | Failed
