"""Metrics of the audio pipeline. Pure."""

from typing import Final

from orch.telemetry.names.metric import Label, Name

PIPELINE_RUNNING: Final = Name(
    "orch_pipeline_running", "gauge", "Files that pass through the audio pipeline now."
)
PIPELINE_RUNS: Final = Name(
    "orch_pipeline_runs_total",
    "counter",
    "Files that passed through the audio pipeline, by how that ended.",
    (Label("outcome", ("finished", "refused", "failed", "cancelled")),),
)
PIPELINE_STREAMS: Final = Name(
    "orch_pipeline_streams", "gauge", "Streams of this worker whose sound passes through a pipeline."
)
PIPELINE_PROCESSES: Final = Name(
    "orch_pipeline_processes", "gauge", "Processes of this worker that run pipelines of streams."
)
PIPELINE_FAILURES: Final = Name(
    "orch_pipeline_failures_total",
    "counter",
    "Processes with pipelines that ended by themselves or did not respond.",
)
PIPELINE_BYPASSED: Final = Name(
    "orch_pipeline_bypassed_total",
    "counter",
    "How often a stream went on unprocessed because its pipeline failed, was too slow or had no process.",
)
