"""Metrics of traces. Pure."""

from typing import Final

from orch.telemetry.names.metric import Label, Name

SPANS: Final = Name(
    "orch_trace_spans_total",
    "counter",
    "Finished spans: exported to the collector, or dropped, as the queue was full, as the collector could "
    "not be reached, or as it rejected them.",
    (Label("outcome", ("exported", "queue_full", "undelivered", "rejected")),),
)
QUEUED: Final = Name("orch_trace_spans_queued", "gauge", "Finished spans that wait to be exported.")
CALLERS_LIMITED: Final = Name(
    "orch_trace_callers_limited_total",
    "counter",
    "Traces that a caller wanted recorded, and that were not, as callers have a limit.",
)
COLLECTOR_REACHABLE: Final = Name(
    "orch_trace_collector_reachable",
    "gauge",
    "1 if the collector of traces accepted the last spans, else 0; absent where there is none, and before.",
)
