"""Figures of the processes that run pipelines of live streams. Pure."""

from msgspec import Struct


class PipelineStatistics(Struct, frozen=True, kw_only=True):
    """The processes of this worker that run pipelines.

    ``streams``: how many are processed now. ``processes``: how many run, ``limit`` at most. ``failures``: how
    many ended by themselves or were killed because they did not respond. ``bypassed``: how often a stream
    went on unprocessed because its pipeline failed, was too slow or had no process. ``error``: the last
    reason.
    """

    streams: int = 0
    processes: int = 0
    limit: int
    failures: int = 0
    bypassed: int = 0
    error: str | None = None
